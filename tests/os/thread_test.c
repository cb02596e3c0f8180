/* thread_test.c - core's threads. */
#include "core/os/thread.h"

#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/support/expect.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct seen {
    int64_t id;
    char name[SGC_OS_THREAD_NAME_BYTES];
    sigset_t blocked;
};

static void *look_around(void *arg)
{
    struct seen *seen = arg;
    seen->id = sgc_os_thread_id();
    sgc_os_thread_name(seen->name);
    pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
    return NULL;
}

static struct seen run_thread(const char *name)
{
    struct seen seen = {0};
    pthread_t thread;
    ck_assert_int_eq(sgc_os_thread_start(&thread, name, look_around, &seen), 0);
    sgc_os_thread_join(thread);
    return seen;
}

START_TEST(a_thread_has_its_name_from_the_first_instruction)
{
    ck_assert_str_eq(run_thread("sgc-grace").name, "sgc-grace");
    ck_assert_str_eq(run_thread("a-name-that-is-too-long").name, "a-name-that-is-");
}
END_TEST

START_TEST(a_thread_has_an_id_of_its_own)
{
    ck_assert_int_eq(sgc_os_thread_id(), getpid());
    ck_assert_int_ne(run_thread("x").id, getpid());
}
END_TEST

START_TEST(a_thread_blocks_all_signals_but_those_of_its_own_faults)
{
    struct seen seen = run_thread("x");
    int blocked[] = {SIGINT, SIGTERM, SIGALRM, SIGCHLD, SIGUSR1, SIGPROF, SIGRTMIN, SIGRTMAX};
    for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++)
        ck_assert_msg(sigismember(&seen.blocked, blocked[i]) == 1, "signal %d", blocked[i]);
    ck_assert_int_eq(sigismember(&seen.blocked, SIGSEGV), 0);
    ck_assert_int_eq(sigismember(&seen.blocked, SIGBUS), 0);
}
END_TEST

START_TEST(starting_a_thread_leaves_the_callers_signals_alone)
{
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    run_thread("x");
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    ck_assert_int_eq(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
    ck_assert_int_eq(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
}
END_TEST

START_TEST(a_thread_that_cannot_start_leaves_nothing_behind)
{
    run_thread("x");
    size_t bytes = sgc_meta_bytes();
    pthread_t thread;
    memset(&thread, 0x77, sizeof(thread));
    pthread_t untouched = thread;
    sgc_os_fault_arm(1, false);
    ck_assert_int_eq(sgc_os_thread_start(&thread, "x", look_around, NULL), -EAGAIN);
    ck_assert_str_eq(sgc_os_fault_fired_call(), "pthread_create");
    ck_assert(thread == untouched);
    ck_assert_uint_eq(sgc_meta_bytes(), bytes);
}
END_TEST

static atomic_int n_exits;

static void count_exit(void *value)
{
    atomic_fetch_add(&n_exits, *(int *)value);
}

static pthread_key_t key;

static void *leave_value(void *value)
{
    pthread_setspecific(key, value);
    return NULL;
}

START_TEST(an_exit_key_runs_for_threads_that_set_it)
{
    ck_assert_int_eq(sgc_os_exit_key_create(&key, count_exit), 0);
    int one = 1;
    pthread_t with, without;
    ck_assert_int_eq(sgc_os_thread_start(&with, "with", leave_value, &one), 0);
    ck_assert_int_eq(sgc_os_thread_start(&without, "without", leave_value, NULL), 0);
    sgc_os_thread_join(with);
    sgc_os_thread_join(without);
    ck_assert_int_eq(atomic_load(&n_exits), 1);
    pthread_key_delete(key);
}
END_TEST

START_TEST(keys_run_out_with_an_error)
{
    sgc_os_fault_arm(1, false);
    ck_assert_int_eq(sgc_os_exit_key_create(&key, count_exit), -EAGAIN);
    int error = 0, n_keys = 0;
    while ((error = sgc_os_exit_key_create(&key, NULL)) == 0)
        ck_assert_int_lt(++n_keys, 100000);
    ck_assert_int_eq(error, -EAGAIN);
}
END_TEST

/* Makes membarrier(2) fail with EPERM for the rest of this process, as a container's seccomp profile may. */
static int forbid_membarrier(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

START_TEST(a_forbidden_membarrier_is_noticed)
{
    sgc_os_fault_arm(1, false);
    ck_assert(!sgc_os_has_membarrier());
    ck_assert_str_eq(sgc_os_fault_fired_call(), "membarrier");
    if (forbid_membarrier()) /* no seccomp here: the injected failure above is all there is to see */
        return;
    ck_assert(!sgc_os_has_membarrier());
}
END_TEST

START_TEST(membarrier_is_registered_when_it_is_there)
{
    enum { QUERY = 0, PRIVATE_EXPEDITED = 1 << 3 };
    long commands = syscall(SYS_membarrier, QUERY, 0, 0);
    bool offered = commands > 0 && (commands & PRIVATE_EXPEDITED);
    ck_assert_int_eq(sgc_os_has_membarrier(), offered);
    if (offered)
        ck_assert_int_eq(syscall(SYS_membarrier, PRIVATE_EXPEDITED, 0, 0), 0); /* refused unless registered */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("thread");
    TCase *tc = tcase_create("thread");
    tcase_add_test(tc, a_thread_has_its_name_from_the_first_instruction);
    tcase_add_test(tc, a_thread_has_an_id_of_its_own);
    tcase_add_test(tc, a_thread_blocks_all_signals_but_those_of_its_own_faults);
    tcase_add_test(tc, starting_a_thread_leaves_the_callers_signals_alone);
    tcase_add_test(tc, a_thread_that_cannot_start_leaves_nothing_behind);
    tcase_add_test(tc, an_exit_key_runs_for_threads_that_set_it);
    tcase_add_test(tc, keys_run_out_with_an_error);
    tcase_add_test(tc, a_forbidden_membarrier_is_noticed);
    tcase_add_test(tc, membarrier_is_registered_when_it_is_there);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
