/* connection.h - what processes.c and client.c share: opening a control socket. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_CONNECTION_H
#define SLABGC_TOOLS_GCCTL_CONNECTION_H

#include "tools/gcctl/client.h"

/* Connects and asks hello. 0 and *client, *hello (owned; may be NULL: not wanted); or a negative errno: ENOENT,
 * ECONNREFUSED as connect says, EPERM somebody else's socket, EPROTO an answer that is none, ETIMEDOUT, EPROTONOSUPPORT
 * another version, EUSERS no place for one more client. */
int gcctl_connection_open(const char *path, int64_t timeout_ns, struct gcctl_client **client, json_t **hello);
/* A sentence's end for such an errno. */
const char *gcctl_connection_error(int code);
/* How long the client's requests wait for a sign of life. */
void gcctl_connection_timeout(struct gcctl_client *client, int64_t timeout_ns);

/* What an answer may have at most, but for that of a log that is followed; less in tests. ns: from its first line to
 * its last, without what the caller does with its pieces. */
struct gcctl_answer_limits {
    uint64_t items, bytes;
    int64_t ns;
};
extern struct gcctl_answer_limits gcctl_answer_limits;

#define GCCTL_TIMEOUT_NS INT64_C(60000000000)
#define GCCTL_HELLO_TIMEOUT_NS INT64_C(3000000000)

/* CLOCK_MONOTONIC */
int64_t gcctl_now_ns(void);

#endif
