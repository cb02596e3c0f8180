/* decrement_test.c - decrements that wait for the end of a section; chains of deaths; what happens without memory. */
#include "core/heap/section.h"
#include "core/os/fault.h"
#include "tests/heap/support.h"

static struct sgc_heap *heap;
static struct sgc_cache *nodes, *manuals;
static const struct sgc_type manual_type = {.name = "manual", .size_bytes = 48, .flags = SGC_TYPE_MANUAL};

static void setup(void)
{
    heap = open_limited("decrement", &sharing_plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
    manuals = make_cache(heap, &manual_type);
}

static void teardown(void)
{
    close_heap(heap);
}

START_TEST(a_drop_in_a_section_waits_for_the_end_of_the_outermost)
{
    struct node *node = new_node(nodes, NULL, NULL);
    node->value = 42;
    sgc_enter();
    sgc_enter();
    sgc_drop(node);
    sgc_leave();
    ck_assert_uint_eq(count_of(node), 1);
    ck_assert_int_eq(node->value, 42);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_leave();
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(a_drop_at_rest_acts_at_once)
{
    struct node *node = new_node(nodes, NULL, NULL);
    sgc_drop(node);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(what_a_store_unlinks_stays_readable_in_the_section)
{
    struct node *child = new_node(nodes, NULL, NULL), *parent = new_node(nodes, child, NULL);
    child->value = 7;
    sgc_drop(child); /* the field alone keeps it */
    sgc_enter();
    struct node *read = sgc_get(parent, left);
    sgc_set(parent, left, NULL);
    ck_assert_int_eq(read->value, 7);
    ck_assert_uint_eq(n_live(heap), 2);
    sgc_leave();
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_drop(parent);
}
END_TEST

START_TEST(a_hold_in_the_section_carries_a_dropped_object_beyond_it)
{
    struct node *node = new_node(nodes, NULL, NULL);
    sgc_enter();
    sgc_drop(node);
    sgc_hold(node);
    sgc_leave();
    ck_assert_uint_eq(count_of(node), 1);
    sgc_drop(node);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(any_number_of_decrements_can_wait)
{
    enum { N = 20000 };
    struct node *node = new_node(nodes, NULL, NULL);
    for (int i = 0; i < N; i++)
        sgc_hold(node);
    sgc_enter();
    for (int i = 0; i < N; i++)
        sgc_drop(node);
    ck_assert_uint_eq(count_of(node), N + 1);
    sgc_leave();
    ck_assert_uint_eq(count_of(node), 1);
    sgc_drop(node);
}
END_TEST

static void *drops_list(void *arg)
{
    sgc_drop(arg);
    return NULL;
}

START_TEST(a_long_chain_of_deaths_needs_no_stack)
{
    pthread_attr_t small_stack;
    pthread_t thread;
    struct node *list = NULL;
    for (int i = 0; i < 100000; i++) {
        struct node *node = new_node(nodes, list, NULL);
        sgc_drop(list);
        list = node;
    }
    pthread_attr_init(&small_stack);
    pthread_attr_setstacksize(&small_stack, 256 << 10); /* 100,000 frames of a recursion take far more */
    ck_assert_int_eq(pthread_create(&thread, &small_stack, drops_list, list), 0);
    join(thread);
    pthread_attr_destroy(&small_stack);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(manual_objects_wait_as_well)
{
    long *object = sgc_new(manuals);
    *object = 5;
    sgc_enter();
    sgc_drop(object);
    ck_assert_int_eq(*object, 5);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_leave();
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(a_free_by_hand_at_rest_leaves_nothing_deferred)
{
    /* A bare call ends an ephemeron's key: the value's chain is released before the call returns. */
    void *key = sgc_new(manuals);
    struct node *value = new_node(nodes, NULL, NULL);
    for (int i = 0; i < 1000; i++) {
        struct node *node = new_node(nodes, value, NULL);
        sgc_drop(value);
        value = node;
    }
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    sgc_drop(value);
    ck_assert_uint_eq(n_live(heap), 1003);
    sgc_cache_free(manuals, key);
    ck_assert_uint_eq(sgc_context_.thread->n_deferred, 0);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_drop(ephemeron);
}
END_TEST

/* ---- without memory */

enum { N_LOST = 40000 }; /* more than the list's first room, and than a chunk of metadata has left over */
static struct node *held[N_LOST];

/* Drops all in one section while the OS refuses everything. */
static void drop_without_memory(size_t n)
{
    const uint64_t before = n_live(heap);
    sgc_enter();
    sgc_os_fault_arm(1, true);
    for (size_t i = 0; i < n; i++)
        sgc_drop(held[i]);
    const bool refused = sgc_os_fault_fired();
    sgc_os_fault_disarm();
    ck_assert(refused);
    ck_assert_uint_ne(heap->lost_decrements, 0);
    ck_assert_uint_eq(n_live(heap), before); /* all still readable */
    sgc_leave();
}

START_TEST(without_memory_the_next_collection_finds_what_died)
{
    for (size_t i = 0; i < N_LOST; i++)
        held[i] = new_node(nodes, NULL, NULL);
    drop_without_memory(N_LOST);
    ck_assert_uint_gt(n_live(heap), 0); /* the list held some, the rest was lost */
    ck_assert_int_eq(sgc_pacer_poll(heap), SGC_COLLECT_FULL);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(stats_of(heap).n_full, 1); /* it had to be a full one */
    ck_assert_uint_eq(n_live(heap), 0);
    ck_assert_uint_eq(heap->lost_decrements, 0);
    assert_verifies(heap);
}
END_TEST

START_TEST(what_is_held_or_referred_to_survives_that_collection)
{
    struct node *kept = new_node(nodes, NULL, NULL);
    for (size_t i = 0; i < N_LOST; i++)
        held[i] = new_node(nodes, i ? held[i - 1] : kept, NULL);
    for (size_t i = 0; i < N_LOST / 2; i++)
        sgc_hold(held[i * 2]);
    drop_without_memory(N_LOST);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), N_LOST); /* the last held one is N_LOST - 2, and refers to all before it */
    assert_verifies(heap);
    for (size_t i = 0; i < N_LOST / 2; i++)
        sgc_drop(held[i * 2]);
    ck_assert_uint_eq(n_live(heap), 1);
    ck_assert_uint_eq(count_of(kept), 1);
    sgc_drop(kept);
}
END_TEST

START_TEST(a_lost_chain_dies_whole_in_that_collection)
{
    struct node *list = NULL;
    for (size_t i = 0; i < N_LOST - 1; i++)
        held[i] = new_node(nodes, NULL, NULL);
    for (int i = 0; i < 1000; i++) {
        struct node *node = new_node(nodes, list, NULL);
        sgc_drop(list);
        list = node;
    }
    held[N_LOST - 1] = list; /* dropped last, when the list is full for sure */
    sgc_enter();
    sgc_os_fault_arm(1, true);
    for (size_t i = 0; i < N_LOST; i++)
        sgc_drop(held[i]);
    sgc_os_fault_disarm();
    sgc_leave();
    ck_assert_uint_ge(n_live(heap), 1000);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    assert_verifies(heap);
}
END_TEST

START_TEST(lost_manual_objects_are_found_too)
{
    for (size_t i = 0; i < N_LOST; i++)
        held[i] = sgc_new(manuals);
    drop_without_memory(N_LOST);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    assert_verifies(heap);
}
END_TEST

START_TEST(a_bare_object_beside_lost_ones_is_left_alone)
{
    sgc_drop(sgc_new(manuals));
    void *bare = sgc_cache_alloc(manuals); /* the same slot, but under ASan, with the state byte that it had */
    for (size_t i = 0; i < N_LOST; i++)
        held[i] = i % 2 ? (void *)new_node(nodes, NULL, NULL) : sgc_new(manuals);
    drop_without_memory(N_LOST);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_cache_free(manuals, bare); /* panics if it is free */
    assert_verifies(heap);
}
END_TEST

START_TEST(without_memory_for_the_recount_it_goes_on_at_the_next_collection)
{
    for (size_t i = 0; i < N_LOST; i++)
        held[i] = new_node(nodes, NULL, NULL);
    drop_without_memory(N_LOST);
    sgc_os_fault_arm(1, true);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_os_fault_disarm();
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    assert_verifies(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decrement");
    TCase *tc = tcase_create("decrement");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_drop_in_a_section_waits_for_the_end_of_the_outermost);
    tcase_add_test(tc, a_drop_at_rest_acts_at_once);
    tcase_add_test(tc, what_a_store_unlinks_stays_readable_in_the_section);
    tcase_add_test(tc, a_hold_in_the_section_carries_a_dropped_object_beyond_it);
    tcase_add_test(tc, any_number_of_decrements_can_wait);
    tcase_add_test(tc, a_long_chain_of_deaths_needs_no_stack);
    tcase_add_test(tc, manual_objects_wait_as_well);
    tcase_add_test(tc, a_free_by_hand_at_rest_leaves_nothing_deferred);
    tcase_add_test(tc, without_memory_the_next_collection_finds_what_died);
    tcase_add_test(tc, what_is_held_or_referred_to_survives_that_collection);
    tcase_add_test(tc, a_lost_chain_dies_whole_in_that_collection);
    tcase_add_test(tc, lost_manual_objects_are_found_too);
    tcase_add_test(tc, a_bare_object_beside_lost_ones_is_left_alone);
    tcase_add_test(tc, without_memory_for_the_recount_it_goes_on_at_the_next_collection);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
