/* context.h - what the inline fast paths need: the thread's context and the address arithmetic of side metadata.
 * Programs do not name anything here; the macros and inline functions of the other headers do.
 *
 * Metadata lives outside the slots. The byte of kind K that belongs to the object at address p is bias_K[p >> 4]:
 * one granule is 16 bytes, every object starts on a granule, so no descriptor is read on the way. */
#ifndef SLABGC_CONTEXT_H
#define SLABGC_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SGC_API __attribute__((visibility("default")))
#define SGC_CAT_(a, b) a##b
#define SGC_CAT(a, b) SGC_CAT_(a, b)
#define SGC_GRANULE_BYTES 16
#define SGC_GRANULE_SHIFT 4

struct sgc_front;
struct sgc_thread;

/* Bits of an object's state byte. Bits 0-3 belong to the heap's strategy; the rest to core. Programs' threads change the byte of a
 * published object by atomic operations only; a collector at a stop may write it plainly. */
enum {
    SGC_STATE_STORE = 1 << 0,    /* stores into this object take the strategy's slow path (tested inline) */
    SGC_STATE_STORE_2 = 1 << 1,  /* the same, a second reason */
    SGC_STATE_PRIVATE = 1 << 2,  /* the strategy's own */
    SGC_STATE_PRIVATE_2 = 1 << 3,
    /* Decrements made in a section wait for its end. Under a counting strategy with concurrent-readers it also says that no section can have
     * read a reference to the object: stores take it off (the strategy), and root cells (core). */
    SGC_STATE_DEFER = 1 << 4,
    SGC_STATE_COUNTED = 1 << 5,  /* a decrement is the strategy's (or, for manual types, core's) business */
    SGC_STATE_WATCHED = 1 << 6,  /* weak references or ephemerons name this object */
    SGC_STATE_FINALIZED = 1 << 7 /* its finalizer was queued once; never again */
};

#define SGC_WINDOW_SLOTS 64
#define SGC_WINDOW_POPPED 256u /* sgc_window.word: the count goes in these steps */

/* A thread's free slots of one class, a stack: what was freed last is handed out first. Written by its thread alone; the word is one
 * store, so that others (statistics, a stop, a forked child) always find a whole window. */
struct sgc_window {
    uint64_t word;  /* a count of slots handed out << 8 | slots in the window. The count begins below 0; when it reaches 0, the next
                       allocation takes the slow path, which does what falls due by the clock and sets it back */
    uint32_t limit; /* a free puts its slot here below this number; 0: never */
    uint32_t reserved;
    void *slots[SGC_WINDOW_SLOTS];
};

/* One per thread. Written by its thread; others read depth, busy and n_sections: stops wait by them, and name stalled sections. */
struct sgc_context {
    uint32_t depth;             /* nesting of sections; 0: at rest */
    uint32_t busy;              /* 1 inside one of core's own calls at rest */
    uint8_t store_mask;         /* state bits that send a store to the slow path */
    uint8_t rest_pending;       /* work waits for the end of the outermost section */
    uint8_t soft_limit;         /* this allocation is at rest: the memory limit itself applies, not the hard one */
    uint8_t reserved;
    const uint8_t *state_bias;  /* state byte of p: state_bias[p >> 4]; NULL before the thread is attached */
    uint8_t *count_bias;        /* count byte of p */
    void **hold_top;            /* hold stack: next free entry */
    void **hold_limit;
    void **hold_base;
    struct sgc_front **fronts;  /* by class index; each begins with its window. NULL before the thread is attached */
    uint64_t n_sections;        /* outermost sections entered */
    struct sgc_thread *thread;  /* core's record; NULL before the thread is attached */
};

/* initial-exec: two instructions to reach it, from an executable and from libslabgc.so alike. */
extern SGC_API __thread struct sgc_context sgc_context_ __attribute__((tls_model("initial-exec")));

/* NULL and immediates (low bit set) are no objects; every call ignores them where a reference may stand. */
static inline bool sgc_is_object(const void *reference)
{
    return reference && !((uintptr_t)reference & 1);
}

#ifdef __cplusplus
}
#endif
#endif
