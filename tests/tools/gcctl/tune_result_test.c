/* tune_result_test.c - what a tune leaves: a config that core accepts, a result of the shape of TUNE-RESULT.md. The
 * strategies are the real ones, the program is a function. */
#include "tests/support/expect.h"
#include "tests/support/scratch.h"
#include "tools/gcctl/layout.h"
#include "tools/gcctl/tune_result.h"

#include <slabgc/config.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define RUN_NS 100000000.0

static struct tune_random chance;
static bool flat; /* nothing matters */

/* Larger young_size is faster; every other parameter does a little. */
static int measure(void *arg, const struct tune_point *point, bool defaults, int64_t limit_ns, struct tune_measure *out)
{
    const struct tune_context *tune = arg;
    const struct tune_space *space = &tune->space;
    double speed = 0;
    (void)defaults, (void)limit_ns;
    for (size_t p = 0; p < space->n_params && !flat; p++)
        if (tune_param_active(space, point, p))
            speed += (strcmp(space->params[p].declared->key, "young_size") ? 0.2 : 1) *
                     (tune_param_unit(&space->params[p], point->values[p]) -
                      tune_param_unit(&space->params[p], space->params[p].base));
    for (int m = 0; m < TUNE_N_METRICS; m++)
        out->values[m] = RUN_NS * exp(0.002 * tune_random_normal(&chance) - speed);
    out->cost_ns = (int64_t)out->values[TUNE_TIME];
    return 0;
}

static char *const odd_program[] = {"./pro\ngram", "--name=\xff\xfe; [heap]\r\n", "#", NULL};

/* A tune of a program with two heaps. */
static struct tune_context *make(const char *objectives)
{
    static struct tune_context tune;
    static const struct gcctl_call call;
    char message[TUNE_MESSAGE_BYTES];
    gcctl_layout_plugins();
    chance.state = 1;
    tune = (struct tune_context){.call = &call, .program = odd_program, .date = 1770000000, .n_heaps = 2};
    tune.heaps[0] = (struct gcctl_heap_found){"words", "generational", SGC_NEED_REFERENCES | SGC_NEED_CYCLES};
    tune.heaps[1] = (struct gcctl_heap_found){"names", "refcount", SGC_NEED_REFERENCES};
    ck_assert_int_eq(gcctl_strategies_load(&tune.strategies, NULL), 0);
    ck_assert_ptr_nonnull(gcctl_strategies_find(&tune.strategies, "generational"));
    ck_assert_ptr_nonnull(gcctl_strategies_find(&tune.strategies, "refcount"));
    ck_assert_int_eq(tune_space_init(&tune.space, &tune.strategies, NULL, tune.heaps, 2, UINT64_C(8) << 30), 0);
    tune.search = (struct tune_search){.space = &tune.space,
                                       .budget_ns = (int64_t)(150 * RUN_NS),
                                       .seed = 4,
                                       .pairs = 5,
                                       .measure = measure,
                                       .arg = &tune};
    ck_assert_int_eq(tune_objectives_parse(objectives, &tune.search.objectives, message), 0);
    ck_assert_int_eq(tune_constraint_parse("peak_memory<=8GiB", &tune.search.constraints[0], message), 0);
    tune.search.n_constraints = 1;
    ck_assert_int_eq(tune_search_run(&tune.search), 0);
    tune.config = tune_config_text(&tune);
    return &tune;
}

static void unmake(struct tune_context *tune)
{
    free(tune->config);
    tune_search_fini(&tune->search);
}

START_TEST(the_written_config_is_accepted_and_says_why)
{
    char directory[SUPPORT_PATH_BYTES], path[SUPPORT_PATH_BYTES];
    struct sgc_error error = {0};
    struct tune_context *tune = make("time,cpu");
    ck_assert_ptr_nonnull(tune->config);
    support_scratch_create(directory);
    support_scratch_path(path, directory, "best.conf");
    ck_assert_int_eq(tune_write_file(path, tune->config, true), 0);
    ck_assert_msg(sgc_config_check(path, &error) == 0, "%s", error.message);
    ck_assert_ptr_nonnull(strstr(tune->config, "2026-02-02 02:40 UTC"));
    ck_assert_ptr_nonnull(strstr(tune->config, "[heap.words]\nstrategy = "));
    ck_assert_ptr_nonnull(strstr(tune->config, "[heap.names]\nstrategy = "));
    ck_assert_ptr_nonnull(strstr(tune->config, " # was "));
    ck_assert_ptr_nonnull(strstr(tune->config, "seed 4"));
    ck_assert_ptr_nonnull(strstr(tune->config, "better"));
    for (const char *at = tune->config; *at; at++)
        ck_assert(*at == '\n' || (*at >= ' ' && *at <= '~'));
    support_scratch_destroy(directory);
    unmake(tune);
}
END_TEST

START_TEST(a_refused_config_leaves_the_file_as_it_was)
{
    char directory[SUPPORT_PATH_BYTES], path[SUPPORT_PATH_BYTES], content[64] = "";
    gcctl_layout_plugins();
    support_scratch_create(directory);
    support_scratch_file(path, directory, "best.conf", "# mine\n", 0644);
    ck_assert_int_eq(tune_write_file(path, "[heap]\nstrategy = nobody\n", true), EX_SOFTWARE);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(fgets(content, sizeof(content), file));
    fclose(file);
    ck_assert_str_eq(content, "# mine\n");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(directory), 0); /* nothing else was left there */
    ck_assert_int_eq(tune_write_file("/nowhere/best.conf", "", false), EX_CANTCREAT);
}
END_TEST

START_TEST(without_a_gain_there_is_no_config)
{
    flat = true;
    struct tune_context *tune = make("time");
    ck_assert_int_eq(tune->search.chosen, -1);
    ck_assert_ptr_null(tune->config);
    json_t *result = tune_result_json(tune);
    ck_assert(json_is_true(json_object_get(json_object_get(result, "choice"), "keep_defaults")));
    ck_assert(json_is_null(json_object_get(json_object_get(result, "choice"), "point")));
    ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(result, "config"), "diff")), 0);
    ck_assert(json_is_null(json_object_get(json_object_get(result, "config"), "text")));
    json_decref(result);
    unmake(tune);
}
END_TEST

/* An array's member `key` of the item whose `id` or `point` is this. */
static json_t *point_of(json_t *points, json_int_t id)
{
    size_t i;
    json_t *point;
    json_array_foreach (points, i, point)
        if (json_integer_value(json_object_get(point, "id")) == id)
            return point;
    ck_abort_msg("no point %lld", (long long)id);
    return NULL;
}

START_TEST(the_result_has_the_shape_of_its_description)
{
    struct tune_context *tune = make("time,peak_memory");
    json_t *result = tune_result_json(tune);
    ck_assert_ptr_nonnull(result);
    static const char *const members[] = {
        "tune",       "slabgc",   "date",   "seed",       "program",     "recording",   "budget_ns",
        "used_ns",    "runs",     "ended",  "objectives", "constraints", "heaps",       "left_out",
        "parameters", "baseline", "points", "finalists",  "choice",      "sensitivity", "config"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        ck_assert_msg(json_object_get(result, members[i]) != NULL, "%s", members[i]);
    json_t *points = json_object_get(result, "points"), *choice = json_object_get(result, "choice");
    ck_assert_uint_eq(json_array_size(points), tune->search.n_evals);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(points, 0), "origin")), "defaults");
    json_t *chosen = point_of(points, json_integer_value(json_object_get(choice, "point")));
    ck_assert(json_is_true(json_object_get(chosen, "finalist")));
    ck_assert_double_lt(json_real_value(json_object_get(json_object_get(chosen, "ratio"), "time")), 1);
    ck_assert_uint_gt(json_array_size(json_object_get(chosen, "changed")), 0);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(result, "config"), "text")), tune->config);
    ck_assert_uint_gt(json_array_size(json_object_get(json_object_get(result, "config"), "diff")), 0);
    json_int_t runs = 0;
    size_t i;
    json_t *point, *finalist;
    json_array_foreach (points, i, point)
        runs += (json_int_t)json_array_size(json_object_get(point, "runs"));
    ck_assert_int_eq(runs, json_integer_value(json_object_get(result, "runs")));
    json_array_foreach (json_object_get(result, "finalists"), i, finalist) {
        ck_assert_int_ge(json_integer_value(json_object_get(finalist, "pairs")), 4);
        ck_assert_ptr_nonnull(json_object_get(json_object_get(json_object_get(finalist, "ratio"), "time"), "verdict"));
    }
    char *text = json_dumps(result, 0); /* what came from the program is text that JSON takes */
    ck_assert_ptr_nonnull(text);
    free(text);
    json_decref(result);
    unmake(tune);
}
END_TEST

START_TEST(what_matters_most_is_said_to)
{
    struct tune_context *tune = make("time");
    struct tune_sensitivity *all;
    const size_t n = tune_sensitivities(&tune->search, &all);
    const char *most = "";
    double most_explained = 0;
    for (size_t i = 0; i < n; i++)
        if (all[i].param >= 0 && all[i].explained > most_explained) {
            most_explained = all[i].explained;
            most = tune->space.params[all[i].param].declared->key;
        }
    ck_assert_str_eq(most, "young_size");
    ck_assert_double_gt(most_explained, 0.3);
    free(all);
    unmake(tune);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tune_result");
    TCase *tcase = tcase_create("tune_result");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_written_config_is_accepted_and_says_why);
    tcase_add_test(tcase, a_refused_config_leaves_the_file_as_it_was);
    tcase_add_test(tcase, without_a_gain_there_is_no_config);
    tcase_add_test(tcase, the_result_has_the_shape_of_its_description);
    tcase_add_test(tcase, what_matters_most_is_said_to);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
