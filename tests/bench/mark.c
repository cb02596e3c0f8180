/* mark.c - workload mark on a heap: what a full collection costs by live object, as the calling thread sees it.
 * Called through the table in workloads.c. */
#include "tests/bench/bodies.h"
#include "tests/bench/graph.h"

#include <stdlib.h>

struct vertex {
    struct vertex *left, *right, *other;
    long number;
};
static const struct sgc_type vertex_type = SGC_TYPE(struct vertex, SGC_REFS(struct vertex, left, right, other));

/* Returns the root, held; everything else is reachable from it alone. NULL: no memory. */
static struct vertex *build(struct sgc_cache *cache, uint32_t n, uint32_t *order, struct vertex **vertices)
{
    uint64_t random = 20260101;
    for (uint32_t i = 0; i < n; i++) {
        vertices[i] = sgc_new(cache);
        if (!vertices[i])
            return NULL;
        vertices[i]->number = i;
    }
    graph_shuffle(order, n, &random);
    for (uint64_t k = 0; k < n; k++) {
        struct vertex *vertex = vertices[order[k]];
        SGC_SECTION;
        if (2 * k + 1 < n)
            sgc_set(vertex, left, vertices[order[2 * k + 1]]);
        if (2 * k + 2 < n)
            sgc_set(vertex, right, vertices[order[2 * k + 2]]);
        sgc_set(vertex, other, vertices[bench_random(&random) % n]);
    }
    for (uint32_t k = 1; k < n; k++)
        sgc_drop(vertices[order[k]]);
    return vertices[order[0]];
}

static uint64_t sum(const struct vertex *vertex)
{
    return vertex ? (uint64_t)vertex->number + sum(vertex->left) + sum(vertex->right) : 0;
}

static void collect(struct bench_run *run, const struct bench_heap *heap, const struct vertex *root, uint64_t n)
{
    static struct sgc_stats before, after;
    struct bench_timer timer = {0};
    sgc_heap_collect(heap->heap, SGC_COLLECT_FULL);
    sgc_heap_stats(heap->heap, &before);
    for (int i = 0; i < GRAPH_COLLECTIONS; i++) {
        bench_timer_start(&timer);
        sgc_heap_collect(heap->heap, SGC_COLLECT_FULL);
        bench_timer_stop(&timer);
    }
    bench_finish(run, &timer, n * GRAPH_COLLECTIONS);
    sgc_heap_stats(heap->heap, &after);
    bench_figure_add(run, "visited", (double)(after.n_visited - before.n_visited) / GRAPH_COLLECTIONS / (double)n);
    run->checksum = sum(root);
    if (run->checksum != graph_expected_sum(n))
        bench_fail(run, "the graph changed");
    else if (after.n_live != n)
        bench_fail(run, "%llu objects live instead of %llu", (unsigned long long)after.n_live, (unsigned long long)n);
}

void bench_mark(struct bench_run *run)
{
    struct bench_heap heap;
    const uint32_t n = (uint32_t)run->params.n_objects;
    bench_parameter_add(run, "objects", "%u", n);
    if (!bench_heap_open(run, &heap, &vertex_type, SGC_NEED_REFERENCES))
        return;
    uint32_t *order = malloc(n * sizeof(*order));
    struct vertex **vertices = malloc(n * sizeof(*vertices));
    struct vertex *root = order && vertices ? build(heap.cache, n, order, vertices) : NULL;
    if (root)
        collect(run, &heap, root, n);
    else
        bench_fail(run, "no memory for %u objects", n);
    free(order);
    free(vertices);
    sgc_drop(root);
    bench_heap_close(run, &heap);
}
