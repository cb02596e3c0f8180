/* ratios.c - what all forms of the report have in common: its rows, and how numbers are written. */
#include "tests/bench/report.h"

#include <math.h>
#include <stdlib.h>

struct bench_cell *bench_cells(const struct bench_results *results, size_t *n)
{
    struct bench_cell *cells = calloc(results->n * BENCH_MAX_BACKENDS + 1, sizeof(*cells));
    *n = 0;
    if (!cells) {
        fprintf(stderr, "bench: no memory for the report\n");
        exit(1);
    }
    for (size_t s = 0; s < results->n; s++) {
        const struct bench_series *series = &results->series[s];
        for (size_t k = 0; k < series->n_backends; k++) {
            struct bench_summary cpu, memory;
            struct bench_cell cell = {.series = series, .backend = k, .best_time = bench_best_time(series)};
            if (series->runs[k * series->n_repetitions].backend->role != BENCH_OWN)
                continue;
            bench_summarize_backend(series, k, &cell.summary);
            bench_summarize_backend(series, bench_best_cpu(series), &cpu);
            bench_summarize_backend(series, bench_best_memory(series), &memory);
            cell.ratio = bench_ratio(series, k, cell.best_time);
            cell.cpu_ratio = cpu.cpu > 0 ? cell.summary.cpu / cpu.cpu : 0;
            cell.memory_ratio = memory.rss_bytes ? (double)cell.summary.rss_bytes / (double)memory.rss_bytes : 0;
            cells[(*n)++] = cell;
        }
    }
    return cells;
}

const char *bench_number(double value, char text[BENCH_NUMBER_BYTES])
{
    const double size = fabs(value);
    const int digits = size >= 99.95 || size == 0 ? 0
                       : size >= 9.995            ? 1
                       : size >= 0.0995           ? 2
                       : size >= 0.00995          ? 3
                                                  : 5;
    snprintf(text, BENCH_NUMBER_BYTES, "%.*f", digits, value);
    return text;
}
