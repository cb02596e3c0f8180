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

START_TEST(a_candidate_that_dies_leaves_its_threads_set_at_once)
{
    fake_open(&sgc_strategy_plugin, NULL);
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

START_TEST(another_threads_candidate_keeps_its_slot_until_that_thread_or_a_collection_looks)
{
    fake_open(&sgc_strategy_plugin, "candidate_threshold", 8, NULL);
    void *nodes[3];
    for (unsigned i = 0; i < 3; i++) {
        nodes[i] = fake_new(&fake_node_type);
        hold_and_drop(nodes[i]); /* thread 0's candidate */
    }
    fake.thread = 1;
    fake_drop(nodes[0]);
    fake_drop(nodes[1]);
    ck_assert_uint_eq(fake.n_live, 3);
    ck_assert_uint_eq(fake_count(nodes[0]), UINT64_MAX);
    fake_verify();
    fake.thread = 0; /* its set fills up: it looks for dead ones */
    for (unsigned i = 0; i < 6; i++)
        hold_and_drop(fake_new(&fake_node_type));
    ck_assert(!fake_is_live(nodes[0]));
    ck_assert(!fake_is_live(nodes[1]));
    fake.thread = 1;
    fake_drop(nodes[2]);
    ck_assert(fake_is_live(nodes[2]));
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert(!fake_is_live(nodes[2]));
    fake_verify();
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
    fake_drop(node); /* leaves the heap's set at once */
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

START_TEST(a_lost_candidate_that_dies_by_its_count_is_reclaimed_by_a_full_collection)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *node = fake_new(&fake_node_type);
    fake_hold(node);
    fake.refuse_after = 1; /* a cell, but no set */
    fake_drop(node);
    ck_assert(is_candidate(node));
    fake_drop(node);
    ck_assert_uint_eq(fake.n_live, 1);
    fake.refuse_after = -1;
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    ck_assert_uint_eq(counting()->postponed_bytes, 0);
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
    tcase_add_test(tests, a_candidate_that_dies_leaves_its_threads_set_at_once);
    tcase_add_test(tests, another_threads_candidate_keeps_its_slot_until_that_thread_or_a_collection_looks);
    tcase_add_test(tests, an_ended_threads_candidates_are_the_heaps);
    tcase_add_test(tests, the_threshold_asks_for_a_minor_collection);
    tcase_add_test(tests, candidates_without_memory_for_a_set_are_found_by_a_full_collection);
    tcase_add_test(tests, a_lost_candidate_that_dies_by_its_count_is_reclaimed_by_a_full_collection);
    tcase_add_test(tests, without_memory_for_a_cell_the_dead_wait_for_a_full_collection);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
