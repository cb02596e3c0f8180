/* chart_bars.c - lifetimes of objects by cache (shades over age), and groups of bars (sensitivity of parameters). See
 * chart.h. */
#include "tools/gcctl/chart.h"

#include <math.h>
#include <string.h>

#define RIGHT_EDGE 14
#define BINS 64

/* ---- lifetimes: a strip for each cache */

static void bins_used(const struct gcctl_lifetimes *data, int *from, int *to)
{
    *from = BINS - 1;
    *to = 0;
    for (size_t row = 0; row < data->n_rows; row++)
        for (int i = 0; i < BINS; i++)
            if (data->rows[row].bins[i] > 0) {
                *from = i < *from ? i : *from;
                *to = i > *to ? i : *to;
            }
    if (*from > *to)
        *from = *to = 10;
}

static int lifetime_shade(double share)
{
    static const double edges[] = {0, 0.01, 0.05, 0.15, 0.35};
    int shade = 0;
    for (int i = 0; i < 5; i++)
        shade += share > edges[i];
    return shade;
}

static void draw_strip(const struct gcctl_chart *chart, const struct gcctl_lifetime_row *row, double y, int from,
                       int to)
{
    char text[2][32];
    FILE *out = chart->out;
    fprintf(out, "<text class=\"strong\" x=\"%.1f\" y=\"%.1f\">", chart->left, y + 13);
    gcctl_chart_text(out, row->name);
    fprintf(out, "<tspan style=\"font-weight:400\">  %s died", gcctl_chart_value(text[0], GCCTL_CHART_COUNT, row->n));
    if (row->n > 0 && (chart->right > 500 || strlen(row->name) < 22))
        fprintf(out, ", half younger than %s", gcctl_chart_value(text[1], GCCTL_CHART_NS, row->p50_ns));
    fprintf(out, "</tspan></text>\n");
    for (int i = from; i <= to; i++) {
        const double x = gcctl_chart_x(chart, exp2(i)), end = gcctl_chart_x(chart, exp2(i + 1));
        const double share = row->n > 0 ? row->bins[i] / row->n : 0;
        fprintf(out, "<rect class=\"m%d edge\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"18\" data-tip=\"",
                lifetime_shade(share), x, y + 20, end - x);
        gcctl_chart_text(out, row->name);
        fprintf(out, "&#10;%s to %s&#10;%.1f%%\"/>\n", gcctl_chart_value(text[0], GCCTL_CHART_NS, i ? exp2(i) : 0),
                gcctl_chart_value(text[1], GCCTL_CHART_NS, exp2(i + 1)), share * 100);
    }
}

static void draw_shades(FILE *out, double x, double y)
{
    static const char *const names[] = {"none", "to 1%", "5%", "15%", "35%", "more"};
    for (int i = 0; i < 6; i++) {
        fprintf(out,
                "<rect class=\"m%d edge\" x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\"/><text x=\"%.1f\" "
                "y=\"%.1f\">%s</text>\n",
                i, x, y, x + 16, y + 10, names[i]);
        x += 26 + 7.0 * (double)strlen(names[i]);
    }
}

static void draw_lifetimes(FILE *out, double width, const char *class, const void *arg)
{
    const struct gcctl_lifetimes *data = arg;
    struct gcctl_chart chart = {.out = out, .left = 14, .right = width - RIGHT_EDGE, .top = 34};
    int from, to;
    bins_used(data, &from, &to);
    if (to - from < 4)
        to = from + 4;
    to = to < BINS - 1 ? to : BINS - 2;
    chart.bottom = chart.top + (double)data->n_rows * 48 + 4;
    chart.x = (struct gcctl_axis){
        .unit = GCCTL_CHART_NS, .from = exp2(from), .to = exp2(to + 1), .log = true, .label = "age at death"};
    gcctl_chart_begin(out, width, chart.bottom + 44, class, "Lifetimes of objects by cache", false);
    draw_shades(out, chart.left, 6);
    double ticks[16];
    const size_t n = gcctl_axis_ticks(&chart.x, (size_t)(width / 60), ticks);
    for (size_t i = 0; i < n; i++) {
        char text[32];
        const double x = gcctl_chart_x(&chart, ticks[i]);
        fprintf(out,
                "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"%s\">%s</text>\n",
                x, chart.bottom - 4, x, chart.bottom, x, chart.bottom + 14,
                x < chart.left + 12    ? "start"
                : x > chart.right - 12 ? "end"
                                       : "middle",
                gcctl_chart_value(text, GCCTL_CHART_NS, ticks[i]));
    }
    for (size_t i = 0; i < data->n_rows; i++)
        draw_strip(&chart, &data->rows[i], chart.top + (double)i * 48, from, to);
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", chart.right, chart.bottom + 31,
            chart.x.label);
    gcctl_chart_end(out);
}

void gcctl_chart_lifetimes(FILE *out, const struct gcctl_lifetimes *lifetimes)
{
    gcctl_chart_both(out, draw_lifetimes, lifetimes);
}

/* ---- groups of bars, 0 to 1; a group's name stands above its bars, so that long ones fit narrow windows */

static void draw_bars(FILE *out, double width, const char *class, const void *arg)
{
    const struct gcctl_bars *data = arg;
    const double row = 28 + 12 * (double)data->n_series;
    struct gcctl_chart chart = {.out = out, .left = 14, .right = width - 52, .top = 8};
    chart.bottom = chart.top + row * (double)data->n + 4;
    chart.x = (struct gcctl_axis){.unit = GCCTL_CHART_RATIO, .to = 1, .label = data->label};
    double ticks[16];
    const size_t n_ticks = gcctl_axis_ticks(&chart.x, 5, ticks);
    gcctl_chart_begin(out, width, chart.bottom + 42, class, data->label, false);
    for (size_t i = 0; i < n_ticks; i++) {
        const double x = gcctl_chart_x(&chart, ticks[i]);
        fprintf(out,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"%s\">%.0f%%</text>\n",
                x, chart.top, x, chart.bottom, x, chart.bottom + 14, i ? "middle" : "start", ticks[i] * 100);
    }
    for (size_t i = 0; i < data->n; i++) {
        const double y = chart.top + row * (double)i;
        fprintf(out, "<text class=\"strong\" x=\"%.1f\" y=\"%.1f\">", chart.left, y + 13);
        gcctl_chart_text(out, data->names[i]);
        fputs("</text>\n", out);
        for (size_t j = 0; j < data->n_series; j++) {
            const double value = data->values[i * data->n_series + j], top = y + 18 + 12 * (double)j;
            if (isnan(value))
                continue;
            const double end = gcctl_chart_x(&chart, fmin(fmax(value, 0), 1));
            fprintf(out, "<rect class=\"f%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"10\" data-tip=\"",
                    j % GCCTL_CHART_COLORS, chart.left, top, end - chart.left < 1.5 ? 1.5 : end - chart.left);
            gcctl_chart_text(out, data->names[i]);
            fputs("&#10;", out);
            gcctl_chart_text(out, data->series[j]);
            fprintf(out, " %.0f%%\"/><text x=\"%.1f\" y=\"%.1f\">%.0f%%</text>\n", value * 100, end + 5, top + 9,
                    value * 100);
        }
    }
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", chart.right, chart.bottom + 31);
    gcctl_chart_text(out, data->label);
    fputs("</text>\n", out);
    gcctl_chart_end(out);
}

void gcctl_chart_bars(FILE *out, const struct gcctl_bars *bars)
{
    gcctl_chart_both(out, draw_bars, bars);
}
