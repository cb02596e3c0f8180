#include "tests/plugins/counting/graph.h"

/* A trial by itself; the test looks at its map. */
static struct sgc_trial trial;

static bool run(bool budgeted, bool with_old)
{
    trial = (struct sgc_trial){.counting = counting()};
    fake.stopped = counting()->stopped = true;
    sgc_candidates_gather(counting());
    const bool done = sgc_trial_run(&trial, budgeted, with_old);
    return done;
}

static void end(void)
{
    sgc_trial_fini(&trial);
    fake.stopped = counting()->stopped = false;
}

static bool is_node(const void *object)
{
    return sgc_node_map_find(&counting()->map, object) != SGC_NODE_NONE;
}

static bool is_live(const void *object)
{
    return counting()->map.nodes[sgc_node_map_find(&counting()->map, object)].flags & SGC_NODE_LIVE;
}

static bool is_garbage(const void *object)
{
    return is_node(object) && !is_live(object);
}

START_TEST(a_ring_with_a_hold_lives_and_without_one_is_garbage)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *held = graph_ring(4, &fake_node_type), *dead = graph_ring(4, &fake_node_type);
    fake_drop(dead);
    ck_assert(run(true, false));
    for (unsigned i = 0; i < 4; i++, held = fake_get(held, 0), dead = fake_get(dead, 0)) {
        ck_assert(is_live(held));
        ck_assert(is_garbage(dead));
    }
    end();
}
END_TEST

START_TEST(what_a_live_object_reaches_lives)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *first = graph_ring(3, &fake_node_type), *second = graph_ring(3, &fake_node_type);
    fake_set(first, 1, second);
    fake_drop(second);
    ck_assert(run(true, false));
    ck_assert(is_live(second));
    end();
    fake_set(first, 1, NULL); /* the other way round */
    ck_assert(run(true, false));
    ck_assert(is_garbage(second));
    end();
}
END_TEST

START_TEST(counts_are_as_before)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(3, &fake_node_type);
    fake_drop(ring);
    ck_assert(run(true, false));
    end();
    for (unsigned i = 0; i < 3; i++, ring = fake_get(ring, 0))
        ck_assert_uint_eq(fake_count(ring), 1);
    fake_verify();
}
END_TEST

START_TEST(acyclic_objects_are_not_walked_through)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(3, &fake_node_type), *acyclic = fake_grow(ring, 1, &fake_acyclic_type);
    void *leaf = fake_grow(ring, 2, &fake_leaf_type), *below = fake_grow(acyclic, 0, &fake_node_type);
    fake_drop(ring);
    ck_assert(run(true, false));
    ck_assert(!is_node(acyclic) && !is_node(leaf));
    ck_assert(is_live(below));             /* a candidate of its own; the claim comes from outside the map */
    ck_assert_uint_eq(trial.n_visited, 5); /* the ring, and below twice: walked from, and found live */
    end();
}
END_TEST

START_TEST(a_walk_beyond_the_budget_makes_its_candidates_old_and_leaves_no_trace)
{
    fake_open(&sgc_strategy_plugin, "visit_budget", 10, NULL);
    void *small = graph_ring(5, &fake_node_type), *large = graph_ring(50, &fake_node_type);
    fake_drop(small);
    fake_drop(large);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, 50);
    ck_assert_uint_eq(counting()->young.pages.n, 0);
    ck_assert_uint_gt(counting()->old.pages.n, 0);
    fake_verify();
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_verify();
    fake_close();
}
END_TEST

/* The large structure is walked from after the small one, adds to its internal counts, and is rolled back: the small
 * one must live all the same. */
START_TEST(a_roll_back_takes_references_to_older_nodes_back)
{
    fake_open(&sgc_strategy_plugin, "visit_budget", 10, NULL);
    void *small = graph_ring(5, &fake_node_type), *large = graph_ring(50, &fake_node_type);
    for (void *at = fake_get(large, 0); at != large; at = fake_get(at, 0))
        fake_set(at, 1, small);
    fake_drop(small);
    for (unsigned round = 0; round < 50; round++, large = fake_get(large, 0)) { /* whatever the order of walks */
        fake_hold(large);
        fake_drop(large);
        fake_hold(small);
        fake_drop(small);
        fake_collect(SGC_COLLECT_MINOR);
        ck_assert_uint_eq(fake.n_live, 55);
        ck_assert_uint_eq(fake_count(small), 50);
    }
    fake_verify();
}
END_TEST

START_TEST(an_object_with_thousands_of_references_from_garbage_is_garbage)
{
    enum { N = 3000 };
    fake_open(&sgc_strategy_plugin, "visit_budget", 10000, NULL);
    void *hub = fake_new(&fake_node_type), *ring = graph_ring(N, &fake_node_type);
    fake_set(hub, 0, ring);
    for (unsigned i = 0; i < N; i++, ring = fake_get(ring, 0))
        fake_set(ring, 1, hub);
    ck_assert_uint_eq(fake_count(hub), N + 1);
    fake_drop(ring);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, N + 1);
    fake_drop(hub);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_value_that_leads_to_its_key_dies_with_it_though_the_ephemeron_lives)
{
    const struct sgc_type *const key_types[] = {&fake_leaf_type, &fake_node_type};
    for (unsigned i = 0; i < 2; i++) {
        fake_open(&sgc_strategy_plugin, NULL);
        void *key = fake_new(key_types[i]), *value = fake_new(&fake_node_type);
        fake_set(value, 0, key);
        void *ephemeron = fake_ephemeron(key, value);
        fake_drop(value);
        fake_collect(SGC_COLLECT_FULL);
        ck_assert_uint_eq(fake.n_live, 3);
        fake_drop(key);
        fake_collect(SGC_COLLECT_MINOR);
        ck_assert_uint_eq(fake.n_live, 1);
        ck_assert_ptr_null(fake_ephemeron_value(ephemeron));
        fake_drop(ephemeron);
        ck_assert_uint_eq(fake.n_live, 0);
        fake_verify();
        fake_close();
    }
}
END_TEST

START_TEST(a_ring_of_ephemerons_lives_while_one_key_is_held)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *a = fake_new(&fake_leaf_type), *b = fake_new(&fake_leaf_type), *va = fake_new(&fake_node_type),
         *vb = fake_new(&fake_node_type);
    fake_set(va, 0, b); /* a's value leads to b, b's to a */
    fake_set(vb, 0, a);
    void *ea = fake_ephemeron(a, va), *eb = fake_ephemeron(b, vb);
    fake_drop(va);
    fake_drop(vb);
    fake_drop(a);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 6);
    fake_drop(b);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 2);
    fake_drop(ea);
    fake_drop(eb);
    fake_close();
}
END_TEST

START_TEST(a_dead_ephemeron_in_a_ring_lets_go_of_a_value_whose_key_lives)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *key = fake_new(&fake_leaf_type), *value = fake_new(&fake_node_type);
    void *ring = graph_ring(3, &fake_node_type), *ephemeron = fake_ephemeron(key, value);
    fake_set(ring, 1, ephemeron);
    fake_set(value, 0, ephemeron); /* the value leads to the ephemeron */
    fake_drop(value);
    fake_drop(ephemeron);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 6);
    fake_drop(ring);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 1);
    fake_drop(key);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_value_held_from_elsewhere_survives_its_key)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *key = fake_new(&fake_node_type), *value = fake_new(&fake_node_type), *ephemeron = fake_ephemeron(key, value);
    fake_set(key, 0, key);
    fake_drop(key);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert(!fake_is_live(key));
    ck_assert_uint_eq(fake_count(value), 1);
    fake_drop(value);
    fake_drop(ephemeron);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_pinned_object_lives)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = graph_ring(3, &fake_node_type);
    fake_drop(ring);
    counting()->pinned_state = SGC_COUNTING_RETIRED;
    *sgc_state_byte(&fake_host()->counts, fake_get(ring, 0)) |= SGC_COUNTING_RETIRED;
    ck_assert(run(true, false));
    ck_assert(is_live(ring));
    end();
}
END_TEST

START_TEST(every_refusal_of_memory_leaves_all_as_it_was)
{
    enum { N = 3000 };
    for (long refuse_after = 0;; refuse_after++) {
        fake_open(&sgc_strategy_plugin, "visit_budget", 1000000, NULL);
        void *ring = graph_ring(N, &fake_node_type), *finalized = graph_ring(3, &fake_finalized_type);
        for (unsigned i = 0; i < N; i++, ring = fake_get(ring, 0))
            fake_set(ring, 1, ring); /* references to older nodes: an undo log */
        fake_drop(ring);
        fake_drop(finalized);
        fake.refuse_after = refuse_after;
        fake_collect(SGC_COLLECT_MINOR);
        fake.refuse_after = -1;
        fake_verify();
        const bool done = fake.n_live == 3;
        if (!done) {
            ck_assert_uint_eq(fake.n_live, N + 3);
            ck_assert_uint_eq(fake.n_queued, 0);
            fake_collect(SGC_COLLECT_FULL); /* later, never lost */
        }
        ck_assert_uint_eq(fake.n_live, 3);
        ck_assert_uint_eq(fake.n_queued, 3);
        fake_close();
        if (done) {
            ck_assert_int_gt(refuse_after, 5);
            break;
        }
        ck_assert_int_lt(refuse_after, 100);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trial");
    TCase *tests = tcase_create("trial");
    tcase_add_test(tests, a_ring_with_a_hold_lives_and_without_one_is_garbage);
    tcase_add_test(tests, what_a_live_object_reaches_lives);
    tcase_add_test(tests, counts_are_as_before);
    tcase_add_test(tests, acyclic_objects_are_not_walked_through);
    tcase_add_test(tests, a_walk_beyond_the_budget_makes_its_candidates_old_and_leaves_no_trace);
    tcase_add_test(tests, a_roll_back_takes_references_to_older_nodes_back);
    tcase_add_test(tests, an_object_with_thousands_of_references_from_garbage_is_garbage);
    tcase_add_test(tests, a_value_that_leads_to_its_key_dies_with_it_though_the_ephemeron_lives);
    tcase_add_test(tests, a_ring_of_ephemerons_lives_while_one_key_is_held);
    tcase_add_test(tests, a_dead_ephemeron_in_a_ring_lets_go_of_a_value_whose_key_lives);
    tcase_add_test(tests, a_value_held_from_elsewhere_survives_its_key);
    tcase_add_test(tests, a_pinned_object_lives);
    tcase_add_test(tests, every_refusal_of_memory_leaves_all_as_it_was);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
