/* malloc_size.c - the rest of the malloc family: zeroed, resized, aligned, and how much there is.
 * Called by programs; over malloc.c.
 * What an object may be used for: all of its slot, or the pages that a large object's bytes reach into. realloc copies
 *   that much, for programs do use what sgc_malloc_usable_size tells them.
 * Locks: none here. */
#include "core/cache/internal.h"
#include "core/cache/malloc.h"
#include "core/os/pages.h"

#include <errno.h>

static size_t usable_bytes(const struct sgc_slab *slab)
{
    return slab->slot_bytes ? slab->slot_bytes : sgc_round_up(slab->large_bytes, sgc_os_page_bytes());
}

void *sgc_calloc(size_t n, size_t element_bytes)
{
    size_t bytes;
    void *object;
    bool reads_zero = false;
    if (sgc_unlikely(__builtin_mul_overflow(n, element_bytes, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    if (sgc_likely(bytes <= SGC_MALLOC_SMALL_MAX))
        object = sgc_malloc(bytes);
    else
        object = sgc_malloc_large(bytes, SGC_SLAB_BYTES, 0, &reads_zero);
    if (sgc_likely(object && !reads_zero))
        memset(object, 0, bytes);
    return object;
}

/* ---- other sizes ---- */

/* The class number of a slot whose start this is; 0: look at its slab (large, not ours, no start of a slot). That it is
 * live is not looked at. */
static unsigned slot_number(const void *object)
{
    const size_t granule = sgc_granule_number(object);
    if (sgc_unlikely(granule >= __atomic_load_n(&sgc_arena.top_granules, __ATOMIC_ACQUIRE)))
        return 0;
    const unsigned number = sgc_malloc_number_at(granule);
    const struct sgc_class *class_ = sgc_malloc_class_made(number);
    return class_ && sgc_malloc_is_start(class_, granule) ? number : 0;
}

/* The size may change where the object is. */
static bool resize_in_place(struct sgc_slab *slab, size_t bytes)
{
    if (slab->slot_bytes)
        return bytes <= SGC_MALLOC_SMALL_MAX && sgc_malloc_number_of(bytes) == sgc_malloc_number_of(slab->slot_bytes);
    return bytes > SGC_MALLOC_SMALL_MAX && bytes <= PTRDIFF_MAX && sgc_large_resize(slab, bytes);
}

/* A large object that grows has room for a quarter more afterwards: appending costs no copy each time. */
static void *resize_target(const struct sgc_slab *slab, size_t bytes)
{
    bool reads_zero;
    void *object = NULL;
    if (slab->slot_bytes == 0 && bytes > slab->large_bytes)
        object = sgc_malloc_large(bytes, SGC_SLAB_BYTES, bytes / 4, &reads_zero);
    return object ? object : sgc_malloc(bytes);
}

void *sgc_realloc(void *object, size_t bytes)
{
    if (!object)
        return sgc_malloc(bytes);
    if (bytes == 0) {
        sgc_free(object);
        return NULL;
    }
    if (bytes <= SGC_MALLOC_SMALL_MAX && sgc_malloc_number_of(bytes) == slot_number(object))
        return object;
    const int saved_errno = errno;
    struct sgc_slab *slab = sgc_malloc_check(object, "sgc_realloc");
    if (resize_in_place(slab, bytes))
        return object;
    const size_t have = usable_bytes(slab);
    void *moved = resize_target(slab, bytes);
    if (sgc_unlikely(!moved)) {
        if (bytes > have)
            return NULL; /* errno is set */
        errno = saved_errno;
        return object;
    }
    memcpy(moved, object, have < bytes ? have : bytes);
    sgc_free(object);
    return moved;
}

void *sgc_reallocarray(void *object, size_t n, size_t element_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, element_bytes, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return sgc_realloc(object, bytes);
}

/* ---- alignment ---- */

/* alignment_bytes: a power of two. */
static void *alloc_aligned(size_t alignment_bytes, size_t bytes)
{
    bool reads_zero;
    if (alignment_bytes <= SGC_GRANULE_BYTES)
        return sgc_malloc(bytes);
    if (bytes <= SGC_MALLOC_SMALL_MAX && alignment_bytes <= SGC_MALLOC_SMALL_MAX) {
        const size_t least = sgc_round_up(bytes ? bytes : 1, alignment_bytes);
        unsigned number = least <= SGC_MALLOC_SMALL_MAX ? sgc_malloc_number_of(least) : SGC_MALLOC_LARGE;
        while (number < SGC_MALLOC_LARGE && sgc_malloc_class_bytes[number] % alignment_bytes)
            number++;
        if (number < SGC_MALLOC_LARGE)
            return sgc_malloc(sgc_malloc_class_bytes[number]);
    }
    return sgc_malloc_large(bytes, alignment_bytes, 0, &reads_zero);
}

void *sgc_aligned_alloc(size_t alignment_bytes, size_t bytes)
{
    if (!sgc_is_pow2(alignment_bytes)) {
        errno = EINVAL;
        return NULL;
    }
    return alloc_aligned(alignment_bytes, bytes);
}

void *sgc_memalign(size_t alignment_bytes, size_t bytes)
{
    size_t power = 1;
    while (power < alignment_bytes && power <= SIZE_MAX / 2)
        power *= 2;
    return sgc_aligned_alloc(power < alignment_bytes ? 0 : power, bytes);
}

int sgc_posix_memalign(void **out, size_t alignment_bytes, size_t bytes)
{
    if (!sgc_is_pow2(alignment_bytes) || alignment_bytes % sizeof(void *))
        return EINVAL;
    const int saved_errno = errno;
    void *object = alloc_aligned(alignment_bytes, bytes);
    errno = saved_errno;
    if (!object)
        return ENOMEM;
    *out = object;
    return 0;
}

size_t sgc_malloc_usable_size(const void *object)
{
    const unsigned number = object ? slot_number(object) : 0;
    if (sgc_likely(number != 0))
        return sgc_malloc_class_bytes[number];
    return object ? usable_bytes(sgc_malloc_check(object, "sgc_malloc_usable_size")) : 0;
}
