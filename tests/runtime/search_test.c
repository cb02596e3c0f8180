/* search_test.c - where plug-ins are looked for, and what is said when there is none. */
#include "core/runtime/search.h"

#include "core/heap/heap.h"
#include "core/os/file.h"
#include "tests/runtime/kit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct sgc_config *config; /* [plugins] directory = @/config */

static void make(void)
{
    char text[PATH_MAX + 32];
    kit_isolate();
    snprintf(text, sizeof(text), "[plugins]\ndirectory = %s/config\n", kit_directory());
    config = kit_parse("a.conf", text);
}

static void expect_found(const char *name, const char *at)
{
    struct sgc_error error = {0};
    char path[PATH_MAX];
    int fd = sgc_search_open(config, name, path, &error);
    ck_assert_msg(fd >= 0, "%s", error.message);
    sgc_os_file_close(fd);
    ck_assert_str_eq(path, kit_path(at));
}

static void expect_not_found(const char *name, int code, const char *message)
{
    struct sgc_error error = {0};
    char path[PATH_MAX] = "untouched";
    ck_assert_int_eq(sgc_search_open(config, name, path, &error), code);
    kit_assert_message(&error, message);
    ck_assert_str_eq(path, "untouched");
}

START_TEST(directories_are_searched_in_order_environment_config_installed)
{
    kit_write_text("usr/slabgc/plugins/x.so", "");
    expect_found("x", "usr/slabgc/plugins/x.so");
    kit_write_text("config/x.so", "");
    expect_found("x", "config/x.so");
    char list[2 * PATH_MAX];
    snprintf(list, sizeof(list), ":%s::%s", kit_path("one"), kit_path("two"));
    setenv("SLABGC_PLUGIN_PATH", list, 1);
    kit_write_text("two/x.so", "");
    expect_found("x", "two/x.so");
    kit_write_text("one/x.so", "");
    expect_found("x", "one/x.so");
}
END_TEST

START_TEST(a_build_tree_serves_as_it_is)
{
    kit_write_text("config/x/x.so", "");
    expect_found("x", "config/x/x.so");
    kit_write_text("config/x.so", "");
    expect_found("x", "config/x.so");
}
END_TEST

START_TEST(a_relative_directory_in_the_environment_is_relative_to_the_program)
{
    kit_write_text("here/x.so", "");
    ck_assert_int_eq(chdir(kit_directory()), 0);
    setenv("SLABGC_PLUGIN_PATH", "here", 1);
    struct sgc_error error;
    char path[PATH_MAX];
    int fd = sgc_search_open(config, "x", path, &error);
    ck_assert_int_ge(fd, 0);
    ck_assert_str_eq(path, "here/x.so");
    sgc_os_file_close(fd);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(an_absolute_path_is_taken_as_it_is)
{
    kit_write_text("config/x.so", "");
    kit_write_text("else/where.so", "");
    expect_found(kit_path("else/where.so"), "else/where.so");
    expect_not_found(kit_path("else/absent.so"), -ENOENT, "@/else/absent.so: cannot open: No such file or directory");
}
END_TEST

START_TEST(an_unknown_name_gets_a_proposal_or_the_list)
{
    kit_write_text("config/generational.so", "");
    kit_write_text("usr/slabgc/plugins/rcu/rcu.so", "");
    kit_write_text("usr/slabgc/plugins/README", "");
    kit_write_text("usr/slabgc/plugins/empty/README", "");
    expect_not_found("generatinal", -ENOENT, "unknown strategy \"generatinal\"; did you mean \"generational\"?");
    expect_not_found("nonee", -ENOENT, "unknown strategy \"nonee\"; did you mean \"none\"?");
    expect_not_found("marksweep", -ENOENT,
                     "unknown strategy \"marksweep\"; at hand: none, generational, rcu (searched "
                     "@/config:@/usr/slabgc/plugins)");
}
END_TEST

START_TEST(a_name_with_other_letters_never_reaches_the_file_system)
{
    kit_write_text("x.so", "");
    expect_not_found("../x", -EINVAL, "\"../x\" is no strategy's name (a-z 0-9 _ -) and no absolute path");
    expect_not_found("", -EINVAL, "\"\" is no strategy's name (a-z 0-9 _ -) and no absolute path");
}
END_TEST

START_TEST(a_directory_called_like_a_plug_in_is_refused_not_passed_over)
{
    kit_write_text("config/x.so/y", "");
    kit_write_text("usr/slabgc/plugins/x.so", "");
    expect_not_found("x", -EISDIR, "@/config/x.so: is a directory, a regular file is wanted");
}
END_TEST

START_TEST(built_in_strategies_go_by_name)
{
    ck_assert_ptr_eq(sgc_search_built_in("none"), &sgc_strategy_none);
    ck_assert_ptr_null(sgc_search_built_in("rcu"));
    ck_assert_ptr_eq(sgc_search_built_in_at(0), &sgc_strategy_none);
    ck_assert_ptr_null(sgc_search_built_in_at(1));
}
END_TEST

START_TEST(the_name_in_a_path_is_the_files_without_so)
{
    size_t length;
    const char *name = sgc_search_name_in_path("/a/b/rcu.so", &length);
    ck_assert_uint_eq(length, 3);
    ck_assert_mem_eq(name, "rcu", 3);
    sgc_search_name_in_path("rcu", &length);
    ck_assert_uint_eq(length, 3);
    sgc_search_name_in_path("/a/.so", &length);
    ck_assert_uint_eq(length, 3);
}
END_TEST

static void expect_checked(const char *text, const char *wanted, int code, const char *message)
{
    struct sgc_config *checked = kit_parse("b.conf", text);
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_search_check_config(checked, wanted, &error), code);
    kit_assert_message(&error, message);
    sgc_config_free(checked);
}

START_TEST(every_strategy_that_config_names_must_exist)
{
    kit_write_text("usr/slabgc/plugins/generational.so", "");
    kit_write_text("my/own.so", "");
    expect_checked("[heap]\nstrategy = none\n[heap.x]\nstrategy = generational\n[strategy.generational]\na = 1\n", NULL,
                   0, "");
    expect_checked("[heap]\n  strategy = generatinal # oops\n", NULL, -ENOENT,
                   "b.conf:2:14: unknown strategy \"generatinal\"; did you mean \"generational\"?\n"
                   "    2 |   strategy = generatinal # oops\n"
                   "      |              ^");
    expect_checked("[heap]\n[strategy.generatinal]\n", NULL, -ENOENT,
                   "b.conf:2:11: unknown strategy \"generatinal\"; did you mean \"generational\"?\n"
                   "    2 | [strategy.generatinal]\n"
                   "      |           ^");
    expect_checked("[strategy.own]\na = 1\n", kit_path("my/own.so"), 0, "");
    expect_checked("[heap]\ndefault_strategies = absent\n", NULL, 0, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("search");
    TCase *tc = tcase_create("search");
    tcase_add_checked_fixture(tc, make, NULL);
    tcase_add_test(tc, directories_are_searched_in_order_environment_config_installed);
    tcase_add_test(tc, a_build_tree_serves_as_it_is);
    tcase_add_test(tc, a_relative_directory_in_the_environment_is_relative_to_the_program);
    tcase_add_test(tc, an_absolute_path_is_taken_as_it_is);
    tcase_add_test(tc, an_unknown_name_gets_a_proposal_or_the_list);
    tcase_add_test(tc, a_name_with_other_letters_never_reaches_the_file_system);
    tcase_add_test(tc, a_directory_called_like_a_plug_in_is_refused_not_passed_over);
    tcase_add_test(tc, built_in_strategies_go_by_name);
    tcase_add_test(tc, the_name_in_a_path_is_the_files_without_so);
    tcase_add_test(tc, every_strategy_that_config_names_must_exist);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
