/* type.h - what an object is: size, alignment, where its references are, its callbacks.
 * A type is constant data of the program and outlives every cache made from it. */
#ifndef SLABGC_TYPE_H
#define SLABGC_TYPE_H

#include <slabgc/context.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sgc_type_flags {
    SGC_TYPE_ACYCLIC = 1 << 0,  /* no path of references leads from an object of this type back to itself: cycle collectors prune here.
                                 * An ephemeron counts as a reference from its key to its value */
    SGC_TYPE_LEAF = 1 << 1,     /* no references at all (implied by an empty description) */
    SGC_TYPE_MANUAL = 1 << 2,   /* freed at the last drop or by sgc_cache_free on every strategy; its references are the program's affair */
    SGC_TYPE_IMMORTAL = 1 << 3  /* never reclaimed before the heap closes */
};

/* Receives one place that holds a reference. `place` stays valid for the call. */
typedef void sgc_visit_fn(void *visitor, void **place);

/* n consecutive reference fields; more runs than fit, or unions and tagged fields, go to the trace callback. */
struct sgc_ref_run {
    uint32_t offset_bytes;
    uint32_t n;
};
#define SGC_TYPE_MAX_REF_RUNS 12

struct sgc_type {
    const char *name;       /* a leading "struct " is skipped; names the cache in config, statistics and messages; [A-Za-z0-9_.-]+ */
    uint32_t size_bytes;    /* of the fixed part */
    uint32_t align_bytes;   /* power of two up to 4096; 0: 16 (the minimum) */
    uint32_t flags;         /* enum sgc_type_flags */
    uint32_t n_ref_runs;    /* entries used in ref_runs */
    struct sgc_ref_run ref_runs[SGC_TYPE_MAX_REF_RUNS];
    /* Variable tail: elements of tail_element_bytes behind size_bytes; 0: none. tail_refs: each element is a reference. */
    uint32_t tail_element_bytes;
    uint8_t tail_refs;
    uint8_t reserved[3];

    /* Callbacks, each may be NULL.
     * trace: calls visit(visitor, &field) for each reference beyond ref_offsets. Any thread, at a stop or concurrently with the
     *   program's reads; must not call slabgc nor write the object. What it enumerates changes only through the store family.
     * ctor: the slot is made (once); sees uninitialised memory; non-zero return: allocation fails with ENOMEM. Constructed state survives in free slots.
     * reset: brings a dead object back to its constructed state (core has set declared reference fields to NULL already).
     * dtor: the slab's memory leaves the cache, or the heap closes.
     * ctor, reset, dtor: any thread, possibly at a stop; must not call slabgc, nor block for long.
     * finalize: the object died; runs once per object, at rest, on the thread that runs the finalizer queue, with the object held; may
     *   call all of slabgc, may store the object somewhere (resurrection). */
    void (*trace)(void *object, sgc_visit_fn *visit, void *visitor);
    int (*ctor)(void *slot);
    void (*reset)(void *object);
    void (*dtor)(void *slot);
    void (*finalize)(void *object);
};

/* static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, left, right), .finalize = node_finalize);
 * In C++ write the designators in the order of the struct. */
#define SGC_TYPE(type_, ...) {.name = #type_, .size_bytes = sizeof(type_), .align_bytes = SGC_ALIGNOF_(type_), ##__VA_ARGS__}

/* Reference fields, 1 to 12 of them; an array field counts as a run of its length. Stands where .n_ref_runs and .ref_runs would. */
#define SGC_REFS(type_, ...)                                                                                           \
    .n_ref_runs = SGC_COUNT_ARGS_(__VA_ARGS__), .ref_runs = {SGC_CAT(SGC_REFS_, SGC_COUNT_ARGS_(__VA_ARGS__))(type_, __VA_ARGS__)}

/* A tail of references: struct vec { size_t n; struct node *items[]; }; SGC_TYPE(struct vec, SGC_TAIL_REFS). */
#define SGC_TAIL_REFS .tail_element_bytes = sizeof(void *), .tail_refs = 1
/* A tail of plain elements of the given size in bytes. */
#define SGC_TAIL_DATA(element_bytes_) .tail_element_bytes = (element_bytes_)

#ifdef __cplusplus
#define SGC_ALIGNOF_(type_) (uint32_t)alignof(type_)
#else
#define SGC_ALIGNOF_(type_) (uint32_t) _Alignof(type_)
#endif
#define SGC_REF_RUN_(t, f) {(uint32_t)offsetof(t, f), (uint32_t)(sizeof(((t *)0)->f) / sizeof(void *))}
#define SGC_NTH_ARG_(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, n, ...) n
#define SGC_COUNT_ARGS_(...) SGC_NTH_ARG_(__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define SGC_REFS_1(t, a) SGC_REF_RUN_(t, a)
#define SGC_REFS_2(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_1(t, __VA_ARGS__)
#define SGC_REFS_3(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_2(t, __VA_ARGS__)
#define SGC_REFS_4(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_3(t, __VA_ARGS__)
#define SGC_REFS_5(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_4(t, __VA_ARGS__)
#define SGC_REFS_6(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_5(t, __VA_ARGS__)
#define SGC_REFS_7(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_6(t, __VA_ARGS__)
#define SGC_REFS_8(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_7(t, __VA_ARGS__)
#define SGC_REFS_9(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_8(t, __VA_ARGS__)
#define SGC_REFS_10(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_9(t, __VA_ARGS__)
#define SGC_REFS_11(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_10(t, __VA_ARGS__)
#define SGC_REFS_12(t, a, ...) SGC_REF_RUN_(t, a), SGC_REFS_11(t, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
