/* verify.h - shared by the files that check a heap: verify.c (slabs, references, counts) and verify_tables.c. */
#ifndef SLABGC_CORE_HEAP_VERIFY_H
#define SLABGC_CORE_HEAP_VERIFY_H

#include "core/heap/heap.h"

/* One verification; the first violation found stays in error, later checks may go on but change nothing. */
struct sgc_verify {
    struct sgc_heap *heap;
    struct sgc_error *error;
    int rc;
    size_t first_slab, n_slabs; /* span of the strategy's slabs in the arena */
    uint32_t *incoming;         /* references to the object at each granule of that span; NULL: not counted */
    void *object;               /* whose references are visited */
};

/* What an address is to this heap. */
enum sgc_verify_target {
    SGC_TARGET_LIVE,      /* an object of this heap */
    SGC_TARGET_NONE,      /* the start of no slot in use */
    SGC_TARGET_FOREIGN,   /* an object of another heap */
    SGC_TARGET_RECLAIMED, /* a free slot of this heap */
    SGC_TARGET_DEAD       /* claimed by the collector */
};
enum sgc_verify_target sgc_verify_target(const struct sgc_heap *heap, const void *address);

/* Notes a violation: "heap H: <text>", or "heap H: cache C: object #ID: <text>". */
void sgc_verify_fail(struct sgc_verify *verify, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
void sgc_verify_fail_object(struct sgc_verify *verify, const void *object, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

void sgc_verify_tables(struct sgc_verify *verify);

#endif
