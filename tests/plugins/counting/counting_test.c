/* counting_test.c - what both counting strategies share opens, is set, gives its heap away and takes one over. On the
 * strategy refcount, or on a record of the test's own. */
#include "tests/plugins/counting/graph.h"

#include <errno.h>
#include <string.h>

static const uint64_t params[SGC_COUNTING_N_PARAMS] = {11, 12, 13, 14, 15, 16, 17, 18};

static const struct sgc_counting_limits limits = {
    .candidate_threshold = 11,
    .old_candidate_threshold = 12,
    .old_growth_pct = 13,
    .visit_budget = 14,
    .minor_bytes = 15,
    .full_growth_pct = 16,
    .full_min_bytes = 17,
    .candidate_threshold_max = 18,
};

START_TEST(parameters_are_taken_in_the_order_of_the_table_and_set_the_pace)
{
    struct sgc_counting own = {.cell_bytes = sizeof(struct sgc_counting_cell)};
    fake_reset();
    ck_assert_int_eq(sgc_counting_open(&own, fake_host(), (struct sgc_heap *)&fake, params, NULL), 0);
    ck_assert_mem_eq(&own.limits, &limits, sizeof(limits));
    ck_assert_uint_eq(own.threshold, 11);
    ck_assert_uint_eq(fake.pace.minor_bytes, 15);
    ck_assert_uint_eq(fake.pace.full_growth_pct, 16);
    ck_assert_uint_eq(fake.pace.full_min_bytes, 17);
    const uint64_t others[SGC_COUNTING_N_PARAMS] = {21, 22, 23, 24, 25, 26, 27, 28};
    own.threshold = 16; /* as collections in vain leave it */
    sgc_counting_configure(&own, others);
    ck_assert_uint_eq(own.threshold, 21);
    ck_assert_uint_eq(own.limits.candidate_threshold_max, 28);
    ck_assert_uint_eq(fake.pace.minor_bytes, 25);
    sgc_counting_close(&own);
    ck_assert_uint_eq(fake.n_records, 0);
}
END_TEST

START_TEST(an_open_without_memory_for_the_lock_is_refused)
{
    struct sgc_counting own = {.cell_bytes = sizeof(struct sgc_counting_cell)};
    struct sgc_error error = {0};
    fake_reset();
    fake.refuse_after = 0;
    ck_assert_int_eq(sgc_counting_open(&own, fake_host(), (struct sgc_heap *)&fake, params, &error), -ENOMEM);
    ck_assert_str_eq(error.message, "no memory for the lock of the candidates");
    ck_assert_uint_eq(fake.n_records, 0);
}
END_TEST

START_TEST(a_thread_has_one_cell_which_begins_with_the_threshold_of_now)
{
    fake_open(&sgc_strategy_plugin, NULL);
    counting()->threshold = 77;
    fake_enter();
    struct sgc_counting_cell *cell = sgc_counting_cell(counting());
    ck_assert_uint_eq(cell->young.limit, 77);
    ck_assert_ptr_eq(sgc_counting_cell(counting()), cell);
    fake_leave();
    fake.thread = 1;
    fake_enter();
    ck_assert_ptr_ne(sgc_counting_cell(counting()), cell);
    fake_leave();
    fake.thread = 0;
    fake_close();
}
END_TEST

START_TEST(a_cell_without_memory_is_asked_for_again)
{
    fake_open(&sgc_strategy_plugin, NULL);
    fake_enter();
    fake.refuse_after = 0;
    ck_assert_ptr_null(sgc_counting_cell(counting()));
    fake.refuse_after = -1;
    ck_assert_ptr_nonnull(sgc_counting_cell(counting()));
    fake_leave();
    fake_close();
}
END_TEST

START_TEST(objects_that_wait_on_no_list_ask_for_a_full_collection_once)
{
    fake_open(&sgc_strategy_plugin, NULL);
    sgc_counting_pend(counting());
    ck_assert_int_eq(fake.requested, SGC_COLLECT_FULL);
    fake.requested = -1;
    sgc_counting_pend(counting());
    ck_assert_int_eq(fake.requested, -1);
    fake_collect(SGC_COLLECT_FULL);
    sgc_counting_pend(counting()); /* the collection saw to what there was */
    ck_assert_int_eq(fake.requested, SGC_COLLECT_FULL);
    fake_close();
}
END_TEST

/* Core has given the objects the state of new ones by then. */
START_TEST(an_adopted_object_is_used_and_may_have_been_read)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *used = fake_list(2, &fake_node_type), *leaf = fake_new(&fake_leaf_type);
    const uint8_t fresh = fake.ops->new_state, unshared = SGC_COUNTING_RETIRED; /* any bit of the strategy's */
    fake.stopped = true;
    fake_detach(0);
    fake.ops->quiesce(fake.self);
    void *const objects[] = {used, fake_get(used, 0), leaf};
    for (unsigned i = 0; i < 3; i++)
        *sgc_state_byte(&fake_host()->counts, objects[i]) = fresh | unshared;
    counting()->unshared_state = unshared;
    sgc_counting_adopt(counting());
    ck_assert(counting()->unknown);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(fake_state(objects[i]), fresh | SGC_COUNTING_USED);
    counting()->unshared_state = 0;
    fake.stopped = false;
    fake_drop(used);
    fake_drop(leaf);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_quiet_heap_is_handed_over_without_a_trace)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(10, &fake_node_type);
    fake_collect(SGC_COLLECT_FULL);
    fake.stopped = true;
    fake_detach(0);
    fake.ops->quiesce(fake.self);
    for (unsigned i = 0; i < 10; i++, ring = fake_get(ring, 0))
        ck_assert(!(fake_state(ring) & SGC_COUNTING_CANDIDATE));
    ck_assert_int_eq(fake.ops->adopt(fake.self, NULL), 0);
    fake.stopped = false;
    fake_verify();
    fake_drop(ring); /* and it works on */
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(dead_rings_that_a_refused_collection_left_are_found_after_adoption)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(10, &fake_node_type), *objects[10];
    for (unsigned i = 0; i < 10; i++, ring = fake_get(ring, 0))
        objects[i] = ring;
    fake_drop(ring);
    fake.refuse_after = 0;
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 10);
    fake.stopped = true;
    fake_detach(0);
    fake.ops->quiesce(fake.self);
    for (unsigned i = 0; i < 10; i++) /* core gives every object the state of a new one */
        *sgc_state_byte(&fake_host()->counts, objects[i]) = fake.ops->new_state;
    ck_assert_int_eq(fake.ops->adopt(fake.self, NULL), 0);
    fake.stopped = false;
    fake_verify();
    fake_collect(SGC_COLLECT_FULL); /* still no memory */
    ck_assert_uint_eq(fake.n_live, 10);
    fake.refuse_after = -1;
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_visited, 0);
    fake_close();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("counting");
    TCase *tests = tcase_create("counting");
    tcase_add_test(tests, parameters_are_taken_in_the_order_of_the_table_and_set_the_pace);
    tcase_add_test(tests, an_open_without_memory_for_the_lock_is_refused);
    tcase_add_test(tests, a_thread_has_one_cell_which_begins_with_the_threshold_of_now);
    tcase_add_test(tests, a_cell_without_memory_is_asked_for_again);
    tcase_add_test(tests, objects_that_wait_on_no_list_ask_for_a_full_collection_once);
    tcase_add_test(tests, an_adopted_object_is_used_and_may_have_been_read);
    tcase_add_test(tests, a_quiet_heap_is_handed_over_without_a_trace);
    tcase_add_test(tests, dead_rings_that_a_refused_collection_left_are_found_after_adoption);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
