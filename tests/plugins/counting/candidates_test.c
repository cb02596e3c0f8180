#include "tests/plugins/counting/graph.h"

static bool is_candidate(const void *object)
{
    return fake_state(object) & SGC_COUNTING_CANDIDATE;
}

static void hold_and_drop(void *object)
{
    fake_hold(object);
    fake_drop(object);
}

START_TEST(an_object_that_loses_a_claim_and_lives_is_a_candidate_unless_acyclic)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *node = fake_new(&fake_node_type), *leaf = fake_new(&fake_leaf_type), *acyclic = fake_new(&fake_acyclic_type);
    hold_and_drop(node);
    hold_and_drop(leaf);
    hold_and_drop(acyclic);
    ck_assert(is_candidate(node));
    ck_assert(!is_candidate(leaf));
    ck_assert(!is_candidate(acyclic));
    fake_verify();
}
END_TEST

START_TEST(a_leaf_that_is_an_ephemerons_key_is_a_candidate)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *key = fake_new(&fake_leaf_type);
    fake_drop(fake_ephemeron(key, NULL));
    hold_and_drop(key);
    ck_assert(is_candidate(key));
}
END_TEST

START_TEST(candidates_that_die_by_their_counts_ask_for_no_collection)
{
    fake_open(&sgc_strategy_plugin, "candidate_threshold", 8, NULL);
    for (unsigned i = 0; i < 1000; i++) {
        void *node = fake_new(&fake_node_type);
        hold_and_drop(node);
        fake_drop(node);
    }
    ck_assert_uint_eq(fake.n_live, 0);
    ck_assert_int_eq(fake.requested, -1);
    fake_verify();
    fake_close();
}
END_TEST

START_TEST(another_threads_candidate_ends_at_once)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *node = fake_new(&fake_node_type);
    hold_and_drop(node); /* thread 0's candidate */
    fake.thread = 1;
    fake_drop(node);
    ck_assert(!fake_is_live(node));
    ck_assert_uint_eq(fake_state(node), 0);
    fake_verify();
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_visited, 0);
    fake_close();
}
END_TEST

START_TEST(an_ended_threads_candidates_are_the_heaps)
{
    fake_open(&sgc_strategy_plugin, NULL);
    fake.thread = 1;
    void *ring = graph_ring(5, &fake_node_type), *node = fake_new(&fake_node_type);
    hold_and_drop(node);
    fake_drop(ring);
    fake_detach(1);
    fake_verify();
    fake.thread = 0;
    fake_drop(node);
    ck_assert(!fake_is_live(node));
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(the_threshold_asks_for_a_minor_collection)
{
    fake_open(&sgc_strategy_plugin, "candidate_threshold", 100, NULL);
    for (unsigned i = 0; i < 99; i++)
        hold_and_drop(fake_new(&fake_node_type));
    ck_assert_int_eq(fake.requested, -1);
    hold_and_drop(fake_new(&fake_node_type));
    ck_assert_int_eq(fake.requested, SGC_COLLECT_MINOR);
    fake_collect(SGC_COLLECT_MINOR);
    for (unsigned i = 0; i < 99; i++)
        hold_and_drop(fake_new(&fake_node_type));
    ck_assert_int_eq(fake.requested, -1);
}
END_TEST

/* In vain: all that was noted lives. */
static void look_in_vain(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_eq(fake.requested, -1);
        hold_and_drop(fake_new(&fake_node_type));
    }
    ck_assert_int_eq(fake.requested, SGC_COLLECT_MINOR);
    fake_collect(SGC_COLLECT_MINOR);
}

START_TEST(collections_in_vain_raise_the_threshold_up_to_its_maximum)
{
    fake_open(&sgc_strategy_plugin, "candidate_threshold", 10, "candidate_threshold_max", 50, NULL);
    look_in_vain(10);
    look_in_vain(20);
    look_in_vain(40);
    look_in_vain(50);
    look_in_vain(50);
}
END_TEST

START_TEST(collections_that_are_worth_it_lower_the_threshold_to_what_was_configured)
{
    fake_open(&sgc_strategy_plugin, "candidate_threshold", 10, NULL);
    look_in_vain(10);
    look_in_vain(20);
    ck_assert_uint_eq(counting()->threshold, 40);
    for (unsigned round = 0; round < 4; round++) {
        fake_drop(graph_ring(3, &fake_node_type));
        fake_collect(SGC_COLLECT_MINOR);
    }
    ck_assert_uint_eq(counting()->threshold, 10);
    look_in_vain(10);
}
END_TEST

/* A minor collection has a bounded number of objects in its map, and begins where the last one ended. */
START_TEST(what_a_minor_collection_in_vain_did_not_come_to_waits_for_the_next)
{
    enum { N = 2000 };
    fake_open(&sgc_strategy_plugin, "visit_budget", 4, "candidate_threshold", 100000, NULL);
    for (unsigned i = 0; i < N; i++)
        hold_and_drop(fake_new(&fake_node_type));
    void *ring = graph_ring(3, &fake_node_type);
    fake_drop(ring);
    uint64_t n_looks = 0, n_visited = 0;
    do {
        n_looks++;
        fake_collect(SGC_COLLECT_MINOR);
        ck_assert_uint_le(fake.n_visited, 2 * (32 * 4 + 4)); /* found, and followed */
        n_visited += fake.n_visited;
        fake_verify();
    } while (counting()->young.pages.n > 0);
    ck_assert_uint_ge(n_looks, N / (32 * 4));
    ck_assert_uint_le(n_visited, 2 * N + 10);
    ck_assert_uint_eq(fake.n_live, N);
}
END_TEST

START_TEST(a_minor_collection_that_is_worth_it_looks_at_all_young_candidates)
{
    fake_open(&sgc_strategy_plugin, "visit_budget", 4, "candidate_threshold", 100000, NULL);
    for (unsigned i = 0; i < 1000; i++)
        fake_drop(graph_ring(3, &fake_node_type));
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(candidates_without_memory_for_a_set_are_found_by_a_full_collection)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *a = fake_new(&fake_node_type), *b = fake_new(&fake_node_type);
    fake_set(a, 0, b);
    fake_set(b, 0, a);
    fake.refuse_after = 1; /* a cell, but no set */
    fake_drop(a);
    fake_drop(b);
    ck_assert_int_eq(fake.requested, SGC_COLLECT_FULL);
    fake_verify();
    fake_collect(SGC_COLLECT_FULL); /* no memory for anything: nothing happens */
    ck_assert_uint_eq(fake.n_live, 2);
    fake_verify();
    fake.refuse_after = -1;
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_verify();
    fake_close();
}
END_TEST

START_TEST(a_lost_candidate_that_dies_by_its_count_ends_at_once)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *node = fake_new(&fake_node_type);
    fake_hold(node);
    fake.refuse_after = 1; /* a cell, but no set */
    fake_drop(node);
    ck_assert(is_candidate(node));
    fake_drop(node);
    ck_assert_uint_eq(fake.n_live, 0);
    fake.refuse_after = -1;
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_verify();
    fake_close();
}
END_TEST

START_TEST(without_memory_for_a_cell_the_dead_wait_for_a_full_collection)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *node = fake_new(&fake_node_type), *other = fake_new(&fake_node_type);
    fake.refuse_after = 0;
    hold_and_drop(node);
    fake_drop(node);
    ck_assert_uint_eq(fake_count(node), 0);
    fake_verify();
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 1);
    fake.refuse_after = -1;
    fake_drop(other);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("candidates");
    TCase *tests = tcase_create("candidates");
    tcase_add_test(tests, an_object_that_loses_a_claim_and_lives_is_a_candidate_unless_acyclic);
    tcase_add_test(tests, a_leaf_that_is_an_ephemerons_key_is_a_candidate);
    tcase_add_test(tests, candidates_that_die_by_their_counts_ask_for_no_collection);
    tcase_add_test(tests, another_threads_candidate_ends_at_once);
    tcase_add_test(tests, an_ended_threads_candidates_are_the_heaps);
    tcase_add_test(tests, the_threshold_asks_for_a_minor_collection);
    tcase_add_test(tests, collections_in_vain_raise_the_threshold_up_to_its_maximum);
    tcase_add_test(tests, collections_that_are_worth_it_lower_the_threshold_to_what_was_configured);
    tcase_add_test(tests, what_a_minor_collection_in_vain_did_not_come_to_waits_for_the_next);
    tcase_add_test(tests, a_minor_collection_that_is_worth_it_looks_at_all_young_candidates);
    tcase_add_test(tests, candidates_without_memory_for_a_set_are_found_by_a_full_collection);
    tcase_add_test(tests, a_lost_candidate_that_dies_by_its_count_ends_at_once);
    tcase_add_test(tests, without_memory_for_a_cell_the_dead_wait_for_a_full_collection);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
