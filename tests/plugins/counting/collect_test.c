#include "tests/plugins/counting/graph.h"

#include <errno.h>
#include <string.h>

START_TEST(dead_rings_beside_a_large_live_graph_cost_their_own_size)
{
    enum { LIVE = 100000, RINGS = 1000, RING = 10 };
    fake_open(&sgc_strategy_plugin, NULL);
    void *graph = graph_ring(LIVE, &fake_node_type);
    fake_collect(SGC_COLLECT_FULL); /* settles it */
    fake_verify();
    for (unsigned i = 0; i < RINGS; i++)
        fake_drop(graph_ring(RING, &fake_node_type));
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, LIVE);
    ck_assert_uint_le(fake.n_visited, 2 * RINGS * RING); /* once to find, once to end */
    fake_drop(graph);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_live_graph_full_of_candidates_is_walked_once_not_once_for_each)
{
    enum { LIVE = 20000 };
    fake_open(&sgc_strategy_plugin, "candidate_threshold", 1000000, NULL);
    void *list = fake_list(LIVE, &fake_node_type); /* from its tail: each walk meets the one before */
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_le(fake.n_visited, 2 * LIVE);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_le(fake.n_visited, 2 * LIVE);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_visited, 0);
    fake_drop(list);
    ck_assert_uint_eq(fake.n_live, 0);
}
END_TEST

START_TEST(old_candidates_are_looked_at_when_there_are_enough)
{
    fake_open(&sgc_strategy_plugin, "visit_budget", 5, "old_candidate_threshold", 3, "old_growth", 0, NULL);
    for (unsigned i = 0; i < 3; i++) {
        void *ring = graph_ring(10, &fake_node_type);
        fake_collect(SGC_COLLECT_FULL);
        fake_drop(ring); /* one candidate */
        fake_collect(SGC_COLLECT_MINOR);
        ck_assert_uint_eq(fake.n_live, 10);
        fake_collect(SGC_COLLECT_FULL);
        ck_assert_uint_eq(fake.n_live, 0);
    }
    void *rings[3];
    for (unsigned i = 0; i < 3; i++)
        rings[i] = graph_ring(10, &fake_node_type);
    fake_collect(SGC_COLLECT_FULL);
    for (unsigned i = 0; i < 3; i++)
        fake_drop(rings[i]);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(counting()->old.n, 3);
    ck_assert_uint_eq(fake.n_live, 30);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(after_a_full_collection_no_candidate_is_left)
{
    uint64_t random = support_seed("collect", 3);
    fake_open(&sgc_strategy_plugin, "visit_budget", 20, NULL);
    void *objects[200];
    for (unsigned i = 0; i < 200; i++)
        objects[i] = fake_new(support_random(&random) % 4 ? &fake_node_type : &fake_leaf_type);
    for (unsigned step = 0; step < 5000; step++) {
        void *owner = objects[support_random(&random) % 200];
        if (fake_host()->type_of(owner) == &fake_node_type)
            fake_set(owner, (unsigned)(support_random(&random) % FAKE_REFERENCES),
                     objects[support_random(&random) % 200]);
        if (step % 500 == 0)
            fake_collect(step % 1000 ? SGC_COLLECT_MINOR : SGC_COLLECT_FULL);
    }
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(counting()->young.pages.n + counting()->old.pages.n, 0);
    fake_verify();
    ck_assert_uint_eq(fake.n_live, 200);
    for (unsigned i = 0; i < 200; i++)
        fake_drop(objects[i]);
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

/* What is reachable from held objects, by marking. */
static void mark(void *object, bool *marked)
{
    const struct fake_object *at = object;
    if (!sgc_is_object(object) || marked[at->id])
        return;
    marked[at->id] = true;
    for (unsigned i = 0; fake_host()->type_of(object) != &fake_leaf_type && i < FAKE_REFERENCES; i++)
        mark(at->references[i], marked);
}

START_TEST(the_live_set_is_that_of_a_trace)
{
    enum { N = 400 };
    uint64_t random = support_seed("live set", 11);
    for (unsigned round = 0; round < 30; round++) {
        static struct fake_object *objects[N];
        static bool held[N], marked[N];
        fake_open(&sgc_strategy_plugin, "visit_budget", 8, "candidate_threshold", 16, NULL);
        fake.straight_ends = round % 2;
        for (unsigned i = 0; i < N; i++) {
            objects[i] = fake_new(support_random(&random) % 5 ? &fake_node_type : &fake_leaf_type);
            held[i] = true;
            marked[i] = false;
        }
        for (unsigned i = 0; i < N; i++) {
            if (fake_host()->type_of(objects[i]) != &fake_node_type)
                continue;
            for (unsigned n = (unsigned)(support_random(&random) % 3); n > 0; n--)
                fake_set(objects[i], (unsigned)(support_random(&random) % FAKE_REFERENCES),
                         objects[support_random(&random) % N]);
        }
        for (unsigned i = 0; i < N; i++) {
            if (support_random(&random) % 20 == 0)
                continue;
            held[i] = false;
            fake_drop(objects[i]);
            if (fake.requested >= 0)
                fake_collect((enum sgc_collect_kind)fake.requested);
        }
        fake_verify();
        for (unsigned i = 0; i < N; i++) {
            if (held[i])
                mark(objects[i], marked);
        }
        fake_collect(SGC_COLLECT_FULL);
        for (unsigned i = 0; i < N; i++)
            ck_assert(fake_is_live(objects[i]) == marked[i]);
        fake_verify();
        for (unsigned i = 0; i < N; i++) {
            if (held[i])
                fake_drop(objects[i]);
        }
        fake_collect(SGC_COLLECT_FULL);
        ck_assert_uint_eq(fake.n_live, 0);
        fake_close();
    }
}
END_TEST

static int verify(struct sgc_error *error)
{
    fake.stopped = true;
    const int rc = fake.ops->verify(fake.self, error);
    fake.stopped = false;
    return rc;
}

START_TEST(verify_names_a_candidate_whose_page_is_in_no_set)
{
    struct sgc_error error;
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_node_type);
    *sgc_state_byte(&fake_host()->counts, object) |= SGC_COUNTING_CANDIDATE;
    ck_assert_int_eq(verify(&error), -EUCLEAN);
    ck_assert_ptr_nonnull(strstr(error.message, "candidates: the page of object"));
}
END_TEST

START_TEST(verify_names_an_old_candidate_whose_page_is_in_the_young_set_alone)
{
    struct sgc_error error;
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_node_type);
    fake_hold(object);
    fake_drop(object);
    fake_verify();
    *sgc_state_byte(&fake_host()->counts, object) |= SGC_COUNTING_OLD;
    ck_assert_int_eq(verify(&error), -EUCLEAN);
    ck_assert_ptr_nonnull(strstr(error.message, "candidates: the page of object"));
}
END_TEST

START_TEST(verify_names_objects_without_a_claim)
{
    struct sgc_error error;
    fake_open(&sgc_strategy_plugin, NULL);
    *sgc_count_byte(&fake_host()->counts, fake_new(&fake_node_type)) = 0;
    ck_assert_int_eq(verify(&error), -EUCLEAN);
    ck_assert_str_eq(error.message, "counts: 1 objects without a claim wait on no list");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("collect");
    TCase *tests = tcase_create("collect");
    tcase_set_timeout(tests, 250); /* under a sanitizer on a loaded machine */
    tcase_add_test(tests, dead_rings_beside_a_large_live_graph_cost_their_own_size);
    tcase_add_test(tests, a_live_graph_full_of_candidates_is_walked_once_not_once_for_each);
    tcase_add_test(tests, old_candidates_are_looked_at_when_there_are_enough);
    tcase_add_test(tests, after_a_full_collection_no_candidate_is_left);
    tcase_add_test(tests, the_live_set_is_that_of_a_trace);
    tcase_add_test(tests, verify_names_a_candidate_whose_page_is_in_no_set);
    tcase_add_test(tests, verify_names_an_old_candidate_whose_page_is_in_the_young_set_alone);
    tcase_add_test(tests, verify_names_objects_without_a_claim);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
