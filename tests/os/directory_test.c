/* directory_test.c - the sorted names in a directory. */
#include "core/os/fault.h"
#include "core/os/file.h"
#include "core/os/meta.h"
#include "tests/support/expect.h"
#include "tests/support/scratch.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char scratch[SUPPORT_PATH_BYTES];
static struct sgc_error error;

static void setup(void)
{
    support_scratch_create(scratch);
    memset(&error, 0, sizeof(error));
}

static void teardown(void)
{
    support_scratch_destroy(scratch);
}

static void touch(const char *name)
{
    char path[SUPPORT_PATH_BYTES];
    support_scratch_file(path, scratch, name, "", 0600);
}

START_TEST(names_with_the_suffix_come_sorted_by_their_bytes)
{
    static const char *const made[] = {"20-b.conf",    "10-a.conf", "Z.conf", "README",
                                       ".hidden.conf", "a.conf~",   "9.conf"};
    static const char *const wanted[] = {"10-a.conf", "20-b.conf", "9.conf", "Z.conf"};
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        touch(made[i]);
    struct sgc_os_names names;
    ck_assert_int_eq(sgc_os_dir_list(scratch, ".conf", 10, &names, &error), 0);
    ck_assert_uint_eq(names.n_names, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(sgc_os_names_get(&names, i), wanted[i]);
    sgc_os_names_fini(&names);
    ck_assert_uint_eq(names.n_names, 0);
}
END_TEST

START_TEST(an_empty_directory_has_no_names)
{
    struct sgc_os_names names;
    ck_assert_int_eq(sgc_os_dir_list(scratch, "", 10, &names, &error), 0);
    ck_assert_uint_eq(names.n_names, 0);
    sgc_os_names_fini(&names);
}
END_TEST

START_TEST(more_names_than_one_call_reads_all_come)
{
    char name[64];
    size_t before = sgc_meta_bytes();
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "%03d-a-name-that-takes-some-room", (i * 617) % 1000);
        touch(name);
    }
    struct sgc_os_names names;
    ck_assert_int_eq(sgc_os_dir_list(scratch, "", 1000, &names, &error), 0);
    ck_assert_uint_eq(names.n_names, 1000);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(atoi(sgc_os_names_get(&names, (size_t)i)), i);
    sgc_os_names_fini(&names);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
}
END_TEST

START_TEST(too_many_names_are_an_error)
{
    touch("a");
    touch("b");
    touch("c");
    struct sgc_os_names names = {.n_names = 77};
    ck_assert_int_eq(sgc_os_dir_list(scratch, "", 2, &names, &error), -E2BIG);
    ck_assert_ptr_nonnull(strstr(error.message, "has more than 2 names"));
    ck_assert_uint_eq(names.n_names, 77);
}
END_TEST

START_TEST(what_is_missing_or_no_directory_is_named)
{
    char path[SUPPORT_PATH_BYTES], wanted[2 * SUPPORT_PATH_BYTES];
    struct sgc_os_names names;
    support_scratch_path(path, scratch, "missing");
    ck_assert_int_eq(sgc_os_dir_list(path, "", 2, &names, &error), -ENOENT);
    snprintf(wanted, sizeof(wanted), "%s: cannot open directory: No such file or directory", path);
    ck_assert_str_eq(error.message, wanted);
    touch("missing");
    ck_assert_int_eq(sgc_os_dir_list(path, "", 2, &names, &error), -ENOTDIR);
}
END_TEST

START_TEST(every_call_can_fail_and_leaves_nothing_behind)
{
    for (int i = 0; i < 20; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        touch(name);
    }
    size_t before = sgc_meta_bytes();
    struct sgc_os_names names;
    for (uint64_t k = 1;; k++) {
        sgc_os_fault_arm(k, false);
        int code = sgc_os_dir_list(scratch, "", 100, &names, &error);
        sgc_os_fault_disarm();
        if (!sgc_os_fault_fired()) {
            ck_assert_int_eq(code, 0);
            ck_assert_uint_ge(k, 3);
            break;
        }
        ck_assert_int_lt(code, 0);
        ck_assert_int_eq(error.code, code);
        ck_assert_uint_eq(sgc_meta_bytes(), before);
    }
    ck_assert_uint_eq(names.n_names, 20);
    sgc_os_names_fini(&names);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("directory");
    TCase *tc = tcase_create("directory");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, names_with_the_suffix_come_sorted_by_their_bytes);
    tcase_add_test(tc, an_empty_directory_has_no_names);
    tcase_add_test(tc, more_names_than_one_call_reads_all_come);
    tcase_add_test(tc, too_many_names_are_an_error);
    tcase_add_test(tc, what_is_missing_or_no_directory_is_named);
    tcase_add_test(tc, every_call_can_fail_and_leaves_nothing_behind);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
