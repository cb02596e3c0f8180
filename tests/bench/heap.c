/* heap.c - a run's heap. Called by the run functions on slabgc. */
#include "tests/bench/bodies.h"

#include <string.h>

bool bench_heap_open(struct bench_run *run, struct bench_heap *heap, const struct sgc_type *type, uint32_t needs)
{
    struct sgc_error error = {0};
    const struct sgc_heap_options options = {.needs = needs, .strategy = run->backend->strategy};
    heap->heap = sgc_heap_open("bench", &options, &error);
    if (!heap->heap) {
        bench_fail(run, "%s", error.message);
        return false;
    }
    if (strcmp(sgc_heap_strategy(heap->heap), run->backend->strategy) != 0) {
        bench_fail(run, "config makes this heap one of %s", sgc_heap_strategy(heap->heap));
        return false;
    }
    heap->cache = sgc_cache_create(heap->heap, type, &error);
    if (!heap->cache)
        bench_fail(run, "%s", error.message);
    return heap->cache != NULL;
}

void bench_heap_close(struct bench_run *run, const struct bench_heap *heap)
{
    static struct sgc_stats stats;
    struct sgc_error error = {0};
    sgc_heap_stats(heap->heap, &stats);
    /* 0, too: all runs of a backend have the same figures */
    if (strcmp(run->backend->strategy, "none") != 0) {
        bench_figure_add(run, "minor", (double)stats.n_minor);
        bench_figure_add(run, "full", (double)stats.n_full);
        bench_figure_add(run, "pause_max_us", (double)stats.pauses.max_ns * 1e-3);
    }
    if (sgc_heap_close(heap->heap, &error) != 0 && run->state == BENCH_OK)
        bench_fail(run, "%s", error.message);
}
