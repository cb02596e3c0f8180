/* heap_stats_test.c - the figures of a heap: what they count, and that any thread may read them at any time. */
#include "core/heap/section.h"
#include "tests/heap/support.h"

static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void setup(void)
{
    heap = open_limited("stats", &tracing_plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
}

static void teardown(void)
{
    close_heap(heap);
}

static void noop_finalize(void *object)
{
    (void)object;
}
static const struct sgc_type mourned_type = {.name = "mourned", .size_bytes = 16, .finalize = noop_finalize};
static const struct sgc_type text_type = {.name = "text", .size_bytes = 8, SGC_TAIL_DATA(1)};

START_TEST(a_fresh_heap_has_done_nothing)
{
    struct sgc_stats stats, zero;
    memset(&stats, 0xff, sizeof(stats));
    memset(&zero, 0, sizeof(zero));
    sgc_heap_stats(heap, &stats);
    ck_assert_mem_eq(&stats, &zero, sizeof(stats));
}
END_TEST

START_TEST(objects_and_bytes_are_counted)
{
    enum { N = 3000 };
    static struct node *held[N];
    struct sgc_cache *texts = make_cache(heap, &text_type);
    for (int i = 0; i < N; i++)
        held[i] = sgc_new(nodes);
    void *large = sgc_new_n(texts, 200000);
    struct sgc_stats stats = stats_of(heap);
    ck_assert_uint_eq(stats.n_allocated, N + 1);
    ck_assert_uint_eq(stats.n_live, N + 1);
    ck_assert_uint_eq(stats.n_reclaimed, 0);
    ck_assert_uint_ge(stats.live_bytes, N * sizeof(struct node) + 200000);
    ck_assert_uint_ge(stats.held_bytes, stats.live_bytes);
    ck_assert_uint_eq(stats.peak_bytes, stats.held_bytes);
    for (int i = 0; i < N; i++)
        sgc_drop(held[i]);
    sgc_drop(large);
    ck_assert_uint_eq(stats_of(heap).n_live, N + 1); /* dead, and nobody noticed */
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    stats = stats_of(heap);
    ck_assert_uint_eq(stats.n_live, 0);
    ck_assert_uint_eq(stats.live_bytes, 0);
    ck_assert_uint_eq(stats.n_allocated, N + 1);
    ck_assert_uint_eq(stats.n_reclaimed, N + 1);
    ck_assert_uint_lt(stats.held_bytes, stats.peak_bytes);
}
END_TEST

START_TEST(visited_objects_are_counted_in_all_and_of_the_last_collection)
{
    struct node *list = NULL;
    for (int i = 0; i < 100; i++) {
        struct node *node = new_node(nodes, list, NULL);
        sgc_drop(list);
        list = node;
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats_of(heap).last_visited, 100);
    ck_assert_uint_eq(stats_of(heap).n_visited, 200);
    sgc_drop(list);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats_of(heap).last_visited, 0);
}
END_TEST

START_TEST(weak_references_and_finalizers_are_counted)
{
    struct sgc_cache *mourned = make_cache(heap, &mourned_type);
    void *object = sgc_new(mourned);
    struct sgc_weak *a = sgc_weak_create(object), *b = sgc_weak_create(object);
    sgc_drop(object);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats_of(heap).n_weak_cleared, 2);
    ck_assert_uint_eq(stats_of(heap).n_finalizers_queued, 1);
    ck_assert_uint_eq(stats_of(heap).n_finalizers_run, 0);
    sgc_finalizers_run(heap, 0);
    ck_assert_uint_eq(stats_of(heap).n_finalizers_run, 1);
    sgc_weak_destroy(a);
    sgc_weak_destroy(b);
}
END_TEST

START_TEST(a_section_may_read_them)
{
    sgc_enter();
    struct node *node = sgc_new(nodes);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_leave();
    sgc_drop(node);
}
END_TEST

static bool over; /* atomic */
static void *reads(void *arg)
{
    struct sgc_stats stats, before = {0};
    unsigned long n_wrong = 0;
    (void)arg;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        sgc_heap_stats(heap, &stats);
        /* whole: histogram and counters of the same moment */
        n_wrong += stats.pauses.n != stats.n_full + stats.n_minor;
        n_wrong +=
            stats.n_full < before.n_full || stats.n_visited < before.n_visited || stats.peak_bytes < before.peak_bytes;
        before = stats;
    }
    return (void *)n_wrong;
}

START_TEST(a_reader_at_rest_sees_whole_figures_beside_collections)
{
    const pthread_t thread = support_thread("reads", reads, NULL);
    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < 50; j++)
            sgc_drop(sgc_new(nodes));
        sgc_heap_collect(heap, i % 2 ? SGC_COLLECT_FULL : SGC_COLLECT_MINOR);
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    void *n_wrong;
    pthread_join(thread, &n_wrong);
    ck_assert_uint_eq((unsigned long)n_wrong, 0);
    ck_assert_uint_eq(stats_of(heap).n_full, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heap_stats");
    TCase *tc = tcase_create("heap_stats");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_fresh_heap_has_done_nothing);
    tcase_add_test(tc, objects_and_bytes_are_counted);
    tcase_add_test(tc, visited_objects_are_counted_in_all_and_of_the_last_collection);
    tcase_add_test(tc, weak_references_and_finalizers_are_counted);
    tcase_add_test(tc, a_section_may_read_them);
    tcase_add_test(tc, a_reader_at_rest_sees_whole_figures_beside_collections);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
