/* alloc.c - the bare object cache: allocation and free of single objects.
 * Called by programs. The fast paths touch the thread's front, the cache's first line, and on free the slab's descriptor and bits; whatever is
 *   special (unattached thread, managed heap, size classes, debug checks, large objects) fails one of their tests and takes the slow path.
 * No lock on the fast paths. */
#include "core/cache/internal.h"

#include <errno.h>
#include <slabgc/section.h>

static SGC_COLD _Noreturn void cache_panic_managed(const struct sgc_cache *cache, const char *call, const char *use)
{
    sgc_panic("%s: cache %s belongs to a managed heap; use %s", call, cache->name, use);
}

static void *cache_take(struct sgc_class *class_)
{
    struct sgc_front *front = sgc_context_.fronts ? sgc_front_of(class_) : &sgc_front_none;
    void *object = sgc_front_pop(front);
    return object ? object : sgc_front_refill(class_);
}

static SGC_NOINLINE void *cache_alloc_slow(struct sgc_cache *cache, size_t n, const void *site)
{
    size_t bytes;
    if (sgc_unlikely(!cache->managed_manual))
        cache_panic_managed(cache, "sgc_cache_alloc", "sgc_new");
    struct sgc_class *class_ = sgc_class_for(cache, n, &bytes);
    if (sgc_unlikely(!class_ && bytes == 0))
        return NULL; /* errno is set */
    void *object = class_ ? cache_take(class_) : sgc_large_alloc(cache, bytes);
    if (object && cache->debug)
        sgc_debug_on_alloc(cache, object, class_ ? class_->object_bytes : bytes, site);
    return object;
}

void *sgc_cache_alloc(struct sgc_cache *cache)
{
    struct sgc_front **fronts = sgc_context_.fronts;
    if (sgc_likely(fronts && cache->managed_manual)) {
        void *object = sgc_front_pop(fronts[cache->fast_index]);
        if (sgc_likely(object != NULL))
            return object;
    }
    return cache_alloc_slow(cache, 0, __builtin_return_address(0));
}

void *sgc_cache_alloc_n(struct sgc_cache *cache, size_t n)
{
    return cache_alloc_slow(cache, n, __builtin_return_address(0));
}

/* Everything that free must be sure of: a live object of this cache. */
static struct sgc_slab *cache_check_free(struct sgc_cache *cache, void *object, const char *call)
{
    if (sgc_unlikely(!cache->managed_manual))
        cache_panic_managed(cache, call, "sgc_drop");
    struct sgc_slab *slab = sgc_slot_locate(object, call);
    if (sgc_unlikely(slab->class_->cache != cache))
        sgc_panic("%s: object %p belongs to cache %s, not to %s", call, object, slab->class_->cache->name, cache->name);
    return slab;
}

static SGC_NOINLINE void cache_free_slow(struct sgc_cache *cache, void *object, const void *site)
{
    if (!object)
        return;
    cache_check_free(cache, object, "sgc_cache_free");
    if (cache->debug)
        sgc_debug_on_free(cache, object, site);
    sgc_slot_free(object);
}

void sgc_cache_free(struct sgc_cache *cache, void *object)
{
    struct sgc_front **fronts = sgc_context_.fronts;
    const size_t granule = sgc_granule_number(object);
    if (sgc_likely(granule < __atomic_load_n(&sgc_arena.top_granules, __ATOMIC_RELAXED) && fronts && cache->managed_manual)) {
        struct sgc_class *class_ = cache->fast_class;
        struct sgc_front *front = fronts[cache->fast_index];
        const uint64_t word = front->word;
        const uint64_t taken = word_load(&sgc_arena.bit_words[SGC_KIND_FREE][granule / 64]) | word_load(&sgc_arena.bit_words[SGC_KIND_REMOTE][granule / 64]);
        const uint64_t valid = class_->slot_mask[granule / 64 % SGC_SLAB_WORDS] & ~taken;
        if (sgc_likely(sgc_arena.slabs[granule / SGC_SLAB_GRANULES].class_ == class_ && valid >> (granule % 64) & 1 && (uint8_t)word < front->limit)) {
            front->slots[(uint8_t)word] = object;
            __atomic_store_n(&front->word, word + 1, __ATOMIC_RELEASE); /* for fork.c: entry before count; single writer */
            return;
        }
    }
    cache_free_slow(cache, object, __builtin_return_address(0));
}

/* ---- all or none ---- */

static size_t bulk_undo(struct sgc_cache *cache, void **objects, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (cache->debug)
            sgc_debug_on_free(cache, objects[i], NULL);
        sgc_slot_free(objects[i]);
    }
    errno = ENOMEM;
    return 0;
}

size_t sgc_cache_alloc_bulk(struct sgc_cache *cache, void **out, size_t n)
{
    const void *site = __builtin_return_address(0);
    if (sgc_unlikely(!cache->managed_manual))
        cache_panic_managed(cache, "sgc_cache_alloc_bulk", "sgc_new");
    struct sgc_class *class_ = cache->classes[0];
    if (class_->slot_bytes && sgc_front_reserve(class_, n) < 0) {
        errno = ENOMEM;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = cache_take(class_);
        if (sgc_unlikely(!out[i]))
            return bulk_undo(cache, out, i);
        if (cache->debug)
            sgc_debug_on_alloc(cache, out[i], class_->object_bytes, site);
    }
    return n;
}

void sgc_cache_free_bulk(struct sgc_cache *cache, void *const *objects, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (objects[i])
            cache_check_free(cache, objects[i], "sgc_cache_free_bulk");
    for (size_t i = 0; i < n; i++) {
        if (!objects[i])
            continue;
        if (cache->debug)
            sgc_debug_on_free(cache, objects[i], __builtin_return_address(0));
        sgc_slot_free(objects[i]);
    }
}
