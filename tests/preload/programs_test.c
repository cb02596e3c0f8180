/* programs_test.c - unmodified real programs on libslabgc-malloc.so: they answer as they do without it, and its
 * statistics say that they were on it. $SLABGC_PRELOAD_SIZE=long: as much work as compare gives them. */
#include "tests/preload/programs.h"
#include "tests/support/expect.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char library[PATH_MAX];
static enum size size;

static const struct program *find(const char *name)
{
    const struct program *program = programs;
    while (strcmp(program->name, name) != 0)
        program++;
    return program;
}

/* Most allocations that one process of that name had, by the reports in the file. */
static unsigned long n_allocated(const char *file, const char *process)
{
    char line[256], name[64] = "";
    unsigned long most = 0, n;
    FILE *reports = fopen(file, "r");
    ck_assert_msg(reports != NULL, "no statistics were written");
    while (fgets(line, sizeof(line), reports)) {
        (void)sscanf(line, "slabgc malloc, process %*d (%63[^)])", name);
        if (strcmp(name, process) == 0 && sscanf(line, "total %*u %*u %*u %lu", &n) == 1 && n > most)
            most = n;
    }
    fclose(reports);
    return most;
}

static void expect_same(const char *name, const char *process, unsigned long n_least)
{
    static struct measure plain, preloaded;
    char reports[] = "/tmp/slabgc-reports-XXXXXX";
    const struct program *program = find(name);
    if (program_lacks(program)) {
        printf("%s: skipped, there is no %s\n", name, program_lacks(program));
        return;
    }
    program_run(program, NULL, size, &plain);
    ck_assert_msg(!plain.fault[0], "%s", plain.fault);
    ck_assert_msg(plain.answer[0] != '\0', "no answer");
    ck_assert_int_ge(close(mkstemp(reports)), 0);
    setenv("SLABGC_MALLOC_STATS", reports, 1);
    program_run(program, library, size, &preloaded);
    unsetenv("SLABGC_MALLOC_STATS");
    ck_assert_msg(!preloaded.fault[0], "%s", preloaded.fault);
    ck_assert_str_eq(preloaded.answer, plain.answer);
    const unsigned long n = n_allocated(reports, process);
    unlink(reports);
    ck_assert_msg(n >= n_least, "%s allocated %lu times", process, n);
}

START_TEST(python_computes_the_same_with_threads_and_forks)
{
    expect_same("python3", "python3", 100000);
}
END_TEST

START_TEST(redis_keeps_what_it_was_given_over_snapshot_and_reload)
{
    expect_same("redis", "redis-server", 10000);
}
END_TEST

START_TEST(sqlite_builds_the_same_indexed_table)
{
    expect_same("sqlite3", "sqlite3", 10000);
}
END_TEST

START_TEST(gcc_writes_the_same_object_file_byte_for_byte)
{
    expect_same("gcc", "cc1", 10000);
}
END_TEST

static void setup(void)
{
    const char *wanted = getenv("SLABGC_PRELOAD_SIZE");
    size = wanted && strcmp(wanted, "long") == 0 ? SIZE_LONG : SIZE_SHORT;
    data_path("tools/malloc/libslabgc-malloc.so", library);
    ck_assert_msg(access(library, R_OK) == 0, "there is no %s", library);
}

int main(void)
{
    Suite *suite = suite_create("programs");
    TCase *tcase = tcase_create("programs");
    tcase_add_unchecked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 1000);
    tcase_add_test(tcase, python_computes_the_same_with_threads_and_forks);
    tcase_add_test(tcase, redis_keeps_what_it_was_given_over_snapshot_and_reload);
    tcase_add_test(tcase, sqlite_builds_the_same_indexed_table);
    tcase_add_test(tcase, gcc_writes_the_same_object_file_byte_for_byte);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
