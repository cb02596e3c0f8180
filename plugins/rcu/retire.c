/* retire.c - touching objects, and the magazines in which retired ones wait.
 * Called by rcu.c (decrements, in a section), by grace.c (the grace-period thread, or the stopper).
 *
 * A queue has one writer, the retiring thread, and one reader, the grace-period thread or the stopper; neither waits for the other, and neither needs the other to act:
 * a batch ends wherever the writer is when the reader looks, so a magazine that its thread left half full waits no longer than a full one.
 * Writer: object, then n (release W1); a full magazine's successor, then `next` (W2), then `tail` (release W3). Reader: tail (acquire W3), then its n (acquire W1); on the
 * way there each magazine's next (acquire W2), its n being full.
 * A forked child finds every queue whole: each step is one store, behind what it publishes.
 *
 * Who asks for grace periods: `wanted` is true from the request until the grace-period thread has found nothing more to do. Writer: W1, fence (C), reads wanted. Reader:
 * clears wanted, fence (D), looks at all queues once more (grace.c). Either C precedes D, and the reader sees the object; or the writer sees wanted cleared, and asks. */
#include "plugins/rcu/rcu.h"

/* ---- touching */

void sgc_rcu_touch(struct sgc_rcu *rcu, void *object)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* A; pairs with B in rcu_close_batch */
    const uint8_t era = (uint8_t)__atomic_load_n(&rcu->era, __ATOMIC_RELAXED);
    uint8_t *byte = sgc_rcu_touch_byte(rcu, object);
    uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
    while (old != era && old != (uint8_t)(era + 1)) { /* published by the decrement that follows */
        if (__atomic_compare_exchange_n(byte, &old, era, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            break;
    }
}

/* ---- the writer */

static struct sgc_rcu_queue *queue_create(struct sgc_rcu *rcu)
{
    const struct sgc_host *host = rcu->counting.host;
    struct sgc_rcu_queue *queue = host->alloc(sizeof(*queue));
    if (!queue)
        return NULL;
    queue->tail = queue->head = queue->cut = host->alloc(sizeof(*queue->tail));
    if (!queue->tail) {
        host->free(queue, sizeof(*queue));
        return NULL;
    }
    host->lock(rcu->counting.lock);
    queue->next = rcu->queues;
    rcu->queues = queue;
    host->unlock(rcu->counting.lock);
    return queue;
}

/* A magazine with room; NULL: the OS refused memory. */
static struct sgc_rcu_magazine *queue_tail(struct sgc_rcu *rcu, struct sgc_rcu_cell *cell)
{
    if (!cell->queue)
        cell->queue = queue_create(rcu);
    if (!cell->queue)
        return NULL;
    struct sgc_rcu_magazine *tail = cell->queue->tail;
    if (tail->n < SGC_RCU_MAGAZINE_OBJECTS)
        return tail;
    struct sgc_rcu_magazine *next = rcu->counting.host->alloc(sizeof(*next));
    if (!next)
        return NULL;
    __atomic_store_n(&tail->next, next, __ATOMIC_RELEASE);        /* W2 */
    __atomic_store_n(&cell->queue->tail, next, __ATOMIC_RELEASE); /* W3 */
    return next;
}

static void retire_want(struct sgc_rcu *rcu)
{
    const struct sgc_host *host = rcu->counting.host;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* C; pairs with D in rcu_next_batch */
    if (!__atomic_load_n(&rcu->wanted, __ATOMIC_RELAXED) && !__atomic_exchange_n(&rcu->wanted, true, __ATOMIC_RELAXED))
        host->grace_request(rcu->counting.heap, host->grace_stamp());
}

void sgc_rcu_retire(struct sgc_rcu *rcu, struct sgc_rcu_cell *cell, void *object)
{
    uint8_t *state = sgc_state_byte(&rcu->counting.host->counts, object);
    if (__atomic_fetch_or(state, SGC_COUNTING_RETIRED, __ATOMIC_ACQ_REL) & SGC_COUNTING_RETIRED) /* pairs with the clear in grace_look_at */
        return;
    struct sgc_rcu_magazine *magazine = queue_tail(rcu, cell);
    if (!magazine) {
        __atomic_fetch_and(state, (uint8_t)~SGC_COUNTING_RETIRED, __ATOMIC_RELAXED); /* in no magazine: a walk finds its count of 0 */
        sgc_counting_pend(&rcu->counting);
        return;
    }
    sgc_rcu_count_retired(rcu, (int64_t)rcu->counting.host->size_of(object));
    magazine->objects[magazine->n] = object;
    __atomic_store_n(&magazine->n, magazine->n + 1, __ATOMIC_RELEASE); /* W1 */
    retire_want(rcu);
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

/* ---- the reader */

static bool queue_is_empty(const struct sgc_rcu_queue *queue)
{
    const struct sgc_rcu_magazine *tail = __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE); /* W3 */
    return queue->head == tail && queue->n_taken == __atomic_load_n(&tail->n, __ATOMIC_ACQUIRE); /* W1 */
}

static void queue_free(const struct sgc_host *host, struct sgc_rcu_queue *queue)
{
    for (struct sgc_rcu_magazine *magazine = queue->head, *next; magazine; magazine = next) {
        next = magazine->next;
        host->free(magazine, sizeof(*magazine));
    }
    host->free(queue, sizeof(*queue));
}

bool sgc_rcu_cut(struct sgc_rcu *rcu)
{
    const struct sgc_host *host = rcu->counting.host;
    bool any = false;
    host->lock(rcu->counting.lock);
    for (struct sgc_rcu_queue **place = &rcu->queues, *queue; (queue = *place) != NULL;) {
        const bool empty = queue_is_empty(queue);
        if (empty && queue->detached) {
            *place = queue->next;
            queue_free(host, queue);
            continue;
        }
        queue->cut = __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE);    /* W3 */
        queue->n_cut = __atomic_load_n(&queue->cut->n, __ATOMIC_ACQUIRE); /* W1 */
        any |= !empty;
        place = &queue->next;
    }
    rcu->taking = rcu->queues;
    host->unlock(rcu->counting.lock);
    return any;
}

bool sgc_rcu_anything_retired(struct sgc_rcu *rcu)
{
    const struct sgc_host *host = rcu->counting.host;
    bool any = false;
    host->lock(rcu->counting.lock);
    for (const struct sgc_rcu_queue *queue = rcu->queues; queue && !any; queue = queue->next)
        any = !queue_is_empty(queue);
    host->unlock(rcu->counting.lock);
    return any;
}

void *sgc_rcu_take(struct sgc_rcu *rcu)
{
    for (; rcu->taking; rcu->taking = rcu->taking->next) { /* no lock: only this thread takes queues out, and new ones come in front */
        struct sgc_rcu_queue *queue = rcu->taking;
        if (queue->head != queue->cut && queue->n_taken == SGC_RCU_MAGAZINE_OBJECTS) {
            struct sgc_rcu_magazine *empty = queue->head;
            queue->head = __atomic_load_n(&empty->next, __ATOMIC_ACQUIRE); /* W2 */
            queue->n_taken = 0;
            rcu->counting.host->free(empty, sizeof(*empty));
        }
        if (queue->head != queue->cut || queue->n_taken < queue->n_cut)
            return queue->head->objects[queue->n_taken++];
    }
    return NULL;
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

uint64_t sgc_rcu_queues_count(const struct sgc_rcu *rcu)
{
    uint64_t n = 0;
    for (const struct sgc_rcu_queue *queue = rcu->queues; queue; queue = queue->next) {
        for (const struct sgc_rcu_magazine *magazine = queue->head; magazine; magazine = magazine->next)
            n += magazine->n;
        n -= queue->n_taken;
    }
    return n;
}
