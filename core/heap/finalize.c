/* finalize.c - the queue of dead objects whose finalizers wait, and who runs them.
 * Called by alloc.c (reserve), death.c (enqueue, unreserve), programs (sgc_finalizers_run), and a thread of core's.
 * Invariants: n <= n_reserved <= capacity, so that queueing never allocates: a place is reserved when a finalizable
 *   object is made and given back when it is reclaimed. Each queued object has SGC_STATE_FINALIZED, was queued once in
 *   its life, and has one count that is the queue's; whoever takes it out of the ring owns that count and drops it
 *   after the finalizer has run. The queue changes in sections and at stops only.
 * Finalizers run at rest, outside every lock, one after the other on each thread that runs them; several threads may.
 * Lock: queue->lock, rank FINALIZER. */
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/os/meta.h"
#include "core/os/thread.h"

#include <errno.h>

#define QUEUE_CAPACITY_MIN 64

int sgc_finalizer_queue_init(struct sgc_finalizer_queue *queue)
{
    sgc_lock_init(&queue->lock, SGC_RANK_FINALIZER, "finalizer queue");
    return -pthread_cond_init(&queue->wake, NULL);
}

/* Lock held. The ring is laid out straight in the new array. */
static int queue_grow_locked(struct sgc_finalizer_queue *queue)
{
    const size_t capacity = queue->capacity ? queue->capacity * 2 : QUEUE_CAPACITY_MIN;
    void **objects = sgc_meta_alloc(capacity * sizeof(*objects));
    if (!objects)
        return -ENOMEM;
    for (size_t i = 0; i < queue->n; i++)
        objects[i] = queue->objects[(queue->head + i) % queue->capacity];
    sgc_meta_free(queue->objects, queue->capacity * sizeof(*objects));
    queue->objects = objects;
    queue->capacity = capacity;
    queue->head = 0;
    return 0;
}

int sgc_finalizer_reserve(struct sgc_heap *heap)
{
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    SGC_GUARD(&queue->lock);
    if (queue->n_reserved == queue->capacity && queue_grow_locked(queue) < 0)
        return -ENOMEM;
    queue->n_reserved++;
    return 0;
}

int sgc_finalizer_make_room(struct sgc_heap *heap, size_t n)
{
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    SGC_GUARD(&queue->lock);
    while (queue->capacity - queue->n_reserved < n)
        if (queue_grow_locked(queue) < 0)
            return -ENOMEM;
    return 0;
}

void sgc_finalizer_unreserve(struct sgc_heap *heap)
{
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    SGC_GUARD(&queue->lock);
    SGC_CHECK(queue->n_reserved > queue->n); /* the dead object has a place and is not in the queue */
    queue->n_reserved--;
}

/* The count: 0 after the last drop, DEAD after a claim; members of a dead cycle keep those of each other. */
static void finalizer_hold(void *object)
{
    uint8_t *byte = sgc_count_byte(&sgc_counts, object);
    uint8_t dead = SGC_COUNT_DEAD;
    if (!__atomic_compare_exchange_n(byte, &dead, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        sgc_count_increment(&sgc_counts, object, sgc_solo);
}

void sgc_finalizer_enqueue(struct sgc_heap *heap, void *object)
{
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    const uint8_t old = __atomic_fetch_or(sgc_state_byte(&sgc_counts, object), SGC_STATE_FINALIZED, __ATOMIC_ACQ_REL);
    SGC_CHECK(!(old & SGC_STATE_FINALIZED));
    finalizer_hold(object);
    sgc_lock_acquire(&queue->lock);
    SGC_CHECK(queue->n < queue->n_reserved);
    queue->objects[(queue->head + queue->n) % queue->capacity] = object;
    queue->n++;
    sgc_lock_release(&queue->lock);
    __atomic_fetch_add(&heap->stats.n_finalizers_queued, 1, __ATOMIC_RELAXED);
    if (!sgc_stop_is_mine()) /* else collect.c wakes the thread when the stop is over */
        sgc_finalizer_wake(heap);
}

/* The oldest waiting object, with the queue's count; NULL: none. found: it was queued before the recording began. In a section or at a stop, so that at a stop the queue
 * is still. */
static void *finalizer_take(struct sgc_finalizer_queue *queue, bool *found)
{
    SGC_GUARD(&queue->lock);
    if (queue->n == 0)
        return NULL;
    *found = queue->n_found > 0;
    queue->n_found -= *found;
    void *object = queue->objects[queue->head];
    queue->head = (queue->head + 1) % queue->capacity;
    queue->n--;
    return object;
}

/* A function of its own: gcc 12's null checks (UBSan) of a TLS address in a loop do not survive the linker's
 * relaxation. */
static SGC_NOINLINE void *finalizer_take_at_rest(struct sgc_finalizer_queue *queue, uint32_t *recorded)
{
    SGC_SHORT_SECTION_BEGIN(context);
    bool found;
    void *object = finalizer_take(queue, &found);
    *recorded = object ? sgc_record_finalize(object, found) : 0;
    SGC_SHORT_SECTION_END(context);
    return object;
}

static size_t finalizer_n_waiting(struct sgc_finalizer_queue *queue)
{
    SGC_GUARD(&queue->lock);
    return queue->n;
}

size_t sgc_finalizers_run(struct sgc_heap *heap, size_t max)
{
    if (sgc_unlikely(sgc_context_.depth != 0))
        sgc_panic("sgc_finalizers_run: called inside a section");
    if (max == 0)
        max = finalizer_n_waiting(&heap->finalizers);
    size_t n_run = 0;
    for (; n_run < max; n_run++) {
        uint32_t recorded;
        void *object = finalizer_take_at_rest(&heap->finalizers, &recorded);
        if (!object)
            break;
        sgc_object_cache(object)->type->finalize(object);
        if (sgc_unlikely(sgc_context_.depth != 0))
            sgc_panic("finalizer of cache %s returned inside a section", sgc_object_cache(object)->name);
        __atomic_fetch_add(&heap->stats.n_finalizers_run, 1, __ATOMIC_RELAXED);
        if (sgc_unlikely(recorded))
            sgc_drop_finalized(object, recorded);
        else
            sgc_drop(object);
    }
    return n_run;
}

/* ---- core's own thread */

static void *finalizer_main(void *arg)
{
    struct sgc_heap *heap = arg;
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    for (;;) {
        sgc_lock_acquire(&queue->lock);
        while (queue->n == 0 && !queue->stopping)
            pthread_cond_wait(&queue->wake, &queue->lock.mutex);
        const bool stopping = queue->stopping;
        sgc_lock_release(&queue->lock);
        if (stopping)
            return NULL;
        sgc_finalizers_run(heap, 1); /* looks at stopping between any two */
    }
}

/* Lock held. */
static int finalizer_thread_start_locked(struct sgc_heap *heap)
{
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    const int rc = sgc_os_thread_start(&queue->thread, "sgc-finalizer", finalizer_main, heap);
    queue->has_thread = rc == 0;
    queue->lost_thread &= rc != 0; /* tried again on the next wake */
    return rc;
}

int sgc_finalizer_thread_start(struct sgc_heap *heap)
{
    SGC_GUARD(&heap->finalizers.lock);
    SGC_CHECK(!heap->finalizers.has_thread);
    return finalizer_thread_start_locked(heap);
}

void sgc_finalizer_wake(struct sgc_heap *heap)
{
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    SGC_GUARD(&queue->lock);
    if (queue->n == 0)
        return;
    if (sgc_unlikely(queue->lost_thread) && !queue->stopping)
        (void)finalizer_thread_start_locked(heap);
    else if (queue->has_thread)
        pthread_cond_signal(&queue->wake);
}

void sgc_finalizer_thread_stop(struct sgc_heap *heap)
{
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    sgc_lock_acquire(&queue->lock);
    const bool has_thread = queue->has_thread;
    queue->stopping = true;
    queue->has_thread = false;
    pthread_cond_signal(&queue->wake);
    sgc_lock_release(&queue->lock);
    if (has_thread)
        sgc_os_thread_join(queue->thread);
}

/* What that thread held while it ran a finalizer stays held, as all that the parent's threads held. */
void sgc_finalizer_after_fork_child(struct sgc_heap *heap)
{
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    if (!queue->has_thread)
        return;
    queue->has_thread = false;
    queue->lost_thread = true;
    pthread_cond_init(&queue->wake, NULL); /* nobody waits on it any more */
}

/* ---- close */

void sgc_finalizer_queue_forget(struct sgc_heap *heap)
{
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    void *object;
    bool found;
    while ((object = finalizer_take(queue, &found)))
        (void)sgc_count_decrement(&sgc_counts, object, true); /* at a stop; no strategy hears of it */
}

void sgc_finalizer_queue_fini(struct sgc_heap *heap)
{
    struct sgc_finalizer_queue *queue = &heap->finalizers;
    sgc_finalizer_thread_stop(heap);
    sgc_meta_free(queue->objects, queue->capacity * sizeof(*queue->objects));
    queue->objects = NULL;
    queue->capacity = queue->n = queue->n_reserved = 0;
    pthread_cond_destroy(&queue->wake);
    sgc_lock_fini(&queue->lock);
}
