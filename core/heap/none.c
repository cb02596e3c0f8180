/* none.c - the built-in strategy: the bare object cache. An object ends at its last drop (at the section's end inside
 * one), or by sgc_cache_free. Its decrement also serves objects of manual types on every other strategy. It has no
 * records of its own: self is NULL everywhere. */
#include "core/heap/heap.h"
#include <errno.h>

static int none_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **self,
                     struct sgc_error *error)
{
    (void)host, (void)heap, (void)params, (void)error;
    *self = NULL;
    return 0;
}

static void none_close(void *self)
{
    (void)self;
}

static void none_decrement(void *self, void *object)
{
    (void)self;
    if (!sgc_count_decrement(&sgc_counts, object, sgc_solo) || !sgc_count_claim_dead(&sgc_counts, object))
        return;
    if (!sgc_bury(object))
        sgc_host_table.reclaim(sgc_object_heap(object), &object, 1); /* sgc_reclaim, or a recording's */
}

/* new_state has no store bit, so core never calls these. */
static void *none_exchange(void *self, void *owner, void **field, void *value)
{
    (void)self, (void)owner, (void)field, (void)value;
    sgc_panic("strategy none: a store reached the strategy");
}

static bool none_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired)
{
    (void)self, (void)owner, (void)field, (void)expected, (void)desired;
    sgc_panic("strategy none: a store reached the strategy");
}

static void none_collect(void *self, enum sgc_collect_kind kind)
{
    (void)self, (void)kind; /* deaths were noticed when they happened */
}

static const struct sgc_strategy_ops none_ops = {
    .struct_bytes = sizeof(struct sgc_strategy_ops),
    .new_state = SGC_STATE_COUNTED | SGC_STATE_DEFER,
    .end_state = SGC_STATE_COUNTED | SGC_STATE_DEFER, /* there are no records, and references carry no claims */
    .quiet_mask = SGC_STATE_COUNTED,
    .open = none_open,
    .configure = sgc_op_configure_nothing,
    .close = none_close,
    .store = sgc_op_store_plain,
    .exchange = none_exchange,
    .compare_exchange = none_compare_exchange,
    .decrement = none_decrement,
    .before_alloc = sgc_op_before_alloc_nothing,
    .collect = none_collect,
    .grace_elapsed = sgc_op_grace_elapsed_never,
    .thread_detach = sgc_op_thread_detach_nothing,
    .quiesce = sgc_op_quiesce_nothing,
    .adopt = sgc_op_adopt_nothing,
    .verify = sgc_op_verify_nothing,
};

const struct sgc_strategy_plugin sgc_strategy_none = {
    .magic = SGC_PLUGIN_MAGIC,
    .struct_bytes = sizeof(struct sgc_strategy_plugin),
    .abi_major = SGC_ABI_MAJOR,
    .abi_minor = SGC_ABI_MINOR,
    .name = "none",
    .version = "1.0",
    .license = "MIT",
    .description = "bare object cache: objects end at the last drop or by sgc_cache_free",
    .capabilities = SGC_NEED_PROMPT | SGC_NEED_WEAK | SGC_NEED_FINALIZERS | SGC_CAP_COUNTS_REFERENCES,
    .ops = &none_ops,
};
