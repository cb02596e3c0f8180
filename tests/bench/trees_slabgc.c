/* trees_slabgc.c - binary-trees on a heap: at rest each call is on its own; with sections one encloses each tree's
 * building, and stores are inline. Reading and dropping happen at rest: this thread alone has the trees. */
#include "tests/bench/bodies.h"
#include "tests/bench/trees.h"

struct tree {
    struct tree *left, *right;
    long value;
};
static const struct sgc_type tree_type = SGC_TYPE(struct tree, SGC_REFS(struct tree, left, right));

static struct sgc_cache *trees;

static struct tree *tree_build(int depth)
{
    struct tree *tree = sgc_new(trees);
    if (!tree)
        return NULL;
    tree->value = depth;
    if (depth == 0)
        return tree;
    struct tree *left = tree_build(depth - 1);
    sgc_set(tree, left, left);
    sgc_drop(left);
    struct tree *right = tree_build(depth - 1);
    sgc_set(tree, right, right);
    sgc_drop(right);
    if (left && right)
        return tree;
    sgc_drop(tree);
    return NULL;
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

static void *build_in_section(int depth)
{
    SGC_SECTION;
    return tree_build(depth);
}

static uint64_t sum(void *tree)
{
    return tree_sum(tree);
}

static void dispose(void *tree)
{
    sgc_drop(tree);
}

void bench_trees_slabgc(struct bench_run *run)
{
    struct bench_heap heap;
    if (!bench_heap_open(run, &heap, &tree_type, SGC_NEED_REFERENCES))
        return;
    trees = heap.cache;
    trees_play(run, &(struct trees_backend){run->backend->sections ? build_in_section : build, sum, dispose});
    bench_heap_close(run, &heap);
}
