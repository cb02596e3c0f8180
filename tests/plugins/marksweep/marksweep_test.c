/* marksweep_test.c - a strategy of a stranger's: needs nothing but the public headers, and collects what it should. The
 * rest is the conformance kit's. */
#include "tests/support/expect.h"
#include "tests/support/scratch.h"
#include "tests/support/strategies.h"
#include <slabgc/slabgc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the runfiles of a Bazel test, and in the source tree. */
#define SOURCE "tests/support/marksweep/marksweep.c"
#define HEADERS "include"

struct node {
    struct node *left, *right;
    long value;
};
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, left, right));

static struct sgc_heap *open_heap(const char *strategy)
{
    struct sgc_error error;
    struct sgc_heap *heap =
        sgc_heap_open("heap", &(struct sgc_heap_options){.needs = SGC_NEED_CYCLES, .strategy = strategy}, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    return heap;
}

static struct sgc_cache *make_cache(struct sgc_heap *heap)
{
    struct sgc_error error;
    struct sgc_cache *cache = sgc_cache_create(heap, &node_type, &error);
    ck_assert_msg(cache != NULL, "%s", error.message);
    return cache;
}

static uint64_t n_live(struct sgc_heap *heap)
{
    static struct sgc_stats stats;
    sgc_heap_stats(heap, &stats);
    return stats.n_live;
}

static void check_collects(const char *strategy)
{
    struct sgc_heap *heap = open_heap(strategy);
    ck_assert_str_eq(sgc_heap_strategy(heap), "marksweep");
    struct sgc_cache *nodes = make_cache(heap);
    struct node *held = sgc_new(nodes);
    for (int i = 0; i < 1000; i++) { /* rings of two, every tenth kept */
        struct node *a = sgc_new(nodes), *b = sgc_new(nodes);
        sgc_set(a, left, b);
        sgc_set(b, left, a);
        if (i % 10 == 0) {
            sgc_set(b, right, held->left);
            sgc_set(held, left, a);
        }
        sgc_drop(a);
        sgc_drop(b);
    }
    ck_assert_uint_eq(n_live(heap), 2001);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 201);
    sgc_drop(held);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}

START_TEST(dead_rings_are_reclaimed_and_live_ones_kept)
{
    check_collects("marksweep");
}
END_TEST

START_TEST(more_grey_objects_than_the_mark_stack_holds_are_all_marked)
{
    static const struct sgc_type vec_type = {
        .name = "vec", .size_bytes = sizeof(size_t), SGC_TAIL_REFS, .align_bytes = sizeof(size_t)};
    enum { N = 50000 };
    struct sgc_heap *heap = open_heap("marksweep");
    struct sgc_cache *nodes = make_cache(heap), *vecs = sgc_cache_create(heap, &vec_type, NULL);
    struct vec {
        size_t n;
        struct node *items[];
    } *vec = sgc_new_n(vecs, N);
    for (size_t i = 0; i < N; i++) {
        struct node *node = sgc_new(nodes), *child = sgc_new(nodes);
        sgc_set(node, left, child);
        sgc_set(vec, items[i], node);
        sgc_drop(child);
        sgc_drop(node);
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 2 * N + 1);
    ck_assert_int_eq(sgc_heap_verify(heap, NULL), 0);
    sgc_drop(vec);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

START_TEST(compiled_alone_against_the_public_headers_it_loads_and_collects)
{
    char directory[SUPPORT_PATH_BYTES], plugin[SUPPORT_PATH_BYTES], command[2 * SUPPORT_PATH_BYTES];
    support_scratch_create(directory);
    support_scratch_path(plugin, directory, "marksweep.so");
    snprintf(command, sizeof(command),
             "gcc -std=c11 -O1 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -nostdlib -Wl,-z,defs "
             "-I%s -o '%s' %s",
             HEADERS, plugin, SOURCE);
    ck_assert_int_eq(system(command), 0);
    check_collects(plugin);
    support_scratch_destroy(directory);
}
END_TEST

int main(void)
{
    support_strategies_init();
    Suite *suite = suite_create("marksweep");
    TCase *tcase = tcase_create("marksweep");
    tcase_add_test(tcase, dead_rings_are_reclaimed_and_live_ones_kept);
    tcase_add_test(tcase, more_grey_objects_than_the_mark_stack_holds_are_all_marked);
    tcase_add_test(tcase, compiled_alone_against_the_public_headers_it_loads_and_collects);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
