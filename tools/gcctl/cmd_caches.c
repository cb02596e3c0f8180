/* cmd_caches.c - gcctl caches: where objects live, sortable. */
#include "tools/gcctl/ask.h"
#include "tools/gcctl/print.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static double caches_occupancy(const json_t *cache)
{
    const double slots = gcctl_figure(cache, "slots");
    return slots > 0 ? gcctl_figure(cache, "live") / slots : 0;
}

/* Columns by which --sort may order; numbers fall, names rise. */
static const struct {
    const char *name, *key;
} orders[] = {
    {"held", "held_bytes"}, {"live", "live"},           {"bytes", "live_bytes"}, {"object", "object_bytes"},
    {"slots", "slots"},     {"allocated", "allocated"}, {"slabs", "slabs"},      {"used", NULL},
};

static const char *sort_by;

static int caches_compare(const void *a, const void *b)
{
    const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
    const char *key = NULL;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        if (strcmp(orders[i].name, sort_by) == 0)
            key = orders[i].key;
    double l = key ? gcctl_figure(left, key) : 0, r = key ? gcctl_figure(right, key) : 0;
    if (strcmp(sort_by, "used") == 0) {
        l = caches_occupancy(left);
        r = caches_occupancy(right);
    }
    if (l != r)
        return l < r ? 1 : -1;
    const int order = strcmp(gcctl_figure_text(left, "name"), gcctl_figure_text(right, "name"));
    return order ? order : strcmp(gcctl_figure_text(left, "heap"), gcctl_figure_text(right, "heap"));
}

/* The caches that are meant, in order: a new array. */
static json_t *caches_sorted(const struct gcctl_call *call, json_t *result)
{
    const char *wanted = gcctl_text(call, "cache");
    json_t *all = json_object_get(result, "caches"), *cache, *sorted = json_array();
    json_t **list = calloc(json_array_size(all) + 1, sizeof(*list));
    size_t i, n = 0;
    json_array_foreach (all, i, cache)
        if (list && (!wanted || fnmatch(wanted, gcctl_figure_text(cache, "name"), 0) == 0))
            list[n++] = cache;
    sort_by = gcctl_text(call, "sort") ? gcctl_text(call, "sort") : "held";
    if (n)
        qsort(list, n, sizeof(*list), caches_compare);
    for (i = 0; i < n; i++)
        json_array_append(sorted, list[gcctl_flag(call, "reverse") ? n - 1 - i : i]);
    free(list);
    return sorted;
}

static void caches_words(json_t *list, char *out, size_t out_bytes)
{
    json_t *word;
    size_t i, length = 0;
    out[0] = '\0';
    json_array_foreach (list, i, word)
        if (length < out_bytes)
            length += (size_t)snprintf(out + length, out_bytes - length, "%s%s", i ? "," : "",
                                       json_string_value(word) ?: "?");
}

static void caches_row(struct gcctl_table *table, json_t *cache)
{
    char text[8][GCCTL_UNIT_BYTES], flags[128], debug[128], used[16];
    char object[GCCTL_UNIT_BYTES + 4];
    caches_words(json_object_get(cache, "flags"), flags, sizeof(flags));
    caches_words(json_object_get(cache, "debug"), debug, sizeof(debug));
    snprintf(used, sizeof(used), "%.0f%%", 100 * caches_occupancy(cache));
    snprintf(object, sizeof(object), "%s%s", gcctl_bytes(text[0], gcctl_figure(cache, "object_bytes")),
             json_is_true(json_object_get(cache, "variable")) ? "+" : "");
    gcctl_table_row(table, (const char *[]){
                               gcctl_figure_text(cache, "name"),
                               gcctl_figure_text(cache, "heap"),
                               object,
                               gcctl_count(text[1], gcctl_figure(cache, "live")),
                               gcctl_bytes(text[2], gcctl_figure(cache, "live_bytes")),
                               gcctl_count(text[3], gcctl_figure(cache, "slots")),
                               used,
                               gcctl_count(text[4], gcctl_figure(cache, "slabs")),
                               gcctl_bytes(text[5], gcctl_figure(cache, "held_bytes")),
                               gcctl_count(text[6], gcctl_figure(cache, "allocated")),
                               flags,
                               debug,
                           });
}

static void caches_table(const struct gcctl_call *call, json_t *caches)
{
    static const char *const right[] = {"OBJECT", "LIVE", "BYTES", "SLOTS", "USED", "SLABS", "HELD", "ALLOCATED"};
    struct gcctl_table *table = gcctl_table_create(call);
    json_t *cache;
    size_t i;
    gcctl_table_column(table, "CACHE", 0);
    gcctl_table_column(table, "HEAP", 0);
    for (i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        gcctl_table_column(table, right[i], GCCTL_RIGHT);
    gcctl_table_column(table, "FLAGS", 0);
    gcctl_table_column(table, "DEBUG", 0);
    json_array_foreach (caches, i, cache)
        caches_row(table, cache);
    gcctl_table_print(table);
}

static int caches_run(struct gcctl_call *call)
{
    int status = 0;
    json_t *result = gcctl_ask(call, "caches", gcctl_parameters(call, (const char *[]){"heap", NULL}), &status);
    if (!result)
        return status;
    json_t *caches = caches_sorted(call, result);
    if (call->json) {
        json_object_set_new(result, "caches", caches);
        return gcctl_print_json(result);
    }
    if (json_array_size(caches) == 0)
        gcctl_note("there is no such cache");
    caches_table(call, caches);
    json_decref(caches);
    json_decref(result);
    return 0;
}

static const struct gcctl_option caches_arguments[] = {
    {.name = "heap", .kind = GCCTL_HEAP, .value = "HEAP", .help = "Only the caches of this heap"},
    {0},
};
static const struct gcctl_option caches_options[] = {
    {.name = "sort",
     .letter = 's',
     .kind = GCCTL_CHOICE,
     .value = "COLUMN",
     .choices = "held|live|bytes|object|slots|used|slabs|allocated|name",
     .help = "Order by this column, the largest first; by memory held unless given"},
    {.name = "reverse", .letter = 'r', .kind = GCCTL_FLAG, .help = "Turn the order round"},
    {.name = "cache",
     .letter = 'c',
     .kind = GCCTL_CACHE,
     .value = "GLOB",
     .help = "Only caches whose names match, as in the shell"},
    {0},
};

const struct gcctl_command gcctl_command_caches = {
    .name = "caches",
    .group = "See",
    .summary = "Show the caches: what they hold, how full they are",
    .description =
        "Prints a line for each cache: its name and heap; the bytes of an object (with a + where objects vary in size, "
        "the "
        "fixed part); live objects and their bytes; slots for objects, and how many per cent of them are live; slabs; "
        "memory "
        "held; objects allocated since it was created; the type's flags; and the debug checks that config asks for.\n\n"
        "A cache with many slots and few live objects holds memory that fragmentation keeps, or that a burst left "
        "behind: gcctl map "
        "shows which, and gcctl reap gives back what is wholly empty. The process folds counters; nobody is stopped.",
    .examples = "gcctl caches\ngcctl caches wordgraph --sort=used --reverse\ngcctl caches --cache='w*' --json\n",
    .arguments = caches_arguments,
    .options = caches_options,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = caches_run,
};
