/* odd_test.c - calls where programs seldom make them, on libslabgc-malloc.so; its statistics and its misuse messages.
 */
#include "tests/preload/programs.h"
#include "tests/support/expect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char library[PATH_MAX];

/* Runs a command of sh under the library and returns its wait status, and what it wrote. */
static int run(const char *command, char *out, size_t out_bytes)
{
    int ends[2], status;
    size_t length = 0;
    ck_assert_int_eq(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        char preloaded[2 * PATH_MAX];
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        snprintf(preloaded, sizeof(preloaded), "export LD_PRELOAD='%s'; %s", library, command);
        execl("/bin/sh", "sh", "-c", preloaded, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], out + length, out_bytes - 1 - length)) > 0;)
        length += (size_t)n;
    out[length] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

START_TEST(odd_calls_work)
{
    char odd[PATH_MAX], odd_library[PATH_MAX], command[2 * PATH_MAX + 16], output[4096];
    data_path("tests/preload/odd", odd);
    data_path("tests/preload/odd_library.so", odd_library);
    snprintf(command, sizeof(command), "exec '%s' '%s'", odd, odd_library);
    const int status = run(command, output, sizeof(output));
    ck_assert_msg(status == 0, "status 0x%x: %s", (unsigned)status, output);
    ck_assert_str_eq(output, "alignments\nlibraries\nthreads\nprocesses\n");
}
END_TEST

START_TEST(statistics_go_to_standard_error_even_when_the_program_closed_it)
{
    char output[8192];
    ck_assert_int_eq(run("SLABGC_MALLOC_STATS=1 exec ls / >/dev/null", output, sizeof(output)), 0);
    ck_assert_msg(strstr(output, "(ls):\ncache ") && strstr(output, "\nmalloc-16 ") && strstr(output, "\ntotal "), "%s",
                  output);
    ck_assert_int_eq(run("SLABGC_MALLOC_STATS=1 exec bash -c 'exec 2>&-; :'", output, sizeof(output)), 0);
    ck_assert_msg(strstr(output, "\ntotal ") != NULL, "%s", output);
    ck_assert_int_eq(run("ls / >/dev/null", output, sizeof(output)), 0);
    ck_assert_str_eq(output, "");
}
END_TEST

START_TEST(statistics_go_to_a_file_for_each_process)
{
    char output[8192], path[] = "/tmp/slabgc-reports-XXXXXX", command[256];
    ck_assert_int_ge(close(mkstemp(path)), 0);
    snprintf(command, sizeof(command),
             "SLABGC_MALLOC_STATS=%s sh -c 'ls / >/dev/null; cat /dev/null'; grep -c total %s", path, path);
    ck_assert_int_eq(run(command, output, sizeof(output)), 0);
    unlink(path);
    ck_assert_str_eq(output, "2\n"); /* sh leaves by _exit */
    ck_assert_int_eq(run("SLABGC_MALLOC_STATS=/no/such/place/file ls / >/dev/null", output, sizeof(output)), 0);
    ck_assert_str_eq(output, "");
}
END_TEST

START_TEST(a_foreign_pointer_ends_the_program_with_a_message)
{
    char odd[PATH_MAX], command[2 * PATH_MAX], output[4096];
    data_path("tests/preload/wrong", odd);
    snprintf(command, sizeof(command), "exec '%s'", odd);
    const int status = run(command, output, sizeof(output));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_msg(strncmp(output, "slabgc: panic: sgc_free: interior pointer 0x", 44) == 0, "%s", output);
}
END_TEST

static void setup(void)
{
    data_path("tools/malloc/libslabgc-malloc.so", library);
    ck_assert_msg(access(library, R_OK) == 0, "there is no %s", library);
}

int main(void)
{
    Suite *suite = suite_create("odd");
    TCase *tcase = tcase_create("odd");
    tcase_add_unchecked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 110);
    tcase_add_test(tcase, odd_calls_work);
    tcase_add_test(tcase, statistics_go_to_standard_error_even_when_the_program_closed_it);
    tcase_add_test(tcase, statistics_go_to_a_file_for_each_process);
    tcase_add_test(tcase, a_foreign_pointer_ends_the_program_with_a_message);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
