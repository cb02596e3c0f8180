#include "tests/plugins/rcu/kit.h"

static uint8_t touch_of(const void *object)
{
    return *sgc_rcu_touch_byte(rcu(), object);
}

static uint64_t n_retired(void)
{
    return sgc_rcu_queues_count(rcu());
}

START_TEST(a_touch_writes_the_era)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_leaf_type);
    for (unsigned i = 0; i < 600; i++) {
        rcu()->era = i;
        sgc_rcu_touch(rcu(), object);
        ck_assert_uint_eq(touch_of(object), i % 256);
    }
}
END_TEST

START_TEST(an_older_era_does_not_overwrite_the_next_one)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_leaf_type);
    for (unsigned i = 0; i < 600; i++) {
        rcu()->era = i + 1;
        sgc_rcu_touch(rcu(), object);
        rcu()->era = i; /* the thread that read it before it was raised */
        sgc_rcu_touch(rcu(), object);
        ck_assert_uint_eq(touch_of(object), (i + 1) % 256);
    }
}
END_TEST

START_TEST(a_retired_object_is_in_one_magazine_once)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_leaf_type);
    for (unsigned i = 0; i < 10; i++) {
        fake.thread = i % 3;
        fake_drop(object);
        ck_assert_uint_eq(n_retired(), 1);
        fake_hold(object);
    }
    ck_assert_int_eq(fake.retired_bytes, 64);
    fake_verify();
}
END_TEST

START_TEST(a_cut_leaves_what_comes_later)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *first[3], *later[3];
    for (unsigned i = 0; i < 3; i++) {
        fake.thread = i;
        fake_drop(first[i] = fake_new(&fake_leaf_type));
    }
    ck_assert(sgc_rcu_cut_retired(rcu()));
    for (unsigned i = 0; i < 3; i++) {
        fake.thread = i;
        fake_drop(later[i] = fake_new(&fake_leaf_type));
    }
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_eq(sgc_rcu_take_retired(rcu()), first[2 - i]); /* the newest queue is in front */
    ck_assert_ptr_null(sgc_rcu_take_retired(rcu()));
    ck_assert(sgc_rcu_cut_retired(rcu()));
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_eq(sgc_rcu_take_retired(rcu()), later[2 - i]);
    ck_assert(!sgc_rcu_anything_retired(rcu()));
}
END_TEST

START_TEST(a_thread_asks_for_a_collection_when_it_has_noted_enough)
{
    void *nodes[10];
    fake_open(&sgc_strategy_plugin, "candidate_threshold", 10, "candidate_threshold_max", 10, NULL);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 10; i++) {
            ck_assert_int_eq(fake.requested, -1);
            fake_hold(nodes[i] = fake_new(&fake_node_type));
            fake_drop(nodes[i]);
        }
        ck_assert_int_eq(fake.requested, SGC_COLLECT_MINOR);
        fake_verify();
        fake_collect(SGC_COLLECT_MINOR);
        fake_verify();
    }
}
END_TEST

START_TEST(a_candidate_that_dies_leaves_nothing_behind)
{
    fake_open(&sgc_strategy_plugin, NULL);
    fake.thread = 1; /* and never calls again */
    for (unsigned i = 0; i < 1000; i++) {
        void *node = fake_new(&fake_node_type);
        fake_hold(node);
        fake_drop(node);
        fake_drop(node);
    }
    kit_settle();
    ck_assert_uint_eq(fake.n_live, 0);
    fake_verify();
    fake_close();
}
END_TEST

START_TEST(a_half_full_magazine_of_an_idle_thread_ends_in_the_next_batch)
{
    fake_open(&sgc_strategy_plugin, NULL);
    fake.thread = 2;
    fake_drop(fake_new(&fake_leaf_type)); /* and never again */
    fake.thread = 0;
    kit_settle();
    ck_assert_uint_eq(fake.n_live, 0);
    ck_assert_int_eq(fake.retired_bytes, 0);
    fake_close();
}
END_TEST

START_TEST(an_ended_threads_queue_is_worked_off_and_freed)
{
    fake_open(&sgc_strategy_plugin, NULL);
    for (unsigned round = 0; round < 3; round++) {
        fake.thread = 1;
        for (unsigned i = 0; i < 1000; i++)
            fake_drop(fake_new(&fake_leaf_type));
        fake_detach(1);
        fake.thread = 0;
        kit_settle();
        ck_assert_uint_eq(fake.n_live, 0);
    }
    ck_assert_ptr_null(rcu()->queues);
    fake_close();
}
END_TEST

START_TEST(without_memory_for_magazines_a_full_collection_ends_the_retired)
{
    for (long refuse_after = 0; refuse_after < 4; refuse_after++) {
        fake_open(&sgc_strategy_plugin, NULL);
        void *keep = fake_new(&fake_leaf_type), *objects[SGC_MAGAZINE_OBJECTS * 2];
        for (unsigned i = 0; i < SGC_MAGAZINE_OBJECTS * 2; i++)
            objects[i] = fake_new(&fake_leaf_type);
        fake.refuse_after = refuse_after; /* the cell, the queue, its magazine, another magazine */
        for (unsigned i = 0; i < SGC_MAGAZINE_OBJECTS * 2; i++)
            fake_drop(objects[i]);
        ck_assert_int_eq(fake.requested, SGC_COLLECT_FULL);
        fake_verify();
        fake_collect(SGC_COLLECT_FULL);
        ck_assert_uint_eq(fake.n_live, 1);
        fake.refuse_after = -1;
        fake_verify();
        fake_drop(keep);
        kit_settle();
        ck_assert_uint_eq(fake.n_live, 0);
        fake_close();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queues");
    TCase *tests = tcase_create("queues");
    tcase_add_test(tests, a_touch_writes_the_era);
    tcase_add_test(tests, an_older_era_does_not_overwrite_the_next_one);
    tcase_add_test(tests, a_retired_object_is_in_one_magazine_once);
    tcase_add_test(tests, a_cut_leaves_what_comes_later);
    tcase_add_test(tests, a_thread_asks_for_a_collection_when_it_has_noted_enough);
    tcase_add_test(tests, a_candidate_that_dies_leaves_nothing_behind);
    tcase_add_test(tests, a_half_full_magazine_of_an_idle_thread_ends_in_the_next_batch);
    tcase_add_test(tests, an_ended_threads_queue_is_worked_off_and_freed);
    tcase_add_test(tests, without_memory_for_magazines_a_full_collection_ends_the_retired);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
