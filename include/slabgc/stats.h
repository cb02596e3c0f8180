/* stats.h - what a heap did, the same figures for every strategy. */
#ifndef SLABGC_STATS_H
#define SLABGC_STATS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Durations in nanoseconds, as log-linear histograms: 8 steps per power of two, so a quantile is off by at most 12.5%. */
#define SGC_HISTOGRAM_BUCKETS 320
struct sgc_histogram {
    uint64_t n, sum_ns, max_ns;
    uint32_t buckets[SGC_HISTOGRAM_BUCKETS];
};

struct sgc_stats {
    uint64_t n_live, live_bytes;       /* objects allocated and not yet reclaimed (dead ones that nobody noticed included) */
    uint64_t peak_bytes;               /* most memory held at one time (slabs, large objects) */
    uint64_t held_bytes;               /* memory held now */
    uint64_t external_bytes;           /* by sgc_account */
    uint64_t n_allocated, n_reclaimed; /* objects since the heap opened */
    uint64_t n_minor, n_full;          /* collections */
    uint64_t n_emergency;              /* of them, because memory ran out */
    uint64_t n_visited;                /* objects that tracing and cycle collection visited, in all */
    uint64_t last_visited;             /* in the last collection */
    uint64_t n_finalizers_queued, n_finalizers_run;
    uint64_t n_weak_cleared;
    uint64_t retired_bytes;            /* dead, waiting for a grace period */
    uint64_t n_grace_periods;
    uint64_t n_stalls;                 /* sections reported as too long */
    struct sgc_histogram pauses;       /* stops of this heap's collections, flag to resume */
    struct sgc_histogram times_to_stop; /* of them, flag to all-at-rest */
};

/* Upper bound of the bucket in which the quantile (0..1) lies; 0 when empty. */
uint64_t sgc_histogram_quantile_ns(const struct sgc_histogram *histogram, double quantile) __attribute__((visibility("default")));

#ifdef __cplusplus
}
#endif
#endif
