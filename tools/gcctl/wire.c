/* wire.c - bytes to and from a control socket: connecting, lines, deadlines, descriptors.
 * Called by client.c alone.
 * Invariant: every wait has a deadline and every line a bound; at <= end <= GCCTL_ANSWER_BYTES. Locks: none, one
 * thread. */
#include "tools/gcctl/wire.h"

#include "tools/gcctl/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MS_NS INT64_C(1000000)
#define ANSWER_BYTES (1024 * 1024) /* the protocol's 64 KiB, and room for a later version */

int64_t gcctl_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Waits until fd is ready. 0, -ETIMEDOUT, or another negative errno. */
static int wire_wait(int fd, short events, int64_t deadline_ns)
{
    for (;;) {
        int64_t left = deadline_ns - gcctl_now_ns();
        if (left <= 0)
            return -ETIMEDOUT;
        struct pollfd poll_fd = {.fd = fd, .events = events};
        int64_t milliseconds = (left + MS_NS - 1) / MS_NS;
        int n = poll(&poll_fd, 1, milliseconds > 1000000 ? 1000000 : (int)milliseconds);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

/* Fills in the address. A path that is too long for one is reached through its directory's descriptor: *directory, to
 * be closed, or -1. 0 or a negative errno. */
static int wire_address(const char *path, struct sockaddr_un *address, int *directory)
{
    const char *slash = strrchr(path, '/');
    address->sun_family = AF_UNIX;
    *directory = -1;
    if (strlen(path) < sizeof(address->sun_path)) {
        strcpy(address->sun_path, path);
        return 0;
    }
    char parent[PATH_MAX];
    if (!slash || (size_t)(slash - path) >= sizeof(parent))
        return -ENAMETOOLONG;
    snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
    *directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*directory < 0)
        return -errno;
    if (snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d%s", *directory, slash) <
        (int)sizeof(address->sun_path))
        return 0;
    close(*directory);
    return -ENAMETOOLONG;
}

/* A connected socket, or a negative errno. A full queue of connections is waited for. */
static int wire_connect_address(const struct sockaddr_un *address, int64_t deadline_ns)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    while (connect(fd, (const struct sockaddr *)address, sizeof(*address))) {
        int code = -errno;
        if (code == -EINTR)
            continue;
        if (code != -EAGAIN || gcctl_now_ns() >= deadline_ns) {
            close(fd);
            return code == -EAGAIN ? -ETIMEDOUT : code;
        }
        nanosleep(&(struct timespec){.tv_nsec = 5 * MS_NS}, NULL);
    }
    struct ucred peer;
    socklen_t length = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) ||
        (peer.uid != geteuid() && peer.uid != 0 && geteuid() != 0)) {
        close(fd);
        return -EPERM;
    }
    return fd;
}

static int wire_connect(const char *path, int64_t deadline_ns)
{
    struct sockaddr_un address = {0};
    struct stat st;
    int directory, code = wire_address(path, &address, &directory);
    if (code)
        return code;
    code = wire_connect_address(&address, deadline_ns);
    if (directory >= 0)
        close(directory);
    /* connect says the same of a file that is no socket at all. */
    return code == -ECONNREFUSED && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode) ? -ENOTSOCK : code;
}

static ssize_t wire_send_some(int fd, const char *data, size_t length, int passed)
{
    struct iovec part = {.iov_base = (void *)data, .iov_len = length};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (passed >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &passed, sizeof(int));
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

int gcctl_wire_send(struct gcctl_wire *wire, const char *data, size_t length, int passed, int64_t deadline_ns)
{
    while (length) {
        ssize_t n = wire_send_some(wire->fd, data, length, passed);
        if (n > 0) {
            data += n;
            length -= (size_t)n;
            passed = -1;
        } else if (errno == EAGAIN) {
            int code = wire_wait(wire->fd, POLLOUT, deadline_ns);
            if (code)
                return code;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

char *gcctl_wire_line(struct gcctl_wire *wire, int64_t deadline_ns, int *code)
{
    size_t looked = wire->at;
    for (;;) {
        char *end = memchr(wire->buffer + looked, '\n', wire->end - looked);
        if (end) {
            char *line = wire->buffer + wire->at;
            *end = '\0';
            wire->at = (size_t)(end - wire->buffer) + 1;
            return line;
        }
        looked = wire->end;
        if (wire->end == ANSWER_BYTES && wire->at) {
            memmove(wire->buffer, wire->buffer + wire->at, wire->end - wire->at);
            wire->end -= wire->at;
            looked -= wire->at;
            wire->at = 0;
        }
        if (wire->end == ANSWER_BYTES) {
            *code = -EMSGSIZE;
            return NULL;
        }
        ssize_t n = recv(wire->fd, wire->buffer + wire->end, ANSWER_BYTES - wire->end, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            *code = 0;
            return NULL;
        }
        if (n > 0) {
            wire->end += (size_t)n;
            continue;
        }
        *code = errno == EAGAIN ? wire_wait(wire->fd, POLLIN, deadline_ns) : errno == EINTR ? 0 : -errno;
        if (*code)
            return NULL;
    }
}

int gcctl_wire_open(struct gcctl_wire *wire, const char *path, int64_t deadline_ns)
{
    wire->at = wire->end = 0;
    wire->fd = -1;
    wire->buffer = malloc(ANSWER_BYTES);
    if (!wire->buffer)
        return -ENOMEM;
    const int fd = wire_connect(path, deadline_ns);
    wire->fd = fd < 0 ? -1 : fd;
    return fd < 0 ? fd : 0;
}

void gcctl_wire_close(struct gcctl_wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    free(wire->buffer);
    *wire = (struct gcctl_wire){.fd = -1};
}
