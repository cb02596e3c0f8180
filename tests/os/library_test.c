/* library_test.c - shared objects by descriptor. What a plug-in must be: tests/runtime/loader_test.c. */
#include "core/os/library.h"

#include "core/os/fault.h"
#include "core/os/file.h"
#include "tests/support/expect.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[4096]; /* of a library of the system's that this process has: libm's */

static void find_library(void)
{
    Dl_info info;
    void *handle = dlopen("libm.so.6", RTLD_NOW);
    ck_assert_ptr_nonnull(handle);
    ck_assert_int_ne(dladdr(dlsym(handle, "sin"), &info), 0);
    snprintf(path, sizeof(path), "%s", info.dli_fname);
}

START_TEST(a_library_opens_by_its_descriptor_and_has_its_symbols)
{
    struct sgc_error error = {0};
    int fd = sgc_os_file_open(path, 0, &error);
    ck_assert_msg(fd >= 0, "%s", error.message);
    void *handle = sgc_os_library_open(fd, path, &error);
    ck_assert_msg(handle != NULL, "%s", error.message);
    ck_assert_ptr_nonnull(sgc_os_library_symbol(handle, "cbrt"));
    ck_assert_ptr_null(sgc_os_library_symbol(handle, "no_such_symbol"));
}
END_TEST

START_TEST(a_file_that_is_no_library_is_refused_with_its_path)
{
    const char *parent = getenv("TEST_TMPDIR");
    char file[4096];
    snprintf(file, sizeof(file), "%s/slabgc-library-XXXXXX", parent ? parent : "/tmp");
    int fd = mkstemp(file);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "no library", 10), 10);
    struct sgc_error error = {0};
    ck_assert_ptr_null(sgc_os_library_open(fd, "/x/y.so", &error));
    ck_assert_int_eq(error.code, -ENOEXEC);
    ck_assert_mem_eq(error.message, "/x/y.so: cannot be loaded: ", 27);
    ck_assert_ptr_null(strstr(error.message, "/proc/self/fd"));
    unlink(file);
    close(fd);
}
END_TEST

START_TEST(a_library_knows_its_directory_and_the_program_has_none)
{
    char file[4096], directory[PATH_MAX] = "untouched";
    ck_assert_ptr_nonnull(realpath(path, file));
    char *slash = strrchr(file, '/');
    *slash = '\0';
    const void *sin_ = dlsym(dlopen("libm.so.6", RTLD_NOW), "sin");
    ck_assert(sgc_os_library_directory(sin_, ".", directory));
    ck_assert_mem_eq(directory, file, strlen(file));
    ck_assert(!sgc_os_library_directory(sin_, "no/such/place", directory));
    ck_assert(!sgc_os_library_directory(path, ".", directory));
}
END_TEST

START_TEST(one_file_has_one_identity_and_two_files_have_two)
{
    uint64_t device[3], inode[3];
    struct sgc_error error;
    int fds[3] = {sgc_os_file_open(path, 0, &error), sgc_os_file_open(path, 0, &error),
                  sgc_os_file_open("/proc/self/exe", 0, &error)};
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(sgc_os_file_identity(fds[i], path, &device[i], &inode[i], &error), 0);
    ck_assert(device[0] == device[1] && inode[0] == inode[1]);
    ck_assert(device[0] != device[2] || inode[0] != inode[2]);
    ck_assert_int_eq(sgc_os_file_identity(-1, "/x", &device[0], &inode[0], &error), -EBADF);
    ck_assert_str_eq(error.message, "/x: cannot examine: Bad file descriptor");
}
END_TEST

START_TEST(every_call_can_be_made_to_fail)
{
    struct sgc_error error = {0};
    uint64_t device, inode;
    int fd = sgc_os_file_open(path, 0, &error);
    sgc_os_fault_arm(1, true);
    ck_assert_int_eq(sgc_os_file_identity(fd, "/x", &device, &inode, &error), -EIO);
    ck_assert_str_eq(sgc_os_fault_fired_call(), "fstat");
    sgc_os_fault_arm(1, true);
    ck_assert_ptr_null(sgc_os_library_open(fd, "/x", &error));
    ck_assert_str_eq(error.message, "/x: cannot be loaded: injected fault");
    ck_assert_str_eq(sgc_os_fault_fired_call(), "dlopen");
    sgc_os_fault_disarm();
    sgc_os_file_close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("library");
    TCase *tc = tcase_create("library");
    tcase_add_checked_fixture(tc, find_library, NULL);
    tcase_add_test(tc, a_library_opens_by_its_descriptor_and_has_its_symbols);
    tcase_add_test(tc, a_file_that_is_no_library_is_refused_with_its_path);
    tcase_add_test(tc, a_library_knows_its_directory_and_the_program_has_none);
    tcase_add_test(tc, one_file_has_one_identity_and_two_files_have_two);
    tcase_add_test(tc, every_call_can_be_made_to_fail);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
