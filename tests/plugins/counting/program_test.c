/* program_test.c - refcount and rcu in programs: large graphs, rings, pruning, finalizers, ephemerons, threads,
 * switching. Each test runs on both. */
#include "tests/support/expect.h"
#include "tests/support/strategies.h"
#include <slabgc/slabgc.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static const char *const strategies[] = {"refcount", "rcu"};
#define N_STRATEGIES 2

struct node {
    struct node *next, *other;
    uint64_t value;
};
struct leaf {
    uint64_t value;
};
static int n_finalized;
static struct sgc_root rescued;
static void finalize(void *object)
{
    n_finalized++;
    sgc_root_set(&rescued, object);
}
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, next, other));
static const struct sgc_type leaf_type = SGC_TYPE(struct leaf, .flags = 0);
struct acyclic {
    struct acyclic *next, *other;
    uint64_t value;
};
static const struct sgc_type acyclic_type =
    SGC_TYPE(struct acyclic, SGC_REFS(struct acyclic, next, other), .flags = SGC_TYPE_ACYCLIC);
struct finalized {
    struct node *next;
    uint64_t value;
};
static const struct sgc_type finalized_type =
    SGC_TYPE(struct finalized, SGC_REFS(struct finalized, next), .finalize = finalize);

static struct sgc_heap *heap;
static struct sgc_cache *nodes, *leaves, *acyclics, *finalizeds;

static void open_heap(const char *strategy)
{
    struct sgc_error error;
    const struct sgc_heap_options options = {.needs = SGC_NEED_CYCLES | SGC_NEED_WEAK | SGC_NEED_FINALIZERS,
                                             .strategy = strategy};
    heap = sgc_heap_open("test", &options, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    nodes = sgc_cache_create(heap, &node_type, &error);
    leaves = sgc_cache_create(heap, &leaf_type, &error);
    acyclics = sgc_cache_create(heap, &acyclic_type, &error);
    finalizeds = sgc_cache_create(heap, &finalized_type, &error);
    ck_assert(nodes && leaves && acyclics && finalizeds);
}

static void check_verify(void)
{
    struct sgc_error error;
    ck_assert_msg(sgc_heap_verify(heap, &error) == 0, "%s", error.message);
}

static void close_heap(void)
{
    struct sgc_error error;
    ck_assert_msg(sgc_heap_close(heap, &error) == 0, "%s", error.message);
}

static struct sgc_stats stats(void)
{
    struct sgc_stats stats;
    sgc_heap_stats(heap, &stats);
    return stats;
}

enum { CASE_SECONDS = 800, AWAIT_SECONDS = 600 }; /* none comes near; a sanitizer on a loaded machine needs a tenth */

/* Under rcu a death takes grace periods: waits for them. */
static void await_live(uint64_t n)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const time_t deadline = now.tv_sec + AWAIT_SECONDS;
    while (stats().n_live != n && now.tv_sec < deadline) {
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    ck_assert_uint_eq(stats().n_live, n);
}

static struct node *new_node(void)
{
    struct node *node = sgc_new(nodes);
    ck_assert_ptr_nonnull(node);
    return node;
}

static struct node *make_ring(unsigned n)
{
    struct node *first = new_node(), *last = first;
    for (unsigned i = 1; i < n; i++) {
        struct node *node = new_node();
        sgc_set(last, next, node);
        sgc_drop(node);
        last = node;
    }
    sgc_set(last, next, first);
    return first;
}

START_TEST(a_list_of_a_million_nodes_goes_whole)
{
    open_heap(strategies[_i]);
    struct node *head = NULL;
    for (unsigned i = 0; i < 1000000; i++) {
        struct node *node = new_node();
        sgc_set(node, next, head);
        sgc_drop(head);
        head = node;
    }
    const uint64_t n_before = stats().n_grace_periods;
    sgc_drop(head);
    await_live(0);
    ck_assert_uint_le(stats().n_grace_periods - n_before, 8);
    check_verify();
    close_heap();
}
END_TEST

static struct acyclic *make_tree(unsigned depth)
{
    struct acyclic *node = sgc_new(acyclics);
    if (depth > 0) {
        struct acyclic *left = make_tree(depth - 1), *right = make_tree(depth - 1);
        sgc_set(node, next, left);
        sgc_set(node, other, right);
        sgc_drop(left);
        sgc_drop(right);
    }
    return node;
}

START_TEST(a_tree_of_an_acyclic_type_is_never_visited_by_collections)
{
    open_heap(strategies[_i]);
    struct acyclic *tree = make_tree(16);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_visited, 0);
    ck_assert_uint_eq(stats().n_live, (1u << 17) - 1);
    sgc_drop(tree);
    await_live(0);
    close_heap();
}
END_TEST

START_TEST(a_thousand_dead_rings_beside_a_million_live_objects_cost_fifty_thousand_visits_at_most)
{
    enum { LIVE = 1000000, RINGS = 1000, RING = 10 };
    open_heap(strategies[_i]);
    struct node *graph = make_ring(LIVE);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    const uint64_t before = stats().n_visited;
    for (unsigned i = 0; i < RINGS; i++)
        sgc_drop(make_ring(RING));
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(stats().n_live, LIVE);
    ck_assert_uint_le(stats().n_visited - before, 50000);
    sgc_drop(graph);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, 0);
    close_heap();
}
END_TEST

START_TEST(candidates_make_minor_collections_that_collect_rings_while_the_program_runs)
{
    setenv("SLABGC", "strategy.refcount.candidate_threshold=500,strategy.rcu.candidate_threshold=500", 1);
    open_heap(strategies[_i]);
    uint64_t most = 0;
    for (unsigned i = 0; i < 20000; i++) {
        sgc_drop(make_ring(5));
        if (stats().n_live > most)
            most = stats().n_live;
    }
    ck_assert_uint_gt(stats().n_minor, 10);
    ck_assert_uint_eq(stats().n_full, 0);
    ck_assert_uint_le(most, 5000);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, 0);
    close_heap();
}
END_TEST

START_TEST(a_finalizer_may_rescue_its_ring)
{
    open_heap(strategies[_i]);
    struct node *ring = make_ring(3);
    struct finalized *finalized = sgc_new(finalizeds);
    struct sgc_weak *weak = sgc_weak_create(finalized);
    sgc_set(finalized, next, ring);
    sgc_store_(ring, (void **)(void *)&ring->other, finalized);
    sgc_drop(finalized);
    sgc_drop(ring);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, 4);
    ck_assert_ptr_null(sgc_weak_get(weak));
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 1);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, 4);
    check_verify();
    sgc_root_set(&rescued, NULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, 0);
    ck_assert_int_eq(n_finalized, 1);
    sgc_weak_destroy(weak);
    close_heap();
}
END_TEST

START_TEST(ephemerons_whose_values_lead_to_their_keys_die_with_them)
{
    enum { N = 100 };
    open_heap(strategies[_i]);
    void *ephemerons[N], *keys[N];
    for (unsigned i = 0; i < N; i++)
        keys[i] = i % 2 ? sgc_new(leaves) : (void *)new_node();
    for (unsigned i = 0; i < N; i++) { /* each value leads to the next key: a ring of ephemerons */
        struct node *value = new_node();
        sgc_store_(value, (void **)(void *)&value->next, keys[(i + 1) % N]);
        ephemerons[i] = sgc_ephemeron_new(heap, keys[i], value);
        sgc_drop(value);
    }
    for (unsigned i = 1; i < N; i++)
        sgc_drop(keys[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, 3 * N);
    sgc_drop(keys[0]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, N);
    for (unsigned i = 0; i < N; i++) {
        ck_assert_ptr_null(sgc_ephemeron_value(ephemerons[i]));
        sgc_drop(ephemerons[i]);
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, 0);
    close_heap();
}
END_TEST

/* Threads that share objects: each holds, drops, allocates and stores into fields of its own. */
enum { SHARED = 64, CHURN_THREADS = 4, CHURN_STEPS = 30000 };
static struct node *shared[SHARED];

static void *churn(void *number)
{
    uint64_t random = (uintptr_t)number;
    for (unsigned step = 0; step < CHURN_STEPS; step++) {
        struct node *owner = shared[support_random(&random) % SHARED],
                    *other = shared[support_random(&random) % SHARED];
        switch (support_random(&random) % 4) {
        case 0:
            sgc_hold(other);
            sgc_drop(other);
            break;
        case 1: {
            struct node *node = new_node();
            sgc_set(node, next, other);
            sgc_drop(sgc_xchg(owner, other, node));
            sgc_drop(node);
            break;
        }
        case 2:
            sgc_drop(sgc_xchg(owner, next, other));
            break;
        default:;
            SGC_SECTION;
            struct node *node = new_node();
            sgc_set(node, next, node);
            sgc_set(node, other, other);
            sgc_drop(node);
        }
    }
    return NULL;
}

START_TEST(threads_that_share_counts_leave_the_exact_live_set)
{
    pthread_t threads[CHURN_THREADS];
    setenv("SLABGC", "strategy.refcount.candidate_threshold=300,strategy.rcu.candidate_threshold=300", 1);
    open_heap(strategies[_i]);
    for (unsigned i = 0; i < SHARED; i++)
        shared[i] = new_node();
    for (uintptr_t i = 0; i < CHURN_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < 20; i++) {
        check_verify();
        sgc_heap_collect(heap, i % 4 ? SGC_COLLECT_MINOR : SGC_COLLECT_FULL);
    }
    for (unsigned i = 0; i < CHURN_THREADS; i++)
        pthread_join(threads[i], NULL);
    check_verify();
    for (unsigned i = 0; i < SHARED; i++) {
        sgc_set(shared[i], next, NULL);
        sgc_set(shared[i], other, NULL);
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, SHARED);
    for (unsigned i = 0; i < SHARED; i++)
        sgc_drop(shared[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, 0);
    close_heap();
}
END_TEST

START_TEST(a_heap_goes_from_one_to_the_other_and_back_with_its_rings)
{
    struct sgc_error error;
    open_heap(strategies[_i]);
    struct node *live = make_ring(1000);
    for (unsigned round = 0; round < 4; round++) {
        struct node *dead = make_ring(1000), *dies_later = make_ring(1000);
        sgc_drop(dead);
        ck_assert_msg(sgc_heap_switch(heap, strategies[(_i + round + 1) % N_STRATEGIES], &error) == 0, "%s",
                      error.message);
        check_verify();
        ck_assert_uint_eq(stats().n_live, 2000);
        sgc_drop(dies_later);
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
        ck_assert_uint_eq(stats().n_live, 1000);
    }
    sgc_drop(live);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats().n_live, 0);
    close_heap();
}
END_TEST

int main(void)
{
    support_strategies_init();
    Suite *suite = suite_create("counting in programs");
    TCase *tests = tcase_create("counting in programs");
    tcase_set_timeout(tests, CASE_SECONDS);
    tcase_add_loop_test(tests, a_list_of_a_million_nodes_goes_whole, 0, N_STRATEGIES);
    tcase_add_loop_test(tests, a_tree_of_an_acyclic_type_is_never_visited_by_collections, 0, N_STRATEGIES);
    tcase_add_loop_test(tests, a_thousand_dead_rings_beside_a_million_live_objects_cost_fifty_thousand_visits_at_most,
                        0, N_STRATEGIES);
    tcase_add_loop_test(tests, candidates_make_minor_collections_that_collect_rings_while_the_program_runs, 0,
                        N_STRATEGIES);
    tcase_add_loop_test(tests, a_finalizer_may_rescue_its_ring, 0, N_STRATEGIES);
    tcase_add_loop_test(tests, ephemerons_whose_values_lead_to_their_keys_die_with_them, 0, N_STRATEGIES);
    tcase_add_loop_test(tests, threads_that_share_counts_leave_the_exact_live_set, 0, N_STRATEGIES);
    tcase_add_loop_test(tests, a_heap_goes_from_one_to_the_other_and_back_with_its_rings, 0, N_STRATEGIES);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
