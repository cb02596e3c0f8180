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

/* heap.c: a heap with the backend's strategy and one cache; false: the run failed, with its message. Closing adds what
 * the collector did to the run's figures. */
struct bench_heap {
    struct sgc_heap *heap;
    struct sgc_cache *cache;
};
bool bench_heap_open(struct bench_run *run, struct bench_heap *heap, const struct sgc_type *type, uint32_t needs);
void bench_heap_close(struct bench_run *run, const struct bench_heap *heap);

#endif
