/* alloc.c - the bare object cache: what the inline paths of slabgc/cache.h leave over.
 * Called by programs. The inline paths touch the thread's window and the cache's first word; whatever is special
 *   (empty or full window, unattached thread, managed heap, size classes, debug checks, large objects) fails one of
 *   their tests and comes here.
 * Stops. A call here keeps stops away while it lasts (call.h), as it moves slots between windows and slabs. The inline
 *   paths do not: each changes its thread's window by one store of the word, and nothing else. So whoever is at a stop
 *   may do anything but change the window of another thread's bare cache; it reads them by snapshot (stop.c).
 * Checks. A free through the window is checked when the slot leaves for its slab (front.c, slots_group): the check
 *   costs as much as allocation and free together. debug=check, and any other debug=, has each free checked here.
 * No lock on the fast paths. */
#include "core/cache/call.h"
#include "core/cache/internal.h"

#include <errno.h>
#include <slabgc/section.h>

SGC_COLD _Noreturn void sgc_cache_panic_managed(const struct sgc_cache *cache, const char *call, const char *use)
{
    sgc_panic("%s: cache %s belongs to a managed heap; use %s", call, cache->name, use);
}

void (*sgc_cache_end_managed)(void *object);
void (*sgc_cache_bare_made)(struct sgc_cache *cache, void *object);

void sgc_cache_mix(struct sgc_cache *cache)
{
    __atomic_fetch_or(&cache->mixed, SGC_CACHE_MIXED,
                      __ATOMIC_RELAXED); /* whoever is handed a managed object sees it: handing over orders it */
    sgc_cache_head_update(cache);
}

void *sgc_cache_take(struct sgc_class *class_)
{
    struct sgc_front *front = sgc_context_.fronts ? sgc_front_of(class_) : &sgc_front_none;
    if (sgc_unlikely(window_period_is_over(front)) && front != &sgc_front_none)
        sgc_front_end_period(front);
    void *object = sgc_front_pop(front);
    return object ? object : sgc_front_refill(class_);
}

bool sgc_cache_enter(bool *outermost)
{
    if (!sgc_context_.fronts && sgc_thread_attach() < 0) {
        errno = ENOMEM;
        return false;
    }
    *outermost = sgc_call_begin(&sgc_context_);
    return true;
}

void sgc_cache_leave(bool outermost)
{
    if (outermost)
        sgc_call_end(&sgc_context_);
}

static inline __attribute__((always_inline)) void *cache_alloc_entered(struct sgc_cache *cache, size_t n, const void *site)
{
    size_t bytes;
    struct sgc_class *class_ = sgc_class_for(cache, n, &bytes);
    if (sgc_unlikely(!class_ && bytes == 0))
        return NULL; /* errno is set */
    void *object = class_ ? sgc_cache_take(class_) : sgc_large_alloc(cache, bytes);
    if (object && cache->debug)
        sgc_debug_on_alloc(cache, object, class_ ? class_->object_bytes : bytes, site);
    return object;
}

/* While a recording hears of this cache's objects; or the cache is no bare one. */
static SGC_NOINLINE void *cache_alloc_recorded(struct sgc_cache *cache, size_t n, const void *site)
{
    bool outermost;
    if (!cache->managed_manual)
        sgc_cache_panic_managed(cache, "sgc_cache_alloc", "sgc_new");
    if (!sgc_cache_enter(&outermost))
        return NULL;
    void *object = cache_alloc_entered(cache, n, site);
    if (object && cache->managed_manual == SGC_CACHE_MANUAL_RECORDED)
        sgc_cache_bare_made(cache, object);
    sgc_cache_leave(outermost);
    return object;
}

static void *cache_alloc_site(struct sgc_cache *cache, size_t n, const void *site)
{
    bool outermost;
    if (sgc_unlikely(cache->managed_manual != SGC_CACHE_MANUAL))
        return cache_alloc_recorded(cache, n, site);
    if (!sgc_cache_enter(&outermost))
        return NULL;
    void *object = cache_alloc_entered(cache, n, site);
    sgc_cache_leave(outermost);
    return object;
}

void *sgc_cache_alloc_slow_(struct sgc_cache *cache)
{
    return cache_alloc_site(cache, 0, __builtin_return_address(0));
}

void *sgc_cache_alloc_n(struct sgc_cache *cache, size_t n)
{
    return cache_alloc_site(cache, n, __builtin_return_address(0));
}

struct sgc_slab *sgc_cache_check_free(struct sgc_cache *cache, void *object, const char *call)
{
    if (sgc_unlikely(!cache->managed_manual))
        sgc_cache_panic_managed(cache, call, "sgc_drop");
    struct sgc_slab *slab = sgc_slot_locate(object, call);
    if (sgc_unlikely(slab->class_->cache != cache))
        sgc_panic("%s: object %p belongs to cache %s, not to %s", call, object, slab->class_->cache->name, cache->name);
    return slab;
}

void sgc_cache_finish_managed(struct sgc_cache *cache, void *object)
{
    if (__atomic_load_n(&cache->mixed, __ATOMIC_RELAXED))
        sgc_cache_end_managed(object);
}

void sgc_cache_free_slow_(struct sgc_cache *cache, void *object)
{
    bool outermost;
    if (!object)
        return;
    sgc_cache_check_free(cache, object, "sgc_cache_free");
    if (!sgc_cache_enter(&outermost))
        sgc_panic("sgc_cache_free: no memory to attach this thread; call sgc_thread_attach first to be told instead");
    sgc_cache_finish_managed(cache, object);
    if (cache->debug)
        sgc_debug_on_free(cache, object, __builtin_return_address(0));
    sgc_slot_free(object);
    sgc_cache_leave(outermost);
}
