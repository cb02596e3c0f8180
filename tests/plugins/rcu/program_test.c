/* program_test.c - rcu in programs: readers without locks, bounded delay, back-pressure, stalled sections. */
#include "tests/support/expect.h"
#include "tests/support/steps.h"
#include "tests/support/strategies.h"
#include <slabgc/slabgc.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct node {
    struct node *next, *other;
    uint64_t value, check;
};
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, next, other));
static const struct sgc_type leaf_type = {.name = "leaf", .size_bytes = sizeof(struct node)};
enum { PLACES = 64, READERS = 3, REPLACEMENTS = 40000 };
static struct sgc_root places[PLACES];

static struct sgc_heap *heap;
static struct sgc_cache *nodes, *leaves;

static void open_heap(const char *config)
{
    struct sgc_error error;
    const struct sgc_heap_options options = {.needs = SGC_NEED_CYCLES | SGC_NEED_CONCURRENT_READERS, .strategy = "rcu"};
    setenv("SLABGC", config, 1);
    heap = sgc_heap_open("test", &options, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    nodes = sgc_cache_create(heap, &node_type, &error);
    leaves = sgc_cache_create(heap, &leaf_type, &error);
    ck_assert(nodes && leaves);
}

static void close_heap(void)
{
    struct sgc_error error;
    ck_assert_msg(sgc_heap_verify(heap, &error) == 0, "%s", error.message);
    ck_assert_msg(sgc_heap_close(heap, &error) == 0, "%s", error.message);
}

static struct sgc_stats stats(void)
{
    struct sgc_stats stats;
    sgc_heap_stats(heap, &stats);
    return stats;
}

static bool nothing_lives(void *unused)
{
    (void)unused;
    return stats().n_live == 0;
}

static struct node *new_node(uint64_t value)
{
    struct node *node = sgc_new(nodes);
    ck_assert_ptr_nonnull(node);
    node->value = value;
    node->check = ~value;
    return node;
}

/* A leaf in a place where sections may read it; the one before loses its last claim. No candidate for a collection. */
static void replace_leaf(void)
{
    struct node *leaf = sgc_new(leaves);
    ck_assert_ptr_nonnull(leaf);
    sgc_root_set(&places[1], leaf);
    sgc_drop(leaf);
}

START_TEST(what_an_idle_thread_dropped_goes_within_grace_periods)
{
    open_heap("");
    struct node *node = new_node(1);
    sgc_hold(node);
    sgc_drop(node); /* a candidate, too */
    sgc_drop(node);
    steps_await(nothing_lives, NULL, "the object is reclaimed");
    ck_assert_uint_eq(stats().retired_bytes, 0);
    close_heap();
}
END_TEST

/* ---- readers beside a writer that replaces what they read */

static bool writer_done;

static void *read_places(void *number)
{
    uint64_t random = (uintptr_t)number, n = 0;
    while (!__atomic_load_n(&writer_done, __ATOMIC_ACQUIRE)) {
        SGC_SECTION;
        for (unsigned i = 0; i < 16; i++) {
            const struct node *node = sgc_root_get(&places[support_random(&random) % PLACES]);
            for (; node; node = sgc_get(node, next)) {
                if (node->value != ~node->check)
                    ck_abort_msg("node %p was reclaimed under its reader", (const void *)node);
                n++;
            }
        }
    }
    return (void *)(uintptr_t)n;
}

START_TEST(readers_need_no_lock_against_a_writer)
{
    pthread_t readers[READERS];
    open_heap("strategy.rcu.retired_soft=64KiB,strategy.rcu.retired_hard=1MiB,cache.node.debug=poison");
    for (uintptr_t i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_places, (void *)(i + 1)), 0);
    uint64_t random = 77;
    for (uint64_t i = 0; i < REPLACEMENTS; i++) {
        struct node *first = new_node(2 * i), *second = new_node(2 * i + 1);
        struct sgc_root *place = &places[support_random(&random) % PLACES];
        sgc_set(first, next, second);
        sgc_drop(second);
        sgc_root_set(place, first);
        if (i % 3 == 0) { /* a child that readers reached through its parent, and that leaves it first */
            SGC_AUTO struct node *held = sgc_hold(sgc_root_get(place));
            sgc_set(held, next, NULL);
        }
        sgc_drop(first);
        if (i % 5000 == 4999)
            sgc_heap_collect(heap, i % 2 ? SGC_COLLECT_MINOR : SGC_COLLECT_FULL);
    }
    __atomic_store_n(&writer_done, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    for (unsigned i = 0; i < PLACES; i++)
        sgc_root_set(&places[i], NULL);
    steps_await(nothing_lives, NULL, "everything is reclaimed");
    close_heap();
}
END_TEST

/* ---- a section that does not end */

static struct steps *order;

static void *stall(void *unused)
{
    (void)unused;
    step(order, "reader: enters");
    sgc_enter();
    const struct node *node = sgc_root_get(&places[0]);
    step(order, "reader: leaves");
    ck_assert_uint_eq(node->value, 5);
    ck_assert_uint_eq(node->check, ~UINT64_C(5));
    sgc_leave();
    steps_end(order);
    return NULL;
}

START_TEST(a_stalled_section_slows_allocation_is_named_and_loses_nothing)
{
    enum { N = 20000 };
    pthread_t reader;
    open_heap("strategy.rcu.retired_soft=64KiB,strategy.rcu.retired_hard=256KiB,strategy.rcu.backpressure_max=1ms,"
              "stall_report=5ms");
    order = STEPS("reader: enters", "writer: drops", "reader: leaves", "writer: waits");
    struct node *node = new_node(5);
    sgc_root_set(&places[0], node);
    sgc_drop(node);
    ck_assert_int_eq(pthread_create(&reader, NULL, stall, NULL), 0);
    step(order, "writer: drops");
    sgc_root_set(&places[0], NULL);
    for (uint64_t i = 0; i < N; i++)
        replace_leaf(); /* waits a millisecond at the most each time it takes fresh slots */
    sgc_root_set(&places[1], NULL);
    ck_assert_uint_ge(stats().retired_bytes, N * sizeof(struct node));
    ck_assert_uint_ge(stats().n_live, N);
    step(order, "writer: waits");
    steps_await(nothing_lives, NULL, "everything is reclaimed");
    ck_assert_uint_ge(stats().n_stalls, 1); /* counted when the wait is over */
    ck_assert_uint_eq(stats().retired_bytes, 0);
    steps_end(order);
    pthread_join(reader, NULL);
    steps_free(order);
    close_heap();
}
END_TEST

START_TEST(back_pressure_keeps_the_hard_limit_when_nobody_stalls)
{
    enum { HARD = 1 << 20 };
    uint64_t most = 0;
    open_heap("strategy.rcu.retired_soft=64KiB,strategy.rcu.retired_hard=1MiB,strategy.rcu.backpressure_max=60s");
    for (uint64_t i = 0; i < 500000; i++) {
        replace_leaf();
        if (i % 64 == 0 && stats().retired_bytes > most)
            most = stats().retired_bytes;
    }
    ck_assert_uint_gt(most, 0);
    ck_assert_uint_le(most, HARD + (256 << 10)); /* and what one refill of slots lets through */
    sgc_root_set(&places[1], NULL);
    steps_await(nothing_lives, NULL, "everything is reclaimed");
    close_heap();
}
END_TEST

int main(void)
{
    support_strategies_init();
    setenv("SLABGC_TEST_STEP_SECONDS", "300", 0); /* none comes near; a sanitizer on a loaded machine needs a tenth */
    Suite *suite = suite_create("rcu in programs");
    TCase *tests = tcase_create("rcu in programs");
    tcase_set_timeout(tests, 400);
    tcase_add_test(tests, what_an_idle_thread_dropped_goes_within_grace_periods);
    tcase_add_test(tests, readers_need_no_lock_against_a_writer);
    tcase_add_test(tests, a_stalled_section_slows_allocation_is_named_and_loses_nothing);
    tcase_add_test(tests, back_pressure_keeps_the_hard_limit_when_nobody_stalls);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
