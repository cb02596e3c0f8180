/* large.c - objects beyond half a slab: each on a run of slabs of its own.
 * Called by allocation paths with the size, and by free paths with the first slab of the run. Not on a fast path: a
 *   large object's own use costs more.
 * The class of large objects has no windows: memory comes from the arena and goes back to it. A ctor runs at each
 *   allocation and the dtor at each free, as the memory leaves the cache.
 * Invariant: a large object's slab is on class->all and class->fresh (until a sweep took it); n_slots is 1, n_free 0.
 * Lock: the class's for both lists and the byte counts; a free wins against another of the same object by clearing
 *   class_ in the arena only after the slab left the list. */
#include "core/cache/internal.h"

#include <errno.h>

static size_t large_n_slabs(size_t bytes)
{
    return (bytes + SGC_SLAB_BYTES - 1) / SGC_SLAB_BYTES;
}

static struct sgc_slab *large_make(struct sgc_class *class_, size_t bytes)
{
    struct sgc_cache *cache = class_->cache;
    const size_t run_bytes = bytes + sgc_cache_redzone_bytes(cache);
    bool reads_zero = false;
    if (bytes > PTRDIFF_MAX - SGC_REGION_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    struct sgc_slab *slab = sgc_depot_run_alloc(class_, large_n_slabs(run_bytes), &reads_zero);
    if (!slab)
        return NULL;
    if (!reads_zero)
        memset(sgc_slab_start(slab), 0, run_bytes);
    if (cache->type->ctor && cache->type->ctor(sgc_slab_start(slab)) != 0) {
        sgc_slab_run_free(slab, cache->budget);
        errno = ENOMEM;
        return NULL;
    }
    slab->constructed = cache->type->ctor != NULL;
    return slab;
}

/* The run becomes an object of the class. */
static void *large_enter(struct sgc_class *class_, struct sgc_slab *slab, size_t bytes)
{
    const size_t n_slabs = slab->n_slabs;
    slab->n_slots = 1;
    slab->large_bytes = bytes;
    __atomic_store_n(&slab->class_, class_, __ATOMIC_RELEASE); /* pairs with sgc_slot_locate, for wild pointers */
    sgc_class_lock(class_);
    sgc_list_push_back(&class_->all, &slab->all);
    slab->fresh = 1;
    sgc_list_push_back(&class_->fresh, &slab->fresh_link);
    __atomic_store_n(&class_->n_slabs, class_->n_slabs + (uint32_t)n_slabs, __ATOMIC_RELAXED);
    class_->large_live_bytes += bytes;
    sgc_class_unlock(class_);
    __atomic_fetch_add(&class_->n_large_taken, 1, __ATOMIC_RELAXED);
    return sgc_slab_start(slab);
}

void *sgc_large_alloc(struct sgc_cache *cache, size_t bytes)
{
    struct sgc_class *class_ = sgc_class_large(cache);
    struct sgc_slab *slab = class_ ? large_make(class_, bytes) : NULL;
    return slab ? large_enter(class_, slab, bytes) : NULL;
}

void *sgc_large_alloc_raw(struct sgc_class *class_, size_t bytes, size_t spare_bytes, size_t alignment_bytes,
                          bool *reads_zero)
{
    struct sgc_budget *budget = class_->cache->budget;
    const size_t slack_bytes = alignment_bytes > SGC_SLAB_BYTES ? alignment_bytes - SGC_SLAB_BYTES : 0;
    size_t run_bytes;
    if (__builtin_add_overflow(bytes ? bytes : 1, spare_bytes, &run_bytes) || run_bytes > PTRDIFF_MAX ||
        __builtin_add_overflow(run_bytes, slack_bytes, &run_bytes) || run_bytes > PTRDIFF_MAX - SGC_REGION_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    const size_t n_slabs = large_n_slabs(run_bytes - slack_bytes);
    struct sgc_slab *slab = sgc_depot_run_alloc(class_, n_slabs + slack_bytes / SGC_SLAB_BYTES, reads_zero);
    if (!slab)
        return NULL;
    const uintptr_t start = (uintptr_t)sgc_slab_start(slab);
    const size_t n_before = slack_bytes ? (sgc_round_up(start, alignment_bytes) - start) / SGC_SLAB_BYTES : 0;
    if (n_before) {
        struct sgc_slab *aligned = sgc_slab_run_split(slab, n_before);
        sgc_slab_run_free(slab, budget);
        slab = aligned;
    }
    if (slab->n_slabs > n_slabs)
        sgc_slab_run_free(sgc_slab_run_split(slab, n_slabs), budget);
    return large_enter(class_, slab, bytes);
}

/* The object has changed its size, and its run by so many slabs. */
static void large_account(struct sgc_slab *slab, size_t bytes, int64_t n_slabs)
{
    struct sgc_class *class_ = slab->class_;
    SGC_GUARD(&class_->lock);
    class_->large_live_bytes += bytes - slab->large_bytes;
    slab->large_bytes = bytes;
    __atomic_store_n(&class_->n_slabs, (uint32_t)(class_->n_slabs + n_slabs), __ATOMIC_RELAXED);
}

bool sgc_large_resize(struct sgc_slab *slab, size_t bytes)
{
    struct sgc_budget *budget = slab->class_->cache->budget;
    const size_t have = slab->n_slabs, want = large_n_slabs(bytes ? bytes : 1);
    if (want > have) {
        if (!sgc_slab_run_extend(slab, want - have, budget, NULL))
            return false;
        large_account(slab, bytes, (int64_t)(want - have));
    } else if (bytes < slab->large_bytes && have - want > have / 4) { /* what growing left as room may stay */
        struct sgc_slab *rest = sgc_slab_run_split(slab, want);
        large_account(slab, bytes, (int64_t)want - (int64_t)have);
        sgc_slab_run_free(rest, budget);
    } else {
        large_account(slab, bytes, 0);
    }
    return true;
}

void sgc_large_free(struct sgc_slab *slab)
{
    struct sgc_class *class_ = slab->class_;
    struct sgc_cache *cache = class_->cache;
    sgc_class_lock(class_);
    const bool listed = !sgc_list_empty(&slab->all);
    sgc_list_remove(&slab->all);
    sgc_list_remove(&slab->fresh_link);
    if (listed) {
        __atomic_store_n(&class_->n_slabs, class_->n_slabs - slab->n_slabs, __ATOMIC_RELAXED);
        class_->large_live_bytes -= slab->large_bytes;
    }
    sgc_class_unlock(class_);
    if (sgc_unlikely(!listed))
        sgc_panic("double free of object %p in cache %s", (void *)sgc_slab_start(slab), cache->name);
    __atomic_fetch_add(&class_->n_large_returned, 1, __ATOMIC_RELAXED);
    if (slab->constructed && cache->type->dtor)
        cache->type->dtor(sgc_slab_start(slab));
    sgc_slab_run_free(slab, cache->budget);
}
