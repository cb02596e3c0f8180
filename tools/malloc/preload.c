/* preload.c - the malloc family of a process, on slabgc: what libslabgc-malloc.so exports.
 * Called by everything in the process, the dynamic loader and the C library included; C++'s new and delete come here by
 *   themselves. Works before any constructor ran; see core/cache/MALLOC.md.
 * exports.map lists the names; nothing else of the library is visible. */
#include <slabgc/malloc.h>

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void *malloc(size_t bytes)
{
    return sgc_malloc(bytes);
}

EXPORT void free(void *object)
{
    sgc_free(object);
}

EXPORT void *calloc(size_t n, size_t element_bytes)
{
    return sgc_calloc(n, element_bytes);
}

EXPORT void *realloc(void *object, size_t bytes)
{
    return sgc_realloc(object, bytes);
}

EXPORT void *reallocarray(void *object, size_t n, size_t element_bytes)
{
    return sgc_reallocarray(object, n, element_bytes);
}

EXPORT int posix_memalign(void **out, size_t alignment_bytes, size_t bytes)
{
    return sgc_posix_memalign(out, alignment_bytes, bytes);
}

EXPORT void *aligned_alloc(size_t alignment_bytes, size_t bytes)
{
    return sgc_aligned_alloc(alignment_bytes, bytes);
}

EXPORT void *memalign(size_t alignment_bytes, size_t bytes)
{
    return sgc_memalign(alignment_bytes, bytes);
}

EXPORT void *valloc(size_t bytes)
{
    return sgc_memalign((size_t)sysconf(_SC_PAGESIZE), bytes);
}

EXPORT void *pvalloc(size_t bytes)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    const size_t rounded = (bytes + page_bytes - 1) / page_bytes * page_bytes;
    if (rounded < bytes) {
        errno = ENOMEM;
        return NULL;
    }
    return sgc_memalign(page_bytes, rounded ? rounded : page_bytes);
}

EXPORT size_t malloc_usable_size(void *object)
{
    return sgc_malloc_usable_size(object);
}

EXPORT int malloc_trim(size_t keep_bytes)
{
    (void)keep_bytes;
    return sgc_malloc_shrink() > 0;
}

/* Its parameters describe glibc's own heap: there is nothing here that they could change. 1, as for what was set. */
EXPORT int mallopt(int parameter, int value)
{
    (void)parameter, (void)value;
    return 1;
}
