/* boehm.c - the workloads on the collector of Boehm, Demers and Weiser (libgc), in a program of their own: a
 * conservative collector in a process concerns all of it. bench starts this program; it is of no use alone. */
#include "tests/bench/graph.h"
#include "tests/bench/trees.h"

#include <gc.h>
#include <stdlib.h>

struct tree {
    struct tree *left, *right;
    long value;
};

struct vertex {
    struct vertex *left, *right, *other;
    long number;
};

static struct tree *tree_build(int depth)
{
    struct tree *tree = GC_MALLOC(sizeof(*tree)); /* zeroed */
    if (!tree)
        return NULL;
    tree->value = depth;
    if (depth > 0) {
        tree->left = tree_build(depth - 1);
        tree->right = tree_build(depth - 1);
        if (!tree->left || !tree->right)
            return NULL;
    }
    return tree;
}

static uint64_t tree_sum(const struct tree *tree)
{
    const uint64_t own = (uint64_t)tree->value + 1;
    return tree->left ? own + tree_sum(tree->left) + tree_sum(tree->right) : own;
}

static void *build(int depth)
{
    return tree_build(depth);
}

static uint64_t sum(void *tree)
{
    return tree_sum(tree);
}

static void dispose(void *tree)
{
    (void)tree;
}

static void run_trees(struct bench_run *run)
{
    GC_INIT();
    trees_play(run, &(struct trees_backend){build, sum, dispose});
    bench_figure_add(run, "full", (double)GC_get_gc_no());
}

static struct vertex *vertices_build(uint32_t n, uint32_t *order, struct vertex **vertices)
{
    uint64_t random = 20260101;
    for (uint32_t i = 0; i < n; i++) {
        vertices[i] = GC_MALLOC(sizeof(**vertices));
        if (!vertices[i])
            return NULL;
        vertices[i]->number = i;
    }
    graph_shuffle(order, n, &random);
    for (uint64_t k = 0; k < n; k++) {
        struct vertex *vertex = vertices[order[k]];
        vertex->left = 2 * k + 1 < n ? vertices[order[2 * k + 1]] : NULL;
        vertex->right = 2 * k + 2 < n ? vertices[order[2 * k + 2]] : NULL;
        vertex->other = vertices[bench_random(&random) % n];
    }
    return vertices[order[0]];
}

static uint64_t vertices_sum(const struct vertex *vertex)
{
    return vertex ? (uint64_t)vertex->number + vertices_sum(vertex->left) + vertices_sum(vertex->right) : 0;
}

static void run_mark(struct bench_run *run)
{
    static struct vertex *root;
    const uint32_t n = (uint32_t)run->params.n_objects;
    bench_parameter_add(run, "objects", "%u", n);
    GC_INIT();
    uint32_t *order = malloc(n * sizeof(*order));
    struct vertex **vertices = GC_MALLOC(n * sizeof(*vertices)); /* keeps them alive while the graph is built */
    root = order && vertices ? vertices_build(n, order, vertices) : NULL;
    free(order);
    if (!root) {
        bench_fail(run, "no memory for %u objects", n);
        return;
    }
    GC_FREE(vertices);
    struct bench_timer timer = {0};
    GC_gcollect();
    for (int i = 0; i < GRAPH_COLLECTIONS; i++) {
        bench_timer_start(&timer);
        GC_gcollect();
        bench_timer_stop(&timer);
    }
    bench_finish(run, &timer, (uint64_t)n * GRAPH_COLLECTIONS);
    run->checksum = vertices_sum(root);
    if (run->checksum != graph_expected_sum(n))
        bench_fail(run, "the graph changed");
}

int main(int argc, char **argv)
{
    static const struct bench_workload workloads[] = {{.name = "binary-trees", .run = run_trees},
                                                      {.name = "mark", .run = run_mark}};
    return bench_child(argc, argv, workloads, sizeof(workloads) / sizeof(workloads[0]));
}
