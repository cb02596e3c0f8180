/* cmd_stat.c - gcctl stat: what each heap holds and has done; histograms of pauses and times to stop. */
#include "tools/gcctl/ask.h"
#include "tools/gcctl/print.h"
#include "tools/gcctl/stat_print.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

static void stat_columns(struct gcctl_table *table, bool rates)
{
    static const char *const right[] = {"LIVE", "BYTES", "HELD", "PEAK", "LIMIT"};
    gcctl_table_column(table, "HEAP", 0);
    gcctl_table_column(table, "STRATEGY", 0);
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        gcctl_table_column(table, right[i], GCCTL_RIGHT);
    gcctl_table_column(table, rates ? "ALLOCATED/S" : "ALLOCATED", GCCTL_RIGHT);
    gcctl_table_column(table, rates ? "RECLAIMED/S" : "RECLAIMED", GCCTL_RIGHT);
    gcctl_table_column(table, "MINOR", GCCTL_RIGHT);
    gcctl_table_column(table, "FULL", GCCTL_RIGHT);
    gcctl_table_column(table, "P50", GCCTL_RIGHT);
    gcctl_table_column(table, "P99", GCCTL_RIGHT);
    gcctl_table_column(table, "MAX", GCCTL_RIGHT);
}

/* A counter, or what it grew by in a second since the answer before. */
static char *stat_rate(char out[GCCTL_UNIT_BYTES], json_t *heap, json_t *before, double seconds, const char *key)
{
    double n = gcctl_figure(heap, key);
    if (before && seconds > 0)
        n = (n - gcctl_figure(before, key)) / seconds;
    return gcctl_count(out, n < 0 ? 0 : n);
}

static void stat_row(struct gcctl_table *table, json_t *heap, json_t *before, double seconds)
{
    char text[12][GCCTL_UNIT_BYTES];
    json_t *pauses = json_object_get(heap, "pauses"), *limit = json_object_get(heap, "memory_limit_bytes");
    const char *name = gcctl_figure_text(heap, "name");
    before = before ? gcctl_figure_find(json_object_get(before, "heaps"), "name", name) : NULL;
    gcctl_table_row(table, (const char *[]){
                               name,
                               gcctl_figure_text(heap, "strategy"),
                               gcctl_count(text[0], gcctl_figure(heap, "live_objects")),
                               gcctl_bytes(text[1], gcctl_figure(heap, "live_bytes")),
                               gcctl_bytes(text[2], gcctl_figure(heap, "held_bytes")),
                               gcctl_bytes(text[3], gcctl_figure(heap, "peak_bytes")),
                               json_is_number(limit) ? gcctl_bytes(text[4], json_number_value(limit)) : "none",
                               stat_rate(text[5], heap, before, seconds, "allocated"),
                               stat_rate(text[6], heap, before, seconds, "reclaimed"),
                               gcctl_count(text[7], gcctl_figure(heap, "minor")),
                               gcctl_count(text[8], gcctl_figure(heap, "full")),
                               gcctl_duration(text[9], gcctl_figure(pauses, "p50_ns")),
                               gcctl_duration(text[10], gcctl_figure(pauses, "p99_ns")),
                               gcctl_duration(text[11], gcctl_figure(pauses, "max_ns")),
                           });
}

static void stat_table(const struct gcctl_call *call, json_t *stat, json_t *before)
{
    struct gcctl_table *table = gcctl_table_create(call);
    const double seconds = before ? (gcctl_figure(stat, "time_ns") - gcctl_figure(before, "time_ns")) / 1e9 : 0;
    json_t *heap;
    size_t i;
    stat_columns(table, before != NULL);
    json_array_foreach (json_object_get(stat, "heaps"), i, heap)
        stat_row(table, heap, before, seconds);
    gcctl_table_print(table);
}

static int stat_print(const struct gcctl_call *call, json_t *stat, json_t *before)
{
    json_t *heap, *heaps = json_object_get(stat, "heaps");
    size_t i;
    if (call->json)
        return gcctl_print_json(json_incref(stat));
    if (json_array_size(heaps) == 0)
        gcctl_note("no heap is open");
    const bool one = gcctl_text(call, "heap") && !gcctl_text(call, "interval");
    if (!one)
        stat_table(call, stat, before);
    json_array_foreach (heaps, i, heap) {
        if (one)
            gcctl_stat_details(heap);
        if (one || gcctl_flag(call, "histogram"))
            gcctl_stat_histograms(heap);
    }
    return fflush(stdout) ? gcctl_error(EX_IOERR, "cannot write to stdout: %s", strerror(errno)) : 0;
}

static int stat_run(struct gcctl_call *call)
{
    const bool repeats = gcctl_text(call, "interval") || gcctl_text(call, "count");
    const int64_t interval_ns = gcctl_number(call, "interval", INT64_C(1000000000));
    const int64_t count = gcctl_number(call, "count", repeats ? INT64_MAX : 1);
    const struct timespec pause = {.tv_sec = interval_ns / 1000000000, .tv_nsec = interval_ns % 1000000000};
    json_t *before = NULL;
    int status;
    struct gcctl_client *client = gcctl_connect(call, NULL, &status);
    if (!client)
        return status;
    json_t *parameters = gcctl_parameters(call, (const char *[]){"heap", NULL});
    for (int64_t i = 0; i < count && !status; i++) {
        if (i) {
            nanosleep(&pause, NULL);
            if (!call->json)
                putchar('\n');
        }
        json_t *stat = gcctl_request(client, "stat", parameters, NULL, NULL, &status);
        if (stat)
            status = stat_print(call, stat, before);
        json_decref(before);
        before = stat;
    }
    json_decref(before);
    json_decref(parameters);
    gcctl_disconnect(client);
    return status;
}

static const struct gcctl_option stat_arguments[] = {
    {.name = "heap",
     .kind = GCCTL_HEAP,
     .value = "HEAP",
     .help = "The heap to show, in detail and with histograms; all heaps, a line each, unless given"},
    {0},
};
static const struct gcctl_option stat_options[] = {
    {.name = "histogram",
     .letter = 'H',
     .kind = GCCTL_FLAG,
     .help = "Draw the histograms of pauses and of times to stop of every heap shown"},
    {.name = "interval",
     .letter = 'i',
     .kind = GCCTL_DURATION,
     .value = "DURATION",
     .help =
         "Ask again and again, so far apart; counters are then shown as rates per second from the second answer on"},
    {.name = "count",
     .letter = 'n',
     .kind = GCCTL_INTEGER,
     .value = "N",
     .minimum = 1,
     .maximum = INT64_MAX,
     .help = "Ask N times, a second apart unless --interval says otherwise"},
    {0},
};

const struct gcctl_command gcctl_command_stat = {
    .name = "stat",
    .group = "See",
    .summary = "Show what heaps hold, what they have done, and how long they paused",
    .description = "Prints a line for each heap: its strategy; live objects and their bytes (dead ones that nobody has "
                   "noticed yet "
                   "included); memory held now and at most; the memory limit; objects allocated and reclaimed since "
                   "the heap opened; minor "
                   "and full collections; and the median, the 99th percentile and the longest of its pauses, from the "
                   "request to stop until "
                   "all threads run again.\n\n"
                   "With HEAP, prints everything that is known of that one, and draws two histograms: of the pauses, "
                   "and of the times to "
                   "stop, the part of a pause in which threads come to rest. A row counts the pauses up to the "
                   "duration at its left and over "
                   "that of the row before. Quantiles are upper bounds that are off by an eighth at most.\n\n"
                   "The process folds counters that its threads keep anyway; nobody is stopped. With --json it prints "
                   "the process's answer, one object "
                   "each time it is asked.",
    .examples =
        "gcctl stat\ngcctl stat wordgraph\ngcctl stat --interval=1s --count=10\ngcctl stat --json --pid=wordgraph\n",
    .arguments = stat_arguments,
    .options = stat_options,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = stat_run,
};
