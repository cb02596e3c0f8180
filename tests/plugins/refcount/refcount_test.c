#include "tests/plugins/counting/graph.h"

START_TEST(an_object_ends_with_its_last_claim)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *owner = fake_new(&fake_node_type), *child = graph_grow(owner, 0, &fake_node_type);
    fake_drop(owner);
    ck_assert(!fake_is_live(owner));
    ck_assert(!fake_is_live(child));
    fake_close();
}
END_TEST

START_TEST(in_a_section_an_object_ends_when_the_section_does)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *owner = fake_new(&fake_node_type), *child = graph_grow(owner, 0, &fake_node_type);
    fake_enter();
    fake_set(owner, 0, NULL);
    fake_drop(owner);
    ck_assert(fake_is_live(owner));
    ck_assert_uint_eq(fake_count(child), 1);
    fake_hold(child); /* read in the section, carried beyond it */
    fake_leave();
    ck_assert(!fake_is_live(owner));
    ck_assert_uint_eq(fake_count(child), 1);
    fake_drop(child);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(it_works_with_plain_and_with_atomic_counts)
{
    for (unsigned solo = 0; solo < 2; solo++) {
        fake_open(&sgc_strategy_plugin, NULL);
        fake.solo = (uint8_t)solo;
        void *object = fake_new(&fake_node_type), *owner = fake_new(&fake_node_type);
        for (unsigned i = 0; i < 1000; i++)
            fake_hold(object); /* beyond the byte */
        fake_set(owner, 0, object);
        ck_assert_uint_eq(fake_count(object), 1002);
        for (unsigned i = 0; i < 1001; i++)
            fake_drop(object);
        ck_assert_uint_eq(fake_count(object), 1);
        fake_drop(owner);
        ck_assert_uint_eq(fake.n_live, 0);
        fake_close();
    }
}
END_TEST

START_TEST(a_refused_open_leaves_nothing)
{
    struct sgc_error error = {0};
    uint64_t params[8];
    for (uint32_t i = 0; i < sgc_strategy_plugin.n_params; i++)
        params[i] = sgc_strategy_plugin.params[i].default_value;
    for (long refuse_after = 0; refuse_after < 2; refuse_after++) {
        void *self = &error;
        fake_reset();
        fake.refuse_after = refuse_after;
        ck_assert_int_lt(sgc_strategy_plugin.ops->open(fake_host(), NULL, params, &self, &error), 0);
        ck_assert_ptr_eq(self, &error);
        ck_assert_uint_eq(fake.n_records, 0);
    }
}
END_TEST

START_TEST(configure_changes_thresholds_and_pace)
{
    uint64_t params[8];
    fake_open(&sgc_strategy_plugin, NULL);
    for (uint32_t i = 0; i < sgc_strategy_plugin.n_params; i++)
        params[i] = sgc_strategy_plugin.params[i].default_value;
    params[3] = 17;
    params[4] = 123456;
    fake.ops->configure(fake.self, params);
    ck_assert_uint_eq(counting()->limits.visit_budget, 17);
    ck_assert_uint_eq(fake.pace.minor_bytes, 123456);
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
    Suite *suite = suite_create("refcount");
    TCase *tests = tcase_create("refcount");
    tcase_add_test(tests, an_object_ends_with_its_last_claim);
    tcase_add_test(tests, in_a_section_an_object_ends_when_the_section_does);
    tcase_add_test(tests, it_works_with_plain_and_with_atomic_counts);
    tcase_add_test(tests, a_refused_open_leaves_nothing);
    tcase_add_test(tests, configure_changes_thresholds_and_pace);
    tcase_add_test(tests, a_quiet_heap_is_handed_over_without_a_trace);
    tcase_add_test(tests, dead_rings_that_a_refused_collection_left_are_found_after_adoption);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
