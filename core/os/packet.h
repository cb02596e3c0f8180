/* packet.h - sending messages over a SOCK_SEQPACKET socket that somebody handed to the process. Any thread, no lock.
 * Every system call that may fail passes a fault gate. */
#ifndef SLABGC_CORE_OS_PACKET_H
#define SLABGC_CORE_OS_PACKET_H

#include <stddef.h>

/* Checks that fd is such a socket, and asks for that much room in the kernel, which may give less. 0 or a negative
 * errno: ENOTSOCK, EPROTOTYPE. */
int sgc_os_packet_prepare(int fd, size_t room_bytes);
/* Sends one message whole; no signal. 0, -EAGAIN: the reader is behind, or another negative errno: it is gone. */
int sgc_os_packet_send(int fd, const void *data, size_t n_bytes);
/* Until there is room, the reader left or a signal came: 0; -ETIMEDOUT, also when it cannot be told. */
int sgc_os_packet_wait(int fd, unsigned timeout_ms);
void sgc_os_packet_close(int fd);

#endif
