/* fork_test.c - fork() in a process with heaps and threads: what the child has, what it can do, and that the parent
 * goes on. */
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "tests/heap/support.h"
#include "tests/support/steps.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sgc_heap *heap;
static struct sgc_cache *nodes;
static struct node *node;

static void open_on(const struct sgc_strategy_plugin *plugin)
{
    memset(&probe, 0, sizeof(probe));
    heap = open_limited("fork", plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
    node = new_node(nodes, NULL, NULL);
}

static void setup(void)
{
    open_on(&sharing_plugin);
}

static void teardown(void)
{
    sgc_drop(node);
    close_heap(heap);
}

static void reopen_on(const struct sgc_strategy_plugin *plugin)
{
    teardown();
    open_on(plugin);
}

#define CHILD_SECONDS 40

/* Forks; the child's exit status is 0 when body(arg) is true. */
static pid_t fork_child(bool (*body)(void *arg), void *arg)
{
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        _exit(body(arg) ? 0 : 1);
    }
    return pid;
}

static bool child_succeeds(bool (*body)(void *arg), void *arg)
{
    int status = -1;
    const pid_t pid = fork_child(body, arg);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* ---- another thread at rest, with things in hand */

static pthread_barrier_t barrier;
static struct node *held_elsewhere;

static void *holds_things(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        SGC_SECTION;
        sgc_drop(sgc_new(nodes)); /* its window is full of slots */
    }
    held_elsewhere = sgc_new(nodes);
    sgc_push(sgc_hold(node));
    *sgc_host_get()->thread_cell(heap) = &probe;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    sgc_drop(held_elsewhere);
    return NULL;
}

static pthread_t start_holder(void)
{
    pthread_barrier_init(&barrier, NULL, 2);
    const pthread_t thread = support_thread("holder", holds_things, NULL);
    pthread_barrier_wait(&barrier);
    return thread;
}

static void end_holder(pthread_t thread)
{
    pthread_barrier_wait(&barrier);
    join(thread);
}

static bool verifies(void)
{
    struct sgc_error error = {0};
    if (sgc_heap_verify(heap, &error) == 0)
        return true;
    fprintf(stderr, "in the child: %s\n", error.message);
    return false;
}

static bool has_what_the_parent_had(void *arg)
{
    (void)arg;
    bool ok = sgc_thread_count() == 1 && sgc_context_.thread->tid == getpid();
    ok &= n_live(heap) == 2 && verifies();
    ok &= count_of(node) == 2 && count_of(held_elsewhere) == 1; /* the other thread's holds stay */
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ok &= stats_of(heap).n_full == 1; /* the first collection is a full one */
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ok &= stats_of(heap).n_full == 1 && stats_of(heap).n_minor == 1;
    for (int i = 0; i < 5000; i++)
        sgc_drop(sgc_new(nodes));
    sgc_drop(held_elsewhere);
    ok &= n_live(heap) == 1 && verifies();
    return ok;
}

START_TEST(the_child_has_one_thread_and_all_holds)
{
    const pthread_t thread = start_holder();
    ck_assert(child_succeeds(has_what_the_parent_had, NULL));
    ck_assert_uint_eq(sgc_thread_count(), 2);
    ck_assert_uint_eq(count_of(node), 2);
    end_holder(thread);
    assert_verifies(heap);
}
END_TEST

static bool traces(void *arg)
{
    (void)arg;
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    bool ok = n_live(heap) == 2 && verifies();
    sgc_drop(held_elsewhere);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    return ok && n_live(heap) == 1 && verifies();
}

START_TEST(the_child_traces_from_all_holds)
{
    reopen_on(&tracing_plugin);
    const pthread_t thread = start_holder();
    ck_assert(child_succeeds(traces, NULL));
    end_holder(thread);
}
END_TEST

static bool cell_came_back(void *arg)
{
    (void)arg;
    return probe.n_detach == 1;
}

START_TEST(the_strategy_gets_the_other_threads_cells)
{
    reopen_on(&probe_plugin);
    const pthread_t thread = start_holder();
    ck_assert(child_succeeds(cell_came_back, NULL));
    ck_assert_uint_eq(probe.n_detach, 0);
    end_holder(thread);
}
END_TEST

static void *forks_unattached(void *ok)
{
    *(bool *)ok = child_succeeds(has_what_the_parent_had, NULL) && !sgc_context_.thread;
    return NULL;
}

START_TEST(a_thread_that_is_not_attached_may_fork)
{
    bool ok = false;
    const pthread_t thread = start_holder();
    join(support_thread("stranger", forks_unattached, &ok));
    ck_assert(ok);
    end_holder(thread);
}
END_TEST

/* ---- sections */

static void forks_in_a_section(void *arg)
{
    (void)arg;
    sgc_enter();
    fork();
}

START_TEST(forking_in_a_section_panics)
{
    support_expect_panic(forks_in_a_section, NULL, "fork: called inside a section");
}
END_TEST

static struct steps *steps;
static bool in_section; /* atomic */

static void *reads(void *arg)
{
    (void)arg;
    step(steps, "reader: enters");
    sgc_enter();
    __atomic_store_n(&in_section, true, __ATOMIC_SEQ_CST);
    sgc_drop(sgc_hold(node)); /* a decrement waits for the section's end */
    step(steps, "reader: leaves");
    __atomic_store_n(&in_section, false, __ATOMIC_SEQ_CST);
    sgc_leave();
    steps_end(steps);
    return NULL;
}

static bool sees_no_section(void *arg)
{
    (void)arg;
    return !__atomic_load_n(&in_section, __ATOMIC_SEQ_CST) && count_of(node) == 1 && verifies();
}

START_TEST(a_fork_waits_for_the_sections_of_others)
{
    int status = -1;
    steps = STEPS("reader: enters", "main: forks &", "reader: leaves");
    const pthread_t thread = support_thread("reader", reads, NULL);
    step(steps, "main: forks");
    const pid_t pid = fork_child(sees_no_section, NULL);
    steps_end(steps);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    join(thread);
    steps_free(steps);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- what the child can do */

static void *holds_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++) {
        SGC_SECTION;
        sgc_drop(sgc_hold(node));
    }
    return NULL;
}

static bool runs_threads_of_its_own(void *arg)
{
    pthread_t threads[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        threads[i] = support_thread("child", holds_often, NULL);
    for (int i = 0; i < 50; i++)
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return count_of(node) == 1 && sgc_thread_count() == 1 && verifies();
}

START_TEST(the_child_may_start_threads_and_stop_them)
{
    join(support_thread("before", holds_often, NULL));
    ck_assert(child_succeeds(runs_threads_of_its_own, NULL));
}
END_TEST

static bool was_told(void *n)
{
    return __atomic_load_n(&probe.n_grace, __ATOMIC_ACQUIRE) >= *(unsigned *)n;
}

static bool has_grace_periods(void *arg)
{
    unsigned next = __atomic_load_n(&probe.n_grace, __ATOMIC_ACQUIRE) + 1;
    (void)arg;
    const uint64_t stamp = sgc_grace_stamp();
    if (sgc_grace_wait(stamp, UINT64_C(30000000000)) != 0)
        return false;
    sgc_grace_request(heap, sgc_grace_stamp());
    steps_await(was_told, &next, "the strategy is told in the child");
    return true;
}

START_TEST(the_child_starts_a_grace_thread_of_its_own)
{
    unsigned once = 1;
    reopen_on(&probe_plugin);
    sgc_grace_request(heap, sgc_grace_stamp());
    steps_await(was_told, &once, "the strategy is told");
    ck_assert(child_succeeds(has_grace_periods, NULL));
    ck_assert(has_grace_periods(NULL));
}
END_TEST

static unsigned n_finalized; /* atomic */
static void count_finalize(void *object)
{
    (void)object;
    __atomic_fetch_add(&n_finalized, 1, __ATOMIC_RELEASE);
}
static const struct sgc_type mourned_type = {.name = "mourned", .size_bytes = 16, .finalize = count_finalize};

static bool was_finalized(void *n)
{
    return __atomic_load_n(&n_finalized, __ATOMIC_ACQUIRE) == *(unsigned *)n;
}

static bool runs_finalizers(void *mourned)
{
    unsigned next = __atomic_load_n(&n_finalized, __ATOMIC_ACQUIRE) + 1;
    sgc_drop(sgc_new(mourned));
    steps_await(was_finalized, &next, "the finalizer ran");
    return true;
}

START_TEST(the_childs_finalizers_run_on_a_thread_of_its_own)
{
    static const uint64_t no_params[2];
    struct sgc_heap *threaded = open_heap_with(&(struct sgc_heap_setup){
        .name = "threaded", .plugin = &sharing_plugin, .params = no_params, .finalizer_thread = true});
    struct sgc_cache *mourned = make_cache(threaded, &mourned_type);
    ck_assert(runs_finalizers(mourned));
    ck_assert(child_succeeds(runs_finalizers, mourned));
    ck_assert(runs_finalizers(mourned));
    close_heap(threaded);
}
END_TEST

/* A thread of the parent's is inside before_alloc when the program forks: in the child it is not. */
static void waits_in_before_alloc(void *self)
{
    (void)self;
    probe.before_alloc = NULL;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
}

static void *allocates(void *arg)
{
    (void)arg;
    sgc_drop(sgc_new(nodes));
    return NULL;
}

static bool switches(void *arg)
{
    static const uint64_t params[2];
    (void)arg;
    return sgc_heap_switch_strategy(heap, &tracing_plugin, params, NULL) == 0;
}

START_TEST(the_child_waits_for_no_call_of_a_thread_it_does_not_have)
{
    reopen_on(&probe_plugin);
    pthread_barrier_init(&barrier, NULL, 2);
    probe.before_alloc = waits_in_before_alloc;
    const pthread_t thread = support_thread("waits", allocates, NULL);
    pthread_barrier_wait(&barrier);
    ck_assert(child_succeeds(switches, NULL));
    pthread_barrier_wait(&barrier);
    join(thread);
}
END_TEST

static size_t shrinks(void *arg, size_t wanted)
{
    (void)arg, (void)wanted;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return 0;
}

static void *runs_shrinkers(void *arg)
{
    (void)arg;
    sgc_shrinkers_run(heap, 1);
    return NULL;
}

static bool unregisters(void *arg)
{
    sgc_shrinker_unregister(heap, shrinks, arg);
    return true;
}

START_TEST(the_child_may_unregister_a_shrinker_that_ran_in_the_parent)
{
    pthread_barrier_init(&barrier, NULL, 2);
    ck_assert_int_eq(sgc_shrinker_register(heap, shrinks, NULL), 0);
    const pthread_t thread = support_thread("shrinks", runs_shrinkers, NULL);
    pthread_barrier_wait(&barrier);
    ck_assert(child_succeeds(unregisters, NULL));
    pthread_barrier_wait(&barrier);
    join(thread);
    unregisters(NULL);
}
END_TEST

/* A heap that another thread is opening, in the strategy's open, is not there in the child: not even its name. */
static int waits_in_open(const struct sgc_host *host, struct sgc_heap *of, const uint64_t *params, void **self,
                         struct sgc_error *error)
{
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return probe_plugin.ops->open(host, of, params, self, error);
}

static void *opens_slowly(void *arg)
{
    struct sgc_strategy_ops ops = *probe_plugin.ops;
    struct sgc_strategy_plugin slow = probe_plugin;
    (void)arg;
    ops.open = waits_in_open;
    slow.ops = &ops;
    close_heap(open_limited("half-open", &slow, 0, 0));
    return NULL;
}

static bool opens_that_name(void *arg)
{
    (void)arg;
    close_heap(open_limited("half-open", &probe_plugin, 0, 0));
    return true;
}

START_TEST(a_heap_being_opened_by_another_thread_is_not_in_the_child)
{
    pthread_barrier_init(&barrier, NULL, 2);
    const pthread_t thread = support_thread("opens", opens_slowly, NULL);
    pthread_barrier_wait(&barrier);
    ck_assert(child_succeeds(opens_that_name, NULL));
    pthread_barrier_wait(&barrier);
    join(thread);
}
END_TEST

static bool closes(void *arg)
{
    (void)arg;
    sgc_drop(node);
    return sgc_heap_close(heap, NULL) == 0 && (open_on(&tracing_plugin), n_live(heap) == 1);
}

static bool forks_again(void *arg)
{
    return child_succeeds(closes, arg) && child_succeeds(closes, arg) && closes(arg);
}

START_TEST(the_child_may_close_open_and_fork)
{
    ck_assert(child_succeeds(forks_again, NULL));
}
END_TEST

/* ---- everything at once, a bounded number of times */

static bool churn_over; /* atomic */

static void *churns(void *arg)
{
    struct node *list = NULL;
    (void)arg;
    for (long i = 0; !__atomic_load_n(&churn_over, __ATOMIC_RELAXED); i++) {
        struct node *fresh = sgc_new(nodes);
        sgc_enter();
        sgc_set(fresh, left, i % 40 ? list : NULL);
        sgc_set(fresh, right, node);
        sgc_leave();
        sgc_drop(list);
        list = fresh;
    }
    sgc_drop(list);
    return NULL;
}

static void *collects_and_more(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&churn_over, __ATOMIC_RELAXED)) {
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
        sgc_drop(sgc_hold(node));
        pthread_join(support_thread("brief", holds_often, NULL), NULL);
        if (sgc_heap_close(open_limited("passing", &probe_plugin, 0, 0), NULL) != 0)
            abort();
    }
    return NULL;
}

static bool works_on(void *arg)
{
    (void)arg;
    bool ok = sgc_thread_count() == 1 && verifies();
    for (int i = 0; i < 300; i++)
        sgc_drop(sgc_new(nodes));
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    return ok && verifies();
}

#define FORKS 25

static const struct sgc_strategy_plugin *const churn_plugins[] = {&sharing_plugin, &tracing_plugin};

START_TEST(forks_beside_sections_collections_threads_and_heaps_make_sound_children)
{
    pthread_t threads[3];
    unsigned n_ok = 0;
    reopen_on(churn_plugins[_i]);
    threads[0] = support_thread("churns", churns, NULL);
    threads[1] = support_thread("churns", churns, NULL);
    threads[2] = support_thread("collects", collects_and_more, NULL);
    for (int i = 0; i < FORKS; i++)
        n_ok += child_succeeds(works_on, NULL);
    __atomic_store_n(&churn_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_ok, FORKS);
    ck_assert_uint_eq(n_live(heap), 1);
    assert_verifies(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fork");
    TCase *tc = tcase_create("fork");
    tcase_set_timeout(tc, 110);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_child_has_one_thread_and_all_holds);
    tcase_add_test(tc, the_child_traces_from_all_holds);
    tcase_add_test(tc, the_strategy_gets_the_other_threads_cells);
    tcase_add_test(tc, a_thread_that_is_not_attached_may_fork);
    tcase_add_test(tc, forking_in_a_section_panics);
    tcase_add_test(tc, a_fork_waits_for_the_sections_of_others);
    tcase_add_test(tc, the_child_may_start_threads_and_stop_them);
    tcase_add_test(tc, the_child_starts_a_grace_thread_of_its_own);
    tcase_add_test(tc, the_childs_finalizers_run_on_a_thread_of_its_own);
    tcase_add_test(tc, the_child_waits_for_no_call_of_a_thread_it_does_not_have);
    tcase_add_test(tc, the_child_may_unregister_a_shrinker_that_ran_in_the_parent);
    tcase_add_test(tc, a_heap_being_opened_by_another_thread_is_not_in_the_child);
    tcase_add_test(tc, the_child_may_close_open_and_fork);
    tcase_add_loop_test(tc, forks_beside_sections_collections_threads_and_heaps_make_sound_children, 0, 2);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
