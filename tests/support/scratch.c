/* scratch.c - see scratch.h. */
#include "tests/support/scratch.h"

#include "tests/support/expect.h"
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(SUPPORT_PATH_BYTES >= PATH_MAX, "realpath writes up to PATH_MAX bytes");

void support_scratch_create(char out[SUPPORT_PATH_BYTES])
{
    const char *parent = getenv("TEST_TMPDIR");
    char made[SUPPORT_PATH_BYTES];
    support_scratch_path(made, parent ? parent : "/tmp", "slabgc-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(made));
    ck_assert_ptr_nonnull(realpath(made, out));
}

static int scratch_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

void support_scratch_destroy(const char *directory)
{
    ck_assert_int_eq(nftw(directory, scratch_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void support_scratch_path(char out[SUPPORT_PATH_BYTES], const char *directory, const char *name)
{
    int length = snprintf(out, SUPPORT_PATH_BYTES, "%s/%s", directory, name);
    ck_assert_int_lt(length, SUPPORT_PATH_BYTES);
}

void support_scratch_file(char out[SUPPORT_PATH_BYTES], const char *directory, const char *name, const char *content,
                          mode_t mode)
{
    support_scratch_path(out, directory, name);
    int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}
