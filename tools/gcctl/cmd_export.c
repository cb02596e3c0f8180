/* cmd_export.c - gcctl export: a process's figures for other tools. Formats are in cmd_export_*.c; here are the
 * command, CSV and where it goes. */
#include "tools/gcctl/cmd_export.h"

#include "tools/gcctl/figures.h"
#include "tools/gcctl/print.h"
#include "tools/gcctl/samples.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static volatile int interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* ---- CSV (RFC 4180, lines end in \n) */

static const char *const csv_keys[] = {"live_objects", "live_bytes",    "held_bytes",    "peak_bytes", "external_bytes",
                                       "allocated",    "reclaimed",     "minor",         "full",       "emergency",
                                       "visited",      "retired_bytes", "grace_periods", "stalls",     NULL};
static const char *const csv_pauses[] = {"n", "sum_ns", "p50_ns", "p99_ns", "max_ns", NULL};

static void put_field(FILE *out, const char *text)
{
    if (!text[strcspn(text, "\",\n\r")]) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++)
        fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
    fputc('"', out);
}

void gcctl_export_csv_head(FILE *out)
{
    fputs("seconds,rss_bytes,heap,strategy", out);
    for (size_t i = 0; csv_keys[i]; i++)
        fprintf(out, ",%s", csv_keys[i]);
    for (size_t i = 0; csv_pauses[i]; i++)
        fprintf(out, ",pauses_%s", csv_pauses[i]);
    fputc('\n', out);
}

void gcctl_export_csv(FILE *out, const json_t *stat, double began_ns)
{
    size_t i;
    const json_t *heap;
    json_array_foreach (json_object_get(stat, "heaps"), i, heap) {
        fprintf(out, "%.6f,%" PRIu64 ",", (gcctl_figure(stat, "time_ns") - began_ns) / 1e9,
                gcctl_figure_u64(stat, "rss_bytes"));
        put_field(out, gcctl_figure_text(heap, "name"));
        fputc(',', out);
        put_field(out, gcctl_figure_text(heap, "strategy"));
        for (size_t j = 0; csv_keys[j]; j++)
            fprintf(out, ",%" PRIu64, gcctl_figure_u64(heap, csv_keys[j]));
        for (size_t j = 0; csv_pauses[j]; j++)
            fprintf(out, ",%" PRIu64, gcctl_figure_u64(json_object_get(heap, "pauses"), csv_pauses[j]));
        fputc('\n', out);
    }
}

struct csv {
    FILE *out;
    struct gcctl_samples *samples;
    double began_ns;
    int64_t left;
};

/* Lines go out as samples come, which are then forgotten. */
static int csv_tick(void *arg)
{
    struct csv *csv = arg;
    json_t *stat = json_array_get(csv->samples->stats, 0);
    if (csv->began_ns == 0)
        csv->began_ns = gcctl_figure(stat, "time_ns");
    gcctl_export_csv(csv->out, stat, csv->began_ns);
    json_array_clear(csv->samples->stats);
    json_array_clear(csv->samples->events);
    csv->left--;
    if (csv->left == 0)
        interrupted = 1;
    return fflush(csv->out) ? EX_IOERR : 0;
}

static int export_csv(FILE *out, struct gcctl_client *client, int64_t interval_ns, int64_t count)
{
    struct gcctl_samples samples;
    gcctl_samples_init(&samples);
    struct csv csv = {out, &samples, 0, count};
    gcctl_export_csv_head(out);
    const int status = gcctl_samples_watch(&samples, client, INT64_MAX / 2, interval_ns, &interrupted, csv_tick, &csv);
    gcctl_samples_fini(&samples);
    return status == EX_IOERR && ferror(out) ? 0 : status; /* said where the file is closed */
}

/* ---- the other two */

static int export_prometheus(FILE *out, struct gcctl_client *client)
{
    int status = 0;
    json_t *hello = gcctl_request(client, "hello", NULL, NULL, NULL, &status);
    json_t *stat = hello ? gcctl_request(client, "stat", NULL, NULL, NULL, &status) : NULL;
    json_t *caches = stat ? gcctl_request(client, "caches", NULL, NULL, NULL, &status) : NULL;
    if (caches)
        gcctl_export_prometheus(out, hello, stat, caches);
    json_decref(hello);
    json_decref(stat);
    json_decref(caches);
    return status;
}

static int export_perfetto(FILE *out, struct gcctl_client *client, int64_t interval_ns, int64_t for_ns)
{
    struct gcctl_samples samples;
    int status = 0;
    json_t *hello = gcctl_request(client, "hello", NULL, NULL, NULL, &status);
    if (!hello)
        return status;
    gcctl_samples_init(&samples);
    status = gcctl_samples_watch(&samples, client, for_ns, interval_ns, &interrupted, NULL, NULL);
    if (!status && for_ns && !samples.ended && gcctl_samples_log(&samples, client) && !samples.ended)
        status = EX_UNAVAILABLE;
    if (!status) {
        gcctl_export_perfetto(out, hello, samples.stats, samples.events);
        if (samples.lost)
            gcctl_note("%lld older events were overwritten before they could be read", (long long)samples.lost);
    }
    gcctl_samples_fini(&samples);
    json_decref(hello);
    return status;
}

/* ---- the command */

static int export_to(FILE *out, struct gcctl_call *call, struct gcctl_client *client)
{
    int status = 0;
    const bool csv = gcctl_flag(call, "csv");
    const int64_t interval_ns = gcctl_number(call, "interval", csv ? 1000000000 : 100000000);
    if (csv)
        status = export_csv(out, client, interval_ns < 1000000 ? 1000000 : interval_ns, gcctl_number(call, "count", 1));
    else if (gcctl_flag(call, "perfetto"))
        status =
            export_perfetto(out, client, interval_ns < 1000000 ? 1000000 : interval_ns, gcctl_number(call, "for", 0));
    else
        status = export_prometheus(out, client);
    return status;
}

static int run(struct gcctl_call *call)
{
    const char *path = gcctl_text(call, "output");
    const struct sigaction action = {.sa_handler = on_interrupt};
    if (gcctl_flag(call, "prometheus") + gcctl_flag(call, "perfetto") + gcctl_flag(call, "csv") != 1)
        return gcctl_error(EX_USAGE, "export: one of --prometheus, --perfetto and --csv is wanted");
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int status = 0;
    struct gcctl_client *client = gcctl_connect(call, gcctl_text(call, "process"), &status);
    if (!client)
        return status;
    FILE *out = path && strcmp(path, "-") ? fopen(path, "w") : stdout; /* a file that is there stays till now */
    if (!out)
        status = gcctl_error(EX_CANTCREAT, "%s: %s", path, strerror(errno));
    else
        status = export_to(out, call, client);
    gcctl_disconnect(client);
    return out ? gcctl_output_end(out, path, status) : status;
}

static const struct gcctl_option arguments[] = {
    {.name = "process", .kind = GCCTL_PROCESS, .value = "PROCESS", .help = "Pid or program, where there are several"},
    {0},
};

static const struct gcctl_option options[] = {
    {.name = "prometheus",
     .kind = GCCTL_FLAG,
     .help = "Prometheus text format: gauges, counters, histograms of pauses"},
    {.name = "perfetto", .kind = GCCTL_FLAG, .help = "Trace of collections, stops and stalls for ui.perfetto.dev"},
    {.name = "csv", .kind = GCCTL_FLAG, .help = "A line for each heap and sample"},
    {.name = "output", .letter = 'o', .kind = GCCTL_FILE, .value = "FILE", .help = "Write to FILE, not to stdout"},
    {.name = "interval",
     .letter = 'i',
     .kind = GCCTL_DURATION,
     .value = "DURATION",
     .help = "Time between samples (default 1s with --csv, 100ms with --perfetto)"},
    {.name = "count",
     .letter = 'n',
     .kind = GCCTL_INTEGER,
     .value = "N",
     .help = "Samples of --csv (default 1)",
     .minimum = 1,
     .maximum = 1000000000},
    {.name = "for",
     .kind = GCCTL_DURATION,
     .value = "DURATION",
     .help = "With --perfetto: watch so long, besides the events that are kept (default 0)"},
    {0},
};

const struct gcctl_command gcctl_command_export = {
    .name = "export",
    .group = "See",
    .summary = "Figures for Prometheus, Perfetto or a spreadsheet",
    .description = "--prometheus writes all figures once, as a node exporter's textfile collector or a scrape by a "
                   "wrapper wants them; times are in seconds, sizes in bytes.\n\n"
                   "--perfetto writes a trace in Chrome's format, which ui.perfetto.dev opens: a process keeps its "
                   "last 1,024 events; --for goes on for a while and adds counters of live and held "
                   "bytes.\n\n"
                   "--csv writes a line for each heap and sample; counters run from the heap's opening.\n\n"
                   "Costs the process an answer or two of its control thread for each sample; nobody is stopped.",
    .examples = "gcctl export --prometheus -o /var/lib/node_exporter/slabgc.prom\n"
                "gcctl export wordgraph --perfetto --for 10s -o trace.json\n"
                "gcctl export --csv --interval 100ms --count 100 -o samples.csv",
    .arguments = arguments,
    .options = options,
    .flags = GCCTL_LIVE,
    .run = run,
};
