/* golden_test.c - reading, comparing and rewriting golden values, on tables made by hand. */
#include "tests/counts/golden.h"
#include "tests/support/expect.h"
#include "tests/support/scratch.h"

#include <stdlib.h>
#include <string.h>

#define PLATFORM "x86_64 glibc-2.36"
#define TEXT_BYTES 4096

static struct golden golden;
static struct counts_table table;
static char directory[SUPPORT_PATH_BYTES], file[SUPPORT_PATH_BYTES];
static char error[COUNTS_ERROR_BYTES], text[TEXT_BYTES];

static void setup(void)
{
    support_scratch_create(directory);
    memset(&table, 0, sizeof(table));
    strcpy(table.compiler, "gcc-12.2");
    strcpy(table.platform, PLATFORM);
}
static void teardown(void)
{
    support_scratch_destroy(directory);
}

static void add(const char *name, uint64_t n_operations, uint64_t instructions)
{
    struct counts_path *path = &table.paths[table.n++];
    strcpy(path->name, name);
    path->n_operations = n_operations;
    path->instructions = instructions;
}

static bool read_back(const char *content)
{
    support_scratch_file(file, directory, "golden.txt", content, 0600);
    return golden_read(&golden, file, error);
}

static void check_wrong(const char *content, const char *message)
{
    char wanted[SUPPORT_PATH_BYTES + 128];
    ck_assert(!read_back(content));
    snprintf(wanted, sizeof(wanted), "%s%s", file, message);
    ck_assert_str_eq(error, wanted);
}

static size_t compare(void)
{
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    const size_t n = golden_compare(&golden, &table, out);
    fclose(out);
    return n;
}

static bool update(void)
{
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    const bool good = golden_update(&golden, &table, out, error);
    fclose(out);
    return good;
}

static const char two_columns[] = "# comment\n"
                                  "platform " PLATFORM "\n"
                                  "path gcc-12.2 clang-14.0\n"
                                  "\n"
                                  "pair 54.000 55.000 # comment\n"
                                  "wave 118.4273 -\n";

START_TEST(a_value_is_a_decimal_number_without_rest)
{
    char value[COUNTS_VALUE_BYTES];
    add("pair", 1000, 54013);
    add("wave", 10000, 1184273);
    counts_print(&table.paths[0], value);
    ck_assert_str_eq(value, "54.013");
    counts_print(&table.paths[1], value);
    ck_assert_str_eq(value, "118.4273");
}
END_TEST

START_TEST(values_that_are_the_same_pass)
{
    add("pair", 1000, 54000);
    add("wave", 10000, 1184273);
    ck_assert_msg(read_back(two_columns), "%s", error);
    ck_assert_uint_eq(compare(), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(a_difference_is_told_with_name_values_percentage_and_command)
{
    add("pair", 1000, 55000);
    add("wave", 10000, 1184272);
    ck_assert(read_back(two_columns));
    ck_assert_uint_eq(compare(), 2);
    ck_assert_str_eq(text,
                     "pair (gcc-12.2): expected 54.000 instructions, found 55.000 (+1.85%); if that is meant: "
                     "bazel run //tests/counts:rewrite\n"
                     "wave (gcc-12.2): expected 118.4273 instructions, found 118.4272 (-0.00%); if that is meant: "
                     "bazel run //tests/counts:rewrite\n");
}
END_TEST

START_TEST(paths_without_values_and_values_without_paths_are_told)
{
    strcpy(table.compiler, "clang-14.0");
    add("wave", 10000, 1184273);
    add("new", 1000, 7000);
    ck_assert(read_back(two_columns));
    ck_assert_uint_eq(compare(), 3);
    ck_assert_str_eq(text, "wave (clang-14.0): no value expected, found 118.4273 instructions; to add it: "
                           "bazel run --config=clang //tests/counts:rewrite\n"
                           "new (clang-14.0): no value expected, found 7.000 instructions; to add it: "
                           "bazel run --config=clang //tests/counts:rewrite\n"
                           "pair: no such path is counted; to remove it: "
                           "bazel run --config=clang //tests/counts:rewrite\n");
}
END_TEST

static bool applies(const char *compiler, const char *platform)
{
    strcpy(table.compiler, compiler);
    strcpy(table.platform, platform);
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    const bool good = golden_applies(&golden, &table, out);
    fclose(out);
    return good;
}

START_TEST(another_compiler_or_platform_has_no_values)
{
    ck_assert(read_back(two_columns));
    ck_assert(applies("gcc-12.2", PLATFORM));
    ck_assert(applies("clang-14.0", PLATFORM));
    ck_assert(!applies("gcc-13.1", PLATFORM));
    ck_assert_str_eq(text, "no values for gcc-13.1 on " PLATFORM
                           ": there are some for gcc-12.2, clang-14.0 on " PLATFORM "\n");
    ck_assert(!applies("gcc-12.2", "aarch64 glibc-2.36"));
    ck_assert(!applies("gcc-12.2", PLATFORM " without-membarrier"));
}
END_TEST

START_TEST(a_file_that_cannot_be_understood_is_refused_with_its_line)
{
    check_wrong("path gcc-12.2\npair 54.000\npair 54.000\n", ":3: this path is there already");
    check_wrong("path gcc-12.2\npair\n", ":2: a number or '-' is wanted for each compiler");
    check_wrong("path gcc-12.2\npair many\n", ":2: a number or '-' is wanted for each compiler");
    check_wrong("path gcc-12.2\npair 1.0 2.0\n", ":2: more values than compilers");
    check_wrong("path a b c d e\n", ":1: too many compilers, or too long a name");
    support_scratch_path(file, directory, "nowhere");
    ck_assert(!golden_read(&golden, file, error));
}
END_TEST

START_TEST(rewriting_replaces_one_column_and_leaves_the_other)
{
    add("wave", 10000, 1184273);
    add("pair", 1000, 53000);
    add("new", 1000, 7000);
    ck_assert(read_back(two_columns));
    ck_assert(update());
    ck_assert_str_eq(text, "pair: 54.000 -> 53.000 (-1.85%)\nnew: 7.000\n");
    ck_assert(golden_write(&golden, file, error));
    memset(&golden, 0, sizeof(golden));
    ck_assert_msg(golden_read(&golden, file, error), "%s", error);
    ck_assert_uint_eq(compare(), 0);
    ck_assert_str_eq(golden.platform, PLATFORM);
    ck_assert_str_eq(golden.rows[0].name, "wave");
    ck_assert_str_eq(golden.rows[1].values[0], "53.000");
    ck_assert_str_eq(golden.rows[1].values[1], "55.000");
    ck_assert_str_eq(golden.rows[2].values[1], "-");
}
END_TEST

START_TEST(rewriting_removes_paths_that_are_gone)
{
    add("wave", 10000, 1184273);
    ck_assert(read_back(two_columns));
    ck_assert(update());
    ck_assert_str_eq(text, "pair: removed\n");
    ck_assert_uint_eq(golden.n_rows, 1);
}
END_TEST

START_TEST(an_empty_file_gets_its_first_column)
{
    add("pair", 1000, 53000);
    ck_assert(read_back(""));
    ck_assert(update());
    ck_assert_uint_eq(compare(), 0);
    ck_assert_str_eq(golden.compilers[0], "gcc-12.2");
}
END_TEST

START_TEST(values_of_another_platform_are_not_overwritten)
{
    strcpy(table.platform, "aarch64 glibc-2.36");
    add("pair", 1000, 53000);
    ck_assert(read_back(two_columns));
    ck_assert(!update());
    ck_assert_str_eq(error, "the values there are of " PLATFORM ", these of aarch64 glibc-2.36; begin with an empty "
                            "file, or stay there");
    ck_assert_str_eq(golden.rows[0].values[0], "54.000");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden");
    TCase *tests = tcase_create("golden");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_value_is_a_decimal_number_without_rest);
    tcase_add_test(tests, values_that_are_the_same_pass);
    tcase_add_test(tests, a_difference_is_told_with_name_values_percentage_and_command);
    tcase_add_test(tests, paths_without_values_and_values_without_paths_are_told);
    tcase_add_test(tests, another_compiler_or_platform_has_no_values);
    tcase_add_test(tests, a_file_that_cannot_be_understood_is_refused_with_its_line);
    tcase_add_test(tests, rewriting_replaces_one_column_and_leaves_the_other);
    tcase_add_test(tests, rewriting_removes_paths_that_are_gone);
    tcase_add_test(tests, an_empty_file_gets_its_first_column);
    tcase_add_test(tests, values_of_another_platform_are_not_overwritten);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
