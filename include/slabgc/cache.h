/* cache.h - caches: where objects of one type in one heap live; and the bare kernel-style object cache of strategy `none`. */
#ifndef SLABGC_CACHE_H
#define SLABGC_CACHE_H

#include <slabgc/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a cache for a type. The type must outlive it. Returns NULL and fills error (EINVAL bad type, EEXIST name taken in this heap, ENOTSUP a need that the type implies
 * is missing, ENOMEM). At rest. */
SGC_API struct sgc_cache *sgc_cache_create(struct sgc_heap *heap, const struct sgc_type *type, struct sgc_error *error);

/* Destroys a cache; every object in it must be gone: otherwise -EBUSY, error lists the first leaks (with allocation sites under debug=track) and nothing is
 * destroyed. Managed heaps collect first. At rest. */
SGC_API int sgc_cache_destroy(struct sgc_cache *cache, struct sgc_error *error);

SGC_API const char *sgc_cache_name(const struct sgc_cache *cache);
SGC_API struct sgc_heap *sgc_cache_heap(const struct sgc_cache *cache);

/* ---- the bare object cache: strategy `none` or SGC_TYPE_MANUAL (elsewhere: panic) ----
 * No section is needed; no call collects. */

/* What the inline paths read of a cache: the class index of its windows, atomic; 0, whose window is always empty, where a call needs more
 * (size classes, debug=, a managed heap). */
struct sgc_cache_head {
    uint32_t window;
};
SGC_API void *sgc_cache_alloc_slow_(struct sgc_cache *cache) __attribute__((malloc, warn_unused_result));
SGC_API void sgc_cache_free_slow_(struct sgc_cache *cache, void *object);

/* The calling thread is attached. */
static inline struct sgc_window *sgc_cache_window_(const struct sgc_cache *cache, struct sgc_front **fronts)
{
    return (struct sgc_window *)fronts[__atomic_load_n(&((const struct sgc_cache_head *)cache)->window, __ATOMIC_RELAXED)];
}

/* An object of the cache's type, constructed; without a ctor its bytes are anything. NULL with errno ENOMEM. */
static inline __attribute__((warn_unused_result)) void *sgc_cache_alloc(struct sgc_cache *cache)
{
    struct sgc_front **fronts = sgc_context_.fronts;
    if (__builtin_expect(fronts != NULL, 1)) {
        struct sgc_window *window = sgc_cache_window_(cache, fronts);
        const uint64_t word = window->word;
        if (__builtin_expect((uint8_t)word != 0, 1) && __builtin_expect((int64_t)word < 0, 1)) {
            void *object = window->slots[(uint8_t)word - 1];
            __atomic_store_n(&window->word, word + SGC_WINDOW_POPPED - 1, __ATOMIC_RELAXED);
            if (!object)
                __builtin_unreachable(); /* so that callers test once */
            return object;
        }
    }
    return sgc_cache_alloc_slow_(cache);
}
/* Variable-size types: n elements of tail. */
SGC_API void *sgc_cache_alloc_n(struct sgc_cache *cache, size_t n) __attribute__((malloc, warn_unused_result));

/* Returns an object in its constructed state (the bare cache calls no reset). NULL is a no-op. Any thread. A foreign, interior or
 * double free panics when the slot goes from the thread's window to its slab, at most 63 frees later; under debug=check (and any
 * other debug=) at the call. One that the window handed out again meanwhile is found by debug=track alone. */
static inline void sgc_cache_free(struct sgc_cache *cache, void *object)
{
    struct sgc_front **fronts = sgc_context_.fronts;
    if (__builtin_expect(fronts != NULL && object != NULL, 1)) {
        struct sgc_window *window = sgc_cache_window_(cache, fronts);
        const uint64_t word = window->word;
        if (__builtin_expect((uint8_t)word < window->limit, 1)) {
            /* For the snapshot at a stop (core/cache/stop.c): earlier changes of the word before the entry, the entry before its count. */
            __atomic_store_n(&window->slots[(uint8_t)word], object, __ATOMIC_RELEASE);
            __atomic_store_n(&window->word, word + 1, __ATOMIC_RELEASE);
            return;
        }
    }
    sgc_cache_free_slow_(cache, object);
}

/* Bulk forms: all n or none; returns n or 0 with errno. */
SGC_API size_t sgc_cache_alloc_bulk(struct sgc_cache *cache, void **out, size_t n);
SGC_API void sgc_cache_free_bulk(struct sgc_cache *cache, void *const *objects, size_t n);

/* Returns free memory to the OS: slabs without objects, and free pages of the others, of the calling thread's front end and of those
 * that no thread uses. Returns bytes given back. Any thread; makes system calls. */
SGC_API size_t sgc_cache_shrink(struct sgc_cache *cache);

struct sgc_cache_stats {
    char name[64];
    uint64_t n_live, live_bytes;    /* objects handed out and their slots' bytes */
    uint64_t slot_bytes;            /* of the first size class */
    uint64_t n_slabs, slab_bytes;   /* memory held */
    uint64_t n_allocated, n_freed;  /* since creation */
};
SGC_API void sgc_cache_stats(struct sgc_cache *cache, struct sgc_cache_stats *out);
/* Calls visit for each cache of the heap; non-zero ends and is returned. Any thread at rest. */
SGC_API int sgc_cache_for_each(struct sgc_heap *heap, int (*visit)(void *arg, struct sgc_cache *cache), void *arg);

#ifdef __cplusplus
}
#endif
#endif
