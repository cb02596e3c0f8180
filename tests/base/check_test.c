/* check_test.c - SGC_CHECK always checks, SGC_DCHECK in debug builds alone. */
#include "core/base/check.h"

#include "tests/support/expect.h"
#include <string.h>

static void check_fails(void *arg)
{
    SGC_CHECK(arg != NULL);
}

START_TEST(a_failed_check_panics_and_names_the_condition_and_its_place)
{
    support_expect_panic_prefix(check_fails, NULL, "check failed: arg != NULL (tests/base/check_test.c:");
}
END_TEST

START_TEST(a_check_that_holds_evaluates_its_condition_once)
{
    int n = 0;
    SGC_CHECK(++n == 1);
    ck_assert_int_eq(n, 1);
}
END_TEST

static void dcheck_fails(void *arg)
{
    SGC_DCHECK(arg != NULL);
}

START_TEST(a_debug_check_panics_in_debug_builds_alone)
{
#ifdef SGC_DEBUG
    support_expect_panic_prefix(dcheck_fails, NULL, "check failed: arg != NULL");
#else
    dcheck_fails(NULL);
#endif
}
END_TEST

START_TEST(a_debug_check_that_is_off_does_not_evaluate_its_condition)
{
    int n = 0;
    SGC_DCHECK(++n == 1);
#ifdef SGC_DEBUG
    ck_assert_int_eq(n, 1);
#else
    ck_assert_int_eq(n, 0);
#endif
}
END_TEST

START_TEST(container_of_finds_the_struct_around_a_member)
{
    struct {
        int first, second;
    } pair;
    ck_assert_ptr_eq(SGC_CONTAINER_OF(&pair.second, __typeof__(pair), second), &pair);
    int array[7];
    ck_assert_uint_eq(SGC_ARRAY_LEN(array), 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check");
    TCase *tc = tcase_create("check");
    tcase_add_test(tc, a_failed_check_panics_and_names_the_condition_and_its_place);
    tcase_add_test(tc, a_check_that_holds_evaluates_its_condition_once);
    tcase_add_test(tc, a_debug_check_panics_in_debug_builds_alone);
    tcase_add_test(tc, a_debug_check_that_is_off_does_not_evaluate_its_condition);
    tcase_add_test(tc, container_of_finds_the_struct_around_a_member);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
