/* snapshot_test.c - the child of a bare clone: its end, its refusal. What it is to a program with threads and heaps is
 * in tests/heap/snapshot_test.c. */
#include "core/os/fault.h"
#include "core/os/snapshot.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(a_child_ends_with_its_status)
{
    int status = -1;
    const pid_t pid = sgc_os_clone(-1, 20);
    if (pid == 0)
        sgc_os_clone_exit(7);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(sgc_os_clone_wait(pid, true, &status), 1);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    ck_assert_int_eq(sgc_os_clone_wait(pid, true, &status), -ECHILD);
}
END_TEST

START_TEST(a_child_that_runs_is_seen_running_until_it_is_killed)
{
    int status = -1;
    const pid_t pid = sgc_os_clone(-1, 20);
    if (pid == 0)
        for (;;)
            pause();
    ck_assert_int_eq(sgc_os_clone_wait(pid, false, &status), 0);
    sgc_os_clone_kill(pid);
    ck_assert_int_eq(sgc_os_clone_wait(pid, true, &status), 1);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END_TEST

START_TEST(any_descriptor_can_be_the_one_that_stays)
{
    char byte = 0;
    int ends[2], status = -1;
    ck_assert_int_eq(pipe(ends), 0);
    const int out = dup(1), fds[] = {ends[1], 0, 900};
    ck_assert_int_eq(dup2(ends[1], fds[_i]), fds[_i]);
    const pid_t pid = sgc_os_clone(fds[_i], 20);
    if (pid == 0)
        sgc_os_clone_exit(write(fds[_i], "x", 1) != 1 || close(out) == 0 || close(ends[0]) == 0);
    ck_assert_int_eq(sgc_os_clone_wait(pid, true, &status), 1);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'x');
}
END_TEST

START_TEST(the_parent_keeps_its_signal_mask)
{
    sigset_t mask, before, after;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_SETMASK, &mask, &before);
    const pid_t pid = sgc_os_clone(-1, 20);
    if (pid == 0)
        sgc_os_clone_exit(0);
    sigprocmask(SIG_SETMASK, &before, &after);
    ck_assert_int_eq(sigismember(&after, SIGUSR2), 1);
    ck_assert_int_eq(sigismember(&after, SIGTERM), 0);
    ck_assert_int_eq(sgc_os_clone_wait(pid, true, NULL), 1);
}
END_TEST

START_TEST(a_refusal_is_an_errno)
{
    sgc_os_fault_arm(1, false);
    ck_assert_int_eq(sgc_os_clone(-1, 20), -ENOMEM);
    sgc_os_fault_disarm();
    ck_assert_str_eq(sgc_os_fault_fired_call(), "clone");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *tc = tcase_create("snapshot");
    tcase_add_test(tc, a_child_ends_with_its_status);
    tcase_add_test(tc, a_child_that_runs_is_seen_running_until_it_is_killed);
    tcase_add_loop_test(tc, any_descriptor_can_be_the_one_that_stays, 0, 3);
    tcase_add_test(tc, the_parent_keeps_its_signal_mask);
    tcase_add_test(tc, a_refusal_is_an_errno);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
