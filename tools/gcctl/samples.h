/* samples.h - watching a process for a while: figures of its heaps again and again, and its events. Used by export,
 * report and demo. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_SAMPLES_H
#define SLABGC_TOOLS_GCCTL_SAMPLES_H

#include "tools/gcctl/client.h"

struct gcctl_samples {
    json_t *stats;         /* results of `stat`, in order */
    json_t *events;        /* EVENT.., in order; the ring's older ones included */
    json_int_t next, lost; /* events: where to go on; how many the ring had overwritten */
    bool ended;            /* the process is gone */
};

void gcctl_samples_init(struct gcctl_samples *samples);
void gcctl_samples_fini(struct gcctl_samples *samples);
/* True when the process has closed the connection: no request needs to find out. */
bool gcctl_peer_ended(const struct gcctl_client *client);
/* Adds the events that came since the last time. 0, or an exit status: samples->ended is set, or a message was printed.
 */
int gcctl_samples_log(struct gcctl_samples *samples, struct gcctl_client *client);
/* Adds one `stat` and the events since. As gcctl_samples_log. */
int gcctl_samples_take(struct gcctl_samples *samples, struct gcctl_client *client);
/* Takes samples for `for_ns`, or until the process ends or a signal handler sets *stop; 0 (ended included), or an exit
 * status with a message. tick (may be NULL): called after each sample. More than 1,000 samples are thinned: every
 * second one goes, and the interval doubles. */
int gcctl_samples_watch(struct gcctl_samples *samples, struct gcctl_client *client, int64_t for_ns, int64_t interval_ns,
                        const volatile int *stop, int (*tick)(void *arg), void *arg);

#endif
