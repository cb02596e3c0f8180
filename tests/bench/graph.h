/* graph.h - the random graph of workload mark, the same for all backends: a binary tree over all objects in random
 * order, so that every object is reachable and neighbours are far apart, and one more reference from each object to a
 * random one. Objects have 32 bytes. */
#ifndef SLABGC_TESTS_BENCH_GRAPH_H
#define SLABGC_TESTS_BENCH_GRAPH_H

#include "tests/bench/bench.h"

#define GRAPH_COLLECTIONS 5 /* of which the mean is taken, after one that is not measured */

/* Fills order with 0..n-1 in random order: position k of the tree is object order[k], its children are at positions
 * 2k + 1 and 2k + 2, and order[0] is the root. */
void graph_shuffle(uint32_t *order, uint32_t n, uint64_t *random);

/* What the values of all objects, each its number in order of allocation, add up to. */
static inline uint64_t graph_expected_sum(uint64_t n)
{
    return n * (n - 1) / 2;
}

#endif
