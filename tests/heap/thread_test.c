/* thread_test.c - threads come and go: attaching on first use and failing to, ending with things in hand, solo mode,
 * churn. */
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "core/os/thread.h"
#include "tests/heap/support.h"

#include <stdio.h>

static struct sgc_heap *heap;
static struct sgc_cache *nodes;
static struct node *node;

static void setup(void)
{
    memset(&probe, 0, sizeof(probe));
    heap = open_limited("thread", &sharing_plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
    node = new_node(nodes, NULL, NULL);
}

static void teardown(void)
{
    sgc_drop(node);
    close_heap(heap);
}

/* ---- attaching */

struct seen {
    unsigned n_threads;
    char name[16];
    bool has_tid;
};

static void *looks_at_itself(void *out)
{
    struct seen *seen = out;
    if (sgc_context_.thread)
        return NULL;
    sgc_drop(sgc_hold(node));
    seen->n_threads = sgc_thread_count();
    snprintf(seen->name, sizeof(seen->name), "%s", sgc_context_.thread->name);
    seen->has_tid = sgc_context_.thread->tid == sgc_os_thread_id();
    return NULL;
}

START_TEST(the_first_use_attaches_a_thread_and_its_end_detaches_it)
{
    struct seen seen = {0};
    ck_assert_uint_eq(sgc_thread_count(), 1);
    join(support_thread("newcomer", looks_at_itself, &seen));
    ck_assert_uint_eq(seen.n_threads, 2);
    ck_assert_str_eq(seen.name, "newcomer");
    ck_assert(seen.has_tid);
    ck_assert_uint_eq(sgc_thread_count(), 1);
}
END_TEST

static void *attaches_twice(void *arg)
{
    (void)arg;
    const int first = sgc_thread_attach();
    const struct sgc_thread *thread = sgc_context_.thread;
    const int second = sgc_thread_attach();
    return first == 0 && second == 0 && thread == sgc_context_.thread ? (void *)thread : NULL;
}

START_TEST(attaching_twice_is_attaching_once)
{
    void *same;
    pthread_join(support_thread("twice", attaches_twice, NULL), &same);
    ck_assert_ptr_nonnull(same);
    ck_assert_uint_eq(sgc_thread_count(), 1);
}
END_TEST

START_TEST(solo_ends_with_the_second_thread_for_good)
{
    struct seen seen;
    ck_assert_uint_eq(sgc_solo, 1);
    join(support_thread("second", looks_at_itself, &seen));
    ck_assert_uint_eq(sgc_solo, 0);
}
END_TEST

static void *attaches_without_memory(void *arg)
{
    unsigned *n_refused = arg;
    for (uint64_t k = 1; k < 50; k++) {
        const size_t before = sgc_meta_bytes();
        sgc_os_fault_arm(k, true);
        const int rc = sgc_thread_attach();
        sgc_os_fault_disarm();
        if (rc == 0)
            return NULL;
        if (rc != -ENOMEM || sgc_context_.thread || sgc_context_.fronts || sgc_context_.hold_base ||
            sgc_meta_bytes() != before)
            abort();
        ++*n_refused;
    }
    return NULL;
}

START_TEST(attaching_without_memory_says_so_and_leaves_nothing)
{
    unsigned n_refused = 0;
    join(support_thread("poor", attaches_without_memory, &n_refused));
    ck_assert_uint_gt(n_refused, 0);
    ck_assert_uint_eq(sgc_thread_count(), 1);
}
END_TEST

static void *enters_without_memory(void *arg)
{
    (void)arg;
    sgc_os_fault_arm(1, true);
    sgc_enter();
    return NULL;
}

static void enter_in_a_thread_without_memory(void *arg)
{
    pthread_join(support_thread("poor", enters_without_memory, arg), NULL);
}

START_TEST(entering_without_memory_to_attach_panics)
{
    support_expect_panic(enter_in_a_thread_without_memory, NULL,
                         "no memory to attach this thread; call sgc_thread_attach first to be told instead");
}
END_TEST

static void *refused_politely(void *arg)
{
    bool *ok = arg;
    sgc_os_fault_arm(1, true);
    errno = 0;
    void *object = sgc_new(nodes);
    *ok = !object && errno == ENOMEM;
    errno = 0;
    *ok &= !sgc_push((void *)(uintptr_t)1) && errno == ENOMEM;
    *ok &= sgc_reserve(nodes, 1) == -ENOMEM;
    sgc_os_fault_disarm();
    return NULL;
}

START_TEST(calls_that_can_fail_do_not_panic_for_want_of_a_record)
{
    bool ok = false;
    join(support_thread("poor", refused_politely, &ok));
    ck_assert(ok);
}
END_TEST

/* ---- ending with things in hand */

static void *leaves_holds(void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++)
        sgc_push(sgc_hold(node));
    return NULL;
}

START_TEST(a_threads_end_unwinds_its_hold_stack)
{
    join(support_thread("holds", leaves_holds, NULL));
    ck_assert_uint_eq(count_of(node), 1);
}
END_TEST

static void *ends_in_a_section(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_enter();
    sgc_drop(sgc_hold(node));
    sgc_push(sgc_hold(node));
    return NULL;
}

static void end_in_a_section(void *arg)
{
    pthread_join(support_thread("careless", ends_in_a_section, arg), NULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL); /* would wait for ever */
    _exit(count_of(node) == 1 && sgc_thread_count() == 1 ? 0 : 1);
}

START_TEST(a_section_ends_with_its_thread_and_somebody_is_told)
{
    expect_message(end_in_a_section, NULL, "slabgc: thread \"careless\" (tid ");
    expect_message(end_in_a_section, NULL, ") exits inside a section; the section ends here");
}
END_TEST

static void *uses_cells(void *heaps)
{
    struct sgc_heap **each = heaps;
    sgc_enter();
    *sgc_host_get()->thread_cell(each[0]) = &probe;
    *sgc_host_get()->thread_cell(each[1]) = NULL;
    sgc_leave();
    return NULL;
}

START_TEST(a_threads_end_hands_back_each_cell_it_used)
{
    struct sgc_heap *heaps[2] = {open_limited("a", &probe_plugin, 0, 0), open_limited("b", &probe_plugin, 0, 0)};
    join(support_thread("cells", uses_cells, heaps));
    ck_assert_uint_eq(probe.n_detach, 1);
    close_heap(heaps[0]);
    close_heap(heaps[1]);
    ck_assert_uint_eq(probe.n_detach, 1);
}
END_TEST

static void *allocates(void *arg)
{
    struct node **out = arg;
    for (int i = 0; i < 1000; i++)
        sgc_drop(sgc_new(nodes));
    *out = sgc_new(nodes);
    return NULL;
}

START_TEST(what_a_thread_made_outlives_it_and_its_slabs_are_adopted)
{
    struct node *made[2];
    join(support_thread("makes", allocates, &made[0]));
    const uint64_t held_bytes = stats_of(heap).held_bytes;
    join(support_thread("makes", allocates, &made[1]));
    ck_assert_uint_eq(stats_of(heap).held_bytes, held_bytes);
    ck_assert_uint_eq(n_live(heap), 3);
    assert_verifies(heap);
    sgc_drop(made[0]);
    sgc_drop(made[1]);
}
END_TEST

/* A thread-specific destructor of the program that runs after ours and uses slabgc again. */
static pthread_key_t late_key;
static unsigned n_late;
static void late_destructor(void *round)
{
    sgc_drop(sgc_hold(node));
    if (++n_late < 3)
        pthread_setspecific(late_key, round);
}

static void *leaves_late_work(void *arg)
{
    sgc_drop(sgc_hold(node));
    pthread_setspecific(late_key, arg);
    return NULL;
}

START_TEST(a_destructor_that_comes_later_may_use_slabgc)
{
    pthread_key_create(&late_key, late_destructor);
    join(support_thread("late", leaves_late_work, &late_key));
    ck_assert_uint_ge(n_late, 3);
    ck_assert_uint_eq(count_of(node), 1);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
}
END_TEST

/* ---- churn */

static void *lives_briefly(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        SGC_SECTION;
        struct node *mine = sgc_new(nodes);
        sgc_set(mine, left, node);
        sgc_hold(node);
        sgc_drop(mine);
        sgc_drop(node);
    }
    return NULL;
}

static void *starts_and_joins(void *arg)
{
    for (int i = 0; i < 60; i++)
        pthread_join(support_thread("brief", lives_briefly, arg), NULL);
    return NULL;
}

START_TEST(threads_that_come_and_go_leave_counts_and_records_as_they_were)
{
    starts_and_joins(NULL); /* tables of threads are pooled from here on */
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = support_thread("parent", starts_and_joins, NULL);
    for (int i = 0; i < 30; i++)
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    const size_t before = sgc_meta_bytes();
    starts_and_joins(NULL);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
    ck_assert_uint_eq(sgc_thread_count(), 1);
    ck_assert_uint_eq(count_of(node), 1);
    ck_assert_uint_eq(n_live(heap), 1);
    assert_verifies(heap);
}
END_TEST

static void *first_and_last(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++)
        sgc_drop(sgc_hold(node));
    return NULL;
}

/* Solo ends while the first thread counts by plain instructions: in a child each time, as it ends once in a process. */
static void end_solo(void *arg)
{
    (void)arg;
    if (!sgc_solo)
        abort();
    const pthread_t thread = support_thread("second", first_and_last, NULL);
    for (int i = 0; i < 100000 || sgc_solo; i++)
        sgc_drop(sgc_hold(node));
    pthread_join(thread, NULL);
    _exit(count_of(node) == 1 ? 0 : 1);
}

START_TEST(no_count_is_lost_when_solo_ends)
{
    char seen[1024];
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(support_run_child(end_solo, NULL, seen, sizeof(seen)), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("thread");
    TCase *tc = tcase_create("thread");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_first_use_attaches_a_thread_and_its_end_detaches_it);
    tcase_add_test(tc, attaching_twice_is_attaching_once);
    tcase_add_test(tc, solo_ends_with_the_second_thread_for_good);
    tcase_add_test(tc, attaching_without_memory_says_so_and_leaves_nothing);
    tcase_add_test(tc, entering_without_memory_to_attach_panics);
    tcase_add_test(tc, calls_that_can_fail_do_not_panic_for_want_of_a_record);
    tcase_add_test(tc, a_threads_end_unwinds_its_hold_stack);
    tcase_add_test(tc, a_section_ends_with_its_thread_and_somebody_is_told);
    tcase_add_test(tc, a_threads_end_hands_back_each_cell_it_used);
    tcase_add_test(tc, what_a_thread_made_outlives_it_and_its_slabs_are_adopted);
    tcase_add_test(tc, a_destructor_that_comes_later_may_use_slabgc);
    tcase_add_test(tc, threads_that_come_and_go_leave_counts_and_records_as_they_were);
    tcase_add_test(tc, no_count_is_lost_when_solo_ends);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
