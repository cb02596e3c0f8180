/* clock_test.c - monotonic time. */
#include "core/os/clock.h"

#include "tests/support/expect.h"

START_TEST(time_never_goes_back)
{
    uint64_t last = sgc_os_now_ns();
    for (int i = 0; i < 100000; i++) {
        uint64_t now = sgc_os_now_ns();
        ck_assert_uint_ge(now, last);
        last = now;
    }
}
END_TEST

START_TEST(a_sleep_takes_at_least_its_duration)
{
    uint64_t start = sgc_os_now_ns();
    sgc_os_sleep_ns(2000000);
    ck_assert_uint_ge(sgc_os_now_ns() - start, 2000000);
}
END_TEST

START_TEST(a_sleep_of_nothing_returns)
{
    sgc_os_sleep_ns(0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    TCase *tc = tcase_create("clock");
    tcase_add_test(tc, time_never_goes_back);
    tcase_add_test(tc, a_sleep_takes_at_least_its_duration);
    tcase_add_test(tc, a_sleep_of_nothing_returns);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
