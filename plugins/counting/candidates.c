/* candidates.c - candidates for dead cycles: objects that lost a claim and lived on.
 * Called by sgc_counting_release (note), by cascades (forget), by collect.c and garbage.c (the rest, at a stop).
 *
 * Invariant: in every group of dead objects that only they themselves refer to, some object is a candidate, or lies
 * where no cycle leads through. The last claim that came from outside such a group fell on one of its objects, and
 * left its count above 0; that decrement noted it, unless it was one already.
 *
 * The bit SGC_COUNTING_CANDIDATE makes an object stand in one set only; whoever sets it (an atomic or) puts the
 * object into the thread's own set. It is set while a claim pins the object: never after the decrement, when another
 * thread's decrement may have ended it.
 *
 * A candidate that dies by its count must leave its set before its slot is reused. Its thread's own set it leaves at
 * once, and the heap's two sets under the lock. From another thread's set nobody may take it: then the slot is
 * postponed. The object is marked SGC_COUNTING_BURIED, after which the thread that ended it does not touch it again,
 * and the set's owner (or the next collection) reclaims it. One thread alone never postpones, nor does rcu
 * (rcu.h). Postponed bytes are counted: beyond POSTPONED_MAX_BYTES a collection is asked for.
 * Locks: counting->lock (rank STRATEGY) for young and old, some instructions long, nothing is called under it but
 * host->alloc and free. */
#include "plugins/counting/counting.h"

#define POSTPONED_MAX_BYTES (UINT64_C(1) << 20) /* little against what thousands of candidates keep in use */
#define SWEEP_BATCH 64

/* ---- reclaiming what was postponed */

struct sweep {
    struct sgc_counting *counting;
    uint64_t bytes;
    size_t n;
    void *objects[SWEEP_BATCH];
};

static void sweep_flush(struct sweep *sweep)
{
    struct sgc_counting *counting = sweep->counting;
    counting->host->reclaim(counting->heap, sweep->objects, sweep->n);
    if (counting->stopped)
        counting->n_died += sweep->n;
    __atomic_fetch_sub(&counting->postponed_bytes, sweep->bytes, __ATOMIC_RELAXED);
    sweep->n = 0;
    sweep->bytes = 0;
}

/* The caller owns the set. */
static void candidates_sweep(struct sgc_counting *counting, struct sgc_candidate_set *set)
{
    struct sweep sweep = {.counting = counting};
    for (size_t i = 0; i < sgc_candidate_set_slots(set); i++) {
        void *object = sgc_candidate_set_at(set, i);
        if (!object)
            continue;
        /* pairs with the or in forget */
        const uint8_t state = __atomic_load_n(sgc_state_byte(&counting->host->counts, object), __ATOMIC_ACQUIRE);
        if (!(state & SGC_COUNTING_BURIED))
            continue;
        sgc_candidate_set_remove(set, object);
        sweep.bytes += counting->host->size_of(object);
        sweep.objects[sweep.n++] = object;
        if (sweep.n == SWEEP_BATCH)
            sweep_flush(&sweep);
    }
    if (sweep.n)
        sweep_flush(&sweep);
}

/* ---- noting and enlisting */

/* The set is as large as its limit. With enough dead ones in it the owner goes on; else a collection has to look. */
static void candidates_full(struct sgc_counting *counting, struct sgc_candidate_set *own)
{
    const uint64_t threshold = counting->limits.candidate_threshold;
    if (__atomic_load_n(&counting->postponed_bytes, __ATOMIC_RELAXED))
        candidates_sweep(counting, own);
    if (own->n * 4 > threshold * 3)
        counting->host->request_collection(counting->heap, SGC_COLLECT_MINOR);
    own->limit = own->n + threshold / 4 + 1; /* until the collection comes: no look at every candidate */
}

void sgc_candidates_lose(struct sgc_counting *counting)
{
    if (!__atomic_exchange_n(&counting->lost, true, __ATOMIC_RELAXED)) /* read by the stopper, after every section */
        counting->host->request_collection(counting->heap, SGC_COLLECT_FULL);
}

void sgc_candidate_note(struct sgc_counting *counting, struct sgc_candidate_set *own, void *object)
{
    if (sgc_counting_is_acyclic(counting, object))
        return;
    uint8_t *state = sgc_state_byte(&counting->host->counts, object);
    /* the decrement that follows releases it */
    if (__atomic_fetch_or(state, SGC_COUNTING_CANDIDATE, __ATOMIC_RELAXED) & SGC_COUNTING_CANDIDATE)
        return;
    if (!own || !counting->enlist(counting, own, object))
        sgc_candidates_lose(counting);
}

bool sgc_candidate_enlist(struct sgc_counting *counting, struct sgc_candidate_set *own, void *object)
{
    if (!sgc_candidate_set_add(counting->host, own, object))
        return false;
    if (own->n >= own->limit)
        candidates_full(counting, own);
    return true;
}

/* ---- leaving */

static bool candidates_remove_shared(struct sgc_counting *counting, const void *object)
{
    counting->host->lock(counting->lock);
    const bool found =
        sgc_candidate_set_remove(&counting->young, object) || sgc_candidate_set_remove(&counting->old, object);
    counting->host->unlock(counting->lock);
    return found;
}

bool sgc_candidate_forget(struct sgc_counting *counting, struct sgc_candidate_set *own, void *object)
{
    /* set before the noting thread's decrement, and so before the last one */
    if (!(sgc_counting_state(counting, object) & SGC_COUNTING_CANDIDATE))
        return true;
    if ((own && sgc_candidate_set_remove(own, object)) || candidates_remove_shared(counting, object))
        return true;
    const uint64_t bytes = counting->host->size_of(object);
    const uint64_t before = __atomic_fetch_add(&counting->postponed_bytes, bytes, __ATOMIC_RELAXED);
    /* pairs with the load in sweep */
    __atomic_fetch_or(sgc_state_byte(&counting->host->counts, object), SGC_COUNTING_BURIED, __ATOMIC_RELEASE);
    if (before <= POSTPONED_MAX_BYTES && before + bytes > POSTPONED_MAX_BYTES)
        counting->host->request_collection(counting->heap, SGC_COLLECT_MINOR);
    return false;
}

void sgc_candidates_detach(struct sgc_counting *counting, struct sgc_candidate_set *own)
{
    candidates_sweep(counting, own);
    counting->host->lock(counting->lock);
    bool refused = false;
    for (size_t i = 0; i < sgc_candidate_set_slots(own); i++) {
        void *object = sgc_candidate_set_at(own, i);
        if (object && !sgc_candidate_set_add(counting->host, &counting->young, object))
            refused = true;
    }
    counting->host->unlock(counting->lock);
    if (refused)
        sgc_candidates_lose(counting);
    sgc_candidate_set_fini(counting->host, own);
}

/* ---- at a stop */

static void candidates_gather_cell(void *arg, void **place)
{
    struct sgc_counting *counting = arg;
    struct sgc_counting_cell *cell = *place;
    if (!cell)
        return;
    sgc_candidates_detach(counting, &cell->young);
    cell->young.limit = counting->limits.candidate_threshold;
}

void sgc_candidates_gather_cells(struct sgc_counting *counting)
{
    counting->host->visit_thread_cells(counting->heap, candidates_gather_cell, counting);
}

void sgc_candidates_gather(struct sgc_counting *counting)
{
    counting->gather(counting);
    if (counting->postponed_bytes) {
        candidates_sweep(counting, &counting->young);
        candidates_sweep(counting, &counting->old);
    }
}

void sgc_candidate_settle(struct sgc_counting *counting, void *object)
{
    uint8_t *state = sgc_state_byte(&counting->host->counts, object);
    if (!(*state & SGC_COUNTING_CANDIDATE))
        return;
    if (!sgc_candidate_set_remove(&counting->young, object))
        sgc_candidate_set_remove(&counting->old, object);
    *state &= (uint8_t)~SGC_COUNTING_CANDIDATE;
}
