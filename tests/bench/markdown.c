/* markdown.c - the report as Markdown: ratios of ours to the others, then every figure, then what was measured and how.
 * Called by report.c. */
#include "tests/bench/report.h"

#include <stdlib.h>
#include <string.h>

/* Text inside a table's cell. */
static void write_cell(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("|\\`*_<>", *text))
            fputc('\\', out);
        fputc(*text == '\n' ? ' ' : *text, out);
    }
}

/* The others that appear anywhere, in the order of their first appearance. */
static size_t list_others(const struct bench_results *results, const char *names[], size_t most)
{
    size_t n = 0;
    for (size_t s = 0; s < results->n; s++) {
        for (size_t k = 0; k < results->series[s].n_backends; k++) {
            const struct bench_backend *backend = results->series[s].runs[k * results->series[s].n_repetitions].backend;
            bool known = backend->role == BENCH_OWN;
            for (size_t i = 0; i < n; i++)
                known |= strcmp(names[i], backend->name) == 0;
            if (!known && n < most)
                names[n++] = backend->name;
        }
    }
    return n;
}

static void write_ratio_row(FILE *out, const struct bench_cell *cell, const char *const names[], size_t n_names)
{
    const struct bench_series *series = cell->series;
    char text[BENCH_NUMBER_BYTES], least[BENCH_NUMBER_BYTES], most[BENCH_NUMBER_BYTES];
    fputs("| ", out);
    write_cell(out, series->workload->name);
    fputs(" | ", out);
    write_cell(out, series->runs[cell->backend * series->n_repetitions].backend->name);
    if (cell->summary.n == 0) {
        fputs(" | - |", out);
        for (size_t i = 0; i < n_names; i++)
            fputs(" |", out);
        fputs(" | | | | |\n", out);
        return;
    }
    fprintf(out, " | %s %s |", bench_number(cell->summary.median, text), series->workload->unit);
    for (size_t i = 0; i < n_names; i++) {
        const struct bench_ratio ratio = bench_ratio(series, cell->backend, bench_place(series, names[i]));
        fprintf(out, " %s |", ratio.median > 0 ? bench_number(ratio.median, text) : "");
    }
    if (cell->ratio.median > 0)
        fprintf(out, " **%s** (%s-%s) %s |", bench_number(cell->ratio.median, text),
                bench_number(cell->ratio.least, least), bench_number(cell->ratio.most, most),
                series->runs[cell->best_time * series->n_repetitions].backend->name);
    else
        fputs(" |", out);
    fprintf(out, " %s |", cell->cpu_ratio > 0 ? bench_number(cell->cpu_ratio, text) : "");
    fprintf(out, " %s |", bench_number((double)cell->summary.rss_bytes / (1 << 20), text));
    fprintf(out, " %s |", cell->memory_ratio > 0 ? bench_number(cell->memory_ratio, text) : "");
    fprintf(out, " %s |\n",
            series->instructions[cell->backend] > 0 ? bench_number(series->instructions[cell->backend], text) : "");
}

void bench_write_ratios(FILE *out, const struct bench_results *results)
{
    const char *names[BENCH_MAX_BACKENDS];
    size_t n_cells;
    const size_t n_names = list_others(results, names, BENCH_MAX_BACKENDS);
    struct bench_cell *cells = bench_cells(results, &n_cells);
    fputs("| workload | backend | median |", out);
    for (size_t i = 0; i < n_names; i++) {
        fputs(" / ", out);
        write_cell(out, names[i]);
        fputs(" |", out);
    }
    fputs(" / best (min-max) | cpu / best | MiB | / best | instructions |\n|---|---|--:|", out);
    for (size_t i = 0; i < n_names; i++)
        fputs("--:|", out);
    fputs("---|--:|--:|--:|--:|\n", out);
    for (size_t i = 0; i < n_cells; i++)
        write_ratio_row(out, &cells[i], names, n_names);
    free(cells);
}

static const char *problem(const struct bench_run *runs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (runs[i].state != BENCH_OK)
            return runs[i].message;
    }
    return "";
}

static void write_figure_row(FILE *out, const struct bench_series *series, size_t k)
{
    const struct bench_run *runs = &series->runs[k * series->n_repetitions];
    struct bench_summary summary;
    char text[BENCH_NUMBER_BYTES];
    bench_summarize_backend(series, k, &summary);
    fputs("| ", out);
    write_cell(out, series->workload->name);
    fputs(" | ", out);
    write_cell(out, runs[0].backend->name);
    const double values[] = {
        summary.median,         summary.least, summary.most, summary.cpu, (double)summary.rss_bytes / (1 << 20),
        series->instructions[k]};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        fprintf(out, " | %s", summary.n && (i < 5 || values[i] > 0) ? bench_number(values[i], text) : "");
    fputs(" | ", out);
    for (size_t i = 0; summary.n && i < summary.n_figures; i++) {
        if (i)
            fputs(", ", out);
        write_cell(out, summary.figures[i].name);
        fprintf(out, " %s", bench_number(summary.figures[i].value, text));
    }
    write_cell(out, problem(runs, series->n_repetitions));
    fputs(" |\n", out);
}

static void write_parameters(FILE *out, const struct bench_series *series)
{
    const char *parameters = "";
    for (size_t i = 0; i < series->n_backends * series->n_repetitions; i++) {
        if (series->runs[i].state == BENCH_OK)
            parameters = series->runs[i].parameters;
    }
    fputs("- ", out);
    write_cell(out, series->workload->name);
    fprintf(out, " (%s, %zu repetition%s): ", series->workload->unit, series->n_repetitions,
            series->n_repetitions == 1 ? "" : "s");
    write_cell(out, series->workload->what);
    fputs(*parameters ? "; " : "", out);
    write_cell(out, parameters);
    fputc('\n', out);
}

void bench_write_markdown(FILE *out, const struct bench_results *results)
{
    double least, most;
    bench_range(results->series, results->n, &least, &most);
    fputs("# slabgc bench\n\n## Ours to the others\n\n"
          "Medians of each backend of ours and their ratios to the others' medians in the same run; `best` is the best "
          "of those that ran of jemalloc, mimalloc and tcmalloc, min-max over ratios of the same repetition. cpu: CPU "
          "time, which leaves out when others had the CPU. MiB: peak of resident memory.\n\n",
          out);
    bench_write_ratios(out, results);
    fputs("\n## All figures\n\n"
          "| workload | backend | median | min | max | cpu | MiB | instructions | figures |\n"
          "|---|---|--:|--:|--:|--:|--:|--:|---|\n",
          out);
    for (size_t s = 0; s < results->n; s++) {
        for (size_t k = 0; k < results->series[s].n_backends; k++)
            write_figure_row(out, &results->series[s], k);
    }
    fputs("\n## Workloads\n\n", out);
    for (size_t s = 0; s < results->n; s++)
        write_parameters(out, &results->series[s]);
    if (results->config[0]) {
        fputs("\nConfiguration of the runs: ", out);
        write_cell(out, results->config);
        fputc('\n', out);
    }
    if (least > 0)
        fprintf(out,
                "\nControl loop: %.3f to %.3f ns for an addition, max/min %.2f. Differences below that factor mean "
                "little.\n",
                least, most, most / least);
}
