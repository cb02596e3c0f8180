/* collect_test.c - which collection the strategy asks core for, its life and its parameters. */
#include "tests/plugins/generational/host.h"

START_TEST(a_minor_collection_keeps_marks_and_looks_at_fresh_roots_alone)
{
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(a_full_collection_clears_marks_and_forgets_remembered_owners)
{
    void **field = old_object(1, false);
    ops->store(self, object(1), field, object(2));
    collect_tells(SGC_COLLECT_FULL, "begin(clear) roots(all) finish sweep(0,1)");
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(after_a_lost_entry_the_next_collection_is_full)
{
    void **field = old_object(1, false);
    refuse = true;
    ops->store(self, object(1), field, object(2));
    refuse = false;
    ck_assert_ptr_eq(*field, object(2));
    collect_tells(SGC_COLLECT_MINOR, "begin(clear) roots(all) finish sweep(0,1)");
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(after_adopt_the_next_collection_is_full)
{
    struct sgc_error error;
    void **field = old_object(1, false);
    ops->store(self, object(1), field, object(2));
    ops->quiesce(self);
    ck_assert_int_eq(ops->adopt(self, &error), 0);
    collect_tells(SGC_COLLECT_MINOR, "begin(clear) roots(all) finish sweep(0,1)");
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(configure_sets_the_pace)
{
    const uint64_t params[] = {1 << 20, 50, 2 << 20};
    ck_assert_uint_eq(sgc_strategy_plugin.n_params, 3);
    ops->configure(self, params);
    ck_assert_uint_eq(pace.minor_bytes, 1 << 20);
    ck_assert_uint_eq(pace.full_growth_pct, 50);
    ck_assert_uint_eq(pace.full_min_bytes, 3 << 20); /* of old objects, and the young ones */
}
END_TEST

START_TEST(open_without_memory_is_refused)
{
    const uint64_t params[] = {1 << 20, 50, 2 << 20};
    struct sgc_error error;
    void *other = &error;
    refuse = true;
    ck_assert_int_eq(ops->open(&host, NULL, params, &other, &error), -ENOMEM);
    ck_assert_ptr_eq(other, &error);
    refuse = false;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generational/collect");
    TCase *tcase = tcase_create("collect");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_minor_collection_keeps_marks_and_looks_at_fresh_roots_alone);
    tcase_add_test(tcase, a_full_collection_clears_marks_and_forgets_remembered_owners);
    tcase_add_test(tcase, after_a_lost_entry_the_next_collection_is_full);
    tcase_add_test(tcase, after_adopt_the_next_collection_is_full);
    tcase_add_test(tcase, configure_sets_the_pace);
    tcase_add_test(tcase, open_without_memory_is_refused);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
