/* reload_test.c - sgc_config_reload: every change, or none. */
#include "core/heap/heap.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "core/stats/events.h"
#include "tests/runtime/kit.h"
#include <errno.h>
#include <slabgc/slabgc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

struct node {
    struct node *next;
};
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, next));

static struct sgc_heap *heap, *other;

static const char first[] = "[heap]\nstrategy = good\nmemory_limit = 64MiB\n[strategy.good]\ngrowth = 300%\n";

/* Two heaps served by "good" under the config `first`; "node" is a cache of the first. */
static void make(void)
{
    kit_isolate();
    setenv("SLABGC_PLUGIN_PATH", kit_path("p"), 1);
    kit_copy_plugin("good", "p/good.so");
    kit_copy_plugin("second", "p/second.so");
    setenv("SLABGC_CONFIG", kit_write_text("own.conf", first), 1);
    struct sgc_error error = {0};
    heap = sgc_heap_open("words", NULL, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    other = sgc_heap_open("other", &(struct sgc_heap_options){.memory_limit_bytes = 9 * MIB}, &error);
    ck_assert_msg(other != NULL, "%s", error.message);
    ck_assert_ptr_nonnull(sgc_cache_create(heap, &node_type, &error));
}

static void expect_reloaded(const char *text)
{
    struct sgc_error error = {0};
    kit_write_text("own.conf", text);
    int code = sgc_config_reload(&error);
    ck_assert_msg(code == 0, "%s", error.message);
}

static void expect_unchanged(void)
{
    ck_assert_uint_eq(heap->budget.soft_bytes, 64 * MIB);
    ck_assert_uint_eq(heap->budget.hard_bytes, 80 * MIB);
    ck_assert_uint_eq(heap->params[2], 300);
    ck_assert_uint_eq(heap->stall_report_ns, 100000000);
    ck_assert_uint_eq(other->budget.soft_bytes, 64 * MIB);
}

/* text also changes what could change: none of it may. */
static void expect_refused(const char *text, int code, const char *message)
{
    struct sgc_error error = {0};
    kit_write_text("own.conf", text);
    size_t before = sgc_meta_bytes();
    ck_assert_int_eq(sgc_config_reload(&error), code);
    kit_assert_message(&error, message);
    ck_assert_int_eq(error.code, code);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
    expect_unchanged();
}

START_TEST(live_values_change_in_every_open_heap)
{
    expect_reloaded(
        "[heap]\nstrategy = good\nmemory_limit = 100MiB\nhard_limit = 110MiB\nstall_report = 5ms\n"
        "[heap.other]\nmemory_limit = none\nhard_limit = none\n[strategy.good]\ngrowth = 400%\neager = on\n");
    ck_assert_uint_eq(heap->budget.soft_bytes, 100 * MIB);
    ck_assert_uint_eq(heap->budget.hard_bytes, 110 * MIB);
    ck_assert_uint_eq(heap->stall_report_ns, 5000000);
    ck_assert_uint_eq(heap->params[2], 400);
    ck_assert_uint_eq(heap->params[3], 1);
    ck_assert_uint_eq(other->budget.soft_bytes, 0);
    ck_assert_uint_eq(other->budget.hard_bytes, 0);
    ck_assert_uint_eq(other->params[2], 400);
}
END_TEST

START_TEST(what_config_no_longer_says_goes_back)
{
    expect_reloaded("");
    ck_assert_uint_eq(heap->budget.soft_bytes, 0);
    ck_assert_uint_eq(heap->params[2], 200);
    ck_assert_uint_eq(other->budget.soft_bytes, 9 * MIB); /* the program's wish */
    ck_assert_str_eq(sgc_heap_strategy(heap), "good");
}
END_TEST

START_TEST(a_reload_that_changes_nothing_stops_nobody)
{
    expect_reloaded(first);
    expect_unchanged();
    struct sgc_event events[16];
    uint64_t next = 0;
    size_t n = sgc_events_read(&next, events, 16, NULL);
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_eq(events[n - 1].kind, SGC_EVENT_RELOAD);
    ck_assert_uint_eq(events[n - 1].n[0], 0);
}
END_TEST

START_TEST(a_reload_is_an_event_with_the_number_of_heaps_that_changed)
{
    expect_reloaded("[heap]\nstrategy = good\nmemory_limit = 64MiB\n[heap.other]\nstall_report = 1s\n"
                    "[strategy.good]\ngrowth = 300%\n");
    struct sgc_event events[16];
    uint64_t next = 0;
    size_t n = sgc_events_read(&next, events, 16, NULL);
    ck_assert_uint_eq(events[n - 1].kind, SGC_EVENT_RELOAD);
    ck_assert_uint_eq(events[n - 1].n[0], 1);
    expect_unchanged();
    ck_assert_uint_eq(other->stall_report_ns, 1000000000);
}
END_TEST

START_TEST(a_bad_line_refuses_the_whole_reload)
{
    expect_refused("[heap]\nstrategy = good\nmemory_limit = 1GiB\nstall_report = soon\n", -EINVAL,
                   "@/own.conf:4:16: \"soon\" is not a duration\n"
                   "    4 | stall_report = soon\n"
                   "      |                ^");
    expect_refused("[heap]\nmemory_limit = 1GiB\n[strategy.good]\ngrowth = 5%\n", -EINVAL,
                   "@/own.conf:4:10: \"5%\" is out of bounds: growth takes 110% to 1000%\n"
                   "    4 | growth = 5%\n"
                   "      |          ^");
    expect_refused("[heap]\nmemory_limit = 1GiB\n[heap.other]\nhard_limit = 1MiB\n", -EINVAL,
                   "@/own.conf:4:14: hard_limit \"1MiB\" is below the memory_limit of heap \"other\", 1GiB\n"
                   "    4 | hard_limit = 1MiB\n"
                   "      |              ^");
    expect_refused("[heap]\nmemory_limit = 1GiB\n[heap.later]\nstrategy = scond\n", -ENOENT,
                   "@/own.conf:4:12: unknown strategy \"scond\"; did you mean \"second\"?\n"
                   "    4 | strategy = scond\n"
                   "      |            ^");
}
END_TEST

START_TEST(another_strategy_for_an_open_heap_is_refused)
{
    expect_refused("[heap]\nstrategy = good\nmemory_limit = 1GiB\n[heap.other]\nstrategy = second\n", -EBUSY,
                   "@/own.conf:5:12: heap \"other\" is open with strategy \"good\"; a reload cannot change that, "
                   "sgc_heap_switch can\n"
                   "    5 | strategy = second\n"
                   "      |            ^");
    ck_assert_int_eq(sgc_heap_close(other, NULL), 0);
    expect_reloaded("[heap]\nstrategy = good\n[heap.other]\nstrategy = second\n");
    other = sgc_heap_open("other", NULL, NULL);
    ck_assert_str_eq(sgc_heap_strategy(other), "second");
}
END_TEST

START_TEST(a_switched_heap_stays_where_it_is_while_its_line_does_not_change)
{
    ck_assert_int_eq(sgc_heap_switch(other, "second", NULL), 0);
    expect_reloaded("[heap]\nstrategy = good\nmemory_limit = 32MiB\n");
    ck_assert_str_eq(sgc_heap_strategy(other), "second");
    ck_assert_uint_eq(other->budget.soft_bytes, 32 * MIB);
    expect_reloaded("[heap]\nstrategy = good\n[heap.other]\nstrategy = second\n");
}
END_TEST

START_TEST(a_parameter_that_is_not_live_is_refused)
{
    expect_refused("[heap]\nstrategy = good\nmemory_limit = 1GiB\n[strategy.good]\nnursery = 1MiB\n", -EBUSY,
                   "@/own.conf:5:11: \"nursery\" cannot change from 4MiB to 1MiB while heap \"words\" is open\n"
                   "    5 | nursery = 1MiB\n"
                   "      |           ^");
}
END_TEST

START_TEST(a_parameter_that_is_not_live_cannot_go_back_to_its_default)
{
    ck_assert_int_eq(sgc_heap_close(other, NULL), 0);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
    expect_reloaded("[heap]\nstrategy = good\n[strategy.good]\nnursery = 1MiB\n");
    heap = sgc_heap_open("words", NULL, NULL);
    struct sgc_error error = {0};
    kit_write_text("own.conf", "[heap]\nstrategy = good\n");
    ck_assert_int_eq(sgc_config_reload(&error), -EBUSY);
    ck_assert_str_eq(error.message, "strategy.good.nursery would go back from 1MiB to its default, 4MiB, but cannot "
                                    "change while heap \"words\" is open");
}
END_TEST

START_TEST(the_checks_of_an_existing_cache_cannot_change)
{
    expect_refused("[heap]\nstrategy = good\nmemory_limit = 1GiB\n[cache.no*]\ndebug = track\n", -EBUSY,
                   "@/own.conf:5:9: cache \"node\" of heap \"words\" exists; its debug cannot change from \"none\" to "
                   "\"track\"\n"
                   "    5 | debug = track\n"
                   "      |         ^");
    expect_reloaded("[heap]\nstrategy = good\n[cache.*]\ndebug = track\n[cache.node]\ndebug = none\n");
    static const struct sgc_type leaf_type = {.name = "leaf", .size_bytes = 32};
    ck_assert_uint_eq(sgc_cache_create(heap, &leaf_type, NULL)->debug, SGC_DEBUG_TRACK);
}
END_TEST

START_TEST(what_control_says_is_fixed_when_the_process_starts)
{
    expect_refused(
        "[heap]\nstrategy = good\nmemory_limit = 1GiB\n[control]\nsocket = auto\n", -EBUSY,
        "@/own.conf:5:10: control.socket is fixed when the process starts (it is \"off\"): restart it to change "
        "that\n"
        "    5 | socket = auto\n"
        "      |          ^");
    expect_refused(
        "[heap]\nstrategy = good\nmemory_limit = 1GiB\n[control]\nreport = /tmp/figures\n", -EBUSY,
        "@/own.conf:5:10: control.report is fixed when the process starts (it is \"off\"): restart it to change "
        "that\n"
        "    5 | report = /tmp/figures\n"
        "      |          ^");
    expect_refused("[heap]\nstrategy = good\nmemory_limit = 1GiB\n[control]\nwait = 5s\n", -EBUSY,
                   "@/own.conf:5:8: control.wait is fixed when the process starts (it is \"0\"): restart it to change "
                   "that\n"
                   "    5 | wait = 5s\n"
                   "      |        ^");
    expect_reloaded("[heap]\nstrategy = good\nmemory_limit = 1GiB\n[control]\nsocket = off\nwait = 0ms\n");
    ck_assert_uint_eq(heap->budget.soft_bytes, 1024 * MIB);
}
END_TEST

START_TEST(a_socket_does_not_go_because_its_line_went)
{
    char text[512], origin[600];
    kit_isolate();
    snprintf(text, sizeof(text), "[control]\nsocket = %s\n", kit_path("socket"));
    setenv("SLABGC_CONFIG", kit_write_text("own.conf", text), 1);
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_config_reload(&error), 0); /* before the first heap it is not fixed yet */
    ck_assert_ptr_nonnull(sgc_heap_open("words", &(struct sgc_heap_options){.strategy = "none"}, &error));
    kit_write_text("own.conf", "[heap]\nmemory_limit = 1GiB\n");
    ck_assert_int_eq(sgc_config_reload(&error), -EBUSY);
    snprintf(origin, sizeof(origin),
             "control.socket would go back from \"%s\" (%s:2) to its default, off, but is fixed when the process "
             "starts: restart it",
             kit_path("socket"), kit_path("own.conf"));
    ck_assert_str_eq(error.message, origin);
    kit_write_text("own.conf", text);
    ck_assert_int_eq(sgc_config_reload(&error), 0);
}
END_TEST

START_TEST(without_open_heaps_anything_may_change)
{
    ck_assert_int_eq(sgc_heap_close(other, NULL), 0);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
    expect_reloaded("[heap]\nstrategy = second\n[cache.*]\ndebug = poison\n");
    heap = sgc_heap_open("words", NULL, NULL);
    ck_assert_str_eq(sgc_heap_strategy(heap), "second");
}
END_TEST

START_TEST(every_failing_call_leaves_the_old_values)
{
    uint64_t k = 0;
    bool fired = true;
    kit_write_text("own.conf", "[heap]\nstrategy = good\nmemory_limit = 1GiB\n");
    while (fired) {
        struct sgc_error error = {0};
        sgc_os_fault_arm(++k, false);
        int code = sgc_config_reload(&error);
        fired = sgc_os_fault_fired();
        sgc_os_fault_disarm();
        if (code) {
            ck_assert(fired);
            ck_assert_uint_gt(strlen(error.message), 10);
            expect_unchanged();
        }
        ck_assert_msg(sgc_heap_verify(heap, &error) == 0, "%s", error.message);
        if (code == 0)
            break;
    }
    ck_assert_uint_eq(heap->budget.soft_bytes, 1024 * MIB);
    printf("reload: %lu calls, each failed once\n", k - 1);
    ck_assert_uint_gt(k, 5);
}
END_TEST

static void reload_in_a_section(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_config_reload(NULL);
}

START_TEST(reloading_inside_a_section_panics)
{
    support_expect_panic(reload_in_a_section, NULL, "sgc_config_reload: called inside a section");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reload");
    TCase *tc = tcase_create("reload");
    tcase_add_checked_fixture(tc, make, NULL);
    tcase_add_test(tc, live_values_change_in_every_open_heap);
    tcase_add_test(tc, what_config_no_longer_says_goes_back);
    tcase_add_test(tc, a_reload_that_changes_nothing_stops_nobody);
    tcase_add_test(tc, a_reload_is_an_event_with_the_number_of_heaps_that_changed);
    tcase_add_test(tc, a_bad_line_refuses_the_whole_reload);
    tcase_add_test(tc, another_strategy_for_an_open_heap_is_refused);
    tcase_add_test(tc, a_switched_heap_stays_where_it_is_while_its_line_does_not_change);
    tcase_add_test(tc, a_parameter_that_is_not_live_is_refused);
    tcase_add_test(tc, a_parameter_that_is_not_live_cannot_go_back_to_its_default);
    tcase_add_test(tc, the_checks_of_an_existing_cache_cannot_change);
    tcase_add_test(tc, what_control_says_is_fixed_when_the_process_starts);
    tcase_add_test(tc, without_open_heaps_anything_may_change);
    tcase_add_test(tc, every_failing_call_leaves_the_old_values);
    tcase_add_test(tc, reloading_inside_a_section_panics);
    suite_add_tcase(suite, tc);
    TCase *own = tcase_create("own");
    tcase_add_test(own, a_socket_does_not_go_because_its_line_went);
    suite_add_tcase(suite, own);
    return support_main(suite);
}
