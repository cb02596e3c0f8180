/* packet.c - see packet.h. Called by the recorder's writer (core/heap/record_queue.c). No lock. */
#include "core/os/packet.h"

#include "core/os/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

int sgc_os_packet_prepare(int fd, size_t room_bytes)
{
    int type;
    socklen_t length = sizeof(type);
    if (sgc_os_fault_fail("getsockopt", ENOBUFS) || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0)
        return -errno;
    if (type != SOCK_SEQPACKET)
        return -EPROTOTYPE;
    const int room = (int)room_bytes;
    if (sgc_os_fault_fail("setsockopt", EPERM) || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)); /* less is slower, not wrong */
    return sgc_os_fault_fail("fcntl", EINTR) || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ? -errno : 0;
}

int sgc_os_packet_send(int fd, const void *data, size_t n_bytes)
{
    for (;;) {
        if (!sgc_os_fault_fail("send", EPIPE) && send(fd, data, n_bytes, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return 0;
        if (errno == EWOULDBLOCK || errno == ENOBUFS)
            return -EAGAIN;
        if (errno != EINTR)
            return -errno;
    }
}

int sgc_os_packet_wait(int fd, unsigned timeout_ms)
{
    struct pollfd at = {.fd = fd, .events = POLLOUT};
    const int n = sgc_os_fault_fail("poll", ENOMEM) ? -1 : poll(&at, 1, (int)timeout_ms);
    return n > 0 || (n < 0 && errno == EINTR) ? 0 : -ETIMEDOUT;
}

void sgc_os_packet_close(int fd)
{
    close(fd);
}
