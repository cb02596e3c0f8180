/* cmd_trace.c - gcctl trace: what is in a recording: heaps, types, events, how long objects lived. One pass over the
 * file. One thread. */
#include "tools/gcctl/command.h"
#include "tools/gcctl/print.h"
#include "tools/trace/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

/* Upper bound of the bucket in which the quantile of those that ended lies. */
static double trace_quantile(const uint64_t buckets[TRACE_LIFE_BUCKETS], uint64_t n, double quantile)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < TRACE_LIFE_BUCKETS; i++) {
        seen += buckets[i];
        if (n && (double)seen >= quantile * (double)n)
            return i ? (double)(UINT64_C(1) << (i - 1)) * 2 : 0;
    }
    return 0;
}

static json_t *histogram_json(const uint64_t buckets[TRACE_LIFE_BUCKETS])
{
    json_t *list = json_array();
    for (unsigned i = 0; i < TRACE_LIFE_BUCKETS; i++)
        if (buckets[i]) /* [upper bound, n] */
            json_array_append_new(list, json_pack("[I, I]", (json_int_t)(i ? (UINT64_C(1) << (i - 1)) * 2 - 1 : 0),
                                                  (json_int_t)buckets[i]));
    return list;
}

static json_t *cache_json(const struct trace_info *info, uint32_t i, const struct trace_lives *lives)
{
    const struct trace_cache *cache = &info->caches[i];
    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "heap", info->heaps[cache->heap].name,
                     "cache", cache->name, "size_bytes", (int)cache->size_bytes, "made", (json_int_t)lives->n_made,
                     "ended", (json_int_t)lives->n_ended, "bytes", (json_int_t)lives->bytes_made, "peak",
                     (json_int_t)lives->peak, "peak_bytes", (json_int_t)lives->peak_bytes, "lifetimes_ns",
                     histogram_json(lives->by_ns), "lifetimes_bytes", histogram_json(lives->by_bytes),
                     "lifetimes_events", histogram_json(lives->by_events));
}

static json_t *trace_json(const struct trace_info *info, const struct trace_analysis *analysis)
{
    json_t *ops = json_object(), *caches = json_array(), *points = json_array(), *heaps = json_array();
    for (unsigned op = 0; op < SGC_N_RECORD_OPS; op++)
        if (analysis->ops[op])
            json_object_set_new(ops, trace_op_name((uint8_t)op), json_integer((json_int_t)analysis->ops[op]));
    for (uint32_t i = 0; i < info->n_heaps; i++)
        if (info->heaps[i].defined)
            json_array_append_new(heaps, json_pack("{s:s, s:s, s:I}", "name", info->heaps[i].name, "strategy",
                                                   info->heaps[i].strategy, "memory_limit_bytes",
                                                   (json_int_t)info->heaps[i].memory_limit_bytes));
    for (uint32_t i = 0; i < info->n_caches; i++)
        if (info->caches[i].defined)
            json_array_append_new(caches, cache_json(info, i, &analysis->caches[i]));
    for (uint32_t i = 0; i < analysis->n_points; i++)
        json_array_append_new(points, json_pack("[I, I, I]", (json_int_t)analysis->points[i].time_ns,
                                                (json_int_t)analysis->points[i].live,
                                                (json_int_t)analysis->points[i].live_bytes));
    return json_pack("{s:i, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "trace", 1,
                     "program", info->program, "slabgc", info->version, "replayable", info->replayable, "cut_off",
                     analysis->cut, "events", (json_int_t)analysis->n_events, "objects",
                     (json_int_t)analysis->n_objects, "threads", (json_int_t)info->n_threads, "duration_ns",
                     (json_int_t)analysis->duration_ns, "waited_ns", (json_int_t)info->waited_ns, "file_bytes",
                     (json_int_t)info->file_bytes, "event_bytes", (json_int_t)info->event_bytes, "ops", ops, "heaps",
                     heaps, "caches", caches, "live", points);
}

static void print_head(const struct trace_info *info, const struct trace_analysis *analysis, const char *file)
{
    char units[6][GCCTL_UNIT_BYTES];
    const double n = analysis->n_events ? (double)analysis->n_events : 1;
    printf("%s: %s, %s%s\n", file, info->program, info->replayable ? "replayable" : "sampled: cannot be replayed",
           analysis->cut ? ", cut off" : "");
    printf("%s events of %u threads in %s; %s objects; %s, %.1f bytes an event (%.1f before compression)\n",
           gcctl_count(units[0], (double)analysis->n_events), info->n_threads,
           gcctl_duration(units[1], (double)analysis->duration_ns), gcctl_count(units[2], (double)analysis->n_objects),
           gcctl_bytes(units[3], (double)info->file_bytes), (double)info->file_bytes / n,
           (double)info->event_bytes / n);
    printf("most alive at a time: %s objects, %s\n\n", gcctl_count(units[4], (double)analysis->peak_live),
           gcctl_bytes(units[5], (double)analysis->peak_bytes));
}

static void print_caches(const struct gcctl_call *call, const struct trace_info *info,
                         const struct trace_analysis *analysis)
{
    static const char *const titles[] = {"heap", "cache",    "size",     "made",     "ended",
                                         "peak", "life p50", "life p90", "life p99", "p50 in bytes"};
    struct gcctl_table *table = gcctl_table_create(call);
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        gcctl_table_column(table, titles[i], i > 1 ? GCCTL_RIGHT : 0);
    for (uint32_t i = 0; i < info->n_caches; i++) {
        const struct trace_cache *cache = &info->caches[i];
        const struct trace_lives *lives = &analysis->caches[i];
        char units[8][GCCTL_UNIT_BYTES];
        if (!cache->defined)
            continue;
        gcctl_table_row(
            table,
            (const char *[]){info->heaps[cache->heap].name, cache->name, gcctl_bytes(units[0], cache->size_bytes),
                             gcctl_count(units[1], (double)lives->n_made),
                             gcctl_count(units[2], (double)lives->n_ended), gcctl_count(units[3], (double)lives->peak),
                             gcctl_duration(units[4], trace_quantile(lives->by_ns, lives->n_ended, 0.5)),
                             gcctl_duration(units[5], trace_quantile(lives->by_ns, lives->n_ended, 0.9)),
                             gcctl_duration(units[6], trace_quantile(lives->by_ns, lives->n_ended, 0.99)),
                             gcctl_bytes(units[7], trace_quantile(lives->by_bytes, lives->n_ended, 0.5))});
    }
    gcctl_table_print(table);
}

static int trace_command(struct gcctl_call *call)
{
    const char *file = gcctl_text(call, "file");
    struct sgc_error error;
    struct trace *trace = trace_open(file, &error);
    struct trace_analysis *analysis = trace ? trace_analyze(trace, &error) : NULL;
    int status = 0;
    if (!analysis) {
        trace_close(trace);
        return gcctl_error(error.code == -EBADMSG  ? EX_DATAERR
                           : error.code == -ENOMEM ? EX_OSERR
                                                   : EX_NOINPUT,
                           "%s: %s", file, error.message);
    }
    const struct trace_info *info = trace_info(trace);
    if (call->json) {
        status = gcctl_print_json(trace_json(info, analysis));
    } else {
        print_head(info, analysis, file);
        for (unsigned op = 0; op < SGC_N_RECORD_OPS; op++)
            if (analysis->ops[op])
                printf("  %-10s %llu\n", trace_op_name((uint8_t)op), (unsigned long long)analysis->ops[op]);
        putchar('\n');
        print_caches(call, info, analysis);
    }
    trace_analysis_free(analysis);
    trace_close(trace);
    return status;
}

static const struct gcctl_option arguments[] = {
    {.name = "file", .kind = GCCTL_FILE, .value = "FILE", .help = "A recording", .required = true},
    {0},
};

const struct gcctl_command gcctl_command_trace = {
    .name = "trace",
    .group = "Tuning",
    .summary = "Show what a recording holds",
    .description = "Reads a whole recording and shows its heaps and types, how many events of each kind there are, and "
                   "how long the "
                   "objects of each cache lived, from their making to when the recorded strategy reclaimed them "
                   "(powers of two; in time and in "
                   "bytes allocated meanwhile). A file that was cut off is read up to there.",
    .examples = "gcctl trace words.trace",
    .arguments = arguments,
    .flags = GCCTL_READS,
    .run = trace_command,
};
