/* collect.c - one collection: stop, empty the windows, let the strategy work, put slabs in order, account, resume.
 * Called by alloc.c (pacer, emergency), by programs (sgc_heap_collect), and by close, switch and cache destruction (the
 * stopped part).
 * The caller is at rest. Two threads that find a collection due at once: the second one finds it done (the pacer is
 * polled again under the stop). */
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/os/meta.h"
#include "core/stats/events.h"
#include "core/stats/histogram.h"

void sgc_heap_flush(struct sgc_heap *heap)
{
    SGC_LIST_FOR_EACH (link, &heap->caches)
        sgc_cache_flush(SGC_LIST_ENTRY(link, struct sgc_cache, heap_link));
}

static void heap_relist(struct sgc_heap *heap)
{
    sgc_heap_flush(heap); /* the strategy may have freed into the stopper's window */
    SGC_LIST_FOR_EACH (link, &heap->caches)
        sgc_cache_relist(SGC_LIST_ENTRY(link, struct sgc_cache, heap_link));
}

/* ---- decrement.c ran out of memory: each object goes through a decrement again, which finds those without a claim and
 * makes the others candidates */

struct recount {
    void **unclaimed; /* objects without a claim: handled after the walk, which their deaths would disturb */
    size_t n, capacity;
    bool incomplete; /* no memory for all of them */
};

static void recount_again(void *object)
{
    sgc_count_increment(&sgc_counts, object, true);
    sgc_decrement_now(object); /* which knows objects of manual types */
}

static void recount_keep(struct recount *recount, void *object)
{
    if (recount->n == recount->capacity) {
        const size_t capacity = recount->capacity ? recount->capacity * 2 : 512;
        void **bigger =
            sgc_meta_realloc(recount->unclaimed, recount->capacity * sizeof(void *), capacity * sizeof(void *));
        if (!bigger) {
            recount->incomplete = true;
            return;
        }
        recount->unclaimed = bigger;
        recount->capacity = capacity;
    }
    recount->unclaimed[recount->n++] = object;
}

static bool recount_concerns(const void *object)
{
    return __atomic_load_n(sgc_state_byte(&sgc_counts, object), __ATOMIC_RELAXED) & SGC_STATE_COUNTED;
}

/* The object has no claim. */
static bool recount_is_bare(const void *object)
{
    return sgc_object_cache(object)->managed_manual &&
           !(__atomic_load_n(sgc_state_byte(&sgc_counts, object), __ATOMIC_RELAXED) & SGC_STATE_MANUAL_LOST);
}

static void recount_object(void *arg, void *object)
{
    const uint8_t byte = *sgc_count_byte(&sgc_counts, object);
    if (!recount_concerns(object) || byte == SGC_COUNT_DEAD)
        return; /* claimed: its strategy is not done with it */
    if (byte == 0 && recount_is_bare(object))
        return;
    if (byte == 0)
        recount_keep(arg, object);
    else
        recount_again(object); /* a claim remains: nothing dies */
}

/* What dies on the way takes others of the list along: a reclaimed object has state 0. */
static void heap_recount(struct sgc_heap *heap)
{
    struct recount recount = {0};
    sgc_heap_walk_stopped(heap, true, recount_object, &recount);
    for (size_t i = 0; i < recount.n; i++) {
        void *object = recount.unclaimed[i];
        if (recount_concerns(object) && *sgc_count_byte(&sgc_counts, object) == 0)
            recount_again(object);
    }
    sgc_meta_free(recount.unclaimed, recount.capacity * sizeof(void *));
    if (recount.incomplete)
        __atomic_store_n(&heap->lost_decrements, true, __ATOMIC_RELAXED);
    sgc_heap_flush(heap);
}

/* ---- */

void sgc_collect_stopped(struct sgc_heap *heap, enum sgc_collect_kind kind)
{
    sgc_heap_flush(heap);
    if (sgc_unlikely(__atomic_exchange_n(&heap->lost_decrements, false,
                                         __ATOMIC_ACQ_REL))) /* pairs with the store in decrement.c */
        heap_recount(heap);
    __atomic_store_n(&heap->stats.last_visited, 0, __ATOMIC_RELAXED);
    heap->ops->collect(heap->self, kind);
    heap_relist(heap);
    sgc_pacer_collected(heap, kind);
}

static enum sgc_collect_kind collect_kind(const struct sgc_heap *heap, enum sgc_collect_kind kind)
{
    if (heap->first_full || __atomic_load_n(&heap->lost_decrements, __ATOMIC_RELAXED))
        return SGC_COLLECT_FULL;
    return kind;
}

static void collect_account(struct sgc_heap *heap, enum sgc_collect_kind kind, enum sgc_reason reason,
                            const struct sgc_stop *stop, uint64_t pause_ns)
{
    const uint64_t to_stop_ns = stop->stopped_ns - stop->began_ns;
    SGC_GUARD(&heap->stats_lock);
    struct sgc_stats *stats = &heap->stats;
    if (kind == SGC_COLLECT_FULL)
        stats->n_full++;
    else
        stats->n_minor++;
    stats->n_emergency += reason == SGC_REASON_EMERGENCY;
    sgc_histogram_record(&stats->pauses, pause_ns);
    sgc_histogram_record(&stats->times_to_stop, to_stop_ns);
    sgc_event_record(SGC_EVENT_STOP, heap->name, to_stop_ns, pause_ns, (uint64_t)stop->waited.slowest_tid, 0);
    sgc_event_record(SGC_EVENT_COLLECT_END, heap->name, kind, pause_ns, stats->last_visited, 0);
}

/* At a stop, which it ends. Under SGC_REASON_PACE the kind is what the pacer says now. */
static void collect_and_resume(struct sgc_stop *stop, struct sgc_heap *heap, enum sgc_collect_kind kind,
                               enum sgc_reason reason)
{
    const int due = reason == SGC_REASON_PACE ? sgc_pacer_poll(heap) : (int)kind;
    if (due < 0) {
        sgc_stop_end(stop);
        return;
    }
    kind = collect_kind(heap, (enum sgc_collect_kind)due);
    heap->first_full = false;
    sgc_event_record(SGC_EVENT_COLLECT_BEGIN, heap->name, kind, heap->pacer.live_bytes, 0, 0);
    sgc_collect_stopped(heap, kind);
    const uint64_t pause_ns = sgc_stop_end_locked(stop);
    collect_account(heap, kind, reason, stop, pause_ns); /* under lock STOP still: one writer of stats */
    sgc_finalizer_wake(heap);
    sgc_stop_unlock();
    sgc_region_decay(); /* collections are the clock by which unused memory goes back */
}

void sgc_collect(struct sgc_heap *heap, enum sgc_collect_kind kind, enum sgc_reason reason)
{
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    collect_and_resume(&stop, heap, kind, reason);
}

/* Lock STOP is held: the list is still. */
static bool heap_is_open(const struct sgc_heap *heap)
{
    SGC_GUARD(&sgc_threads_lock);
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        if (SGC_LIST_ENTRY(link, struct sgc_heap, link) == heap)
            return true;
    }
    return false;
}

/* The program may close the heap as soon as the section has ended, on another thread: from then on it is this thread's
 * no more, but for what lock STOP says. */
void sgc_section_rested(struct sgc_context *context)
{
    struct sgc_heap *heap = context->thread->due_heap;
    struct sgc_stop stop;
    if (sgc_unlikely(context->rest_pending != SGC_REST_COLLECT)) {
        if (context->rest_pending & SGC_REST_RECORDED)
            sgc_record_leave(context);
        if (!(context->rest_pending & SGC_REST_COLLECT))
            return;
    }
    context->rest_pending &= (uint8_t)~SGC_REST_COLLECT;
    sgc_stop_lock();
    if (!heap_is_open(heap)) {
        sgc_stop_unlock();
        return;
    }
    sgc_stop_begin_locked(&stop, heap);
    collect_and_resume(&stop, heap, SGC_COLLECT_MINOR, SGC_REASON_PACE);
}

void sgc_heap_collect(struct sgc_heap *heap, enum sgc_collect_kind kind)
{
    if (sgc_unlikely(sgc_context_.depth != 0))
        sgc_panic("sgc_heap_collect: called inside a section");
    if (!sgc_context_.thread)
        sgc_section_attach();
    /* pairs with record.c's stores; asked again in a call */
    if (sgc_unlikely(__atomic_load_n(&heap->record_index, __ATOMIC_RELAXED)))
        sgc_record_collect(heap, kind);
    sgc_collect(heap, kind, SGC_REASON_EXPLICIT);
}
