/* malloc_class.c - the size classes of the general-purpose front, each a cache of its own.
 * Called by malloc.c when a class is used for the first time, and by whoever lists the caches.
 * Sizes: multiples of 16 up to 128, then four steps to a doubling up to 4 KiB, then those of which 14, 12, 10, ... 2
 *   fit a slab; a slot is at most 25% (beyond 4 KiB: 50%) larger than what was asked for. An alignment up to 32 KiB is
 *   served by the next class that is a multiple of it.
 * One list names the classes; types, names and the table by size follow from it, as constants: nothing of this must
 *   have run before the first allocation of the process.
 * Invariant: sgc_malloc_classes_[n] is NULL or class n, for ever; the map says n for every slab that has live slots of
 *   class n (malloc.c).
 * Lock: none here; two threads may make the same class, the first one to publish it wins. */
#include "core/cache/malloc.h"

#include "core/base/check.h"

#include <errno.h>

/* clang-format off */
/* number, size in bytes of the class below, size in bytes */
#define CLASSES(X)                                                                                                     \
    X(1, -16, 16) X(2, 16, 32) X(3, 32, 48) X(4, 48, 64) X(5, 64, 80) X(6, 80, 96) X(7, 96, 112) X(8, 112, 128)        \
    X(9, 128, 160) X(10, 160, 192) X(11, 192, 224) X(12, 224, 256)                                                     \
    X(13, 256, 320) X(14, 320, 384) X(15, 384, 448) X(16, 448, 512)                                                    \
    X(17, 512, 640) X(18, 640, 768) X(19, 768, 896) X(20, 896, 1024)                                                   \
    X(21, 1024, 1280) X(22, 1280, 1536) X(23, 1536, 1792) X(24, 1792, 2048)                                            \
    X(25, 2048, 2560) X(26, 2560, 3072) X(27, 3072, 3584) X(28, 3584, 4096)                                            \
    X(29, 4096, 4672) X(30, 4672, 5456) X(31, 5456, 6544) X(32, 6544, 8192) X(33, 8192, 9360) X(34, 9360, 10912)       \
    X(35, 10912, 13104) X(36, 13104, 16384) X(37, 16384, 21840) X(38, 21840, 32768)
/* clang-format on */

#define FLAGS (SGC_TYPE_LEAF | SGC_TYPE_MANUAL)
#define TYPE(n, below, bytes) [n] = {.name = "malloc-" #bytes, .size_bytes = (bytes), .flags = FLAGS},
#define BYTES(n, below, bytes) [n] = (bytes),
#define NUMBER(n, below, bytes) [(below) / 16 + 1 ...(bytes) / 16] = (n),

static const struct sgc_type types[SGC_MALLOC_LARGE + 1] = {
    CLASSES(TYPE)[SGC_MALLOC_LARGE] = {.name = "malloc-large",
                                       .size_bytes = SGC_MALLOC_SMALL_MAX + 1,
                                       .tail_element_bytes = 1,
                                       .flags = FLAGS},
};
const uint16_t sgc_malloc_class_bytes[SGC_MALLOC_N_CLASSES + 1] = {CLASSES(BYTES)};
const uint8_t sgc_malloc_number[SGC_MALLOC_SMALL_MAX / SGC_GRANULE_BYTES + 1] = {CLASSES(NUMBER)};

struct sgc_budget sgc_malloc_budget;
struct sgc_class *sgc_malloc_classes_[SGC_MALLOC_LARGE + 1];
uint8_t sgc_malloc_map[SGC_MALLOC_MAX_SLABS];

static SGC_COLD struct sgc_class *class_make(unsigned number)
{
    /* Counts, though nobody counts here: a hold or drop of malloc's memory by mistake finds 0, and says so. */
    struct sgc_cache *cache =
        sgc_cache_make(NULL, &types[number], NULL, &sgc_malloc_budget, SGC_KIND_BIT(SGC_KIND_COUNT), NULL);
    struct sgc_class *first = NULL;
    if (!cache) {
        errno = ENOMEM;
        return NULL;
    }
    SGC_CHECK(sgc_arena.bytes / SGC_SLAB_BYTES <= SGC_MALLOC_MAX_SLABS);
    if (__atomic_compare_exchange_n(&sgc_malloc_classes_[number], &first, cache->classes[0], false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return cache->classes[0];
    sgc_cache_unmake(cache);
    return first;
}

struct sgc_class *sgc_malloc_class(unsigned number)
{
    struct sgc_class *class_ = sgc_malloc_class_made(number);
    return sgc_likely(class_ != NULL) ? class_ : class_make(number);
}

int sgc_malloc_for_each(int (*visit)(void *arg, struct sgc_cache *cache), void *arg)
{
    for (unsigned i = 1; i <= SGC_MALLOC_LARGE; i++) {
        struct sgc_class *class_ = sgc_malloc_class_made(i);
        const int rc = class_ ? visit(arg, class_->cache) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}
