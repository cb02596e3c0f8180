/* budget_test.c - memory charged to a heap. */
#include "core/slab/budget.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <pthread.h>

START_TEST(a_charge_that_would_pass_the_hard_limit_is_refused_whole)
{
    struct sgc_budget budget = {.hard_bytes = 100};
    ck_assert(sgc_budget_charge(&budget, 60, false));
    ck_assert(!sgc_budget_charge(&budget, 41, false));
    ck_assert_uint_eq(budget.used_bytes, 60);
    ck_assert(sgc_budget_charge(&budget, 40, false));
    sgc_budget_return(&budget, 100);
    ck_assert_uint_eq(budget.used_bytes, 0);
    ck_assert_uint_eq(budget.peak_bytes, 100);
}
END_TEST

START_TEST(the_soft_limit_holds_for_those_who_ask_for_it)
{
    struct sgc_budget budget = {.soft_bytes = 50, .hard_bytes = 100};
    ck_assert(!sgc_budget_charge(&budget, 51, true));
    ck_assert(sgc_budget_charge(&budget, 51, false));
    ck_assert(!sgc_budget_charge(&budget, 1, true));
    ck_assert(!sgc_budget_charge(&budget, 50, false));
}
END_TEST

START_TEST(zero_means_no_limit_and_null_no_budget)
{
    struct sgc_budget budget = {0};
    ck_assert(sgc_budget_charge(&budget, UINT64_MAX / 2, true));
    ck_assert(sgc_budget_charge(NULL, UINT64_MAX, true));
    sgc_budget_return(NULL, 1);
}
END_TEST

START_TEST(a_refused_run_is_charged_to_nobody)
{
    struct sgc_budget budget = {.soft_bytes = 2 * SGC_SLAB_BYTES, .hard_bytes = 3 * SGC_SLAB_BYTES};
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    struct sgc_slab *run = sgc_slab_run_alloc(2, SGC_RUN_SOFT, &budget, NULL);
    ck_assert_ptr_nonnull(run);
    errno = 0;
    ck_assert_ptr_null(sgc_slab_run_alloc(1, SGC_RUN_SOFT, &budget, NULL));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(sgc_slab_run_alloc(2, 0, &budget, NULL));
    struct sgc_slab *third = sgc_slab_run_alloc(1, 0, &budget, NULL);
    ck_assert_ptr_nonnull(third);
    sgc_slab_run_free(run, &budget);
    sgc_slab_run_free(third, &budget);
    ck_assert_uint_eq(budget.used_bytes, 0);
    ck_assert_uint_eq(budget.peak_bytes, 3 * SGC_SLAB_BYTES);
}
END_TEST

static void *charge_and_return(void *budget)
{
    uintptr_t n = 0;
    for (int i = 0; i < 100000; i++) {
        if (!sgc_budget_charge(budget, 1, false))
            continue;
        n++;
        sgc_budget_return(budget, 1);
    }
    return (void *)n;
}

START_TEST(threads_never_pass_the_limit_together)
{
    struct sgc_budget budget = {.hard_bytes = 1};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, charge_and_return, &budget), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(budget.used_bytes, 0);
    ck_assert_uint_eq(budget.peak_bytes, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("budget");
    TCase *tcase = tcase_create("budget");
    tcase_add_test(tcase, a_charge_that_would_pass_the_hard_limit_is_refused_whole);
    tcase_add_test(tcase, the_soft_limit_holds_for_those_who_ask_for_it);
    tcase_add_test(tcase, zero_means_no_limit_and_null_no_budget);
    tcase_add_test(tcase, a_refused_run_is_charged_to_nobody);
    tcase_add_test(tcase, threads_never_pass_the_limit_together);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
