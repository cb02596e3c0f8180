/* fault_test.c - the numbered gate. */
#include "core/os/fault.h"

#include "tests/support/expect.h"
#include <errno.h>
#include <pthread.h>

/* Passes n gates; bit i of the result: passage i + 1 failed. */
static uint64_t pass(int n)
{
    uint64_t failed = 0;
    for (int i = 0; i < n; i++)
        failed |= (uint64_t)sgc_os_fault_here("call") << i;
    return failed;
}

START_TEST(gates_pass_before_the_first_arm_and_are_not_counted)
{
    ck_assert_uint_eq(pass(10), 0);
    ck_assert_uint_eq(sgc_os_fault_n_passed(), 0);
    ck_assert(!sgc_os_fault_fired());
}
END_TEST

START_TEST(only_the_kth_passage_fails)
{
    sgc_os_fault_arm(3, false);
    ck_assert_uint_eq(pass(8), 1u << 2);
    ck_assert_uint_eq(sgc_os_fault_n_passed(), 8);
    ck_assert(sgc_os_fault_fired());
}
END_TEST

START_TEST(a_call_that_fails_says_why_and_one_that_passes_leaves_errno)
{
    sgc_os_fault_arm(2, false);
    errno = EAGAIN;
    ck_assert(!sgc_os_fault_fail("read", EIO));
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert(sgc_os_fault_fail("read", EIO));
    ck_assert_int_eq(errno, EIO);
    ck_assert_str_eq(sgc_os_fault_fired_call(), "read");
}
END_TEST

START_TEST(forever_fails_all_from_the_kth_on)
{
    sgc_os_fault_arm(3, true);
    ck_assert_uint_eq(pass(8), 0xfc);
}
END_TEST

START_TEST(zero_counts_and_fails_none)
{
    sgc_os_fault_arm(0, true);
    ck_assert_uint_eq(pass(8), 0);
    ck_assert_uint_eq(sgc_os_fault_n_passed(), 8);
    ck_assert(!sgc_os_fault_fired());
}
END_TEST

START_TEST(disarm_fails_none_and_counts_on)
{
    sgc_os_fault_arm(2, true);
    pass(2);
    sgc_os_fault_disarm();
    ck_assert_uint_eq(pass(5), 0);
    ck_assert_uint_eq(sgc_os_fault_n_passed(), 7);
    ck_assert(sgc_os_fault_fired());
}
END_TEST

START_TEST(arming_again_starts_from_one)
{
    sgc_os_fault_arm(1, false);
    pass(4);
    sgc_os_fault_arm(2, false);
    ck_assert(!sgc_os_fault_fired());
    ck_assert_uint_eq(pass(4), 1u << 1);
    ck_assert_uint_eq(sgc_os_fault_n_passed(), 4);
}
END_TEST

START_TEST(the_first_call_that_failed_is_named)
{
    sgc_os_fault_arm(2, true);
    sgc_os_fault_here("open");
    ck_assert_ptr_null(sgc_os_fault_fired_call());
    sgc_os_fault_here("read");
    sgc_os_fault_here("close");
    ck_assert_str_eq(sgc_os_fault_fired_call(), "read");
}
END_TEST

static void *pass_in_thread(void *n_failed)
{
    for (int i = 0; i < 10000; i++)
        *(int *)n_failed += sgc_os_fault_here("call");
    return NULL;
}

START_TEST(threads_share_the_numbers_and_one_of_them_fails)
{
    int n_failed[2] = {0, 0};
    pthread_t threads[2];
    sgc_os_fault_arm(9999, false);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, pass_in_thread, &n_failed[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(n_failed[0] + n_failed[1], 1);
    ck_assert_uint_eq(sgc_os_fault_n_passed(), 20000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fault");
    TCase *tc = tcase_create("fault");
    tcase_add_test(tc, gates_pass_before_the_first_arm_and_are_not_counted);
    tcase_add_test(tc, only_the_kth_passage_fails);
    tcase_add_test(tc, a_call_that_fails_says_why_and_one_that_passes_leaves_errno);
    tcase_add_test(tc, forever_fails_all_from_the_kth_on);
    tcase_add_test(tc, zero_counts_and_fails_none);
    tcase_add_test(tc, disarm_fails_none_and_counts_on);
    tcase_add_test(tc, arming_again_starts_from_one);
    tcase_add_test(tc, the_first_call_that_failed_is_named);
    tcase_add_test(tc, threads_share_the_numbers_and_one_of_them_fails);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
