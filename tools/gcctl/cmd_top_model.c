/* cmd_top_model.c - see cmd_top_model.h. A cache's objects that ended are counted as allocated - live; of a heap that
 * was closed and opened again between two samples counters run backwards: its rates are those since it opened. */
#include "tools/gcctl/cmd_top_model.h"

#include "tools/gcctl/print.h"

#include <stdlib.h>
#include <string.h>

const char *const gcctl_top_key_names[GCCTL_N_TOP_KEYS + 1] = {"name",      "live",      "memory",      "held",
                                                               "allocated", "reclaimed", "collections", "pause"};

const struct gcctl_top_column gcctl_top_columns[GCCTL_TOP_COLUMNS] = {
    {"HEAP / CACHE", 0, GCCTL_TOP_NAME}, {"STRATEGY", 14, -1},
    {"LIVE", 9, GCCTL_TOP_LIVE},         {"MEMORY", 10, GCCTL_TOP_MEMORY},
    {"HELD", 10, GCCTL_TOP_HELD},        {"ALLOC/S", 9, GCCTL_TOP_ALLOCATED},
    {"RECL/S", 9, GCCTL_TOP_RECLAIMED},  {"COLL/S", 7, GCCTL_TOP_COLLECTIONS},
    {"P99 PAUSE", 10, GCCTL_TOP_PAUSE},
};

void gcctl_top_init(struct gcctl_top *top)
{
    *top = (struct gcctl_top){.key = GCCTL_TOP_MEMORY};
}

void gcctl_top_fini(struct gcctl_top *top)
{
    json_decref(top->stat);
    json_decref(top->caches);
    json_decref(top->last_stat);
    json_decref(top->last_caches);
    free(top->rows);
    free(top->order);
}

/* ---- rates */

static double rate(double now, double before, double seconds)
{
    if (seconds <= 0)
        return 0;
    return (now >= before ? now - before : now) / seconds;
}

static const json_t *find_cache(const json_t *caches, const char *heap, const char *name)
{
    size_t i;
    const json_t *cache;
    json_array_foreach (json_object_get(caches, "caches"), i, cache) {
        if (!strcmp(gcctl_figure_text(cache, "name"), name) && !strcmp(gcctl_figure_text(cache, "heap"), heap))
            return cache;
    }
    return NULL;
}

static double collections_of(const json_t *heap)
{
    return gcctl_figure(heap, "minor") + gcctl_figure(heap, "full");
}

static void row_of_heap(const struct gcctl_top *top, struct gcctl_top_row *row, const json_t *heap)
{
    const json_t *before =
        gcctl_figure_find(json_object_get(top->last_stat, "heaps"), "name", gcctl_figure_text(heap, "name"));
    struct gcctl_buckets pauses, earlier;
    *row = (struct gcctl_top_row){.heap = gcctl_figure_text(heap, "name"),
                                  .strategy = gcctl_figure_text(heap, "strategy"),
                                  .live = gcctl_figure_u64(heap, "live_objects"),
                                  .live_bytes = gcctl_figure_u64(heap, "live_bytes"),
                                  .held_bytes = gcctl_figure_u64(heap, "held_bytes"),
                                  .figures = heap};
    row->allocated = rate(gcctl_figure(heap, "allocated"), gcctl_figure(before, "allocated"), top->seconds);
    row->reclaimed = rate(gcctl_figure(heap, "reclaimed"), gcctl_figure(before, "reclaimed"), top->seconds);
    row->collections = rate(collections_of(heap), collections_of(before), top->seconds);
    gcctl_buckets_read(&pauses, json_object_get(heap, "pauses"));
    gcctl_buckets_read(&earlier, json_object_get(before, "pauses"));
    gcctl_buckets_subtract(&pauses, &earlier);
    row->n_pauses = pauses.n;
    row->pause_p99_ns = gcctl_buckets_quantile(&pauses, 0.99);
    row->pause_max_ns = pauses.n ? pauses.max_ns : 0;
}

static void row_of_cache(const struct gcctl_top *top, struct gcctl_top_row *row, const json_t *cache)
{
    const char *heap = gcctl_figure_text(cache, "heap"), *name = gcctl_figure_text(cache, "name");
    const json_t *before = find_cache(top->last_caches, heap, name);
    *row = (struct gcctl_top_row){.heap = heap,
                                  .cache = name,
                                  .strategy = "",
                                  .live = gcctl_figure_u64(cache, "live"),
                                  .live_bytes = gcctl_figure_u64(cache, "live_bytes"),
                                  .held_bytes = gcctl_figure_u64(cache, "held_bytes"),
                                  .figures = cache};
    const double ended = gcctl_figure(cache, "allocated") - gcctl_figure(cache, "live");
    const double ended_before = gcctl_figure(before, "allocated") - gcctl_figure(before, "live");
    row->allocated = rate(gcctl_figure(cache, "allocated"), gcctl_figure(before, "allocated"), top->seconds);
    row->reclaimed = rate(ended, ended_before, top->seconds);
}

static void make_rows(struct gcctl_top *top)
{
    const json_t *heaps = json_object_get(top->stat, "heaps"), *caches = json_object_get(top->caches, "caches");
    const size_t most = json_array_size(heaps) + json_array_size(caches);
    size_t i, j;
    const json_t *heap, *cache;
    top->rows = realloc(top->rows, (most + 1) * sizeof(*top->rows));
    top->order = realloc(top->order, (most + 1) * sizeof(*top->order));
    if (!top->rows || !top->order)
        abort();
    top->n_rows = 0;
    json_array_foreach (heaps, i, heap) {
        const size_t parent = top->n_rows;
        row_of_heap(top, &top->rows[top->n_rows], heap);
        top->rows[top->n_rows++].parent = parent;
        json_array_foreach (caches, j, cache) {
            if (strcmp(gcctl_figure_text(cache, "heap"), top->rows[parent].heap) || top->n_rows == most)
                continue;
            row_of_cache(top, &top->rows[top->n_rows], cache);
            top->rows[top->n_rows++].parent = parent;
        }
    }
}

void gcctl_top_feed(struct gcctl_top *top, json_t *stat, json_t *caches)
{
    json_decref(top->last_stat);
    json_decref(top->last_caches);
    top->last_stat = top->stat;
    top->last_caches = top->caches;
    top->stat = stat;
    top->caches = caches;
    const double now = gcctl_figure(stat, "time_ns"), before = gcctl_figure(top->last_stat, "time_ns");
    top->seconds = top->last_stat && now > before ? (now - before) / 1e9 : 0;
    make_rows(top);
    gcctl_top_arrange(top);
}

/* ---- order and filter */

static double key_of(const struct gcctl_top_row *row, enum gcctl_top_key key)
{
    switch (key) {
    case GCCTL_TOP_LIVE:
        return (double)row->live;
    case GCCTL_TOP_MEMORY:
        return (double)row->live_bytes;
    case GCCTL_TOP_HELD:
        return (double)row->held_bytes;
    case GCCTL_TOP_ALLOCATED:
        return row->allocated;
    case GCCTL_TOP_RECLAIMED:
        return row->reclaimed;
    case GCCTL_TOP_COLLECTIONS:
        return row->collections;
    case GCCTL_TOP_PAUSE:
        return (double)row->pause_p99_ns;
    default:
        return 0;
    }
}

static int compare_names(const struct gcctl_top_row *a, const struct gcctl_top_row *b)
{
    const int heaps = strcmp(a->heap, b->heap);
    return heaps ? heaps : strcmp(a->cache ? a->cache : "", b->cache ? b->cache : "");
}

/* Rows of one level: by key, then by name. */
static int compare_level(const struct gcctl_top *top, const struct gcctl_top_row *a, const struct gcctl_top_row *b)
{
    const double x = key_of(a, top->key), y = key_of(b, top->key);
    const int order = x != y ? (x < y ? 1 : -1) : compare_names(a, b);
    return top->reversed ? -order : order;
}

static int compare_rows(const void *left, const void *right, void *arg)
{
    const struct gcctl_top *top = arg;
    const struct gcctl_top_row *a = &top->rows[*(const size_t *)left], *b = &top->rows[*(const size_t *)right];
    if (a->parent != b->parent)
        return compare_level(top, &top->rows[a->parent], &top->rows[b->parent]);
    if (!a->cache || !b->cache)
        return (a->cache != NULL) - (b->cache != NULL);
    return compare_level(top, a, b);
}

static bool row_matches(const struct gcctl_top *top, const struct gcctl_top_row *row)
{
    return strcasestr(row->heap, top->filter) || strcasestr(row->strategy, top->filter) ||
           (row->cache && strcasestr(row->cache, top->filter));
}

/* A cache shows when it or its heap matches, a heap also when one of its caches does. */
static bool row_shows(const struct gcctl_top *top, size_t i)
{
    const struct gcctl_top_row *row = &top->rows[i];
    if (row->cache)
        return !top->without_caches && (row_matches(top, row) || row_matches(top, &top->rows[row->parent]));
    bool shows = row_matches(top, row);
    for (size_t j = i + 1; j < top->n_rows && top->rows[j].cache && !shows; j++)
        shows = row_matches(top, &top->rows[j]);
    return shows;
}

void gcctl_top_arrange(struct gcctl_top *top)
{
    top->n_order = 0;
    for (size_t i = 0; i < top->n_rows; i++)
        if (row_shows(top, i))
            top->order[top->n_order++] = i;
    if (top->n_order)
        qsort_r(top->order, top->n_order, sizeof(*top->order), compare_rows, top);
}

/* ---- forms */

void gcctl_top_cells(const struct gcctl_top_row *row, char cells[GCCTL_TOP_COLUMNS][160])
{
    char unit[GCCTL_UNIT_BYTES];
    snprintf(cells[0], 160, "%s%s", row->cache ? "  " : "", row->cache ? row->cache : row->heap);
    snprintf(cells[1], 160, "%s", row->strategy);
    snprintf(cells[2], 160, "%s", gcctl_count(unit, (double)row->live));
    snprintf(cells[3], 160, "%s", gcctl_bytes(unit, (double)row->live_bytes));
    snprintf(cells[4], 160, "%s", gcctl_bytes(unit, (double)row->held_bytes));
    snprintf(cells[5], 160, "%s", gcctl_count(unit, row->allocated));
    snprintf(cells[6], 160, "%s", gcctl_count(unit, row->reclaimed));
    snprintf(cells[7], 160, "%.*f", row->collections < 100 ? 1 : 0, row->collections);
    snprintf(cells[8], 160, "%s", row->n_pauses ? gcctl_duration(unit, (double)row->pause_p99_ns) : "-");
    if (row->cache)
        cells[7][0] = cells[8][0] = 0;
    else if (!row->n_pauses)
        snprintf(cells[8], 160, "-");
}

static json_t *row_json(const struct gcctl_top_row *row)
{
    json_t *out = json_object();
    json_object_set_new(out, row->cache ? "cache" : "heap", json_string(row->cache ? row->cache : row->heap));
    if (!row->cache)
        json_object_set_new(out, "strategy", json_string(row->strategy));
    json_object_set_new(out, "live_objects", json_integer((json_int_t)row->live));
    json_object_set_new(out, "live_bytes", json_integer((json_int_t)row->live_bytes));
    json_object_set_new(out, "held_bytes", json_integer((json_int_t)row->held_bytes));
    json_object_set_new(out, "allocated_per_s", json_real(row->allocated));
    json_object_set_new(out, "reclaimed_per_s", json_real(row->reclaimed));
    if (row->cache)
        return out;
    json_object_set_new(out, "collections_per_s", json_real(row->collections));
    json_object_set_new(out, "pauses", json_integer((json_int_t)row->n_pauses));
    json_object_set_new(out, "pause_p99_ns", json_integer((json_int_t)row->pause_p99_ns));
    json_object_set_new(out, "pause_max_ns", json_integer((json_int_t)row->pause_max_ns));
    json_object_set_new(out, "caches", json_array());
    return out;
}

json_t *gcctl_top_json(const struct gcctl_top *top)
{
    json_t *out = json_object(), *heaps = json_array(), *heap = NULL;
    json_object_set_new(out, "time_ns", json_integer((json_int_t)gcctl_figure_u64(top->stat, "time_ns")));
    json_object_set_new(out, "seconds", json_real(top->seconds));
    json_object_set_new(out, "rss_bytes", json_integer((json_int_t)gcctl_figure_u64(top->stat, "rss_bytes")));
    for (size_t i = 0; i < top->n_order; i++) {
        const struct gcctl_top_row *row = &top->rows[top->order[i]];
        json_t *object = row_json(row);
        if (row->cache) {
            json_array_append_new(json_object_get(heap, "caches"), object);
        } else {
            heap = object;
            json_array_append_new(heaps, heap);
        }
    }
    json_object_set_new(out, "heaps", heaps);
    return out;
}
