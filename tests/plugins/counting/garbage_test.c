#include "tests/plugins/counting/graph.h"

/* As finalizers that keep nothing do, and what is garbage then goes. */
static void drop_queued(void)
{
    while (fake.n_queued)
        fake_drop(fake_unqueue());
    fake_collect(SGC_COLLECT_FULL);
}

START_TEST(survivors_lose_the_claims_of_garbage)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(4, &fake_node_type), *shared = fake_new(&fake_node_type);
    for (unsigned i = 0; i < 4; i++, ring = fake_get(ring, 0))
        fake_set(ring, 1, shared);
    fake_drop(ring);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, 1);
    ck_assert_uint_eq(fake_count(shared), 1);
    fake_verify();
    fake_drop(shared);
    fake_close();
}
END_TEST

START_TEST(a_survivor_that_loses_its_last_claim_ends_by_a_cascade)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(4, &fake_node_type), *list = fake_list(1000, &fake_acyclic_type);
    fake_set(ring, 1, list);
    fake_drop(list);
    fake_drop(ring);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_ring_below_an_acyclic_object_goes_in_the_next_round)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(4, &fake_node_type), *acyclic = fake_grow(ring, 1, &fake_acyclic_type),
         *below = graph_ring(4, &fake_node_type);
    fake_set(acyclic, 0, below);
    fake_drop(below);
    fake_drop(ring);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(weak_references_to_garbage_are_cleared)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(4, &fake_node_type), *live = graph_ring(4, &fake_node_type);
    const unsigned to_ring = fake_weak(ring), to_live = fake_weak(live);
    fake_drop(ring);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert(fake_weak_is_cleared(to_ring));
    ck_assert(!fake_weak_is_cleared(to_live));
}
END_TEST

START_TEST(a_finalizer_in_a_ring_keeps_what_it_reaches_until_it_ran)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(3, &fake_node_type), *finalized = fake_grow(ring, 1, &fake_finalized_type);
    void *other = graph_ring(3, &fake_node_type);
    fake_set(finalized, 0, ring); /* part of the ring */
    fake_set(other, 1, ring);     /* garbage that the finalizer does not reach */
    fake_drop(other);
    fake_drop(ring);
    const unsigned weak = fake_weak(finalized), weak_to_reached = fake_weak(ring);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 4);
    ck_assert_uint_eq(fake.n_queued, 1);
    ck_assert(fake_weak_is_cleared(weak));
    ck_assert(!fake_weak_is_cleared(weak_to_reached));
    fake_verify();
    ck_assert_ptr_eq(fake_unqueue(), finalized);
    fake_drop(finalized); /* it ran, and saved nothing */
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    ck_assert_uint_eq(fake.n_queued, 0);
    fake_close();
}
END_TEST

START_TEST(resurrection_saves_the_ring_and_the_next_death_is_final)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(3, &fake_finalized_type), *keeper = fake_new(&fake_node_type);
    fake_drop(ring);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_queued, 3); /* one cycle: all of them */
    fake_set(keeper, 0, fake.queue[1]);
    drop_queued();
    ck_assert_uint_eq(fake.n_live, 4);
    fake_set(keeper, 0, NULL);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 1);
    fake_drop(keeper);
    fake_close();
}
END_TEST

START_TEST(of_two_rings_with_finalizers_the_one_that_leads_to_the_other_goes_first)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *first = graph_ring(2, &fake_finalized_type), *second = graph_ring(2, &fake_finalized_type);
    fake_set(first, 1, second);
    fake_drop(second);
    fake_drop(first);
    for (unsigned round = 0; round < 2; round++) {
        fake_collect(SGC_COLLECT_FULL);
        ck_assert_uint_eq(fake.n_queued, 2);
        while (fake.n_queued)
            fake_drop(fake_unqueue());
    }
    ck_assert_uint_eq(fake.n_live, 4 - 2);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_key_with_a_finalizer_loses_its_ephemerons_and_keeps_its_ring)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *key = graph_ring(2, &fake_finalized_type), *value = fake_new(&fake_node_type),
         *ephemeron = fake_ephemeron(key, value);
    fake_drop(value);
    fake_drop(key);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert(!fake_is_live(value));
    ck_assert_ptr_null(fake_ephemeron_value(ephemeron));
    ck_assert_uint_eq(fake.n_queued, 2);
    drop_queued();
    fake_drop(ephemeron);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

/* The first leads to the second over an ephemeron whose key is garbage. */
START_TEST(a_finalizer_that_only_a_dead_key_let_another_wait_for_runs_too)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *first = graph_ring(1, &fake_finalized_type), *second = fake_new(&fake_finalized_type),
         *key = graph_ring(1, &fake_node_type), *ephemeron = fake_ephemeron(key, second);
    fake_set(first, 1, ephemeron);
    fake_drop(ephemeron);
    fake_drop(second);
    fake_drop(first);
    fake_drop(key);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert(!fake_is_live(key));
    ck_assert_uint_eq(fake.n_queued, 2);
    ck_assert_ptr_null(fake_ephemeron_value(ephemeron));
    fake_verify();
    drop_queued();
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

/* The value has no other claim than the ephemeron's, which goes when the key is buried. */
START_TEST(a_key_and_its_value_that_both_have_finalizers_are_queued_once_and_live)
{
    for (unsigned key_first = 0; key_first < 2; key_first++) {
        fake_open(&sgc_strategy_plugin, NULL);
        void *value = key_first ? NULL : graph_ring(1, &fake_finalized_type),
             *key = graph_ring(1, &fake_finalized_type);
        if (key_first)
            value = graph_ring(1, &fake_finalized_type);
        void *ephemeron = fake_ephemeron(key, value);
        fake_set(value, 0, NULL);
        fake_drop(key_first ? key : value); /* the first candidate is the first to be found */
        fake_drop(key_first ? value : key);
        fake_collect(SGC_COLLECT_FULL);
        ck_assert_uint_eq(fake.n_queued, 2);
        ck_assert(fake_is_live(key) && fake_is_live(value));
        ck_assert_uint_eq(fake_count(value), 1);
        fake_verify();
        drop_queued();
        fake_drop(ephemeron);
        ck_assert_uint_eq(fake.n_live, 0);
        fake_close();
    }
}
END_TEST

static void break_a_count(void *unused)
{
    (void)unused;
    fake_open(&sgc_strategy_plugin, NULL);
    struct fake_object *ring = graph_ring(3, &fake_node_type);
    ((struct fake_object *)ring->references[0])->references[1] = ring; /* not by way of a store */
    fake_drop(ring);
    fake_collect(SGC_COLLECT_FULL);
}

START_TEST(a_reference_written_behind_the_stores_back_panics)
{
    support_expect_panic_prefix(break_a_count, NULL, "object ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("garbage");
    TCase *tests = tcase_create("garbage");
    tcase_add_test(tests, survivors_lose_the_claims_of_garbage);
    tcase_add_test(tests, a_survivor_that_loses_its_last_claim_ends_by_a_cascade);
    tcase_add_test(tests, a_ring_below_an_acyclic_object_goes_in_the_next_round);
    tcase_add_test(tests, weak_references_to_garbage_are_cleared);
    tcase_add_test(tests, a_finalizer_in_a_ring_keeps_what_it_reaches_until_it_ran);
    tcase_add_test(tests, resurrection_saves_the_ring_and_the_next_death_is_final);
    tcase_add_test(tests, of_two_rings_with_finalizers_the_one_that_leads_to_the_other_goes_first);
    tcase_add_test(tests, a_key_with_a_finalizer_loses_its_ephemerons_and_keeps_its_ring);
    tcase_add_test(tests, a_finalizer_that_only_a_dead_key_let_another_wait_for_runs_too);
    tcase_add_test(tests, a_key_and_its_value_that_both_have_finalizers_are_queued_once_and_live);
    tcase_add_test(tests, a_reference_written_behind_the_stores_back_panics);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
