/* malloc.h - the general-purpose front: memory of any size, for code that has no type to describe.
 * Size classes over caches as the kernel's kmalloc is over kmem_cache: caches named malloc-16, malloc-32, ...
 * malloc-32768 of equal slots, and malloc-large for what is beyond half a slab. What lies there is no object of a heap:
 * no collector looks at it, references in it keep nothing alive.
 *
 * Contract of all calls: that of malloc(3) and its siblings (C11, POSIX), with these answers where those leave a
 * choice. Alignment is 16 bytes, or what was asked for. 0 bytes give a pointer of their own. Beyond PTRDIFF_MAX:
 * ENOMEM. sgc_realloc of an object to 0 bytes frees it and returns NULL. errno is ENOMEM after NULL for want of memory.
 *
 * Context: any thread, attached or not, in a section or at rest, also before main, after a thread's exit hooks ran and
 * between the fork handlers of other libraries; no call waits for a stop, or collects. They may wait for a lock of core
 * on their slow path; so they are not for signal handlers.
 *
 * Misuse panics: "double free of object P in cache C", "CALL: foreign pointer P", "CALL: interior pointer P into cache
 * C", "CALL: object P of cache C is free", "CALL: object P belongs to cache C, not to malloc". A double free, and a
 * pointer to what was malloc's once and is another cache's or nobody's now, is seen when the slot goes from the freeing
 * thread's window to its slab, at most 63 frees of its size later (CALL is "sgc_free, some calls ago" then). */
#ifndef SLABGC_MALLOC_H
#define SLABGC_MALLOC_H

#include <slabgc/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

/* bytes of memory, not zeroed. NULL with errno ENOMEM. */
SGC_API void *sgc_malloc(size_t bytes) __attribute__((malloc, alloc_size(1), warn_unused_result));

/* Ends an object of any call of this header, from any thread. NULL is a no-op. errno stays as it is. */
SGC_API void sgc_free(void *object);

/* n elements of element_bytes each, zeroed. NULL with errno ENOMEM, also when the product does not fit. */
SGC_API void *sgc_calloc(size_t n, size_t element_bytes) __attribute__((malloc, alloc_size(1, 2), warn_unused_result));

/* The object with its content up to the smaller size, of the new size in bytes: where it was when the size class stays,
 * or when a large object finds room behind it, else elsewhere. object may be NULL: then it is sgc_malloc. 0 bytes free
 * it and return NULL. NULL with errno ENOMEM: the object is as it was; making it smaller never fails. An alignment that
 * was asked for is kept only while the object stays where it is. */
SGC_API void *sgc_realloc(void *object, size_t bytes) __attribute__((alloc_size(2), warn_unused_result));
/* sgc_realloc to n * element_bytes; NULL with errno ENOMEM, and the object as it was, when the product does not fit. */
SGC_API void *sgc_reallocarray(void *object, size_t n, size_t element_bytes)
    __attribute__((alloc_size(2, 3), warn_unused_result));

/* bytes of memory at a multiple of alignment_bytes, a power of two of any size (sgc_memalign takes the next one); bytes
 * need not be a multiple of it. NULL with errno EINVAL (no power of two), ENOMEM. */
SGC_API void *sgc_aligned_alloc(size_t alignment_bytes, size_t bytes)
    __attribute__((malloc, alloc_align(1), alloc_size(2), warn_unused_result));
SGC_API void *sgc_memalign(size_t alignment_bytes, size_t bytes)
    __attribute__((malloc, alloc_size(2), warn_unused_result));
/* The same by *out: 0, EINVAL (no power of two, or not a multiple of sizeof(void *)) or ENOMEM; then *out is untouched.
 * errno stays as it is. */
SGC_API int sgc_posix_memalign(void **out, size_t alignment_bytes, size_t bytes) __attribute__((warn_unused_result));

/* Bytes that may be used at object, at least as many as were asked for; 0 for NULL. */
SGC_API size_t sgc_malloc_usable_size(const void *object);

/* Returns free memory to the OS: slabs without objects, and free pages of the others, of the calling thread's fronts
 * and of those that no thread uses. Bytes given back. */
SGC_API size_t sgc_malloc_shrink(void);

/* Calls visit for each cache of this header that was used so far; non-zero ends it and is returned. For sgc_cache_name
 * and sgc_cache_stats; their objects come from and go to the calls above alone. visit may call all of this header. */
SGC_API int sgc_malloc_for_each(int (*visit)(void *arg, struct sgc_cache *cache), void *arg);

/* The heap named `malloc`, of strategy none, under which sgc_heap_stats and sgc_cache_for_each show these caches;
 * opened by the first call. It has no caches and no strategy but these, and nothing in it to collect, walk or verify.
 * NULL with error filled: EEXIST (the program has a heap of that name), ENOMEM. At rest (panics in a section); may
 * block. */
SGC_API struct sgc_heap *sgc_malloc_heap(struct sgc_error *error);

#ifdef __cplusplus
}
#endif
#endif
