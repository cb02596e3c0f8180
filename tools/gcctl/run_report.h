/* run_report.h - what a run left behind: the heaps' figures (key `report` of [control], core/runtime/CONTROL.md) and its
 * output's digest. Called by run.c. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_RUN_REPORT_H
#define SLABGC_TOOLS_GCCTL_RUN_REPORT_H

#include "tools/gcctl/run.h"

/* Reads the report's lines into run->heaps, and the figures of all heaps together. A line that was cut off is passed over. 0 or a negative errno. */
int gcctl_run_read_report(const char *path, struct gcctl_run *run);
/* Digest and length of what the file holds, from its beginning. 0 or a negative errno. */
int gcctl_run_digest(int fd, struct gcctl_run *run);

/* Histograms of several heaps as one: quantiles of the merged buckets. */
struct gcctl_pauses {
    struct gcctl_pause_bucket {
        uint64_t upper_ns, n;
    } * buckets; /* ascending; malloc */
    size_t n_buckets;
    uint64_t n, max_ns;
};
int gcctl_pauses_add(struct gcctl_pauses *pauses, const json_t *histogram); /* 0 or -ENOMEM */
uint64_t gcctl_pauses_quantile_ns(const struct gcctl_pauses *pauses, double quantile); /* a bucket's upper bound, at most the longest; 0: none */
void gcctl_pauses_fini(struct gcctl_pauses *pauses);

#endif
