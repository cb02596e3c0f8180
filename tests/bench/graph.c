/* graph.c - see graph.h. Source: Fisher-Yates. */
#include "tests/bench/graph.h"

void graph_shuffle(uint32_t *order, uint32_t n, uint64_t *random)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t k = (uint32_t)(bench_random(random) % (i + 1));
        order[i] = order[k];
        order[k] = i;
    }
}
