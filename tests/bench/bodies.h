/* bodies.h - the run functions that workloads.c names, and what those on slabgc share. */
#ifndef SLABGC_TESTS_BENCH_BODIES_H
#define SLABGC_TESTS_BENCH_BODIES_H

#include "tests/bench/bench.h"

#include <slabgc/slabgc.h>

void bench_trees_malloc(struct bench_run *run);
void bench_trees_slabgc(struct bench_run *run);

void bench_new_drop_rest(struct bench_run *run);
void bench_new_drop_section(struct bench_run *run);
void bench_hold_drop(struct bench_run *run);
void bench_store_young_rest(struct bench_run *run);
void bench_store_young_section(struct bench_run *run);
void bench_store_old_rest(struct bench_run *run);
void bench_store_old_section(struct bench_run *run);
void bench_store_old_first(struct bench_run *run);
void bench_enter_leave(struct bench_run *run);
void bench_weak_get(struct bench_run *run);

void bench_mark(struct bench_run *run);
void bench_readers(struct bench_run *run);

/* Group cache: churn.c, threads.c, larson.c, scaling.c, construct.c, bulk.c, phase.c. bench_workload.variant is an enum
 * churn_order, an enum construct_level, or the number of objects at once. */
void bench_churn(struct bench_run *run);
void bench_producer_consumer(struct bench_run *run);
void bench_symmetric(struct bench_run *run);
void bench_larson(struct bench_run *run);
void bench_thread_churn(struct bench_run *run);
void bench_scaling(struct bench_run *run);
void bench_construct(struct bench_run *run);
void bench_bulk(struct bench_run *run);
void bench_phase(struct bench_run *run);

/* What an object must have before it is of use; each level adds to the one before. */
enum construct_level {
    CONSTRUCT_LIGHT, /* a list head, eight fields */
    CONSTRUCT_MUTEX, /* a mutex */
    CONSTRUCT_HEAVY, /* a table of 512 bytes */
};

/* heap.c: a heap with the backend's strategy and one cache; false: the run failed, with its message. Closing adds what
 * the collector did to the run's figures. */
struct bench_heap {
    struct sgc_heap *heap;
    struct sgc_cache *cache;
};
bool bench_heap_open(struct bench_run *run, struct bench_heap *heap, const struct sgc_type *type, uint32_t needs);
void bench_heap_close(struct bench_run *run, const struct bench_heap *heap);

#endif
