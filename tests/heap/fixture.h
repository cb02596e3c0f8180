/* fixture.h - two small strategies compiled into the tests of core/heap, and helpers to open heaps on them.
 * `marking`: sticky mark-sweep with a remembered set, the tracing engine's whole interface. `counting`: plain reference
 * counts without a cycle collector. They reach core through the host alone, as plug-ins do; the tests themselves look
 * inside. */
#ifndef SLABGC_TESTS_HEAP_FIXTURE_H
#define SLABGC_TESTS_HEAP_FIXTURE_H

#include "core/heap/heap.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- marking */

struct marking {
    const struct sgc_host *host;
    struct sgc_heap *heap;
    void **remembered; /* old objects stored into since the last collection */
    size_t n_remembered, capacity;
};

static inline int marking_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **self,
                               struct sgc_error *error)
{
    (void)params, (void)error;
    struct marking *marking = calloc(1, sizeof(*marking));
    marking->host = host;
    marking->heap = heap;
    *self = marking;
    return 0;
}

static inline void marking_close(void *self)
{
    free(((struct marking *)self)->remembered);
    free(self);
}

static inline void marking_remember(struct marking *marking, void *owner)
{
    if (marking->n_remembered == marking->capacity) {
        marking->capacity = marking->capacity ? marking->capacity * 2 : 64;
        marking->remembered = realloc(marking->remembered, marking->capacity * sizeof(void *));
    }
    marking->remembered[marking->n_remembered++] = owner;
    __atomic_fetch_and(sgc_state_byte(&marking->host->counts, owner), (uint8_t)~SGC_STATE_STORE, __ATOMIC_RELAXED);
}

static inline void marking_store(void *self, void *owner, void **field, void *value)
{
    marking_remember(self, owner);
    __atomic_store_n(field, value, __ATOMIC_RELEASE);
}

static inline void *marking_exchange(void *self, void *owner, void **field, void *value)
{
    struct marking *marking = self;
    marking_remember(self, owner);
    void *old = __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL);
    if (sgc_is_object(old))
        sgc_count_increment(&marking->host->counts, old, false);
    return old;
}

static inline bool marking_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired)
{
    marking_remember(self, owner);
    return __atomic_compare_exchange_n(field, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static inline void marking_collect(void *self, enum sgc_collect_kind kind)
{
    struct marking *marking = self;
    const struct sgc_host *host = marking->host;
    const bool minor = kind == SGC_COLLECT_MINOR;
    struct sgc_trace *trace = host->trace_begin(marking->heap, minor);
    host->trace_roots(trace, minor ? SGC_ROOTS_FRESH : SGC_ROOTS_ALL);
    for (size_t i = 0; i < marking->n_remembered; i++) {
        if (minor)
            host->trace_fields(trace, marking->remembered[i]);
        *sgc_state_byte(&host->counts, marking->remembered[i]) |= SGC_STATE_STORE;
    }
    marking->n_remembered = 0;
    host->trace_finish(trace);
    host->trace_sweep(trace, 0, SGC_STATE_STORE);
}

static const struct sgc_strategy_ops marking_ops = {
    .struct_bytes = sizeof(struct sgc_strategy_ops),
    .store_mask = SGC_STATE_STORE,
    .open = marking_open,
    .configure = sgc_op_configure_nothing,
    .close = marking_close,
    .store = marking_store,
    .exchange = marking_exchange,
    .compare_exchange = marking_compare_exchange,
    .decrement = sgc_op_decrement_never,
    .before_alloc = sgc_op_before_alloc_nothing,
    .collect = marking_collect,
    .grace_elapsed = sgc_op_grace_elapsed_never,
    .thread_detach = sgc_op_thread_detach_nothing,
    .quiesce = sgc_op_quiesce_nothing,
    .adopt = sgc_op_adopt_nothing,
    .verify = sgc_op_verify_nothing,
};

static const struct sgc_strategy_plugin marking_plugin = {
    .magic = SGC_PLUGIN_MAGIC,
    .struct_bytes = sizeof(struct sgc_strategy_plugin),
    .abi_major = SGC_ABI_MAJOR,
    .abi_minor = SGC_ABI_MINOR,
    .name = "marking",
    .version = "1",
    .license = "MIT",
    .description = "test: sticky mark-sweep",
    .capabilities = SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_WEAK | SGC_NEED_FINALIZERS |
                    SGC_NEED_CONCURRENT_READERS | SGC_CAP_MARKS,
    .metadata = SGC_METADATA_MARK,
    .ops = &marking_ops,
};

/* ---- counting */

struct counting {
    const struct sgc_host *host;
    struct sgc_heap *heap;
    void **dead; /* claimed, their children's counts not yet taken back */
    size_t n_dead, capacity;
    pthread_mutex_t lock; /* of the three above */
};

static inline int counting_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **self,
                                struct sgc_error *error)
{
    (void)params, (void)error;
    struct counting *counting = calloc(1, sizeof(*counting));
    pthread_mutex_init(&counting->lock, NULL);
    counting->host = host;
    counting->heap = heap;
    *self = counting;
    return 0;
}

static inline void counting_close(void *self)
{
    free(((struct counting *)self)->dead);
    free(self);
}

static inline void counting_decrement(void *self, void *object);

/* Does a reference to it carry a claim? Those to objects of manual types do not. */
static inline bool counting_counts(const void *value)
{
    return sgc_is_object(value) && (*sgc_state_byte(&sgc_counts, value) & SGC_STATE_STORE);
}

static inline void counting_drop_child(void *visitor, void **place)
{
    void *child = *place;
    if (counting_counts(child))
        sgc_decrement_now(child);
    (void)visitor;
}

static inline void counting_push(struct counting *counting, void *object)
{
    pthread_mutex_lock(&counting->lock);
    if (counting->n_dead == counting->capacity) {
        counting->capacity = counting->capacity ? counting->capacity * 2 : 64;
        counting->dead = realloc(counting->dead, counting->capacity * sizeof(void *));
    }
    counting->dead[counting->n_dead++] = object;
    pthread_mutex_unlock(&counting->lock);
}

static inline void *counting_pop(struct counting *counting)
{
    pthread_mutex_lock(&counting->lock);
    void *object = counting->n_dead > 0 ? counting->dead[--counting->n_dead] : NULL;
    pthread_mutex_unlock(&counting->lock);
    return object;
}

static inline void counting_work(struct counting *counting)
{
    static __thread bool working;
    if (working)
        return;
    working = true;
    void *object;
    while ((object = counting_pop(counting))) {
        if (counting->host->bury(object))
            continue;
        counting->host->visit_references(object, counting_drop_child, counting);
        counting->host->reclaim(counting->heap, &object, 1);
    }
    working = false;
}

static inline void counting_decrement(void *self, void *object)
{
    struct counting *counting = self;
    if (!sgc_count_decrement(&counting->host->counts, object, false) ||
        !sgc_count_claim_dead(&counting->host->counts, object))
        return;
    counting_push(counting, object);
    counting_work(counting);
}

static inline void *counting_exchange(void *self, void *owner, void **field, void *value)
{
    struct counting *counting = self;
    (void)owner;
    if (counting_counts(value))
        sgc_count_increment(&counting->host->counts, value, false);
    return __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL);
}

static inline void counting_store(void *self, void *owner, void **field, void *value)
{
    void *old = counting_exchange(self, owner, field, value);
    if (counting_counts(old))
        ((struct counting *)self)->host->decrement_later(old);
}

static inline bool counting_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired)
{
    (void)self, (void)owner, (void)field, (void)expected, (void)desired;
    abort(); /* no test of this layer uses it here */
}

static inline void counting_collect(void *self, enum sgc_collect_kind kind)
{
    (void)self, (void)kind;
}

static const struct sgc_strategy_ops counting_ops = {
    .struct_bytes = sizeof(struct sgc_strategy_ops),
    .new_state = SGC_STATE_STORE | SGC_STATE_COUNTED | SGC_STATE_DEFER,
    .store_mask = SGC_STATE_STORE,
    .open = counting_open,
    .configure = sgc_op_configure_nothing,
    .close = counting_close,
    .store = counting_store,
    .exchange = counting_exchange,
    .compare_exchange = counting_compare_exchange,
    .decrement = counting_decrement,
    .before_alloc = sgc_op_before_alloc_nothing,
    .collect = counting_collect,
    .grace_elapsed = sgc_op_grace_elapsed_never,
    .thread_detach = sgc_op_thread_detach_nothing,
    .quiesce = sgc_op_quiesce_nothing,
    .adopt = sgc_op_adopt_nothing,
    .verify = sgc_op_verify_nothing,
};

static const struct sgc_strategy_plugin counting_plugin = {
    .magic = SGC_PLUGIN_MAGIC,
    .struct_bytes = sizeof(struct sgc_strategy_plugin),
    .abi_major = SGC_ABI_MAJOR,
    .abi_minor = SGC_ABI_MINOR,
    .name = "counting",
    .version = "1",
    .license = "MIT",
    .description = "test: reference counts",
    .capabilities =
        SGC_NEED_REFERENCES | SGC_NEED_PROMPT | SGC_NEED_WEAK | SGC_NEED_FINALIZERS | SGC_CAP_COUNTS_REFERENCES,
    .ops = &counting_ops,
};

/* ---- heaps and objects */

static inline struct sgc_heap *open_heap_with(const struct sgc_heap_setup *setup)
{
    struct sgc_error error = {0};
    struct sgc_heap *heap = sgc_heap_create(setup, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    return heap;
}

static inline struct sgc_heap *open_heap(const char *name, const struct sgc_strategy_plugin *plugin)
{
    static const uint64_t no_params[1];
    return open_heap_with(
        &(struct sgc_heap_setup){.name = name, .plugin = plugin, .params = no_params, .stall_report_ns = 1000000000});
}

static inline struct sgc_cache *make_cache(struct sgc_heap *heap, const struct sgc_type *type)
{
    struct sgc_error error = {0};
    struct sgc_cache *cache = sgc_cache_create(heap, type, &error);
    ck_assert_msg(cache != NULL, "%s", error.message);
    return cache;
}

static inline void assert_verifies(struct sgc_heap *heap)
{
    struct sgc_error error = {0};
    const int rc = sgc_heap_verify(heap, &error);
    ck_assert_msg(rc == 0, "%s", error.message);
}

static inline void close_heap(struct sgc_heap *heap)
{
    struct sgc_error error = {0};
    const int rc = sgc_heap_close(heap, &error);
    ck_assert_msg(rc == 0, "%s", error.message);
}

static inline uint64_t n_live(struct sgc_heap *heap)
{
    struct sgc_stats stats;
    sgc_heap_stats(heap, &stats);
    return stats.n_live;
}

static inline struct sgc_stats stats_of(struct sgc_heap *heap)
{
    struct sgc_stats stats;
    sgc_heap_stats(heap, &stats);
    return stats;
}

struct node {
    struct node *left, *right;
    long value, pad;
};
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, left, right));

/* A held node. */
static inline struct node *new_node(struct sgc_cache *nodes, struct node *left, struct node *right)
{
    struct node *node = sgc_new(nodes);
    ck_assert_ptr_nonnull(node);
    sgc_set(node, left, left);
    sgc_set(node, right, right);
    return node;
}

#endif
