/* cmd_export_prometheus.c - figures of a process for Prometheus, in its text format 0.0.4. Families stand together,
 * each with HELP and TYPE. Buckets of histograms are always the same 25 powers of two from 1.024us on: a series must
 * not come and go. Source: prometheus.io, exposition formats. */
#include "tools/gcctl/cmd_export.h"

#include "tools/gcctl/figures.h"

#include <inttypes.h>
#include <string.h>

#define FIRST_POWER 10
#define LAST_POWER 34

struct family {
    const char *name, *type, *help, *key; /* key: member of HEAP or CACHE */
};

static const struct family heap_families[] = {
    {"slabgc_heap_live_objects", "gauge", "Objects allocated and not yet reclaimed.", "live_objects"},
    {"slabgc_heap_live_bytes", "gauge", "Memory of live objects.", "live_bytes"},
    {"slabgc_heap_held_bytes", "gauge", "Memory the heap holds: slabs and large objects.", "held_bytes"},
    {"slabgc_heap_peak_bytes", "gauge", "Most memory the heap held at one time.", "peak_bytes"},
    {"slabgc_heap_external_bytes", "gauge", "Memory elsewhere that objects answer for.", "external_bytes"},
    {"slabgc_heap_retired_bytes", "gauge", "Memory of dead objects that wait for a grace period.", "retired_bytes"},
    {"slabgc_heap_memory_limit_bytes", "gauge", "Memory limit; absent when there is none.", "memory_limit_bytes"},
    {"slabgc_heap_allocated_objects_total", "counter", "Objects allocated.", "allocated"},
    {"slabgc_heap_reclaimed_objects_total", "counter", "Objects reclaimed.", "reclaimed"},
    {"slabgc_heap_emergency_collections_total", "counter", "Collections because memory ran out.", "emergency"},
    {"slabgc_heap_visited_objects_total", "counter", "Objects that collections visited.", "visited"},
    {"slabgc_heap_finalizers_run_total", "counter", "Finalizers run.", "finalizers_run"},
    {"slabgc_heap_weak_cleared_total", "counter", "Weak references cleared.", "weak_cleared"},
    {"slabgc_heap_grace_periods_total", "counter", "Grace periods.", "grace_periods"},
    {"slabgc_heap_stalls_total", "counter", "Sections reported as too long.", "stalls"},
    {0},
};

static const struct family cache_families[] = {
    {"slabgc_cache_live_objects", "gauge", "Live objects of the cache.", "live"},
    {"slabgc_cache_live_bytes", "gauge", "Memory of the cache's live objects.", "live_bytes"},
    {"slabgc_cache_held_bytes", "gauge", "Memory the cache holds.", "held_bytes"},
    {"slabgc_cache_slabs", "gauge", "Slabs of the cache.", "slabs"},
    {"slabgc_cache_slots", "gauge", "Slots of the cache's slabs.", "slots"},
    {"slabgc_cache_allocated_objects_total", "counter", "Objects allocated in the cache.", "allocated"},
    {0},
};

struct labels {
    const char *program;
    long pid;
};

static void put_value(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            fprintf(out, "\\%c", *text);
        else if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

/* name{program=..,pid=..,heap=..,.. and leaves the brace open. */
static void put_labels(FILE *out, const char *name, const struct labels *labels, const json_t *object,
                       const char *heap_key)
{
    fprintf(out, "%s{program=", name);
    put_value(out, labels->program);
    fprintf(out, ",pid=\"%ld\"", labels->pid);
    if (!object)
        return;
    fputs(",heap=", out);
    put_value(out, gcctl_figure_text(object, heap_key));
    fputs(!strcmp(heap_key, "name") ? ",strategy=" : ",cache=", out);
    put_value(out, gcctl_figure_text(object, !strcmp(heap_key, "name") ? "strategy" : "name"));
}

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_families(FILE *out, const struct family *families, const struct labels *labels, const json_t *objects,
                         const char *heap_key)
{
    size_t i;
    const json_t *object;
    for (const struct family *family = families; family->name; family++) {
        put_head(out, family->name, family->type, family->help);
        json_array_foreach(objects, i, object)
        {
            if (!json_is_number(json_object_get(object, family->key)))
                continue;
            put_labels(out, family->name, labels, object, heap_key);
            fprintf(out, "} %" PRIu64 "\n", gcctl_figure_u64(object, family->key));
        }
    }
}

static void put_collections(FILE *out, const struct labels *labels, const json_t *heaps)
{
    static const char *const kinds[] = {"minor", "full"};
    size_t i;
    const json_t *heap;
    put_head(out, "slabgc_heap_collections_total", "counter", "Collections by kind.");
    json_array_foreach(heaps, i, heap)
    {
        for (int kind = 0; kind < 2; kind++) {
            put_labels(out, "slabgc_heap_collections_total", labels, heap, "name");
            fprintf(out, ",kind=\"%s\"} %" PRIu64 "\n", kinds[kind], gcctl_figure_u64(heap, kinds[kind]));
        }
    }
}

static void put_histogram(FILE *out, const char *name, const struct labels *labels, const json_t *heap, const char *key)
{
    char part[96];
    struct gcctl_buckets buckets;
    gcctl_buckets_read(&buckets, json_object_get(heap, key));
    snprintf(part, sizeof(part), "%s_bucket", name);
    for (int power = FIRST_POWER; power <= LAST_POWER; power++) {
        uint64_t n = 0;
        for (size_t i = 0; i < buckets.n_buckets && buckets.buckets[i].upper_ns <= UINT64_C(1) << power; i++)
            n += buckets.buckets[i].n;
        put_labels(out, part, labels, heap, "name");
        fprintf(out, ",le=\"%.10g\"} %" PRIu64 "\n", (double)(UINT64_C(1) << power) / 1e9, n);
    }
    put_labels(out, part, labels, heap, "name");
    fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\n", buckets.n);
    snprintf(part, sizeof(part), "%s_sum", name);
    put_labels(out, part, labels, heap, "name");
    fprintf(out, "} %.9f\n", (double)buckets.sum_ns / 1e9);
    snprintf(part, sizeof(part), "%s_count", name);
    put_labels(out, part, labels, heap, "name");
    fprintf(out, "} %" PRIu64 "\n", buckets.n);
}

static void put_histograms(FILE *out, const char *name, const char *help, const struct labels *labels,
                           const json_t *heaps, const char *key)
{
    size_t i;
    const json_t *heap;
    put_head(out, name, "histogram", help);
    json_array_foreach(heaps, i, heap)
    {
        put_histogram(out, name, labels, heap, key);
    }
}

void gcctl_export_prometheus(FILE *out, const json_t *hello, const json_t *stat, const json_t *caches)
{
    const struct labels labels = {gcctl_figure_text(hello, "program"), (long)gcctl_figure(hello, "pid")};
    const json_t *heaps = json_object_get(stat, "heaps");
    put_head(out, "slabgc_info", "gauge", "Version of slabgc in the process; always 1.");
    put_labels(out, "slabgc_info", &labels, NULL, NULL);
    fputs(",version=", out);
    put_value(out, gcctl_figure_text(hello, "slabgc"));
    fputs("} 1\n", out);
    put_head(out, "slabgc_uptime_seconds", "gauge", "Time since the first heap opened.");
    put_labels(out, "slabgc_uptime_seconds", &labels, NULL, NULL);
    fprintf(out, "} %.3f\n", gcctl_figure(hello, "uptime_ns") / 1e9);
    put_head(out, "slabgc_resident_bytes", "gauge", "Resident memory of the process.");
    put_labels(out, "slabgc_resident_bytes", &labels, NULL, NULL);
    fprintf(out, "} %" PRIu64 "\n", gcctl_figure_u64(stat, "rss_bytes"));
    put_families(out, heap_families, &labels, heaps, "name");
    put_collections(out, &labels, heaps);
    put_histograms(out, "slabgc_heap_pause_seconds", "Stops of the heap's collections.", &labels, heaps, "pauses");
    put_histograms(out, "slabgc_heap_time_to_stop_seconds", "Time until all threads were at rest.", &labels, heaps,
                   "times_to_stop");
    put_families(out, cache_families, &labels, json_object_get(caches, "caches"), "heap");
}
