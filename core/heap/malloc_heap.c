/* malloc_heap.c - the heap named `malloc`: where statistics show the caches of the general-purpose front.
 * Called by core/runtime when somebody asks for it; heap_stats.c and caches.c take its figures and its list of caches
 * from core/cache/malloc.h.
 * For everything else it is an empty heap of strategy none: its own list of caches stays empty, so that no collection,
 * walk or verification touches memory whose users a stop does not wait for.
 * Locks: none here; opening and closing are in turns of core/runtime. */
#include "core/heap/heap.h"
#include <errno.h>

static struct sgc_heap *malloc_heap; /* atomic; NULL: not open */

bool sgc_heap_is_malloc(const struct sgc_heap *heap)
{
    return heap == __atomic_load_n(&malloc_heap, __ATOMIC_ACQUIRE);
}

/* No cache of a program's goes here: it could not be told from malloc's. */
static int malloc_heap_refuse(void *unused, const char *heap, const char *cache, struct sgc_cache_config *out,
                              struct sgc_error *error)
{
    (void)unused, (void)out;
    return sgc_error_set(error, -EINVAL, "heap %s is for malloc's own caches; open a heap for cache %s", heap, cache);
}

static void malloc_heap_closing(void *unused, struct sgc_heap *heap)
{
    (void)unused, (void)heap;
    __atomic_store_n(&malloc_heap, NULL, __ATOMIC_RELEASE);
}

struct sgc_heap *sgc_heap_open_malloc(struct sgc_error *error)
{
    static const struct sgc_heap_setup setup = {.name = "malloc",
                                                .plugin = &sgc_strategy_none,
                                                .cache_config = malloc_heap_refuse,
                                                .closing = malloc_heap_closing};
    struct sgc_heap *heap = __atomic_load_n(&malloc_heap, __ATOMIC_ACQUIRE);
    if (heap)
        return heap;
    heap = sgc_heap_create(&setup, error);
    if (heap)
        __atomic_store_n(&malloc_heap, heap, __ATOMIC_RELEASE); /* pairs with the acquires above */
    return heap;
}
