#include "tests/plugins/counting/graph.h"

#define LONG_LIST (FAKE_OBJECTS - 16)

START_TEST(a_long_list_ends_without_memory)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *head = fake_list(LONG_LIST, &fake_acyclic_type);
    fake.refuse_after = 0;
    fake_drop(head);
    ck_assert_uint_eq(fake.n_live, 0);
    ck_assert_int_eq(fake.requested, -1);
    fake.refuse_after = -1;
    fake_close();
}
END_TEST

/* Each node has the next one and two leaves. */
static void *comb(unsigned n)
{
    void *head = fake_list(n, &fake_acyclic_type);
    for (void *at = head; at; at = fake_get(at, 0))
        for (unsigned i = 1; i < 3; i++)
            fake_grow(at, i, &fake_leaf_type);
    return head;
}

/* A root with six children, each with six, and so on. */
static void widen(void *at, unsigned depth)
{
    for (unsigned i = 0; depth && i < FAKE_REFERENCES; i++)
        widen(fake_grow(at, i, &fake_acyclic_type), depth - 1);
}

START_TEST(combs_and_wide_trees_end_whole)
{
    fake_open(&sgc_strategy_plugin, NULL);
    fake_drop(comb(20000));
    ck_assert_uint_eq(fake.n_live, 0);
    void *root = fake_new(&fake_acyclic_type);
    widen(root, 6);
    ck_assert_uint_eq(fake.n_live, 55987);
    fake_drop(root);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

/* Wide enough for the entries that need no memory to run out. */
START_TEST(a_refused_worklist_loses_nothing)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *root = fake_new(&fake_acyclic_type);
    widen(root, 5);
    /* a line whose every node has five more children, all pushed before the next ends */
    void *line = fake_new(&fake_acyclic_type), *at = line;
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned child = 1; child < FAKE_REFERENCES; child++)
            fake_grow(at, child - 1, &fake_leaf_type);
        at = fake_grow(at, FAKE_REFERENCES - 1, &fake_acyclic_type); /* last in, first out */
    }
    fake_set(at, 0, root);
    fake_drop(root);
    fake.refuse_after = 0;
    fake_drop(line);
    ck_assert_uint_gt(fake.n_live, 0);
    ck_assert_int_eq(fake.requested, SGC_COLLECT_FULL);
    fake_verify();
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_verify();
    fake.refuse_after = -1;
    fake_close();
}
END_TEST

START_TEST(a_finalizer_gives_another_life_and_runs_once)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_finalized_type), *child = fake_grow(object, 0, &fake_leaf_type);
    const unsigned weak = fake_weak(object);
    fake_drop(object);
    ck_assert(fake_weak_is_cleared(weak));
    ck_assert_uint_eq(fake.n_queued, 1);
    ck_assert_ptr_eq(fake_unqueue(), object);
    ck_assert_uint_eq(fake_count(object), 1);
    ck_assert(fake_is_live(child));
    fake_drop(object);
    ck_assert_uint_eq(fake.n_queued, 0);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_dying_key_ends_the_value_of_its_ephemeron_without_recursion)
{
    enum { N = 60 };
    fake_open(&sgc_strategy_plugin, NULL);
    void *keys[N + 1], *ephemerons[N];
    keys[0] = fake_new(&fake_leaf_type);
    for (unsigned i = 0; i < N; i++) { /* each value is the next ephemeron's key */
        keys[i + 1] = fake_new(&fake_leaf_type);
        ephemerons[i] = fake_ephemeron(keys[i], keys[i + 1]);
        fake_drop(keys[i + 1]);
    }
    ck_assert_uint_eq(fake.n_live, 2 * N + 1);
    fake_drop(keys[0]);
    ck_assert_uint_eq(fake.n_live, N);
    for (unsigned i = 0; i < N; i++) {
        ck_assert_ptr_null(fake_ephemeron_value(ephemerons[i]));
        fake_drop(ephemerons[i]);
    }
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_dying_ephemeron_lets_go_of_its_value)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *key = fake_new(&fake_leaf_type), *value = fake_new(&fake_leaf_type), *ephemeron = fake_ephemeron(key, value);
    fake_drop(value);
    ck_assert(fake_is_live(value));
    fake_drop(ephemeron);
    ck_assert(!fake_is_live(value));
    fake_drop(key);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_bounded_run_says_whether_there_is_more)
{
    struct sgc_cascade cascade = {0};
    fake_open(&sgc_strategy_plugin, NULL);
    void *head = fake_list(10, &fake_acyclic_type);
    ck_assert(sgc_counting_release(counting(), NULL, head));
    sgc_cascade_add(counting(), &cascade, head);
    ck_assert(!sgc_cascade_is_empty(&cascade));
    ck_assert(sgc_cascade_run(counting(), &cascade, 4));
    ck_assert_uint_eq(fake.n_live, 6);
    ck_assert(!sgc_cascade_run(counting(), &cascade, 100));
    ck_assert(sgc_cascade_is_empty(&cascade));
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_hold_before_the_claim_saves_the_object)
{
    struct sgc_cascade cascade = {0};
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_leaf_type);
    ck_assert(sgc_counting_release(counting(), NULL, object));
    fake_hold(object);
    sgc_cascade_add(counting(), &cascade, object);
    ck_assert(sgc_cascade_is_empty(&cascade));
    ck_assert_uint_eq(fake_count(object), 1);
    fake_drop(object);
    fake_close();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cascade");
    TCase *tests = tcase_create("cascade");
    tcase_set_timeout(tests, 250); /* under a sanitizer on a loaded machine */
    tcase_add_test(tests, a_long_list_ends_without_memory);
    tcase_add_test(tests, combs_and_wide_trees_end_whole);
    tcase_add_test(tests, a_refused_worklist_loses_nothing);
    tcase_add_test(tests, a_finalizer_gives_another_life_and_runs_once);
    tcase_add_test(tests, a_dying_key_ends_the_value_of_its_ephemeron_without_recursion);
    tcase_add_test(tests, a_dying_ephemeron_lets_go_of_its_value);
    tcase_add_test(tests, a_bounded_run_says_whether_there_is_more);
    tcase_add_test(tests, a_hold_before_the_claim_saves_the_object);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
