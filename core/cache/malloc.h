/* malloc.h - what the files of the general-purpose front share (MALLOC.md): its classes, and what a thread has of them.
 * Included by malloc*.c and, for the statistics, by core/heap. */
#ifndef SLABGC_CORE_CACHE_MALLOC_H
#define SLABGC_CORE_CACHE_MALLOC_H

#include "core/cache/cache.h"
#include <slabgc/malloc.h>

#define SGC_MALLOC_SMALL_MAX (SGC_SLAB_BYTES / 2)
#define SGC_MALLOC_N_CLASSES 38
#define SGC_MALLOC_LARGE SGC_MALLOC_N_CLASSES /* the number of malloc-large */

/* ---- malloc_class.c */
/* Class number by size: [(bytes + 15) / 16]. */
extern const uint8_t sgc_malloc_number[SGC_MALLOC_SMALL_MAX / SGC_GRANULE_BYTES + 1];
/* What all slabs of the front are charged to; no limits. */
extern struct sgc_budget sgc_malloc_budget;
/* The class of that number, made on first use; SGC_MALLOC_LARGE too. NULL with errno ENOMEM. */
struct sgc_class *sgc_malloc_class(unsigned number);
struct sgc_class *sgc_malloc_class_made(unsigned number); /* NULL: not used yet */
uint32_t sgc_malloc_class_bytes(unsigned number);

static inline unsigned sgc_malloc_number_of(size_t bytes) /* at most SGC_MALLOC_SMALL_MAX */
{
    return sgc_malloc_number[(bytes + SGC_GRANULE_BYTES - 1) / SGC_GRANULE_BYTES];
}

/* ---- malloc_thread.c */
enum sgc_malloc_state {
    SGC_MALLOC_NEW,      /* has no fronts yet */
    SGC_MALLOC_STARTING, /* inside pthread calls that may allocate: borrows */
    SGC_MALLOC_READY,    /* has fronts, and an exit hook that gives them back */
    SGC_MALLOC_ENDED     /* the hook ran: borrows for the rest of its life */
};

/* A class as a thread sees it. Not used yet: &sgc_front_none, whose window is empty and has no room; NULL. */
struct sgc_malloc_place {
    struct sgc_front *front;
    struct sgc_class *class_; /* front->class_, on the line where front is */
};

struct sgc_malloc_thread {
    struct sgc_malloc_place places[SGC_MALLOC_N_CLASSES]; /* by class number */
    uint8_t state;                                        /* enum sgc_malloc_state */
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
