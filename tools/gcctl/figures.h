/* figures.h - reading the figures of the control protocol (core/runtime/CONTROL.md): members of JSON objects, and
 * histograms with their differences. Used by top, map, export and report. One thread; no state. Missing members read as
 * 0 or "": members are only ever added to the protocol. */
#ifndef SLABGC_TOOLS_GCCTL_FIGURES_H
#define SLABGC_TOOLS_GCCTL_FIGURES_H

#include <jansson.h>
#include <slabgc/stats.h>
#include <stddef.h>
#include <stdint.h>

double gcctl_figure(const json_t *object, const char *key);
uint64_t gcctl_figure_u64(const json_t *object, const char *key);
const char *gcctl_figure_text(const json_t *object, const char *key);

/* A HISTOGRAM: its buckets that are not empty, by rising upper bound. */
struct gcctl_buckets {
    uint64_t n, sum_ns, max_ns;
    size_t n_buckets;
    struct {
        uint64_t upper_ns, n;
    } buckets[SGC_HISTOGRAM_BUCKETS];
};

void gcctl_buckets_read(struct gcctl_buckets *out, const json_t *histogram);
/* What came to `now` since `before`; max_ns: the upper bound of the highest bucket left, never above now's own. A
 * `before` that has more than `now` (the heap was opened anew) leaves now as it is. */
void gcctl_buckets_subtract(struct gcctl_buckets *now, const struct gcctl_buckets *before);
void gcctl_buckets_add(struct gcctl_buckets *to, const struct gcctl_buckets *more);
/* Upper bound of the bucket with the quantile (0..1), at most max_ns; 0 when empty. */
uint64_t gcctl_buckets_quantile(const struct gcctl_buckets *buckets, double quantile);

/* The object of `array` whose member `key` is `text`, or NULL; borrowed. */
json_t *gcctl_figure_find(const json_t *array, const char *key, const char *text);

#endif
