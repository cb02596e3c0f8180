/* tune_space_test.c - what tune may choose: scales, bounds, rounding, choices of strategies, settings. */
#include "tests/support/expect.h"
#include "tests/tools/gcctl/tune_fake.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

START_TEST(only_strategies_that_have_what_a_heap_needs_are_tried)
{
    struct tune_space space;
    fake_space(&space, 1, "young");
    ck_assert_uint_eq(space.heaps[0].n_allowed, 2);
    ck_assert_int_eq(space.heaps[0].allowed[0], FAKE_YOUNG);
    ck_assert_int_eq(space.heaps[0].allowed[1], FAKE_COUNT);
    ck_assert_uint_eq(space.n_params, 7);
}
END_TEST

START_TEST(a_list_of_strategies_narrows_the_choice)
{
    struct tune_space space;
    const struct gcctl_heap_found heap = {"h", "young", SGC_NEED_CYCLES};
    ck_assert_int_eq(tune_space_init(&space, &fake_strategies, "count", &heap, 1, 0), 0);
    ck_assert_uint_eq(space.heaps[0].n_allowed, 1);
    ck_assert_int_eq(space.heaps[0].base, FAKE_YOUNG);
    ck_assert_uint_eq(space.n_params, 4);
    ck_assert_int_eq(tune_space_init(&space, &fake_strategies, "plain", &heap, 1, 0), EX_USAGE);
    ck_assert_int_eq(tune_space_init(&space, &fake_strategies, "cuont", &heap, 1, 0), EX_USAGE);
}
END_TEST

START_TEST(every_place_of_a_scale_is_a_valid_value_and_order_is_kept)
{
    struct tune_space space;
    fake_space(&space, 1, "young");
    for (size_t p = 0; p < space.n_params; p++) {
        const struct tune_param *param = &space.params[p];
        uint64_t last = 0;
        for (double unit = 0; unit < 1; unit += 0.001) {
            const uint64_t value = tune_param_value(param, unit);
            ck_assert_uint_ge(value, param->declared->minimum);
            ck_assert_uint_le(value, param->declared->maximum);
            ck_assert_uint_ge(value, last);
            last = value;
            const double back = tune_param_unit(param, value);
            ck_assert(back >= 0 && back < 1);
            ck_assert_uint_eq(tune_param_value(param, back), value);
        }
        ck_assert_uint_eq(tune_param_value(param, tune_param_unit(param, param->base)), param->base);
    }
}
END_TEST

START_TEST(scales_reach_far_from_the_default_but_not_to_absurd_bounds)
{
    struct tune_space space;
    fake_space(&space, 1, "young");
    const struct tune_param *size = &space.params[fake_param(&space, "young", "size")];
    ck_assert_uint_eq(size->minimum, 64 << 10);          /* declared */
    ck_assert_uint_eq(size->maximum, UINT64_C(2) << 30); /* 256 times the default */
    const struct tune_param *budget = &space.params[fake_param(&space, "count", "budget")];
    ck_assert(budget->zero);
    ck_assert_uint_eq(tune_param_value(budget, 0), 0);
    ck_assert_uint_ge(tune_param_value(budget, 0.11), 64 << 10);
    const struct tune_param *share = &space.params[fake_param(&space, "count", "share")];
    ck_assert_int_eq(share->scale, TUNE_LINEAR);
    ck_assert_uint_eq(tune_param_value(share, 0.25), 25);
    const struct tune_param *eager = &space.params[fake_param(&space, "young", "eager")];
    ck_assert_uint_eq(tune_param_value(eager, 0.49), 0);
    ck_assert_uint_eq(tune_param_value(eager, 0.51), 1);
}
END_TEST

START_TEST(values_are_what_one_would_write_by_hand)
{
    struct tune_space space;
    char text[TUNE_VALUE_BYTES];
    fake_space(&space, 1, "young");
    for (double unit = 0; unit < 1; unit += 0.003) {
        const struct tune_param *size = &space.params[fake_param(&space, "young", "size")];
        ck_assert_uint_le(strlen(tune_value_text(SGC_PARAM_BYTES, tune_param_value(size, unit), text)), 7);
        const struct tune_param *wait = &space.params[fake_param(&space, "count", "wait")];
        ck_assert_uint_le(strlen(tune_value_text(SGC_PARAM_DURATION_NS, tune_param_value(wait, unit), text)), 6);
    }
}
END_TEST

START_TEST(values_are_read_as_they_are_written)
{
    static const struct {
        enum sgc_param_type type;
        uint64_t value;
        const char *text;
    } cases[] = {
        {SGC_PARAM_BYTES, 0, "0"},
        {SGC_PARAM_BYTES, 5 << 20, "5MiB"},
        {SGC_PARAM_BYTES, 1025, "1025B"},
        {SGC_PARAM_DURATION_NS, 1500000, "1500us"},
        {SGC_PARAM_COUNT, 4096, "4096"},
        {SGC_PARAM_PERCENT, 150, "150%"},
        {SGC_PARAM_BOOL, 1, "on"},
        {SGC_PARAM_BOOL, 0, "off"},
        {SGC_PARAM_DURATION_NS, 2000000000, "2s"},
    };
    char text[TUNE_VALUE_BYTES];
    uint64_t value;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_str_eq(tune_value_text(cases[i].type, cases[i].value, text), cases[i].text);
        ck_assert(tune_value_parse(cases[i].type, text, &value));
        ck_assert_uint_eq(value, cases[i].value);
    }
    ck_assert(tune_value_parse(SGC_PARAM_COUNT, "1_000", &value));
    ck_assert_uint_eq(value, 1000);
    ck_assert(!tune_value_parse(SGC_PARAM_COUNT, "10k", &value));
    ck_assert(!tune_value_parse(SGC_PARAM_BOOL, "maybe", &value));
    ck_assert(!tune_value_parse(SGC_PARAM_PERCENT, "10", &value));
}
END_TEST

START_TEST(the_search_starts_at_the_programs_own_values)
{
    struct tune_space space;
    struct tune_point base;
    fake_space(&space, 1, "young");
    tune_space_set_base(&space, "young", "size", "4GiB"); /* beyond the scale: it grows */
    tune_space_set_base(&space, "young", "nothing", "1");
    tune_space_set_base(&space, "nobody", "size", "1B");
    tune_space_base(&space, &base);
    ck_assert_uint_eq(fake_value(&space, &base, "young", "size"), UINT64_C(4) << 30);
    const struct tune_param *size = &space.params[fake_param(&space, "young", "size")];
    ck_assert_uint_eq(tune_param_value(size, tune_param_unit(size, size->base)), size->base);
}
END_TEST

START_TEST(settings_are_what_differs_from_the_programs_config)
{
    struct tune_space space;
    struct tune_point point;
    static struct tune_settings settings;
    fake_space(&space, 2, "young");
    tune_space_base(&space, &point);
    tune_point_settings(&space, &point, &settings);
    ck_assert_uint_eq(settings.n, 0);
    ck_assert_ptr_null(settings.list[0]);
    point.strategies[1] = FAKE_COUNT;
    point.values[fake_param(&space, "count", "wait")] = 2000000;
    point.values[fake_param(&space, "young", "growth")] = 200;
    tune_point_settings(&space, &point, &settings);
    ck_assert_uint_eq(settings.n, 3);
    ck_assert_str_eq(settings.list[0], "heap.heap1.strategy=count");
    ck_assert_str_eq(settings.list[1], "strategy.young.growth=200%");
    ck_assert_str_eq(settings.list[2], "strategy.count.wait=2ms");
    ck_assert_ptr_null(settings.list[3]);
    point.strategies[0] = FAKE_COUNT; /* now nobody has the other strategy */
    tune_point_clean(&space, &point);
    tune_point_settings(&space, &point, &settings);
    ck_assert_uint_eq(settings.n, 3);
    ck_assert_str_eq(settings.list[2], "strategy.count.wait=2ms");
}
END_TEST

START_TEST(choices_of_strategies_are_all_alike_and_one_changed)
{
    struct tune_space space;
    struct tune_point arms[TUNE_MAX_ARMS];
    fake_space(&space, 1, "young");
    ck_assert_uint_eq(tune_space_arms(&space, arms), 2);
    fake_space(&space, 2, "young");
    ck_assert_uint_eq(tune_space_arms(&space, arms), 4);
    ck_assert_int_eq(arms[0].strategies[0], FAKE_YOUNG);
    ck_assert_int_eq(arms[1].strategies[0], FAKE_COUNT);
    ck_assert_int_eq(arms[1].strategies[1], FAKE_COUNT);
    fake_space(&space, GCCTL_MAX_HEAPS, "young");
    ck_assert_uint_eq(tune_space_arms(&space, arms), TUNE_MAX_ARMS);
}
END_TEST

START_TEST(new_points_are_valid_for_any_chance)
{
    static struct tune_space space;
    struct tune_search search = {.space = &space, .objectives = {{TUNE_TIME}, 1}};
    struct tune_point base, arms[TUNE_MAX_ARMS], point;
    uint32_t *strata;
    fake_space(&space, 2, "count");
    search.random.state = support_seed("new_points_are_valid_for_any_chance", 0);
    tune_space_base(&space, &base);
    const size_t first = tune_find_or_add(&search, &base, TUNE_DEFAULTS), n_arms = tune_space_arms(&space, arms);
    search.evals[first].runs = calloc(1, sizeof(struct tune_run));
    search.evals[first].n_runs = 1;
    tune_update(&search, &search.evals[first]);
    ck_assert(tune_propose_strata(&search, 50, &strata));
    for (size_t i = 0; i < 500; i++) {
        if (i < 50)
            tune_propose_sample(&search, &arms[i % n_arms], i, 50, strata, &point);
        else
            ck_assert(tune_propose_child(&search, 0, 0.25, &point));
        for (size_t h = 0; h < 2; h++)
            ck_assert(point.strategies[h] == FAKE_YOUNG || point.strategies[h] == FAKE_COUNT);
        for (size_t p = 0; p < space.n_params; p++) {
            ck_assert_uint_ge(point.values[p], space.params[p].declared->minimum);
            ck_assert_uint_le(point.values[p], space.params[p].declared->maximum);
            if (!tune_param_active(&space, &point, p))
                ck_assert_uint_eq(point.values[p], space.params[p].base);
        }
    }
    free(strata);
    tune_search_fini(&search);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tune_space");
    TCase *tcase = tcase_create("tune_space");
    tcase_add_test(tcase, only_strategies_that_have_what_a_heap_needs_are_tried);
    tcase_add_test(tcase, a_list_of_strategies_narrows_the_choice);
    tcase_add_test(tcase, every_place_of_a_scale_is_a_valid_value_and_order_is_kept);
    tcase_add_test(tcase, scales_reach_far_from_the_default_but_not_to_absurd_bounds);
    tcase_add_test(tcase, values_are_what_one_would_write_by_hand);
    tcase_add_test(tcase, values_are_read_as_they_are_written);
    tcase_add_test(tcase, the_search_starts_at_the_programs_own_values);
    tcase_add_test(tcase, settings_are_what_differs_from_the_programs_config);
    tcase_add_test(tcase, choices_of_strategies_are_all_alike_and_one_changed);
    tcase_add_test(tcase, new_points_are_valid_for_any_chance);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
