/* grace_test.c - grace periods: stamps, waiting with a deadline, the thread that serves heaps, heaps that close
 * meanwhile. */
#include "core/heap/section.h"
#include "core/os/fault.h"
#include "tests/heap/support.h"
#include "tests/support/steps.h"

#define LONG_NS UINT64_C(60000000000)

static struct sgc_heap *heap;
static struct steps *steps;

static void setup(void)
{
    memset(&probe, 0, sizeof(probe));
    heap = open_limited("grace", &probe_plugin, 0, 0);
}

static void teardown(void)
{
    close_heap(heap);
}

static unsigned load(const unsigned *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/* Looked at in a section, in which no grace period ends that began after the stamp: the grace thread runs its own
 * whenever it comes to it, and a stop as it attaches. */
START_TEST(a_stamp_lies_ahead_until_it_was_waited_for)
{
    for (int i = 0; i < 20; i++) {
        sgc_enter();
        const uint64_t stamp = sgc_grace_stamp(), done = sgc_grace_done();
        sgc_leave();
        ck_assert_uint_gt(stamp, done);
        ck_assert_int_eq(sgc_grace_wait(stamp, LONG_NS), 0);
        ck_assert_uint_ge(sgc_grace_done(), stamp);
        ck_assert_int_eq(sgc_grace_wait(stamp, 0), 0); /* at once */
    }
}
END_TEST

static void wait_in_section(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_grace_wait(sgc_grace_stamp(), 1);
}

START_TEST(waiting_in_a_section_panics)
{
    support_expect_panic(wait_in_section, NULL,
                         "a grace period was waited for inside a section, which it would wait for");
}
END_TEST

static void *reads(void *arg)
{
    (void)arg;
    step(steps, "reader: enters");
    sgc_enter();
    step(steps, "reader: leaves");
    sgc_leave();
    steps_end(steps);
    return NULL;
}

START_TEST(a_section_that_began_before_the_stamp_is_waited_for)
{
    steps = STEPS("reader: enters", "main: waits a little", "reader: leaves", "main: waits");
    const pthread_t thread = support_thread("reader", reads, NULL);
    step(steps, "main: waits a little");
    const uint64_t stamp = sgc_grace_stamp();
    ck_assert_int_eq(sgc_grace_wait(stamp, 2000000), -ETIMEDOUT);
    ck_assert_int_eq(sgc_grace_wait(stamp, 0), -ETIMEDOUT);
    ck_assert_uint_lt(sgc_grace_done(), stamp);
    step(steps, "main: waits");
    ck_assert_int_eq(sgc_grace_wait(stamp, LONG_NS), 0);
    steps_end(steps);
    join(thread);
    steps_free(steps);
}
END_TEST

static bool reader_may_leave; /* atomic */
static void *reads_until_told(void *in_section)
{
    sgc_enter();
    __atomic_store_n((bool *)in_section, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&reader_may_leave, __ATOMIC_RELAXED))
        ;
    sgc_leave();
    return NULL;
}

/* Also when the grace thread is inside liburcu already, which cannot be asked to give up. */
START_TEST(every_wait_ends_at_its_deadline)
{
    bool in_section = false;
    const pthread_t thread = support_thread("reader", reads_until_told, &in_section);
    while (!__atomic_load_n(&in_section, __ATOMIC_ACQUIRE))
        ;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sgc_grace_wait(sgc_grace_stamp(), 1000000), -ETIMEDOUT);
    __atomic_store_n(&reader_may_leave, true, __ATOMIC_RELAXED);
    join(thread);
    ck_assert_int_eq(sgc_grace_wait(sgc_grace_stamp(), LONG_NS), 0);
}
END_TEST

static void time_out(void *arg)
{
    (void)arg;
    steps = STEPS("reader: enters", "main: waits", "reader: leaves");
    const pthread_t thread = support_thread("long-reader", reads, NULL);
    step(steps, "main: waits");
    sgc_grace_request(heap, sgc_grace_stamp());
    if (sgc_grace_wait(sgc_grace_stamp(), 2000000) != -ETIMEDOUT || stats_of(heap).n_stalls != 1)
        abort();
    steps_end(steps);
    pthread_join(thread, NULL);
    _exit(0);
}

START_TEST(a_wait_that_gives_up_names_the_section)
{
    expect_message(time_out, NULL, "slabgc: a grace period waits for thread \"long-reader\" (tid ");
}
END_TEST

START_TEST(without_a_thread_the_waiting_one_helps_itself)
{
    sgc_os_fault_arm(1, true); /* no thread can be started */
    const uint64_t stamp = sgc_grace_stamp();
    sgc_grace_request(heap, stamp);
    const int rc = sgc_grace_wait(stamp, LONG_NS);
    const char *refused = sgc_os_fault_fired_call();
    sgc_os_fault_disarm();
    ck_assert_int_eq(rc, 0);
    ck_assert_uint_ge(sgc_grace_done(), stamp);
    ck_assert_ptr_nonnull(refused);
    ck_assert_uint_eq(load(&probe.n_grace), 0); /* nobody could tell the strategy */
    sgc_grace_request(heap, sgc_grace_stamp());
    while (load(&probe.n_grace) == 0)
        sgc_grace_wait(sgc_grace_stamp(), LONG_NS);
}
END_TEST

/* ---- the strategy is told */

static bool told(void *n)
{
    return load(&probe.n_grace) >= *(unsigned *)n;
}

static uint32_t depth_when_told;
static pthread_t thread_when_told;
static unsigned n_more; /* how often it wants to be called again */
static bool note_call(void *self)
{
    depth_when_told = sgc_context_.depth;
    thread_when_told = pthread_self();
    return self && n_more > 0 && n_more-- > 0;
}

START_TEST(a_request_is_answered_in_a_section_of_another_thread)
{
    unsigned once = 1;
    probe.grace_elapsed = note_call;
    const uint64_t stamp = sgc_grace_stamp();
    sgc_grace_request(heap, stamp);
    steps_await(told, &once, "the strategy is told");
    ck_assert_uint_ge(sgc_grace_done(), stamp);
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap); /* orders what the other thread wrote in its section */
    sgc_stop_end(&stop);
    ck_assert_uint_eq(depth_when_told, 1);
    ck_assert(!pthread_equal(thread_when_told, pthread_self()));
}
END_TEST

START_TEST(grace_periods_of_the_thread_are_counted)
{
    for (unsigned n = 1; n <= 1000 && stats_of(heap).n_grace_periods == 0;
         n++) { /* a stop may come first, as one does when the thread attaches */
        sgc_grace_request(heap, sgc_grace_stamp());
        steps_await(told, &n, "the strategy is told");
    }
    ck_assert_uint_gt(stats_of(heap).n_grace_periods, 0);
}
END_TEST

START_TEST(it_is_called_again_while_there_is_more_to_do)
{
    unsigned four = 4;
    n_more = 3;
    probe.grace_elapsed = note_call;
    sgc_grace_request(heap, sgc_grace_stamp());
    steps_await(told, &four, "the strategy is told four times");
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    sgc_stop_end(&stop);
    ck_assert_uint_eq(n_more, 0);
}
END_TEST

START_TEST(a_request_that_a_stop_has_fulfilled_is_answered)
{
    for (unsigned i = 1; i <= 50; i++) {
        const uint64_t stamp = sgc_grace_stamp();
        struct sgc_stop stop;
        sgc_stop_begin(&stop, heap);
        sgc_stop_end(&stop);
        ck_assert_uint_ge(sgc_grace_done(), stamp);
        sgc_grace_request(heap, stamp);
        steps_await(told, &i, "the strategy is told");
    }
}
END_TEST

START_TEST(several_heaps_are_served)
{
    struct sgc_heap *other = open_limited("other", &probe_plugin, 0, 0);
    for (unsigned n = 2; n <= 40; n += 2) {
        sgc_grace_request(heap, sgc_grace_stamp());
        sgc_grace_request(other, sgc_grace_stamp());
        steps_await(told, &n, "both strategies are told");
    }
    close_heap(other);
}
END_TEST

/* ---- closing and switching meanwhile */

static bool always_more(void *self)
{
    (void)self;
    return true;
}

START_TEST(a_heap_can_close_while_it_is_being_served)
{
    probe.grace_elapsed = always_more; /* ends with the heap alone */
    for (int i = 0; i < 100; i++) {
        unsigned next = load(&probe.n_grace) + 1;
        struct sgc_heap *passing = open_limited("passing", &probe_plugin, 0, 0);
        sgc_grace_request(passing, sgc_grace_stamp());
        if (i % 2)
            steps_await(told, &next, "the heap is being served");
        close_heap(passing);
        const unsigned after = load(&probe.n_grace);
        ck_assert_int_eq(sgc_grace_wait(sgc_grace_stamp(), LONG_NS), 0);
        ck_assert_uint_eq(load(&probe.n_grace), after);
    }
}
END_TEST

START_TEST(a_strategy_never_hears_of_its_predecessors_requests)
{
    static const uint64_t params[2];
    probe.grace_elapsed = always_more;
    for (int i = 0; i < 100; i++) {
        sgc_grace_request(heap, sgc_grace_stamp());
        /* tracing traps when it is told of a grace period */
        ck_assert_int_eq(sgc_heap_switch_strategy(heap, &tracing_plugin, params, NULL), 0);
        ck_assert_int_eq(sgc_grace_wait(sgc_grace_stamp(), LONG_NS), 0);
        ck_assert_int_eq(sgc_heap_switch_strategy(heap, &probe_plugin, params, NULL), 0);
    }
}
END_TEST

static void *waits_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        const uint64_t stamp = sgc_grace_stamp();
        if (sgc_grace_wait(stamp, LONG_NS) != 0 || sgc_grace_done() < stamp)
            abort();
    }
    return NULL;
}

START_TEST(any_number_of_threads_can_wait)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = support_thread("waits", waits_often, NULL);
    for (int i = 0; i < 50; i++) {
        SGC_SECTION;
        sgc_enter();
        sgc_leave();
    }
    for (int i = 0; i < 3; i++)
        join(threads[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grace");
    TCase *tc = tcase_create("grace");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_stamp_lies_ahead_until_it_was_waited_for);
    tcase_add_test(tc, waiting_in_a_section_panics);
    tcase_add_test(tc, a_section_that_began_before_the_stamp_is_waited_for);
    tcase_add_test(tc, every_wait_ends_at_its_deadline);
    tcase_add_test(tc, a_wait_that_gives_up_names_the_section);
    tcase_add_test(tc, without_a_thread_the_waiting_one_helps_itself);
    tcase_add_test(tc, a_request_is_answered_in_a_section_of_another_thread);
    tcase_add_test(tc, grace_periods_of_the_thread_are_counted);
    tcase_add_test(tc, it_is_called_again_while_there_is_more_to_do);
    tcase_add_test(tc, a_request_that_a_stop_has_fulfilled_is_answered);
    tcase_add_test(tc, several_heaps_are_served);
    tcase_add_test(tc, a_heap_can_close_while_it_is_being_served);
    tcase_add_test(tc, a_strategy_never_hears_of_its_predecessors_requests);
    tcase_add_test(tc, any_number_of_threads_can_wait);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
