/* switch_test.c - sgc_heap_switch's front half: the new strategy is found, checked and configured, or nothing changes.
 */
#include "core/heap/heap.h"
#include "tests/runtime/kit.h"
#include <errno.h>
#include <slabgc/slabgc.h>
#include <stdlib.h>
#include <string.h>

static struct sgc_heap *heap; /* served by "good", needs weak references */

static void make(void)
{
    kit_isolate();
    setenv("SLABGC_PLUGIN_PATH", kit_path("p"), 1);
    kit_copy_plugin("good", "p/good.so");
    kit_copy_plugin("second", "p/second.so");
    kit_copy_plugin("failing_open", "p/failing_open.so");
    kit_copy_plugin("wrong_major", "p/wrong_major.so");
    kit_copy_plugin("marks_without_metadata", "p/marks_without_metadata.so");
    setenv("SLABGC", "strategy.second.nursery=1MiB,strategy.second.growth=300%", 1);
    struct sgc_error error = {0};
    heap = sgc_heap_open("words", &(struct sgc_heap_options){.strategy = "good", .needs = SGC_NEED_WEAK}, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
}

static void expect_refused(const char *strategy, int code, const char *message)
{
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_heap_switch(heap, strategy, &error), code);
    kit_assert_message(&error, message);
    ck_assert_int_eq(sgc_heap_switch(heap, strategy, NULL), code);
    ck_assert_str_eq(sgc_heap_strategy(heap), "good");
    ck_assert_msg(sgc_heap_verify(heap, &error) == 0, "%s", error.message);
}

START_TEST(the_new_strategy_gets_its_parameters_from_config)
{
    struct sgc_error error = {0};
    ck_assert_msg(sgc_heap_switch(heap, "second", &error) == 0, "%s", error.message);
    ck_assert_str_eq(sgc_heap_strategy(heap), "second");
    ck_assert_uint_eq(heap->params[1], 1 << 20);
    ck_assert_uint_eq(heap->params[2], 300);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

START_TEST(a_refused_switch_changes_nothing)
{
    expect_refused("secnd", -ENOENT, "unknown strategy \"secnd\"; did you mean \"second\"?");
    expect_refused(
        "wrong_major", -ENOEXEC,
        "@/p/wrong_major.so: plug-in refused: abi_major is 2, wanted 1; build it with this slabgc's headers");
    expect_refused("failing_open", -EIO,
                   "heap words: strategy failing_open failed to start: the moon is in the wrong phase");
    expect_refused(NULL, -EINVAL, "heap \"words\": no strategy is named");
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

START_TEST(the_needs_of_the_open_hold_for_a_switch)
{
    struct sgc_heap *needy =
        sgc_heap_open("needy", &(struct sgc_heap_options){.strategy = "good", .needs = SGC_NEED_REFERENCES}, NULL);
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_heap_switch(needy, "none", &error), -ENOTSUP);
    kit_assert_message(&error,
                       "strategy \"none\" cannot serve heap \"needy\": it lacks references; strategies that have "
                       "all the program needs: failing_open, good, second");
    ck_assert_int_eq(sgc_heap_close(needy, NULL), 0);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

static void switch_in_a_section(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_heap_switch(heap, "second", NULL);
}

START_TEST(switching_inside_a_section_panics)
{
    support_expect_panic(switch_in_a_section, NULL, "sgc_heap_switch: called inside a section");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("switch");
    TCase *tc = tcase_create("switch");
    tcase_add_checked_fixture(tc, make, NULL);
    tcase_add_test(tc, the_new_strategy_gets_its_parameters_from_config);
    tcase_add_test(tc, a_refused_switch_changes_nothing);
    tcase_add_test(tc, the_needs_of_the_open_hold_for_a_switch);
    tcase_add_test(tc, switching_inside_a_section_panics);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
