/* cmd_export_perfetto.c - events and samples in Chrome's trace format, which ui.perfetto.dev and chrome://tracing read.
 * A heap has two tracks, its collections and its stops, as slices of one track must nest; threads that stalled have one
 * each; bytes are counters. Times are CLOCK_MONOTONIC in microseconds. */
#include "tools/gcctl/cmd_export.h"

#include "tools/gcctl/figures.h"

#include <string.h>

#define HEAP_TRACKS 1000000000 /* above any tid */

struct trace {
    json_t *events;
    json_t *tracks; /* heap's name -> number */
    json_t *begins; /* heap's name -> its last "collection begin" */
    json_int_t pid;
};

static json_t *trace_event(struct trace *trace, const char *phase, const char *name, double ns, json_int_t tid)
{
    json_t *event = json_pack("{s:s, s:s, s:f, s:I, s:I}", "ph", phase, "name", name, "ts", ns / 1e3, "pid", trace->pid,
                              "tid", tid);
    json_array_append_new(trace->events, event);
    return event;
}

static void trace_metadata(struct trace *trace, const char *what, json_int_t tid, const char *name, int sort)
{
    json_array_append_new(trace->events, json_pack("{s:s, s:s, s:I, s:I, s:{s:s}}", "ph", "M", "name", what, "pid",
                                                   trace->pid, "tid", tid, "args", "name", name));
    if (sort)
        json_array_append_new(trace->events,
                              json_pack("{s:s, s:s, s:I, s:I, s:{s:i}}", "ph", "M", "name", "thread_sort_index", "pid",
                                        trace->pid, "tid", tid, "args", "sort_index", sort));
}

/* The heap's first track, named when it is new. */
static json_int_t trace_track(struct trace *trace, const char *heap)
{
    char name[160];
    json_t *known = json_object_get(trace->tracks, heap);
    if (known)
        return json_integer_value(known);
    const int n = (int)json_object_size(trace->tracks);
    const json_int_t track = HEAP_TRACKS + 2 * n;
    json_object_set_new(trace->tracks, heap, json_integer(track));
    snprintf(name, sizeof(name), "heap %.120s: collections", heap);
    trace_metadata(trace, "thread_name", track, name, 2 * n + 1);
    snprintf(name, sizeof(name), "heap %.120s: stops", heap);
    trace_metadata(trace, "thread_name", track + 1, name, 2 * n + 2);
    return track;
}

static void trace_slice(struct trace *trace, const char *name, double end_ns, double ns, json_int_t tid,
                        const json_t *values)
{
    json_t *event = trace_event(trace, "X", name, end_ns - ns, tid);
    json_object_set_new(event, "dur", json_real(ns / 1e3));
    json_object_set_new(event, "args", json_copy((json_t *)values));
}

static void trace_counter(struct trace *trace, const char *heap, double ns, const char *series, double bytes)
{
    char name[160];
    snprintf(name, sizeof(name), "heap %.120s: %s", heap, series);
    json_t *event = trace_event(trace, "C", name, ns, 0);
    json_object_set_new(event, "args", json_pack("{s:I}", "bytes", (json_int_t)bytes));
}

static void trace_collection(struct trace *trace, const char *heap, double time_ns, const json_t *values)
{
    const json_t *begin = json_object_get(trace->begins, heap);
    const double began_ns = begin ? gcctl_figure(begin, "time_ns") : 0;
    double ns = gcctl_figure(values, "pause_ns");
    if (began_ns > 0 && time_ns - began_ns > 0)
        ns = time_ns - began_ns;
    json_object_del(trace->begins, heap);
    trace_slice(trace, gcctl_figure(values, "kind") > 0 ? "full" : "minor", time_ns, ns,
                trace_track(trace, heap), values);
}

static void trace_one(struct trace *trace, json_t *event)
{
    const char *kind = gcctl_figure_text(event, "kind"), *name = gcctl_figure_text(event, "name");
    const json_t *values = json_object_get(event, "values");
    const double time_ns = gcctl_figure(event, "time_ns");
    if (!strcmp(kind, "collection begin")) {
        json_object_set(trace->begins, name, event);
        trace_counter(trace, name, time_ns, "live", gcctl_figure(values, "live_bytes"));
    } else if (!strcmp(kind, "collection end")) {
        trace_collection(trace, name, time_ns, values);
    } else if (!strcmp(kind, "stop")) {
        const json_int_t track = trace_track(trace, name) + 1;
        const double stop_ns = gcctl_figure(values, "stop_ns"), to_stop_ns = gcctl_figure(values, "to_stop_ns");
        trace_slice(trace, "stop", time_ns, stop_ns, track, values);
        trace_slice(trace, "waiting for threads", time_ns - stop_ns + to_stop_ns, to_stop_ns, track, NULL);
    } else if (!strcmp(kind, "stall")) {
        const json_int_t tid = (json_int_t)gcctl_figure(values, "thread");
        trace_metadata(trace, "thread_name", tid, name, 0);
        trace_slice(trace, "long section", time_ns, gcctl_figure(values, "age_ns"), tid, values);
    } else {
        json_t *instant = trace_event(trace, "i", kind, time_ns, (json_int_t)gcctl_figure(event, "thread"));
        json_object_set_new(instant, "s", json_string("p"));
        json_object_set_new(instant, "args", json_pack("{s:s, s:O?}", "name", name, "values", values));
    }
}

static void trace_sample(struct trace *trace, const json_t *stat)
{
    size_t i;
    const json_t *heap;
    json_array_foreach(json_object_get(stat, "heaps"), i, heap)
    {
        const char *name = gcctl_figure_text(heap, "name");
        trace_counter(trace, name, gcctl_figure(stat, "time_ns"), "live", gcctl_figure(heap, "live_bytes"));
        trace_counter(trace, name, gcctl_figure(stat, "time_ns"), "held", gcctl_figure(heap, "held_bytes"));
    }
}

void gcctl_export_perfetto(FILE *out, const json_t *hello, const json_t *stats, const json_t *events)
{
    struct trace trace = {.events = json_array(), .tracks = json_object(), .begins = json_object()};
    size_t i;
    json_t *item;
    trace.pid = (json_int_t)gcctl_figure(hello, "pid");
    trace_metadata(&trace, "process_name", 0, gcctl_figure_text(hello, "program"), 0);
    json_array_foreach(events, i, item)
    {
        trace_one(&trace, item);
    }
    json_array_foreach(stats, i, item)
    {
        trace_sample(&trace, item);
    }
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", out);
    json_array_foreach(trace.events, i, item)
    {
        fputs(i ? ",\n" : "\n", out);
        json_dumpf(item, out, JSON_COMPACT);
    }
    fputs("\n]}\n", out);
    json_decref(trace.events);
    json_decref(trace.tracks);
    json_decref(trace.begins);
}
