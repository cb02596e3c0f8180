/* stats.c - folding the counters of a cache's fronts; shrinking a cache on demand.
 * Called by programs and by the heap layer's statistics. Never stops anybody.
 * Equation, per class, exact when nobody allocates or frees: live = sum(n_taken) - sum(n) - sum(n_returned) over all
 *   fronts - class n_returned.
 * Lock: the class's, for the lists of fronts; the counters are read relaxed. */
#include "core/cache/call.h"
#include "core/cache/internal.h"

struct class_totals {
    uint64_t n_live, live_bytes, n_allocated, n_slabs;
};

/* Modulo 2^64: threads move between two reads. */
struct class_fold {
    uint64_t n_out;     /* slots and large objects that are live or in windows */
    uint64_t n_windows; /* slots in windows */
    uint64_t n_allocated;
};

static void fold_fronts(struct class_fold *fold, const struct sgc_list *fronts)
{
    SGC_LIST_FOR_EACH (at, fronts) {
        const struct sgc_front *front = SGC_LIST_ENTRY(at, struct sgc_front, link);
        const uint64_t word = __atomic_load_n(&front->window.word, __ATOMIC_RELAXED);
        fold->n_out +=
            __atomic_load_n(&front->n_taken, __ATOMIC_RELAXED) - __atomic_load_n(&front->n_returned, __ATOMIC_RELAXED);
        fold->n_windows += word % SGC_WINDOW_POPPED;
        fold->n_allocated += sgc_front_n_popped_shared(front);
    }
}

static struct class_fold class_fold(const struct sgc_class *class_)
{
    struct class_fold fold = {0};
    fold_fronts(&fold, &class_->fronts);
    fold_fronts(&fold, &class_->idle_fronts);
    const uint64_t n_large_taken = __atomic_load_n(&class_->n_large_taken, __ATOMIC_RELAXED);
    fold.n_out += n_large_taken - __atomic_load_n(&class_->n_large_returned, __ATOMIC_RELAXED) -
                  __atomic_load_n(&class_->n_returned, __ATOMIC_RELAXED);
    fold.n_allocated += n_large_taken;
    return fold;
}

uint64_t sgc_class_n_live(struct sgc_class *class_)
{
    const struct class_fold fold = class_fold(class_);
    return fold.n_out - fold.n_windows;
}

uint64_t sgc_class_n_out(struct sgc_class *class_)
{
    return class_fold(class_).n_out;
}

static void totals_add_class(struct sgc_class *class_, void *arg)
{
    struct class_totals *totals = arg;
    sgc_class_lock(class_);
    const struct class_fold fold = class_fold(class_);
    uint64_t n_live = fold.n_out - fold.n_windows;
    n_live = (int64_t)n_live < 0 ? 0 : n_live;
    totals->n_live += n_live;
    totals->live_bytes += n_live * class_->slot_bytes + class_->large_live_bytes;
    totals->n_allocated += fold.n_allocated;
    totals->n_slabs += __atomic_load_n(&class_->n_slabs, __ATOMIC_RELAXED);
    sgc_class_unlock(class_);
}

uint64_t sgc_cache_n_live(struct sgc_cache *cache)
{
    struct class_totals totals = {0};
    sgc_cache_each_class(cache, totals_add_class, &totals);
    return totals.n_live;
}

uint64_t sgc_cache_n_allocated(struct sgc_cache *cache)
{
    struct class_totals totals = {0};
    sgc_cache_each_class(cache, totals_add_class, &totals);
    return totals.n_allocated;
}

void sgc_cache_stats(struct sgc_cache *cache, struct sgc_cache_stats *out)
{
    struct class_totals totals = {0};
    sgc_cache_each_class(cache, totals_add_class, &totals);
    memset(out, 0, sizeof(*out));
    memcpy(out->name, cache->name, sizeof(out->name));
    out->n_live = totals.n_live;
    out->live_bytes = totals.live_bytes;
    out->slot_bytes = cache->classes[0]->slot_bytes;
    out->n_slabs = totals.n_slabs;
    out->slab_bytes = totals.n_slabs * SGC_SLAB_BYTES;
    out->n_allocated = totals.n_allocated;
    out->n_freed = totals.n_allocated > totals.n_live ? totals.n_allocated - totals.n_live : 0;
}

static void class_shrink(struct sgc_class *class_, void *bytes)
{
    if (class_->slot_bytes == 0)
        return;
    struct sgc_front *front = sgc_context_.fronts ? sgc_front_of(class_) : &sgc_front_none;
    if (front != &sgc_front_none)
        sgc_front_shrink(front);
    sgc_depot_shrink(class_);
    *(size_t *)bytes += sgc_class_purge(class_, front != &sgc_front_none ? front : NULL);
}

size_t sgc_cache_shrink(struct sgc_cache *cache)
{
    const bool outermost = sgc_context_.fronts && sgc_call_begin(&sgc_context_);
    size_t bytes = 0;
    sgc_cache_each_class(cache, class_shrink, &bytes);
    if (outermost)
        sgc_call_end(&sgc_context_);
    return bytes + sgc_region_shrink();
}
