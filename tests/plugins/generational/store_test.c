/* store_test.c - what stores into old objects log, and in which order. */
#include "tests/plugins/generational/host.h"

START_TEST(a_store_into_an_old_object_logs_it_once_and_a_minor_arms_it_again)
{
    void **field = old_object(1, false);
    ops->store(self, object(1), field, object(2));
    ck_assert_ptr_eq(*field, object(2));
    ck_assert_uint_eq(states[1], 0);
    ops->store(self, object(1), field, object(3));
    ck_assert_ptr_eq(*field, object(3));
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) fields(1) finish sweep(0,1)");
    ck_assert_uint_eq(states[1], SGC_STATE_STORE);
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(a_store_logs_before_it_says_so_and_before_it_stores)
{
    for (unsigned way = 0; way < 3; way++) {
        void **field = old_object(1, false);
        *field = NULL;
        seen_state = 0;
        if (way == 0)
            ops->store(self, object(1), field, object(2));
        else if (way == 1)
            ops->exchange(self, object(1), field, object(2));
        else
            ops->compare_exchange(self, object(1), field, NULL, object(2));
        ck_assert_uint_eq(seen_state, SGC_STATE_STORE);
        ck_assert_ptr_null(seen_field);
        ck_assert_uint_eq(states[1], 0);
        ck_assert_ptr_eq(*field, object(2));
    }
}
END_TEST

START_TEST(an_owner_that_two_threads_logged_is_traced_once)
{
    void **field = old_object(1, false);
    ops->store(self, object(1), field, object(2));
    states[1] |= SGC_STATE_STORE; /* the second thread tested the bit before the first cleared it */
    ops->store(self, object(1), field, object(3));
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) fields(1) finish sweep(0,1)");
}
END_TEST

START_TEST(storing_no_reference_logs_nothing)
{
    void **field = old_object(1, false);
    ops->store(self, object(1), field, NULL);
    ops->store(self, object(1), field, (void *)(uintptr_t)5);
    ck_assert_uint_eq((uintptr_t)*field, 5);
    ck_assert_uint_eq(states[1], SGC_STATE_STORE);
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(a_big_owner_is_remembered_field_by_field)
{
    void **field = old_object(1, true);
    ops->store(self, object(1), field, object(2));
    ck_assert_uint_eq(states[1], SGC_STATE_STORE);
    old_object(3, false);
    ops->store(self, object(1), field + 1, object(3)); /* old to old: nothing to remember */
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) object(2) finish sweep(0,1)");
}
END_TEST

START_TEST(a_long_set_takes_no_more_single_fields)
{
    void **field = old_object(1, true);
    for (size_t i = 0; i <= REMEMBER_LONG_CHUNKS * REMEMBER_CHUNK_ENTRIES && states[1]; i++)
        ops->store(self, object(1), field, object(2));
    ck_assert_uint_eq(states[1], 0); /* logged as a whole */
    ck_assert_uint_eq(((struct generational *)self)->remembered.n_chunks, REMEMBER_LONG_CHUNKS);
    ops->collect(self, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(n_fields, 1);
    ck_assert_uint_eq(states[1], SGC_STATE_STORE);
    told[0] = '\0';
    ops->store(self, object(1), field, object(2));
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) object(2) finish sweep(0,1)");
}
END_TEST

START_TEST(exchange_returns_the_old_value_with_a_hold)
{
    void **field = old_object(1, false);
    *field = object(4);
    ck_assert_ptr_eq(ops->exchange(self, object(1), field, object(2)), object(4));
    ck_assert_ptr_eq(*field, object(2));
    ck_assert_uint_eq(counts[4], 1);
    ck_assert_uint_eq(counts[2], 0);
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) fields(1) finish sweep(0,1)");
}
END_TEST

START_TEST(compare_exchange_stores_when_equal_and_moves_no_count)
{
    void **field = old_object(1, false);
    ck_assert(!ops->compare_exchange(self, object(1), field, object(4), object(2)));
    ck_assert_ptr_null(*field);
    ck_assert(ops->compare_exchange(self, object(1), field, NULL, object(2)));
    ck_assert_ptr_eq(*field, object(2));
    ck_assert_uint_eq(counts[2] + counts[4], 0);
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) fields(1) finish sweep(0,1)");
}
END_TEST

START_TEST(a_store_into_a_young_object_logs_nothing)
{
    void **field = object(1);
    ops->store(self, object(1), field, object(2));
    ck_assert_ptr_eq(*field, object(2));
    ck_assert_ptr_eq(ops->exchange(self, object(1), field, object(3)), object(2));
    ck_assert(ops->compare_exchange(self, object(1), field, object(3), object(4)));
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(what_is_no_object_is_exchanged_without_a_count)
{
    void **field = old_object(1, false);
    ck_assert_ptr_null(ops->exchange(self, object(1), field, (void *)(uintptr_t)7));
    ck_assert_uint_eq((uintptr_t)ops->exchange(self, object(1), field, NULL), 7);
    ck_assert(!ops->compare_exchange(self, object(1), field, (void *)(uintptr_t)7, NULL));
    ck_assert_ptr_null(*field);
    for (unsigned i = 0; i < N_OBJECTS; i++)
        ck_assert_uint_eq(counts[i], 0);
    ck_assert_uint_eq(states[1], SGC_STATE_STORE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generational/store");
    TCase *tcase = tcase_create("store");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_store_into_an_old_object_logs_it_once_and_a_minor_arms_it_again);
    tcase_add_test(tcase, a_store_logs_before_it_says_so_and_before_it_stores);
    tcase_add_test(tcase, an_owner_that_two_threads_logged_is_traced_once);
    tcase_add_test(tcase, storing_no_reference_logs_nothing);
    tcase_add_test(tcase, a_big_owner_is_remembered_field_by_field);
    tcase_add_test(tcase, a_long_set_takes_no_more_single_fields);
    tcase_add_test(tcase, exchange_returns_the_old_value_with_a_hold);
    tcase_add_test(tcase, compare_exchange_stores_when_equal_and_moves_no_count);
    tcase_add_test(tcase, a_store_into_a_young_object_logs_nothing);
    tcase_add_test(tcase, what_is_no_object_is_exchanged_without_a_count);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
