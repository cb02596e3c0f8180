/* store.h - the store family: the only way a reference field changes after its object was made.
 * Any state: at rest each call is a short section of its own and its operands must be held. Never blocks, never collects.
 * Values may be NULL or immediates. Owners are objects: never NULL, static or interior. Cross-heap stores panic where they are seen: on every
 * store of a counting strategy, on slow paths elsewhere, on every store with debug=track, and by sgc_heap_verify. */
#ifndef SLABGC_STORE_H
#define SLABGC_STORE_H

#include <slabgc/object.h>

#ifdef __cplusplus
extern "C" {
#endif

SGC_API void sgc_store_slow_(void *owner, void **field, void *value);
SGC_API void *sgc_store_exchange_(void *owner, void **field, void *value);
SGC_API bool sgc_store_compare_(void *owner, void **field, void *expected, void *desired);
SGC_API void sgc_store_bulk_(void *owner, void **fields, void *const *values, size_t n);

/* In a section, and the owner's state byte does not ask for the slow path. Relaxed: other threads change other bits of
 * that byte; those tested here change at stops, or by who stores. */
static inline bool sgc_store_is_plain_(const struct sgc_context *context, const void *owner)
{
    const uint8_t *bias = context->state_bias;
    return context->depth != 0 &&
           !(__atomic_load_n(&bias[(uintptr_t)owner >> SGC_GRANULE_SHIFT], __ATOMIC_RELAXED) & context->store_mask);
}

/* The inline barrier: a plain release store unless the owner's state byte asks for the slow path, or the thread is at
 * rest (where the store needs a section around it). Pairs with the acquire of sgc_get. */
static inline void sgc_store_(void *owner, void **field, void *value)
{
    if (__builtin_expect(sgc_store_is_plain_(&sgc_context_, owner), 1))
        __atomic_store_n(field, value, __ATOMIC_RELEASE);
    else
        sgc_store_slow_(owner, field, value);
}

static inline void *sgc_load_(void *const *field)
{
    return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

#ifdef __cplusplus
#define SGC_VOIDP_(value) const_cast<void *>(static_cast<const void *>(value))
#define SGC_PLACE_(lvalue) reinterpret_cast<void **>(&(lvalue))
#else
#define SGC_VOIDP_(value) ((void *)(value))
#define SGC_PLACE_(lvalue) ((void **)(void *)&(lvalue))
#endif

/* sgc_set(n, left, child); sgc_set(n, kids[i], child): one writer per field at a time. Type-checked: child must convert to the field's type. */
#define sgc_set(owner, field, value)                                                                                   \
    __extension__({                                                                                                    \
        __typeof__(owner) sgc_owner_ = (owner);                                                                        \
        __typeof__(sgc_owner_->field) sgc_value_ = (value);                                                            \
        sgc_store_((void *)sgc_owner_, SGC_PLACE_(sgc_owner_->field), SGC_VOIDP_(sgc_value_));                         \
    })
/* Reads a field that other threads may write. In a section; the result is valid until it ends (see the contract for other threads' drops). */
#define sgc_get(owner, field) ((__typeof__((owner)->field))sgc_load_(SGC_PLACE_((owner)->field)))
/* Several writers: stores and returns the old value, with the field's claim as a hold of the caller's. */
#define sgc_xchg(owner, field, value)                                                                                  \
    __extension__({                                                                                                    \
        __typeof__(owner) sgc_owner_ = (owner);                                                                        \
        __typeof__(sgc_owner_->field) sgc_value_ = (value);                                                            \
        (__typeof__(sgc_value_))sgc_store_exchange_((void *)sgc_owner_, SGC_PLACE_(sgc_owner_->field), SGC_VOIDP_(sgc_value_)); \
    })
/* Several writers: true when the field held expected and now holds desired. */
#define sgc_cas(owner, field, expected, desired)                                                                       \
    __extension__({                                                                                                    \
        __typeof__(owner) sgc_owner_ = (owner);                                                                        \
        __typeof__(sgc_owner_->field) sgc_expected_ = (expected), sgc_desired_ = (desired);                            \
        sgc_store_compare_((void *)sgc_owner_, SGC_PLACE_(sgc_owner_->field), SGC_VOIDP_(sgc_expected_), SGC_VOIDP_(sgc_desired_)); \
    })
/* Stores n values into n consecutive fields starting at the named one; each as sgc_set would. values: array of n references. */
#define sgc_store_bulk(owner, first_field, values, n)                                                                  \
    __extension__({                                                                                                    \
        __typeof__(owner) sgc_owner_ = (owner);                                                                        \
        sgc_store_bulk_((void *)sgc_owner_, SGC_PLACE_(sgc_owner_->first_field), (void *const *)(values), (n));        \
    })

/* A root cell: a global that holds its referent. Zero-initialised is empty. */
struct sgc_root {
    void *reference;
};
SGC_API void sgc_root_set(struct sgc_root *root, void *value); /* several writers may */
SGC_API void *sgc_root_xchg(struct sgc_root *root, void *value); /* the old value, held by the caller now */
static inline void *sgc_root_get(const struct sgc_root *root) /* in a section */
{
    return __atomic_load_n(&root->reference, __ATOMIC_ACQUIRE);
}

#ifdef __cplusplus
}
#endif
#endif
