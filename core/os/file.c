/* file.c - opening, checking and reading a file that decides what the process does.
 * Called by runtime: loader (plug-ins) and config.
 * Invariant: what is checked is the open file; a name is only used to find the directory that holds it, and that
 *   directory is believed only when its entry is the very file that is open (same device and inode).
 * Locks: none. */
#include "core/os/file.h"

#include "core/base/check.h"
#include "core/os/fault.h"
#include "core/os/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_error(struct sgc_error *error, const char *path, const char *what)
{
    int code = -errno;
    return sgc_error_set(error, code, "%s: %s: %s", path, what, strerrordesc_np(-code));
}

static int file_open_fd(const char *path, int flags)
{
    if (sgc_os_fault_fail("open", EMFILE))
        return -1;
    return open(path, flags | O_CLOEXEC);
}

static int file_stat_fd(int fd, struct stat *out)
{
    return sgc_os_fault_fail("fstat", EIO) ? -1 : fstat(fd, out);
}

static const char *file_kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a directory";
    case S_IFIFO:
        return "a FIFO";
    case S_IFSOCK:
        return "a socket";
    case S_IFCHR:
    case S_IFBLK:
        return "a device";
    default:
        return "not a regular file";
    }
}

static int file_check_regular(const char *path, const struct stat *st, struct sgc_error *error)
{
    if (S_ISREG(st->st_mode))
        return 0;
    int code = S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL;
    return sgc_error_set(error, code, "%s: is %s, a regular file is wanted", path, file_kind(st->st_mode));
}

int sgc_os_file_open(const char *path, unsigned flags, struct sgc_error *error)
{
    bool nofollow = flags & SGC_OS_FILE_NOFOLLOW;
    int fd = file_open_fd(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | (nofollow ? O_NOFOLLOW : 0));
    if (fd < 0) {
        if (errno == ELOOP && nofollow)
            return sgc_error_set(error, -ELOOP, "%s: is a symbolic link; name the file itself", path);
        return file_error(error, path, "cannot open");
    }
    struct stat st;
    int code = file_stat_fd(fd, &st) ? file_error(error, path, "cannot examine") : 0;
    if (code == 0)
        code = file_check_regular(path, &st, error);
    if (code) {
        close(fd);
        return code;
    }
    return fd;
}

void sgc_os_file_close(int fd)
{
    close(fd);
}

/* what: "" for the file, or "directory " */
static int file_check_owner_mode(const char *what, const char *path, const struct stat *st, struct sgc_error *error)
{
    unsigned mode = st->st_mode & 07777, uid = st->st_uid, me = geteuid();
    if (uid != 0 && uid != me)
        return sgc_error_set(error, -EPERM,
                             "%s%s: owned by user %u (mode %04o); only what root or user %u owns is trusted: "
                             "chown %u '%s'",
                             what, path, uid, mode, me, me, path);
    if (mode & (S_IWGRP | S_IWOTH))
        return sgc_error_set(error, -EPERM, "%s%s: writable by %s (mode %04o, owner %u): chmod go-w '%s'", what, path,
                             mode & S_IWOTH ? "others" : "its group", mode, uid, path);
    return 0;
}

/* Splits path at its last slash: directory into out, returns the entry's name. */
static const char *file_split(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        strcpy(out, ".");
        return path;
    }
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    if (length >= PATH_MAX)
        return NULL;
    memcpy(out, path, length);
    out[length] = '\0';
    return slash + 1;
}

/* Checks the directory named in path. *holds: its entry is the file itself, not a symbolic link to it. */
static int file_check_directory(const char *path, const struct stat *file, bool *holds, struct sgc_error *error)
{
    char directory[PATH_MAX];
    const char *entry = file_split(path, directory);
    if (!entry)
        return sgc_error_set(error, -ENAMETOOLONG, "%s: path too long", path);
    int fd = file_open_fd(directory, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return file_error(error, directory, "cannot open directory");
    struct stat st, at_entry;
    int code = 0;
    if (file_stat_fd(fd, &st))
        code = file_error(error, directory, "cannot examine directory");
    else if (sgc_os_fault_fail("fstatat", EIO) || fstatat(fd, entry, &at_entry, AT_SYMLINK_NOFOLLOW))
        code = file_error(error, path, "cannot examine");
    else
        code = file_check_owner_mode("directory ", directory, &st, error);
    close(fd);
    if (code)
        return code;
    *holds = at_entry.st_dev == file->st_dev && at_entry.st_ino == file->st_ino;
    if (!*holds && !S_ISLNK(at_entry.st_mode))
        return sgc_error_set(error, -EPERM, "%s: was replaced while it was being opened; try again", path);
    return 0;
}

/* Where the open file really lies, symbolic links resolved. */
static int file_real_path(int fd, const char *path, char out[PATH_MAX], struct sgc_error *error)
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = sgc_os_fault_fail("readlink", ENOENT) ? -1 : readlink(link, out, PATH_MAX);
    if (length < 0)
        return file_error(error, path, "is a symbolic link that cannot be resolved through /proc");
    if (length == PATH_MAX)
        return sgc_error_set(error, -ENAMETOOLONG, "%s: path too long", path);
    out[length] = '\0';
    return 0;
}

int sgc_os_file_check_trusted(int fd, const char *path, struct sgc_error *error)
{
    struct stat st;
    if (file_stat_fd(fd, &st))
        return file_error(error, path, "cannot examine");
    int code = file_check_regular(path, &st, error);
    if (code == 0)
        code = file_check_owner_mode("", path, &st, error);
    bool holds;
    if (code == 0)
        code = file_check_directory(path, &st, &holds, error);
    if (code || holds)
        return code;
    char real_path[PATH_MAX];
    code = file_real_path(fd, path, real_path, error);
    if (code == 0)
        code = file_check_directory(real_path, &st, &holds, error);
    if (code == 0 && !holds)
        code = sgc_error_set(error, -EPERM, "%s: was moved while it was being opened; try again", path);
    return code;
}

/* Fills out; returns the bytes read, or -1 with errno. Reads one byte more than max_bytes where there is one. */
static ssize_t file_read_to_end(int fd, char *out, size_t max_bytes)
{
    size_t length = 0;
    while (length <= max_bytes) {
        ssize_t n =
            sgc_os_fault_fail("read", EIO) ? -1 : pread(fd, out + length, max_bytes + 1 - length, (off_t)length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    return (ssize_t)length;
}

int sgc_os_file_read(int fd, const char *path, size_t max_bytes, char **out, size_t *out_bytes, struct sgc_error *error)
{
    struct stat st;
    if (file_stat_fd(fd, &st))
        return file_error(error, path, "cannot examine");
    /* Room for the file as it is now; one that grows meanwhile is read up to here and found to have more. */
    size_t expected = (size_t)st.st_size;
    if (expected > max_bytes)
        return sgc_error_set(error, -EFBIG, "%s: has %zu bytes, at most %zu are read", path, expected, max_bytes);
    char *text = sgc_meta_alloc(expected + 1);
    if (!text)
        return sgc_error_set(error, -ENOMEM, "%s: no memory for its %zu bytes", path, expected);
    int code = 0;
    ssize_t length = file_read_to_end(fd, text, expected);
    if (length < 0)
        code = file_error(error, path, "cannot read");
    else if ((size_t)length != expected)
        code = sgc_error_set(error, -EAGAIN, "%s: changed its size while it was being read; try again", path);
    if (code) {
        sgc_meta_free(text, expected + 1);
        return code;
    }
    text[expected] = '\0';
    *out = text;
    *out_bytes = expected;
    return 0;
}
