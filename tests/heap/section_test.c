/* section_test.c - sections: nesting, short sections, and both orders of a section's entry and a stop. */
#include "core/heap/section.h"
#include "core/os/fault.h"
#include "tests/heap/support.h"
#include "tests/support/steps.h"

#include <sched.h>
#include <unistd.h>

static struct sgc_heap *heap;
static struct sgc_cache *nodes;
static struct node *node;

static void setup(void)
{
    heap = open_limited("section", &probe_plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
    node = new_node(nodes, NULL, NULL);
}

static void teardown(void)
{
    sgc_drop(node);
    close_heap(heap);
}

START_TEST(only_the_outermost_enter_and_leave_count)
{
    const uint64_t before = sgc_context_.n_sections;
    sgc_enter();
    for (int i = 0; i < 1000; i++)
        sgc_enter();
    ck_assert_uint_eq(sgc_context_.depth, 1001);
    for (int i = 0; i < 1000; i++)
        sgc_leave();
    ck_assert_uint_eq(sgc_context_.depth, 1);
    sgc_leave();
    ck_assert_uint_eq(sgc_context_.depth, 0);
    ck_assert_uint_eq(sgc_context_.n_sections, before + 1);
}
END_TEST

START_TEST(a_call_at_rest_leaves_the_thread_at_rest)
{
    const uint64_t before = sgc_context_.n_sections;
    sgc_hold(node);
    sgc_set(node, left, node);
    sgc_set(node, left, NULL);
    sgc_drop(node);
    ck_assert_uint_eq(sgc_context_.n_sections, before);
    ck_assert_uint_eq(sgc_context_.depth, 0);
    ck_assert_uint_eq(sgc_context_.busy, 0);
}
END_TEST

START_TEST(a_call_inside_a_section_is_part_of_it)
{
    sgc_enter();
    const uint64_t before = sgc_context_.n_sections;
    sgc_hold(node);
    sgc_set(node, left, node);
    sgc_set(node, left, NULL);
    sgc_drop(node);
    ck_assert_uint_eq(sgc_context_.n_sections, before);
    ck_assert_uint_eq(sgc_context_.depth, 1);
    sgc_leave();
}
END_TEST

static int section_and_return(void)
{
    SGC_SECTION;
    return (int)sgc_context_.depth;
}

START_TEST(a_scoped_section_ends_with_its_scope)
{
    ck_assert_int_eq(section_and_return(), 1);
    ck_assert_uint_eq(sgc_context_.depth, 0);
}
END_TEST

static void leave_at_rest(void *arg)
{
    (void)arg;
    sgc_leave();
}

START_TEST(leaving_at_rest_panics)
{
    support_expect_panic(leave_at_rest, NULL, "sgc_leave: the thread is in no section");
}
END_TEST

static int calling_ctor(void *slot)
{
    (void)slot;
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    return 0;
}
static const struct sgc_type calling_type = {.name = "calling", .size_bytes = 16, .ctor = calling_ctor};

static void collect_in_a_callback(void *arg)
{
    (void)arg;
    (void)!sgc_new(make_cache(heap, &calling_type));
}

START_TEST(a_callback_that_stops_the_world_panics)
{
    support_expect_panic(
        collect_in_a_callback, NULL,
        "a stop was asked for inside a call of slabgc (ctor, reset, dtor and trace callbacks must not call it)");
}
END_TEST

/* ---- both orders */

static struct steps *steps;
static bool reading; /* the reader is in its section; atomic */

static void *reader(void *arg)
{
    (void)arg;
    step(steps, "reader: enters");
    sgc_enter();
    __atomic_store_n(&reading, true, __ATOMIC_SEQ_CST);
    step(steps, "reader: leaves");
    __atomic_store_n(&reading, false, __ATOMIC_SEQ_CST);
    sgc_leave();
    steps_end(steps);
    return NULL;
}

START_TEST(a_stop_waits_for_a_section_that_began_before_it)
{
    struct sgc_stop stop;
    steps = STEPS("reader: enters", "stopper: stops &", "reader: leaves", "stopper: resumes");
    const pthread_t thread = support_thread("reader", reader, NULL);
    step(steps, "stopper: stops");
    sgc_stop_begin(&stop, heap);
    const bool overlap = __atomic_load_n(&reading, __ATOMIC_SEQ_CST);
    step(steps, "stopper: resumes");
    sgc_stop_end(&stop);
    steps_end(steps);
    join(thread);
    steps_free(steps);
    ck_assert(!overlap);
}
END_TEST

START_TEST(a_section_waits_for_a_stop_that_began_before_it)
{
    struct sgc_stop stop;
    steps = STEPS("stopper: stops", "reader: enters &", "stopper: looks", "stopper: resumes", "reader: leaves");
    const pthread_t thread = support_thread("reader", reader, NULL);
    step(steps, "stopper: stops");
    ck_assert_int_eq(sgc_thread_attach(), 0);
    sgc_stop_begin(&stop, heap);
    step(steps, "stopper: looks");
    const bool overlap = __atomic_load_n(&reading, __ATOMIC_SEQ_CST);
    step(steps, "stopper: resumes");
    sgc_stop_end(&stop);
    steps_end(steps);
    join(thread);
    steps_free(steps);
    ck_assert(!overlap);
}
END_TEST

/* The reader is attached, so it meets the flag and not the lock of attaching. */
static void *attached_reader(void *arg)
{
    if (sgc_thread_attach() < 0)
        abort();
    step(steps, "reader: attached");
    return reader(arg);
}

START_TEST(an_attached_thread_meets_the_flag_on_entry)
{
    struct sgc_stop stop;
    steps = STEPS("reader: attached", "stopper: stops", "reader: enters &", "stopper: looks", "stopper: resumes",
                  "reader: leaves");
    const pthread_t thread = support_thread("reader", attached_reader, NULL);
    step(steps, "stopper: stops");
    sgc_stop_begin(&stop, heap);
    step(steps, "stopper: looks");
    const bool overlap = __atomic_load_n(&reading, __ATOMIC_SEQ_CST);
    step(steps, "stopper: resumes");
    sgc_stop_end(&stop);
    steps_end(steps);
    join(thread);
    steps_free(steps);
    ck_assert(!overlap);
    ck_assert_uint_eq(sgc_solo, 0);
}
END_TEST

/* A call at rest is known to be inside core while the type's constructor runs. */
static struct sgc_cache *slow;

static int slow_ctor(void *slot)
{
    (void)slot;
    step(steps, "caller: is inside");
    __atomic_store_n(&reading, true, __ATOMIC_SEQ_CST);
    step(steps, "caller: goes on");
    __atomic_store_n(&reading, false, __ATOMIC_SEQ_CST);
    steps_end(steps);
    return 0;
}
/* large: one ctor a call */
static const struct sgc_type slow_type = {.name = "slow", .size_bytes = 40000, .ctor = slow_ctor};

static void *caller(void *arg)
{
    (void)arg;
    if (sgc_thread_attach() < 0)
        abort();
    sgc_drop(sgc_new(slow));
    return NULL;
}

START_TEST(a_stop_waits_for_a_call_that_began_before_it)
{
    struct sgc_stop stop;
    slow = make_cache(heap, &slow_type);
    steps = STEPS("caller: is inside", "stopper: stops &", "caller: goes on", "stopper: resumes");
    const pthread_t thread = support_thread("caller", caller, NULL);
    step(steps, "stopper: stops");
    sgc_stop_begin(&stop, heap);
    const bool overlap = __atomic_load_n(&reading, __ATOMIC_SEQ_CST);
    step(steps, "stopper: resumes");
    sgc_stop_end(&stop);
    steps_end(steps);
    join(thread);
    steps_free(steps);
    ck_assert(!overlap);
}
END_TEST

static void *attached_caller(void *arg)
{
    (void)arg;
    if (sgc_thread_attach() < 0)
        abort();
    step(steps, "caller: attached");
    step(steps, "caller: holds");
    sgc_hold(node);
    __atomic_store_n(&reading, true, __ATOMIC_SEQ_CST);
    steps_end(steps);
    return NULL;
}

START_TEST(a_call_waits_for_a_stop_that_began_before_it)
{
    struct sgc_stop stop;
    steps = STEPS("caller: attached", "stopper: stops", "caller: holds &", "stopper: looks", "stopper: resumes");
    const pthread_t thread = support_thread("caller", attached_caller, NULL);
    step(steps, "stopper: stops");
    sgc_stop_begin(&stop, heap);
    step(steps, "stopper: looks");
    const bool overlap = __atomic_load_n(&reading, __ATOMIC_SEQ_CST);
    const uint64_t count = count_of(node);
    step(steps, "stopper: resumes");
    sgc_stop_end(&stop);
    steps_end(steps);
    join(thread);
    steps_free(steps);
    ck_assert(!overlap);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(count_of(node), 2);
    sgc_drop(node);
}
END_TEST

/* A storm of short sections and calls against repeated stops; each section says so by a word of its own. */
#define STORM_THREADS 3
#define STORM_STOPS 200
static struct {
    bool inside __attribute__((aligned(64))); /* atomic */
} storm[STORM_THREADS];
static bool storm_over; /* atomic */

static void *storm_main(void *arg)
{
    bool *inside = arg;
    while (!__atomic_load_n(&storm_over, __ATOMIC_RELAXED)) {
        sgc_enter();
        __atomic_store_n(inside, true, __ATOMIC_RELAXED);
        __atomic_store_n(inside, false, __ATOMIC_RELAXED);
        sgc_leave();
        sgc_drop(sgc_hold(node));
    }
    return NULL;
}

static unsigned storm_overlaps(void)
{
    pthread_t threads[STORM_THREADS];
    unsigned n_overlaps = 0;
    storm_over = false;
    for (int i = 0; i < STORM_THREADS; i++)
        threads[i] = support_thread("storm", storm_main, &storm[i].inside);
    for (int i = 0; i < STORM_STOPS; i++) {
        struct sgc_stop stop;
        sgc_stop_begin(&stop, heap);
        for (int j = 0; j < STORM_THREADS; j++)
            n_overlaps += __atomic_load_n(&storm[j].inside, __ATOMIC_RELAXED);
        const uint8_t byte = *sgc_count_byte(&sgc_counts, node);
        sched_yield();
        n_overlaps += byte != *sgc_count_byte(&sgc_counts, node); /* a count moves in calls alone */
        sgc_stop_end(&stop);
    }
    __atomic_store_n(&storm_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < STORM_THREADS; i++)
        join(threads[i]);
    return n_overlaps;
}

START_TEST(no_section_and_no_call_overlaps_a_stop)
{
    ck_assert_uint_eq(storm_overlaps(), 0);
}
END_TEST

/* In a process of its own, whose first use of slabgc finds no membarrier: system call number k is refused, which the
 * caller searches. */
static void storm_without_membarrier(void *k)
{
    sgc_os_fault_arm(*(uint64_t *)k, false);
    const int rc = sgc_thread_attach();
    const char *refused = sgc_os_fault_fired_call();
    sgc_os_fault_disarm();
    if (rc < 0 || !refused || strcmp(refused, "membarrier") != 0)
        _exit(2);
    setup();
    const unsigned n_overlaps = storm_overlaps();
    const bool counted = count_of(node) == 1;
    teardown();
    _exit(n_overlaps == 0 && counted && sgc_stop_flag == SGC_STOP_FENCED ? 0 : 1);
}

START_TEST(without_membarrier_stops_keep_sections_and_calls_away_all_the_same)
{
    char seen[4096];
    int status = 2 << 8;
    for (uint64_t k = 1; k < 100 && status == 2 << 8; k++)
        status = support_run_child(storm_without_membarrier, &k, seen, sizeof(seen));
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(
        seen, "slabgc: membarrier is not available here (seccomp?): each section and each call costs a full fence\n");
}
END_TEST

static void *attach_only(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_leave();
    return NULL;
}

static int visit_enters(void *arg, struct sgc_cache *cache, void *object, size_t bytes, uint64_t count)
{
    (void)arg, (void)cache, (void)object, (void)bytes, (void)count;
    sgc_enter();
    return 0;
}

static void section_inside_own_stop(void *arg)
{
    (void)arg;
    sgc_heap_walk(heap, NULL, visit_enters, NULL);
}

START_TEST(a_section_inside_ones_own_stop_panics)
{
    join(support_thread("second", attach_only, NULL)); /* ends solo mode, in which the flag stays down */
    support_expect_panic_prefix(section_inside_own_stop, NULL, "check failed: ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("section");
    TCase *tc = tcase_create("section");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, only_the_outermost_enter_and_leave_count);
    tcase_add_test(tc, a_call_at_rest_leaves_the_thread_at_rest);
    tcase_add_test(tc, a_call_inside_a_section_is_part_of_it);
    tcase_add_test(tc, a_scoped_section_ends_with_its_scope);
    tcase_add_test(tc, leaving_at_rest_panics);
    tcase_add_test(tc, a_stop_waits_for_a_section_that_began_before_it);
    tcase_add_test(tc, a_section_waits_for_a_stop_that_began_before_it);
    tcase_add_test(tc, an_attached_thread_meets_the_flag_on_entry);
    tcase_add_test(tc, a_stop_waits_for_a_call_that_began_before_it);
    tcase_add_test(tc, a_call_waits_for_a_stop_that_began_before_it);
    tcase_add_test(tc, no_section_and_no_call_overlaps_a_stop);
    tcase_add_test(tc, a_section_inside_ones_own_stop_panics);
    tcase_add_test(tc, a_callback_that_stops_the_world_panics);
    suite_add_tcase(suite, tc);
    TCase *fresh = tcase_create("fresh");
    tcase_add_test(fresh, without_membarrier_stops_keep_sections_and_calls_away_all_the_same);
    suite_add_tcase(suite, fresh);
    return support_main(suite);
}
