/* params_test.c - [strategy.NAME] against a parameter table. */
#include "core/runtime/params.h"

#include "tests/runtime/kit.h"
#include <errno.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct sgc_param table[] = {
    {"pause_target", SGC_PARAM_DURATION_NS, 100000, 1000000000, 5000000, 1, "longest pause"},
    {"nursery", SGC_PARAM_BYTES, 65536, UINT64_C(1) << 30, UINT64_C(4) << 20, 0, "young bytes"},
    {"growth", SGC_PARAM_PERCENT, 110, 1000, 200, 1, "growth"},
    {"eager", SGC_PARAM_BOOL, 0, 1, 0, 1, "early"},
    {"batch", SGC_PARAM_COUNT, 1, 4096, 64, 1, "objects at a time"},
};
static const struct sgc_strategy_plugin plugin = {.name = "test", .params = table, .n_params = LENGTH(table)};
static const struct sgc_strategy_plugin bare = {.name = "test"};

START_TEST(what_config_does_not_set_has_its_default)
{
    struct sgc_config *config = kit_parse("a.conf", "[strategy.other]\nbatch = 1\n[heap]\nstrategy = test\n");
    struct sgc_params params;
    struct sgc_error error;
    ck_assert_int_eq(sgc_params_resolve(config, &plugin, &params, &error), 0);
    for (unsigned i = 0; i < LENGTH(table); i++) {
        ck_assert_uint_eq(params.values[i], table[i].default_value);
        ck_assert_ptr_null(params.entries[i]);
    }
    sgc_config_free(config);
}
END_TEST

START_TEST(values_are_read_by_the_tables_types)
{
    struct sgc_config *config = kit_parse("a.conf", "[strategy.test]\npause_target = 1ms\nnursery = 1GiB\n"
                                                    "growth = 110%\neager = yes\nbatch = 4_096\n");
    struct sgc_params params;
    struct sgc_error error;
    ck_assert_int_eq(sgc_params_resolve(config, &plugin, &params, &error), 0);
    static const uint64_t expected[] = {1000000, UINT64_C(1) << 30, 110, 1, 4096};
    for (unsigned i = 0; i < LENGTH(table); i++) {
        ck_assert_uint_eq(params.values[i], expected[i]);
        ck_assert_uint_eq(params.entries[i]->value_place.line, 2 + i);
    }
    sgc_config_free(config);
}
END_TEST

START_TEST(the_later_source_wins)
{
    struct sgc_config *config = kit_parse("a.conf", "[strategy.test]\nbatch = 1\neager = on\n");
    struct sgc_error error;
    struct sgc_params params;
    ck_assert_int_eq(
        sgc_config_add_text(config, SGC_SOURCE_ENVIRONMENT, "$SLABGC", "strategy.test.batch=2", 21, &error), 0);
    ck_assert_int_eq(sgc_params_resolve(config, &plugin, &params, &error), 0);
    ck_assert_uint_eq(params.values[4], 2);
    ck_assert_uint_eq(params.values[3], 1);
    sgc_config_free(config);
}
END_TEST

static const struct {
    const char *text, *message;
} bad[] = {
    {"pause_traget = 1ms",
     "a.conf:2:1: unknown key \"pause_traget\" for strategy \"test\"; did you mean \"pause_target\"? "
     "It takes pause_target, nursery, growth, eager, batch\n"
     "    2 | pause_traget = 1ms\n"
     "      | ^"},
    {"colour = red",
     "a.conf:2:1: unknown key \"colour\" for strategy \"test\"; it takes pause_target, nursery, growth, "
     "eager, batch\n"
     "    2 | colour = red\n"
     "      | ^"},
    {"pause_target = 1 msec", "a.conf:2:18: unknown unit \"msec\"; a duration takes ns, us, ms, s or min\n"
                              "    2 | pause_target = 1 msec\n"
                              "      |                  ^"},
    {"pause_target = 2s", "a.conf:2:16: \"2s\" is out of bounds: pause_target takes 100us to 1s\n"
                          "    2 | pause_target = 2s\n"
                          "      |                ^"},
    {"nursery = 1KiB", "a.conf:2:11: \"1KiB\" is out of bounds: nursery takes 64KiB to 1GiB\n"
                       "    2 | nursery = 1KiB\n"
                       "      |           ^"},
    {"batch = 0", "a.conf:2:9: \"0\" is out of bounds: batch takes 1 to 4096\n"
                  "    2 | batch = 0\n"
                  "      |         ^"},
    {"eager = 2", "a.conf:2:9: \"2\" is not a switch: on, off, true, false, yes or no\n"
                  "    2 | eager = 2\n"
                  "      |         ^"},
};

START_TEST(a_bad_parameter_is_refused_with_its_place)
{
    char text[200] = "[strategy.test]\n";
    strcat(text, bad[_i].text);
    struct sgc_config *config = kit_parse("a.conf", text);
    struct sgc_params params;
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_params_resolve(config, &plugin, &params, &error), -EINVAL);
    ck_assert_str_eq(error.message, bad[_i].message);
    sgc_config_free(config);
}
END_TEST

START_TEST(a_value_that_a_later_source_overrides_is_judged_too)
{
    struct sgc_config *config = kit_parse("a.conf", "[strategy.test]\nbatch = none\n");
    struct sgc_error error;
    struct sgc_params params;
    ck_assert_int_eq(
        sgc_config_add_text(config, SGC_SOURCE_ENVIRONMENT, "$SLABGC", "strategy.test.batch=2", 21, &error), 0);
    ck_assert_int_eq(sgc_params_resolve(config, &plugin, &params, &error), -EINVAL);
    ck_assert_mem_eq(error.message, "a.conf:2:9: ", 12);
    sgc_config_free(config);
}
END_TEST

START_TEST(a_strategy_without_parameters_says_so)
{
    struct sgc_config *config = kit_parse("a.conf", "[strategy.test]\nbatch = 1\n");
    struct sgc_error error;
    struct sgc_params params;
    ck_assert_int_eq(sgc_params_resolve(config, &bare, &params, &error), -EINVAL);
    ck_assert_str_eq(error.message, "a.conf:2:1: unknown key \"batch\": strategy \"test\" has no parameters\n"
                                    "    2 | batch = 1\n"
                                    "      | ^");
    sgc_config_free(config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("params");
    TCase *tc = tcase_create("params");
    tcase_add_test(tc, what_config_does_not_set_has_its_default);
    tcase_add_test(tc, values_are_read_by_the_tables_types);
    tcase_add_test(tc, the_later_source_wins);
    tcase_add_loop_test(tc, a_bad_parameter_is_refused_with_its_place, 0, LENGTH(bad));
    tcase_add_test(tc, a_value_that_a_later_source_overrides_is_judged_too);
    tcase_add_test(tc, a_strategy_without_parameters_says_so);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
