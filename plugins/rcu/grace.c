/* grace.c - what happens to retired objects when their grace period is over, batch by batch.
 * Called by core's grace-period thread (sgc_rcu_grace_elapsed, in a section of its own) and by full collections
 * (sgc_rcu_drain, at a stop). The argument why an object may be claimed stands in rcu.h.
 * A batch: cut (queues.c), close (era, stamp, request), wait for core's call, look at each object, end those that died
 * with all that dies of them. One batch at a time; what is retired
 * meanwhile makes the next one. */
#include "plugins/rcu/rcu.h"
#include <slabgc/testpoint.h>

/* objects for each call: about 0.2 ms of one section, short against any grace period's worth */
#define GRACE_PIECE 2048

/* Is every section over that ran when a program last let go of the object? */
static bool grace_touch_is_over(const struct sgc_rcu *rcu, const void *object)
{
    if (rcu->counting.stopped)
        return true;
    /* ordered by the count that was read */
    return __atomic_load_n(sgc_rcu_touch_byte(rcu, object), __ATOMIC_RELAXED) != (uint8_t)(rcu->safe + 1);
}

/* Where the grace-period thread's candidates go, and the stopper's in its place. */
static struct sgc_candidates *grace_own(struct sgc_rcu *rcu)
{
    if (rcu->counting.stopped)
        return &rcu->counting.young;
    return rcu->cell ? &rcu->cell->counting.young : NULL;
}

static void grace_retire_anew(struct sgc_rcu *rcu, void *object)
{
    if (rcu->cell)
        sgc_rcu_retire(rcu, rcu->cell, object);
    else
        sgc_counting_pend(&rcu->counting);
}

void sgc_rcu_child_at_zero(struct sgc_counting *counting, struct sgc_cascade *cascade, void *child)
{
    struct sgc_rcu *rcu = (struct sgc_rcu *)counting;
    if (SGC_TEST_MUTANT("no-touch") || grace_touch_is_over(rcu, child))
        sgc_cascade_add(counting, cascade, child);
    else
        grace_retire_anew(rcu, child);
}

/* An object that waited: it died, or was held or stored meanwhile, or was let go of again too lately. */
static void grace_look_at(struct sgc_rcu *rcu, void *object)
{
    struct sgc_counting *counting = &rcu->counting;
    const struct sgc_counts *counts = &counting->host->counts;
    sgc_rcu_count_retired(rcu, -(int64_t)counting->host->size_of(object));
    /* Out of the magazine before count and touch are read; pairs with the or in sgc_rcu_retire. */
    __atomic_fetch_and(sgc_state_byte(counts, object), (uint8_t)~SGC_COUNTING_RETIRED, __ATOMIC_ACQ_REL);
    if (!sgc_count_is_zero(counts, object) && !SGC_TEST_MUTANT("no-recheck"))
        /* cycle collections took it for live while it was here */
        sgc_candidate_note(counting, grace_own(rcu), object);
    else if (grace_touch_is_over(rcu, object))
        sgc_cascade_add(counting, &rcu->cascade, object);
    else
        grace_retire_anew(rcu, object);
}

/* A bounded piece of the batch; true: there is more. */
static bool grace_work(struct sgc_rcu *rcu)
{
    void *object = NULL;
    rcu->cascade.own = grace_own(rcu);
    if (sgc_cascade_run(&rcu->counting, &rcu->cascade, GRACE_PIECE))
        return true;
    for (unsigned n = 0; n < GRACE_PIECE && (object = sgc_rcu_take_retired(rcu)) != NULL; n++)
        grace_look_at(rcu, object);
    return object || !sgc_cascade_is_empty(&rcu->cascade);
}

/* The batch is cut. What is touched from here on may be read in sections that its grace period does not wait for. */
static void grace_close_batch(struct sgc_rcu *rcu)
{
    const struct sgc_host *host = rcu->counting.host;
    __atomic_store_n(&rcu->era, rcu->era + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* B; pairs with A in sgc_rcu_touch */
    rcu->batch_stamp = host->grace_stamp();
    rcu->batch = true;
    SGC_TEST_POINT("rcu: batch closed");
    host->grace_request(rcu->counting.heap, rcu->batch_stamp);
}

static void grace_next_batch(struct sgc_rcu *rcu)
{
    for (;;) {
        if (sgc_rcu_cut_retired(rcu)) {
            grace_close_batch(rcu);
            return;
        }
        __atomic_store_n(&rcu->wanted, SGC_RCU_QUIET, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* D; pairs with C in retire_want */
        if (!sgc_rcu_anything_retired(rcu) || sgc_rcu_want(rcu) != SGC_RCU_QUIET)
            return; /* nothing, or a thread that retired something has asked */
    }
}

static void grace_begin_work(struct sgc_rcu *rcu)
{
    rcu->safe = rcu->era - 1;
    rcu->working = true;
}

bool sgc_rcu_grace_elapsed(void *self)
{
    struct sgc_rcu *rcu = self;
    const struct sgc_host *host = rcu->counting.host;
    struct sgc_rcu_cell *cell = (struct sgc_rcu_cell *)sgc_counting_cell(&rcu->counting);
    /* other threads compare it when they end, and ask whether there is one */
    __atomic_store_n(&rcu->cell, cell, __ATOMIC_RELAXED);
    __atomic_compare_exchange_n(&rcu->wanted, &(uint8_t){SGC_RCU_ASKED}, cell ? SGC_RCU_ANSWERED : SGC_RCU_ASKED, false,
                                __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    if (rcu->batch && (int64_t)(host->grace_done() - rcu->batch_stamp) < 0) {
        host->grace_request(rcu->counting.heap, rcu->batch_stamp);
        return false;
    }
    if (rcu->batch) {
        if (!rcu->working)
            grace_begin_work(rcu);
        if (grace_work(rcu))
            return true;
        rcu->batch = rcu->working = false;
    }
    grace_next_batch(rcu);
    return false;
}

void sgc_rcu_drain(struct sgc_counting *counting)
{
    struct sgc_rcu *rcu = (struct sgc_rcu *)counting;
    do {
        while (grace_work(rcu))
            ;
    } while (sgc_rcu_cut_retired(rcu));
    rcu->batch = rcu->working = false;
    rcu->safe = rcu->era; /* no section runs */
    __atomic_store_n(&rcu->era, rcu->era + 1, __ATOMIC_RELAXED);
}
