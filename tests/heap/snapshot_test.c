/* snapshot_test.c - the child of a snapshot: what it sees, what the program sees of it (nothing), and how it ends. */
#include "core/base/sanitize.h"
#include "core/heap/section.h"
#include "core/heap/snapshot.h"
#include "core/heap/thread.h"
#include "core/os/fault.h"
#include "tests/heap/support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SECONDS 40

static struct sgc_heap *heap;
static struct sgc_cache *nodes;
static struct node *node;

static void open_on(const struct sgc_strategy_plugin *plugin)
{
    memset(&probe, 0, sizeof(probe));
    heap = open_limited("snapshot", plugin, 0, 0);
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

/* The child of a snapshot that runs body(arg); its exit status is 0 when that is true. */
static pid_t snapshot_of(int fd, unsigned deadline_s, bool (*body)(void *arg), void *arg)
{
    struct sgc_error error = {0};
    const pid_t pid = sgc_snapshot_fork(fd, deadline_s, NULL, &error);
    if (pid == 0)
        sgc_snapshot_exit(body(arg) ? 0 : 1);
    ck_assert_msg(pid > 0, "%s", error.message);
    return pid;
}

static int status_of(pid_t pid)
{
    int status = -1;
    ck_assert_int_eq(sgc_snapshot_wait(pid, true, &status), 1);
    return status;
}

static bool holds_in_child(bool (*body)(void *arg), void *arg)
{
    return status_of(snapshot_of(-1, CHILD_SECONDS, body, arg)) == 0;
}

static bool verifies(void *unused)
{
    (void)unused;
    sgc_heap_flush(heap);
    return sgc_heap_verify_stopped(heap, NULL) == 0;
}

/* ---- what the child sees */

static void count_one(void *n, void *object)
{
    (void)object;
    ++*(unsigned *)n;
}

static bool sees_two_nodes(void *held)
{
    unsigned n = 0;
    sgc_heap_flush(heap);
    sgc_heap_walk_stopped(heap, true, count_one, &n);
    return n == 2 && sgc_stop_is_mine() && count_of(node) == 1 && count_of(*(void **)held) == 1 && verifies(NULL);
}

static pthread_barrier_t barrier;

static void *holds_things(void *held)
{
    for (int i = 0; i < 100; i++)
        sgc_drop(sgc_new(nodes)); /* its window is full of slots */
    *(void **)held = sgc_new(nodes);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    sgc_drop(*(void **)held);
    return NULL;
}

START_TEST(the_child_is_at_a_stop_with_all_objects_and_holds)
{
    void *held;
    pthread_barrier_init(&barrier, NULL, 2);
    const pthread_t thread = support_thread("holder", holds_things, &held);
    pthread_barrier_wait(&barrier);
    ck_assert(holds_in_child(sees_two_nodes, &held));
    ck_assert_uint_eq(n_live(heap), 2);
    pthread_barrier_wait(&barrier);
    join(thread);
    assert_verifies(heap);
}
END_TEST

static bool writes_everywhere(void *unused)
{
    (void)unused;
    node->value = 42;
    node->left = node;
    return true;
}

START_TEST(what_the_child_writes_stays_in_the_child)
{
    ck_assert(holds_in_child(writes_everywhere, NULL));
    ck_assert_int_eq(node->value, 0);
    assert_verifies(heap);
}
END_TEST

static void *takes_a_snapshot(void *ok)
{
    *(bool *)ok = status_of(snapshot_of(-1, CHILD_SECONDS, verifies, NULL)) == 0;
    return NULL;
}

START_TEST(a_thread_that_is_not_attached_stays_so_and_solo_lasts)
{
    bool ok = false;
    ck_assert_uint_eq(sgc_solo, 1);
    join(support_thread("stranger", takes_a_snapshot, &ok));
    ck_assert(ok);
#ifndef SGC_TSAN
    ck_assert_uint_eq(sgc_solo, 1);
    ck_assert_uint_eq(sgc_thread_count(), 1);
#endif
}
END_TEST

static void asks_in_a_section(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_snapshot_fork(-1, 1, NULL, NULL);
}

START_TEST(a_snapshot_inside_a_section_panics)
{
    support_expect_panic(asks_in_a_section, NULL, "a snapshot was asked for inside a section or a call of slabgc");
}
END_TEST

START_TEST(the_length_of_the_stop_is_told)
{
    struct sgc_snapshot_times times = {0};
    const pid_t pid = sgc_snapshot_fork(-1, CHILD_SECONDS, &times, NULL);
    if (pid == 0)
        sgc_snapshot_exit(0);
    ck_assert_int_eq(status_of(pid), 0);
    ck_assert_uint_gt(times.stop_ns, times.to_stop_ns);
}
END_TEST

/* ---- what the program sees */

static bool waits_for_a_byte(void *fd)
{
    char byte;
    return read(*(int *)fd, &byte, 1) == 1;
}

#ifndef SGC_TSAN /* the child is one of fork() there: core/os/snapshot.c */

static unsigned n_sigchld, n_handlers;
static void count_sigchld(int signal)
{
    (void)signal;
    n_sigchld++;
}
static void count_handler(void)
{
    n_handlers++;
}

START_TEST(the_program_is_told_nothing_of_the_child)
{
    int ends[2];
    signal(SIGCHLD, count_sigchld);
    pthread_atfork(count_handler, count_handler, count_handler);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const pid_t pid = snapshot_of(ends[1], CHILD_SECONDS, waits_for_a_byte, &ends[1]);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_int_eq(sgc_snapshot_wait(pid, false, NULL), 0);
    ck_assert_int_eq(write(ends[0], "", 1), 1);
    ck_assert_int_eq(status_of(pid), 0);
    ck_assert_int_eq(waitpid(-1, NULL, 0), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_uint_eq(n_sigchld, 0);
    ck_assert_uint_eq(n_handlers, 0);
    ck_assert_int_eq(sgc_snapshot_wait(pid, true, NULL), -ECHILD);
}
END_TEST

#endif

START_TEST(the_childs_only_descriptor_is_the_one_it_is_given)
{
    int ends[2], elsewhere[2];
    char byte;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(pipe(elsewhere), 0);
    const pid_t pid = snapshot_of(ends[1], CHILD_SECONDS, waits_for_a_byte, &ends[1]);
    close(elsewhere[1]);
    ck_assert_int_eq(read(elsewhere[0], &byte, 1), 0); /* would wait for ever if the child had it open */
    close(ends[1]);
    ck_assert_int_eq(write(ends[0], "", 1), 1);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

static bool has_none(void *unused)
{
    bool none = true;
    (void)unused;
    for (int fd = 0; fd < 64; fd++)
        none &= fcntl(fd, F_GETFD) < 0;
    return none;
}

START_TEST(the_child_may_have_no_descriptor_at_all)
{
    ck_assert(holds_in_child(has_none, NULL));
}
END_TEST

static volatile sig_atomic_t n_usr1;
static void count_usr1(int signal)
{
    (void)signal;
    n_usr1++;
}

static bool runs_no_handlers(void *unused)
{
    struct sigaction action;
    char name[16] = "";
    (void)unused;
    raise(SIGUSR1);
    raise(SIGTERM); /* blocked: who is in the program's process group ends with the program, not before */
    prctl(PR_GET_NAME, name);
    return n_usr1 == 0 && sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL &&
           strcmp(name, "slabgc-snapshot") == 0;
}

START_TEST(no_handler_of_the_program_runs_in_the_child)
{
    signal(SIGUSR1, count_usr1);
    ck_assert(holds_in_child(runs_no_handlers, NULL));
    raise(SIGUSR1);
    ck_assert_int_eq(n_usr1, 1); /* the parent's mask and handlers are as before */
}
END_TEST

/* ---- how it ends */

static bool never_ends(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return false;
}

START_TEST(the_child_ends_at_its_deadline)
{
    const int status = status_of(snapshot_of(-1, 1, never_ends, NULL));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}
END_TEST

START_TEST(the_child_can_be_ended)
{
    const pid_t pid = snapshot_of(-1, CHILD_SECONDS, never_ends, NULL);
    sgc_snapshot_kill(pid);
    const int status = status_of(pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END_TEST

static int begun[2];

static bool begins(void *unused)
{
    return write(begun[1], "", 1) == 1 && never_ends(unused);
}

static void *leaves_a_child(void *pid)
{
    char byte;
    *(pid_t *)pid = snapshot_of(begun[1], CHILD_SECONDS, begins, NULL);
    ck_assert_int_eq(read(begun[0], &byte, 1), 1);
    return NULL;
}

START_TEST(the_child_ends_with_the_thread_that_made_it)
{
    pid_t pid;
    ck_assert_int_eq(pipe(begun), 0);
    join(support_thread("server", leaves_a_child, &pid));
    const int status = status_of(pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END_TEST

static bool crashes(void *unused)
{
    (void)unused;
    *(volatile int *)(uintptr_t)(n_usr1 + 8) = 0;
    return true;
}

START_TEST(a_crash_of_the_child_is_its_own)
{
    const int status = status_of(snapshot_of(-1, CHILD_SECONDS, crashes, NULL));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV && !WCOREDUMP(status));
    assert_verifies(heap);
}
END_TEST

START_TEST(a_clone_refused_is_an_error_and_the_program_goes_on)
{
    struct sgc_error error = {0};
    sgc_os_fault_arm(1, true);
    ck_assert_int_eq(sgc_snapshot_fork(-1, 1, NULL, &error), -ENOMEM);
    sgc_os_fault_disarm();
    ck_assert_str_eq(sgc_os_fault_fired_call(), "clone");
    ck_assert_int_eq(error.code, -ENOMEM);
    ck_assert_msg(
        strncmp(error.message, "no snapshot: the OS refuses a copy of this process (Cannot allocate memory)", 73) == 0,
        "%s", error.message);
    sgc_drop(sgc_hold(node));
    assert_verifies(heap);
    ck_assert(holds_in_child(verifies, NULL));
}
END_TEST

/* ---- beside running threads */

static bool over; /* atomic */

static void *churns(void *unused)
{
    struct node *list = NULL;
    (void)unused;
    for (long i = 0; !__atomic_load_n(&over, __ATOMIC_RELAXED); i++) {
        struct node *fresh = sgc_new(nodes);
        sgc_enter();
        sgc_set(fresh, left, i % 40 ? list : NULL);
        sgc_set(fresh, right, node);
        sgc_leave();
        sgc_drop(list);
        list = fresh;
        if (i % 5000 == 4999)
            sgc_heap_collect(heap, SGC_COLLECT_FULL);
    }
    sgc_drop(list);
    return NULL;
}

static const struct sgc_type bare_type = {.name = "bare", .size_bytes = 48, .flags = SGC_TYPE_MANUAL};
static struct sgc_cache *bare;

/* A bare cache and malloc's are used without regard to stops: the child finds them at some instruction. */
static void *churns_bare(void *unused)
{
    void *kept[200] = {NULL};
    (void)unused;
    for (unsigned i = 0; !__atomic_load_n(&over, __ATOMIC_RELAXED); i++) {
        void **place = &kept[i * 7919 % 200];
        sgc_cache_free(bare, *place);
        *place = sgc_cache_alloc(bare);
        sgc_free(sgc_malloc(i % 500));
    }
    for (unsigned i = 0; i < 200; i++)
        sgc_cache_free(bare, kept[i]);
    return NULL;
}

#define SNAPSHOTS 50

static const struct sgc_strategy_plugin *const churn_plugins[] = {&sharing_plugin, &tracing_plugin};

START_TEST(snapshots_beside_running_threads_are_sound)
{
    pthread_t threads[3];
    unsigned n_ok = 0;
    teardown();
    open_on(churn_plugins[_i]);
    bare = make_cache(heap, &bare_type);
    threads[0] = support_thread("churns", churns, NULL);
    threads[1] = support_thread("churns", churns, NULL);
    threads[2] = support_thread("bare", churns_bare, NULL);
    for (int i = 0; i < SNAPSHOTS; i++)
        n_ok += holds_in_child(verifies, NULL);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_ok, SNAPSHOTS);
    ck_assert_uint_eq(n_live(heap), 1);
    assert_verifies(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *tc = tcase_create("snapshot");
    tcase_set_timeout(tc, 110);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_child_is_at_a_stop_with_all_objects_and_holds);
    tcase_add_test(tc, what_the_child_writes_stays_in_the_child);
    tcase_add_test(tc, a_thread_that_is_not_attached_stays_so_and_solo_lasts);
    tcase_add_test(tc, a_snapshot_inside_a_section_panics);
    tcase_add_test(tc, the_length_of_the_stop_is_told);
#ifndef SGC_TSAN
    tcase_add_test(tc, the_program_is_told_nothing_of_the_child);
#endif
    tcase_add_test(tc, the_childs_only_descriptor_is_the_one_it_is_given);
    tcase_add_test(tc, the_child_may_have_no_descriptor_at_all);
    tcase_add_test(tc, no_handler_of_the_program_runs_in_the_child);
    tcase_add_test(tc, the_child_ends_at_its_deadline);
    tcase_add_test(tc, the_child_can_be_ended);
    tcase_add_test(tc, the_child_ends_with_the_thread_that_made_it);
    tcase_add_test(tc, a_crash_of_the_child_is_its_own);
    tcase_add_test(tc, a_clone_refused_is_an_error_and_the_program_goes_on);
    tcase_add_loop_test(tc, snapshots_beside_running_threads_are_sound, 0,
                        sizeof(churn_plugins) / sizeof(*churn_plugins));
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
