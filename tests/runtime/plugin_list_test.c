/* plugin_list_test.c - the strategies that can be found, and files of config that are checked without being used;
 * the command plugins. */
#include "core/runtime/runtime.h"

#include "tests/runtime/control_kit.h"
#include <errno.h>
#include <slabgc/slabgc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[4096];

static int note(void *arg, const struct sgc_plugin_info *info)
{
    const size_t length = strlen(text);
    (void)arg;
    ck_assert((info->plugin == NULL) == (info->refused != NULL));
    snprintf(text + length, sizeof(text) - length, "%s %s%s\n", info->name, info->loaded ? "loaded" : "new",
             info->refused ? " refused" : "");
    return strcmp(info->name, "stop") == 0 ? 7 : 0;
}

static void make(void)
{
    static char path[4096];
    kit_isolate();
    kit_copy_plugin("good", "first/good.so");
    kit_copy_plugin("missing_op", "first/missing_op.so");
    kit_copy_plugin("second", "second/second/second.so");
    kit_copy_plugin("missing_op", "second/good.so"); /* hidden by the first one */
    snprintf(path, sizeof(path), "%s:%s", kit_path("first"), kit_path("second"));
    setenv("SLABGC_PLUGIN_PATH", path, 1);
}

START_TEST(each_strategy_is_shown_once_in_the_order_in_which_it_is_looked_up)
{
    make();
    ck_assert_int_eq(sgc_plugin_for_each(note, NULL, NULL), 0);
    ck_assert_str_eq(text, "none loaded\ngood new\nmissing_op new refused\nsecond new\n");
    text[0] = '\0';
    ck_assert_int_eq(sgc_plugin_for_each(note, NULL, NULL), 0);
    ck_assert_str_eq(text, "none loaded\ngood loaded\nmissing_op new refused\nsecond loaded\n");
}
END_TEST

START_TEST(a_visitor_ends_the_list_by_a_value_of_its_own)
{
    make();
    kit_copy_plugin("good", "first/stop.so"); /* refused: the name is another */
    ck_assert_int_eq(sgc_plugin_for_each(note, NULL, NULL), 7);
}
END_TEST

START_TEST(a_config_that_cannot_be_read_is_an_error)
{
    struct sgc_error error = {0};
    make();
    setenv("SLABGC", "strategi=good", 1);
    ck_assert_int_eq(sgc_plugin_for_each(note, NULL, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.message, "did you mean \"strategy\"?"));
}
END_TEST

static void expect_refused(const char *config, int code, const char *message)
{
    struct sgc_error error = {0};
    const char *path = kit_write_text("checked.conf", config);
    ck_assert_int_eq(sgc_config_check(path, &error), code);
    ck_assert_msg(strstr(error.message, message), "found:\n%s\nexpected:\n%s", error.message, message);
    ck_assert_int_eq(error.code, code);
}

START_TEST(a_file_is_checked_down_to_the_keys_of_its_strategies_and_not_used)
{
    struct sgc_error error = {0};
    make();
    const char *good =
        kit_write_text("good.conf", "[heap.words]\nstrategy = good\nmemory_limit = 1MiB\n[strategy.good]\n"
                                    "growth = 150%\n[control]\nsocket = auto\nreport = off\n");
    ck_assert_msg(sgc_config_check(good, &error) == 0, "%s", error.message);
    expect_refused("[heap]\nmemory_limit = 5\n", -EINVAL, "checked.conf:2:17: ");
    expect_refused("[strategy.good]\ngrowth = 5%\n", -EINVAL, "checked.conf:2:10: \"5%\" is out of bounds");
    expect_refused("[strategy.good]\ngrowt = 150%\n", -EINVAL, "did you mean \"growth\"?");
    expect_refused("[strategy.goood]\ngrowth = 150%\n", -ENOENT, "did you mean \"good\"?");
    expect_refused("[strategy.missing_op]\ngrowth = 150%\n", -ENOEXEC, "checked.conf:1:2: ");
    expect_refused("[heap]\nstrategy = nowhere\n", -ENOENT, "unknown strategy \"nowhere\"");
    expect_refused("[control]\nsocket = outo\n", -EINVAL, "did you mean \"auto\"?");
    expect_refused("[control]\nsoket = auto\n", -EINVAL, "did you mean \"socket\"?");
    expect_refused("[control]\nwait = 5\n", -EINVAL, "has no unit");
    ck_assert_int_eq(sgc_config_check(kit_path("missing.conf"), &error), -ENOENT);
    struct sgc_heap *heap = sgc_heap_open("words", &(struct sgc_heap_options){.strategy = "second"}, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    ck_assert_str_eq(sgc_heap_strategy(heap), "second");
    ck_assert_uint_eq(heap->budget.soft_bytes, 0);
}
END_TEST

START_TEST(a_strategy_named_by_its_path_has_its_keys_checked_too)
{
    char config[4096];
    kit_isolate();
    snprintf(config, sizeof(config), "[heap]\nstrategy = %s\n[strategy.good]\ngrowth = 5%%\n",
             kit_copy_plugin("good", "away/good.so"));
    expect_refused(config, -EINVAL, "checked.conf:4:10: \"5%\" is out of bounds");
}
END_TEST

START_TEST(the_version_is_that_of_the_headers)
{
    char expected[32];
    snprintf(expected, sizeof(expected), "%d.%d.%d", SGC_VERSION_MAJOR, SGC_VERSION_MINOR, SGC_VERSION_PATCH);
    ck_assert_str_eq(sgc_version(), expected);
    ck_assert_str_eq(SGC_VERSION, expected);
}
END_TEST

static json_t *plugin_named(json_t *plugins, const char *name)
{
    json_t *plugin;
    size_t i;
    json_array_foreach (control_at(plugins, "plugins"), i, plugin)
        if (strcmp(control_text(plugin, "name"), name) == 0)
            return plugin;
    ck_abort_msg("no plug-in %s", name);
    return NULL;
}

START_TEST(plugins_tells_what_is_loaded_and_why_what_is_refused)
{
    control_start(NULL);
    kit_copy_plugin("missing_op", "p/missing_op.so");
    ck_assert_ptr_nonnull(sgc_heap_open("other", &(struct sgc_heap_options){.strategy = "good"}, NULL));
    int fd = control_connect("socket");
    json_t *plugins = control_result(fd, "{\"command\":\"plugins\"}");
    ck_assert_str_eq(control_text(plugins, "plugins.0.name"), "none");
    ck_assert_str_eq(control_text(plugins, "plugins.0.path"), "");
    json_t *good = plugin_named(plugins, "good"), *second = plugin_named(plugins, "second"),
           *refused = plugin_named(plugins, "missing_op");
    ck_assert(json_is_true(control_at(good, "loaded")) && json_is_null(control_at(good, "refused")));
    ck_assert(json_is_false(control_at(second, "loaded")) && json_is_null(control_at(second, "refused")));
    ck_assert_str_eq(control_text(good, "path"), kit_path("p/good.so"));
    ck_assert_str_eq(control_text(good, "abi"), "1.0");
    ck_assert_str_eq(control_text(good, "license"), "MIT");
    ck_assert_str_eq(control_text(good, "parameters.0.key"), "pause_target");
    ck_assert_str_eq(control_text(good, "parameters.0.type"), "duration");
    ck_assert_int_eq(control_number(good, "parameters.0.default"), 5000000);
    ck_assert_ptr_nonnull(strstr(control_text(refused, "refused"), "collect"));
    json_decref(plugins);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plug-in list");
    TCase *all = tcase_create("all");
    tcase_add_test(all, each_strategy_is_shown_once_in_the_order_in_which_it_is_looked_up);
    tcase_add_test(all, a_visitor_ends_the_list_by_a_value_of_its_own);
    tcase_add_test(all, a_config_that_cannot_be_read_is_an_error);
    tcase_add_test(all, a_file_is_checked_down_to_the_keys_of_its_strategies_and_not_used);
    tcase_add_test(all, a_strategy_named_by_its_path_has_its_keys_checked_too);
    tcase_add_test(all, the_version_is_that_of_the_headers);
    tcase_add_test(all, plugins_tells_what_is_loaded_and_why_what_is_refused);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
