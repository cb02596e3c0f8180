#include "tests/plugins/rcu/kit.h"

#include <time.h>

static void retire(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fake_drop(fake_new(&fake_leaf_type));
}

static double seconds_of_before_alloc(void)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    fake.ops->before_alloc(fake.self);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
}

START_TEST(retired_bytes_are_those_of_the_objects_in_magazines)
{
    fake_open(&sgc_strategy_plugin, NULL);
    retire(1000);
    ck_assert_int_eq(fake.retired_bytes, 64000);
    ck_assert_int_eq(rcu()->retired_bytes, 64000);
    kit_settle();
    ck_assert_int_eq(fake.retired_bytes, 0);
    ck_assert_int_eq(rcu()->retired_bytes, 0);
    fake_close();
}
END_TEST

START_TEST(below_the_limits_an_allocation_waits_for_nothing)
{
    fake_open(&sgc_strategy_plugin, "retired_soft", 64000, "retired_hard", 64000, NULL);
    retire(1000);
    fake.ops->before_alloc(fake.self);
    ck_assert_uint_eq(fake.grace_done, 0);
}
END_TEST

START_TEST(between_the_limits_it_does_not_wait_either)
{
    fake_open(&sgc_strategy_plugin, "retired_soft", 0, "retired_hard", 64000, NULL);
    retire(1000);
    fake.ops->before_alloc(fake.self);
    ck_assert_uint_eq(fake.grace_done, 0);
}
END_TEST

START_TEST(over_the_hard_limit_it_waits_for_grace_periods_but_not_for_ever)
{
    fake_open(&sgc_strategy_plugin, "retired_soft", 0, "retired_hard", 1000, "backpressure_max", 20000000, NULL);
    retire(1000);
    const double seconds = seconds_of_before_alloc(); /* nobody plays the grace-period thread */
    ck_assert_uint_gt(fake.grace_done, 0);
    ck_assert(seconds >= 0.02);
}
END_TEST

/* Longer than a test may take: whoever waits so long fails. */
static void wait_for_hours(void)
{
    rcu()->backpressure_max_ns = UINT64_C(36000000000000);
}

START_TEST(a_stalled_section_ends_the_wait_when_core_has_named_it)
{
    fake_open(&sgc_strategy_plugin, "retired_soft", 0, "retired_hard", 1000, NULL);
    wait_for_hours();
    retire(1000);
    fake_enter(); /* grace_wait times out */
    fake.ops->before_alloc(fake.self);
    ck_assert_uint_eq(fake.grace_done, 0);
    fake_leave();
}
END_TEST

START_TEST(it_goes_on_as_soon_as_the_limit_is_kept)
{
    fake_open(&sgc_strategy_plugin, "retired_soft", 0, "retired_hard", 1000, NULL);
    wait_for_hours();
    retire(1000);
    kit_settle();
    fake.ops->before_alloc(fake.self);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pressure");
    TCase *tests = tcase_create("pressure");
    tcase_add_test(tests, retired_bytes_are_those_of_the_objects_in_magazines);
    tcase_add_test(tests, below_the_limits_an_allocation_waits_for_nothing);
    tcase_add_test(tests, between_the_limits_it_does_not_wait_either);
    tcase_add_test(tests, over_the_hard_limit_it_waits_for_grace_periods_but_not_for_ever);
    tcase_add_test(tests, a_stalled_section_ends_the_wait_when_core_has_named_it);
    tcase_add_test(tests, it_goes_on_as_soon_as_the_limit_is_kept);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
