/* summary.c - medians, ratios, and which runs do not fit together. Called by main.c, table.c and json.c. */
#include "tests/bench/bench.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void bench_check(struct bench_series *series)
{
    const struct bench_run *first = NULL;
    for (size_t i = 0; i < series->n_backends * series->n_repetitions; i++) {
        struct bench_run *run = &series->runs[i];
        if (run->state != BENCH_OK)
            continue;
        if (!first)
            first = run;
        else if (run->checksum != first->checksum)
            bench_fail(run, "its checksum differs from that of %s", first->backend->name);
        else if (strcmp(run->parameters, first->parameters) != 0)
            bench_fail(run, "it ran with %s, %s with %s", run->parameters, first->backend->name, first->parameters);
    }
}

void bench_summarize(const struct bench_run *runs, size_t n, struct bench_summary *summary)
{
    double values[n + 1], cpu[n + 1], figures[BENCH_MAX_FIGURES][n + 1]; /* n may be 0 */
    memset(summary, 0, sizeof(*summary));
    for (size_t i = 0; i < n; i++) {
        const struct bench_run *run = &runs[i];
        if (run->state != BENCH_OK)
            continue;
        for (size_t k = 0; k < run->n_figures; k++)
            figures[k][summary->n] = run->figures[k].value;
        values[summary->n] = run->value;
        cpu[summary->n++] = run->cpu;
        summary->rss_bytes = run->rss_bytes > summary->rss_bytes ? run->rss_bytes : summary->rss_bytes;
        summary->n_figures = run->n_figures;
        memcpy(summary->figures, run->figures, sizeof(run->figures));
    }
    if (summary->n == 0)
        return;
    summary->median = bench_median(values, summary->n);
    summary->least = values[0];
    summary->most = values[summary->n - 1];
    summary->cpu = bench_median(cpu, summary->n);
    for (size_t k = 0; k < summary->n_figures; k++)
        summary->figures[k].value = bench_median(figures[k], summary->n);
}

size_t bench_place(const struct bench_series *series, const char *backend)
{
    for (size_t k = 0; k < series->n_backends; k++) {
        if (strcmp(series->runs[k * series->n_repetitions].backend->name, backend) == 0)
            return k;
    }
    return SIZE_MAX;
}

void bench_summarize_backend(const struct bench_series *series, size_t k, struct bench_summary *summary)
{
    const bool there = k < series->n_backends;
    bench_summarize(there ? &series->runs[k * series->n_repetitions] : NULL, there ? series->n_repetitions : 0,
                    summary);
}

/* The rival of which measure(summary) is the least. */
static size_t best(const struct bench_series *series, double (*measure)(const struct bench_summary *summary))
{
    size_t found = SIZE_MAX;
    double least = 0;
    for (size_t k = 0; k < series->n_backends; k++) {
        struct bench_summary summary;
        bench_summarize_backend(series, k, &summary);
        if (summary.n == 0 || series->runs[k * series->n_repetitions].backend->role != BENCH_RIVAL)
            continue;
        const double value = measure(&summary);
        if (found == SIZE_MAX || value < least) {
            found = k;
            least = value;
        }
    }
    return found;
}

static double time_of(const struct bench_summary *summary)
{
    return summary->median;
}

static double cpu_of(const struct bench_summary *summary)
{
    return summary->cpu;
}

static double memory_of(const struct bench_summary *summary)
{
    return (double)summary->rss_bytes;
}

size_t bench_best_time(const struct bench_series *series)
{
    return best(series, time_of);
}

size_t bench_best_cpu(const struct bench_series *series)
{
    return best(series, cpu_of);
}

size_t bench_best_memory(const struct bench_series *series)
{
    return best(series, memory_of);
}

struct bench_ratio bench_ratio(const struct bench_series *series, size_t k, size_t by)
{
    struct bench_ratio ratio = {0};
    struct bench_summary above, below;
    bench_summarize_backend(series, k, &above);
    bench_summarize_backend(series, by, &below);
    if (above.n == 0 || below.n == 0 || below.median <= 0)
        return ratio;
    ratio.median = ratio.least = ratio.most = above.median / below.median;
    for (size_t i = 0; i < series->n_repetitions; i++) {
        const struct bench_run *x = &series->runs[k * series->n_repetitions + i];
        const struct bench_run *y = &series->runs[by * series->n_repetitions + i];
        if (x->state != BENCH_OK || y->state != BENCH_OK || y->value <= 0)
            continue;
        const double quotient = x->value / y->value;
        ratio.least = quotient < ratio.least ? quotient : ratio.least;
        ratio.most = quotient > ratio.most ? quotient : ratio.most;
    }
    return ratio;
}

void bench_range(const struct bench_series *series, size_t n, double *least, double *most)
{
    *least = *most = 0;
    for (size_t s = 0; s < n; s++) {
        for (size_t i = 0; i < 2 * series[s].n_backends * series[s].n_repetitions; i++) {
            const struct bench_run *run = &series[s].runs[i / 2];
            const double control = run->control[i % 2];
            if (run->state != BENCH_OK)
                continue;
            *least = *least == 0 || control < *least ? control : *least;
            *most = control > *most ? control : *most;
        }
    }
}
