/* wire.h - bytes to and from a control socket. Used by client.c. One thread; blocks up to deadlines (CLOCK_MONOTONIC).
 */
#ifndef SLABGC_TOOLS_GCCTL_WIRE_H
#define SLABGC_TOOLS_GCCTL_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct gcctl_wire {
    int fd;       /* -1: none */
    char *buffer; /* at..end: received, not yet read */
    size_t at, end;
};

/* Connects. 0 or a negative errno: EPERM when the socket is of another user; gcctl_wire_close is due in both cases. */
int gcctl_wire_open(struct gcctl_wire *wire, const char *path, int64_t deadline_ns);
void gcctl_wire_close(struct gcctl_wire *wire);
/* Sends all; passed: a descriptor that goes with the first byte (SCM_RIGHTS), or -1. 0 or a negative errno. */
int gcctl_wire_send(struct gcctl_wire *wire, const char *data, size_t length, int passed, int64_t deadline_ns);
/* The next line without its end, valid until the next call. NULL and *code: 0 the connection ended, -EMSGSIZE,
 * -ETIMEDOUT, ... */
char *gcctl_wire_line(struct gcctl_wire *wire, int64_t deadline_ns, int *code);

#endif
