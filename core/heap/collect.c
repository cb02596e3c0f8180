/* collect.c - one collection: stop, empty the windows, let the strategy work, put slabs in order, account, resume.
 * Called by alloc.c (pacer, emergency), by programs (sgc_heap_collect), and by close, switch and cache destruction (the stopped part).
 * The caller is at rest. Two threads that find a collection due at once: the second one finds it done (the pacer is polled again under the stop). */
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/stats/events.h"
#include "core/stats/histogram.h"

void sgc_heap_flush(struct sgc_heap *heap)
{
    SGC_LIST_FOR_EACH (link, &heap->caches)
        sgc_cache_flush(SGC_LIST_ENTRY(link, struct sgc_cache, heap_link));
}

static void heap_relist(struct sgc_heap *heap)
{
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        sgc_cache_flush(cache); /* the strategy may have freed into the stopper's window */
        sgc_cache_relist(cache);
    }
}

/* decrement.c ran out of memory: each object goes through a decrement again, which finds those without a claim and makes the others candidates. A reclaimed
 * object has state 0, so what dies on the way is passed over. */
static void recount_object(void *arg, void *object)
{
    (void)arg;
    if (!(__atomic_load_n(sgc_state_byte(&sgc_counts, object), __ATOMIC_RELAXED) & SGC_STATE_COUNTED))
        return;
    if (*sgc_count_byte(&sgc_counts, object) == SGC_COUNT_DEAD)
        return; /* claimed: its strategy is not done with it */
    sgc_count_increment(&sgc_counts, object, true);
    sgc_decrement_now(object); /* which knows objects of manual types */
}

void sgc_collect_stopped(struct sgc_heap *heap, enum sgc_collect_kind kind)
{
    sgc_heap_flush(heap);
    if (__atomic_exchange_n(&heap->lost_decrements, false, __ATOMIC_ACQ_REL)) { /* pairs with the store in decrement.c */
        sgc_heap_walk_stopped(heap, true, recount_object, heap);
        sgc_heap_flush(heap);
    }
    heap->stats.last_visited = 0;
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

static void collect_account(struct sgc_heap *heap, enum sgc_collect_kind kind, enum sgc_reason reason, const struct sgc_stop *stop, uint64_t pause_ns)
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
    sgc_event_record(SGC_EVENT_STOP, heap->name, to_stop_ns, pause_ns, 0, 0);
    sgc_event_record(SGC_EVENT_COLLECT_END, heap->name, kind, pause_ns, stats->last_visited, 0);
}

void sgc_collect(struct sgc_heap *heap, enum sgc_collect_kind kind, enum sgc_reason reason)
{
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    if (reason == SGC_REASON_PACE) {
        const int due = sgc_pacer_poll(heap);
        if (due < 0) {
            sgc_stop_end(&stop);
            return;
        }
        kind = (enum sgc_collect_kind)due;
    }
    kind = collect_kind(heap, kind);
    heap->first_full = false;
    sgc_event_record(SGC_EVENT_COLLECT_BEGIN, heap->name, kind, heap->pacer.live_bytes, 0, 0);
    sgc_collect_stopped(heap, kind);
    const uint64_t pause_ns = sgc_stop_end_locked(&stop);
    collect_account(heap, kind, reason, &stop, pause_ns); /* under lock STOP still: one writer of stats */
    sgc_stop_unlock();
    sgc_finalizer_wake(heap);
}

void sgc_heap_collect(struct sgc_heap *heap, enum sgc_collect_kind kind)
{
    if (sgc_unlikely(sgc_context_.depth != 0))
        sgc_panic("sgc_heap_collect: called inside a section");
    if (!sgc_context_.thread)
        sgc_section_attach();
    sgc_collect(heap, kind, SGC_REASON_EXPLICIT);
}
