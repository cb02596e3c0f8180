/* socket.c - see socket.h.
 * Called by runtime's control server.
 * Invariant: a socket's file is reached through a descriptor of its directory (/proc/self/fd/N/NAME), so neither the
 * length of the directory's path nor a change of one of its parents matters; nothing listens before the mode is 0600.
 * Locks: none. */
#include "core/os/socket.h"

#include "core/base/check.h"
#include "core/os/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME_BYTES 64 /* of a socket: the rest of sun_path is for /proc/self/fd/N/ */
#define MAX_PASSED 4  /* descriptors looked at in one message; the kernel closes the rest */

static int socket_error(struct sgc_error *error, const char *directory, const char *name, const char *what)
{
    const int code = -errno;
    return sgc_error_set(error, code, "%s%s%s: %s: %s", directory, directory[0] ? "/" : "", name, what,
                         strerrordesc_np(-code));
}

/* ---- directories */

int sgc_os_directory_open(const char *path, struct sgc_error *error)
{
    const int fd = sgc_os_fault_fail("open", EMFILE) ? -1 : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? socket_error(error, "", path, "cannot open directory") : fd;
}

static int directory_check_private(int fd, const char *parent, const char *name, struct sgc_error *error)
{
    struct stat st;
    if (sgc_os_fault_fail("fstat", EIO) || fstat(fd, &st))
        return socket_error(error, parent, name, "cannot examine");
    if (st.st_uid != geteuid())
        return sgc_error_set(error, -EPERM, "%s/%s: owned by user %u, not by user %u", parent, name, st.st_uid,
                             geteuid());
    if ((st.st_mode & 07777) != 0700)
        return sgc_error_set(error, -EPERM, "%s/%s: has mode %04o, which must be 0700: chmod 0700 '%s/%s'", parent,
                             name, st.st_mode & 07777, parent, name);
    return 0;
}

int sgc_os_directory_private(const char *parent, const char *name, struct sgc_error *error)
{
    const int above = sgc_os_directory_open(parent, error);
    if (above < 0)
        return above;
    int code = 0, fd = -1;
    if ((sgc_os_fault_fail("mkdirat", EROFS) || mkdirat(above, name, 0700)) && errno != EEXIST)
        code = socket_error(error, parent, name, "cannot make directory");
    if (code == 0) {
        fd = sgc_os_fault_fail("openat", EMFILE) ? -1
                                                 : openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            code = socket_error(error, parent, name, "is no directory of this user's");
    }
    close(above);
    if (code == 0)
        code = directory_check_private(fd, parent, name, error);
    if (code && fd >= 0)
        close(fd);
    return code ? code : fd;
}

/* ---- names */

static int socket_address(int directory, const char *name, struct sockaddr_un *out)
{
    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    const int n = snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/%s", directory, name);
    return n < (int)sizeof(out->sun_path) ? 0 : -ENAMETOOLONG;
}

static int socket_make(void)
{
    return sgc_os_fault_fail("socket", EMFILE) ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Binds to a name of this process's own, then renames. */
static int socket_publish(int fd, int directory, const char *name, int backlog, struct sgc_os_socket_file *file)
{
    struct sockaddr_un address;
    struct stat st;
    char first[NAME_BYTES];
    snprintf(first, sizeof(first), ".%d.%d.new", (int)getpid(), fd);
    const int code = socket_address(directory, first, &address);
    if (code)
        return code;
    unlinkat(directory, first, 0); /* of an earlier process with this pid */
    if (sgc_os_fault_fail("bind", EACCES) || bind(fd, (struct sockaddr *)&address, sizeof(address)))
        return -errno;
    if (!sgc_os_fault_fail("fchmodat", EIO) && fchmodat(directory, first, 0600, 0) == 0 &&
        !sgc_os_fault_fail("listen", ENOBUFS) && listen(fd, backlog) == 0 && !sgc_os_fault_fail("fstatat", EIO) &&
        fstatat(directory, first, &st, AT_SYMLINK_NOFOLLOW) == 0 && !sgc_os_fault_fail("renameat", EACCES) &&
        renameat(directory, first, directory, name) == 0) {
        file->device = st.st_dev;
        file->inode = st.st_ino;
        return 0;
    }
    const int failed = errno;
    unlinkat(directory, first, 0);
    return -failed;
}

int sgc_os_socket_listen(int directory, const char *name, int backlog, struct sgc_os_socket_file *file,
                         struct sgc_error *error)
{
    const int fd = socket_make();
    if (fd < 0)
        return socket_error(error, "", name, "cannot make a socket");
    const int code = socket_publish(fd, directory, name, backlog, file);
    if (code == 0)
        return fd;
    close(fd);
    return sgc_error_set(error, code, "%s: cannot listen: %s", name, strerrordesc_np(-code));
}

int sgc_os_socket_probe(int directory, const char *name)
{
    struct sockaddr_un address;
    struct stat st;
    if (sgc_os_fault_fail("fstatat", EIO) || fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    if (!S_ISSOCK(st.st_mode))
        return -ENOTSOCK;
    const int code = socket_address(directory, name, &address);
    if (code)
        return code;
    const int fd = socket_make();
    if (fd < 0)
        return -errno;
    const int failed =
        sgc_os_fault_fail("connect", EIO) || connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
    close(fd);
    return failed == EAGAIN ? 0 : -failed; /* a backlog that is full is somebody's */
}

void sgc_os_socket_remove(int directory, const char *name, const struct sgc_os_socket_file *file)
{
    struct stat st;
    if (file &&
        (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) || st.st_dev != file->device || st.st_ino != file->inode))
        return;
    if (!sgc_os_fault_fail("unlinkat", EACCES))
        unlinkat(directory, name, 0);
}

/* ---- clients */

int sgc_os_socket_accept(int listener)
{
    const int fd =
        sgc_os_fault_fail("accept4", EMFILE) ? -1 : accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int sgc_os_socket_peer(int fd, uid_t *uid)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    if (sgc_os_fault_fail("getsockopt", EIO) || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
        return -errno;
    *uid = peer.uid;
    return 0;
}

/* The first descriptor of a message; the others are closed. */
static int socket_take_passed(struct msghdr *message)
{
    int first = -1;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t n = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(at) + i * sizeof(int), sizeof(int));
            if (first < 0)
                first = fd;
            else
                close(fd);
        }
    }
    return first;
}

ssize_t sgc_os_socket_receive(int fd, void *out, size_t n, int *passed)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(MAX_PASSED * sizeof(int))];
    struct iovec part = {out, n};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    *passed = -1;
    const ssize_t got =
        sgc_os_fault_fail("recvmsg", ECONNRESET) ? -1 : recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    *passed = socket_take_passed(&message);
    return got;
}

ssize_t sgc_os_socket_send(int fd, const void *bytes, size_t n)
{
    const ssize_t sent = sgc_os_fault_fail("send", EPIPE) ? -1 : send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    return sent;
}

/* ---- other descriptors */

int sgc_os_pipe(int ends[2])
{
    if (sgc_os_fault_fail("pipe2", EMFILE) || pipe2(ends, O_CLOEXEC))
        return -errno;
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    const int failed = errno;
    close(ends[0]);
    close(ends[1]);
    return -failed;
}

ssize_t sgc_os_read(int fd, void *out, size_t n)
{
    const ssize_t got = sgc_os_fault_fail("read", EIO) ? -1 : read(fd, out, n);
    if (got < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    return got;
}

void sgc_os_close(int fd)
{
    close(fd);
}

int sgc_os_poll(struct pollfd *fds, size_t n, int64_t timeout_ns)
{
    const struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    const int ready = sgc_os_fault_fail("ppoll", EINTR) ? -1 : ppoll(fds, n, timeout_ns < 0 ? NULL : &timeout, NULL);
    if (ready >= 0)
        return ready;
    for (size_t i = 0; i < n; i++)
        fds[i].revents = 0;
    return 0;
}

int sgc_os_append(const char *path, const char *text, size_t n)
{
    const int fd =
        sgc_os_fault_fail("open", EACCES) ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd < 0)
        return -errno;
    ssize_t written = 0;
    if (n > 0)
        written = sgc_os_fault_fail("write", ENOSPC) ? -1 : write(fd, text, n);
    const int code = written < 0 ? -errno : (size_t)written < n ? -EIO : 0;
    close(fd);
    return code;
}
