/* tune_search_test.c - the search finds what is better, and nothing where there is only noise. Programs are functions
 * with noise; the clock is what they say they cost. */
#include "tests/support/expect.h"
#include "tests/tools/gcctl/tune_fake.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUN_NS INT64_C(100000000)

struct fake {
    const struct tune_space *space;
    struct tune_random random;
    double noise;
    void (*program)(const struct tune_space *space, const struct tune_point *point, double *values);
    size_t n_runs, stop_at, abort_at;
    volatile sig_atomic_t stop;
    int64_t longest_limit_ns, shortest_limit_ns;
};

static int fake_measure(void *arg, const struct tune_point *point, bool defaults, int64_t limit_ns,
                        struct tune_measure *out)
{
    struct fake *fake = arg;
    struct tune_point base;
    tune_space_base(fake->space, &base);
    ck_assert_int_eq(defaults, tune_point_equal(fake->space, point, &base));
    if (++fake->n_runs == fake->stop_at)
        fake->stop = 1;
    if (fake->n_runs == fake->abort_at)
        return -EIO;
    for (int m = 0; m < TUNE_N_METRICS; m++)
        out->values[m] = tune_metric_is_time((enum tune_metric)m) ? 1e6 : 64 << 20;
    out->values[TUNE_TIME] = (double)RUN_NS;
    fake->program(fake->space, point, out->values);
    for (int m = 0; m < TUNE_N_METRICS; m++)
        out->values[m] *= exp(fake->noise * tune_random_normal(&fake->random));
    out->cost_ns = (int64_t)out->values[TUNE_TIME];
    if (isinf(out->values[TUNE_PEAK_HEAP])) {
        out->failed = true;
    } else if (limit_ns && out->values[TUNE_TIME] > (double)limit_ns) {
        out->timed_out = true;
        out->cost_ns = limit_ns;
    }
    return 0;
}

static double octaves(uint64_t value, uint64_t from)
{
    return log2((double)value / (double)from);
}

/* Nothing matters. */
static void indifferent(const struct tune_space *space, const struct tune_point *point, double *values)
{
    (void)space, (void)point, (void)values;
}

/* Best on "young" with a size near 128 MiB; memory grows with it. Pauses are what `growth` makes of them. */
static void hilly(const struct tune_space *space, const struct tune_point *point, double *values)
{
    if (point->strategies[0] == FAKE_COUNT) {
        values[TUNE_TIME] *= 1.3;
        return;
    }
    const double size = octaves(fake_value(space, point, "young", "size"), 128 << 20);
    values[TUNE_TIME] *= 1 + 0.02 * size * size;
    values[TUNE_PEAK_MEMORY] *= 0.6 + 0.05 * pow(2, size);
    values[TUNE_P99_PAUSE] *= pow((double)fake_value(space, point, "young", "growth") / 100, 0.3);
}

/* Another strategy is better, nothing else matters. */
static void other_strategy(const struct tune_space *space, const struct tune_point *point, double *values)
{
    (void)space;
    values[TUNE_TIME] *= point->strategies[0] == FAKE_COUNT ? 0.8 : 1;
}

/* The larger, the faster, and the more memory. */
static void greedy(const struct tune_space *space, const struct tune_point *point, double *values)
{
    const double size =
        point->strategies[0] == FAKE_YOUNG ? octaves(fake_value(space, point, "young", "size"), 8 << 20) : 0;
    values[TUNE_TIME] *= pow(0.9, size);
    values[TUNE_PEAK_MEMORY] *= pow(1.3, size);
}

/* Breaks, hangs or works by what one sets. */
static void fragile(const struct tune_space *space, const struct tune_point *point, double *values)
{
    if (point->strategies[0] == FAKE_COUNT)
        values[TUNE_PEAK_HEAP] = INFINITY;
    else if (fake_value(space, point, "young", "size") < 4 << 20)
        values[TUNE_TIME] *= 50;
    else if (fake_value(space, point, "young", "growth") > 150)
        values[TUNE_TIME] *= 0.7;
}

static struct tune_search *search_make(struct fake *fake, const char *objectives, double noise, uint64_t seed)
{
    static struct tune_space space;
    static struct tune_search search;
    char message[TUNE_MESSAGE_BYTES];
    fake_space(&space, 1, "young");
    fake->space = &space;
    fake->noise = noise;
    fake->random.state = seed * 7919 + 1;
    search = (struct tune_search){.space = &space,
                                  .budget_ns = 250 * RUN_NS,
                                  .seed = seed,
                                  .pairs = 7,
                                  .measure = fake_measure,
                                  .arg = fake,
                                  .stop = &fake->stop};
    ck_assert_int_eq(tune_objectives_parse(objectives, &search.objectives, message), 0);
    return &search;
}

static void constrain(struct tune_search *search, const char *text)
{
    char message[TUNE_MESSAGE_BYTES];
    ck_assert_int_eq(tune_constraint_parse(text, &search->constraints[search->n_constraints++], message), 0);
}

static const struct tune_eval *chosen(const struct tune_search *search)
{
    ck_assert_msg(search->chosen >= 0, "nothing was chosen: %s", search->reason);
    return &search->evals[search->finals[search->chosen].eval];
}

START_TEST(the_optimum_region_is_found)
{
    unsigned found = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fake fake = {.program = hilly};
        struct tune_search *search = search_make(&fake, "time", 0.02, seed);
        ck_assert_int_eq(tune_search_run(search), 0);
        ck_assert_int_le(search->spent_ns, search->budget_ns * 21 / 20);
        if (search->chosen >= 0) {
            const struct tune_eval *eval = chosen(search);
            const double size = octaves(fake_value(search->space, &eval->point, "young", "size"), 128 << 20);
            found += eval->point.strategies[0] == FAKE_YOUNG && fabs(size) <= 1.5;
        }
        tune_search_fini(search);
    }
    ck_assert_uint_ge(found, 18);
}
END_TEST

START_TEST(several_objectives_are_met_at_once)
{
    struct fake fake = {.program = hilly};
    struct tune_search *search = search_make(&fake, "time,p99_pause,peak_memory", 0.02, 3);
    constrain(search, "peak_memory<=110%");
    ck_assert_int_eq(tune_search_run(search), 0);
    const struct tune_final *final = &search->finals[search->chosen];
    ck_assert_double_lt(search->evals[final->eval].ratios[TUNE_P99_PAUSE], log(0.8));
    ck_assert_double_lt(final->score, 0.9);
    for (size_t j = 0; j < 3; j++)
        ck_assert_double_le(final->objectives[j].median, 1.1);
    tune_search_fini(search);
}
END_TEST

START_TEST(pure_noise_keeps_the_defaults)
{
    static const char *const objectives[] = {"time", "time,p99_pause,peak_memory"};
    for (size_t o = 0; o < 2; o++) {
        unsigned kept = 0;
        for (uint64_t seed = 1; seed <= 100; seed++) {
            struct fake fake = {.program = indifferent};
            struct tune_search *search = search_make(&fake, objectives[o], 0.05, seed);
            search->budget_ns = (seed % 2 ? 60 : 200) * RUN_NS;
            ck_assert_int_eq(tune_search_run(search), 0);
            kept += search->chosen < 0;
            tune_search_fini(search);
        }
        printf("kept the defaults in %u of 100 (%s)\n", kept, objectives[o]);
        ck_assert_uint_ge(kept, 95);
    }
}
END_TEST

START_TEST(what_does_not_matter_stays_at_the_defaults)
{
    unsigned simple = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct fake fake = {.program = other_strategy};
        struct tune_search *search = search_make(&fake, "time", 0.01, seed);
        ck_assert_int_eq(tune_search_run(search), 0);
        const struct tune_eval *eval = chosen(search);
        ck_assert_int_eq(eval->point.strategies[0], FAKE_COUNT);
        simple += eval->n_changed <= 1;
        tune_search_fini(search);
    }
    ck_assert_uint_ge(simple, 9);
}
END_TEST

START_TEST(constraints_are_kept)
{
    struct fake fake = {.program = greedy};
    struct tune_search *search = search_make(&fake, "time", 0.01, 5);
    constrain(search, "peak_memory<=100MiB"); /* 1.56 times: 1.7 octaves */
    ck_assert_int_eq(tune_search_run(search), 0);
    const struct tune_eval *eval = chosen(search);
    ck_assert_double_le(eval->values[TUNE_PEAK_MEMORY], 100 << 20);
    ck_assert_double_lt(eval->ratios[TUNE_TIME], log(0.92));
    for (size_t i = 0; i < search->n_evals; i++)
        ck_assert(!search->evals[i].pareto || search->evals[i].values[TUNE_PEAK_MEMORY] <= 100 << 20);
    tune_search_fini(search);
}
END_TEST

START_TEST(defaults_that_break_a_constraint_are_left_for_what_keeps_it)
{
    struct fake fake = {.program = greedy};
    struct tune_search *search = search_make(&fake, "time", 0.01, 5);
    constrain(search, "peak_memory<=50MiB");
    ck_assert_int_eq(tune_search_run(search), 0);
    ck_assert_double_le(chosen(search)->values[TUNE_PEAK_MEMORY], 50 << 20);
    ck_assert_ptr_nonnull(strstr(search->reason, "meets the constraints"));
    tune_search_fini(search);
    fake = (struct fake){.program = greedy};
    search = search_make(&fake, "time", 0.01, 5);
    constrain(search, "peak_memory<=1MiB");
    ck_assert_int_eq(tune_search_run(search), 0);
    ck_assert_int_eq(search->chosen, -1);
    ck_assert_ptr_nonnull(strstr(search->reason, "nothing that was tried does"));
    tune_search_fini(search);
}
END_TEST

START_TEST(runs_that_fail_or_hang_lose)
{
    struct fake fake = {.program = fragile};
    struct tune_search *search = search_make(&fake, "time", 0.01, 11);
    ck_assert_int_eq(tune_search_run(search), 0);
    size_t timed_out = 0, failed = 0;
    for (size_t i = 0; i < search->n_evals; i++)
        for (size_t r = 0; r < search->evals[i].n_runs; r++) {
            timed_out += search->evals[i].runs[r].timed_out;
            failed += search->evals[i].runs[r].failed;
        }
    ck_assert_uint_gt(timed_out, 0);
    ck_assert_uint_gt(failed, 0);
    ck_assert_uint_gt(fake_value(search->space, &chosen(search)->point, "young", "growth"), 150);
    tune_search_fini(search);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_search)
{
    struct tune_point points[2];
    size_t runs[2], evals[2];
    for (int i = 0; i < 2; i++) {
        struct fake fake = {.program = hilly};
        struct tune_search *search = search_make(&fake, "time,peak_memory", 0.02, 99);
        ck_assert_int_eq(tune_search_run(search), 0);
        points[i] = search->evals[search->n_evals - 1].point;
        runs[i] = search->n_runs;
        evals[i] = search->n_evals;
        tune_search_fini(search);
    }
    ck_assert_uint_eq(runs[0], runs[1]);
    ck_assert_uint_eq(evals[0], evals[1]);
    ck_assert_mem_eq(&points[0], &points[1], sizeof(points[0]));
}
END_TEST

START_TEST(interrupted_it_measures_the_best_again_and_ends)
{
    struct fake fake = {.program = hilly, .stop_at = 60};
    struct tune_search *search = search_make(&fake, "time", 0.005, 1);
    ck_assert_int_eq(tune_search_run(search), 0);
    ck_assert_int_eq(search->end, TUNE_END_INTERRUPTED);
    ck_assert_uint_le(fake.n_runs, 60 + 6);
    ck_assert_double_lt(chosen(search)->ratios[TUNE_TIME], log(0.95));
    tune_search_fini(search);
}
END_TEST

START_TEST(ended_by_the_measuring_it_keeps_the_defaults)
{
    for (size_t at = 2; at < 100; at += 9) {
        struct fake fake = {.program = hilly, .abort_at = at};
        struct tune_search *search = search_make(&fake, "time,peak_memory", 0.005, 1);
        ck_assert_int_eq(tune_search_run(search), 0);
        ck_assert_int_eq(search->chosen, -1);
        ck_assert_uint_eq(fake.n_runs, at);
        ck_assert_ptr_nonnull(strstr(search->reason, "before anything could be measured again"));
        tune_search_fini(search);
    }
}
END_TEST

START_TEST(a_budget_of_a_few_runs_is_refused)
{
    struct fake fake = {.program = hilly};
    struct tune_search *search = search_make(&fake, "time", 0.01, 1);
    search->budget_ns = 5 * RUN_NS;
    ck_assert_int_eq(tune_search_run(search), -ETIME);
    ck_assert_uint_eq(fake.n_runs, 1);
    tune_search_fini(search);
}
END_TEST

/* "count" has no pauses and takes twice the time. */
static void dear(const struct tune_space *space, const struct tune_point *point, double *values)
{
    (void)space;
    if (point->strategies[0] == FAKE_COUNT) {
        values[TUNE_TIME] *= 2;
        values[TUNE_P99_PAUSE] = 0;
    }
}

START_TEST(what_costs_too_much_elsewhere_is_shown_but_not_chosen)
{
    struct fake fake = {.program = dear};
    struct tune_search *search = search_make(&fake, "time,p99_pause", 0.02, 8);
    bool shown = false;
    ck_assert_int_eq(tune_search_run(search), 0);
    ck_assert_int_eq(search->chosen, -1);
    ck_assert_ptr_nonnull(strstr(search->reason, "loses too much"));
    for (size_t i = 0; i < search->n_finals; i++)
        shown |= search->finals[i].objectives[1].verdict == TUNE_BETTER;
    ck_assert(shown);
    tune_search_fini(search);
}
END_TEST

START_TEST(a_constraint_says_what_may_be_lost)
{
    struct fake fake = {.program = dear};
    struct tune_search *search = search_make(&fake, "time,p99_pause", 0.02, 8);
    constrain(search, "time<=220%");
    ck_assert_int_eq(tune_search_run(search), 0);
    ck_assert_int_eq(chosen(search)->point.strategies[0], FAKE_COUNT);
    tune_search_fini(search);
}
END_TEST

START_TEST(no_point_of_the_pareto_set_is_beaten_in_everything)
{
    struct fake fake = {.program = greedy};
    struct tune_search *search = search_make(&fake, "time,peak_memory", 0.01, 4);
    size_t n = 0;
    ck_assert_int_eq(tune_search_run(search), 0);
    for (size_t i = 0; i < search->n_evals; i++) {
        n += search->evals[i].pareto;
        for (size_t k = 0; k < search->n_evals; k++)
            if (search->evals[i].pareto && search->evals[k].n_good >= 2 && search->evals[k].violation <= 0)
                ck_assert(!tune_dominates(&search->objectives, search->evals[k].ratios, search->evals[i].ratios));
    }
    ck_assert_uint_ge(n, 2); /* time is bought with memory */
    tune_search_fini(search);
}
END_TEST

START_TEST(dominating_is_better_in_one_and_worse_in_none)
{
    const struct tune_objectives two = {{TUNE_TIME, TUNE_PEAK_MEMORY}, 2};
    double a[TUNE_N_METRICS] = {0}, b[TUNE_N_METRICS] = {0};
    ck_assert(!tune_dominates(&two, a, b));
    a[TUNE_TIME] = -1;
    ck_assert(tune_dominates(&two, a, b));
    ck_assert(!tune_dominates(&two, b, a));
    a[TUNE_PEAK_MEMORY] = 1;
    ck_assert(!tune_dominates(&two, a, b));
    a[TUNE_PEAK_MEMORY] = 0;
    a[TUNE_CPU] = 9; /* no objective */
    ck_assert(tune_dominates(&two, a, b));
    a[TUNE_TIME] = NAN;
    ck_assert(!tune_dominates(&two, a, b));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tune_search");
    TCase *tcase = tcase_create("tune_search");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, the_optimum_region_is_found);
    tcase_add_test(tcase, several_objectives_are_met_at_once);
    tcase_add_test(tcase, pure_noise_keeps_the_defaults);
    tcase_add_test(tcase, what_does_not_matter_stays_at_the_defaults);
    tcase_add_test(tcase, constraints_are_kept);
    tcase_add_test(tcase, defaults_that_break_a_constraint_are_left_for_what_keeps_it);
    tcase_add_test(tcase, runs_that_fail_or_hang_lose);
    tcase_add_test(tcase, the_same_seed_gives_the_same_search);
    tcase_add_test(tcase, interrupted_it_measures_the_best_again_and_ends);
    tcase_add_test(tcase, ended_by_the_measuring_it_keeps_the_defaults);
    tcase_add_test(tcase, a_budget_of_a_few_runs_is_refused);
    tcase_add_test(tcase, what_costs_too_much_elsewhere_is_shown_but_not_chosen);
    tcase_add_test(tcase, a_constraint_says_what_may_be_lost);
    tcase_add_test(tcase, no_point_of_the_pareto_set_is_beaten_in_everything);
    tcase_add_test(tcase, dominating_is_better_in_one_and_worse_in_none);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
