/* process_test.c - what the kernel says of a process. */
#include "core/os/process.h"

#include "core/os/fault.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(pid_and_start_tell_a_process_from_all_others)
{
    uint64_t mine, same, parent, none = 7;
    ck_assert_int_eq(sgc_os_process_start(0, &mine), 0);
    ck_assert_int_eq(sgc_os_process_start(getpid(), &same), 0);
    ck_assert_uint_eq(mine, same);
    ck_assert_int_eq(sgc_os_process_start(getppid(), &parent), 0);
    ck_assert_uint_le(parent, mine);
    ck_assert_int_eq(sgc_os_process_start(999999999, &none), -ENOENT);
    ck_assert_uint_eq(none, 7);
    siginfo_t info;
    uint64_t childs;
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(sgc_os_process_start(child, &childs), 0); /* dead, and its pid is not another's yet */
    ck_assert_uint_ge(childs, mine);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    const int code = sgc_os_process_start(child, &none);
    ck_assert(code == -ENOENT ? none == 7 : code == 0 && none > childs); /* or its pid is another's by now */
    ck_assert_uint_lt(sgc_os_process_age_ns(mine), UINT64_C(3600000000000));
}
END_TEST

/* The kernel counts a process's pages by processor, and what each has shows in lots alone, of up to twice as many pages
 * as there are processors: few pages may show as none. */
static void take_memory(void)
{
    static volatile char bytes[16 << 20];
    for (size_t i = 0; i < sizeof(bytes); i += 4096)
        bytes[i] = 1;
}

START_TEST(memory_time_and_arguments_are_those_of_this_process)
{
    uint64_t cpu_ns, peak_bytes;
    char arguments[4096];
    take_memory();
    ck_assert_uint_gt(sgc_os_process_rss_bytes(), 100000);
    sgc_os_process_usage(&cpu_ns, &peak_bytes);
    ck_assert_uint_gt(peak_bytes, 100000);
    ck_assert_uint_lt(cpu_ns, UINT64_C(3600000000000));
    const ssize_t n = sgc_os_process_arguments(arguments, sizeof(arguments));
    ck_assert_int_gt(n, 1);
    ck_assert_int_eq(arguments[n - 1], '\0');
    ck_assert_ptr_nonnull(strstr(arguments, "process_test"));
}
END_TEST

START_TEST(what_cannot_be_read_is_an_error)
{
    uint64_t start;
    sgc_os_fault_arm(1, true);
    ck_assert_int_eq(sgc_os_process_start(0, &start), -EMFILE);
    ck_assert_uint_eq(sgc_os_process_rss_bytes(), 0);
    sgc_os_fault_disarm();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process");
    TCase *all = tcase_create("all");
    tcase_add_test(all, pid_and_start_tell_a_process_from_all_others);
    tcase_add_test(all, memory_time_and_arguments_are_those_of_this_process);
    tcase_add_test(all, what_cannot_be_read_is_an_error);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
