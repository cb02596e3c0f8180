/* weak.h - weak references and ephemerons. Both work on strategies with the capability `weak`. */
#ifndef SLABGC_WEAK_H
#define SLABGC_WEAK_H

#include <slabgc/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A handle outside the heap that names an object without keeping it alive. Made and destroyed by the program. */
struct sgc_weak;

/* object: held or read in the current section. NULL with errno (ENOMEM; ENOTSUP: the strategy has no weak references). Any state. */
SGC_API struct sgc_weak *sgc_weak_create(void *object);
/* The object with one more hold, or NULL when it died: never a dying one. Any state, any thread. */
SGC_API void *sgc_weak_get(struct sgc_weak *weak);
SGC_API void sgc_weak_destroy(struct sgc_weak *weak);

/* An ephemeron: an object of the heap (other objects may refer to it) that keeps value alive as long as both key and the ephemeron live. key and value
 * never change. Returned with one hold. NULL with errno. Like sgc_new: at rest it may collect; operands held. */
SGC_API void *sgc_ephemeron_new(struct sgc_heap *heap, void *key, void *value);
/* Key or value with one more hold; NULL when the key died. Any state. */
SGC_API void *sgc_ephemeron_key(void *ephemeron);
SGC_API void *sgc_ephemeron_value(void *ephemeron);

#ifdef __cplusplus
}
#endif
#endif
