/* check.c - is this pointer an object? Called by frees of the bare cache and by the heap layer's calls on objects
 *   that programs hand in.
 * Reads descriptors and bits without a lock: for a valid object they do not change; for a wild pointer any answer is
 *   a panic. */
#include "core/cache/internal.h"

struct sgc_slab *sgc_slot_locate(const void *object, const char *what)
{
    const void *granule_start = (const void *)sgc_round_down((uintptr_t)object, SGC_GRANULE_BYTES);
    if (sgc_unlikely(!sgc_arena_covers(granule_start)))
        sgc_panic("%s: foreign pointer %p", what, object);
    struct sgc_slab *slab = sgc_slab_of(object);
    struct sgc_slab *head = sgc_slab_head(slab);
    const struct sgc_class *class_ = __atomic_load_n(&head->class_, __ATOMIC_ACQUIRE); /* pairs with slab_make */
    if (sgc_unlikely(!class_))
        sgc_panic("%s: foreign pointer %p", what, object);
    const unsigned granule = sgc_slab_granule(object);
    const bool start =
        head->slot_bytes ? class_->slot_mask[granule / 64] >> (granule % 64) & 1 : slab == head && granule == 0;
    if (sgc_unlikely(!start || (uintptr_t)object % SGC_GRANULE_BYTES))
        sgc_panic("%s: interior pointer %p into cache %s", what, object, class_->cache->name);
    return head;
}

struct sgc_slab *sgc_slot_check(const void *object, const char *what)
{
    struct sgc_slab *slab = sgc_slot_locate(object, what);
    const unsigned granule = sgc_slab_granule(object);
    const uint64_t taken = word_load(sgc_slab_words(slab, SGC_KIND_FREE) + granule / 64) |
                           word_load(sgc_slab_words(slab, SGC_KIND_REMOTE) + granule / 64);
    if (sgc_unlikely(taken >> (granule % 64) & 1))
        sgc_panic("%s: object %p of cache %s is free", what, object, slab->class_->cache->name);
    return slab;
}
