/* report_caches.c - sections of a report about caches: how full their slabs are, and how long their objects live. See
 * report.h. */
#include "tools/gcctl/print.h"
#include "tools/gcctl/report.h"

#include <stdlib.h>
#include <string.h>

static void occupancy_table(FILE *out, const struct gcctl_slabs *slabs)
{
    static const char *const titles[] = {"heap", "cache", "slabs", "memory", "slots", "used", "full"};
    char texts[5][GCCTL_UNIT_BYTES];
    gcctl_report_table(out, "Table of caches", titles, 7, 2);
    for (size_t from = 0, to; from < slabs->n; from = to) {
        const struct gcctl_slab *first = &slabs->slabs[from];
        double bytes = 0, slots = 0, used = 0;
        for (to = from; to < slabs->n && !strcmp(slabs->slabs[to].heap, first->heap) &&
                        !strcmp(slabs->slabs[to].cache, first->cache);
             to++) {
            bytes += slabs->slabs[to].bytes;
            slots += slabs->slabs[to].slots;
            used += slabs->slabs[to].used;
        }
        gcctl_count(texts[0], (double)(to - from));
        gcctl_bytes(texts[1], bytes);
        gcctl_count(texts[2], slots);
        gcctl_count(texts[3], used);
        snprintf(texts[4], sizeof(texts[4]), "%.0f%%", slots > 0 ? 100 * used / slots : 0);
        gcctl_report_row(
            out, (const char *[]){first->heap, first->cache, texts[0], texts[1], texts[2], texts[3], texts[4]}, 7, 2);
    }
    gcctl_report_table_end(out, "");
}

void gcctl_report_occupancy(FILE *out, const struct gcctl_report *report)
{
    gcctl_report_section(
        out, "occupancy", "Occupancy of slabs",
        "A square is a slab: the stronger its colour, the fuller. Slabs that are nearly empty hold memory that only "
        "their own cache can use.");
    if (report->has_map && report->map.n) {
        const struct gcctl_slabs slabs = {report->map.n, report->map.slabs};
        gcctl_report_figure(out, "Slabs by heap and cache", NULL, NULL);
        gcctl_chart_map(out, &slabs);
        occupancy_table(out, &slabs);
        gcctl_report_figure_end(out);
    } else if (report->hello) {
        gcctl_report_missing(out,
                             "The process ended before a snapshot of its slabs could be taken, or it has none. A "
                             "longer run shows it, or:",
                             "gcctl map");
    } else {
        gcctl_report_missing(out, "Slabs belong to a process; none was watched:", "gcctl report -o report.html PID");
    }
    gcctl_report_section_end(out);
}

static void lifetimes_table(FILE *out, const struct gcctl_report *report)
{
    static const char *const titles[] = {"cache", "died", "alive at the end", "half died younger than",
                                         "nine tenths younger than"};
    char texts[4][GCCTL_UNIT_BYTES];
    gcctl_report_table(out, "Table of lifetimes", titles, 5, 1);
    for (size_t i = 0; i < report->n_lifetimes; i++) {
        const struct gcctl_lifetime_row *row = &report->lifetimes[i];
        gcctl_count(texts[0], row->n);
        gcctl_count(texts[1], row->n_alive);
        gcctl_duration(texts[2], row->p50_ns);
        gcctl_duration(texts[3], row->p90_ns);
        gcctl_report_row(
            out,
            (const char *[]){row->name, texts[0], texts[1], row->n > 0 ? texts[2] : "-", row->n > 0 ? texts[3] : "-"},
            5, 1);
    }
    gcctl_report_table_end(out, "");
}

void gcctl_report_lifetimes(FILE *out, const struct gcctl_report *report)
{
    gcctl_report_section(
        out, "lifetimes", "How long objects live",
        "Age at death by cache, as the recording's own strategy reclaimed objects: under one that "
        "collects now and then they live "
        "until the next collection. The stronger the colour, the more of the cache's objects died at that age.");
    if (report->n_lifetimes) {
        const struct gcctl_lifetimes lifetimes = {report->n_lifetimes, report->lifetimes};
        gcctl_report_figure(out, "Lifetimes by cache", NULL, NULL);
        gcctl_chart_lifetimes(out, &lifetimes);
        lifetimes_table(out, report);
        gcctl_report_figure_end(out);
    } else if (*report->no_recording) {
        gcctl_report_missing(out, report->no_recording, NULL);
    } else if (*report->recording) {
        gcctl_report_missing(out, "The recording has no object in it.", NULL);
    } else {
        gcctl_report_missing(out, "No recording was given; lifetimes need one:",
                             "gcctl record PID -o FILE; gcctl report -o report.html FILE");
    }
    gcctl_report_section_end(out);
}
