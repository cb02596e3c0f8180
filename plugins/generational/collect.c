/* collect.c - the plug-in's descriptor, a heap's life, and collections.
 * Called by core. Collections run at a stop: no section, no window, so invariant (R) of store.c holds.
 * Invariant (M): after a collection old == marked, and every old object's state byte has SGC_STATE_STORE.
 * Source: sticky mark bits, Demers et al., POPL 1990. DESIGN.md has the argument. */
#include "plugins/generational/generational.h"

#include <errno.h>

enum { PARAM_YOUNG_SIZE, PARAM_FULL_GROWTH, PARAM_FULL_MIN, N_PARAMS };

static const struct sgc_param generational_params[N_PARAMS] = {
    [PARAM_YOUNG_SIZE] = {"young_size", SGC_PARAM_BYTES, 64 << 10, UINT64_C(1) << 40, 8 << 20, 1,
                          "A minor collection follows after so many bytes of new objects."},
    [PARAM_FULL_GROWTH] =
        {"full_growth", SGC_PARAM_PERCENT, 10, 10000, 100, 1,
         "A full collection follows when the heap has outgrown what lived after the last one by this."},
    [PARAM_FULL_MIN] = {"full_min", SGC_PARAM_BYTES, 0, UINT64_C(1) << 40, 32 << 20, 1,
                        "But not before so many bytes are old."},
};

static void generational_configure(void *self_, const uint64_t *params)
{
    struct generational *self = self_;
    const struct sgc_pace pace = {
        .minor_bytes = params[PARAM_YOUNG_SIZE],
        .full_growth_pct = params[PARAM_FULL_GROWTH],
        /* The pacer looks when young_size bytes are new, and counts them as grown; what matters here is what became
           old. */
        .full_min_bytes = params[PARAM_FULL_MIN] + params[PARAM_YOUNG_SIZE],
    };
    self->host->set_pace(self->heap, &pace);
}

static int generational_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **out,
                             struct sgc_error *error)
{
    struct generational *self = host->alloc(sizeof(*self));
    if (!self)
        return host->fail(error, -ENOMEM, "generational: no memory for the heap's record");
    self->host = host;
    self->heap = heap;
    if (sgc_remember_init(&self->remembered, host, heap)) {
        host->free(self, sizeof(*self));
        return host->fail(error, -ENOMEM, "generational: no memory for the remembered set");
    }
    generational_configure(self, params);
    *out = self;
    return 0;
}

static void generational_close(void *self_)
{
    struct generational *self = self_;
    sgc_remember_fini(&self->remembered);
    self->host->free(self, sizeof(*self));
}

struct minor {
    const struct sgc_host *host;
    struct sgc_trace *trace;
};

/* Traces what one remembered entry refers to, and arms the owner again. Old objects do not die here, so every entry is
 * valid. */
static void minor_trace_entry(void *arg, uintptr_t entry)
{
    const struct minor *minor = arg;
    if (entry & 1) {
        void *value = *(void **)(entry - 1);
        if (sgc_is_object(value))
            minor->host->trace_object(minor->trace, value);
        return;
    }
    void *owner = (void *)entry;
    uint8_t *state = sgc_state_byte(&minor->host->counts, owner);
    if (*state & SGC_STATE_STORE)
        return; /* logged twice, traced already */
    *state |= SGC_STATE_STORE;
    minor->host->trace_fields(minor->trace, owner);
}

static void generational_collect(void *self_, enum sgc_collect_kind kind)
{
    struct generational *self = self_;
    const struct sgc_host *host = self->host;
    const bool full = kind == SGC_COLLECT_FULL || self->all_young || self->remembered.lost;
    struct minor minor = {host, host->trace_begin(self->heap, !full)};
    if (full) {
        host->trace_roots(minor.trace, SGC_ROOTS_ALL);
    } else {
        host->trace_roots(minor.trace, SGC_ROOTS_FRESH);
        sgc_remember_visit(&self->remembered, minor_trace_entry, &minor);
    }
    sgc_remember_clear(&self->remembered); /* before a full sweep: remembered owners may die in it */
    host->trace_finish(minor.trace);
    host->trace_sweep(minor.trace, 0, SGC_STATE_STORE);
    self->all_young = false;
}

/* The thread's entries stay in the set. */
static void generational_thread_detach(void *self, void **cell)
{
    (void)self;
    *cell = NULL;
}

static void generational_quiesce(void *self_)
{
    struct generational *self = self_;
    sgc_remember_clear(&self->remembered);
}

/* Every live object is unmarked with state 0: young, whatever slab it is in. A minor collection looks into fresh slabs
 * only, so the next one is full. */
static int generational_adopt(void *self_, struct sgc_error *error)
{
    struct generational *self = self_;
    (void)error;
    self->all_young = true;
    return 0;
}

static const struct sgc_strategy_ops generational_ops = {
    .struct_bytes = sizeof(generational_ops),
    .new_state = 0, /* young: stores take no slow path, decrements of holds are core's */
    .store_mask = SGC_STATE_STORE,
    .open = generational_open,
    .configure = generational_configure,
    .close = generational_close,
    .store = sgc_generational_store,
    .exchange = sgc_generational_exchange,
    .compare_exchange = sgc_generational_compare_exchange,
    .decrement = sgc_op_decrement_never,
    .before_alloc = sgc_op_before_alloc_nothing,
    .collect = generational_collect,
    .grace_elapsed = sgc_op_grace_elapsed_never,
    .thread_detach = generational_thread_detach,
    .quiesce = generational_quiesce,
    .adopt = generational_adopt,
    .verify = sgc_generational_verify,
};

const struct sgc_strategy_plugin sgc_strategy_plugin SGC_PLUGIN_EXPORT = {
    .magic = SGC_PLUGIN_MAGIC,
    .struct_bytes = sizeof(struct sgc_strategy_plugin),
    .abi_major = SGC_ABI_MAJOR,
    .abi_minor = SGC_ABI_MINOR,
    .name = "generational",
    .version = "1.0",
    .license = "MIT",
    .description = "Generational tracing: sticky mark bits, remembered set, no object moves.",
    .capabilities = SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_CONCURRENT_READERS | SGC_NEED_WEAK |
                    SGC_NEED_FINALIZERS | SGC_CAP_MARKS,
    .metadata = SGC_METADATA_MARK,
    .params = generational_params,
    .n_params = N_PARAMS,
    .ops = &generational_ops,
};
