/* refcount.c - the strategy `refcount`: an object ends when its count reaches 0, at the end of the section at the
 * latest; dead cycles in collections.
 * Called by core through sgc_strategy_plugin. Counting, candidates and cycles are plugins/counting; here is when a
 * death is acted upon: at once. A decrement in a section waits for its end (SGC_STATE_DEFER, core's list), so what
 * the section read stays valid for its own thread; when ops->decrement comes, nothing that the thread read depends on
 * the object any more. Other threads' reads are the program's to lock (no concurrent-readers); their counting is not:
 * counts and state bytes change by atomics, and the thread that brings a count to 0 learns so by the return value,
 * alone.
 * Each thread ends objects by a cascade of its own, in its cell. DESIGN.md has the argument. Locks: those of
 * plugins/counting. */
#include "plugins/counting/counting.h"
#include "plugins/counting/params.h"

#include <errno.h>

struct refcount_cell {
    struct sgc_counting_cell counting; /* first */
    struct sgc_cascade cascade;
};

/* Nothing waits for its death outside the candidates and what counting->pending stands for. */
static void refcount_drain(struct sgc_counting *counting)
{
    (void)counting;
}

static int refcount_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **self,
                         struct sgc_error *error)
{
    struct sgc_counting *counting = host->alloc(sizeof(*counting));
    if (!counting)
        return host->fail(error, -ENOMEM, "no memory for the strategy's record");
    counting->cell_bytes = sizeof(struct refcount_cell);
    counting->child_at_zero = sgc_cascade_add;
    counting->drain = refcount_drain;
    const int rc = sgc_counting_open(counting, host, heap, params, error);
    if (rc < 0) {
        host->free(counting, sizeof(*counting));
        return rc;
    }
    *self = counting;
    return 0;
}

static void refcount_configure(void *self, const uint64_t *params)
{
    sgc_counting_configure(self, params);
}

static void refcount_close(void *self)
{
    struct sgc_counting *counting = self;
    const struct sgc_host *host = counting->host;
    sgc_counting_close(counting);
    host->free(counting, sizeof(*counting));
}

/* Without memory for a cell the count goes down all the same; who lives on is a lost candidate, who does not waits
 * for a full collection. */
static void refcount_decrement_without_cell(struct sgc_counting *counting, void *object)
{
    if (sgc_counting_release(counting, NULL, object))
        sgc_counting_pend(counting);
}

static void refcount_decrement(void *self, void *object)
{
    struct sgc_counting *counting = self;
    if (counting->stopped) {
        sgc_counting_decrement_stopped(counting, object);
        return;
    }
    struct refcount_cell *cell = (struct refcount_cell *)sgc_counting_cell(counting);
    if (!cell) {
        refcount_decrement_without_cell(counting, object);
        return;
    }
    if (!sgc_counting_release(counting, &cell->counting.young, object))
        return;
    cell->cascade.own = &cell->counting.young;
    sgc_cascade_add(counting, &cell->cascade, object);
    sgc_cascade_run(counting, &cell->cascade, UINT64_MAX);
}

static void refcount_collect(void *self, enum sgc_collect_kind kind)
{
    sgc_counting_collect(self, kind);
}

static void refcount_thread_detach(void *self, void **place)
{
    struct sgc_counting *counting = self;
    struct refcount_cell *cell = *place;
    sgc_candidates_detach(counting, &cell->counting.young);
    sgc_cascade_fini(counting->host, &cell->cascade);
    *place = NULL;
    counting->host->free(cell, sizeof(*cell));
}

static void refcount_quiesce(void *self)
{
    sgc_counting_quiesce(self);
}

static int refcount_adopt(void *self, struct sgc_error *error)
{
    (void)error;
    sgc_counting_adopt(self);
    return 0;
}

static int refcount_verify(void *self, struct sgc_error *error)
{
    return sgc_counting_verify(self, error);
}

static const struct sgc_param refcount_params[] = {SGC_COUNTING_PARAMS};

static const struct sgc_strategy_ops refcount_ops = {
    .struct_bytes = sizeof(struct sgc_strategy_ops),
    .new_state = SGC_STATE_STORE | SGC_STATE_COUNTED | SGC_STATE_DEFER,
    .store_mask = SGC_STATE_STORE,
    .end_state = SGC_STATE_STORE | SGC_STATE_COUNTED | SGC_STATE_DEFER,
    .quiet_mask = SGC_COUNTING_CANDIDATE, /* noted already */
    .open = refcount_open,
    .configure = refcount_configure,
    .close = refcount_close,
    .store = sgc_counting_store,
    .exchange = sgc_counting_exchange,
    .compare_exchange = sgc_counting_compare_exchange,
    .decrement = refcount_decrement,
    .before_alloc = sgc_op_before_alloc_nothing,
    .collect = refcount_collect,
    .grace_elapsed = sgc_op_grace_elapsed_never,
    .thread_detach = refcount_thread_detach,
    .quiesce = refcount_quiesce,
    .adopt = refcount_adopt,
    .verify = refcount_verify,
};

const struct sgc_strategy_plugin sgc_strategy_plugin SGC_PLUGIN_EXPORT = {
    .magic = SGC_PLUGIN_MAGIC,
    .struct_bytes = sizeof(struct sgc_strategy_plugin),
    .abi_major = SGC_ABI_MAJOR,
    .abi_minor = SGC_ABI_MINOR,
    .name = "refcount",
    .version = "1.0",
    .license = "MIT",
    .description = "reference counts, prompt; dead cycles are found by trial deletion",
    .capabilities = SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_PROMPT | SGC_NEED_WEAK | SGC_NEED_FINALIZERS |
                    SGC_CAP_COUNTS_REFERENCES,
    .params = refcount_params,
    .n_params = sizeof(refcount_params) / sizeof(refcount_params[0]),
    .ops = &refcount_ops,
};
