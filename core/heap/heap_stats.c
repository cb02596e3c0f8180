/* heap_stats.c - the figures of a heap, folded on read.
 * Called by programs and tools, in any state: takes the heap's statistics lock (a leaf) and, at rest or in a section,
 * the heap lock for the list of caches; stops nobody. */
#include "core/heap/heap.h"
#include <string.h>

static void fold_caches(struct sgc_heap *heap, struct sgc_stats *out)
{
    SGC_GUARD(&heap->lock);
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        struct sgc_cache_stats cache;
        sgc_cache_stats(SGC_LIST_ENTRY(link, struct sgc_cache, heap_link), &cache);
        out->n_live += cache.n_live;
        out->live_bytes += cache.live_bytes;
        out->n_allocated += cache.n_allocated;
    }
    /* Reclaimed is what was allocated and lives no more: one pair of counters serves both. */
    out->n_reclaimed = out->n_allocated > out->n_live ? out->n_allocated - out->n_live : 0;
}

/* Written by the stopper under the lock, so that counts and histograms fit together. */
static void copy_collections(struct sgc_heap *heap, struct sgc_stats *out)
{
    SGC_GUARD(&heap->stats_lock);
    out->n_minor = heap->stats.n_minor;
    out->n_full = heap->stats.n_full;
    out->n_emergency = heap->stats.n_emergency;
    out->pauses = heap->stats.pauses;
    out->times_to_stop = heap->stats.times_to_stop;
}

void sgc_heap_stats(struct sgc_heap *heap, struct sgc_stats *out)
{
    memset(out, 0, sizeof(*out));
    copy_collections(heap, out);
    out->n_visited = __atomic_load_n(&heap->stats.n_visited, __ATOMIC_RELAXED);
    out->last_visited = __atomic_load_n(&heap->stats.last_visited, __ATOMIC_RELAXED);
    out->n_stalls = __atomic_load_n(&heap->stats.n_stalls, __ATOMIC_RELAXED);
    out->n_grace_periods = __atomic_load_n(&heap->stats.n_grace_periods, __ATOMIC_RELAXED);
    out->n_weak_cleared = __atomic_load_n(&heap->stats.n_weak_cleared, __ATOMIC_RELAXED);
    out->n_finalizers_queued = __atomic_load_n(&heap->stats.n_finalizers_queued, __ATOMIC_RELAXED);
    out->n_finalizers_run = __atomic_load_n(&heap->stats.n_finalizers_run, __ATOMIC_RELAXED);
    out->held_bytes = __atomic_load_n(&heap->budget.used_bytes, __ATOMIC_RELAXED);
    out->peak_bytes = __atomic_load_n(&heap->budget.peak_bytes, __ATOMIC_RELAXED);
    const int64_t external = __atomic_load_n(&heap->external_bytes, __ATOMIC_RELAXED);
    const int64_t retired = __atomic_load_n(&heap->retired_bytes, __ATOMIC_RELAXED);
    out->external_bytes = external > 0 ? (uint64_t)external : 0;
    out->retired_bytes = retired > 0 ? (uint64_t)retired : 0;
    fold_caches(heap, out);
}
