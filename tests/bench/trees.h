/* trees.h - the shape of workload binary-trees, the same for all backends (Computer Language Benchmarks Game): a
 * stretch tree one level deeper than the rest, a long-lived tree, then many short-lived trees of growing depth. */
#ifndef SLABGC_TESTS_BENCH_TREES_H
#define SLABGC_TESTS_BENCH_TREES_H

#include "tests/bench/bench.h"

/* What a backend provides. Each call handles a whole tree, so that calling through a pointer costs nothing. */
struct trees_backend {
    void *(*build)(int depth);   /* node->value is the depth below it, 0 for leaves; NULL: no memory */
    uint64_t (*sum)(void *tree); /* of value + 1 over all nodes */
    void (*dispose)(void *tree);
};

/* Runs the workload, checks each tree, and finishes the run. */
void trees_play(struct bench_run *run, const struct trees_backend *backend);

#endif
