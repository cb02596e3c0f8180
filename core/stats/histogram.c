/* histogram.c - log-linear histograms: eight equal steps between a power of two and the next.
 * Called by core/heap at stops (record) and by whoever reads statistics (merge, quantile).
 * Invariant: n == sum of buckets, whenever no record is under way (buckets that are full excepted).
 * Locks: none; one writer, any number of readers, all accesses relaxed: a reader folds what it finds.
 * Layout: durations 0..7 ns have a bucket each; from then on the three bits after the leading one choose the step. 320
 * buckets reach 2^42 ns, which is 73 minutes: longer durations count in the last bucket, and max_ns knows them.
 * Source: the HdrHistogram of G. Tene, with binary instead of decimal precision. */
#include "core/stats/histogram.h"

#include "core/base/check.h"

#define STEP_SHIFT 3
#define N_STEPS (1u << STEP_SHIFT)
_Static_assert(SGC_HISTOGRAM_BUCKETS % N_STEPS == 0, "whole groups of steps");

unsigned sgc_histogram_bucket(uint64_t duration_ns)
{
    if (duration_ns < N_STEPS)
        return (unsigned)duration_ns;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(duration_ns);
    unsigned step = (unsigned)(duration_ns >> (exponent - STEP_SHIFT)) & (N_STEPS - 1);
    unsigned bucket = (exponent - STEP_SHIFT + 1) * N_STEPS + step;
    return bucket < SGC_HISTOGRAM_BUCKETS ? bucket : SGC_HISTOGRAM_BUCKETS - 1;
}

uint64_t sgc_histogram_bucket_max_ns(unsigned bucket)
{
    SGC_CHECK(bucket < SGC_HISTOGRAM_BUCKETS);
    if (bucket < N_STEPS)
        return bucket;
    if (bucket == SGC_HISTOGRAM_BUCKETS - 1)
        return UINT64_MAX;
    unsigned shift = bucket / N_STEPS - 1;
    uint64_t next_step = bucket % N_STEPS + N_STEPS + 1;
    return (next_step << shift) - 1;
}

static uint64_t histogram_load(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void histogram_store(uint64_t *at, uint64_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}

void sgc_histogram_record(struct sgc_histogram *histogram, uint64_t duration_ns)
{
    uint32_t *bucket = &histogram->buckets[sgc_histogram_bucket(duration_ns)];
    uint32_t count = __atomic_load_n(bucket, __ATOMIC_RELAXED);
    if (count != UINT32_MAX)
        __atomic_store_n(bucket, count + 1, __ATOMIC_RELAXED);
    histogram_store(&histogram->n, histogram_load(&histogram->n) + 1);
    histogram_store(&histogram->sum_ns, histogram_load(&histogram->sum_ns) + duration_ns);
    if (duration_ns > histogram_load(&histogram->max_ns))
        histogram_store(&histogram->max_ns, duration_ns);
}

void sgc_histogram_merge(struct sgc_histogram *into, const struct sgc_histogram *from)
{
    for (unsigned i = 0; i < SGC_HISTOGRAM_BUCKETS; i++) {
        uint32_t count = __atomic_load_n(&from->buckets[i], __ATOMIC_RELAXED);
        into->n += count;
        if (__builtin_add_overflow(into->buckets[i], count, &into->buckets[i]))
            into->buckets[i] = UINT32_MAX;
    }
    into->sum_ns += histogram_load(&from->sum_ns);
    uint64_t max_ns = histogram_load(&from->max_ns);
    if (max_ns > into->max_ns)
        into->max_ns = max_ns;
}

uint64_t sgc_histogram_quantile_ns(const struct sgc_histogram *histogram, double quantile)
{
    uint64_t total = 0, seen = 0;
    for (unsigned i = 0; i < SGC_HISTOGRAM_BUCKETS; i++)
        total += histogram->buckets[i];
    /* Rank of the wanted duration, 1 .. total: the smallest whose share of all is at least the quantile. Written so
     * that a quantile that is no number counts as 0. */
    double exact = quantile > 0 ? (quantile < 1 ? quantile : 1) * (double)total : 0;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact || rank == 0)
        rank++;
    for (unsigned i = 0; i < SGC_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= rank) {
            uint64_t bound_ns = sgc_histogram_bucket_max_ns(i);
            return bound_ns < histogram->max_ns ? bound_ns : histogram->max_ns;
        }
    }
    return 0;
}
