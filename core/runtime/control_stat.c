/* control_stat.c - the commands stat and caches: figures of heaps and caches.
 * Called by control_client.c; the JSON of a heap also by control_report.c.
 * Figures are copied under the read lock, one heap at a time, and written behind it: no program thread waits for JSON.
 * Locks: the read lock (runtime.h), and below it what sgc_heap_stats takes. */
#include "core/runtime/control_stat.h"

#include "core/base/check.h"
#include "core/base/suggest.h"
#include "core/os/clock.h"
#include "core/os/process.h"
#include "core/runtime/control.h"
#include "core/runtime/plugin_check.h"
#include "core/runtime/runtime.h"
#include "core/stats/histogram.h"

#include <errno.h>
#include <string.h>

/* ---- heaps by name */

int sgc_control_heap(struct sgc_control_request *request, struct sgc_open_heap **out)
{
    const char *name = sgc_control_text(request, "heap"), *names[SGC_MAX_HEAPS];
    size_t n = 0;
    *out = NULL;
    if (!name)
        return 0;
    SGC_LIST_FOR_EACH (link, sgc_runtime_heaps()) {
        struct sgc_open_heap *record = SGC_LIST_ENTRY(link, struct sgc_open_heap, link);
        if (strcmp(record->heap->name, name) == 0) {
            *out = record;
            return 0;
        }
        names[n++] = record->heap->name;
    }
    const char *nearest = sgc_suggest(name, names, n);
    if (nearest)
        return sgc_control_fail(request, -EINVAL, "no heap \"%.64s\"; did you mean \"%s\"?", name, nearest);
    return sgc_control_fail(request, -EINVAL, "no heap \"%.64s\" is open", name);
}

/* ---- HEAP */

json_t *sgc_control_capabilities(uint32_t bits)
{
    json_t *list = json_array();
    const struct sgc_capability *capability;
    for (size_t i = 0; (capability = sgc_capability_at(i)); i++)
        if (bits & capability->bit)
            json_array_append_new(list, json_string(capability->name));
    return list;
}

void sgc_control_figures(struct sgc_heap *heap, struct sgc_control_figures *out)
{
    memcpy(out->name, heap->name, sizeof(out->name));
    out->plugin = sgc_heap_plugin(heap);
    out->needs = __atomic_load_n(&heap->needs, __ATOMIC_RELAXED);
    out->soft_bytes = __atomic_load_n(&heap->budget.soft_bytes, __ATOMIC_RELAXED);
    out->hard_bytes = __atomic_load_n(&heap->budget.hard_bytes, __ATOMIC_RELAXED);
    sgc_heap_stats(heap, &out->stats);
}

static json_t *stat_histogram(const struct sgc_histogram *histogram, bool with_buckets)
{
    json_t *buckets = json_array();
    for (unsigned i = 0; with_buckets && i < SGC_HISTOGRAM_BUCKETS; i++)
        if (histogram->buckets[i])
            json_array_append_new(buckets, json_pack("[o, o]", sgc_control_u64(sgc_histogram_bucket_max_ns(i)),
                                                     sgc_control_u64(histogram->buckets[i])));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "n", sgc_control_u64(histogram->n), "sum_ns",
                     sgc_control_u64(histogram->sum_ns), "max_ns", sgc_control_u64(histogram->max_ns), "p50_ns",
                     sgc_control_u64(sgc_histogram_quantile_ns(histogram, 0.5)), "p90_ns",
                     sgc_control_u64(sgc_histogram_quantile_ns(histogram, 0.9)), "p99_ns",
                     sgc_control_u64(sgc_histogram_quantile_ns(histogram, 0.99)), "p999_ns",
                     sgc_control_u64(sgc_histogram_quantile_ns(histogram, 0.999)), "buckets", buckets);
}

static json_t *stat_limit(uint64_t bytes)
{
    return bytes ? sgc_control_u64(bytes) : json_null();
}

static void stat_put_counters(json_t *heap, const struct sgc_stats *stats)
{
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"live_objects", stats->n_live},
        {"live_bytes", stats->live_bytes},
        {"held_bytes", stats->held_bytes},
        {"peak_bytes", stats->peak_bytes},
        {"external_bytes", stats->external_bytes},
        {"allocated", stats->n_allocated},
        {"reclaimed", stats->n_reclaimed},
        {"minor", stats->n_minor},
        {"full", stats->n_full},
        {"emergency", stats->n_emergency},
        {"visited", stats->n_visited},
        {"last_visited", stats->last_visited},
        {"finalizers_queued", stats->n_finalizers_queued},
        {"finalizers_run", stats->n_finalizers_run},
        {"weak_cleared", stats->n_weak_cleared},
        {"retired_bytes", stats->retired_bytes},
        {"grace_periods", stats->n_grace_periods},
        {"stalls", stats->n_stalls},
    };
    for (size_t i = 0; i < SGC_ARRAY_LEN(counters); i++)
        json_object_set_new(heap, counters[i].name, sgc_control_u64(counters[i].value));
}

json_t *sgc_control_figures_json(const struct sgc_control_figures *figures, bool buckets)
{
    json_t *heap = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", figures->name, "strategy",
                             figures->plugin->name, "strategy_version", sgc_control_string(figures->plugin->version),
                             "capabilities", sgc_control_capabilities(figures->plugin->capabilities), "needs",
                             sgc_control_capabilities(figures->needs), "memory_limit_bytes",
                             stat_limit(figures->soft_bytes), "hard_limit_bytes", stat_limit(figures->hard_bytes));
    if (!heap)
        return NULL;
    stat_put_counters(heap, &figures->stats);
    json_object_set_new(heap, "pauses", stat_histogram(&figures->stats.pauses, buckets));
    json_object_set_new(heap, "times_to_stop", stat_histogram(&figures->stats.times_to_stop, buckets));
    return heap;
}

/* ---- stat */

/* The i-th open heap, or the only one that is asked for; NULL: no more. */
static struct sgc_open_heap *stat_find(struct sgc_open_heap *only, size_t i)
{
    if (only)
        return only;
    SGC_LIST_FOR_EACH (link, sgc_runtime_heaps())
        if (i-- == 0)
            return SGC_LIST_ENTRY(link, struct sgc_open_heap, link);
    return NULL;
}

static json_t *stat_heaps(struct sgc_control_request *request, bool buckets)
{
    struct sgc_control_figures figures;
    json_t *heaps = json_array();
    bool more = true;
    for (size_t i = 0; more; i++) {
        struct sgc_open_heap *only = NULL, *record = NULL;
        sgc_runtime_read_begin();
        if (i > 0 || sgc_control_heap(request, &only) == 0)
            record = stat_find(only, i);
        if (record)
            sgc_control_figures(record->heap, &figures);
        more = record && !only;
        sgc_runtime_read_end();
        if (record)
            json_array_append_new(heaps, sgc_control_figures_json(&figures, buckets));
    }
    return heaps;
}

static json_t *stat_result(struct sgc_control_request *request, bool buckets)
{
    return json_pack("{s:o, s:o, s:o}", "time_ns", sgc_control_u64(sgc_os_now_ns()), "rss_bytes",
                     sgc_control_u64(sgc_os_process_rss_bytes()), "heaps", stat_heaps(request, buckets));
}

static int stat_run(struct sgc_control_request *request)
{
    json_t *result = stat_result(request, true);
    /* Many heaps: their histograms' buckets go first. */
    if (result && json_dumpb(result, NULL, 0, JSON_COMPACT) > SGC_CONTROL_LINE_BYTES - 2048) {
        json_decref(result);
        result = stat_result(request, false);
    }
    return sgc_control_result(request, result);
}

/* ---- caches */

struct caches_walk {
    json_t *list;
    const char *heap;
};

static json_t *caches_names(uint32_t bits, const char *const *names, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (bits & (1u << i))
            json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *caches_flags(uint32_t flags)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{SGC_TYPE_ACYCLIC, "acyclic"},
                 {SGC_TYPE_LEAF, "leaf"},
                 {SGC_TYPE_MANUAL, "manual"},
                 {SGC_TYPE_IMMORTAL, "immortal"}};
    json_t *list = json_array();
    for (size_t i = 0; i < SGC_ARRAY_LEN(names); i++)
        if (flags & names[i].bit)
            json_array_append_new(list, json_string(names[i].name));
    return list;
}

static uint64_t cache_slots(const struct sgc_cache *cache)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SGC_CLASSES_PER_CACHE; i++) {
        const struct sgc_class *class_ = __atomic_load_n(&cache->classes[i], __ATOMIC_ACQUIRE);
        if (class_ && class_->slot_bytes)
            n += (uint64_t)__atomic_load_n(&class_->n_slabs, __ATOMIC_RELAXED) * class_->n_slots;
    }
    const struct sgc_class *large = __atomic_load_n(&cache->large, __ATOMIC_ACQUIRE);
    if (large)
        n += __atomic_load_n(&large->n_large_taken, __ATOMIC_RELAXED) -
             __atomic_load_n(&large->n_large_returned, __ATOMIC_RELAXED);
    return n;
}

static int caches_add(void *arg, struct sgc_cache *cache)
{
    static const char *const checks[] = {"redzone", "poison", "track", "check"};
    struct caches_walk *walk = arg;
    struct sgc_cache_stats stats;
    sgc_cache_stats(cache, &stats);
    return json_array_append_new(
        walk->list,
        json_pack("{s:s, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "heap", walk->heap, "name",
                  sgc_control_string(stats.name), "object_bytes", sgc_control_u64(cache->type->size_bytes),
                  "align_bytes", sgc_control_u64(cache->type->align_bytes), "variable", (int)cache->variable, "flags",
                  caches_flags(cache->type->flags), "debug", caches_names(cache->debug, checks, SGC_ARRAY_LEN(checks)),
                  "live", sgc_control_u64(stats.n_live), "live_bytes", sgc_control_u64(stats.live_bytes), "slots",
                  sgc_control_u64(cache_slots(cache)), "slabs", sgc_control_u64(stats.n_slabs), "held_bytes",
                  sgc_control_u64(stats.slab_bytes), "allocated", sgc_control_u64(stats.n_allocated)));
}

static int caches_run(struct sgc_control_request *request)
{
    struct caches_walk walk = {.list = json_array()};
    int code = 0;
    bool more = true;
    for (size_t i = 0; more; i++) { /* the lock is let go of between two heaps */
        struct sgc_open_heap *only = NULL;
        sgc_runtime_read_begin();
        code = i == 0 ? sgc_control_heap(request, &only) : code;
        struct sgc_open_heap *record = code == 0 ? stat_find(only, i) : NULL;
        if (record) {
            walk.heap = record->heap->name;
            sgc_cache_for_each(record->heap, caches_add, &walk);
        }
        more = record && !only;
        sgc_runtime_read_end();
    }
    return code ? json_decref(walk.list), code : sgc_control_result(request, json_pack("{s:o}", "caches", walk.list));
}

static const struct sgc_control_parameter of_heap[] = {
    {"heap", SGC_CONTROL_STRING, false, "Only this heap"},
    {0},
};
const struct sgc_control_command sgc_control_stat_commands[] = {
    {"stat", "Figures of the heaps", SGC_CONTROL_STOPS_NO, false, of_heap, stat_run, NULL},
    {"caches", "Figures of the caches", SGC_CONTROL_STOPS_NO, false, of_heap, caches_run, NULL},
    {0},
};
