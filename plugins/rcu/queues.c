/* queues.c - touching and retiring objects, and the queues that carry them to the grace-period thread.
 * Called by rcu.c (decrements, in a section) and by grace.c (the grace-period thread, or the stopper in its place).
 * The chains' own argument is chain.h's.
 *
 * Who asks for grace periods: `wanted` is set from the request until the grace-period thread has found nothing more
 * to do. A retiring thread: puts the object into its chain, fence (C), reads wanted. The grace-period thread: clears
 * wanted, fence (D), looks at all chains once more (grace.c). Either C precedes D, and it sees the object; or the
 * retiring thread sees wanted cleared, and asks.
 * That is so once the thread has come for the first time (ANSWERED). Until then each retirement asks: the OS may have
 * refused the thread, and a child that is forked now has neither the thread nor a cell of its, whose end would tell.
 * Lock: counting.lock guards the list of queues. The reader walks the list without it between cuts: it alone takes
 * queues out, and new ones come in front. */
#include "plugins/rcu/rcu.h"

void sgc_rcu_touch(struct sgc_rcu *rcu, void *object)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* A; pairs with B in grace_close_batch */
    const uint8_t era = (uint8_t)__atomic_load_n(&rcu->era, __ATOMIC_RELAXED);
    uint8_t *byte = sgc_rcu_touch_byte(rcu, object);
    uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
    while (old != era && old != (uint8_t)(era + 1)) { /* published by the decrement that follows */
        if (__atomic_compare_exchange_n(byte, &old, era, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            break;
    }
}

/* ---- a program's thread */

static struct sgc_rcu_queue *queue_create(struct sgc_rcu *rcu)
{
    const struct sgc_host *host = rcu->counting.host;
    struct sgc_rcu_queue *queue = host->alloc(sizeof(*queue));
    if (!queue)
        return NULL;
    if (!sgc_chain_init(host, &queue->retired)) {
        host->free(queue, sizeof(*queue));
        return NULL;
    }
    host->lock(rcu->counting.lock);
    queue->next = rcu->queues;
    rcu->queues = queue;
    host->unlock(rcu->counting.lock);
    return queue;
}

static struct sgc_rcu_queue *queue_of(struct sgc_rcu *rcu, struct sgc_rcu_cell *cell)
{
    if (!cell->queue)
        cell->queue = queue_create(rcu);
    return cell->queue;
}

/* The grace-period thread is to look, at once: it takes its stamp itself when it cuts. So the request is for a stamp
 * that is reached (0 would be none). */
static void retire_want(struct sgc_rcu *rcu)
{
    const struct sgc_host *host = rcu->counting.host;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* C; pairs with D in grace_next_batch */
    if (__atomic_load_n(&rcu->wanted, __ATOMIC_RELAXED) == SGC_RCU_ANSWERED || sgc_rcu_want(rcu) == SGC_RCU_ANSWERED)
        return;
    const uint64_t done = host->grace_done();
    host->grace_request(rcu->counting.heap, done ? done : host->grace_stamp());
}

void sgc_rcu_retire(struct sgc_rcu *rcu, struct sgc_rcu_cell *cell, void *object)
{
    const struct sgc_host *host = rcu->counting.host;
    uint8_t *state = sgc_state_byte(&host->counts, object);
    /* pairs with the clear in grace_look_at */
    if (__atomic_fetch_or(state, SGC_COUNTING_RETIRED, __ATOMIC_ACQ_REL) & SGC_COUNTING_RETIRED)
        return;
    const int64_t bytes = (int64_t)host->size_of(object);
    struct sgc_rcu_queue *queue = queue_of(rcu, cell);
    if (queue) {
        sgc_rcu_count_retired(rcu, bytes); /* first: the reader takes it off again */
        if (sgc_chain_put(host, &queue->retired, object)) {
            retire_want(rcu);
            return;
        }
        sgc_rcu_count_retired(rcu, -bytes);
    }
    /* in no magazine: a walk finds its count of 0 */
    __atomic_fetch_and(state, (uint8_t)~SGC_COUNTING_RETIRED, __ATOMIC_RELAXED);
    sgc_counting_pend(&rcu->counting);
}

void sgc_rcu_queue_detach(struct sgc_rcu *rcu, struct sgc_rcu_cell *cell)
{
    if (!cell->queue)
        return;
    rcu->counting.host->lock(rcu->counting.lock);
    cell->queue->detached = true; /* with the lock, all that the thread wrote */
    rcu->counting.host->unlock(rcu->counting.lock);
    cell->queue = NULL;
}

/* ---- the grace-period thread, or the stopper */

static void queue_free(const struct sgc_host *host, struct sgc_rcu_queue *queue)
{
    sgc_chain_fini(host, &queue->retired);
    host->free(queue, sizeof(*queue));
}

bool sgc_rcu_cut_retired(struct sgc_rcu *rcu)
{
    const struct sgc_host *host = rcu->counting.host;
    bool any = false;
    host->lock(rcu->counting.lock);
    for (struct sgc_rcu_queue **place = &rcu->queues, *queue; (queue = *place) != NULL;) {
        const bool empty = sgc_chain_is_empty(&queue->retired);
        if (empty && queue->detached) {
            *place = queue->next;
            queue_free(host, queue);
            continue;
        }
        sgc_chain_cut(&queue->retired);
        any |= !empty;
        place = &queue->next;
    }
    rcu->taking = rcu->queues;
    host->unlock(rcu->counting.lock);
    return any;
}

void *sgc_rcu_take_retired(struct sgc_rcu *rcu)
{
    for (; rcu->taking; rcu->taking = rcu->taking->next) {
        void *object = sgc_chain_take(rcu->counting.host, &rcu->taking->retired);
        if (object)
            return object;
    }
    return NULL;
}

bool sgc_rcu_anything_retired(struct sgc_rcu *rcu)
{
    const struct sgc_host *host = rcu->counting.host;
    bool any = false;
    host->lock(rcu->counting.lock);
    for (const struct sgc_rcu_queue *queue = rcu->queues; queue && !any; queue = queue->next)
        any = !sgc_chain_is_empty(&queue->retired);
    host->unlock(rcu->counting.lock);
    return any;
}

uint64_t sgc_rcu_queues_count(const struct sgc_rcu *rcu)
{
    uint64_t n = 0;
    for (const struct sgc_rcu_queue *queue = rcu->queues; queue; queue = queue->next)
        n += sgc_chain_count(&queue->retired);
    return n;
}

void sgc_rcu_queues_free(struct sgc_rcu *rcu)
{
    while (rcu->queues) {
        struct sgc_rcu_queue *queue = rcu->queues;
        rcu->queues = queue->next;
        queue_free(rcu->counting.host, queue);
    }
    rcu->taking = NULL;
}
