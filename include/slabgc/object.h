/* object.h - managed objects: creating, holding, dropping; hold stacks; identities. */
#ifndef SLABGC_OBJECT_H
#define SLABGC_OBJECT_H

#include <slabgc/cache.h>
#include <slabgc/section.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A new object with one hold, zeroed or constructed. At rest it may collect first and reclaims before it gives up; in a section it never collects: the heap
 * overdraws up to its hard limit. NULL with errno ENOMEM. */
SGC_API void *sgc_new(struct sgc_cache *cache) __attribute__((warn_unused_result));
/* The same for a variable-size type, with n elements of tail (n = 0 is fine). EOVERFLOW when the size does not fit. */
SGC_API void *sgc_new_n(struct sgc_cache *cache, size_t n) __attribute__((warn_unused_result));
/* Makes the calling thread's next n sgc_new of this cache in its next section sure. Fixed-size types. 0, or -ENOMEM. At rest; may collect. */
SGC_API int sgc_reserve(struct sgc_cache *cache, size_t n);

/* Adds a hold to a valid reference; never fails; returns its argument. Any state. NULL and immediates pass through. */
SGC_API void *sgc_hold(void *object);
/* Gives one hold back. In a section the object stays valid for this thread until the section ends. Panics: "double drop", "foreign pointer". */
SGC_API void sgc_drop(void *object);

/* The thread's hold stack. push takes over one hold of the caller's and returns its argument; NULL with errno ENOMEM when the stack cannot grow: the hold stays
 * the caller's. unwind drops everything pushed since mark. */
SGC_API void *sgc_push(void *object);
SGC_API size_t sgc_mark(void);
SGC_API void sgc_unwind(size_t mark);

/* Identity: stable for the object's life, unique among live objects. 0 for NULL and immediates. */
SGC_API uint64_t sgc_id(const void *object);
/* Bytes usable in the object's slot, type and heap of an object. Any state; the object must be valid. */
SGC_API size_t sgc_size(const void *object);
SGC_API const struct sgc_type *sgc_type_of(const void *object);
SGC_API struct sgc_heap *sgc_heap_of(const void *object);

static inline void sgc_auto_drop_(void *variable)
{
    void *object = *(void **)variable;
    sgc_drop(object);
}
/* SGC_AUTO struct node *n = sgc_new(nodes); drops n at the end of the scope. */
#define SGC_AUTO __attribute__((cleanup(sgc_auto_drop_)))

#ifdef __cplusplus
}
#endif
#endif
