/* tune_stats.h - the few statistics that tune needs. No state; no memory but where it is said. */
#ifndef SLABGC_TOOLS_GCCTL_TUNE_STATS_H
#define SLABGC_TOOLS_GCCTL_TUNE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

double tune_median(const double *values, size_t n); /* NAN for none; values stay */
double tune_mean(const double *values, size_t n);
double tune_deviation(const double *values, size_t n); /* of a sample; 0 below two values */

/* The deviation, but for a few outliers: from the median distance to the median, and at least half of what tune_deviation says. */
double tune_noise(const double *values, size_t n);

/* Probability that a t of n - 1 degrees of freedom is at least t. */
double tune_t_tail(double t, size_t degrees);
/* The t that is exceeded with this probability (0 < tail < 0.5). */
double tune_t_critical(double tail, size_t degrees);
/* One-sided: how likely n values with these would have a mean so far below zero by chance. 1 below three values. */
double tune_p_below_zero(const double *values, size_t n);

/* Spearman's rank correlation, ties shared; 0 when either is constant. malloc inside; NAN when there is no memory. */
double tune_rank_correlation(const double *x, const double *y, size_t n);
/* The share of y's variance that the group explains, less what as many random groups would: 0 to 1. groups: 0 to n_groups - 1 for each value. */
double tune_explained(const double *y, const uint32_t *groups, size_t n, size_t n_groups);
/* Puts n values into at most n_groups groups of about the same size; equal values come together. malloc inside. Returns how many groups. */
size_t tune_quantile_groups(const double *x, size_t n, size_t n_groups, uint32_t *groups);

/* splitmix64, Steele et al. 2014. */
struct tune_random {
    uint64_t state;
};
uint64_t tune_random_next(struct tune_random *random);
double tune_random_unit(struct tune_random *random);   /* 0 <= x < 1 */
double tune_random_normal(struct tune_random *random); /* mean 0, deviation 1 */
size_t tune_random_below(struct tune_random *random, size_t n);

#endif
