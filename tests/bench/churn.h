/* churn.h - workloads with one thread and objects of one size: what they are called and what churn.c knows of them. */
#ifndef SLABGC_TESTS_BENCH_CHURN_H
#define SLABGC_TESTS_BENCH_CHURN_H

#include "tests/bench/objects.h"

/* bench_workload.variant of bench_churn. */
enum churn_order {
    CHURN_PAIR,          /* allocate one, free it */
    CHURN_LIFO16,        /* allocate 16, free them in reverse order */
    CHURN_LIFO,          /* a stack on top of `live` objects that grows and shrinks by batches, between 0 and `live` */
    CHURN_FIFO,          /* a queue of `live` objects: allocate one, free the oldest */
    CHURN_RANDOM,        /* `live` objects: allocate one, free a random one */
    CHURN_WAVE,          /* allocate `live` objects, then free them all in the same order */
    CHURN_WAVE_SHUFFLED, /* ... in random order */
};

/* The state of a workload between calls of its body. */
struct churn {
    struct objects objects;
    size_t live;
    uint64_t **slots;      /* where the objects are */
    const uint32_t *order; /* random places in slots, or depths of the stack, or the order in which a wave is freed */
    size_t order_mask;     /* their number - 1, a power of two (not for waves) */
    size_t next;           /* in order */
    size_t at;             /* the queue's oldest object, or the stack's depth */
    uint64_t serial;       /* the first word of the next object */
    uint64_t sum;          /* of the first words of objects that were freed */
};

/* Allocates what stays alive, by the calling thread; and frees it, by any thread. order: for a random replacement. */
void bench_churn_fill(struct churn *churn, const struct objects *objects, size_t live, const uint32_t *order,
                      size_t order_mask, enum bench_kind kind);
void bench_churn_empty(struct churn *churn, size_t n, enum bench_kind kind);
/* n random replacements. */
bench_body *bench_churn_random_body(enum bench_kind kind);
/* A power of two of random numbers below limit, at least `least` of them; *mask: their number - 1. */
const uint32_t *bench_random_places(size_t least, size_t limit, size_t *mask);

#endif
