/* chart.c - bars of ours to the best of the others, with whiskers from the least to the greatest ratio, as one <svg>.
 * Called by report.c and html.c. It stands alone: colours for light and dark are in it, it loads nothing, and every bar
 * has its figures as text beside it. */
#include "tests/bench/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 940
#define LEFT 280  /* names end here */
#define RIGHT 110 /* for the figures behind the bars */
#define TOP 62
#define ROW 22
#define BAR 12
#define BOTTOM 34
#define MOST_RATIO 3.0 /* longer bars are cut */

static const char style[] =
    "<style>"
    ".back{fill:#ffffff}.text{fill:#1f2328}.faint{fill:#59636e}.grid{stroke:#d1d9e0}.one{stroke:#59636e}"
    ".bar{fill:#2f6fd0}.worse{fill:#c2571a}.whisker{stroke:#1f2328}"
    "text{font:13px system-ui,sans-serif}.title{font-weight:600;font-size:15px}"
    "@media (prefers-color-scheme:dark){.back{fill:#0d1117}.text{fill:#e6edf3}.faint{fill:#9198a1}.grid{stroke:#30363d}"
    ".one{stroke:#9198a1}.bar{fill:#539bf5}.worse{fill:#e0823d}.whisker{stroke:#e6edf3}}"
    "</style>\n";

/* The right end of the axis: the longest whisker, in steps of a quarter, at least 1.25. */
static double axis_end(const struct bench_cell *cells, size_t n)
{
    double most = 1.25;
    for (size_t i = 0; i < n; i++)
        most = cells[i].ratio.most > most ? cells[i].ratio.most : most;
    most = ceil(most * 4) / 4;
    return most > MOST_RATIO ? MOST_RATIO : most;
}

static double x_of(double ratio, double end)
{
    return LEFT + (ratio < end ? ratio : end) / end * (WIDTH - LEFT - RIGHT);
}

static void write_axis(FILE *out, double end, double height)
{
    char text[BENCH_NUMBER_BYTES];
    for (double at = 0; at <= end + 1e-9; at += 0.25) {
        const double x = x_of(at, end);
        fprintf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%.1f\"%s/>\n",
                fabs(at - 1) < 1e-9 ? "one" : "grid", x, TOP - 6, x, height - BOTTOM,
                fabs(at - 1) < 1e-9 ? " stroke-width=\"2\"" : "");
        snprintf(text, sizeof(text), "%.2f", at);
        fprintf(out, "<text class=\"faint\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", x,
                height - BOTTOM + 18, text);
    }
}

static void write_bar(FILE *out, const struct bench_cell *cell, double y, double end, bool with_backend)
{
    const struct bench_series *series = cell->series;
    const struct bench_ratio ratio = cell->ratio;
    const double middle = y + ROW / 2.0, x = x_of(ratio.median, end);
    const double from = x_of(ratio.least, end), to = x_of(ratio.most, end);
    char median[BENCH_NUMBER_BYTES], least[BENCH_NUMBER_BYTES], most[BENCH_NUMBER_BYTES];
    fprintf(out, "<g><title>");
    bench_write_escaped(out, series->workload->name);
    fputs(": ", out);
    bench_write_escaped(out, series->runs[cell->backend * series->n_repetitions].backend->name);
    fprintf(out, " %s of ", bench_number(ratio.median, median));
    bench_write_escaped(out, series->runs[cell->best_time * series->n_repetitions].backend->name);
    fprintf(out, ", %s to %s</title>\n<text class=\"text\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
            bench_number(ratio.least, least), bench_number(ratio.most, most), LEFT - 8, middle + 4);
    bench_write_escaped(out, series->workload->name);
    if (with_backend) {
        fputs(" ", out);
        bench_write_escaped(out, series->runs[cell->backend * series->n_repetitions].backend->name);
    }
    fprintf(out, "</text>\n<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>\n",
            ratio.median > 1 ? "worse" : "bar", LEFT, middle - BAR / 2.0, x - LEFT, BAR);
    fprintf(out, "<path class=\"whisker\" fill=\"none\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8\"/>\n", from,
            middle, to, from, middle - 4, to, middle - 4);
    fprintf(out, "<text class=\"faint\" x=\"%d\" y=\"%.1f\">%s ", WIDTH - RIGHT + 8, middle + 4, median);
    bench_write_escaped(out, series->runs[cell->best_time * series->n_repetitions].backend->name);
    fputs("</text></g>\n", out);
}

/* More than one backend of ours: their names go beside the workloads'. */
static bool several(const struct bench_cell *cells, size_t n)
{
    const struct bench_backend *first = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct bench_backend *backend =
            cells[i].series->runs[cells[i].backend * cells[i].series->n_repetitions].backend;
        if (cells[i].ratio.median == 0)
            continue;
        if (first && strcmp(first->name, backend->name) != 0)
            return true;
        first = backend;
    }
    return false;
}

void bench_write_chart(FILE *out, const struct bench_results *results)
{
    size_t n, n_bars = 0;
    struct bench_cell *cells = bench_cells(results, &n);
    for (size_t i = 0; i < n; i++)
        n_bars += cells[i].ratio.median > 0;
    const double height = TOP + (double)n_bars * ROW + BOTTOM, end = axis_end(cells, n);
    fprintf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\" role=\"img\">\n"
        "<title>slabgc bench: time by operation, ours to the best of the others</title>\n%s"
        "<rect class=\"back\" width=\"%d\" height=\"%.0f\"/>\n"
        "<text class=\"text title\" x=\"16\" y=\"24\">Time by operation, ours / best of the others</text>\n"
        "<text class=\"faint\" x=\"16\" y=\"43\">below 1: ours is faster; bar: medians; whisker: least to greatest "
        "ratio of one repetition</text>\n",
        WIDTH, height, WIDTH, height, style, WIDTH, height);
    write_axis(out, end, height);
    double y = TOP;
    for (size_t i = 0; i < n; i++) {
        if (cells[i].ratio.median == 0)
            continue;
        write_bar(out, &cells[i], y, end, several(cells, n));
        y += ROW;
    }
    fputs("</svg>\n", out);
    free(cells);
}
