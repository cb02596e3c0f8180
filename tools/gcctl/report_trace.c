/* report_trace.c - what a report takes from a recording: lifetimes by cache and live bytes over time, by the analysis
 * of tools/trace. See report.h. */
#include "tools/gcctl/print.h"
#include "tools/gcctl/report.h"
#include "tools/trace/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Upper bound of the bucket with the quantile: bucket b ends below 2^b. */
static double lives_quantile(const uint64_t by_ns[TRACE_LIFE_BUCKETS], uint64_t n, double quantile)
{
    uint64_t seen = 0;
    for (int b = 0; b < TRACE_LIFE_BUCKETS && n; b++) {
        seen += by_ns[b];
        if ((double)seen >= quantile * (double)n)
            return exp2(b);
    }
    return 0;
}

static void take_lifetimes(struct gcctl_report *report, const struct trace_info *info,
                           const struct trace_analysis *analysis)
{
    report->lifetimes = calloc(info->n_caches + 1, sizeof(*report->lifetimes));
    for (uint32_t i = 0; i < info->n_caches && report->lifetimes; i++) {
        const struct trace_lives *lives = &analysis->caches[i];
        const struct trace_cache *cache = &info->caches[i];
        if (!cache->defined || !lives->n_made)
            continue;
        struct gcctl_lifetime_row *row = &report->lifetimes[report->n_lifetimes++];
        snprintf(row->name, sizeof(row->name), "%.64s / %.64s",
                 cache->heap < info->n_heaps ? info->heaps[cache->heap].name : "?", cache->name);
        row->n = (double)lives->n_ended;
        row->n_alive = (double)(lives->n_made - lives->n_ended);
        row->p50_ns = lives_quantile(lives->by_ns, lives->n_ended, 0.5);
        row->p90_ns = lives_quantile(lives->by_ns, lives->n_ended, 0.9);
        for (int b = 0; b < TRACE_LIFE_BUCKETS; b++) /* bucket b: 2^(b-1) to 2^b; bin i of the chart: 2^i to 2^(i+1) */
            row->bins[b ? b - 1 : 0] += (double)lives->by_ns[b];
    }
}

static void take_points(struct gcctl_report *report, const struct trace_analysis *analysis)
{
    report->point_seconds = calloc(analysis->n_points + 1, sizeof(double));
    report->point_bytes = calloc(analysis->n_points + 1, sizeof(double));
    for (uint32_t i = 0; i < analysis->n_points && report->point_seconds && report->point_bytes; i++) {
        report->point_seconds[report->n_points] = (double)analysis->points[i].time_ns / 1e9;
        report->point_bytes[report->n_points++] = (double)analysis->points[i].live_bytes;
    }
}

static int trace_status(int code)
{
    return code == -ENOENT ? EX_NOINPUT : code == -ENOMEM ? EX_OSERR : code == -EBADMSG ? EX_DATAERR : EX_IOERR;
}

int gcctl_report_recording(struct gcctl_report *report, const char *path)
{
    struct sgc_error error;
    char took[GCCTL_UNIT_BYTES];
    struct trace *trace = trace_open(path, &error);
    if (!trace)
        return gcctl_error(trace_status(error.code), "%s: %s", path, error.message);
    struct trace_analysis *analysis = trace_analyze(trace, &error);
    if (!analysis) {
        trace_close(trace);
        return gcctl_error(trace_status(error.code), "%s: %s", path, error.message);
    }
    const struct trace_info *info = trace_info(trace);
    take_lifetimes(report, info, analysis);
    take_points(report, analysis);
    snprintf(report->recording, sizeof(report->recording), "%s", path);
    snprintf(report->recorded, sizeof(report->recorded),
             "recording of %.200s (%" PRId64 "): %" PRIu64 " events in %s%s%s", info->program, info->pid,
             analysis->n_events, gcctl_duration(took, (double)analysis->duration_ns),
             info->replayable ? "" : ", sampled: objects are missing", analysis->cut ? ", cut off at its end" : "");
    trace_analysis_free(analysis);
    trace_close(trace);
    return 0;
}

int gcctl_report_tune(struct gcctl_report *report, const char *path)
{
    json_error_t error;
    report->tune = json_load_file(path, 0, &error);
    if (!report->tune && error.line <= 0)
        return gcctl_error(EX_NOINPUT, "%s: %s", path, error.text);
    if (!report->tune)
        return gcctl_error(EX_DATAERR, "%s:%d:%d: %s", path, error.line, error.column, error.text);
    if (!json_is_integer(json_object_get(report->tune, "tune")))
        return gcctl_error(EX_DATAERR, "%s: no result of gcctl tune", path);
    if (json_integer_value(json_object_get(report->tune, "tune")) != 1)
        return gcctl_error(EX_DATAERR, "%s: a result of version %lld; this gcctl reads version 1", path,
                           (long long)json_integer_value(json_object_get(report->tune, "tune")));
    return 0;
}
