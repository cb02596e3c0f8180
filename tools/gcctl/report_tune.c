/* report_tune.c - sections of a report about tuning and config: the points of a tune (TUNE-RESULT.md), what its
 * parameters matter, and the config that differs from the defaults. See report.h. */
#include "tools/gcctl/print.h"
#include "tools/gcctl/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_OBJECTIVES 6
#define MOST_POINTS 2000
#define MOST_BARS 40

static const char *objective(const struct gcctl_report *report, size_t i)
{
    const char *name = json_string_value(json_array_get(json_object_get(report->tune, "objectives"), i));
    return name ? name : "";
}

static size_t n_objectives(const struct gcctl_report *report)
{
    const size_t n = json_array_size(json_object_get(report->tune, "objectives"));
    return n > MOST_OBJECTIVES ? MOST_OBJECTIVES : n;
}

static enum gcctl_chart_unit metric_unit(const char *metric)
{
    return strncmp(metric, "peak_", 5) ? GCCTL_CHART_NS : GCCTL_CHART_BYTES;
}

/* ---- points */

static json_int_t choice_of(const struct gcctl_report *report)
{
    const json_t *point = json_object_get(json_object_get(report->tune, "choice"), "point");
    return json_is_integer(point) ? json_integer_value(point) : -1;
}

static void value_text(char out[GCCTL_UNIT_BYTES], const struct gcctl_report *report, const char *key,
                       const json_t *value)
{
    char name[160];
    size_t i;
    const json_t *parameter;
    const double number = json_number_value(value);
    snprintf(out, GCCTL_UNIT_BYTES, "%g", number);
    json_array_foreach (json_object_get(report->tune, "parameters"), i, parameter) {
        const char *type = gcctl_figure_text(parameter, "type");
        snprintf(name, sizeof(name), "strategy.%.60s.%.60s", gcctl_figure_text(parameter, "strategy"),
                 gcctl_figure_text(parameter, "key"));
        if (strcmp(name, key))
            continue;
        if (!strcmp(type, "bytes"))
            gcctl_bytes(out, number);
        else if (!strcmp(type, "duration"))
            gcctl_duration(out, number);
        else if (!strcmp(type, "percent"))
            snprintf(out, GCCTL_UNIT_BYTES, "%g%%", number);
        else if (!strcmp(type, "switch"))
            snprintf(out, GCCTL_UNIT_BYTES, "%s", number != 0 ? "on" : "off");
        return;
    }
}

/* "rcu, retired_soft=64MiB": what is different from the defaults, or the strategies. */
static void point_text(const struct gcctl_report *report, const json_t *point, char *out, size_t out_bytes)
{
    size_t i, at = 0;
    const char *heap;
    json_t *item;
    char unit[GCCTL_UNIT_BYTES];
    out[0] = 0;
    json_object_foreach (json_object_get(point, "heaps"), heap, item) {
        at += (size_t)snprintf(out + at, out_bytes - at, "%s%.60s", at ? ", " : "",
                               json_string_value(item) ? json_string_value(item) : "?");
        if (at >= out_bytes)
            return;
    }
    json_array_foreach (json_object_get(point, "changed"), i, item) {
        const char *key = json_string_value(item) ? json_string_value(item) : "?", *dot = strrchr(key, '.');
        value_text(unit, report, key, json_object_get(json_object_get(point, "values"), key));
        at += (size_t)snprintf(out + at, out_bytes - at, ", %.60s=%s", dot ? dot + 1 : key, unit);
        if (at >= out_bytes)
            return;
    }
}

static void write_scatter(FILE *out, const struct gcctl_report *report, const char *x, const char *y)
{
    static const char *const legend[] = {"measured", "not beaten by any (Pareto)", "defaults", "chosen", NULL};
    static const char *const classes[] = {"f0", "f2", "f1", "f3"};
    static struct gcctl_scatter_point points[MOST_POINTS];
    static char texts[MOST_POINTS][400];
    struct gcctl_scatter scatter = {
        .x = {.unit = metric_unit(x), .label = x}, .y = {.unit = metric_unit(y), .label = y}, .points = points};
    size_t i;
    const json_t *point;
    char title[160], name[256], a[32], b[32];
    json_array_foreach (json_object_get(report->tune, "points"), i, point) {
        const json_t *median = json_object_get(point, "median");
        const json_t *px = json_object_get(median, x), *py = json_object_get(median, y);
        const json_int_t id = (json_int_t)gcctl_figure(point, "id");
        if (!json_is_number(px) || !json_is_number(py) || scatter.n == MOST_POINTS)
            continue;
        const int kind = id == choice_of(report)                          ? 3
                         : i == 0                                         ? 2
                         : json_is_true(json_object_get(point, "pareto")) ? 1
                                                                          : 0;
        points[scatter.n] =
            (struct gcctl_scatter_point){json_number_value(px), json_number_value(py), kind, texts[scatter.n]};
        point_text(report, point, name, sizeof(name));
        snprintf(texts[scatter.n], sizeof(texts[0]), "%s%s\n%s %s\n%s %s", i ? "" : "defaults: ", name, x,
                 gcctl_chart_value(a, scatter.x.unit, points[scatter.n].x), y,
                 gcctl_chart_value(b, scatter.y.unit, points[scatter.n].y));
        scatter.n++;
    }
    snprintf(title, sizeof(title), "%.60s against %.60s", y, x);
    gcctl_report_figure(out, title, legend, classes);
    if (scatter.n)
        gcctl_chart_scatter(out, &scatter);
    else
        gcctl_report_missing(out, "No configuration was measured in both.", NULL);
    gcctl_report_figure_end(out);
}

static void points_table(FILE *out, const struct gcctl_report *report)
{
    const char *titles[2 + MOST_OBJECTIVES] = {"configuration", "marks"}, *cells[2 + MOST_OBJECTIVES];
    const size_t n = n_objectives(report);
    char name[256], marks[64], texts[MOST_OBJECTIVES][64], unit[32];
    size_t i;
    const json_t *point;
    for (size_t j = 0; j < n; j++)
        titles[2 + j] = objective(report, j);
    gcctl_report_table(out, "Table of configurations", titles, 2 + n, 2);
    json_array_foreach (json_object_get(report->tune, "points"), i, point) {
        const bool chosen = (json_int_t)gcctl_figure(point, "id") == choice_of(report);
        point_text(report, point, name, sizeof(name));
        snprintf(marks, sizeof(marks), "%s%s%s%s", i ? "" : "defaults ", chosen ? "chosen " : "",
                 json_is_true(json_object_get(point, "pareto")) ? "Pareto " : "",
                 json_is_false(json_object_get(point, "feasible")) ? "not feasible" : "");
        cells[0] = name;
        cells[1] = marks;
        for (size_t j = 0; j < n; j++) {
            const json_t *value = json_object_get(json_object_get(point, "median"), objective(report, j));
            const json_t *ratio = json_object_get(json_object_get(point, "ratio"), objective(report, j));
            if (json_is_number(value) && json_is_number(ratio))
                snprintf(texts[j], 64, "%s (%.2f)",
                         gcctl_chart_value(unit, metric_unit(objective(report, j)), json_number_value(value)),
                         json_number_value(ratio));
            else if (json_is_number(value))
                snprintf(texts[j], 64, "%s",
                         gcctl_chart_value(unit, metric_unit(objective(report, j)), json_number_value(value)));
            else
                snprintf(texts[j], 64, "-");
            cells[2 + j] = texts[j];
        }
        gcctl_report_row(out, cells, 2 + n, 2);
    }
    gcctl_report_table_end(out, "");
}

static void finalists_table(FILE *out, const struct gcctl_report *report)
{
    static const char *const titles[] = {"finalist", "objective", "ratio to the defaults", "95% interval", "verdict"};
    size_t i;
    const json_t *finalist;
    const char *metric;
    json_t *ratio;
    if (!json_array_size(json_object_get(report->tune, "finalists")))
        return;
    gcctl_report_table(out, "Finalists, measured again beside the defaults", titles, 5, 5);
    json_array_foreach (json_object_get(report->tune, "finalists"), i, finalist) {
        const json_t *point =
            json_array_get(json_object_get(report->tune, "points"), (size_t)gcctl_figure(finalist, "point"));
        char name[256], median[32], interval[64];
        point_text(report, point, name, sizeof(name));
        json_object_foreach (json_object_get(finalist, "ratio"), metric, ratio) {
            snprintf(median, sizeof(median), "%.3f", gcctl_figure(ratio, "median"));
            snprintf(interval, sizeof(interval), "%.3f to %.3f", gcctl_figure(ratio, "low"),
                     gcctl_figure(ratio, "high"));
            gcctl_report_row(out, (const char *[]){name, metric, median, interval, gcctl_figure_text(ratio, "verdict")},
                             5, 5);
        }
    }
    gcctl_report_table_end(out, "");
}

/* ---- sensitivity */

struct bars {
    char names[MOST_BARS][160];
    const char *name_of[MOST_BARS], *series[MOST_OBJECTIVES];
    double values[MOST_BARS * MOST_OBJECTIVES], correlation[MOST_BARS * MOST_OBJECTIVES];
    size_t n, n_series;
};

static size_t bars_row(struct bars *bars, const char *name)
{
    size_t row = 0;
    while (row < bars->n && strcmp(bars->names[row], name))
        row++;
    if (row < bars->n || row == MOST_BARS)
        return row;
    snprintf(bars->names[row], sizeof(bars->names[row]), "%s", name);
    bars->name_of[row] = bars->names[row];
    for (size_t j = 0; j < bars->n_series; j++)
        bars->values[row * bars->n_series + j] = bars->correlation[row * bars->n_series + j] = NAN;
    return bars->n++;
}

static void bars_read(struct bars *bars, const struct gcctl_report *report)
{
    size_t i;
    const json_t *item;
    char name[160];
    *bars = (struct bars){.n_series = n_objectives(report)};
    for (size_t j = 0; j < bars->n_series; j++)
        bars->series[j] = objective(report, j);
    json_array_foreach (json_object_get(report->tune, "sensitivity"), i, item) {
        const char *strategy = gcctl_figure_text(item, "strategy");
        const json_t *correlation = json_object_get(item, "correlation");
        snprintf(name, sizeof(name), "%.70s%s%.70s", strategy, *strategy ? "." : "", gcctl_figure_text(item, "key"));
        const size_t row = bars_row(bars, name);
        for (size_t j = 0; j < bars->n_series && row < MOST_BARS; j++)
            if (!strcmp(bars->series[j], gcctl_figure_text(item, "objective"))) {
                bars->values[row * bars->n_series + j] = gcctl_figure(item, "explained");
                bars->correlation[row * bars->n_series + j] =
                    json_is_number(correlation) ? json_number_value(correlation) : NAN;
            }
    }
}

static void write_sensitivity(FILE *out, const struct gcctl_report *report)
{
    static const char *const titles[] = {"parameter", "objective", "variance explained", "correlation (Spearman)"};
    static struct bars bars;
    const char *legend[MOST_OBJECTIVES + 1] = {NULL};
    char texts[2][32];
    bars_read(&bars, report);
    if (!bars.n || !bars.n_series) {
        gcctl_report_missing(
            out, "The tune had too few points to say which parameter matters; a larger --budget gives more.", NULL);
        return;
    }
    const struct gcctl_bars chart = {"share of the variance that the parameter explains",
                                     bars.n,
                                     bars.n_series,
                                     bars.name_of,
                                     bars.series,
                                     bars.values};
    for (size_t j = 0; j < bars.n_series; j++)
        legend[j] = bars.series[j];
    gcctl_report_figure(out, "Sensitivity: which parameter matters", legend, NULL);
    gcctl_chart_bars(out, &chart);
    gcctl_report_table(out, "Table of sensitivities", titles, 4, 2);
    for (size_t i = 0; i < bars.n * bars.n_series; i++) {
        if (isnan(bars.values[i]))
            continue;
        snprintf(texts[0], 32, "%.0f%%", 100 * bars.values[i]);
        snprintf(texts[1], 32, "%+.2f", bars.correlation[i]);
        gcctl_report_row(out,
                         (const char *[]){bars.names[i / bars.n_series], bars.series[i % bars.n_series], texts[0],
                                          isnan(bars.correlation[i]) ? "-" : texts[1]},
                         4, 2);
    }
    gcctl_report_table_end(out, "");
    gcctl_report_figure_end(out);
}

void gcctl_report_tuning(FILE *out, const struct gcctl_report *report)
{
    const size_t n = report->tune ? n_objectives(report) : 0;
    const json_t *choice = json_object_get(report->tune, "choice");
    gcctl_report_section(out, "tuning", "Tuning",
                         "Each point is a configuration that was measured; smaller is better on every axis. Ratios in "
                         "tables are to the defaults.");
    if (!report->tune) {
        gcctl_report_missing(
            out, "No result of a tune was given:",
            "gcctl tune --result tune.json -- PROGRAM; gcctl report --tune tune.json -o report.html PID");
        gcctl_report_section_end(out);
        return;
    }
    fprintf(out, "<p>%s",
            json_is_true(json_object_get(choice, "keep_defaults")) ? "<strong>Keep the defaults.</strong> " : "");
    gcctl_chart_text(out, gcctl_figure_text(choice, "reason"));
    fputs("</p>\n", out);
    if (n == 1)
        write_scatter(out, report, objective(report, 0),
                      strcmp(objective(report, 0), "peak_memory") ? "peak_memory" : "time");
    for (size_t x = 0; x < n && x < 3; x++)
        for (size_t y = x + 1; y < n && y < 3; y++)
            write_scatter(out, report, objective(report, x), objective(report, y));
    points_table(out, report);
    finalists_table(out, report);
    write_sensitivity(out, report);
    gcctl_report_section_end(out);
}
