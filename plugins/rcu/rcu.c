/* rcu.c - the strategy `rcu`: its table and the ops that are no more than a few lines. rcu.h has the argument,
 * DESIGN.md the picture. */
#include "plugins/rcu/rcu.h"

#include "plugins/counting/params.h"

#include <errno.h>

static void rcu_take_params(struct sgc_rcu *rcu, const uint64_t *params)
{
    __atomic_store_n(&rcu->retired_soft_bytes, params[SGC_COUNTING_N_PARAMS], __ATOMIC_RELAXED);
    __atomic_store_n(&rcu->retired_hard_bytes, params[SGC_COUNTING_N_PARAMS + 1], __ATOMIC_RELAXED);
    __atomic_store_n(&rcu->backpressure_max_ns, params[SGC_COUNTING_N_PARAMS + 2], __ATOMIC_RELAXED);
}

static int rcu_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **self,
                    struct sgc_error *error)
{
    struct sgc_rcu *rcu = host->alloc(sizeof(*rcu));
    if (!rcu)
        return host->fail(error, -ENOMEM, "no memory for the strategy's record");
    rcu->counting.cell_bytes = sizeof(struct sgc_rcu_cell);
    rcu->counting.pinned_state = SGC_COUNTING_RETIRED;
    rcu->counting.child_at_zero = sgc_rcu_child_at_zero;
    rcu->counting.unshared_state = SGC_STATE_DEFER;
    rcu->counting.readers_unlocked = true;
    rcu->counting.drain = sgc_rcu_drain;
    rcu->touch_bias = host->private_bias(0);
    rcu->era = 1; /* safe: 0 */
    rcu_take_params(rcu, params);
    const int rc = sgc_counting_open(&rcu->counting, host, heap, params, error);
    if (rc < 0) {
        host->free(rcu, sizeof(*rcu));
        return rc;
    }
    *self = rcu;
    return 0;
}

static void rcu_configure(void *self, const uint64_t *params)
{
    rcu_take_params(self, params);
    sgc_counting_configure(self, params);
}

static void rcu_quiesce(void *self)
{
    struct sgc_rcu *rcu = self;
    sgc_rcu_queues_free(rcu);
    sgc_cascade_fini(rcu->counting.host, &rcu->cascade);
    sgc_counting_quiesce(&rcu->counting);
    rcu->batch = rcu->working = false;
    rcu->wanted = SGC_RCU_QUIET;
    rcu->cell = NULL;
}

static int rcu_adopt(void *self, struct sgc_error *error)
{
    struct sgc_rcu *rcu = self;
    (void)error;
    sgc_counting_adopt(&rcu->counting);
    return 0;
}

static void rcu_close(void *self)
{
    struct sgc_rcu *rcu = self;
    const struct sgc_host *host = rcu->counting.host;
    rcu_quiesce(rcu);
    sgc_counting_close(&rcu->counting);
    host->free(rcu, sizeof(*rcu));
}

static void rcu_decrement(void *self, void *object)
{
    struct sgc_rcu *rcu = self;
    if (rcu->counting.stopped) {
        sgc_counting_decrement_stopped(&rcu->counting, object);
        return;
    }
    struct sgc_rcu_cell *cell = (struct sgc_rcu_cell *)sgc_counting_cell(&rcu->counting);
    sgc_rcu_touch(rcu, object);
    if (!sgc_counting_release(&rcu->counting, cell ? &cell->counting.young : NULL, object))
        return;
    if (cell)
        sgc_rcu_retire(rcu, cell, object);
    else
        sgc_counting_pend(&rcu->counting);
}

static void rcu_collect(void *self, enum sgc_collect_kind kind)
{
    sgc_counting_collect(self, kind);
}

/* The grace-period thread never ends: when its cell comes, this is a forked child, in which nobody answers the
 * request that is out (or a stop that ends the strategy's work). fork finds all threads at rest, so a batch that it
 * was working on is whole, and the next thread takes it up. */
static void rcu_thread_detach(void *self, void **place)
{
    struct sgc_rcu *rcu = self;
    struct sgc_rcu_cell *cell = *place;
    if (cell == __atomic_load_n(&rcu->cell, __ATOMIC_RELAXED)) {
        __atomic_store_n(&rcu->cell, NULL, __ATOMIC_RELAXED);
        __atomic_store_n(&rcu->wanted, SGC_RCU_QUIET, __ATOMIC_RELAXED);
    }
    sgc_candidates_detach(&rcu->counting, &cell->counting.young);
    sgc_rcu_queue_detach(rcu, cell);
    *place = NULL;
    rcu->counting.host->free(cell, sizeof(*cell));
}

struct rcu_census {
    struct sgc_rcu *rcu;
    uint64_t n_retired;
};

static void rcu_census_object(void *arg, void *object)
{
    struct rcu_census *census = arg;
    census->n_retired += (sgc_counting_state(&census->rcu->counting, object) & SGC_COUNTING_RETIRED) != 0;
}

static int rcu_verify(void *self, struct sgc_error *error)
{
    struct sgc_rcu *rcu = self;
    const struct sgc_host *host = rcu->counting.host;
    struct rcu_census census = {.rcu = rcu};
    host->walk(rcu->counting.heap, rcu_census_object, &census);
    const uint64_t n_retired = sgc_rcu_queues_count(rcu);
    if (census.n_retired != n_retired)
        return host->fail(error, -EUCLEAN, "retired: %llu objects are marked, %llu are in magazines",
                          (unsigned long long)census.n_retired, (unsigned long long)n_retired);
    return sgc_counting_verify(&rcu->counting, error);
}

static const struct sgc_param rcu_params[] = {
    SGC_COUNTING_PARAMS,
    {"retired_soft", SGC_PARAM_BYTES, 0, SGC_COUNTING_ALL_BYTES_, UINT64_C(16) << 20, 1,
     "Bytes of retired objects beyond which allocating threads yield to the grace-period thread."},
    {"retired_hard", SGC_PARAM_BYTES, 0, SGC_COUNTING_ALL_BYTES_, UINT64_C(64) << 20, 1,
     "Bytes of retired objects beyond which allocating threads wait for grace periods."},
    {"backpressure_max", SGC_PARAM_DURATION_NS, 0, UINT64_C(60000000000), UINT64_C(10000000), 1,
     "Longest wait of one allocation for retired objects to be reclaimed."},
};

static const struct sgc_strategy_ops rcu_ops = {
    .struct_bytes = sizeof(struct sgc_strategy_ops),
    .new_state = SGC_STATE_STORE | SGC_STATE_COUNTED | SGC_STATE_DEFER, /* the latter: unshared */
    .store_mask = SGC_STATE_STORE,
    .end_state = SGC_STATE_STORE | SGC_STATE_COUNTED | SGC_STATE_DEFER,
    .open = rcu_open,
    .configure = rcu_configure,
    .close = rcu_close,
    .store = sgc_counting_store,
    .exchange = sgc_counting_exchange,
    .compare_exchange = sgc_counting_compare_exchange,
    .decrement = rcu_decrement,
    .before_alloc = sgc_rcu_before_alloc,
    .collect = rcu_collect,
    .grace_elapsed = sgc_rcu_grace_elapsed,
    .thread_detach = rcu_thread_detach,
    .quiesce = rcu_quiesce,
    .adopt = rcu_adopt,
    .verify = rcu_verify,
};

const struct sgc_strategy_plugin sgc_strategy_plugin SGC_PLUGIN_EXPORT = {
    .magic = SGC_PLUGIN_MAGIC,
    .struct_bytes = sizeof(struct sgc_strategy_plugin),
    .abi_major = SGC_ABI_MAJOR,
    .abi_minor = SGC_ABI_MINOR,
    .name = "rcu",
    .version = "1.0",
    .license = "MIT",
    .description = "reference counts, reclaimed after grace periods: readers in sections need no lock; dead cycles are "
                   "found by trial deletion",
    .capabilities = SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_CONCURRENT_READERS | SGC_NEED_WEAK |
                    SGC_NEED_FINALIZERS | SGC_CAP_COUNTS_REFERENCES,
    .metadata = SGC_METADATA_PRIVATE_0,
    .params = rcu_params,
    .n_params = sizeof(rcu_params) / sizeof(rcu_params[0]),
    .ops = &rcu_ops,
};
