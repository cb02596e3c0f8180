/* report_heaps.c - sections of a report about heaps: what they hold over time, and how long they stop the program. See
 * report.h. */
#include "tools/gcctl/print.h"
#include "tools/gcctl/report.h"

#include <stdlib.h>
#include <string.h>

#define MOST_HEAPS 12 /* with charts */
#define MOST_ROWS 60  /* of a table of samples */
#define SUMMARY_COLUMNS 11

struct series {
    double *seconds, *live, *held;
    size_t n;
    struct gcctl_pause *pauses;
    size_t n_pauses;
    double began_ns;
};

static const json_t *last_heaps(const struct gcctl_report *report)
{
    const size_t n = json_array_size(report->samples.stats);
    if (json_array_size(report->heaps))
        return report->heaps;
    return json_object_get(n ? json_array_get(report->samples.stats, n - 1) : NULL, "heaps");
}

/* ---- summary */

static void summary_row(FILE *out, const json_t *heap)
{
    char texts[SUMMARY_COLUMNS][96], unit[GCCTL_UNIT_BYTES];
    const char *cells[SUMMARY_COLUMNS];
    const json_t *limit = json_object_get(heap, "memory_limit_bytes");
    struct gcctl_buckets pauses;
    size_t n = 0;
    gcctl_buckets_read(&pauses, json_object_get(heap, "pauses"));
    snprintf(texts[n++], 96, "%s", gcctl_figure_text(heap, "name"));
    snprintf(texts[n++], 96, "%s", gcctl_figure_text(heap, "strategy"));
    snprintf(texts[n++], 96, "%s", gcctl_count(unit, gcctl_figure(heap, "live_objects")));
    snprintf(texts[n++], 96, "%s", gcctl_bytes(unit, gcctl_figure(heap, "live_bytes")));
    snprintf(texts[n++], 96, "%s", gcctl_bytes(unit, gcctl_figure(heap, "peak_bytes")));
    snprintf(texts[n++], 96, "%s", json_is_number(limit) ? gcctl_bytes(unit, json_number_value(limit)) : "none");
    snprintf(texts[n++], 96, "%s", gcctl_count(unit, gcctl_figure(heap, "allocated")));
    snprintf(texts[n++], 96, "%.0f / %.0f", gcctl_figure(heap, "minor"), gcctl_figure(heap, "full"));
    snprintf(texts[n++], 96, "%s", gcctl_duration(unit, (double)gcctl_buckets_quantile(&pauses, 0.5)));
    snprintf(texts[n++], 96, "%s", gcctl_duration(unit, (double)gcctl_buckets_quantile(&pauses, 0.99)));
    snprintf(texts[n++], 96, "%s", gcctl_duration(unit, (double)pauses.max_ns));
    for (size_t i = 0; i < n; i++)
        cells[i] = texts[i];
    gcctl_report_row(out, cells, n, 2);
}

static void write_summary(FILE *out, const json_t *heaps)
{
    static const char *const titles[SUMMARY_COLUMNS] = {"heap",      "strategy", "live",      "live memory",
                                                        "peak held", "limit",    "allocated", "minor / full",
                                                        "pause p50", "p99",      "max"};
    size_t i;
    const json_t *heap;
    gcctl_report_table(out, NULL, titles, SUMMARY_COLUMNS, 2);
    json_array_foreach (heaps, i, heap) {
        summary_row(out, heap);
    }
    gcctl_report_table_end(out, NULL);
}

/* ---- over time */

static void series_fini(struct series *series)
{
    free(series->seconds);
    free(series->live);
    free(series->held);
    free(series->pauses);
}

static bool series_room(struct series *series, size_t n_samples, size_t n_events)
{
    *series = (struct series){.seconds = calloc(n_samples + 1, sizeof(double)),
                              .live = calloc(n_samples + 1, sizeof(double)),
                              .held = calloc(n_samples + 1, sizeof(double)),
                              .pauses = calloc(n_events + 1, sizeof(struct gcctl_pause))};
    return series->seconds && series->live && series->held && series->pauses;
}

static void series_pauses(struct series *series, const json_t *events, const char *heap)
{
    size_t i;
    const json_t *event;
    json_array_foreach (events, i, event) {
        const json_t *values = json_object_get(event, "values");
        const double ns = gcctl_figure(values, "pause_ns");
        const double seconds = (gcctl_figure(event, "time_ns") - ns - series->began_ns) / 1e9;
        if (strcmp(gcctl_figure_text(event, "kind"), "collection end") ||
            strcmp(gcctl_figure_text(event, "name"), heap) || seconds < 0 || seconds > series->seconds[series->n - 1])
            continue;
        series->pauses[series->n_pauses++] =
            (struct gcctl_pause){.seconds = seconds, .ns = ns, .full = gcctl_figure(values, "kind") > 0};
    }
}

/* False: no memory, or no sample has the heap. */
static bool series_read(struct series *series, const struct gcctl_report *report, const char *heap)
{
    size_t i;
    const json_t *stat;
    if (!series_room(series, json_array_size(report->samples.stats), json_array_size(report->samples.events)))
        return false;
    json_array_foreach (report->samples.stats, i, stat) {
        const json_t *figures = gcctl_figure_find(json_object_get(stat, "heaps"), "name", heap);
        const double time_ns = gcctl_figure(stat, "time_ns");
        if (!i)
            series->began_ns = time_ns;
        if (!figures)
            continue;
        series->seconds[series->n] = (time_ns - series->began_ns) / 1e9;
        series->live[series->n] = gcctl_figure(figures, "live_bytes");
        series->held[series->n++] = gcctl_figure(figures, "held_bytes");
    }
    if (series->n)
        series_pauses(series, report->samples.events, heap);
    return series->n > 0;
}

static void series_table(FILE *out, const struct series *series)
{
    static const char *const titles[] = {"time", "live", "held", "collections since the row above", "longest pause"};
    const size_t step = (series->n + MOST_ROWS - 1) / MOST_ROWS;
    char texts[5][GCCTL_UNIT_BYTES];
    size_t pause = 0;
    gcctl_report_table(out, "Table of samples", titles, 5, 0);
    for (size_t i = 0; i < series->n; i += step ? step : 1) {
        size_t n = 0;
        double longest = 0;
        for (; pause < series->n_pauses && series->pauses[pause].seconds <= series->seconds[i]; pause++, n++)
            longest = series->pauses[pause].ns > longest ? series->pauses[pause].ns : longest;
        gcctl_duration(texts[0], series->seconds[i] * 1e9);
        gcctl_bytes(texts[1], series->live[i]);
        gcctl_bytes(texts[2], series->held[i]);
        gcctl_count(texts[3], (double)n);
        gcctl_duration(texts[4], longest);
        gcctl_report_row(out, (const char *[]){texts[0], texts[1], texts[2], texts[3], n ? texts[4] : "-"}, 5, 0);
    }
    gcctl_report_table_end(out, "");
}

static void write_timeline(FILE *out, const struct gcctl_report *report, const json_t *heap)
{
    static const char *const legend[] = {"live", "held", "full collection or limit", "minor collection", NULL};
    static const char *const classes[] = {"f0", "f3", "f1", "f2"};
    struct series series;
    char title[160];
    const char *name = gcctl_figure_text(heap, "name");
    if (series_read(&series, report, name)) {
        const struct gcctl_timeline timeline = {.heap = name,
                                                .n = series.n,
                                                .seconds = series.seconds,
                                                .live = series.live,
                                                .held = series.held,
                                                .limit = gcctl_figure(heap, "memory_limit_bytes"),
                                                .n_pauses = series.n_pauses,
                                                .pauses = series.pauses};
        snprintf(title, sizeof(title), "%s: memory and pauses", name);
        gcctl_report_figure(out, title, legend, classes);
        gcctl_chart_timeline(out, &timeline);
        series_table(out, &series);
        gcctl_report_figure_end(out);
    }
    series_fini(&series);
}

static void write_recorded(FILE *out, const struct gcctl_report *report)
{
    static const char *const legend[] = {"live, all heaps", NULL};
    static const char *const titles[] = {"time", "live"};
    const struct gcctl_timeline timeline = {.heap = "all heaps of the recording",
                                            .n = report->n_points,
                                            .seconds = report->point_seconds,
                                            .live = report->point_bytes,
                                            .without_pauses = true};
    char texts[2][GCCTL_UNIT_BYTES];
    const size_t step = (report->n_points + MOST_ROWS - 1) / MOST_ROWS;
    gcctl_report_figure(out, "Live objects' bytes in the recording", legend, NULL);
    gcctl_chart_timeline(out, &timeline);
    gcctl_report_table(out, "Table of points", titles, 2, 0);
    for (size_t i = 0; i < report->n_points; i += step) {
        gcctl_duration(texts[0], report->point_seconds[i] * 1e9);
        gcctl_bytes(texts[1], report->point_bytes[i]);
        gcctl_report_row(out, (const char *[]){texts[0], texts[1]}, 2, 0);
    }
    gcctl_report_table_end(out, "");
    gcctl_report_figure_end(out);
}

void gcctl_report_heaps(FILE *out, const struct gcctl_report *report)
{
    const json_t *heaps = last_heaps(report);
    size_t i;
    const json_t *heap;
    gcctl_report_section(out, "heaps", "Heaps over time",
                         "Live: objects allocated and not yet reclaimed. Held: slabs and large objects, empty slots "
                         "included. A dot below is a "
                         "collection and how long it stopped the program.");
    if (json_array_size(heaps))
        write_summary(out, heaps);
    json_array_foreach (heaps, i, heap) {
        if (i < MOST_HEAPS)
            write_timeline(out, report, heap);
    }
    if (json_array_size(heaps) > MOST_HEAPS)
        gcctl_report_missing(out, "More heaps are in the table than have charts.", NULL);
    if (report->n_points > 1)
        write_recorded(out, report);
    if (!json_array_size(heaps) && report->n_points < 2)
        gcctl_report_missing(out, "No process was watched. A process or a program gives its heaps over time:",
                             "gcctl report -o report.html PID");
    gcctl_report_section_end(out);
}

/* ---- pauses */

static void buckets_table(FILE *out, const struct gcctl_buckets *buckets)
{
    static const char *const titles[] = {"up to", "pauses", "share so far"};
    char texts[3][GCCTL_UNIT_BYTES];
    uint64_t seen = 0;
    gcctl_report_table(out, "Table of pauses", titles, 3, 0);
    for (size_t i = 0; i < buckets->n_buckets; i++) {
        seen += buckets->buckets[i].n;
        gcctl_duration(texts[0], (double)buckets->buckets[i].upper_ns);
        gcctl_count(texts[1], (double)buckets->buckets[i].n);
        snprintf(texts[2], sizeof(texts[2]), "%.1f%%", buckets->n ? 100.0 * (double)seen / (double)buckets->n : 0);
        gcctl_report_row(out, (const char *[]){texts[0], texts[1], texts[2]}, 3, 0);
    }
    gcctl_report_table_end(out, "");
}

void gcctl_report_pauses(FILE *out, const struct gcctl_report *report)
{
    const json_t *heaps = last_heaps(report);
    size_t i, n = 0;
    const json_t *heap;
    char title[160];
    static struct gcctl_buckets buckets;
    gcctl_report_section(out, "pauses", "How pauses are distributed",
                         "Each stop of a heap's collections since it opened, from the flag to the moment when threads "
                         "go on. The axis of lengths "
                         "is logarithmic.");
    json_array_foreach (heaps, i, heap) {
        gcctl_buckets_read(&buckets, json_object_get(heap, "pauses"));
        if (!buckets.n_buckets || n == MOST_HEAPS)
            continue;
        const struct gcctl_distribution distribution = {gcctl_figure_text(heap, "name"), "pauses", &buckets};
        snprintf(title, sizeof(title), "%s: %llu pauses", distribution.heap, (unsigned long long)buckets.n);
        gcctl_report_figure(out, title, NULL, NULL);
        gcctl_chart_distribution(out, &distribution);
        buckets_table(out, &buckets);
        gcctl_report_figure_end(out);
        n++;
    }
    if (!json_array_size(heaps))
        gcctl_report_missing(out,
                             "A recording has no pauses: they belong to the strategy and the machine. Watch a process:",
                             "gcctl report -o report.html PID");
    else if (!n)
        gcctl_report_missing(out,
                             "No collection has stopped the program yet. One can be asked for:", "gcctl collect full");
    gcctl_report_section_end(out);
}
