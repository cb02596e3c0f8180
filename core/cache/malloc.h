/* malloc.h - what the files of the general-purpose front share (MALLOC.md): its classes, and what a thread has of them.
 * Included by malloc*.c and, for the statistics, by core/heap. */
#ifndef SLABGC_CORE_CACHE_MALLOC_H
#define SLABGC_CORE_CACHE_MALLOC_H

#include "core/base/check.h"
#include "core/cache/cache.h"
#include <slabgc/malloc.h>

#define SGC_MALLOC_SMALL_MAX (SGC_SLAB_BYTES / 2)
#define SGC_MALLOC_N_CLASSES 38                     /* numbers 1 to 38; 0 is no class's */
#define SGC_MALLOC_LARGE (SGC_MALLOC_N_CLASSES + 1) /* the number of malloc-large */
#define SGC_MALLOC_MAX_SLABS ((size_t)1 << 24)      /* of the largest arena */

/* ---- malloc_class.c */
/* Class number by size: [(bytes + 15) / 16]. */
extern SGC_INTERNAL const uint8_t sgc_malloc_number[SGC_MALLOC_SMALL_MAX / SGC_GRANULE_BYTES + 1];
/* Slot bytes by class number. */
extern SGC_INTERNAL const uint16_t sgc_malloc_class_bytes[SGC_MALLOC_N_CLASSES + 1];
/* Class number by slab number: right for every slab with live slots of this front; of others 0, or what it was last.
 * A free looks here and not at the slab's descriptor: 64 slabs to a cache line. Atomic, relaxed: written before a slot
 * is handed out, and handing it on orders it for others. */
extern SGC_INTERNAL uint8_t sgc_malloc_map[SGC_MALLOC_MAX_SLABS];
extern SGC_INTERNAL struct sgc_class *sgc_malloc_classes_[SGC_MALLOC_LARGE + 1]; /* by number; atomic; NULL: not used yet */
/* What all slabs of the front are charged to; no limits. */
extern struct sgc_budget sgc_malloc_budget;
/* The class of that number, made on first use. NULL with errno ENOMEM. */
struct sgc_class *sgc_malloc_class(unsigned number);

static inline struct sgc_class *sgc_malloc_class_made(unsigned number) /* NULL: not used yet */
{
    return __atomic_load_n(&sgc_malloc_classes_[number], __ATOMIC_ACQUIRE); /* pairs with class_make */
}
static inline unsigned sgc_malloc_number_of(size_t bytes) /* at most SGC_MALLOC_SMALL_MAX */
{
    return sgc_malloc_number[(bytes + SGC_GRANULE_BYTES - 1) / SGC_GRANULE_BYTES];
}

/* A slot of that class is about to be handed out. */
static inline void sgc_malloc_note(const void *slot, unsigned number)
{
    __atomic_store_n(&sgc_malloc_map[((uintptr_t)slot - sgc_arena.base) >> SGC_SLAB_SHIFT], (uint8_t)number,
                     __ATOMIC_RELAXED);
}
static inline unsigned sgc_malloc_number_at(size_t granule)
{
    return __atomic_load_n(&sgc_malloc_map[granule / SGC_SLAB_GRANULES], __ATOMIC_RELAXED);
}
static inline bool sgc_malloc_is_start(const struct sgc_class *class_, size_t granule)
{
    return class_->slot_mask[granule / 64 % SGC_SLAB_WORDS] >> (granule % 64) & 1;
}

/* ---- malloc_thread.c */
enum sgc_malloc_state {
    SGC_MALLOC_NEW,      /* has no fronts yet */
    SGC_MALLOC_STARTING, /* inside pthread calls that may allocate: borrows */
    SGC_MALLOC_READY,    /* has fronts, and an exit hook that gives them back */
    SGC_MALLOC_ENDED     /* the hook ran: borrows for the rest of its life */
};

/* A class as a thread sees it. Not used yet, and number 0: &sgc_front_none, whose window is empty and has no room;
 * NULL. */
struct sgc_malloc_place {
    struct sgc_front *front;
    struct sgc_class *class_; /* front->class_, on the line where front is */
};

struct sgc_malloc_thread {
    struct sgc_malloc_place places[SGC_MALLOC_N_CLASSES + 1]; /* by class number */
    uint8_t state;                                            /* enum sgc_malloc_state */
};
extern __thread struct sgc_malloc_thread sgc_malloc_thread_ __attribute__((tls_model("initial-exec")));

/* The calling thread's front of the class, made or adopted at need. NULL: it has none; then borrow, or free past it. */
struct sgc_front *sgc_malloc_front(unsigned number, struct sgc_class *class_);
/* One slot by a front that is the thread's for the length of the call. NULL with errno ENOMEM. */
void *sgc_malloc_borrow(struct sgc_class *class_);

/* ---- malloc.c */
/* A slot of the class with that number. NULL with errno ENOMEM. */
void *sgc_malloc_take(unsigned number);
/* bytes on a run of their own at a multiple of alignment_bytes (a power of two), with room for spare_bytes more behind
 * them; *reads_zero as found. NULL with errno ENOMEM. */
void *sgc_malloc_large(size_t bytes, size_t alignment_bytes, size_t spare_bytes, bool *reads_zero);
/* Panics with fixed text unless object is live memory of this front; `what` names the call. Returns its slab. */
struct sgc_slab *sgc_malloc_check(const void *object, const char *what);

#endif
