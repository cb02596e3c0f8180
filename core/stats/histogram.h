/* histogram.h - durations counted in log-linear buckets (struct sgc_histogram of <slabgc/stats.h>).
 * Used by core/heap for pauses and times to a stop, by whoever folds them for a person. No lock. */
#ifndef SLABGC_CORE_STATS_HISTOGRAM_H
#define SLABGC_CORE_STATS_HISTOGRAM_H

#include <slabgc/stats.h>

/* Index of the bucket that counts a duration: 0..SGC_HISTOGRAM_BUCKETS - 1, rising with it. */
unsigned sgc_histogram_bucket(uint64_t duration_ns);
/* Largest duration that the bucket counts; UINT64_MAX for the last one, which takes whatever is longer. */
uint64_t sgc_histogram_bucket_max_ns(unsigned bucket);

/* Adds one duration. One writer at a time (the caller's lock, or the one thread that stops the others); any thread may
 * merge from the histogram meanwhile: all accesses are relaxed atomics. A bucket stays at UINT32_MAX once it is there.
 * Any context; never blocks. */
void sgc_histogram_record(struct sgc_histogram *histogram, uint64_t duration_ns);

/* Adds what `from` counted to `into`. `into` is the caller's own; `from` may have a writer: then the copy may lack its
 * newest durations, but n is always the number of durations in the buckets, so that quantiles are sound. Any context.
 */
void sgc_histogram_merge(struct sgc_histogram *into, const struct sgc_histogram *from);

#endif
