/* bench_test.c - bench as a user runs it, small: every workload runs on every backend, answers are equal, and the
 * command line says what is wrong with it. No time is judged. */
#include "tests/support/expect.h"
#include "tests/support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define OUTPUT_BYTES 65536
#define SMALL "--depth 8 --objects 20000 --loop-ms 1 --repetitions 1"

static char directory[SUPPORT_PATH_BYTES];
static char out[OUTPUT_BYTES], err[OUTPUT_BYTES];

static void setup(void)
{
    support_scratch_create(directory);
}
static void teardown(void)
{
    support_scratch_destroy(directory);
}

static void read_text(const char *name, char text[OUTPUT_BYTES])
{
    char path[SUPPORT_PATH_BYTES];
    support_scratch_path(path, directory, name);
    FILE *in = fopen(path, "r");
    ck_assert_ptr_nonnull(in);
    text[fread(text, 1, OUTPUT_BYTES - 1, in)] = '\0';
    fclose(in);
}

/* Runs bench with these arguments and checks the exit status. $BENCH: the program, when it is not where Bazel has it.
 */
static void check_run(int expected, const char *arguments)
{
    char command[2 * SUPPORT_PATH_BYTES + 512];
    const char *program = getenv("BENCH") ? getenv("BENCH") : "tests/bench/bench";
    ck_assert_int_lt(
        snprintf(command, sizeof(command), "'%s' %s >'%s/out' 2>'%s/err'", program, arguments, directory, directory),
        (int)sizeof(command));
    const int status = system(command);
    read_text("out", out);
    read_text("err", err);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == expected, "bench %s: status 0x%x\n%s%s", arguments,
                  (unsigned)status, out, err);
}

static void check_in(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in: %s", part, text);
}

/* The words of a line of --list are a workload's backends: each has a row in its table. Only peers may be skipped. */
static void check_rows(const char *name, char *backends)
{
    char title[64], row[64];
    snprintf(title, sizeof(title), "\n%s [", name);
    const char *table = strstr(out, title);
    ck_assert_msg(table != NULL, "no table of %s in: %s", name, out);
    const char *end = strstr(table, "\n\n");
    for (char *at = NULL, *backend = strtok_r(backends, " ", &at); backend; backend = strtok_r(NULL, " ", &at)) {
        snprintf(row, sizeof(row), "\n  %-22s ", backend);
        const char *found = strstr(table, row);
        ck_assert_msg(found && (!end || found < end), "%s has no row for %s in: %s", name, backend, out);
        if (strncmp(found + strlen(row), "skipped: ", 9) == 0) {
            fprintf(stderr, "%s on %s is %.*s\n", name, backend, (int)strcspn(found + strlen(row), "\n"),
                    found + strlen(row));
            ck_assert_msg(strcmp(backend, "jemalloc") == 0 || strcmp(backend, "boehm") == 0, "%s skipped", backend);
        }
    }
}

START_TEST(every_workload_runs_on_every_backend_with_the_same_answer)
{
    static char list[OUTPUT_BYTES];
    size_t n = 0;
    check_run(0, "--list");
    memcpy(list, out, sizeof(list));
    check_run(0, SMALL);
    for (char *at = NULL, *line = strtok_r(list, "\n", &at); line; line = strtok_r(NULL, "\n", &at), n++) {
        char *backends = strtok_r(NULL, "\n", &at);
        ck_assert_ptr_nonnull(backends);
        line[strcspn(line, " ")] = '\0';
        check_rows(line, backends);
    }
    ck_assert_uint_gt(n, 10);
    check_in(out, "control loop: ");
}
END_TEST

START_TEST(json_is_one_document_with_all_runs)
{
    check_run(0,
              "--json --bench binary-trees,enter-leave --backend 'g*,refcount' --depth 6 --loop-ms 1 --repetitions 2");
    ck_assert_int_eq(out[0], '{');
    ck_assert_str_eq(out + strlen(out) - 3, "\n}\n");
    check_in(out, "\"bench\": \"binary-trees\", \"backend\": \"glibc\"");
    check_in(out, "\"bench\": \"binary-trees\", \"backend\": \"generational+sections\"");
    check_in(out, "\"bench\": \"enter-leave\", \"backend\": \"refcount\"");
    check_in(out, "{\"repetition\": 2, \"value\": ");
    check_in(out, "\"ratio\": 1,");
    int depth = 0;
    for (const char *at = out; *at; at++)
        depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
    ck_assert_int_eq(depth, 0);
}
END_TEST

START_TEST(without_the_reference_there_is_no_ratio)
{
    check_run(0, "--bench hold-drop-rest --backend rcu --loop-ms 1 --repetitions 3");
    check_in(out, " - ");
}
END_TEST

START_TEST(a_run_that_fails_is_named_and_sets_the_status)
{
    check_run(1,
              "--bench binary-trees --backend glibc,generational --depth 6 --repetitions 1 --config strategy=refcount");
    check_in(err, "binary-trees on generational failed: config makes this heap one of refcount");
    check_in(out, "  glibc ");
}
END_TEST

START_TEST(a_wrong_command_line_is_refused)
{
    check_run(2, "--bench no-such");
    check_in(err, "--list shows what there is");
    check_run(2, "--depth 3");
    check_in(err, "--depth 3: a number from 4 to 24 is wanted");
    check_run(2, "--repetitions 1x");
    check_in(err, "--repetitions 1x: a number from 1 to 1000 is wanted");
    check_run(2, "--nonsense");
    check_in(err, "usage: bench");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench");
    TCase *tests = tcase_create("bench");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_workload_runs_on_every_backend_with_the_same_answer);
    tcase_add_test(tests, json_is_one_document_with_all_runs);
    tcase_add_test(tests, without_the_reference_there_is_no_ratio);
    tcase_add_test(tests, a_run_that_fails_is_named_and_sets_the_status);
    tcase_add_test(tests, a_wrong_command_line_is_refused);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
