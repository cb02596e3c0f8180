/* end_test.c - straight ends: which objects end at their last drop without the strategy, and which do not.
 * AddressSanitizer builds have no windows to free into: there the strategy hears of straight ends, too. */
#include "core/base/sanitize.h"
#include "core/heap/end.h"
#include "core/heap/section.h"
#include "tests/heap/support.h"
#include "tests/support/expect.h"

/* The strategy `sharing` with an end_state: it marks owners that got a reference, and is asked how often it heard of a
 * decrement. */
#define STORED SGC_STATE_PRIVATE
#define QUIET SGC_STATE_PRIVATE_2

static struct sgc_strategy_ops ending_ops;
static struct sgc_strategy_plugin ending_plugin;
static unsigned n_decrements;

static void ending_store(void *self, void *owner, void **field, void *value)
{
    __atomic_fetch_or(sgc_state_byte(&sgc_counts, owner), STORED, __ATOMIC_RELAXED);
    sharing_plugin.ops->store(self, owner, field, value);
}

static void ending_decrement(void *self, void *object)
{
    __atomic_fetch_add(&n_decrements, 1, __ATOMIC_RELAXED);
    sharing_plugin.ops->decrement(self, object);
}

#ifdef SGC_ASAN
#define STRAIGHT_ENDS_HEARD 1
#else
#define STRAIGHT_ENDS_HEARD 0
#endif

/* Of decrements that it must hear of, and of straight ends. */
static void assert_heard(unsigned n, unsigned n_straight)
{
    ck_assert_uint_eq(n_decrements, n + n_straight * STRAIGHT_ENDS_HEARD);
}

static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void setup(void)
{
    ending_ops = *sharing_plugin.ops;
    ending_ops.end_state = ending_ops.new_state;
    ending_ops.quiet_mask = QUIET;
    ending_ops.store = ending_store;
    ending_ops.decrement = ending_decrement;
    ending_plugin = sharing_plugin;
    ending_plugin.name = "ending";
    ending_plugin.ops = &ending_ops;
    n_decrements = 0;
    heap = open_limited("end", &ending_plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
}

static void teardown(void)
{
    close_heap(heap);
}

START_TEST(an_object_that_nothing_happened_to_ends_at_its_last_drop_without_the_strategy)
{
    struct node *node = sgc_new(nodes);
    sgc_hold(node);
    sgc_drop(node); /* leaves a hold: the strategy hears of it */
    assert_heard(1, 0);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_drop(node);
    assert_heard(1, 1);
    ck_assert_uint_eq(n_live(heap), 0);
    ck_assert_uint_eq(*sgc_count_byte(&sgc_counts, node), 0);
    if (!STRAIGHT_ENDS_HEARD) {
        ck_assert_ptr_eq(sgc_new(nodes), node); /* the slot is the next to be handed out */
        sgc_drop(node);
    }
    assert_verifies(heap);
}
END_TEST

START_TEST(more_objects_than_a_window_holds_end_too)
{
    struct node *held[SGC_WINDOW_SLOTS * 5];
    for (size_t i = 0; i < SGC_WINDOW_SLOTS * 5; i++)
        held[i] = sgc_new(nodes);
    for (size_t i = 0; i < SGC_WINDOW_SLOTS * 5; i++)
        sgc_drop(held[i]);
    ck_assert_uint_eq(n_live(heap), 0);
    if (!STRAIGHT_ENDS_HEARD)
        ck_assert_uint_lt(n_decrements, SGC_WINDOW_SLOTS); /* one for each time that the window was full */
    assert_verifies(heap);
}
END_TEST

START_TEST(an_owner_that_got_a_reference_is_the_strategys_to_end)
{
    struct node *owner = sgc_new(nodes), *value = sgc_new(nodes);
    sgc_set(owner, left, value);
    sgc_drop(value);
    n_decrements = 0;
    sgc_drop(owner);
    assert_heard(1, 1); /* the value's claim goes through the section's list, and it ends straight */
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(an_object_with_a_weak_name_is_the_strategys_to_end)
{
    struct node *node = sgc_new(nodes);
    struct sgc_weak *weak = sgc_weak_create(node);
    sgc_drop(node);
    ck_assert_uint_eq(n_decrements, 1);
    ck_assert_ptr_null(sgc_weak_get(weak));
    sgc_weak_destroy(weak);
    node = sgc_new(nodes);
    sgc_weak_destroy(sgc_weak_create(node)); /* without a name again */
    sgc_drop(node);
    assert_heard(1, 1);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(in_a_section_an_object_ends_with_the_section)
{
    struct node *node = sgc_new(nodes);
    sgc_enter();
    node->value = 7;
    sgc_drop(node);
    ck_assert_uint_eq(n_live(heap), 1);
    ck_assert_int_eq(node->value, 7);
    sgc_leave();
    ck_assert_uint_eq(n_live(heap), 0);
    assert_heard(0, 1);
}
END_TEST

START_TEST(a_quiet_objects_decrements_are_its_counts_alone_while_a_claim_is_left)
{
    struct node *node = sgc_new(nodes);
    sgc_hold(node);
    *sgc_state_byte(&sgc_counts, node) |= QUIET;
    sgc_drop(node);
    ck_assert_uint_eq(n_decrements, 0);
    ck_assert_uint_eq(count_of(node), 1);
    sgc_drop(node);
    ck_assert_uint_eq(n_decrements, 1);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(in_a_root_cell_an_object_is_shared_where_readers_take_no_lock)
{
    struct sgc_root root = {0};
    struct node *node = sgc_new(nodes);
    sgc_root_set(&root, node); /* `sharing`, whose readers lock */
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, node), ending_ops.end_state);
    ending_plugin.capabilities |= SGC_NEED_CONCURRENT_READERS;
    sgc_root_set(&root, node);
    sgc_root_set(&root, NULL);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, node), ending_ops.end_state & ~SGC_STATE_DEFER);
    assert_verifies(heap);
    n_decrements = 0;
    sgc_drop(node);
    ck_assert_uint_eq(n_decrements, 1);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

static unsigned n_reset, n_finalized;
static int quiet_ctor(void *slot)
{
    memset(slot, 0, sizeof(struct node));
    return 0;
}
static void note_reset(void *object)
{
    (void)object;
    n_reset++;
}
static void note_finalize(void *object)
{
    (void)object;
    n_finalized++;
}

START_TEST(types_whose_end_takes_more_than_the_slot_end_by_the_strategy)
{
    static const struct sgc_type constructed = {
        .name = "constructed", .size_bytes = 64, .ctor = quiet_ctor, .reset = note_reset};
    static const struct sgc_type finalizable = {.name = "finalizable", .size_bytes = 64, .finalize = note_finalize};
    struct sgc_cache *a = make_cache(heap, &constructed), *b = make_cache(heap, &finalizable);
    n_reset = n_finalized = 0;
    sgc_drop(sgc_new(a));
    ck_assert_uint_eq(n_reset, 1);
    sgc_drop(sgc_new(b));
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 1);
    ck_assert_uint_eq(n_finalized, 1);
    ck_assert_uint_ge(n_decrements, 2);
    ck_assert_uint_eq(n_live(heap), 0);
    void *ephemeron = sgc_ephemeron_new(heap, NULL, NULL);
    n_decrements = 0;
    sgc_drop(ephemeron);
    ck_assert_uint_eq(n_decrements, 1);
}
END_TEST

START_TEST(objects_of_every_size_end_and_are_zero_when_they_come_again)
{
    static const struct sgc_type types[] = {
        {.name = "s1", .size_bytes = 1},       {.name = "s16", .size_bytes = 16},
        {.name = "s17", .size_bytes = 17},     {.name = "s48", .size_bytes = 48},
        {.name = "s100", .size_bytes = 100},   {.name = "s300", .size_bytes = 300},
        {.name = "s5000", .size_bytes = 5000}, {.name = "s70000", .size_bytes = 70000}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct sgc_cache *cache = make_cache(heap, &types[i]);
        for (int round = 0; round < 3; round++) {
            unsigned char *object = sgc_new(cache);
            for (size_t k = 0; k < types[i].size_bytes; k++)
                ck_assert_uint_eq(object[k], 0);
            memset(object, 0xa5, sgc_size(object));
            sgc_drop(object);
            ck_assert_uint_eq(n_live(heap), 0);
        }
    }
    assert_verifies(heap);
}
END_TEST

static void drop_twice(void *unused)
{
    (void)unused;
    struct node *node = sgc_new(nodes);
    sgc_drop(node);
    sgc_drop(node);
}

START_TEST(a_second_drop_after_a_straight_end_is_a_double_drop)
{
    support_expect_panic_prefix(drop_twice, NULL, "double drop: object ");
}
END_TEST

#define N_PASSED 20000

static struct node *passed[N_PASSED];

static void *drop_all(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < N_PASSED; i++)
        sgc_drop(passed[i]);
    return NULL;
}

START_TEST(another_thread_that_took_over_the_hold_may_end_it)
{
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N_PASSED; i++)
            passed[i] = sgc_new(nodes);
        join(support_thread("dropper", drop_all, NULL));
        ck_assert_uint_eq(n_live(heap), 0);
    }
    assert_verifies(heap);
}
END_TEST

START_TEST(after_a_switch_objects_end_as_the_new_strategy_says)
{
    struct sgc_error error;
    struct node *node = sgc_new(nodes);
    ck_assert_int_eq(sgc_heap_switch_strategy(heap, &tracing_plugin, NULL, &error), 0);
    sgc_drop(node);
    sgc_drop(sgc_new(nodes));
    ck_assert_uint_eq(n_live(heap), 2);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    ck_assert_int_eq(sgc_heap_switch_strategy(heap, &ending_plugin, NULL, &error), 0);
    sgc_drop(sgc_new(nodes));
    ck_assert_uint_eq(n_live(heap), 0);
    assert_heard(0, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("end");
    TCase *tc = tcase_create("end");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_object_that_nothing_happened_to_ends_at_its_last_drop_without_the_strategy);
    tcase_add_test(tc, more_objects_than_a_window_holds_end_too);
    tcase_add_test(tc, an_owner_that_got_a_reference_is_the_strategys_to_end);
    tcase_add_test(tc, an_object_with_a_weak_name_is_the_strategys_to_end);
    tcase_add_test(tc, in_a_section_an_object_ends_with_the_section);
    tcase_add_test(tc, a_quiet_objects_decrements_are_its_counts_alone_while_a_claim_is_left);
    tcase_add_test(tc, in_a_root_cell_an_object_is_shared_where_readers_take_no_lock);
    tcase_add_test(tc, types_whose_end_takes_more_than_the_slot_end_by_the_strategy);
    tcase_add_test(tc, objects_of_every_size_end_and_are_zero_when_they_come_again);
    tcase_add_test(tc, a_second_drop_after_a_straight_end_is_a_double_drop);
    tcase_add_test(tc, another_thread_that_took_over_the_hold_may_end_it);
    tcase_add_test(tc, after_a_switch_objects_end_as_the_new_strategy_says);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
