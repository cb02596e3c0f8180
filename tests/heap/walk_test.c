/* walk_test.c - visiting all objects of a heap. */
#include "tests/heap/fixture.h"

#include <pthread.h>

static struct sgc_heap *heap;
static struct sgc_cache *nodes, *manuals, *blobs;
static const struct sgc_type manual_type = {.name = "manual", .size_bytes = 48, .flags = SGC_TYPE_MANUAL};
static const struct sgc_type blob_type = {.name = "blob", .size_bytes = 8, SGC_TAIL_DATA(1)};

static void setup(void)
{
    heap = open_heap("walk", &marking_plugin);
    nodes = make_cache(heap, &node_type);
    manuals = make_cache(heap, &manual_type);
    blobs = make_cache(heap, &blob_type);
}

static void teardown(void)
{
    close_heap(heap);
}

struct tally {
    size_t n, n_nodes, n_manuals, n_blobs, stop_at;
    uint64_t bytes, counts;
};

static int tally_visit(void *arg, struct sgc_cache *cache, void *object, size_t bytes, uint64_t count)
{
    struct tally *tally = arg;
    ck_assert_uint_eq(bytes, sgc_size(object));
    tally->n++;
    tally->n_nodes += cache == nodes;
    tally->n_manuals += cache == manuals;
    tally->n_blobs += cache == blobs;
    tally->bytes += bytes;
    tally->counts += count;
    return tally->n == tally->stop_at ? 17 : 0;
}

START_TEST(every_object_is_visited_once_with_its_cache_bytes_and_count)
{
    struct node *held[1000];
    for (int i = 0; i < 1000; i++)
        held[i] = new_node(nodes, NULL, NULL);
    sgc_hold(held[7]);
    void *manual = sgc_new(manuals), *large = sgc_new_n(blobs, 500000), *small = sgc_new_n(blobs, 10);
    struct tally tally = {0};
    ck_assert_int_eq(sgc_heap_walk(heap, NULL, tally_visit, &tally), 0);
    ck_assert_uint_eq(tally.n_nodes, 1000);
    ck_assert_uint_eq(tally.n_manuals, 1);
    ck_assert_uint_eq(tally.n_blobs, 2);
    ck_assert_uint_eq(tally.n, 1003);
    ck_assert_uint_eq(tally.counts, 1004);
    ck_assert_uint_ge(tally.bytes, 1000 * sizeof(struct node) + 500000);
    sgc_drop(held[7]);
    for (int i = 0; i < 1000; i++)
        sgc_drop(held[i]);
    sgc_drop(manual);
    sgc_drop(large);
    sgc_drop(small);
}
END_TEST

START_TEST(one_cache_can_be_asked_for)
{
    struct node *node = new_node(nodes, NULL, NULL);
    void *blob = sgc_new_n(blobs, 10);
    struct tally tally = {0};
    ck_assert_int_eq(sgc_heap_walk(heap, blobs, tally_visit, &tally), 0);
    ck_assert_uint_eq(tally.n, 1);
    ck_assert_uint_eq(tally.n_blobs, 1);
    sgc_drop(node);
    sgc_drop(blob);
}
END_TEST

START_TEST(a_visit_that_returns_non_zero_ends_the_walk)
{
    struct node *held[20];
    for (int i = 0; i < 20; i++)
        held[i] = new_node(nodes, NULL, NULL);
    struct tally tally = {.stop_at = 5};
    ck_assert_int_eq(sgc_heap_walk(heap, NULL, tally_visit, &tally), 17);
    ck_assert_uint_eq(tally.n, 5);
    for (int i = 0; i < 20; i++)
        sgc_drop(held[i]);
}
END_TEST

START_TEST(slots_in_windows_are_no_objects)
{
    sgc_drop(sgc_new(manuals)); /* fills the window, and the dropped slot goes back into it */
    struct tally tally = {0};
    sgc_heap_walk(heap, NULL, tally_visit, &tally);
    ck_assert_uint_eq(tally.n, 0);
}
END_TEST

struct picked {
    size_t n_all, n_managed;
};
static void count_all(void *arg, void *object)
{
    (void)object;
    ((struct picked *)arg)->n_all++;
}
static void count_managed(void *arg, void *object)
{
    ck_assert(!sgc_object_cache(object)->managed_manual);
    ((struct picked *)arg)->n_managed++;
}

START_TEST(a_strategy_sees_no_manual_objects)
{
    struct node *node = new_node(nodes, NULL, NULL);
    void *manual = sgc_new(manuals);
    struct picked picked = {0};
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    sgc_heap_flush(heap);
    sgc_heap_walk_stopped(heap, true, count_all, &picked);
    sgc_heap_walk_stopped(heap, false, count_managed, &picked);
    sgc_stop_end(&stop);
    ck_assert_uint_eq(picked.n_all, 2);
    ck_assert_uint_eq(picked.n_managed, 1);
    sgc_drop(node);
    sgc_drop(manual);
}
END_TEST

static void *churn(void *arg)
{
    for (int i = 0; i < 20000; i++)
        sgc_drop(sgc_new(nodes));
    struct node *kept = new_node(nodes, NULL, NULL);
    *(struct node **)arg = kept;
    return NULL;
}

START_TEST(a_walk_beside_allocating_threads_sees_whole_objects)
{
    pthread_t thread;
    struct node *kept = NULL;
    pthread_create(&thread, NULL, churn, &kept);
    for (int i = 0; i < 50; i++) {
        struct tally tally = {0};
        ck_assert_int_eq(sgc_heap_walk(heap, nodes, tally_visit, &tally), 0);
        ck_assert_uint_le(tally.counts, 2);
    }
    pthread_join(thread, NULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    struct tally tally = {0};
    sgc_heap_walk(heap, NULL, tally_visit, &tally);
    ck_assert_uint_eq(tally.n, 1);
    sgc_drop(kept);
}
END_TEST

static void walk_in_section(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_heap_walk(heap, NULL, tally_visit, NULL);
}

START_TEST(walking_in_a_section_panics)
{
    support_expect_panic(walk_in_section, NULL, "sgc_heap_walk: called inside a section");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("walk");
    TCase *tc = tcase_create("walk");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_object_is_visited_once_with_its_cache_bytes_and_count);
    tcase_add_test(tc, one_cache_can_be_asked_for);
    tcase_add_test(tc, a_visit_that_returns_non_zero_ends_the_walk);
    tcase_add_test(tc, slots_in_windows_are_no_objects);
    tcase_add_test(tc, a_strategy_sees_no_manual_objects);
    tcase_add_test(tc, a_walk_beside_allocating_threads_sees_whole_objects);
    tcase_add_test(tc, walking_in_a_section_panics);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
