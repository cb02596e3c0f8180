/* open_test.c - sgc_heap_open: config, strategy, needs; every refusal leaves nothing behind. */
#include "core/heap/heap.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/runtime/kit.h"
#include <errno.h>
#include <slabgc/slabgc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

struct node {
    struct node *next;
    long value;
};
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, next));
static const struct sgc_type leaf_type = {.name = "leaf", .size_bytes = 32};

static void make(void)
{
    kit_isolate();
    setenv("SLABGC_PLUGIN_PATH", kit_path("p"), 1);
    kit_copy_plugin("good", "p/good.so");
    kit_copy_plugin("cyclic", "p/cyclic.so");
}

static struct sgc_heap *open_heap(const char *name, const struct sgc_heap_options *options)
{
    struct sgc_error error = {0};
    struct sgc_heap *heap = sgc_heap_open(name, options, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    return heap;
}

static void expect_refused(const char *name, const struct sgc_heap_options *options, int code, const char *message)
{
    struct sgc_error error = {0};
    ck_assert_ptr_null(sgc_heap_open(name, options, &error));
    kit_assert_message(&error, message);
    ck_assert_int_eq(error.code, code);
    ck_assert_ptr_null(sgc_heap_open(name, options, NULL)); /* no message is wanted */
}

START_TEST(with_no_config_at_all_everything_works)
{
    unsetenv("SLABGC_PLUGIN_PATH");
    struct sgc_heap *heap = open_heap("words", NULL);
    ck_assert_str_eq(sgc_heap_strategy(heap), "none"); /* no plug-in is installed here */
    ck_assert_str_eq(sgc_heap_name(heap), "words");
    struct sgc_error error;
    struct sgc_cache *cache = sgc_cache_create(heap, &leaf_type, &error);
    ck_assert_ptr_nonnull(cache);
    sgc_drop(sgc_new(cache));
    ck_assert_int_eq(sgc_heap_close(heap, &error), 0);
}
END_TEST

START_TEST(config_chooses_strategy_limits_and_parameters)
{
    setenv("SLABGC_CONFIG",
           kit_write_text("own.conf", "[heap]\nstrategy = good\nmemory_limit = 64MiB\nstall_report = 7ms\n"
                                      "[strategy.good]\nnursery = 1MiB\n[heap.other]\nstrategy = cyclic\n"),
           1);
    struct sgc_heap *heap = open_heap("words", &(struct sgc_heap_options){.strategy = "none"});
    struct sgc_heap *other = open_heap("other", NULL);
    ck_assert_str_eq(sgc_heap_strategy(heap), "good");
    ck_assert_str_eq(sgc_heap_strategy(other), "cyclic");
    ck_assert_uint_eq(heap->budget.soft_bytes, 64 * MIB);
    ck_assert_uint_eq(heap->budget.hard_bytes, 80 * MIB);
    ck_assert_uint_eq(heap->stall_report_ns, 7000000);
    ck_assert_uint_eq(heap->params[0], 5000000);
    ck_assert_uint_eq(heap->params[1], MIB);
    ck_assert_uint_eq(other->params[1], 4 * MIB);
    ck_assert_int_eq(sgc_heap_close(other, NULL), 0);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

START_TEST(a_misspelt_strategy_is_refused_with_place_caret_and_suggestion)
{
    kit_copy_plugin("good", "p/generational.so");
    setenv("SLABGC_CONFIG", kit_write_text("own.conf", "[heap]\nstrategy = generatinal\n"), 1);
    expect_refused("words", NULL, -ENOENT,
                   "@/own.conf:2:12: unknown strategy \"generatinal\"; did you mean \"generational\"?\n"
                   "    2 | strategy = generatinal\n"
                   "      |            ^");
}
END_TEST

START_TEST(a_misspelt_strategy_of_another_heap_is_refused_too)
{
    setenv("SLABGC", "strategy=good,heap.other.strategy=cyclc", 1);
    expect_refused("words", NULL, -ENOENT,
                   "$SLABGC:1:35: unknown strategy \"cyclc\"; did you mean \"cyclic\"?\n"
                   "    1 | strategy=good,heap.other.strategy=cyclc\n"
                   "      |                                   ^");
}
END_TEST

START_TEST(a_strategy_that_lacks_a_need_is_refused_by_name)
{
    setenv("SLABGC", "strategy=good", 1);
    expect_refused("words", &(struct sgc_heap_options){.needs = SGC_NEED_CYCLES}, -ENOTSUP,
                   "$SLABGC:1:10: strategy \"good\" cannot serve heap \"words\": it lacks cycles; strategies that have "
                   "all the program needs: cyclic\n"
                   "    1 | strategy=good\n"
                   "      |          ^");
}
END_TEST

START_TEST(an_unknown_parameter_is_refused)
{
    setenv("SLABGC", "strategy=good,strategy.good.nursry=1MiB", 1);
    expect_refused("words", NULL, -EINVAL,
                   "$SLABGC:1:29: unknown key \"nursry\" for strategy \"good\"; did you mean \"nursery\"? It takes "
                   "pause_target, nursery, growth, eager\n"
                   "    1 | strategy=good,strategy.good.nursry=1MiB\n"
                   "      |                             ^");
}
END_TEST

START_TEST(a_failing_init_is_refused_with_the_plug_ins_own_words)
{
    kit_copy_plugin("failing_open", "p/failing_open.so");
    setenv("SLABGC", "strategy=failing_open", 1);
    expect_refused("words", NULL, -EIO,
                   "heap words: strategy failing_open failed to start: the moon is in the wrong phase");
    setenv("SLABGC", "strategy=good", 1);
    ck_assert_int_eq(sgc_config_reload(NULL), 0);
    ck_assert_int_eq(sgc_heap_close(open_heap("words", NULL), NULL), 0); /* the program goes on */
}
END_TEST

START_TEST(after_a_refusal_a_good_config_is_taken)
{
    setenv("SLABGC", "strategy=wrong", 1);
    struct sgc_error error;
    ck_assert_ptr_null(sgc_heap_open("words", NULL, &error));
    setenv("SLABGC", "strategy=good", 1);
    struct sgc_heap *heap = open_heap("words", NULL);
    ck_assert_str_eq(sgc_heap_strategy(heap), "good");
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

START_TEST(names_and_options_are_checked)
{
    char longest[SGC_HEAP_NAME_BYTES + 1];
    memset(longest, 'n', SGC_HEAP_NAME_BYTES);
    longest[SGC_HEAP_NAME_BYTES] = '\0';
    expect_refused(NULL, NULL, -EINVAL, "a heap needs a name");
    expect_refused("", NULL, -EINVAL, "a heap needs a name");
    expect_refused("a b", NULL, -EINVAL, "heap \"a b\": a name has letters, digits, _ and - alone");
    expect_refused("a.b", NULL, -EINVAL, "heap \"a.b\": a name has letters, digits, _ and - alone");
    expect_refused(longest, NULL, -EINVAL, "heap \"nnnnnnnnnnnnnnnnnnnn...\": a name has at most 63 bytes");
    expect_refused("x", &(struct sgc_heap_options){.needs = 1u << 20}, -EINVAL,
                   "heap \"x\": needs has the unknown bits 0x100000");
    expect_refused("x", &(struct sgc_heap_options){.strategy = "../x"}, -EINVAL,
                   "\"../x\" is no strategy's name (a-z 0-9 _ -) and no absolute path");
    longest[SGC_HEAP_NAME_BYTES - 1] = '\0';
    ck_assert_int_eq(sgc_heap_close(open_heap(longest, NULL), NULL), 0);
}
END_TEST

START_TEST(a_name_is_free_again_when_its_heap_is_closed)
{
    struct sgc_heap *heap = open_heap("words", NULL);
    struct sgc_error error;
    ck_assert_ptr_null(sgc_heap_open("words", NULL, &error));
    ck_assert_int_eq(error.code, -EEXIST);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
    ck_assert_int_eq(sgc_heap_close(open_heap("words", NULL), NULL), 0);
}
END_TEST

START_TEST(caches_get_the_checks_that_config_asks_for)
{
    setenv("SLABGC", "strategy=good,cache.node.debug=redzone,poison,cache.l*.debug=track", 1);
    struct sgc_heap *heap = open_heap("words", NULL);
    struct sgc_error error;
    struct sgc_cache *nodes = sgc_cache_create(heap, &node_type, &error);
    ck_assert_msg(nodes != NULL, "%s", error.message);
    struct sgc_cache *leaves = sgc_cache_create(heap, &leaf_type, &error);
    ck_assert_msg(leaves != NULL, "%s", error.message);
    ck_assert_uint_eq(nodes->debug, SGC_DEBUG_REDZONE | SGC_DEBUG_POISON);
    ck_assert_uint_eq(leaves->debug, SGC_DEBUG_TRACK);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

START_TEST(a_plug_in_is_loaded_by_absolute_path)
{
    const char *path = kit_copy_plugin("second", "elsewhere/second.so");
    struct sgc_heap *heap = open_heap("words", &(struct sgc_heap_options){.strategy = path});
    ck_assert_str_eq(sgc_heap_strategy(heap), "second");
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

static void open_in_a_section(void *arg)
{
    (void)arg;
    struct sgc_heap *heap = sgc_heap_open("first", NULL, NULL);
    sgc_enter();
    sgc_heap_open("second", NULL, NULL);
    (void)heap;
}

START_TEST(opening_inside_a_section_panics)
{
    support_expect_panic(open_in_a_section, NULL, "sgc_heap_open: called inside a section");
}
END_TEST

/* In a child each: the k-th gate of an open fails. Exit status 0: refused cleanly, 1: nothing failed any more. */
static int open_with_fault(uint64_t k)
{
    struct sgc_error error = {0};
    sgc_os_fault_arm(k, false);
    struct sgc_heap *heap = sgc_heap_open("words", &(struct sgc_heap_options){.strategy = "good"}, &error);
    bool fired = sgc_os_fault_fired();
    const char *call = sgc_os_fault_fired_call();
    sgc_os_fault_disarm();
    if (!fired)
        return heap ? 1 : 2;
    if (!heap && (error.code >= 0 || strlen(error.message) < 10)) {
        printf("call %lu (%s): no error: %d %s\n", k, call, error.code, error.message);
        return 3;
    }
    if (!heap) /* the next try succeeds */
        heap = sgc_heap_open("words", &(struct sgc_heap_options){.strategy = "good"}, &error);
    if (!heap || strcmp(sgc_heap_strategy(heap), "good") != 0 || sgc_heap_verify(heap, &error) ||
        sgc_heap_close(heap, &error)) {
        printf("call %lu (%s): afterwards: %s\n", k, call, error.message);
        return 4;
    }
    return 0;
}

START_TEST(every_failing_call_is_a_clean_refusal)
{
    kit_write_text("usr/slabgc/slabgc.conf", "[heap]\nmemory_limit = 1GiB\n");
    kit_write_text("etc/slabgc/slabgc.conf.d/50.conf", "[strategy.good]\nnursery = 1MiB\n");
    setenv("SLABGC_CONFIG", kit_write_text("own.conf", "[cache.*]\ndebug = none\n"), 1);
    uint64_t k = 0;
    int status = 0;
    while (WEXITSTATUS(status) == 0) {
        fflush(NULL);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            int result = open_with_fault(k + 1);
            fflush(NULL);
            _exit(result);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFEXITED(status), "call %lu: signal %d", k + 1, WTERMSIG(status));
        k++;
    }
    ck_assert_msg(WEXITSTATUS(status) == 1, "call %lu: %d", k, WEXITSTATUS(status));
    printf("opening a heap: %lu calls, each failed once\n", k - 1);
    ck_assert_uint_gt(k, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("open");
    TCase *tc = tcase_create("open");
    tcase_add_checked_fixture(tc, make, NULL);
    tcase_add_test(tc, with_no_config_at_all_everything_works);
    tcase_add_test(tc, config_chooses_strategy_limits_and_parameters);
    tcase_add_test(tc, a_misspelt_strategy_is_refused_with_place_caret_and_suggestion);
    tcase_add_test(tc, a_misspelt_strategy_of_another_heap_is_refused_too);
    tcase_add_test(tc, a_strategy_that_lacks_a_need_is_refused_by_name);
    tcase_add_test(tc, an_unknown_parameter_is_refused);
    tcase_add_test(tc, a_failing_init_is_refused_with_the_plug_ins_own_words);
    tcase_add_test(tc, after_a_refusal_a_good_config_is_taken);
    tcase_add_test(tc, names_and_options_are_checked);
    tcase_add_test(tc, a_name_is_free_again_when_its_heap_is_closed);
    tcase_add_test(tc, caches_get_the_checks_that_config_asks_for);
    tcase_add_test(tc, a_plug_in_is_loaded_by_absolute_path);
    tcase_add_test(tc, opening_inside_a_section_panics);
    tcase_add_test(tc, every_failing_call_is_a_clean_refusal);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
