/* show_test.c - sgc_config_for_each: every value in effect and where it came from. */
#include "tests/runtime/kit.h"

#include <slabgc/slabgc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char rows[64][1024];
static unsigned n_rows;

static int note(void *arg, const char *section, const char *key, const char *value, const char *origin)
{
    (void)arg;
    ck_assert_uint_lt(n_rows, 64);
    snprintf(rows[n_rows++], sizeof(rows[0]), "%s %s = %s (%s)", section, key, value, origin);
    return 0;
}

static void show(void)
{
    n_rows = 0;
    ck_assert_int_eq(sgc_config_for_each(note, NULL), 0);
}

/* Exactly one row for section and key, and this one. */
static void expect_row(const char *row)
{
    struct sgc_error expected;
    size_t length = 0;
    for (const char *at = row; *at; at++)
        length += *at == '@' ? (size_t)sprintf(expected.message + length, "%s", kit_directory())
                             : (size_t)sprintf(expected.message + length, "%c", *at);
    unsigned n = 0, same = 0;
    size_t head = strcspn(expected.message, "=");
    for (unsigned i = 0; i < n_rows; i++) {
        n += strncmp(rows[i], expected.message, head) == 0;
        same += strcmp(rows[i], expected.message) == 0;
        if (strncmp(rows[i], expected.message, head) == 0)
            ck_assert_str_eq(rows[i], expected.message);
    }
    ck_assert_msg(n == 1 && same == 1, "%u rows for: %s", n, expected.message);
}

START_TEST(without_config_the_defaults_are_shown)
{
    kit_isolate();
    show();
    expect_row("heap memory_limit = none (default)");
    expect_row("heap hard_limit = 125% (default)");
    expect_row("heap stall_report = 100ms (default)");
    expect_row("heap default_strategies = generational, refcount, rcu, none (default)");
    expect_row("cache.* debug = none (default)");
    expect_row("control socket = off (default)");
    expect_row("control wait = 0 (default)");
    expect_row("control report = off (default)");
    ck_assert_uint_eq(n_rows, 8);
}
END_TEST

START_TEST(each_value_has_the_origin_that_won)
{
    kit_isolate();
    setenv("SLABGC_PLUGIN_PATH", kit_path("p"), 1);
    kit_copy_plugin("good", "p/good.so");
    kit_write_text("etc/slabgc/slabgc.conf", "[heap]\nstrategy = good\nmemory_limit = 1GiB\n"
                                             "[strategy.good]\ngrowth = 300%\n[heap.later]\nstrategy = none\n");
    setenv("SLABGC_CONFIG",
           kit_write_text("own.conf", "[heap.words]\nmemory_limit = 64MiB\n[cache.node]\n"
                                      "debug = track\n[plugins]\ndirectory = /opt/p\n"),
           1);
    setenv("SLABGC", "strategy.good.eager=yes", 1);
    struct sgc_heap *heap = sgc_heap_open("words", NULL, NULL);
    struct sgc_heap *other = sgc_heap_open("other", NULL, NULL);
    show();
    expect_row("heap strategy = good (@/etc/slabgc/slabgc.conf:2)");
    expect_row("heap memory_limit = 1GiB (@/etc/slabgc/slabgc.conf:3)");
    expect_row("heap.words strategy = good (@/etc/slabgc/slabgc.conf:2)");
    expect_row("heap.words memory_limit = 64MiB (@/own.conf:2)");
    expect_row("heap.words hard_limit = 80MiB (default)");
    expect_row("heap.words stall_report = 100ms (default)");
    expect_row("heap.other memory_limit = 1GiB (@/etc/slabgc/slabgc.conf:3)");
    expect_row("heap.later strategy = none (@/etc/slabgc/slabgc.conf:7)");
    expect_row("strategy.good growth = 300% (@/etc/slabgc/slabgc.conf:5)");
    expect_row("strategy.good eager = on ($SLABGC)");
    expect_row("strategy.good nursery = 4MiB (default)");
    expect_row("strategy.good pause_target = 5ms (default)");
    expect_row("cache.node debug = track (@/own.conf:4)");
    expect_row("plugins directory = /opt/p (@/own.conf:6)");
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
    ck_assert_int_eq(sgc_heap_close(other, NULL), 0);
}
END_TEST

START_TEST(what_the_program_chose_is_shown_as_the_programs)
{
    kit_isolate();
    setenv("SLABGC_PLUGIN_PATH", kit_path("p"), 1);
    kit_copy_plugin("good", "p/good.so");
    kit_copy_plugin("second", "p/second.so");
    struct sgc_heap *heap =
        sgc_heap_open("words", &(struct sgc_heap_options){.strategy = "good", .memory_limit_bytes = 1 << 20}, NULL);
    struct sgc_heap *plain = sgc_heap_open("plain", NULL, NULL);
    show();
    expect_row("heap.words strategy = good (program)");
    expect_row("heap.words memory_limit = 1MiB (program)");
    expect_row("heap.words hard_limit = 1280KiB (default)");
    expect_row("heap.plain strategy = none (default)");
    expect_row("heap.plain memory_limit = none (default)");
    ck_assert_int_eq(sgc_heap_switch(heap, "second", NULL), 0);
    show();
    expect_row("heap.words strategy = second (sgc_heap_switch)");
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
    ck_assert_int_eq(sgc_heap_close(plain, NULL), 0);
}
END_TEST

static int stop_at_second(void *arg, const char *section, const char *key, const char *value, const char *origin)
{
    (void)section, (void)key, (void)value, (void)origin;
    unsigned *n = arg;
    return ++*n == 2 ? 17 : 0;
}

static int open_from_visitor(void *arg, const char *section, const char *key, const char *value, const char *origin)
{
    (void)arg, (void)section, (void)key, (void)value, (void)origin;
    struct sgc_heap *heap = sgc_heap_open("visitor", NULL, NULL);
    ck_assert_ptr_nonnull(heap);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
    return 1;
}

START_TEST(a_visitor_may_end_it_and_may_call_slabgc)
{
    kit_isolate();
    unsigned n = 0;
    ck_assert_int_eq(sgc_config_for_each(stop_at_second, &n), 17);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(sgc_config_for_each(open_from_visitor, NULL), 1);
}
END_TEST

START_TEST(a_config_that_cannot_be_read_is_an_error)
{
    kit_isolate();
    setenv("SLABGC", "nonsense", 1);
    n_rows = 0;
    ck_assert_int_lt(sgc_config_for_each(note, NULL), 0);
    ck_assert_uint_eq(n_rows, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("show");
    TCase *tc = tcase_create("show");
    tcase_add_test(tc, without_config_the_defaults_are_shown);
    tcase_add_test(tc, each_value_has_the_origin_that_won);
    tcase_add_test(tc, what_the_program_chose_is_shown_as_the_programs);
    tcase_add_test(tc, a_visitor_may_end_it_and_may_call_slabgc);
    tcase_add_test(tc, a_config_that_cannot_be_read_is_an_error);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
