/* record_sink.h - where a recording's messages go: one thread receives them, one compresses and writes. Used by
 * cmd_record.c. The program that is recorded waits only when the queue between the two is full. */
#ifndef SLABGC_TOOLS_GCCTL_RECORD_SINK_H
#define SLABGC_TOOLS_GCCTL_RECORD_SINK_H

#include <stdbool.h>
#include <stdint.h>

struct gcctl_sink_totals {
    uint64_t n_events, event_bytes, file_bytes; /* event_bytes: messages, before compression */
    bool ended;                                 /* the end was received: not cut off */
    uint64_t waited_ns;                         /* of the end: how long the program waited for the recording */
    double seconds;
    char reason[64];
    int code; /* negative errno: the file could not be written */
};

struct gcctl_sink;
/* socket: the receiving end of a SOCK_SEQPACKET pair, file: at its begin; both stay the caller's. NULL: errno. */
struct gcctl_sink *gcctl_sink_start(int socket, int file, int level);
/* Becomes readable when no more messages come: for poll. */
int gcctl_sink_fd(const struct gcctl_sink *sink);
/* Waits until no more messages come and the file has all of them; frees the sink. */
void gcctl_sink_finish(struct gcctl_sink *sink, struct gcctl_sink_totals *out);

#endif
