/* stop_test.c - stops: who may ask for one, solo mode, exclusion, what is recorded. */
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/os/clock.h"
#include "tests/heap/support.h"
#include "tests/support/steps.h"

static struct sgc_heap *heap;
static struct steps *steps;

static void setup(void)
{
    heap = open_limited("stop", &probe_plugin, 0, 0);
}

static void teardown(void)
{
    close_heap(heap);
}

static void stop_in_section(void *arg)
{
    struct sgc_stop stop;
    (void)arg;
    sgc_enter();
    sgc_stop_begin(&stop, heap);
}

START_TEST(a_stop_asked_for_inside_a_section_panics)
{
    support_expect_panic(stop_in_section, NULL,
                         "a stop was asked for inside a section (collect, walk, verify, close and switch are calls for "
                         "threads at rest)");
}
END_TEST

START_TEST(one_thread_alone_stops_without_raising_the_flag)
{
    struct sgc_stop stop;
    ck_assert_uint_eq(sgc_solo, 1);
    sgc_stop_begin(&stop, heap);
    ck_assert_uint_eq(sgc_stop_flag, 0);
    ck_assert(sgc_stop_is_mine());
    sgc_stop_end(&stop);
    ck_assert(!sgc_stop_is_mine());
}
END_TEST

static void *asks_whose_stop(void *out)
{
    *(bool *)out = sgc_stop_is_mine();
    return NULL;
}

START_TEST(a_stop_belongs_to_the_thread_that_began_it)
{
    struct sgc_stop stop;
    bool others = true;
    sgc_stop_begin(&stop, heap);
    join(support_thread("other", asks_whose_stop, &others));
    sgc_stop_end(&stop);
    ck_assert(!others);
}
END_TEST

/* The thread attaches by its stop alone. */
static bool in_section, overlap; /* atomic */

static void *stops_unattached(void *arg)
{
    struct sgc_stop stop;
    (void)arg;
    step(steps, "other: stops");
    sgc_stop_begin(&stop, NULL);
    __atomic_store_n(&overlap, __atomic_load_n(&in_section, __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
    sgc_stop_end(&stop);
    steps_end(steps);
    return NULL;
}

START_TEST(a_thread_not_attached_yet_waits_for_the_one_that_is)
{
    ck_assert_uint_eq(sgc_solo, 1);
    steps = STEPS("main: enters", "other: stops &", "main: leaves");
    const pthread_t thread = support_thread("other", stops_unattached, NULL);
    step(steps, "main: enters");
    sgc_enter();
    __atomic_store_n(&in_section, true, __ATOMIC_SEQ_CST);
    step(steps, "main: leaves");
    __atomic_store_n(&in_section, false, __ATOMIC_SEQ_CST);
    sgc_leave();
    steps_end(steps);
    join(thread);
    steps_free(steps);
    ck_assert(!overlap);
    ck_assert_uint_eq(sgc_solo, 0);
}
END_TEST

static unsigned n_stopped; /* plain: stops exclude each other */

static void *stops_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        struct sgc_stop stop;
        sgc_stop_begin(&stop, heap);
        n_stopped++;
        sgc_stop_end(&stop);
    }
    return NULL;
}

START_TEST(stops_of_several_threads_exclude_each_other)
{
    const pthread_t a = support_thread("a", stops_often, NULL), b = support_thread("b", stops_often, NULL);
    stops_often(NULL);
    join(a);
    join(b);
    ck_assert_uint_eq(n_stopped, 900);
}
END_TEST

START_TEST(a_stop_is_a_grace_period)
{
    struct sgc_stop stop;
    const uint64_t stamp = sgc_grace_stamp();
    ck_assert_uint_lt(sgc_grace_done(), stamp);
    sgc_stop_begin(&stop, heap);
    ck_assert_uint_ge(sgc_grace_done(), stamp);
    ck_assert_uint_lt(sgc_grace_done(), sgc_grace_stamp()); /* a stamp taken at the stop is for a later one */
    sgc_stop_end(&stop);
}
END_TEST

static uint64_t held_up_ns; /* how long the reader knows that the stop waited */

static bool stop_flag_is_up(void *arg)
{
    (void)arg;
    return __atomic_load_n(&sgc_stop_flag, __ATOMIC_SEQ_CST) != 0;
}

static void *reader_that_delays(void *arg)
{
    (void)arg;
    step(steps, "reader: enters");
    sgc_enter();
    step(steps, "reader: leaves");
    steps_await(stop_flag_is_up, NULL, "the stop's flag is up");
    const uint64_t from_ns = sgc_os_now_ns();
    while (sgc_os_now_ns() - from_ns < 3000000)
        ;
    held_up_ns = sgc_os_now_ns() - from_ns;
    sgc_leave();
    steps_end(steps);
    return NULL;
}

START_TEST(the_time_to_a_stop_and_its_length_are_recorded)
{
    steps = STEPS("reader: enters", "stopper: collects &", "reader: leaves");
    const pthread_t thread = support_thread("reader", reader_that_delays, NULL);
    step(steps, "stopper: collects");
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    steps_end(steps);
    join(thread);
    steps_free(steps);
    const struct sgc_stats stats = stats_of(heap);
    ck_assert_uint_eq(stats.times_to_stop.n, 1);
    ck_assert_uint_ge(stats.times_to_stop.max_ns, held_up_ns);
    ck_assert_uint_eq(stats.pauses.n, 1);
    ck_assert_uint_ge(stats.pauses.max_ns, stats.times_to_stop.max_ns);
}
END_TEST

START_TEST(a_stop_says_how_long_it_lasted)
{
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    ck_assert_uint_le(stop.began_ns, stop.stopped_ns);
    const uint64_t from_ns = sgc_os_now_ns();
    while (sgc_os_now_ns() - from_ns < 1000000)
        ;
    ck_assert_uint_ge(sgc_stop_end(&stop), 1000000);
}
END_TEST

static bool section_may_end; /* atomic */

static void *stay_in_section(void *began)
{
    sgc_enter();
    __atomic_store_n((bool *)began, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&section_may_end, __ATOMIC_ACQUIRE))
        sched_yield();
    sgc_leave();
    return NULL;
}

static void *collect_once(void *unused)
{
    (void)unused;
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    return NULL;
}

START_TEST(a_stop_with_a_deadline_does_not_wait_behind_another_one)
{
    struct sgc_stop stop;
    bool began = false;
    pthread_t reader = support_thread("reader", stay_in_section, &began);
    while (!__atomic_load_n(&began, __ATOMIC_ACQUIRE))
        sched_yield();
    pthread_t collector = support_thread("collector", collect_once, NULL);
    while (!(__atomic_load_n(&sgc_stop_flag, __ATOMIC_ACQUIRE) & SGC_STOP_NOW))
        sched_yield();
    ck_assert_int_eq(sgc_stop_begin_until(&stop, sgc_os_now_ns() + 20000000), -ETIMEDOUT);
    __atomic_store_n(&section_may_end, true, __ATOMIC_RELEASE);
    join(collector);
    join(reader);
    ck_assert_int_eq(sgc_stop_begin_until(&stop, sgc_os_now_ns() + UINT64_C(10000000000)), 0);
    sgc_stop_end(&stop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stop");
    TCase *tc = tcase_create("stop");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_stop_asked_for_inside_a_section_panics);
    tcase_add_test(tc, one_thread_alone_stops_without_raising_the_flag);
    tcase_add_test(tc, a_stop_belongs_to_the_thread_that_began_it);
    tcase_add_test(tc, a_thread_not_attached_yet_waits_for_the_one_that_is);
    tcase_add_test(tc, stops_of_several_threads_exclude_each_other);
    tcase_add_test(tc, a_stop_is_a_grace_period);
    tcase_add_test(tc, the_time_to_a_stop_and_its_length_are_recorded);
    tcase_add_test(tc, a_stop_says_how_long_it_lasted);
    tcase_add_test(tc, a_stop_with_a_deadline_does_not_wait_behind_another_one);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
