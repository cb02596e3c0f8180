/* malloc_class.c - the size classes of the general-purpose front, each a cache of its own.
 * Called by malloc.c when a class is used for the first time, and by whoever lists the caches.
 * Sizes: multiples of 16 up to 128, then four steps to a doubling up to 4 KiB, then those of which 14, 12, 10, ... 2 fit a
 *   slab; a slot is at most 25% (beyond 4 KiB: 50%) larger than what was asked for. An alignment up to 32 KiB is served by
 *   the next class that is a multiple of it.
 * One list names the classes; types, names and the table by size follow from it, as constants: nothing of this must have
 *   run before the first allocation of the process.
 * Invariant: caches[n] is NULL or the cache of class n, for ever.
 * Lock: none here; two threads may make the same cache, the first one to publish it wins. */
#include "core/cache/malloc.h"

#include "core/base/check.h"

#include <errno.h>

/* number, size in bytes of the class below, size in bytes */
#define CLASSES(X)                                                                                                     \
    X(0, -16, 16) X(1, 16, 32) X(2, 32, 48) X(3, 48, 64) X(4, 64, 80) X(5, 80, 96) X(6, 96, 112) X(7, 112, 128)        \
    X(8, 128, 160) X(9, 160, 192) X(10, 192, 224) X(11, 224, 256)                                                      \
    X(12, 256, 320) X(13, 320, 384) X(14, 384, 448) X(15, 448, 512)                                                    \
    X(16, 512, 640) X(17, 640, 768) X(18, 768, 896) X(19, 896, 1024)                                                   \
    X(20, 1024, 1280) X(21, 1280, 1536) X(22, 1536, 1792) X(23, 1792, 2048)                                            \
    X(24, 2048, 2560) X(25, 2560, 3072) X(26, 3072, 3584) X(27, 3584, 4096)                                            \
    X(28, 4096, 4672) X(29, 4672, 5456) X(30, 5456, 6544) X(31, 6544, 8192) X(32, 8192, 9360) X(33, 9360, 10912)       \
    X(34, 10912, 13104) X(35, 13104, 16384) X(36, 16384, 21840) X(37, 21840, 32768)

#define FLAGS (SGC_TYPE_LEAF | SGC_TYPE_MANUAL)
#define TYPE(n, below, bytes) [n] = {.name = "malloc-" #bytes, .size_bytes = (bytes), .flags = FLAGS},
#define NUMBER(n, below, bytes) [(below) / 16 + 1 ...(bytes) / 16] = (n),

static const struct sgc_type types[SGC_MALLOC_N_CLASSES + 1] = {
    CLASSES(TYPE)[SGC_MALLOC_LARGE] = {.name = "malloc-large",
                                       .size_bytes = SGC_MALLOC_SMALL_MAX + 1,
                                       .tail_element_bytes = 1,
                                       .flags = FLAGS},
};
const uint8_t sgc_malloc_number[SGC_MALLOC_SMALL_MAX / SGC_GRANULE_BYTES + 1] = {CLASSES(NUMBER)};

struct sgc_budget sgc_malloc_budget;
static struct sgc_cache *caches[SGC_MALLOC_N_CLASSES + 1]; /* atomic */

static SGC_COLD struct sgc_cache *cache_make(unsigned number)
{
    struct sgc_cache *made = sgc_cache_make(NULL, &types[number], NULL, &sgc_malloc_budget, 0, NULL);
    struct sgc_cache *first = NULL;
    if (!made) {
        errno = ENOMEM;
        return NULL;
    }
    if (__atomic_compare_exchange_n(&caches[number], &first, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    sgc_cache_unmake(made);
    return first;
}

struct sgc_class *sgc_malloc_class_made(unsigned number)
{
    struct sgc_cache *cache = __atomic_load_n(&caches[number], __ATOMIC_ACQUIRE); /* pairs with cache_make */
    return cache ? cache->classes[0] : NULL;
}

struct sgc_class *sgc_malloc_class(unsigned number)
{
    struct sgc_class *class_ = sgc_malloc_class_made(number);
    if (sgc_likely(class_ != NULL))
        return class_;
    struct sgc_cache *cache = cache_make(number);
    return cache ? cache->classes[0] : NULL;
}

uint32_t sgc_malloc_class_bytes(unsigned number)
{
    return types[number].size_bytes;
}

int sgc_malloc_for_each(int (*visit)(void *arg, struct sgc_cache *cache), void *arg)
{
    for (unsigned i = 0; i < SGC_ARRAY_LEN(caches); i++) {
        struct sgc_cache *cache = __atomic_load_n(&caches[i], __ATOMIC_ACQUIRE);
        const int rc = cache ? visit(arg, cache) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}
