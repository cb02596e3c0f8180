/* trace_finish_test.c - what a trace does with the dead: finalizers in order, weak references, ephemerons between them.
 */
#include "core/os/fault.h"
#include "tests/heap/fixture.h"

static struct sgc_heap *heap;
static struct sgc_cache *nodes, *mortals;
static long finalized[16];
static int n_finalized;

static void node_finalize(void *object)
{
    ck_assert_int_lt(n_finalized, 16);
    finalized[n_finalized++] = ((struct node *)object)->value;
}
static const struct sgc_type mortal_type = {.name = "mortal",
                                            .size_bytes = sizeof(struct node),
                                            .n_ref_runs = 1,
                                            .ref_runs = {{0, 2}},
                                            .finalize = node_finalize};

static void setup(void)
{
    heap = open_heap("finish", &marking_plugin);
    nodes = make_cache(heap, &node_type);
    mortals = make_cache(heap, &mortal_type);
}

static void teardown(void)
{
    sgc_os_fault_disarm();
    do {
        assert_verifies(heap);
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    } while (sgc_finalizers_run(heap, 0) > 0);
    ck_assert_uint_eq(n_live(heap), 0);
    close_heap(heap);
}

static struct node *mortal(long value, struct node *left, struct node *right)
{
    struct node *node = new_node(mortals, left, right);
    node->value = value;
    return node;
}

START_TEST(what_a_waiting_object_reaches_lives_with_its_weak_references)
{
    struct node *child = new_node(nodes, NULL, NULL), *dead = mortal(1, child, NULL);
    struct sgc_weak *to_child = sgc_weak_create(child), *to_dead = sgc_weak_create(dead);
    sgc_drop(child);
    sgc_drop(dead);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 2);
    ck_assert_ptr_null(sgc_weak_get(to_dead));
    ck_assert_ptr_eq(sgc_weak_get(to_child), child);
    sgc_drop(child);
    sgc_finalizers_run(heap, 0);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_ptr_null(sgc_weak_get(to_child));
    sgc_weak_destroy(to_child);
    sgc_weak_destroy(to_dead);
}
END_TEST

START_TEST(a_dead_cycle_of_finalizable_objects_is_queued_whole)
{
    struct node *a = mortal(1, NULL, NULL), *b = mortal(2, a, NULL);
    sgc_set(a, left, b);
    sgc_drop(a);
    sgc_drop(b);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 2);
    ck_assert_int_eq(finalized[0] + finalized[1], 3);
}
END_TEST

START_TEST(an_object_ordered_behind_a_dead_key_is_queued_in_the_same_trace)
{
    struct node *value = mortal(2, NULL, NULL), *key = new_node(nodes, NULL, NULL);
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    struct node *first = mortal(1, ephemeron, NULL); /* leads to the value, through an ephemeron whose key is dead */
    struct sgc_weak *to_value = sgc_weak_create(value);
    sgc_drop(value);
    sgc_drop(key);
    sgc_drop(ephemeron);
    sgc_drop(first);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(heap->finalizers.n, 2);
    ck_assert_ptr_null(sgc_weak_get(to_value));
    ck_assert_uint_eq(n_live(heap), 3); /* first, ephemeron, value */
    ck_assert_ptr_null(sgc_ephemeron_value(ephemeron));
    sgc_finalizers_run(heap, 0);
    ck_assert_int_eq(finalized[0], 1);
    ck_assert_int_eq(finalized[1], 2);
    sgc_weak_destroy(to_value);
}
END_TEST

START_TEST(a_key_that_waits_for_its_finalizer_is_dead_to_ephemerons)
{
    struct node *key = mortal(1, NULL, NULL), *value = new_node(nodes, NULL, NULL);
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    sgc_drop(key);
    sgc_drop(value);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_ptr_null(sgc_ephemeron_key(ephemeron));
    ck_assert_uint_eq(n_live(heap), 2); /* key and ephemeron */
    sgc_drop(ephemeron);
}
END_TEST

START_TEST(a_key_that_a_waiting_object_reaches_keeps_its_value)
{
    struct node *key = new_node(nodes, NULL, NULL), *value = new_node(nodes, NULL, NULL), *dead = mortal(1, key, NULL);
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    sgc_drop(key);
    sgc_drop(value);
    sgc_drop(dead);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 4);
    struct node *found = sgc_ephemeron_value(ephemeron);
    ck_assert_ptr_eq(found, value);
    sgc_drop(found);
    sgc_drop(ephemeron);
}
END_TEST

START_TEST(a_value_with_a_finalizer_waits_for_the_one_that_reaches_its_key)
{
    struct node *key = new_node(nodes, NULL, NULL), *value = mortal(2, NULL, NULL), *first = mortal(1, key, NULL);
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    sgc_drop(key);
    sgc_drop(value);
    sgc_drop(first);
    for (int i = 0; i < 2; i++) {
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
        ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 1);
        ck_assert_int_eq(finalized[i], i + 1);
    }
    sgc_drop(ephemeron);
}
END_TEST

START_TEST(a_minor_trace_finds_young_deaths_only)
{
    struct node *old = mortal(1, NULL, NULL), *watched = new_node(nodes, NULL, NULL);
    struct sgc_weak *to_old = sgc_weak_create(watched);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    struct node *young = mortal(2, NULL, NULL), *young_watched = new_node(nodes, NULL, NULL);
    struct sgc_weak *to_young = sgc_weak_create(young_watched);
    sgc_drop(old);
    sgc_drop(watched);
    sgc_drop(young);
    sgc_drop(young_watched);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(heap->finalizers.n, 1);
    ck_assert_ptr_null(sgc_weak_get(to_young));
    struct node *found = sgc_weak_get(to_old);
    ck_assert_ptr_eq(found, watched);
    sgc_drop(found);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(heap->finalizers.n, 2);
    ck_assert_ptr_null(sgc_weak_get(to_old));
    sgc_weak_destroy(to_young);
    sgc_weak_destroy(to_old);
}
END_TEST

START_TEST(without_memory_for_their_order_finalizable_objects_wait)
{
    enum { N = 5000 };
    for (int i = 0; i < N; i++) {
        struct node *child = new_node(nodes, NULL, NULL), *dead = mortal(i, child, NULL);
        sgc_drop(child);
        sgc_drop(dead);
    }
    sgc_os_fault_arm(1, true);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert(sgc_os_fault_fired());
    sgc_os_fault_disarm();
    ck_assert_uint_eq(heap->finalizers.n, 0);
    ck_assert_uint_eq(n_live(heap), 2 * N);
    assert_verifies(heap);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(heap->finalizers.n, N);
    for (int i = 0; i < N; i++) {
        n_finalized = 0;
        ck_assert_uint_eq(sgc_finalizers_run(heap, 1), 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace_finish");
    TCase *tc = tcase_create("trace_finish");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_a_waiting_object_reaches_lives_with_its_weak_references);
    tcase_add_test(tc, a_dead_cycle_of_finalizable_objects_is_queued_whole);
    tcase_add_test(tc, an_object_ordered_behind_a_dead_key_is_queued_in_the_same_trace);
    tcase_add_test(tc, a_key_that_waits_for_its_finalizer_is_dead_to_ephemerons);
    tcase_add_test(tc, a_key_that_a_waiting_object_reaches_keeps_its_value);
    tcase_add_test(tc, a_value_with_a_finalizer_waits_for_the_one_that_reaches_its_key);
    tcase_add_test(tc, a_minor_trace_finds_young_deaths_only);
    tcase_add_test(tc, without_memory_for_their_order_finalizable_objects_wait);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
