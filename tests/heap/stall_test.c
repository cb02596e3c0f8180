/* stall_test.c - long sections are named: who, in whose stop, once. Reports are read from the stderr of a child that
 * makes threads of its own. */
#include "core/heap/section.h"
#include "core/os/clock.h"
#include "core/stats/events.h"
#include "tests/heap/support.h"
#include "tests/support/steps.h"

#include <stdio.h>

static struct sgc_heap *heap;
static struct steps *steps;

static void open_with_limit(uint64_t stall_report_ns)
{
    static const uint64_t params[2];
    heap = open_heap_with(&(struct sgc_heap_setup){
        .name = "words", .plugin = &probe_plugin, .params = params, .stall_report_ns = stall_report_ns});
}

static unsigned n_stall_events(void)
{
    static struct sgc_event events[SGC_EVENTS];
    uint64_t next = 0;
    unsigned n = 0;
    const size_t n_events = sgc_events_read(&next, events, SGC_EVENTS, NULL);
    for (size_t i = 0; i < n_events; i++)
        n += events[i].kind == SGC_EVENT_STALL && strcmp(events[i].name, "dawdler") == 0;
    return n;
}

static bool was_reported(void *arg)
{
    (void)arg;
    return n_stall_events() > 0;
}

static void *dawdles(void *arg)
{
    (void)arg;
    step(steps, "dawdler: enters");
    sgc_enter();
    step(steps, "dawdler: leaves");
    steps_await(was_reported, NULL, "the section was reported");
    sgc_leave();
    steps_end(steps);
    return NULL;
}

static void delay_a_stop(void *arg)
{
    (void)arg;
    open_with_limit(1000000);
    steps = STEPS("dawdler: enters", "main: collects &", "dawdler: leaves");
    const pthread_t thread = support_thread("dawdler", dawdles, NULL);
    step(steps, "main: collects");
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    steps_end(steps);
    if (stats_of(heap).n_stalls != 1 || n_stall_events() != 1)
        abort();
    pthread_join(thread, NULL);
    _exit(0);
}

START_TEST(a_section_that_delays_a_stop_is_named_with_thread_and_heap)
{
    expect_message(delay_a_stop, NULL, "slabgc: a stop of heap words waits for thread \"dawdler\" (tid ");
    expect_message(delay_a_stop, NULL, "): in one section for more than ");
}
END_TEST

static void delay_an_attaching_thread(void *arg)
{
    (void)arg;
    open_with_limit(1000000);
    steps = STEPS("dawdler: enters", "main: stops &", "dawdler: leaves");
    const pthread_t thread = support_thread("dawdler", dawdles, NULL);
    struct sgc_stop stop;
    step(steps, "main: stops");
    sgc_stop_begin(&stop, NULL); /* nobody's: the default limit of 100 ms */
    sgc_stop_end(&stop);
    steps_end(steps);
    pthread_join(thread, NULL);
    _exit(0);
}

START_TEST(a_stop_that_is_no_heaps_names_the_thread_too)
{
    expect_message(delay_an_attaching_thread, NULL, "slabgc: a stop waits for thread \"dawdler\" (tid ");
}
END_TEST

/* ---- notes and reports, without a limit to wait for */

static void *takes_turns(void *arg)
{
    (void)arg;
    step(steps, "reader: enters");
    sgc_enter();
    step(steps, "reader: leaves and enters again");
    sgc_leave();
    sgc_enter();
    step(steps, "reader: leaves");
    sgc_leave();
    step(steps, "reader: ends"); /* not before: a thread's end is a section, too */
    steps_end(steps);
    return NULL;
}

START_TEST(only_a_section_that_ran_all_the_time_is_reported_and_once)
{
    open_with_limit(0);
    ck_assert_int_eq(sgc_thread_attach(), 0);
    steps = STEPS("reader: enters", "main: notes", "reader: leaves and enters again", "main: reports", "reader: leaves",
                  "main: is alone", "reader: ends");
    const pthread_t thread = support_thread("reader", takes_turns, NULL);
    step(steps, "main: notes");
    ck_assert_uint_eq(sgc_sections_note(SGC_WATCHER_WAIT), 1);
    ck_assert_uint_eq(sgc_sections_note(SGC_WATCHER_GRACE), 1);
    ck_assert_uint_eq(sgc_sections_report(SGC_WATCHER_WAIT, NULL, 1), 1);
    ck_assert_uint_eq(sgc_sections_report(SGC_WATCHER_WAIT, NULL, 1), 0);  /* said already */
    ck_assert_uint_eq(sgc_sections_report(SGC_WATCHER_GRACE, NULL, 1), 0); /* by whomever */
    step(steps, "main: reports");
    ck_assert_uint_eq(sgc_sections_report(SGC_WATCHER_WAIT, NULL, 1), 0); /* another section by now */
    ck_assert_uint_eq(sgc_sections_note(SGC_WATCHER_WAIT), 1);
    ck_assert_uint_eq(sgc_sections_report(SGC_WATCHER_WAIT, NULL, 1), 1);
    step(steps, "main: is alone");
    ck_assert_uint_eq(sgc_sections_note(SGC_WATCHER_WAIT), 0);
    ck_assert_uint_eq(sgc_sections_report(SGC_WATCHER_WAIT, NULL, 1), 0);
    steps_end(steps);
    join(thread);
    steps_free(steps);
    close_heap(heap);
}
END_TEST

START_TEST(a_wait_with_a_deadline_gives_up_and_names_the_section)
{
    struct sgc_waited waited = {0};
    open_with_limit(0);
    ck_assert_int_eq(sgc_thread_attach(), 0);
    steps = STEPS("reader: enters", "main: waits", "reader: leaves and enters again", "reader: leaves",
                  "main: is alone", "reader: ends");
    const pthread_t thread = support_thread("reader", takes_turns, NULL);
    step(steps, "main: waits");
    ck_assert_int_eq(sgc_sections_wait(SGC_WATCHER_WAIT, NULL, UINT64_MAX, sgc_os_now_ns() + 1000000, &waited),
                     -ETIMEDOUT);
    ck_assert_uint_eq(waited.n_stalls, 1);
    ck_assert(waited.slowest_tid > 0 && waited.slowest_tid != sgc_context_.thread->tid);
    step(steps, "main: is alone");
    ck_assert_int_eq(sgc_sections_wait(SGC_WATCHER_WAIT, NULL, 1, sgc_os_now_ns() + 1, &waited), 0);
    ck_assert_uint_eq(waited.n_stalls, 1);
    steps_end(steps);
    join(thread);
    steps_free(steps);
    close_heap(heap);
}
END_TEST

static void *enters_often(void *arg)
{
    bool *over = arg;
    while (!__atomic_load_n(over, __ATOMIC_RELAXED)) {
        SGC_SECTION;
        sgc_enter();
        sgc_leave();
    }
    return NULL;
}

START_TEST(short_sections_are_never_reported)
{
    bool over = false;
    open_with_limit(UINT64_C(20000000000));
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = support_thread("often", enters_often, &over);
    for (int i = 0; i < 100; i++)
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    ck_assert_uint_eq(stats_of(heap).n_stalls, 0);
    ck_assert_uint_eq(stats_of(heap).times_to_stop.n, 100);
    close_heap(heap);
}
END_TEST

START_TEST(ones_own_section_is_not_waited_for)
{
    struct sgc_waited waited = {0};
    open_with_limit(0);
    sgc_enter();
    ck_assert_int_eq(sgc_sections_wait(SGC_WATCHER_GRACE, NULL, 0, 0, &waited), 0);
    sgc_leave();
    close_heap(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stall");
    TCase *tc = tcase_create("stall");
    tcase_add_test(tc, a_section_that_delays_a_stop_is_named_with_thread_and_heap);
    tcase_add_test(tc, a_stop_that_is_no_heaps_names_the_thread_too);
    tcase_add_test(tc, only_a_section_that_ran_all_the_time_is_reported_and_once);
    tcase_add_test(tc, a_wait_with_a_deadline_gives_up_and_names_the_section);
    tcase_add_test(tc, short_sections_are_never_reported);
    tcase_add_test(tc, ones_own_section_is_not_waited_for);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
