/* table.c - the report as text: a table for each workload, and what the control loop says. Called by main.c. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <string.h>

#define NOISE_RATIO 1.10 /* of the control loop's figures: a quiet machine stays below */
#define NAME_COLUMN 22

static void print_ratio(double value, double reference)
{
    if (reference > 0)
        printf(" %7.2f", value / reference);
    else
        printf(" %7s", "-");
}

/* What a row's figures are divided by. */
struct references {
    struct bench_summary first, best_time, best_cpu, best_memory;
};

static void print_row(const struct bench_series *series, size_t backend, const struct references *references)
{
    struct bench_series own = *series;
    own.runs = &series->runs[backend * series->n_repetitions];
    own.n_backends = 1;
    struct bench_summary summary;
    double least, most;
    bench_summarize_backend(series, backend, &summary);
    if (summary.n == 0)
        return;
    bench_range(&own, 1, &least, &most);
    const int digits = strcmp(series->workload->unit, "s") == 0 ? 3 : 2;
    printf("  %-*s %9.*f %9.*f %9.*f", NAME_COLUMN, own.runs[0].backend->name, digits, summary.median, digits,
           summary.least, digits, summary.most);
    print_ratio(summary.median, references->first.median);
    print_ratio(summary.median, references->best_time.median);
    printf(" %9.*f", digits, summary.cpu);
    print_ratio(summary.cpu, references->first.cpu);
    print_ratio(summary.cpu, references->best_cpu.cpu);
    printf(" %8.1f", (double)summary.rss_bytes / (1 << 20));
    print_ratio((double)summary.rss_bytes, (double)references->best_memory.rss_bytes);
    printf(" %7.2f ", most / least);
    if (series->instructions[backend] > 0)
        printf(" instr=%.1f", series->instructions[backend]);
    for (size_t k = 0; k < summary.n_figures; k++)
        printf(" %s=%.6g", summary.figures[k].name, summary.figures[k].value);
    printf("\n");
}

/* "cache / jemalloc 0.31 (0.29-0.35), ..." for a backend of ours beside others. */
static void print_ratios(const struct bench_series *series, size_t backend)
{
    size_t n = 0;
    for (size_t k = 0; k < series->n_backends; k++) {
        const struct bench_backend *by = series->runs[k * series->n_repetitions].backend;
        const struct bench_ratio ratio = bench_ratio(series, backend, k);
        if (by->role == BENCH_OWN || ratio.median == 0)
            continue;
        if (n == 0)
            printf("  %s /", series->runs[backend * series->n_repetitions].backend->name);
        printf("%s %s %.2f (%.2f-%.2f)", n ? "," : "", by->name, ratio.median, ratio.least, ratio.most);
        n++;
    }
    if (n > 0)
        printf("\n");
}

void bench_print_table(const struct bench_series *series)
{
    struct references references;
    bench_summarize_backend(series, bench_place(series, series->workload->backends[0]), &references.first);
    bench_summarize_backend(series, bench_best_time(series), &references.best_time);
    bench_summarize_backend(series, bench_best_cpu(series), &references.best_cpu);
    bench_summarize_backend(series, bench_best_memory(series), &references.best_memory);
    printf("\n%s [%s]: %s\n", series->workload->name, series->workload->unit, series->workload->what);
    for (size_t i = 0; i < series->n_backends * series->n_repetitions; i++) {
        if (series->runs[i].state == BENCH_OK) {
            printf("  %s repetitions=%zu\n", series->runs[i].parameters, series->n_repetitions);
            break;
        }
    }
    printf("  %-*s %9s %9s %9s %7s %7s %9s %7s %7s %8s %7s %7s\n", NAME_COLUMN, "backend", "median", "min", "max",
           "ratio", "best", "cpu", "ratio", "best", "MiB", "best", "control");
    for (size_t i = 0; i < series->n_backends; i++)
        print_row(series, i, &references);
    for (size_t i = 0; i < series->n_backends * series->n_repetitions; i++) {
        const struct bench_run *run = &series->runs[i];
        const bool again = i % series->n_repetitions && run->state == run[-1].state;
        if (run->state != BENCH_OK && !again)
            printf("  %-*s %s: %s\n", NAME_COLUMN, run->backend->name,
                   run->state == BENCH_SKIPPED ? "skipped" : "failed", run->message);
    }
    for (size_t i = 0; i < series->n_backends; i++) {
        if (series->runs[i * series->n_repetitions].backend->role == BENCH_OWN)
            print_ratios(series, i);
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
