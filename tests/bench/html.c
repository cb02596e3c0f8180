/* html.c - the report as one page that loads nothing: the chart, the tables, and what was measured. Called by report.c.
 */
#include "tests/bench/report.h"

#include <stdlib.h>
#include <string.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>slabgc bench</title>\n<style>\n"
    ":root{color-scheme:light dark;--text:#1f2328;--back:#ffffff;--faint:#59636e;--line:#d1d9e0}\n"
    "@media (prefers-color-scheme:dark){:root{--text:#e6edf3;--back:#0d1117;--faint:#9198a1;--line:#30363d}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:1100px;margin:2em "
    "auto;padding:0 1em}\n"
    "h1{font-size:1.6em}h2{font-size:1.2em;margin-top:2em}p{color:var(--faint);max-width:70ch}\n"
    "svg{max-width:100%;height:auto}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}\n"
    "th,td{padding:3px 9px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}\n"
    "th:nth-child(-n+2),td:nth-child(-n+2),td.text{text-align:left}td.text{white-space:normal}\n"
    "</style></head><body>\n<h1>slabgc bench</h1>\n";

void bench_write_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
        }
    }
}

static void write_text_cell(FILE *out, const char *text)
{
    fputs("<td>", out);
    bench_write_escaped(out, text);
    fputs("</td>", out);
}

/* Empty when there is no such number. */
static void write_number_cell(FILE *out, double value)
{
    char text[BENCH_NUMBER_BYTES];
    fprintf(out, "<td>%s</td>", value > 0 ? bench_number(value, text) : "");
}

static void write_cell_row(FILE *out, const struct bench_cell *cell)
{
    const struct bench_series *series = cell->series;
    char least[BENCH_NUMBER_BYTES], most[BENCH_NUMBER_BYTES];
    fputs("<tr>", out);
    write_text_cell(out, series->workload->name);
    write_text_cell(out, series->runs[cell->backend * series->n_repetitions].backend->name);
    write_number_cell(out, cell->ratio.median);
    if (cell->ratio.median > 0)
        fprintf(out, "<td>%s&#8211;%s</td>", bench_number(cell->ratio.least, least),
                bench_number(cell->ratio.most, most));
    else
        fputs("<td></td>", out);
    write_text_cell(out,
                    cell->ratio.median > 0 ? series->runs[cell->best_time * series->n_repetitions].backend->name : "");
    write_number_cell(out, cell->cpu_ratio);
    write_number_cell(out, cell->memory_ratio);
    fputs("</tr>\n", out);
}

static void write_ratios(FILE *out, const struct bench_results *results)
{
    size_t n;
    struct bench_cell *cells = bench_cells(results, &n);
    fputs("<h2>Ours to the best of the others</h2>\n<div class=\"wide\"><table><tr><th>workload</th><th>backend</th>"
          "<th>time</th><th>min&#8211;max</th><th>best is</th><th>cpu time</th><th>peak memory</th></tr>\n",
          out);
    for (size_t i = 0; i < n; i++)
        write_cell_row(out, &cells[i]);
    fputs("</table></div>\n", out);
    free(cells);
}

static void write_figures_cell(FILE *out, const struct bench_series *series, const struct bench_summary *summary,
                               const struct bench_run *runs)
{
    char text[BENCH_NUMBER_BYTES];
    fputs("<td class=\"text\">", out);
    for (size_t i = 0; summary->n && i < summary->n_figures; i++) {
        fputs(i ? ", " : "", out);
        bench_write_escaped(out, summary->figures[i].name);
        fprintf(out, " %s", bench_number(summary->figures[i].value, text));
    }
    for (size_t i = 0; i < series->n_repetitions; i++) {
        if (runs[i].state != BENCH_OK) {
            bench_write_escaped(out, runs[i].message);
            break;
        }
    }
    fputs("</td>", out);
}

static void write_figures_row(FILE *out, const struct bench_series *series, size_t k)
{
    const struct bench_run *runs = &series->runs[k * series->n_repetitions];
    struct bench_summary summary;
    bench_summarize_backend(series, k, &summary);
    fputs("<tr>", out);
    write_text_cell(out, series->workload->name);
    write_text_cell(out, runs[0].backend->name);
    write_text_cell(out, series->workload->unit);
    write_number_cell(out, summary.median);
    write_number_cell(out, summary.least);
    write_number_cell(out, summary.most);
    write_number_cell(out, summary.cpu);
    write_number_cell(out, (double)summary.rss_bytes / (1 << 20));
    write_number_cell(out, series->instructions[k]);
    write_figures_cell(out, series, &summary, runs);
    fputs("</tr>\n", out);
}

static void write_figures(FILE *out, const struct bench_results *results)
{
    fputs("<h2>All figures</h2>\n<div class=\"wide\"><table><tr><th>workload</th><th>backend</th><th>unit</th>"
          "<th>median</th><th>min</th><th>max</th><th>cpu</th><th>peak "
          "MiB</th><th>instructions</th><th>figures</th></tr>\n",
          out);
    for (size_t s = 0; s < results->n; s++) {
        for (size_t k = 0; k < results->series[s].n_backends; k++)
            write_figures_row(out, &results->series[s], k);
    }
    fputs("</table></div>\n", out);
}

static void write_workloads(FILE *out, const struct bench_results *results)
{
    fputs("<h2>Workloads</h2>\n<div class=\"wide\"><table><tr><th>workload</th><th>parameters</th><th>what</th></tr>\n",
          out);
    for (size_t s = 0; s < results->n; s++) {
        const struct bench_series *series = &results->series[s];
        const char *parameters = "";
        for (size_t i = 0; i < series->n_backends * series->n_repetitions; i++) {
            if (series->runs[i].state == BENCH_OK)
                parameters = series->runs[i].parameters;
        }
        fputs("<tr>", out);
        write_text_cell(out, series->workload->name);
        fputs("<td>", out);
        bench_write_escaped(out, parameters);
        fprintf(out, "%srepetitions=%zu</td><td class=\"text\">", *parameters ? " " : "", series->n_repetitions);
        bench_write_escaped(out, series->workload->what);
        fputs("</td></tr>\n", out);
    }
    fputs("</table></div>\n", out);
}

void bench_write_html(FILE *out, const struct bench_results *results)
{
    double least, most;
    bench_range(results->series, results->n, &least, &most);
    fputs(head, out);
    fputs(
        "<p>Each repetition of each pair of workload and backend was a process of its own, in turn over the backends. "
        "Ratios are those of medians in the same run, to the best of those that ran of jemalloc, mimalloc and "
        "tcmalloc; "
        "min&#8211;max over the ratios of the same repetition.",
        out);
    if (least > 0)
        fprintf(out,
                " A loop of additions before and after each run took %.3f to %.3f ns for one: differences below a "
                "factor of %.2f mean little.",
                least, most, most / least);
    if (results->config[0]) {
        fputs(" Configuration of the runs: ", out);
        bench_write_escaped(out, results->config);
    }
    fputs("</p>\n", out);
    bench_write_chart(out, results);
    write_ratios(out, results);
    write_figures(out, results);
    write_workloads(out, results);
    fputs("</body></html>\n", out);
}
