/* select_test.c - which strategy serves a heap, and what a refusal says. */
#include "core/runtime/select.h"

#include "core/heap/heap.h"
#include "tests/runtime/kit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* p/ has good (references, weak, finalizers), cyclic (and cycles), wrong_major; none is built in (prompt, weak,
 * finalizers). */
static void make(void)
{
    kit_isolate();
    setenv("SLABGC_PLUGIN_PATH", kit_path("p"), 1);
    kit_copy_plugin("good", "p/good.so");
    kit_copy_plugin("cyclic", "p/cyclic.so");
    kit_copy_plugin("wrong_major", "p/wrong_major.so");
}

static struct sgc_config *config_of(const char *text)
{
    struct sgc_config *config = kit_config();
    struct sgc_error error;
    static const char defaults[] = "[heap]\ndefault_strategies = absent, good, cyclic, none\n";
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_BUILT_IN, "built-in", defaults, strlen(defaults), &error),
                     0);
    int code = sgc_config_add_text(config, SGC_SOURCE_FILE, "a.conf", text, strlen(text), &error);
    ck_assert_msg(code == 0, "%s", error.message);
    return config;
}

static void expect_chosen(const char *text, const char *wanted, uint32_t needs, const char *name)
{
    struct sgc_config *config = config_of(text);
    const struct sgc_strategy_plugin *plugin;
    struct sgc_error error = {0};
    int code = sgc_select(config, "words", wanted, needs, &plugin, &error);
    ck_assert_msg(code == 0, "%s", error.message);
    ck_assert_str_eq(plugin->name, name);
    sgc_config_free(config);
}

static void expect_refused(const char *text, const char *wanted, uint32_t needs, int code, const char *message)
{
    struct sgc_config *config = config_of(text);
    const struct sgc_strategy_plugin *plugin = NULL;
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_select(config, "words", wanted, needs, &plugin, &error), code);
    kit_assert_message(&error, message);
    ck_assert_ptr_null(plugin);
    sgc_config_free(config);
}

START_TEST(config_beats_the_program_beats_the_default_list)
{
    expect_chosen("", NULL, 0, "good");
    expect_chosen("", "cyclic", 0, "cyclic");
    expect_chosen("[heap]\nstrategy = none\n", "cyclic", 0, "none");
    expect_chosen("[heap]\nstrategy = none\n[heap.words]\nstrategy = good\n", "cyclic", 0, "good");
}
END_TEST

START_TEST(the_default_list_passes_over_what_lacks_a_need_or_is_absent)
{
    expect_chosen("", NULL, SGC_NEED_CYCLES, "cyclic");
    expect_chosen("", NULL, SGC_NEED_PROMPT, "none");
    expect_chosen("[heap.words]\ndefault_strategies = cyclic, good\n", NULL, 0, "cyclic");
}
END_TEST

static void choose_past_wrong_major(void *arg)
{
    (void)arg;
    expect_chosen("[heap]\ndefault_strategies = wrong_major, good\n", NULL, 0, "good");
}

START_TEST(a_refused_plug_in_of_the_default_list_is_warned_about)
{
    char text[2000];
    ck_assert_int_eq(support_run_child(choose_past_wrong_major, NULL, text, sizeof(text)), 0);
    ck_assert_ptr_nonnull(strstr(text, "slabgc: strategy wrong_major of default_strategies passed over: "));
    ck_assert_ptr_nonnull(strstr(text, "/p/wrong_major.so: plug-in refused: abi_major is 2, wanted 1; "));
}
END_TEST

START_TEST(a_config_line_that_lacks_a_need_is_refused_with_place_need_and_alternatives)
{
    expect_refused("[heap]\n  strategy = good\n", NULL, SGC_NEED_CYCLES | SGC_NEED_WEAK, -ENOTSUP,
                   "a.conf:2:14: strategy \"good\" cannot serve heap \"words\": it lacks cycles; strategies that have "
                   "all the program needs: cyclic\n"
                   "    2 |   strategy = good\n"
                   "      |              ^");
    expect_refused("[heap]\nstrategy = none\n", "cyclic", SGC_NEED_REFERENCES | SGC_NEED_CONCURRENT_READERS, -ENOTSUP,
                   "a.conf:2:12: strategy \"none\" cannot serve heap \"words\": it lacks references, "
                   "concurrent-readers; strategies that have all the program needs: none at hand does\n"
                   "    2 | strategy = none\n"
                   "      |            ^");
}
END_TEST

START_TEST(a_programs_wish_that_lacks_a_need_is_refused_without_a_place)
{
    expect_refused("", "none", SGC_NEED_REFERENCES, -ENOTSUP,
                   "strategy \"none\" cannot serve heap \"words\": it lacks references; strategies that have all the "
                   "program needs: cyclic, good");
}
END_TEST

START_TEST(a_default_list_without_a_match_tells_what_became_of_each)
{
    expect_refused("", NULL, SGC_NEED_PROMPT | SGC_NEED_CYCLES, -ENOTSUP,
                   "no strategy of default_strategies serves heap \"words\", which needs cycles, prompt: absent is not "
                   "found; good lacks cycles, prompt; cyclic lacks prompt; none lacks cycles");
    expect_refused(
        "[heap.words]\ndefault_strategies = absent\n", NULL, 0, -ENOTSUP,
        "a.conf:2:22: no strategy of default_strategies serves heap \"words\", which needs nothing: absent is "
        "not found\n"
        "    2 | default_strategies = absent\n"
        "      |                      ^");
}
END_TEST

START_TEST(a_refused_plug_in_is_reported_with_the_place_that_named_it)
{
    expect_refused("[heap]\nstrategy = wrong_major\n", NULL, 0, -ENOEXEC,
                   "a.conf:2:12: @/p/wrong_major.so: plug-in refused: abi_major is 2, wanted 1; build it with this "
                   "slabgc's headers\n"
                   "    2 | strategy = wrong_major\n"
                   "      |            ^");
    expect_refused("", "abcent", 0, -ENOENT,
                   "unknown strategy \"abcent\"; at hand: none, cyclic, good, wrong_major (searched "
                   "@/p:@/usr/slabgc/plugins)");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("select");
    TCase *tc = tcase_create("select");
    tcase_add_checked_fixture(tc, make, NULL);
    tcase_add_test(tc, config_beats_the_program_beats_the_default_list);
    tcase_add_test(tc, the_default_list_passes_over_what_lacks_a_need_or_is_absent);
    tcase_add_test(tc, a_refused_plug_in_of_the_default_list_is_warned_about);
    tcase_add_test(tc, a_config_line_that_lacks_a_need_is_refused_with_place_need_and_alternatives);
    tcase_add_test(tc, a_programs_wish_that_lacks_a_need_is_refused_without_a_place);
    tcase_add_test(tc, a_default_list_without_a_match_tells_what_became_of_each);
    tcase_add_test(tc, a_refused_plug_in_is_reported_with_the_place_that_named_it);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
