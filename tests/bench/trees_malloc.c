/* trees_malloc.c - binary-trees on malloc and free, whoever provides them; trees are freed node by node. */
#include "tests/bench/bodies.h"
#include "tests/bench/trees.h"

#include <stdlib.h>

struct tree {
    struct tree *left, *right;
    long value;
};

static void tree_free(struct tree *tree)
{
    if (!tree)
        return;
    tree_free(tree->left);
    tree_free(tree->right);
    free(tree);
}

static struct tree *tree_build(int depth)
{
    struct tree *tree = malloc(sizeof(*tree));
    if (!tree)
        return NULL;
    *tree = (struct tree){.value = depth};
    if (depth > 0) {
        tree->left = tree_build(depth - 1);
        tree->right = tree_build(depth - 1);
        if (!tree->left || !tree->right) {
            tree_free(tree);
            return NULL;
        }
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
    tree_free(tree);
}

void bench_trees_malloc(struct bench_run *run)
{
    trees_play(run, &(struct trees_backend){build, sum, dispose});
}
