/* malloc_heap_test.c - the heap under which statistics show malloc's caches. */
#include "core/heap/heap.h"
#include "tests/heap/support.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <slabgc/malloc.h>
#include <stdio.h>

static struct sgc_heap *open_malloc(void)
{
    struct sgc_error error = {0};
    struct sgc_heap *heap = sgc_heap_open_malloc(&error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    return heap;
}

static int find(void *wanted, struct sgc_heap *heap)
{
    return heap == wanted ? 4711 : 0;
}

START_TEST(it_is_listed_by_name_with_strategy_none)
{
    struct sgc_heap *heap = open_malloc();
    ck_assert_str_eq(sgc_heap_name(heap), "malloc");
    ck_assert_str_eq(sgc_heap_strategy(heap), "none");
    ck_assert_ptr_eq(open_malloc(), heap);
    ck_assert_int_eq(sgc_heap_for_each(find, heap), 4711);
}
END_TEST

static int count(void *n, struct sgc_cache *cache)
{
    ck_assert(strncmp(sgc_cache_name(cache), "malloc-", 7) == 0);
    ++*(int *)n;
    return 0;
}

START_TEST(its_figures_and_caches_are_mallocs)
{
    struct sgc_heap *heap = open_malloc();
    struct sgc_stats stats;
    int n = 0;
    void *small = sgc_malloc(100), *other = sgc_malloc(5000), *large = sgc_malloc(1000000);
    sgc_free(other);
    sgc_heap_stats(heap, &stats);
    ck_assert_uint_eq(stats.n_live, 2);
    ck_assert_uint_eq(stats.live_bytes, 112 + 1000000);
    ck_assert_uint_eq(stats.n_allocated, 3);
    ck_assert_uint_eq(stats.n_reclaimed, 1);
    ck_assert_uint_eq(stats.held_bytes, (1 + 1 + 16) * SGC_SLAB_BYTES);
    ck_assert_uint_eq(stats.peak_bytes, stats.held_bytes);
    ck_assert_int_eq(sgc_cache_for_each(heap, count, &n), 0);
    ck_assert_int_eq(n, 3);
    sgc_free(small);
    sgc_free(large);
    sgc_heap_stats(heap, &stats);
    ck_assert_uint_eq(stats.n_live + stats.live_bytes, 0);
}
END_TEST

static int visit(void *arg, struct sgc_cache *cache, void *object, size_t bytes, uint64_t n)
{
    (void)arg, (void)cache, (void)object, (void)bytes, (void)n;
    return 1;
}

START_TEST(there_is_nothing_in_it_to_collect_walk_or_verify)
{
    struct sgc_heap *heap = open_malloc();
    char *object = sgc_malloc(100);
    strcpy(object, "kept");
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_int_eq(sgc_heap_walk(heap, NULL, visit, NULL), 0);
    ck_assert_int_eq(sgc_heap_verify(heap, NULL), 0);
    ck_assert_str_eq(object, "kept");
    sgc_free(object);
}
END_TEST

START_TEST(no_other_cache_goes_there)
{
    static const struct sgc_type type = {.name = "item", .size_bytes = 64};
    struct sgc_error error = {0};
    ck_assert_ptr_null(sgc_cache_create(open_malloc(), &type, &error));
    ck_assert_int_eq(error.code, -EINVAL);
    ck_assert_str_eq(error.message, "heap malloc is for malloc's own caches; open a heap for cache item");
}
END_TEST

START_TEST(closing_it_leaves_malloc_alone)
{
    void *object = sgc_malloc(100);
    struct sgc_stats stats;
    ck_assert_int_eq(sgc_heap_close(open_malloc(), NULL), 0);
    sgc_heap_stats(open_malloc(), &stats);
    ck_assert_uint_eq(stats.n_live, 1);
    sgc_free(object);
}
END_TEST

static void drop_it(void *object)
{
    sgc_drop(object);
}

START_TEST(a_drop_of_mallocs_memory_panics)
{
    char text[128];
    void *object = sgc_malloc(40);
    ck_assert_ptr_nonnull(object);
    ck_assert_int_eq(sgc_thread_attach(), 0); /* the drop's fast path looks at the count */
    snprintf(text, sizeof(text), "double drop: object %p of cache malloc-48", object);
    support_expect_panic(drop_it, object, text);
    sgc_free(object);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("malloc_heap");
    TCase *tcase = tcase_create("malloc_heap");
    tcase_add_test(tcase, it_is_listed_by_name_with_strategy_none);
    tcase_add_test(tcase, a_drop_of_mallocs_memory_panics);
    tcase_add_test(tcase, its_figures_and_caches_are_mallocs);
    tcase_add_test(tcase, there_is_nothing_in_it_to_collect_walk_or_verify);
    tcase_add_test(tcase, no_other_cache_goes_there);
    tcase_add_test(tcase, closing_it_leaves_malloc_alone);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
