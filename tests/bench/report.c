/* report.c - medians, ratios, the table and what the control loop says. Called by main.c. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOISE_RATIO 1.10 /* of the control loop's figures: a quiet machine stays below */
#define NAME_COLUMN 22

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

bool bench_reference(const struct bench_series *series, struct bench_summary *summary)
{
    const bool chosen = series->runs[0].backend == bench_backend_find(series->workload->backends[0]);
    bench_summarize(series->runs, chosen ? series->n_repetitions : 0, summary);
    return summary->n > 0;
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

static void print_ratio(double value, double reference)
{
    if (reference > 0)
        printf(" %7.2f", value / reference);
    else
        printf(" %7s", "-");
}

static void print_row(const struct bench_series *series, size_t backend, const struct bench_summary *reference)
{
    struct bench_series own = *series;
    own.runs = &series->runs[backend * series->n_repetitions];
    own.n_backends = 1;
    struct bench_summary summary;
    double least, most;
    bench_summarize(own.runs, own.n_repetitions, &summary);
    if (summary.n == 0)
        return;
    bench_range(&own, 1, &least, &most);
    const int digits = strcmp(series->workload->unit, "s") == 0 ? 3 : 2;
    printf("  %-*s %9.*f %9.*f %9.*f", NAME_COLUMN, own.runs[0].backend->name, digits, summary.median, digits,
           summary.least, digits, summary.most);
    print_ratio(summary.median, reference->median);
    printf(" %9.*f", digits, summary.cpu);
    print_ratio(summary.cpu, reference->cpu);
    printf(" %7.1f %7.2f ", (double)summary.rss_bytes / (1 << 20), most / least);
    for (size_t k = 0; k < summary.n_figures; k++)
        printf(" %s=%.6g", summary.figures[k].name, summary.figures[k].value);
    printf("\n");
}

void bench_print_table(const struct bench_series *series)
{
    struct bench_summary reference;
    bench_reference(series, &reference);
    printf("\n%s [%s]: %s\n", series->workload->name, series->workload->unit, series->workload->what);
    printf("  %-*s %9s %9s %9s %7s %9s %7s %7s %7s\n", NAME_COLUMN, "backend", "median", "min", "max", "ratio", "cpu",
           "ratio", "MiB", "control");
    for (size_t i = 0; i < series->n_backends; i++)
        print_row(series, i, &reference);
    for (size_t i = 0; i < series->n_backends * series->n_repetitions; i++) {
        const struct bench_run *run = &series->runs[i];
        const bool again = i % series->n_repetitions && run->state == run[-1].state;
        if (run->state != BENCH_OK && !again)
            printf("  %-*s %s: %s\n", NAME_COLUMN, run->backend->name,
                   run->state == BENCH_SKIPPED ? "skipped" : "failed", run->message);
    }
    fflush(stdout);
}

void bench_print_control(const struct bench_series *series, size_t n)
{
    double least, most;
    bench_range(series, n, &least, &most);
    if (least == 0)
        return;
    printf("\ncontrol loop: %.3f to %.3f ns for an addition, max/min %.2f: ", least, most, most / least);
    if (most / least > NOISE_RATIO)
        printf("the machine was not quiet, differences of less than that factor mean little\n");
    else
        printf("the machine was quiet\n");
}
