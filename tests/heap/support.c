/* support.c - see support.h. */
#include "tests/heap/support.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* ---- sharing */

struct sharing {
    const struct sgc_host *host;
    struct sgc_heap *heap;
};

static int sharing_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **out,
                        struct sgc_error *error)
{
    (void)params;
    struct sharing *self = host->alloc(sizeof(*self));
    if (!self)
        return host->fail(error, -ENOMEM, "sharing: no memory");
    *self = (struct sharing){host, heap};
    *out = self;
    return 0;
}

static void sharing_close(void *self)
{
    ((struct sharing *)self)->host->free(self, sizeof(struct sharing));
}

static void sharing_release_field(void *self, void **place)
{
    if (sgc_is_object(*place))
        ((struct sharing *)self)->host->decrement_later(*place);
}

static void sharing_decrement(void *at, void *object)
{
    struct sharing *self = at;
    const struct sgc_host *host = self->host;
    if (!sgc_count_decrement(&host->counts, object, *host->counts.solo) || !sgc_count_claim_dead(&host->counts, object))
        return;
    if (host->bury(object))
        return;
    host->visit_references(object, sharing_release_field, self);
    host->reclaim(self->heap, &object, 1);
}

static void *sharing_exchange(void *at, void *owner, void **field, void *value)
{
    const struct sgc_counts *counts = &((struct sharing *)at)->host->counts;
    (void)owner;
    if (sgc_is_object(value))
        sgc_count_increment(counts, value, *counts->solo);
    return __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL);
}

static void sharing_store(void *at, void *owner, void **field, void *value)
{
    void *old = sharing_exchange(at, owner, field, value);
    if (sgc_is_object(old))
        ((struct sharing *)at)->host->decrement_later(old);
}

static bool sharing_compare_exchange(void *at, void *owner, void **field, void *expected, void *desired)
{
    struct sharing *self = at;
    const struct sgc_counts *counts = &self->host->counts;
    void *old = expected;
    (void)owner;
    if (sgc_is_object(desired))
        sgc_count_increment(counts, desired, *counts->solo);
    const bool stored = __atomic_compare_exchange_n(field, &old, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    void *released = stored ? expected : desired;
    if (sgc_is_object(released))
        self->host->decrement_later(released);
    return stored;
}

static void sharing_collect(void *self, enum sgc_collect_kind kind)
{
    (void)self, (void)kind;
}

static const struct sgc_strategy_ops sharing_ops = {
    .struct_bytes = sizeof(struct sgc_strategy_ops),
    .new_state = SGC_STATE_STORE | SGC_STATE_COUNTED | SGC_STATE_DEFER,
    .store_mask = SGC_STATE_STORE,
    .open = sharing_open,
    .configure = sgc_op_configure_nothing,
    .close = sharing_close,
    .store = sharing_store,
    .exchange = sharing_exchange,
    .compare_exchange = sharing_compare_exchange,
    .decrement = sharing_decrement,
    .before_alloc = sgc_op_before_alloc_nothing,
    .collect = sharing_collect,
    .grace_elapsed = sgc_op_grace_elapsed_never,
    .thread_detach = sgc_op_thread_detach_nothing,
    .quiesce = sgc_op_quiesce_nothing,
    .adopt = sgc_op_adopt_nothing,
    .verify = sgc_op_verify_nothing,
};

#define PLUGIN_HEAD                                                                                                    \
    .magic = SGC_PLUGIN_MAGIC, .struct_bytes = sizeof(struct sgc_strategy_plugin), .abi_major = SGC_ABI_MAJOR,         \
    .abi_minor = SGC_ABI_MINOR, .version = "1", .license = "MIT", .description = "test"

const struct sgc_strategy_plugin sharing_plugin = {
    PLUGIN_HEAD,
    .name = "sharing",
    .capabilities =
        SGC_NEED_REFERENCES | SGC_NEED_PROMPT | SGC_NEED_WEAK | SGC_NEED_FINALIZERS | SGC_CAP_COUNTS_REFERENCES,
    .ops = &sharing_ops,
};

/* ---- tracing */

static int tracing_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **out,
                        struct sgc_error *error)
{
    (void)params;
    struct probe_self *self = host->alloc(sizeof(*self));
    if (!self)
        return host->fail(error, -ENOMEM, "tracing: no memory");
    *self = (struct probe_self){host, heap};
    *out = self;
    return 0;
}

static void tracing_close(void *self)
{
    ((struct probe_self *)self)->host->free(self, sizeof(struct probe_self));
}

static void *tracing_exchange(void *self, void *owner, void **field, void *value)
{
    (void)self, (void)owner, (void)field, (void)value;
    abort(); /* no state bit asks for it */
}

static bool tracing_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired)
{
    (void)self, (void)owner, (void)field, (void)expected, (void)desired;
    abort();
}

static void tracing_collect(void *at, enum sgc_collect_kind kind)
{
    const struct probe_self *self = at;
    (void)kind;
    struct sgc_trace *trace = self->host->trace_begin(self->heap, false);
    self->host->trace_roots(trace, SGC_ROOTS_ALL);
    self->host->trace_finish(trace);
    self->host->trace_sweep(trace, 0, 0);
}

static const struct sgc_strategy_ops tracing_ops = {
    .struct_bytes = sizeof(struct sgc_strategy_ops),
    .open = tracing_open,
    .configure = sgc_op_configure_nothing,
    .close = tracing_close,
    .store = sgc_op_store_plain,
    .exchange = tracing_exchange,
    .compare_exchange = tracing_compare_exchange,
    .decrement = sgc_op_decrement_never,
    .before_alloc = sgc_op_before_alloc_nothing,
    .collect = tracing_collect,
    .grace_elapsed = sgc_op_grace_elapsed_never,
    .thread_detach = sgc_op_thread_detach_nothing,
    .quiesce = sgc_op_quiesce_nothing,
    .adopt = sgc_op_adopt_nothing,
    .verify = sgc_op_verify_nothing,
};

const struct sgc_strategy_plugin tracing_plugin = {
    PLUGIN_HEAD,
    .name = "tracing",
    .capabilities = SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_CONCURRENT_READERS | SGC_NEED_WEAK |
                    SGC_NEED_FINALIZERS | SGC_CAP_MARKS,
    .metadata = SGC_METADATA_MARK,
    .ops = &tracing_ops,
};

/* ---- probe */

struct probe probe;

static void probe_note(unsigned *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* Switches of several threads open at once. */
static void probe_note_params(const uint64_t *params)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    memcpy(probe.last_params, params, sizeof(probe.last_params));
    pthread_mutex_unlock(&lock);
}

static int probe_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **out,
                      struct sgc_error *error)
{
    struct probe_self *self = host->alloc(sizeof(*self));
    probe_note(&probe.n_open);
    if (!self)
        return host->fail(error, -ENOMEM, "probe: no memory");
    *self = (struct probe_self){host, heap};
    probe_note_params(params);
    host->set_pace(heap, &probe.pace);
    if (probe.open_error) {
        host->free(self, sizeof(*self));
        return host->fail(error, probe.open_error, "probe: told to refuse");
    }
    *out = self;
    return 0;
}

static void probe_configure(void *self, const uint64_t *params)
{
    (void)self;
    probe_note(&probe.n_configure);
    probe_note_params(params);
}

static void probe_close(void *self)
{
    probe_note(&probe.n_close);
    __atomic_store_n(&probe.last_closed, self, __ATOMIC_RELAXED);
    ((struct probe_self *)self)->host->free(self, sizeof(struct probe_self));
}

static void probe_store(void *self, void *owner, void **field, void *value)
{
    (void)self, (void)owner;
    probe_note(&probe.n_store);
    __atomic_store_n(field, value, __ATOMIC_RELEASE);
}

static void *probe_exchange(void *self, void *owner, void **field, void *value)
{
    (void)owner;
    probe_note(&probe.n_store);
    void *old = __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL);
    if (sgc_is_object(old))
        sgc_count_increment(&((struct probe_self *)self)->host->counts, old, false);
    return old;
}

static bool probe_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired)
{
    (void)self, (void)owner;
    probe_note(&probe.n_store);
    return __atomic_compare_exchange_n(field, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void probe_before_alloc(void *self)
{
    probe_note(&probe.n_before_alloc);
    if (probe.before_alloc)
        probe.before_alloc(self);
}

static void probe_collect(void *self, enum sgc_collect_kind kind)
{
    probe_note(kind == SGC_COLLECT_FULL ? &probe.n_full : &probe.n_minor);
    if (probe.collect)
        probe.collect(self);
}

static bool probe_grace_elapsed(void *self)
{
    probe_note(&probe.n_grace);
    return probe.grace_elapsed && probe.grace_elapsed(self);
}

static void probe_thread_detach(void *self, void **cell)
{
    (void)self;
    probe_note(&probe.n_detach);
    *cell = NULL;
}

static void probe_quiesce(void *self)
{
    (void)self;
    probe_note(&probe.n_quiesce);
}

static int probe_adopt(void *self, struct sgc_error *error)
{
    probe_note(&probe.n_adopt);
    return probe.adopt_error
               ? ((struct probe_self *)self)->host->fail(error, probe.adopt_error, "probe: told not to adopt")
               : 0;
}

#define PROBE_OPS                                                                                                      \
    .struct_bytes = sizeof(struct sgc_strategy_ops), .open = probe_open, .configure = probe_configure,                 \
    .close = probe_close, .store = probe_store, .exchange = probe_exchange,                                            \
    .compare_exchange = probe_compare_exchange, .decrement = sgc_op_decrement_never,                                   \
    .before_alloc = probe_before_alloc, .collect = probe_collect, .grace_elapsed = probe_grace_elapsed,                \
    .thread_detach = probe_thread_detach, .quiesce = probe_quiesce, .adopt = probe_adopt,                              \
    .verify = sgc_op_verify_nothing

static const struct sgc_strategy_ops probe_ops = {PROBE_OPS};
static const struct sgc_strategy_ops probe_barrier_ops = {PROBE_OPS, .new_state = SGC_STATE_STORE_2,
                                                          .store_mask = SGC_STATE_STORE_2};

static const struct sgc_param probe_params[] = {
    {"fixed", SGC_PARAM_COUNT, 0, 100, 1, 0, "Does not change."},
    {"live", SGC_PARAM_COUNT, 0, 100, 2, 1, "May change."},
};

#define PROBE_CAPABILITIES                                                                                             \
    (SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_CONCURRENT_READERS | SGC_NEED_WEAK | SGC_NEED_FINALIZERS)

const struct sgc_strategy_plugin probe_plugin = {
    PLUGIN_HEAD,   .name = "probe",   .capabilities = PROBE_CAPABILITIES, .params = probe_params,
    .n_params = 2, .ops = &probe_ops,
};
const struct sgc_strategy_plugin probe_barrier_plugin = {
    PLUGIN_HEAD,
    .name = "probe_barrier",
    .capabilities = PROBE_CAPABILITIES,
    .metadata = SGC_METADATA_PRIVATE_0,
    .params = probe_params,
    .n_params = 2,
    .ops = &probe_barrier_ops,
};

/* ---- threads, heaps, messages */

struct named_start {
    const char *name;
    void *(*main)(void *arg);
    void *arg;
};

static void *named_main(void *at)
{
    const struct named_start start = *(struct named_start *)at;
    free(at);
    prctl(PR_SET_NAME, start.name);
    return start.main(start.arg);
}

pthread_t support_thread(const char *name, void *(*main)(void *arg), void *arg)
{
    struct named_start *start = malloc(sizeof(*start));
    pthread_t thread;
    *start = (struct named_start){name, main, arg};
    if (pthread_create(&thread, NULL, named_main, start) != 0)
        abort();
    return thread;
}

struct sgc_heap *open_limited(const char *name, const struct sgc_strategy_plugin *plugin, uint64_t soft_bytes,
                              uint64_t hard_bytes)
{
    static const uint64_t params[2] = {1, 2};
    return open_heap_with(&(struct sgc_heap_setup){
        .name = name,
        .plugin = plugin,
        .params = params,
        .soft_limit_bytes = soft_bytes,
        .hard_limit_bytes = hard_bytes,
        .stall_report_ns = UINT64_C(60000000000),
    });
}

void expect_message(void (*body)(void *arg), void *arg, const char *text)
{
    static char seen[16384];
    const int status = support_run_child(body, arg, seen, sizeof(seen));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x: %s", (unsigned)status, seen);
    ck_assert_msg(strstr(seen, text) != NULL, "expected '%s', got '%s'", text, seen);
}
