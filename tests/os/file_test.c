/* file_test.c - opening, checking and reading files. */
#include "core/os/file.h"

#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/support/expect.h"
#include "tests/support/scratch.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int n_open(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

static int open_ok(const char *path, unsigned flags)
{
    int fd = sgc_os_file_open(path, flags, &error);
    ck_assert_msg(fd >= 0, "%s", error.message);
    return fd;
}

/* The answer of check_trusted for the file as it can be opened now. */
static int check(const char *path)
{
    int fd = open_ok(path, 0);
    int code = sgc_os_file_check_trusted(fd, path, &error);
    ck_assert(code == 0 || code == error.code);
    sgc_os_file_close(fd);
    return code;
}

static void assert_message(const char *format, const char *path)
{
    char wanted[2 * SUPPORT_PATH_BYTES];
    snprintf(wanted, sizeof(wanted), format, path, path);
    ck_assert_str_eq(error.message, wanted);
}

START_TEST(a_file_is_opened_close_on_exec)
{
    char path[SUPPORT_PATH_BYTES];
    support_scratch_file(path, scratch, "a", "text", 0600);
    int fd = open_ok(path, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    sgc_os_file_close(fd);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    char path[SUPPORT_PATH_BYTES];
    support_scratch_path(path, scratch, "missing");
    ck_assert_int_eq(sgc_os_file_open(path, 0, &error), -ENOENT);
    assert_message("%s: cannot open: No such file or directory", path);
    ck_assert_int_eq(sgc_os_file_open(path, 0, NULL), -ENOENT);
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_without_waiting)
{
    char path[SUPPORT_PATH_BYTES];
    int before = n_open();
    ck_assert_int_eq(sgc_os_file_open(scratch, 0, &error), -EISDIR);
    assert_message("%s: is a directory, a regular file is wanted", scratch);
    support_scratch_path(path, scratch, "fifo");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(sgc_os_file_open(path, 0, &error), -EINVAL);
    assert_message("%s: is a FIFO, a regular file is wanted", path);
    ck_assert_int_eq(sgc_os_file_open("/dev/null", 0, &error), -EINVAL);
    ck_assert_int_eq(n_open(), before);
}
END_TEST

START_TEST(a_symbolic_link_is_followed_unless_forbidden)
{
    char path[SUPPORT_PATH_BYTES], link[SUPPORT_PATH_BYTES];
    support_scratch_file(path, scratch, "a", "text", 0600);
    support_scratch_path(link, scratch, "link");
    ck_assert_int_eq(symlink("a", link), 0);
    sgc_os_file_close(open_ok(link, 0));
    ck_assert_int_eq(sgc_os_file_open(link, SGC_OS_FILE_NOFOLLOW, &error), -ELOOP);
    assert_message("%s: is a symbolic link; name the file itself", link);
}
END_TEST

START_TEST(a_file_of_ones_own_in_a_directory_of_ones_own_is_trusted)
{
    char path[SUPPORT_PATH_BYTES];
    support_scratch_file(path, scratch, "a", "text", 0644);
    ck_assert_int_eq(check(path), 0);
    ck_assert_int_eq(chdir(scratch), 0);
    ck_assert_int_eq(check("a"), 0);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(a_file_of_roots_is_trusted_by_everybody)
{
    struct stat st;
    ck_assert_int_eq(stat("/etc/passwd", &st), 0);
    if (st.st_uid == 0) /* in a sandbox's user namespace root's files may show as nobody's */
        ck_assert_int_eq(check("/etc/passwd"), 0);
    else
        ck_assert_int_eq(check("/etc/passwd"), -EPERM);
}
END_TEST

START_TEST(a_writable_file_is_refused_with_its_mode_and_the_remedy)
{
    char path[SUPPORT_PATH_BYTES], wanted[128];
    support_scratch_file(path, scratch, "a", "text", 0646);
    ck_assert_int_eq(check(path), -EPERM);
    snprintf(wanted, sizeof(wanted), "%%s: writable by others (mode 0646, owner %u): chmod go-w '%%s'", geteuid());
    assert_message(wanted, path);
    ck_assert_int_eq(chmod(path, 0664), 0);
    ck_assert_int_eq(check(path), -EPERM);
    snprintf(wanted, sizeof(wanted), "%%s: writable by its group (mode 0664, owner %u): chmod go-w '%%s'", geteuid());
    assert_message(wanted, path);
}
END_TEST

START_TEST(a_writable_directory_is_refused_even_when_sticky)
{
    char path[SUPPORT_PATH_BYTES], wanted[128];
    support_scratch_file(path, scratch, "a", "text", 0644);
    ck_assert_int_eq(chmod(scratch, 01777), 0);
    ck_assert_int_eq(check(path), -EPERM);
    snprintf(wanted, sizeof(wanted), "directory %%s: writable by others (mode 1777, owner %u): chmod go-w '%%s'",
             geteuid());
    assert_message(wanted, scratch);
    ck_assert_int_eq(chmod(scratch, 0700), 0);
}
END_TEST

START_TEST(a_file_of_somebody_else_is_refused)
{
    char path[SUPPORT_PATH_BYTES];
    support_scratch_file(path, scratch, "a", "text", 0644);
    if (geteuid() != 0 || chown(path, 4711, (gid_t)-1)) /* only root, out of a sandbox, can give a file away */
        return;
    ck_assert_int_eq(check(path), -EPERM);
    assert_message("%s: owned by user 4711 (mode 0644); only what root or user 0 owns is trusted: chown 0 '%s'", path);
    ck_assert_int_eq(chown(path, 0, (gid_t)-1), 0);
    ck_assert_int_eq(chown(scratch, 4711, (gid_t)-1), 0);
    ck_assert_int_eq(check(path), -EPERM);
    assert_message("directory %s: owned by user 4711 (mode 0700); only what root or user 0 owns is trusted: "
                   "chown 0 '%s'",
                   scratch);
    ck_assert_int_eq(chown(scratch, 0, (gid_t)-1), 0);
}
END_TEST

START_TEST(a_link_is_as_trusted_as_both_directories)
{
    char inner[SUPPORT_PATH_BYTES], path[SUPPORT_PATH_BYTES], link[SUPPORT_PATH_BYTES];
    support_scratch_path(inner, scratch, "inner");
    ck_assert_int_eq(mkdir(inner, 0700), 0);
    support_scratch_file(path, inner, "a", "text", 0644);
    support_scratch_path(link, scratch, "link");
    ck_assert_int_eq(symlink("inner/a", link), 0);
    ck_assert_int_eq(check(link), 0);
    ck_assert_int_eq(chmod(inner, 0777), 0);
    ck_assert_int_eq(check(link), -EPERM);
    ck_assert_ptr_nonnull(strstr(error.message, "/inner: writable by others"));
    ck_assert_int_eq(chmod(inner, 0700), 0);
    ck_assert_int_eq(chmod(scratch, 0777), 0);
    ck_assert_int_eq(check(link), -EPERM);
    ck_assert_int_eq(check(path), 0);
    ck_assert_int_eq(chmod(scratch, 0700), 0);
}
END_TEST

START_TEST(a_file_replaced_after_it_was_opened_is_refused)
{
    char path[SUPPORT_PATH_BYTES], other[SUPPORT_PATH_BYTES];
    support_scratch_file(path, scratch, "a", "text", 0644);
    support_scratch_file(other, scratch, "b", "other", 0644);
    int fd = open_ok(path, 0);
    ck_assert_int_eq(rename(other, path), 0);
    ck_assert_int_eq(sgc_os_file_check_trusted(fd, path, &error), -EPERM);
    assert_message("%s: was replaced while it was being opened; try again", path);
    sgc_os_file_close(fd);
}
END_TEST

START_TEST(a_file_is_read_whole_and_ends_in_nul)
{
    char path[SUPPORT_PATH_BYTES], *text;
    size_t n_bytes, before = sgc_meta_bytes();
    support_scratch_file(path, scratch, "a", "one\ntwo", 0600);
    int fd = open_ok(path, 0);
    for (int round = 0; round < 2; round++) { /* from its start each time */
        ck_assert_int_eq(sgc_os_file_read(fd, path, 7, &text, &n_bytes, &error), 0);
        ck_assert_uint_eq(n_bytes, 7);
        ck_assert_str_eq(text, "one\ntwo");
        sgc_meta_free(text, n_bytes + 1);
    }
    sgc_os_file_close(fd);
    support_scratch_file(path, scratch, "empty", "", 0600);
    fd = open_ok(path, 0);
    ck_assert_int_eq(sgc_os_file_read(fd, path, 0, &text, &n_bytes, &error), 0);
    ck_assert_uint_eq(n_bytes, 0);
    ck_assert_str_eq(text, "");
    sgc_meta_free(text, 1);
    sgc_os_file_close(fd);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
}
END_TEST

START_TEST(a_file_beyond_the_bound_is_refused)
{
    char path[SUPPORT_PATH_BYTES], *text = NULL;
    size_t n_bytes = 99;
    support_scratch_file(path, scratch, "a", "12345678", 0600);
    int fd = open_ok(path, 0);
    ck_assert_int_eq(sgc_os_file_read(fd, path, 7, &text, &n_bytes, &error), -EFBIG);
    assert_message("%s: has 8 bytes, at most 7 are read", path);
    ck_assert_ptr_null(text);
    ck_assert_uint_eq(n_bytes, 99);
    sgc_os_file_close(fd);
}
END_TEST

/* Opens, checks and reads through a link: every call of the file. 0 or the first error. */
static int use_file(const char *link)
{
    int fd = sgc_os_file_open(link, 0, &error);
    if (fd < 0)
        return fd;
    char *text;
    size_t n_bytes;
    int code = sgc_os_file_check_trusted(fd, link, &error);
    if (code == 0)
        code = sgc_os_file_read(fd, link, 100, &text, &n_bytes, &error);
    sgc_os_file_close(fd);
    if (code == 0)
        sgc_meta_free(text, n_bytes + 1);
    return code;
}

START_TEST(every_call_can_fail_and_leaves_nothing_open)
{
    char path[SUPPORT_PATH_BYTES], link[SUPPORT_PATH_BYTES];
    support_scratch_file(path, scratch, "a", "text", 0644);
    support_scratch_path(link, scratch, "link");
    ck_assert_int_eq(symlink("a", link), 0);
    ck_assert_int_eq(use_file(link), 0);
    int before = n_open();
    size_t bytes = sgc_meta_bytes();
    uint64_t k = 1;
    for (;; k++) {
        sgc_os_fault_arm(k, false);
        int code = use_file(link);
        sgc_os_fault_disarm();
        if (!sgc_os_fault_fired())
            break;
        ck_assert_int_lt(code, 0);
        ck_assert_int_eq(code, error.code);
        ck_assert_ptr_nonnull(strstr(error.message, scratch));
        ck_assert_int_eq(n_open(), before);
        ck_assert_uint_eq(sgc_meta_bytes(), bytes);
    }
    printf("file_test: %d calls failed one by one\n", (int)k - 1);
    ck_assert_uint_ge(k - 1, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tc = tcase_create("file");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_file_is_opened_close_on_exec);
    tcase_add_test(tc, a_missing_file_is_named);
    tcase_add_test(tc, what_is_no_regular_file_is_refused_without_waiting);
    tcase_add_test(tc, a_symbolic_link_is_followed_unless_forbidden);
    tcase_add_test(tc, a_file_of_ones_own_in_a_directory_of_ones_own_is_trusted);
    tcase_add_test(tc, a_file_of_roots_is_trusted_by_everybody);
    tcase_add_test(tc, a_writable_file_is_refused_with_its_mode_and_the_remedy);
    tcase_add_test(tc, a_writable_directory_is_refused_even_when_sticky);
    tcase_add_test(tc, a_file_of_somebody_else_is_refused);
    tcase_add_test(tc, a_link_is_as_trusted_as_both_directories);
    tcase_add_test(tc, a_file_replaced_after_it_was_opened_is_refused);
    tcase_add_test(tc, a_file_is_read_whole_and_ends_in_nul);
    tcase_add_test(tc, a_file_beyond_the_bound_is_refused);
    tcase_add_test(tc, every_call_can_fail_and_leaves_nothing_open);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
