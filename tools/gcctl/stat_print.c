/* stat_print.c - one heap in words and pictures.
 * Called by cmd_stat.c. Invariant: rows of a histogram count every pause once. Locks: none, one thread. */
#include "tools/gcctl/stat_print.h"

#include "tools/gcctl/figures.h"
#include "tools/gcctl/print.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>

#define BAR_WIDTH 40

/* ---- words */

enum detail_kind { DETAIL_COUNT, DETAIL_BYTES };

static const struct detail {
    const char *key, *title;
    enum detail_kind kind;
} details[] = {
    {"memory_limit_bytes", "memory limit", DETAIL_BYTES},
    {"hard_limit_bytes", "hard limit", DETAIL_BYTES},
    {"live_objects", "live objects", DETAIL_COUNT},
    {"live_bytes", "live bytes", DETAIL_BYTES},
    {"held_bytes", "memory held", DETAIL_BYTES},
    {"peak_bytes", "most memory held", DETAIL_BYTES},
    {"external_bytes", "external bytes", DETAIL_BYTES},
    {"retired_bytes", "retired bytes", DETAIL_BYTES},
    {"allocated", "allocated", DETAIL_COUNT},
    {"reclaimed", "reclaimed", DETAIL_COUNT},
    {"minor", "minor collections", DETAIL_COUNT},
    {"full", "full collections", DETAIL_COUNT},
    {"emergency", "of them emergencies", DETAIL_COUNT},
    {"visited", "objects visited", DETAIL_COUNT},
    {"last_visited", "at the last collection", DETAIL_COUNT},
    {"finalizers_queued", "finalizers queued", DETAIL_COUNT},
    {"finalizers_run", "finalizers run", DETAIL_COUNT},
    {"weak_cleared", "weak references cleared", DETAIL_COUNT},
    {"grace_periods", "grace periods", DETAIL_COUNT},
    {"stalls", "stalls reported", DETAIL_COUNT},
};

static void detail_list(json_t *heap, const char *key, const char *title)
{
    json_t *item;
    size_t i;
    printf("%-24s", title);
    json_array_foreach (json_object_get(heap, key), i, item)
        printf("%s%s", i ? ", " : "", json_string_value(item) ?: "?");
    putchar('\n');
}

void gcctl_stat_details(json_t *heap)
{
    printf("%-24s%s\n", "heap", gcctl_figure_text(heap, "name"));
    printf("%-24s%s %s\n", "strategy", gcctl_figure_text(heap, "strategy"),
           gcctl_figure_text(heap, "strategy_version"));
    detail_list(heap, "capabilities", "capabilities");
    detail_list(heap, "needs", "the program needs");
    for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
        json_t *value = json_object_get(heap, details[i].key);
        char text[GCCTL_UNIT_BYTES];
        if (!value)
            continue;
        if (!json_is_number(value))
            snprintf(text, sizeof(text), "none");
        else if (details[i].kind == DETAIL_BYTES)
            gcctl_bytes(text, json_number_value(value));
        else
            snprintf(text, sizeof(text), "%.0f", json_number_value(value));
        printf("%-24s%s\n", details[i].title, text);
    }
}

/* ---- pictures */

uint64_t gcctl_stat_bound(uint64_t ns)
{
    static const uint64_t steps[] = {1, 2, 5};
    for (uint64_t decade = 1; decade <= UINT64_C(1000000000000000000); decade *= 10)
        for (size_t i = 0; i < 3; i++)
            if (steps[i] * decade >= ns)
                return steps[i] * decade;
    return ns;
}

/* A bar of so many eighths of a column. */
static void histogram_bar(uint64_t eighths)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const bool blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    for (; eighths >= 8; eighths -= 8)
        fputs(blocks ? "█" : "#", stdout);
    fputs(blocks ? parts[eighths] : eighths >= 4 ? "#" : "", stdout);
}

static void histogram_row(uint64_t bound, uint64_t n, uint64_t most)
{
    char text[GCCTL_UNIT_BYTES];
    printf("  %8s  %10" PRIu64 "  ", gcctl_duration(text, (double)bound), n);
    histogram_bar(n ? (n * BAR_WIDTH * 8 + most - 1) / most : 0);
    putchar('\n');
}

static void histogram_print(const char *title, json_t *histogram)
{
    struct {
        uint64_t bound, n;
    } rows[64];
    char text[6][GCCTL_UNIT_BYTES];
    size_t n_rows = 0;
    uint64_t most = 0;
    struct gcctl_buckets buckets;
    gcctl_buckets_read(&buckets, histogram);
    printf("\n%s: %" PRIu64, title, buckets.n);
    if (buckets.n == 0) {
        putchar('\n');
        return;
    }
    printf(", mean %s, p50 %s, p90 %s, p99 %s, p99.9 %s, longest %s\n",
           gcctl_duration(text[0], (double)buckets.sum_ns / (double)buckets.n),
           gcctl_duration(text[1], gcctl_figure(histogram, "p50_ns")),
           gcctl_duration(text[2], gcctl_figure(histogram, "p90_ns")),
           gcctl_duration(text[3], gcctl_figure(histogram, "p99_ns")),
           gcctl_duration(text[4], gcctl_figure(histogram, "p999_ns")),
           gcctl_duration(text[5], (double)buckets.max_ns));
    for (size_t i = 0; i < buckets.n_buckets; i++) {
        const uint64_t bound = gcctl_stat_bound(buckets.buckets[i].upper_ns);
        while (n_rows && rows[n_rows - 1].bound < bound && n_rows < 64) { /* empty rows between */
            rows[n_rows].bound = gcctl_stat_bound(rows[n_rows - 1].bound + 1);
            rows[n_rows++].n = 0;
        }
        if (n_rows == 0) {
            rows[n_rows].bound = bound;
            rows[n_rows++].n = 0;
        }
        rows[n_rows - 1].n += buckets.buckets[i].n;
    }
    for (size_t i = 0; i < n_rows; i++)
        most = rows[i].n > most ? rows[i].n : most;
    printf("  %8s  %10s\n", "up to", "pauses");
    for (size_t i = 0; i < n_rows; i++)
        histogram_row(rows[i].bound, rows[i].n, most);
}

void gcctl_stat_histograms(json_t *heap)
{
    char title[160];
    snprintf(title, sizeof(title), "pauses of heap %s", gcctl_figure_text(heap, "name"));
    histogram_print(title, json_object_get(heap, "pauses"));
    snprintf(title, sizeof(title), "times to stop of heap %s", gcctl_figure_text(heap, "name"));
    histogram_print(title, json_object_get(heap, "times_to_stop"));
}
