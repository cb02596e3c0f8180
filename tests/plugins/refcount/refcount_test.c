#include "tests/plugins/counting/graph.h"

START_TEST(an_object_ends_with_its_last_claim)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *owner = fake_new(&fake_node_type), *child = fake_grow(owner, 0, &fake_node_type);
    fake_drop(owner);
    ck_assert(!fake_is_live(owner));
    ck_assert(!fake_is_live(child));
    fake_close();
}
END_TEST

START_TEST(in_a_section_an_object_ends_when_the_section_does)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *owner = fake_new(&fake_node_type), *child = fake_grow(owner, 0, &fake_node_type);
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
    fake_refuse_open(&sgc_strategy_plugin, 2);
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

int main(void)
{
    Suite *suite = suite_create("refcount");
    TCase *tests = tcase_create("refcount");
    tcase_add_test(tests, an_object_ends_with_its_last_claim);
    tcase_add_test(tests, in_a_section_an_object_ends_when_the_section_does);
    tcase_add_test(tests, it_works_with_plain_and_with_atomic_counts);
    tcase_add_test(tests, a_refused_open_leaves_nothing);
    tcase_add_test(tests, configure_changes_thresholds_and_pace);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
