#include "tests/plugins/rcu/kit.h"

#include <errno.h>
#include <string.h>

START_TEST(dead_rings_are_collected)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *ring = fake_new(&fake_node_type), *next = fake_grow(ring, 0, &fake_node_type);
    fake_set(next, 0, ring);
    fake_drop(ring);
    kit_settle();
    ck_assert_uint_eq(fake.n_live, 2);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(verify_names_a_mark_without_a_magazine)
{
    struct sgc_error error;
    fake_open(&sgc_strategy_plugin, NULL);
    *sgc_state_byte(&fake_host()->counts, fake_new(&fake_leaf_type)) |= SGC_COUNTING_RETIRED;
    fake.stopped = true;
    ck_assert_int_eq(fake.ops->verify(fake.self, &error), -EUCLEAN);
    ck_assert_str_eq(error.message, "retired: 1 objects are marked, 0 are in magazines");
}
END_TEST

START_TEST(a_quiet_heap_is_handed_over_without_a_trace)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *list = fake_list(100, &fake_node_type);
    fake_drop(fake_list(100, &fake_node_type));
    fake_collect(SGC_COLLECT_FULL);
    fake.stopped = true;
    for (unsigned i = 0; i < FAKE_THREADS; i++)
        fake_detach(i);
    fake.ops->quiesce(fake.self);
    for (void *at = list; at; at = fake_get(at, 0))
        ck_assert(!(fake_state(at) & (SGC_COUNTING_CANDIDATE | SGC_COUNTING_RETIRED)));
    fake.grace_wanted = false; /* core takes requests back */
    ck_assert_int_eq(fake.ops->adopt(fake.self, NULL), 0);
    fake.stopped = false;
    fake_drop(list); /* and it works on */
    kit_settle();
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

/* As in a forked child: the grace-period thread does not exist there, and was between two pieces of a batch. */
START_TEST(another_grace_thread_takes_up_the_batch)
{
    for (unsigned full = 0; full < 2; full++) {
        fake_open(&sgc_strategy_plugin, NULL);
        fake.thread = 1;
        for (unsigned i = 0; i < 5000; i++)
            fake_drop(fake_new(&fake_leaf_type));
        fake_drop(fake_list(5000, &fake_node_type));
        kit_close_batch();
        fake.grace_done = ++fake.grace_started;
        fake.thread = 0;
        ck_assert(fake.ops->grace_elapsed(fake.self));
        fake_detach(0);
        fake.grace_wanted = false;
        fake.thread = 1;
        if (full)
            fake_collect(SGC_COLLECT_FULL);
        fake_verify();
        fake_drop(fake_new(&fake_leaf_type)); /* asks, as nobody does */
        ck_assert(fake.grace_wanted);
        kit_settle();
        ck_assert_uint_eq(fake.n_live, 0);
        fake_verify();
        fake_close();
    }
}
END_TEST

/* A child that was forked before the grace-period thread came for the first time: nobody answers the request that is
 * out, and no cell ends. */
START_TEST(a_request_that_nobody_answered_yet_is_made_again)
{
    fake_open(&sgc_strategy_plugin, NULL);
    for (unsigned i = 0; i < 3; i++) {
        void *object = fake_new(&fake_node_type);
        fake_share(object);
        fake_drop(object);
        ck_assert(fake.grace_wanted);
        fake.grace_wanted = false; /* lost with the thread */
    }
    void *object = fake_new(&fake_node_type);
    fake_share(object);
    fake_drop(object);
    ck_assert(fake.grace_wanted);
    kit_settle();
    ck_assert(!fake_is_live(object));
    ck_assert_int_eq(fake.retired_bytes, 0);
}
END_TEST

START_TEST(a_refused_open_leaves_nothing)
{
    fake_refuse_open(&sgc_strategy_plugin, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rcu");
    TCase *tests = tcase_create("rcu");
    tcase_add_test(tests, dead_rings_are_collected);
    tcase_add_test(tests, verify_names_a_mark_without_a_magazine);
    tcase_add_test(tests, a_quiet_heap_is_handed_over_without_a_trace);
    tcase_add_test(tests, another_grace_thread_takes_up_the_batch);
    tcase_add_test(tests, a_request_that_nobody_answered_yet_is_made_again);
    tcase_add_test(tests, a_refused_open_leaves_nothing);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
