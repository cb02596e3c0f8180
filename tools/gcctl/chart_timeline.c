/* chart_timeline.c - a heap's memory over time, with the pauses of its collections in a panel below; and how pauses are
 * distributed. See chart.h. */
#include "tools/gcctl/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEFT 64
#define RIGHT_EDGE 14
#define MEMORY_HEIGHT 200
#define PAUSES_HEIGHT 110
#define FOOT 44

static double greatest(const double *values, size_t n, double least)
{
    for (size_t i = 0; i < n && values; i++)
        least = values[i] > least ? values[i] : least;
    return least;
}

static void line(const struct gcctl_chart *chart, const struct gcctl_timeline *data, const double *values,
                 const char *class, bool area)
{
    FILE *out = chart->out;
    fprintf(out, "<path class=\"%s\" d=\"", class);
    if (area)
        fprintf(out, "M%.1f %.1f", gcctl_chart_x(chart, data->seconds[0]), chart->bottom);
    for (size_t i = 0; i < data->n; i++)
        fprintf(out, "%c%.1f %.1f", i || area ? 'L' : 'M', gcctl_chart_x(chart, data->seconds[i]),
                gcctl_chart_y(chart, values[i]));
    if (area)
        fprintf(out, "L%.1f %.1fZ", gcctl_chart_x(chart, data->seconds[data->n - 1]), chart->bottom);
    fputs("\"/>\n", out);
}

static void limit_line(const struct gcctl_chart *chart, double limit)
{
    const double y = gcctl_chart_y(chart, limit);
    fprintf(chart->out, "<path class=\"line dash s1\" d=\"M%.1f %.1fH%.1f\"/>\n", chart->left, y, chart->right);
}

/* One strip for each sample, whose text shows when it is pointed at. */
static void hits(const struct gcctl_chart *chart, const struct gcctl_timeline *data)
{
    char text[3][32];
    for (size_t i = 0; i < data->n; i++) {
        const double x = gcctl_chart_x(chart, data->seconds[i]);
        const double from = i ? (gcctl_chart_x(chart, data->seconds[i - 1]) + x) / 2 : chart->left;
        const double to = i + 1 < data->n ? (gcctl_chart_x(chart, data->seconds[i + 1]) + x) / 2 : chart->right;
        fprintf(chart->out,
                "<rect class=\"hit\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" data-tip=\"%s&#10;live %s",
                from, chart->top, to > from ? to - from : 0.1, chart->bottom - chart->top,
                gcctl_chart_value(text[0], GCCTL_CHART_SECONDS, data->seconds[i]),
                gcctl_chart_value(text[1], GCCTL_CHART_BYTES, data->live[i]));
        if (data->held)
            fprintf(chart->out, "&#10;held %s", gcctl_chart_value(text[2], GCCTL_CHART_BYTES, data->held[i]));
        fputs("\"/>\n", chart->out);
    }
}

static void pauses(const struct gcctl_chart *chart, const struct gcctl_timeline *data)
{
    char text[2][32];
    for (size_t i = 0; i < data->n_pauses; i++) {
        const struct gcctl_pause *pause = &data->pauses[i];
        const double x = gcctl_chart_x(chart, pause->seconds), y = gcctl_chart_y(chart, pause->ns);
        if (x < chart->left - 1 || x > chart->right + 1)
            continue;
        fprintf(chart->out,
                "<path class=\"line %s\" d=\"M%.1f %.1fV%.1f\"/><circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\" "
                "data-tip=\"%s "
                "collection&#10;at %s&#10;pause %s\"/>\n",
                pause->full ? "s1" : "s2", x, chart->bottom, y, pause->full ? "f1" : "f2", x, y,
                pause->full ? "full" : "minor", gcctl_chart_value(text[0], GCCTL_CHART_SECONDS, pause->seconds),
                gcctl_chart_value(text[1], GCCTL_CHART_NS, pause->ns));
    }
}

static void pauses_panel(const struct gcctl_timeline *data, struct gcctl_chart *chart)
{
    double most = 1000;
    for (size_t i = 0; i < data->n_pauses; i++)
        most = data->pauses[i].ns > most ? data->pauses[i].ns : most;
    chart->top = chart->bottom + 34;
    chart->bottom = chart->top + PAUSES_HEIGHT;
    chart->y = (struct gcctl_axis){.unit = GCCTL_CHART_NS, .to = most, .label = "pause of each collection"};
    gcctl_axis_round(&chart->y, 3);
    gcctl_chart_axes(chart, false);
    pauses(chart, data);
    if (!data->n_pauses)
        fprintf(chart->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">no collection in this time</text>\n",
                (chart->left + chart->right) / 2, (chart->top + chart->bottom) / 2);
}

static void draw_timeline(FILE *out, double width, const char *class, const void *arg)
{
    const struct gcctl_timeline *data = arg;
    struct gcctl_chart chart = {.out = out, .left = LEFT, .right = width - RIGHT_EDGE, .top = 26};
    char label[200];
    const double most = greatest(data->held, data->n, greatest(data->live, data->n, 1024));
    chart.bottom = chart.top + MEMORY_HEIGHT;
    chart.x = (struct gcctl_axis){.unit = GCCTL_CHART_SECONDS,
                                  .from = 0,
                                  .to = data->seconds[data->n - 1],
                                  .label = data->without_pauses ? "time since the recording began"
                                                                : "time since the first sample"};
    if (chart.x.to <= chart.x.from)
        chart.x.to = chart.x.from + 1e-3;
    const bool limit = data->limit > 0 && data->limit <= 2 * most;
    chart.y = (struct gcctl_axis){
        .unit = GCCTL_CHART_BYTES, .to = limit && data->limit > most ? data->limit : most, .label = "memory"};
    gcctl_axis_round(&chart.y, 5);
    snprintf(label, sizeof(label), "Memory%s of heap %.100s over time", data->without_pauses ? "" : " and pauses",
             data->heap);
    gcctl_chart_begin(out, width, chart.bottom + FOOT + (data->without_pauses ? 0 : 34 + PAUSES_HEIGHT), class, label,
                      false);
    gcctl_chart_axes(&chart, !data->without_pauses);
    if (data->held)
        line(&chart, data, data->held, "line s3", false);
    line(&chart, data, data->live, "area f0", true);
    line(&chart, data, data->live, "line s0", false);
    if (limit)
        limit_line(&chart, data->limit);
    hits(&chart, data);
    if (!data->without_pauses)
        pauses_panel(data, &chart);
    gcctl_chart_end(out);
}

void gcctl_chart_timeline(FILE *out, const struct gcctl_timeline *timeline)
{
    gcctl_chart_both(out, draw_timeline, timeline);
}

/* ---- distribution: bars by quarters of a power of two */

#define QUARTERS 256

static int quarter_of(uint64_t upper_ns)
{
    const int quarter = upper_ns > 1 ? (int)ceil(log2((double)upper_ns) * 4 - 1e-6) : 0;
    return quarter < QUARTERS ? quarter : QUARTERS - 1;
}

static void mark(const struct gcctl_chart *chart, const char *name, double ns, int row, const char *class)
{
    char text[32];
    const double x = gcctl_chart_x(chart, ns);
    /* max to the right, the others to the left, so that no name lies on another's line */
    const bool left = row < 2 ? x > chart->left + 84 : x > chart->right - 84;
    fprintf(chart->out,
            "<path class=\"line dash %s\" d=\"M%.1f %.1fV%.1f\"/><text class=\"strong\" x=\"%.1f\" y=\"%.1f\" "
            "text-anchor=\"%s\">%s %s</text>\n",
            class, x, chart->bottom, chart->top - 16 - 14 * row, left ? x - 5 : x + 5, chart->top - 7 - 14 * row,
            left ? "end" : "start", name, gcctl_chart_value(text, GCCTL_CHART_NS, ns));
}

static void draw_distribution(FILE *out, double width, const char *class, const void *arg)
{
    const struct gcctl_distribution *data = arg;
    const struct gcctl_buckets *buckets = data->buckets;
    uint64_t sums[QUARTERS] = {0}, most = 1;
    char label[200], text[2][32];
    int from = QUARTERS - 1, to = 0;
    for (size_t i = 0; i < buckets->n_buckets; i++) {
        const int quarter = quarter_of(buckets->buckets[i].upper_ns);
        sums[quarter] += buckets->buckets[i].n;
        most = sums[quarter] > most ? sums[quarter] : most;
        from = quarter < from ? quarter : from;
        to = quarter > to ? quarter : to;
    }
    struct gcctl_chart chart = {.out = out, .left = LEFT, .right = width - RIGHT_EDGE, .top = 72, .bottom = 262};
    chart.x = (struct gcctl_axis){.unit = GCCTL_CHART_NS, .log = true, .label = data->what};
    chart.x.from = exp2((from - 3) / 4.0);
    chart.x.to = exp2((to + 3) / 4.0);
    while (chart.x.to < 10 * chart.x.from) {
        chart.x.from /= 1.5;
        chart.x.to *= 1.5;
    }
    chart.y = (struct gcctl_axis){.unit = GCCTL_CHART_COUNT, .to = (double)most, .label = NULL};
    gcctl_axis_round(&chart.y, 5);
    snprintf(label, sizeof(label), "Distribution of %s of heap %.100s", data->what, data->heap);
    gcctl_chart_begin(out, width, chart.bottom + FOOT, class, label, false);
    gcctl_chart_axes(&chart, false);
    for (int i = from; i <= to; i++) {
        const double x = gcctl_chart_x(&chart, exp2((i - 1) / 4.0)), end = gcctl_chart_x(&chart, exp2(i / 4.0));
        const double height = chart.bottom - gcctl_chart_y(&chart, (double)sums[i]);
        if (sums[i])
            fprintf(out,
                    "<rect class=\"f0\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" data-tip=\"%s to "
                    "%s&#10;%llu %s\"/>\n",
                    x + 0.5, chart.bottom - (height < 2 ? 2 : height), end - x > 2 ? end - x - 1 : 1,
                    height < 2 ? 2 : height, gcctl_chart_value(text[0], GCCTL_CHART_NS, exp2((i - 1) / 4.0)),
                    gcctl_chart_value(text[1], GCCTL_CHART_NS, exp2(i / 4.0)), (unsigned long long)sums[i], data->what);
    }
    mark(&chart, "p50", (double)gcctl_buckets_quantile(buckets, 0.5), 0, "s2");
    mark(&chart, "p99", (double)gcctl_buckets_quantile(buckets, 0.99), 1, "s1");
    mark(&chart, "max", (double)buckets->max_ns, 2, "s3");
    gcctl_chart_end(out);
}

void gcctl_chart_distribution(FILE *out, const struct gcctl_distribution *distribution)
{
    gcctl_chart_both(out, draw_distribution, distribution);
}
