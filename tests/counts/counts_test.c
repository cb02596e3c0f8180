/* counts_test.c - the fast paths take the instructions that golden.txt says, to the last one.
 * Measures before the tests. $COUNTS_GOLDEN: the file, when it is not where Bazel has it. */
#include "tests/counts/golden.h"
#include "tests/support/expect.h"

#include <stdlib.h>
#include <string.h>

static struct counts_table table;
static struct golden golden;
static char error[COUNTS_ERROR_BYTES];
static char messages[COUNTS_MAX_PATHS * 256];

/* golden_compare, its lines in messages. */
static size_t compare(const struct golden *with)
{
    FILE *out = fmemopen(messages, sizeof(messages), "w");
    ck_assert_ptr_nonnull(out);
    const size_t n = golden_compare(with, &table, out);
    fclose(out);
    return n;
}

static void read_golden(void)
{
    const char *path = getenv("COUNTS_GOLDEN") ? getenv("COUNTS_GOLDEN") : "tests/counts/golden.txt";
    ck_assert_msg(golden_read(&golden, path, error), "%s", error);
}

/* Up to three times, until no path differs: README.md says why. */
static void measure(void)
{
    FILE *nowhere = fopen("/dev/null", "w");
    ck_assert_ptr_nonnull(nowhere);
    read_golden();
    for (unsigned round = 1;; round++) {
        ck_assert_msg(counts_measure(NULL, &table, error), "%s", error);
        if (round == 3 || !golden_applies(&golden, &table, nowhere) || compare(&golden) == 0)
            break;
        printf("measured again, as there were differences:\n%s", messages);
        counts_table_fini(&table);
    }
    fclose(nowhere);
}

START_TEST(each_path_takes_the_instructions_that_the_golden_file_says)
{
    read_golden();
    if (!golden_applies(&golden, &table, stdout)) {
        printf("skipped: counts_test compares nothing here\n");
        return;
    }
    const size_t n = compare(&golden);
    ck_assert_msg(n == 0, "%zu of %zu paths differ:\n%s", n, table.n, messages);
}
END_TEST

/* Golden values that are the table's. */
static void golden_of_table(void)
{
    FILE *nowhere = fopen("/dev/null", "w");
    ck_assert_ptr_nonnull(nowhere);
    memset(&golden, 0, sizeof(golden));
    ck_assert(golden_update(&golden, &table, nowhere, error));
    fclose(nowhere);
    ck_assert_uint_eq(compare(&golden), 0);
}

/* more: instructions that path took in all its operations more than the golden value will say. */
static void check_found(size_t path, uint64_t more)
{
    char *value = golden.rows[path].values[0], kept[COUNTS_VALUE_BYTES], line[4 * COUNTS_NAME_BYTES];
    struct counts_path other = table.paths[path];
    strcpy(kept, value);
    other.instructions -= more;
    counts_print(&other, value);
    snprintf(line, sizeof(line), "%s (%s): expected %s instructions,", other.name, table.compiler, value);
    ck_assert_uint_eq(compare(&golden), 1);
    ck_assert_msg(strncmp(messages, line, strlen(line)) == 0 && strstr(messages, kept) && strstr(messages, "bazel run"),
                  "'%s' is not how this begins: %s", line, messages);
    strcpy(value, kept);
}

START_TEST(one_instruction_more_on_any_path_is_found_and_named)
{
    golden_of_table();
    for (size_t i = 0; i < table.n; i++) {
        check_found(i, table.paths[i].n_operations);
        check_found(i, 1);
    }
}
END_TEST

START_TEST(an_instruction_in_a_loop_counts_as_one)
{
    const struct counts_path *loop = counts_find(&table, "loop"), *more = counts_find(&table, "loop-and-one");
    ck_assert(loop && more);
    ck_assert_uint_eq(loop->n_operations, more->n_operations);
    ck_assert_uint_eq(more->instructions - loop->instructions, loop->n_operations);
}
END_TEST

/* Whatever a path does at times only would be in its count by chance: time stands still (steady.c), so no path may
 * wait for it to pass, and none makes the system wait. */
START_TEST(no_path_sleeps_or_waits_for_a_thread)
{
    static const char *const waits[] = {"sgc_os_sleep_ns", "pthread_cond_wait@@GLIBC_2.3.2", "sched_yield"};
    for (size_t i = 0; i < table.n; i++)
        for (size_t k = 0; k < sizeof(waits) / sizeof(waits[0]); k++) {
            char line[64];
            snprintf(line, sizeof(line), "\n%s\n", waits[k]);
            ck_assert_msg(!strstr(table.paths[i].functions, line), "%s calls %s", table.paths[i].name, waits[k]);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("counts");
    TCase *tests = tcase_create("counts");
    tcase_add_unchecked_fixture(tests, measure, NULL);
    tcase_add_test(tests, each_path_takes_the_instructions_that_the_golden_file_says);
    tcase_add_test(tests, one_instruction_more_on_any_path_is_found_and_named);
    tcase_add_test(tests, an_instruction_in_a_loop_counts_as_one);
    tcase_add_test(tests, no_path_sleeps_or_waits_for_a_thread);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
