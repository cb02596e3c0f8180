/* tune_stats.c - see tune_stats.h. */
#include "tools/gcctl/tune_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *a_, const void *b_)
{
    const double a = *(const double *)a_, b = *(const double *)b_;
    return (a > b) - (a < b);
}

double tune_median(const double *values, size_t n)
{
    double few[64], *sorted = n <= 64 ? few : malloc(n * sizeof(*sorted));
    if (n == 0 || !sorted)
        return NAN;
    memcpy(sorted, values, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_doubles);
    const double median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    if (sorted != few)
        free(sorted);
    return median;
}

double tune_mean(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return n ? sum / (double)n : NAN;
}

double tune_deviation(const double *values, size_t n)
{
    const double mean = tune_mean(values, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return n < 2 ? 0 : sqrt(sum / (double)(n - 1));
}

double tune_noise(const double *values, size_t n)
{
    double distances[512];
    const double median = tune_median(values, n);
    for (size_t i = 0; i < n && i < 512; i++)
        distances[i] = fabs(values[i] - median);
    return n < 2 ? 0 : fmax(1.4826 * tune_median(distances, n < 512 ? n : 512), tune_deviation(values, n) / 2);
}

/* ---- Student's t */

/* Abramowitz & Stegun 26.7.3 and 26.7.4: whole degrees of freedom have a closed form. */
double tune_t_tail(double t, size_t degrees)
{
    const double angle = atan2(fabs(t), sqrt((double)degrees)), sine = sin(angle), cosine = cos(angle);
    const bool odd = degrees % 2;
    double term = odd ? cosine : 1, sum = 0;
    for (size_t k = odd ? 1 : 0; degrees > 1 && k <= degrees - 2; k += 2) {
        sum += term;
        term *= cosine * cosine * ((double)k + 1) / ((double)k + 2);
    }
    const double inside = odd ? 2 / M_PI * (angle + sine * sum) : sine * sum;
    const double tail = fmax((1 - inside) / 2, 0);
    return t < 0 ? 1 - tail : tail;
}

double tune_t_critical(double tail, size_t degrees)
{
    double low = 0, high = 1;
    while (high < 1e12 && tune_t_tail(high, degrees) > tail)
        high *= 2;
    for (int i = 0; i < 200; i++) {
        const double middle = (low + high) / 2;
        if (tune_t_tail(middle, degrees) > tail)
            low = middle;
        else
            high = middle;
    }
    return high;
}

double tune_p_below_zero(const double *values, size_t n)
{
    const double mean = tune_mean(values, n), deviation = tune_deviation(values, n);
    if (n < 3)
        return 1;
    if (deviation <= fabs(mean) * 1e-12)
        return mean < 0 ? 0 : 1;
    return tune_t_tail(-mean / (deviation / sqrt((double)n)), n - 1);
}

/* ---- ranks and groups */

struct ranked {
    double value;
    size_t index;
};

static int compare_ranked(const void *a_, const void *b_)
{
    const struct ranked *a = a_, *b = b_;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static struct ranked *sorted_of(const double *values, size_t n)
{
    struct ranked *sorted = malloc((n ? n : 1) * sizeof(*sorted));
    for (size_t i = 0; i < n && sorted; i++)
        sorted[i] = (struct ranked){values[i], i};
    if (sorted)
        qsort(sorted, n, sizeof(*sorted), compare_ranked);
    return sorted;
}

static bool ranks_of(const double *values, size_t n, double *ranks)
{
    struct ranked *sorted = sorted_of(values, n);
    if (!sorted)
        return false;
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && sorted[j].value == sorted[i].value;)
            j++;
        for (size_t k = i; k < j; k++)
            ranks[sorted[k].index] = (double)(i + j - 1) / 2;
    }
    free(sorted);
    return true;
}

double tune_rank_correlation(const double *x, const double *y, size_t n)
{
    double *ranks = malloc((n ? n : 1) * 2 * sizeof(*ranks)), *x_ranks = ranks, *y_ranks = ranks + n;
    double both = 0, x_sum = 0, y_sum = 0, result = NAN;
    const double middle = ((double)n - 1) / 2;
    if (ranks && ranks_of(x, n, x_ranks) && ranks_of(y, n, y_ranks)) {
        for (size_t i = 0; i < n; i++) {
            both += (x_ranks[i] - middle) * (y_ranks[i] - middle);
            x_sum += (x_ranks[i] - middle) * (x_ranks[i] - middle);
            y_sum += (y_ranks[i] - middle) * (y_ranks[i] - middle);
        }
        result = x_sum > 0 && y_sum > 0 ? both / sqrt(x_sum * y_sum) : 0;
    }
    free(ranks);
    return result;
}

double tune_explained(const double *y, const uint32_t *groups, size_t n, size_t n_groups)
{
    const double mean = tune_mean(y, n);
    double total = 0, within = 0;
    size_t filled = 0;
    for (size_t i = 0; i < n; i++)
        total += (y[i] - mean) * (y[i] - mean);
    for (size_t g = 0; g < n_groups; g++) {
        double sum = 0;
        size_t members = 0;
        for (size_t i = 0; i < n; i++)
            if (groups[i] == g) {
                sum += y[i];
                members++;
            }
        for (size_t i = 0; i < n; i++)
            if (groups[i] == g)
                within += (y[i] - sum / (double)members) * (y[i] - sum / (double)members);
        filled += members > 0;
    }
    if (total <= 0 || n <= filled || filled < 2)
        return 0;
    return fmax(0, 1 - (within / (double)(n - filled)) / (total / (double)(n - 1)));
}

size_t tune_quantile_groups(const double *x, size_t n, size_t n_groups, uint32_t *groups)
{
    struct ranked *sorted = sorted_of(x, n);
    size_t group = 0, begin = 0;
    memset(groups, 0, n * sizeof(*groups));
    if (!sorted || n == 0) {
        free(sorted);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        const bool full = i - begin >= (n + n_groups - 1) / n_groups;
        if (i > begin && full && sorted[i].value != sorted[i - 1].value) {
            group++;
            begin = i;
        }
        groups[sorted[i].index] = (uint32_t)group;
    }
    free(sorted);
    return group + 1;
}

/* ---- random numbers */

uint64_t tune_random_next(struct tune_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

double tune_random_unit(struct tune_random *random)
{
    return (double)(tune_random_next(random) >> 11) * 0x1p-53;
}

double tune_random_normal(struct tune_random *random) /* Box & Muller 1958 */
{
    const double radius = sqrt(-2 * log(1 - tune_random_unit(random)));
    return radius * cos(2 * M_PI * tune_random_unit(random));
}

size_t tune_random_below(struct tune_random *random, size_t n)
{
    return n ? (size_t)(tune_random_next(random) % n) : 0;
}
