/* tune_metric_test.c - reading objectives and constraints, and the statistics that judge. */
#include "tests/support/expect.h"
#include "tools/gcctl/tune_metric.h"
#include "tools/gcctl/tune_stats.h"

#include <errno.h>
#include <math.h>
#include <string.h>

START_TEST(objectives_are_read_in_their_order)
{
    struct tune_objectives objectives;
    char message[TUNE_MESSAGE_BYTES];
    ck_assert_int_eq(tune_objectives_parse("p99_pause, time ,peak_memory", &objectives, message), 0);
    ck_assert_uint_eq(objectives.n, 3);
    ck_assert_int_eq(objectives.metrics[0], TUNE_P99_PAUSE);
    ck_assert_int_eq(objectives.metrics[1], TUNE_TIME);
    ck_assert_int_eq(objectives.metrics[2], TUNE_PEAK_MEMORY);
}
END_TEST

START_TEST(objectives_that_are_none_are_named_with_place_and_hint)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "\"\", column 1: a metric is wanted: time, cpu, p50_pause, p99_pause, max_pause, peak_memory, peak_heap"},
        {"time,", "column 6: a metric is wanted"},
        {"time,,cpu", "column 6: a metric is wanted"},
        {"time,p99pause", "column 6: there is no metric \"p99pause\"; did you mean \"p99_pause\"?"},
        {"speed", "column 1: there is no metric \"speed\"; there are time, cpu"},
        {"time cpu", "column 6: metrics are parted by commas"},
        {"time,cpu,time", "column 10: \"time\" stands twice"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tune_objectives objectives;
        char message[TUNE_MESSAGE_BYTES] = "";
        ck_assert_int_eq(tune_objectives_parse(cases[i].text, &objectives, message), -EINVAL);
        ck_assert_msg(strstr(message, cases[i].message), "%s: %s", cases[i].text, message);
    }
}
END_TEST

START_TEST(constraints_are_limits_in_units_or_shares_of_the_defaults)
{
    struct tune_constraint constraint;
    char message[TUNE_MESSAGE_BYTES];
    ck_assert_int_eq(tune_constraint_parse("peak_memory<=512MiB", &constraint, message), 0);
    ck_assert_int_eq(constraint.metric, TUNE_PEAK_MEMORY);
    ck_assert_double_eq(constraint.at_most, 512 << 20);
    ck_assert_double_eq(constraint.share, 0);
    ck_assert_str_eq(constraint.text, "peak_memory<=512MiB");
    ck_assert_int_eq(tune_constraint_parse(" p99_pause <= 2ms", &constraint, message), 0);
    ck_assert_double_eq(constraint.at_most, 2e6);
    ck_assert_int_eq(tune_constraint_parse("time<=110%", &constraint, message), 0);
    ck_assert_double_eq_tol(constraint.share, 1.1, 1e-12);
    ck_assert(isnan(constraint.at_most));
}
END_TEST

START_TEST(constraints_that_are_none_are_named_with_place_and_hint)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"peak_memroy<=1MiB", "column 1: there is no metric \"peak_memroy\"; did you mean \"peak_memory\"?"},
        {"time", "column 5: \"<=\" and a value are wanted"},
        {"time<5s", "column 5: \"<=\" is wanted"},
        {"time=5s", "column 5: \"<=\" is wanted"},
        {"time>=5s", "column 5: only upper limits can be kept"},
        {"time<=", "column 7: a value is wanted"},
        {"time<=5MiB", "column 7: a duration is wanted, like 2ms"},
        {"peak_memory<=5ms", "column 14: a number of bytes is wanted, like 512MiB"},
        {"peak_memory<=5", "column 14: a number of bytes is wanted"},
        {"time<=abc%", "column 7: a share of the defaults' value is wanted"},
        {"time<=0%", "column 7: a share"},
        {"time<=0", "column 7: nothing can keep a limit of zero"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tune_constraint constraint;
        char message[TUNE_MESSAGE_BYTES] = "";
        ck_assert_int_eq(tune_constraint_parse(cases[i].text, &constraint, message), -EINVAL);
        ck_assert_msg(strstr(message, cases[i].message), "%s: %s", cases[i].text, message);
    }
}
END_TEST

START_TEST(nothing_is_infinitely_better_than_a_pause_of_nothing)
{
    ck_assert_double_eq(tune_log_ratio(TUNE_P99_PAUSE, 0, 0), 0);
    ck_assert_double_eq(tune_log_ratio(TUNE_P99_PAUSE, 0, 9000), 0);
    ck_assert_double_eq_tol(tune_log_ratio(TUNE_P99_PAUSE, 0, 1e6), log(0.01), 1e-12);
    ck_assert_double_eq_tol(tune_log_ratio(TUNE_TIME, 2e9, 1e9), log(2), 1e-12);
}
END_TEST

START_TEST(medians_means_and_deviations_are_right)
{
    ck_assert_double_eq(tune_median((double[]){3, 1, 2}, 3), 2);
    ck_assert_double_eq(tune_median((double[]){4, 1, 2, 3}, 4), 2.5);
    ck_assert(isnan(tune_median(NULL, 0)));
    ck_assert_double_eq(tune_mean((double[]){1, 2, 6}, 3), 3);
    ck_assert_double_eq_tol(tune_deviation((double[]){2, 4, 4, 4, 5, 5, 7, 9}, 8), 2.13809, 1e-5);
    ck_assert_double_eq(tune_deviation((double[]){2}, 1), 0);
}
END_TEST

START_TEST(a_few_outliers_do_not_make_the_noise)
{
    const double calm[] = {-0.02, -0.01, 0, 0.01, 0.02, -0.02, -0.01, 0, 0.01, 3};
    ck_assert_double_gt(tune_noise(calm, 10), 0.01);
    ck_assert_double_lt(tune_noise(calm, 10), tune_deviation(calm, 10) * 0.51);
}
END_TEST

START_TEST(students_t_is_that_of_the_tables)
{
    static const struct {
        double tail;
        size_t degrees;
        double t;
    } table[] = {{0.025, 1, 12.706}, {0.025, 2, 4.3027}, {0.05, 3, 2.3534},  {0.005, 4, 4.6041},
                 {0.025, 6, 2.4469}, {0.001, 7, 4.7853}, {0.01, 10, 2.7638}, {0.025, 30, 2.0423}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ck_assert_double_eq_tol(tune_t_critical(table[i].tail, table[i].degrees), table[i].t, 2e-3 * table[i].t);
        ck_assert_double_eq_tol(tune_t_tail(table[i].t, table[i].degrees), table[i].tail, 1e-4);
        ck_assert_double_eq_tol(tune_t_tail(-table[i].t, table[i].degrees), 1 - table[i].tail, 1e-4);
    }
    ck_assert_double_eq_tol(tune_t_tail(0, 5), 0.5, 1e-12);
}
END_TEST

START_TEST(chance_seldom_looks_like_a_gain)
{
    struct tune_random random = {support_seed("chance_seldom_looks_like_a_gain", 0)};
    size_t n = 0;
    for (int i = 0; i < 20000; i++) {
        double values[7];
        for (int k = 0; k < 7; k++)
            values[k] = tune_random_normal(&random);
        n += tune_p_below_zero(values, 7) < 0.01;
    }
    ck_assert_uint_gt(n, 120);
    ck_assert_uint_lt(n, 290); /* 200 expected, deviation 14 */
    ck_assert_double_eq(tune_p_below_zero((double[]){-1, -1}, 2), 1);
    ck_assert_double_eq(tune_p_below_zero((double[]){-1, -1, -1}, 3), 0);
    ck_assert_double_eq(tune_p_below_zero((double[]){0, 0, 0}, 3), 1);
}
END_TEST

START_TEST(rank_correlation_sees_order_and_shares_ties)
{
    const double x[] = {1, 2, 3, 4, 5}, y[] = {2, 4, 8, 16, 32}, z[] = {5, 4, 3, 2, 1}, c[] = {7, 7, 7, 7, 7};
    ck_assert_double_eq_tol(tune_rank_correlation(x, y, 5), 1, 1e-12);
    ck_assert_double_eq_tol(tune_rank_correlation(x, z, 5), -1, 1e-12);
    ck_assert_double_eq(tune_rank_correlation(x, c, 5), 0);
    ck_assert_double_eq_tol(tune_rank_correlation(x, (double[]){1, 1, 2, 2, 2}, 5), 0.866025, 1e-5);
}
END_TEST

START_TEST(explained_is_the_share_beyond_chance)
{
    struct tune_random random = {5};
    double x[200], y[200], noise[200];
    uint32_t groups[200];
    for (int i = 0; i < 200; i++) {
        x[i] = tune_random_unit(&random);
        noise[i] = tune_random_normal(&random);
        y[i] = fabs(x[i] - 0.5) * 10 + 0.1 * noise[i]; /* no order, but a shape */
    }
    const size_t n = tune_quantile_groups(x, 200, 5, groups);
    ck_assert_uint_eq(n, 5);
    ck_assert_double_gt(tune_explained(y, groups, 200, n), 0.7);
    ck_assert_double_lt(tune_explained(noise, groups, 200, n), 0.06);
    for (int i = 0; i < 200; i++)
        x[i] = i < 120 ? 1 : 2; /* equal values stay together */
    ck_assert_uint_eq(tune_quantile_groups(x, 200, 5, groups), 2);
    ck_assert_uint_ne(groups[0], groups[199]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tune_metric");
    TCase *tcase = tcase_create("tune_metric");
    tcase_add_test(tcase, objectives_are_read_in_their_order);
    tcase_add_test(tcase, objectives_that_are_none_are_named_with_place_and_hint);
    tcase_add_test(tcase, constraints_are_limits_in_units_or_shares_of_the_defaults);
    tcase_add_test(tcase, constraints_that_are_none_are_named_with_place_and_hint);
    tcase_add_test(tcase, nothing_is_infinitely_better_than_a_pause_of_nothing);
    tcase_add_test(tcase, medians_means_and_deviations_are_right);
    tcase_add_test(tcase, a_few_outliers_do_not_make_the_noise);
    tcase_add_test(tcase, students_t_is_that_of_the_tables);
    tcase_add_test(tcase, chance_seldom_looks_like_a_gain);
    tcase_add_test(tcase, rank_correlation_sees_order_and_shares_ties);
    tcase_add_test(tcase, explained_is_the_share_beyond_chance);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
