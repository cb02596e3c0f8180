/* heap_stats.c - the figures of a heap, folded on read.
 * Called by programs and tools, in any state: takes the heap's statistics lock (a leaf) and, at rest or in a section,
 * the heap lock for the list of caches; stops nobody. */
#include "core/cache/malloc.h"
#include "core/heap/heap.h"
#include <string.h>

static int fold_cache(void *arg, struct sgc_cache *cache)
{
    struct sgc_stats *out = arg;
    struct sgc_cache_stats stats;
    sgc_cache_stats(cache, &stats);
    out->n_live += stats.n_live;
    out->live_bytes += stats.live_bytes;
    out->n_allocated += stats.n_allocated;
    return 0;
}

static void fold_caches(struct sgc_heap *heap, struct sgc_stats *out)
{
    (void)sgc_cache_for_each(heap, fold_cache, out);
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
    const struct sgc_budget *budget = sgc_heap_is_malloc(heap) ? &sgc_malloc_budget : &heap->budget;
    out->held_bytes = __atomic_load_n(&budget->used_bytes, __ATOMIC_RELAXED);
    out->peak_bytes = __atomic_load_n(&budget->peak_bytes, __ATOMIC_RELAXED);
    const int64_t external = __atomic_load_n(&heap->external_bytes, __ATOMIC_RELAXED);
    const int64_t retired = __atomic_load_n(&heap->retired_bytes, __ATOMIC_RELAXED);
    out->external_bytes = external > 0 ? (uint64_t)external : 0;
    out->retired_bytes = retired > 0 ? (uint64_t)retired : 0;
    fold_caches(heap, out);
}
