/* collect_test.c - one collection: kinds, windows, accounts, several threads that want one. */
#include "core/heap/section.h"
#include "core/stats/events.h"
#include "tests/heap/support.h"

static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void open_on(const struct sgc_strategy_plugin *plugin)
{
    memset(&probe, 0, sizeof(probe));
    heap = open_limited("collect", plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
}

static void setup(void)
{
    open_on(&probe_plugin);
}

static void teardown(void)
{
    close_heap(heap);
}

START_TEST(each_kind_is_passed_on_and_counted)
{
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(probe.n_minor, 2);
    ck_assert_uint_eq(probe.n_full, 1);
    const struct sgc_stats stats = stats_of(heap);
    ck_assert_uint_eq(stats.n_minor, 2);
    ck_assert_uint_eq(stats.n_full, 1);
    ck_assert_uint_eq(stats.n_emergency, 0);
    ck_assert_uint_eq(stats.pauses.n, 3);
    ck_assert_uint_eq(stats.times_to_stop.n, 3);
}
END_TEST

static void collect_in_section(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
}

START_TEST(collecting_in_a_section_panics)
{
    support_expect_panic(collect_in_section, NULL, "sgc_heap_collect: called inside a section");
}
END_TEST

static bool stop_was_mine;
static unsigned n_in_windows;
static void look_around(void *self)
{
    (void)self;
    stop_was_mine = sgc_stop_is_mine();
    n_in_windows = sgc_front_of(nodes->classes[0])->n;
}

START_TEST(the_strategy_works_at_a_stop_with_empty_windows)
{
    sgc_drop(sgc_new(nodes));
    ck_assert_uint_gt(sgc_front_of(nodes->classes[0])->n, 0);
    probe.collect = look_around;
    n_in_windows = 99;
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert(stop_was_mine);
    ck_assert_uint_eq(n_in_windows, 0);
}
END_TEST

START_TEST(what_is_dead_is_reclaimed_and_memory_returned)
{
    enum { N = 50000 };
    static struct node *held[N];
    close_heap(heap);
    open_on(&tracing_plugin);
    for (int i = 0; i < N; i++)
        held[i] = new_node(nodes, i ? held[i - 1] : NULL, NULL);
    const uint64_t full_bytes = stats_of(heap).held_bytes;
    for (int i = 0; i < N; i++)
        sgc_drop(held[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    ck_assert_uint_eq(stats_of(heap).n_reclaimed, N);
    ck_assert_uint_lt(stats_of(heap).held_bytes, full_bytes / 4);
    ck_assert_uint_eq(stats_of(heap).peak_bytes, full_bytes);
    assert_verifies(heap);
}
END_TEST

START_TEST(a_collection_leaves_its_events)
{
    struct sgc_event events[64];
    uint64_t next = 0;
    while (sgc_events_read(&next, events, 64, NULL) > 0)
        ;
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    const size_t n = sgc_events_read(&next, events, 64, NULL);
    unsigned n_begins = 0, n_stops = 0, n_ends = 0;
    for (size_t i = 0; i < n; i++) {
        ck_assert_str_eq(events[i].name, "collect");
        n_begins += events[i].kind == SGC_EVENT_COLLECT_BEGIN && events[i].n[0] == SGC_COLLECT_FULL;
        n_stops += events[i].kind == SGC_EVENT_STOP && events[i].n[0] <= events[i].n[1];
        n_ends += events[i].kind == SGC_EVENT_COLLECT_END && events[i].n[0] == SGC_COLLECT_FULL;
    }
    ck_assert_uint_eq(n_begins, 1);
    ck_assert_uint_eq(n_stops, 1);
    ck_assert_uint_eq(n_ends, 1);
}
END_TEST

/* ---- several threads */

static pthread_barrier_t barrier;

static void *collects_by_pace(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&barrier);
    sgc_collect(heap, SGC_COLLECT_MINOR, SGC_REASON_PACE);
    return NULL;
}

START_TEST(a_collection_that_several_threads_find_due_is_made_once)
{
    for (int round = 0; round < 20; round++) {
        pthread_t threads[3];
        pthread_barrier_init(&barrier, NULL, 3);
        sgc_pacer_request(heap, SGC_COLLECT_FULL);
        for (int i = 0; i < 3; i++)
            threads[i] = support_thread("paced", collects_by_pace, NULL);
        for (int i = 0; i < 3; i++)
            join(threads[i]);
        pthread_barrier_destroy(&barrier);
        ck_assert_uint_eq(probe.n_full, (unsigned)round + 1);
        ck_assert_uint_eq(probe.n_minor, 0); /* the pacer says which */
    }
}
END_TEST

static bool churn_over; /* atomic */
static void *churns(void *arg)
{
    struct node *list = NULL;
    (void)arg;
    for (long i = 0; i == 0 || !__atomic_load_n(&churn_over, __ATOMIC_RELAXED);
         i++) { /* a thread that starts late does one round */
        SGC_SECTION;
        struct node *node = sgc_new(nodes);
        node->value = i;
        sgc_set(node, left, i % 100 ? list : NULL);
        sgc_drop(list);
        list = node;
    }
    long n = 0;
    sgc_enter();
    for (struct node *node = list; node; node = sgc_get(node, left))
        n += 1 + 0 * node->value;
    sgc_leave();
    sgc_drop(list);
    return (void *)n;
}

START_TEST(collections_beside_allocating_threads_lose_nothing)
{
    pthread_t threads[3];
    close_heap(heap);
    open_on(&tracing_plugin);
    for (int i = 0; i < 3; i++)
        threads[i] = support_thread("churns", churns, NULL);
    for (int i = 0; i < 30; i++)
        sgc_heap_collect(heap, i % 3 ? SGC_COLLECT_MINOR : SGC_COLLECT_FULL);
    assert_verifies(heap);
    __atomic_store_n(&churn_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++) {
        void *n;
        pthread_join(threads[i], &n);
        ck_assert_int_ge((long)n, 1);
        ck_assert_int_le((long)n, 100);
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    assert_verifies(heap);
}
END_TEST

/* ---- what falls due inside a section */

START_TEST(a_collection_due_in_a_section_runs_when_it_has_ended)
{
    sgc_enter();
    sgc_pacer_request(heap, SGC_COLLECT_FULL);
    for (int i = 0; i < 200; i++)
        sgc_drop(sgc_new(nodes));
    ck_assert_uint_eq(probe.n_full, 0);
    sgc_leave();
    ck_assert_uint_eq(probe.n_full, 1);
    sgc_enter();
    sgc_leave();
    ck_assert_uint_eq(probe.n_full, 1);
}
END_TEST

/* The heap may be closed by another thread as soon as the section is over. */
static void *closes(void *arg)
{
    struct sgc_stop stop;
    (void)arg;
    sgc_stop_begin(&stop, NULL); /* the section that noted the collection has ended */
    sgc_stop_end(&stop);
    close_heap(heap);
    pthread_barrier_wait(&barrier);
    return NULL;
}

START_TEST(a_heap_closed_meanwhile_is_not_collected)
{
    pthread_barrier_init(&barrier, NULL, 2);
    for (int i = 0; i < 50; i++) {
        if (i > 0)
            open_on(&probe_plugin);
        sgc_enter();
        sgc_pacer_request(heap, SGC_COLLECT_FULL);
        for (int j = 0; j < 200; j++)
            sgc_drop(sgc_new(nodes));
        const pthread_t thread = support_thread("closes", closes, NULL);
        sgc_leave();
        pthread_barrier_wait(&barrier);
        join(thread);
    }
    open_on(&probe_plugin);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("collect");
    TCase *tc = tcase_create("collect");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_kind_is_passed_on_and_counted);
    tcase_add_test(tc, collecting_in_a_section_panics);
    tcase_add_test(tc, the_strategy_works_at_a_stop_with_empty_windows);
    tcase_add_test(tc, what_is_dead_is_reclaimed_and_memory_returned);
    tcase_add_test(tc, a_collection_leaves_its_events);
    tcase_add_test(tc, a_collection_that_several_threads_find_due_is_made_once);
    tcase_add_test(tc, collections_beside_allocating_threads_lose_nothing);
    tcase_add_test(tc, a_collection_due_in_a_section_runs_when_it_has_ended);
    tcase_add_test(tc, a_heap_closed_meanwhile_is_not_collected);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
