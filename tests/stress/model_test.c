/* Model test, exact: one thread's random program against the oracle of model.h, on every strategy. After every settling
 * collection the live set, all fields, weak handles and finalizer runs are the oracle's. */
#include "tests/stress/common.h"
#include "tests/stress/model.h"

#include <stdio.h>

#define N_STEPS 40000
#define N_BETWEEN 2500 /* steps between two comparisons */

struct plan {
    bool finalizers, ephemerons, switches;
    unsigned collect_every;
    unsigned n_steps;
};

static void switch_heap(struct model *model)
{
    struct sgc_error error = {0};
    const char *to = stress_strategies[random_below(&model->random, (uint64_t)n_stress_strategies)];
    ck_assert_msg(sgc_heap_switch(model->heap, to, &error) == 0, "%s", error.message);
    ck_assert_str_eq(sgc_heap_strategy(model->heap), to);
}

static uint64_t count_live(struct sgc_heap *heap)
{
    struct sgc_stats stats;
    sgc_heap_stats(heap, &stats);
    return stats.n_live;
}

/* Each round finalizes what the objects saved in the round before referred to. */
static void end_model(struct model *model)
{
    struct sgc_stats stats;
    do {
        model_clear(model);
        model_settle(model->heap, &model, 1);
        model_compare(model->heap, &model, 1, NULL, NULL);
    } while (count_live(model->heap) > 0);
    sgc_heap_stats(model->heap, &stats);
    ck_assert_uint_eq(stats.n_allocated, stats.n_reclaimed);
}

static void run_plan(const char *name, const char *strategy, const struct plan *plan)
{
    struct model_caches caches;
    printf("%s on %s, ", name, strategy);
    uint64_t seed = support_seed(name, 4711);
    struct sgc_heap *heap = stress_open(strategy, STRESS_NEEDS);
    ck_assert(model_caches_create(heap, &caches));
    struct model *model = model_create(heap, &caches, 0, seed);
    model->finalizers = plan->finalizers;
    model->ephemerons = plan->ephemerons;
    model->collect_every = plan->collect_every;
    for (unsigned step = 1; step <= plan->n_steps; step++) {
        model_step(model);
        if (step % N_BETWEEN == 0) {
            model_settle(heap, &model, 1);
            model_compare(heap, &model, 1, NULL, NULL);
            if (plan->switches)
                switch_heap(model);
        }
    }
    end_model(model);
    model_destroy(model);
    stress_close(heap);
}

START_TEST(random_program_with_finalizers_matches_the_oracle)
{
    struct plan plan = {.finalizers = true, .n_steps = stress_scale(N_STEPS)};
    run_plan("finalizers", stress_strategies[_i], &plan);
}
END_TEST

START_TEST(random_program_with_ephemerons_matches_the_oracle)
{
    struct plan plan = {.ephemerons = true, .n_steps = stress_scale(N_STEPS)};
    run_plan("ephemerons", stress_strategies[_i], &plan);
}
END_TEST

START_TEST(random_program_matches_the_oracle_across_switches)
{
    struct plan plan = {.finalizers = true, .switches = true, .n_steps = stress_scale(N_STEPS)};
    run_plan("switches", stress_strategies[_i], &plan);
    plan = (struct plan){.ephemerons = true, .switches = true, .n_steps = stress_scale(N_STEPS)};
    run_plan("switches and ephemerons", stress_strategies[_i], &plan);
}
END_TEST

/* Collector stress mode: a collection and a verification at every allocation. */
START_TEST(random_program_survives_a_collection_at_every_allocation)
{
    struct plan plan = {.finalizers = true, .collect_every = 1, .n_steps = stress_scale(8000)};
    run_plan("collect always", stress_strategies[_i], &plan);
    plan = (struct plan){.ephemerons = true, .collect_every = 3, .n_steps = stress_scale(12000)};
    run_plan("collect often", stress_strategies[_i], &plan);
}
END_TEST

/* Redzones, poison and tracking on: what is used after its end, or written beyond it, is seen at once. */
START_TEST(random_program_is_clean_under_debug)
{
    ck_assert_int_eq(setenv("SLABGC", "cache.*.debug=redzone,poison,track", 1), 0);
    struct plan plan = {.finalizers = true, .n_steps = stress_scale(N_STEPS / 2)};
    run_plan("debug, finalizers", stress_strategies[_i], &plan);
    plan = (struct plan){.ephemerons = true, .n_steps = stress_scale(N_STEPS / 2)};
    run_plan("debug, ephemerons", stress_strategies[_i], &plan);
}
END_TEST

int main(void)
{
    stress_init();
    Suite *suite = suite_create("stress/model");
    TCase *tcase = tcase_create("model");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, random_program_with_finalizers_matches_the_oracle, 0, n_stress_strategies);
    tcase_add_loop_test(tcase, random_program_with_ephemerons_matches_the_oracle, 0, n_stress_strategies);
    tcase_add_loop_test(tcase, random_program_matches_the_oracle_across_switches, 0, n_stress_strategies);
    tcase_add_loop_test(tcase, random_program_survives_a_collection_at_every_allocation, 0, n_stress_strategies);
    tcase_add_loop_test(tcase, random_program_is_clean_under_debug, 0, n_stress_strategies);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
