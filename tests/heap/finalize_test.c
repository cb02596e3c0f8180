/* finalize_test.c - the finalizer queue: order of events, once per object, resurrection, core's thread, refused memory.
 */
#include "core/base/sanitize.h"
#include "core/os/fault.h"
#include "tests/heap/fixture.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sgc_strategy_plugin *const strategies[] = {&marking_plugin, &counting_plugin};
static struct sgc_heap *heap;
static struct sgc_cache *cache;
static struct sgc_root saved; /* where a finalizer resurrects */
static int n_finalized;
static bool resurrects;
static long order[100];

static void node_finalize(void *object)
{
    struct node *node = object;
    const int at = __atomic_fetch_add(&n_finalized, 1, __ATOMIC_ACQ_REL);
    if (at < 100)
        order[at] = node->value;
    if (resurrects)
        sgc_root_set(&saved, node);
}
static const struct sgc_type mortal_type =
    SGC_TYPE(struct node, SGC_REFS(struct node, left, right), .finalize = node_finalize);

static void open_strategy(int i)
{
    n_finalized = 0;
    resurrects = false;
    heap = open_heap("finalize", strategies[i]);
    cache = make_cache(heap, &mortal_type);
}

static void finish(void)
{
    assert_verifies(heap);
    close_heap(heap);
}

static struct node *mortal(long value, struct node *left)
{
    struct node *node = new_node(cache, left, NULL);
    node->value = value;
    return node;
}

START_TEST(a_finalizer_runs_once_when_the_program_asks)
{
    open_strategy(_i);
    sgc_drop(mortal(1, NULL));
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_int_eq(n_finalized, 0);
    ck_assert_uint_eq(n_live(heap), 1);
    assert_verifies(heap);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 1);
    ck_assert_int_eq(n_finalized, 1);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 0);
    ck_assert_uint_eq(stats_of(heap).n_finalizers_queued, 1);
    ck_assert_uint_eq(stats_of(heap).n_finalizers_run, 1);
    finish();
}
END_TEST

START_TEST(a_resurrected_object_lives_on_without_weak_references_and_is_not_finalized_again)
{
    open_strategy(_i);
    struct node *node = mortal(1, NULL);
    struct sgc_weak *weak = sgc_weak_create(node);
    resurrects = true;
    sgc_drop(node);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_finalizers_run(heap, 0);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 1);
    ck_assert_ptr_eq(saved.reference, node);
    ck_assert_ptr_null(sgc_weak_get(weak));
    sgc_root_set(&saved, NULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    ck_assert_int_eq(n_finalized, 1);
    sgc_weak_destroy(weak);
    finish();
}
END_TEST

START_TEST(referents_are_alive_in_a_finalizer_and_are_finalized_after_it)
{
    open_strategy(_i);
    struct node *list = NULL;
    for (long i = 5; i > 0; i--) {
        struct node *node = mortal(i, list);
        sgc_drop(list);
        list = node;
    }
    sgc_drop(list);
    for (int i = 1; i <= 5; i++) {
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
        ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 1);
        ck_assert_int_eq(order[i - 1], i);
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    finish();
}
END_TEST

START_TEST(max_limits_a_run)
{
    open_strategy(_i);
    for (int i = 0; i < 10; i++)
        sgc_drop(mortal(i, NULL));
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 3), 3);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 100), 7);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    finish();
}
END_TEST

START_TEST(the_ring_keeps_its_order_while_it_grows_and_wraps)
{
    open_strategy(1);
    long next = 0, expected = 0;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 13; i++)
            sgc_drop(mortal(next++, NULL));
        n_finalized = 0;
        sgc_finalizers_run(heap, 7);
        for (int i = 0; i < 7; i++)
            ck_assert_int_eq(order[i], expected++);
    }
    assert_verifies(heap);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 40 * 6);
    ck_assert_uint_eq(n_live(heap), 0);
    finish();
}
END_TEST

START_TEST(no_room_for_a_finalizer_is_no_object)
{
    open_strategy(_i);
    struct node *objects[5000];
    size_t n = 0, n_refused = 0;
    for (int i = 0; i < 5000 && n_refused == 0; i++) {
        sgc_os_fault_arm(1, true);
        struct node *node = sgc_new(cache);
        sgc_os_fault_disarm();
        if (node)
            objects[n++] = node;
        else
            n_refused++;
    }
    ck_assert_uint_eq(n_refused, 1);
    assert_verifies(heap);
    for (size_t i = 0; i < n; i++)
        sgc_drop(objects[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), n);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    finish();
}
END_TEST

START_TEST(queueing_needs_no_memory)
{
    open_strategy(_i);
    for (int i = 0; i < 3000; i++)
        sgc_root_set(&saved, mortal(i, saved.reference)); /* one hold more than the root's on each */
    for (struct node *node = saved.reference; node; node = node->left)
        sgc_drop(node);
    sgc_os_fault_arm(1, true);
    sgc_root_set(&saved, NULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_os_fault_disarm();
    if (_i == 0) { /* no memory to find the order: all of them were kept */
        ck_assert_uint_eq(heap->finalizers.n, 0);
        ck_assert_uint_eq(n_live(heap), 3000);
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    }
    size_t n_run = 0, n;
    while ((n = sgc_finalizers_run(heap, 0)) > 0) {
        n_run += n;
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
        if (n_run > 1 && _i == 0)
            break; /* in order, one a collection: enough seen */
    }
    ck_assert_uint_ge(n_run, 1);
    finish();
}
END_TEST

/* ---- core's thread */

static struct sgc_heap *open_with_thread(int i)
{
    static const uint64_t no_params[1];
    n_finalized = 0;
    resurrects = false;
    heap = open_heap_with(&(struct sgc_heap_setup){.name = "threaded",
                                                   .plugin = strategies[i],
                                                   .params = no_params,
                                                   .finalizer_thread = true,
                                                   .stall_report_ns = 1000000000});
    cache = make_cache(heap, &mortal_type);
    return heap;
}

static void wait_finalized(int n)
{
    while (__atomic_load_n(&n_finalized, __ATOMIC_ACQUIRE) < n)
        sched_yield();
}

START_TEST(cores_thread_runs_finalizers_by_itself)
{
    open_with_thread(_i);
    for (int i = 0; i < 50; i++)
        sgc_drop(mortal(i, NULL));
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    wait_finalized(50);
    while (n_live(heap) > 0) /* the thread's drops */
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    finish();
}
END_TEST

START_TEST(a_heap_closes_with_finalizers_waiting)
{
    open_strategy(_i);
    for (int i = 0; i < 50; i++)
        sgc_drop(mortal(i, NULL));
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
    ck_assert_int_eq(n_finalized, 0);
}
END_TEST

#ifndef SGC_TSAN
START_TEST(after_fork_the_child_starts_a_thread_of_its_own)
{
    open_with_thread(_i);
    sgc_drop(mortal(1, NULL));
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    while (n_live(heap) > 0) /* the thread is between two finalizers, and holds nothing */
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        sgc_drop(mortal(2, NULL));
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
        wait_finalized(2);
        _exit(sgc_heap_close(heap, NULL) == 0 ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    finish();
}
END_TEST
#endif

static void run_in_section(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_finalizers_run(heap, 0);
}

START_TEST(running_finalizers_in_a_section_panics)
{
    open_strategy(_i);
    support_expect_panic(run_in_section, NULL, "sgc_finalizers_run: called inside a section");
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("finalize");
    TCase *tc = tcase_create("finalize");
    tcase_add_loop_test(tc, a_finalizer_runs_once_when_the_program_asks, 0, 2);
    tcase_add_loop_test(tc, a_resurrected_object_lives_on_without_weak_references_and_is_not_finalized_again, 0, 2);
    tcase_add_loop_test(tc, referents_are_alive_in_a_finalizer_and_are_finalized_after_it, 0, 2);
    tcase_add_loop_test(tc, max_limits_a_run, 0, 2);
    tcase_add_test(tc, the_ring_keeps_its_order_while_it_grows_and_wraps);
    tcase_add_loop_test(tc, no_room_for_a_finalizer_is_no_object, 0, 2);
    tcase_add_loop_test(tc, queueing_needs_no_memory, 0, 2);
    tcase_add_loop_test(tc, cores_thread_runs_finalizers_by_itself, 0, 2);
    tcase_add_loop_test(tc, a_heap_closes_with_finalizers_waiting, 0, 2);
#ifndef SGC_TSAN /* it allows no thread after a fork with threads */
    tcase_add_loop_test(tc, after_fork_the_child_starts_a_thread_of_its_own, 0, 2);
#endif
    tcase_add_loop_test(tc, running_finalizers_in_a_section_panics, 0, 2);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
