/* cmd_walk.c - commands that look at objects one by one: walk, why, leaks, verify. Each is answered by a snapshot of
 * the process. */
#include "tools/gcctl/ask.h"
#include "tools/gcctl/print.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define SNAPSHOT                                                                                                       \
    "The process stops for a moment to fork a frozen copy of itself; the copy does the work while the program runs "   \
    "on, and needs "                                                                                                   \
    "memory only for pages that the program changes meanwhile."

/* ---- walk */

struct walk {
    const struct gcctl_call *call;
    json_t *objects; /* with --json */
    bool titled;
};

static int walk_piece(void *arg, json_t *object)
{
    struct walk *walk = arg;
    char bytes[GCCTL_UNIT_BYTES];
    if (walk->objects)
        return json_array_append(walk->objects, object) ? gcctl_error(EX_OSERR, "out of memory") : 0;
    if (!walk->titled)
        printf("%-18s %10s %6s %s\n", "OBJECT", "BYTES", "HOLDS", "CACHE");
    walk->titled = true;
    if (printf("%-18s %10s %6.0f %s\n", gcctl_figure_text(object, "id"),
               gcctl_bytes(bytes, gcctl_figure(object, "bytes")), gcctl_figure(object, "holds"),
               gcctl_figure_text(object, "cache")) < 0)
        return gcctl_error(EX_IOERR, "cannot write to stdout: %s", strerror(errno));
    return 0;
}

static int walk_print(struct walk *walk, json_t *result, int64_t limit)
{
    char bytes[GCCTL_UNIT_BYTES];
    const double n = gcctl_figure(result, "objects");
    if (walk->objects) {
        json_t *all = json_copy(result);
        json_object_set_new(all, "total_objects", json_incref(json_object_get(result, "objects")));
        json_object_set_new(all, "total_bytes", json_incref(json_object_get(result, "bytes")));
        json_object_del(all, "bytes");
        json_object_set(all, "objects", walk->objects);
        return gcctl_print_json(all);
    }
    fflush(stdout);
    gcctl_note("%.0f objects, %s%s", n, gcctl_bytes(bytes, gcctl_figure(result, "bytes")),
               n > (double)limit ? "; --limit shows more of them" : "");
    return 0;
}

static int walk_run(struct gcctl_call *call)
{
    int status;
    const int64_t limit = gcctl_number(call, "limit", 100);
    struct gcctl_client *client = gcctl_connect(call, NULL, &status);
    if (!client)
        return status;
    struct walk walk = {.call = call, .objects = call->json ? json_array() : NULL};
    json_t *parameters = gcctl_parameters(call, (const char *[]){"heap", "cache", NULL});
    json_object_set_new(parameters, "limit", json_integer(limit));
    status = gcctl_only_heap(call, client, parameters);
    json_t *result = status ? NULL : gcctl_request(client, "walk", parameters, walk_piece, &walk, &status);
    if (result)
        status = walk_print(&walk, result, limit);
    json_decref(result);
    json_decref(parameters);
    json_decref(walk.objects);
    gcctl_disconnect(client);
    return status;
}

static const struct gcctl_option walk_arguments[] = {
    {.name = "heap",
     .kind = GCCTL_HEAP,
     .value = "HEAP",
     .help = "The heap whose objects to list; needed where there is more than one"},
    {0},
};
static const struct gcctl_option walk_options[] = {
    {.name = "cache", .letter = 'c', .kind = GCCTL_CACHE, .value = "CACHE", .help = "Only objects of this cache"},
    {.name = "limit",
     .letter = 'n',
     .kind = GCCTL_INTEGER,
     .value = "N",
     .help = "List at most N objects; 100 unless given. All are counted"},
    {0},
};

const struct gcctl_command gcctl_command_walk = {
    .name = "walk",
    .group = "See",
    .summary = "List the objects of a heap",
    .description =
        "Prints a line for each object: its address, which is its identity for life; its bytes; how many holds claim "
        "it from outside "
        "the heap; and its cache. Objects that are dead, but that the strategy has not noticed yet, are listed too. "
        "How many there are in all, "
        "and their bytes, is said on stderr.\n\n" SNAPSHOT
        "\n\nWith --json, prints one object: \"objects\", a list, and \"total_objects\" and \"total_bytes\", over all.",
    .examples = "gcctl walk\ngcctl walk wordgraph --cache=word --limit=1000\n",
    .arguments = walk_arguments,
    .options = walk_options,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = walk_run,
};

/* ---- why */

#define WHY_STEPS_BEFORE_GAP 128 /* CONTROL.md: of a long path, as many from each end */

static void why_print(json_t *result)
{
    json_t *step, *path = json_object_get(result, "path");
    const double omitted = gcctl_figure(result, "omitted");
    size_t i;
    json_array_foreach (path, i, step) {
        char bytes[GCCTL_UNIT_BYTES];
        if (omitted > 0 && i == WHY_STEPS_BEFORE_GAP)
            printf("%*s... %.0f more objects ...\n", (int)i * 2, "", omitted);
        const double holds = gcctl_figure(step, "holds");
        printf("%*s%s%s  %s, %s", (int)i * 2, "", i ? "-> " : "", gcctl_figure_text(step, "id"),
               gcctl_figure_text(step, "cache"), gcctl_bytes(bytes, gcctl_figure(step, "bytes")));
        if (holds > 0)
            printf(", %.0f hold%s", holds, holds == 1 ? "" : "s");
        if (i + 1 < json_array_size(path) && json_is_integer(json_object_get(step, "field_offset")))
            printf(", refers at byte %.0f to", gcctl_figure(step, "field_offset"));
        putchar('\n');
    }
}

static int why_run(struct gcctl_call *call)
{
    int status = 0;
    json_t *result = gcctl_ask(call, "why", gcctl_parameters(call, (const char *[]){"heap", "object", NULL}), &status);
    if (!result)
        return status;
    const bool found = json_is_true(json_object_get(result, "found"));
    if (call->json)
        status = gcctl_print_json(json_incref(result));
    else if (found)
        why_print(result);
    else
        gcctl_note("nothing that is held leads to %s: it is dead, and waits to be reclaimed",
                   gcctl_text(call, "object"));
    json_decref(result);
    return status ? status : !found;
}

static const struct gcctl_option why_arguments[] = {
    {.name = "object",
     .kind = GCCTL_TEXT,
     .value = "OBJECT",
     .help = "The object's address, 0x7f..., as walk and leaks print it",
     .required = true},
    {0},
};
static const struct gcctl_option why_options[] = {
    {.name = "heap",
     .kind = GCCTL_HEAP,
     .value = "HEAP",
     .help = "The object's heap; found by its address unless given"},
    {0},
};

const struct gcctl_command gcctl_command_why = {
    .name = "why",
    .group = "See",
    .summary = "Show what keeps an object alive",
    .description = "Prints the shortest path of references from an object that is held from outside the heap to "
                   "OBJECT: a line for each object on "
                   "the way, with its address, cache, bytes, holds, and the byte at which it refers to the next. The "
                   "first line is what to let go "
                   "of if OBJECT is to die.\n\nThe exit status is 1 when no path leads there: the object is dead and "
                   "will be reclaimed when the "
                   "strategy notices.\n\n" SNAPSHOT,
    .examples = "gcctl why 0x7f3a40012340\ngcctl why 0x7f3a40012340 --json\n",
    .arguments = why_arguments,
    .options = why_options,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = why_run,
};

/* ---- leaks */

static void leaks_row(struct gcctl_table *table, json_t *type)
{
    char text[4][GCCTL_UNIT_BYTES];
    gcctl_table_row(table, (const char *[]){
                               gcctl_figure_text(type, "heap"),
                               gcctl_figure_text(type, "cache"),
                               gcctl_count(text[0], gcctl_figure(type, "unreachable")),
                               gcctl_bytes(text[1], gcctl_figure(type, "unreachable_bytes")),
                               gcctl_count(text[2], gcctl_figure(type, "held")),
                               gcctl_bytes(text[3], gcctl_figure(type, "held_bytes")),
                               json_string_value(json_array_get(json_object_get(type, "oldest"), 0)),
                           });
}

static void leaks_table(const struct gcctl_call *call, json_t *types)
{
    static const char *const right[] = {"UNREACHABLE", "BYTES", "HELD", "BYTES"};
    struct gcctl_table *table = gcctl_table_create(call);
    json_t *type;
    size_t i;
    gcctl_table_column(table, "HEAP", 0);
    gcctl_table_column(table, "CACHE", 0);
    for (i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        gcctl_table_column(table, right[i], GCCTL_RIGHT);
    gcctl_table_column(table, "ONE OF THEM", 0);
    json_array_foreach (types, i, type)
        leaks_row(table, type);
    gcctl_table_print(table);
}

/* Of caches with debug=track: where their held objects were made. */
static void leaks_sites(json_t *types)
{
    json_t *type, *site;
    size_t i, n;
    json_array_foreach (types, i, type)
        json_array_foreach (json_object_get(type, "sites"), n, site)
            printf("%s: %.0f held, made at %s\n", gcctl_figure_text(type, "cache"), gcctl_figure(site, "held"),
                   gcctl_figure_text(site, "site"));
}

static int leaks_run(struct gcctl_call *call)
{
    int status = 0;
    double unreachable = 0;
    json_t *type, *result = NULL, *parameters = gcctl_parameters(call, (const char *[]){"heap", NULL});
    size_t i;
    struct gcctl_client *client = gcctl_connect(call, NULL, &status);
    if (client && gcctl_flag(call, "collect")) {
        json_t *asked = json_copy(parameters);
        json_object_set_new(asked, "kind", json_string("full"));
        json_decref(gcctl_request(client, "collect", asked, NULL, NULL, &status));
        json_decref(asked);
    }
    if (client && !status)
        result = gcctl_request(client, "leaks", parameters, NULL, NULL, &status);
    json_decref(parameters);
    gcctl_disconnect(client);
    if (!result)
        return status;
    json_t *types = json_object_get(result, "types");
    json_array_foreach (types, i, type)
        unreachable += gcctl_figure(type, "unreachable");
    if (call->json)
        status = gcctl_print_json(json_incref(result));
    else {
        leaks_table(call, types);
        leaks_sites(types);
    }
    json_decref(result);
    return status ? status : unreachable > 0;
}

static const struct gcctl_option leaks_arguments[] = {
    {.name = "heap", .kind = GCCTL_HEAP, .value = "HEAP", .help = "Only the types of this heap"},
    {0},
};
static const struct gcctl_option leaks_options[] = {
    {.name = "collect",
     .kind = GCCTL_FLAG,
     .help = "Collect fully before, so that nothing is counted that only waits for the next collection"},
    {0},
};

const struct gcctl_command gcctl_command_leaks = {
    .name = "leaks",
    .group = "See",
    .summary = "Count, by type, objects that are unreachable or held",
    .description =
        "Prints a line for each type: objects that no hold and no path of references reaches, and their bytes; objects "
        "that are held from outside the heap, and their bytes; and one of those, for gcctl why. Holds that are never "
        "dropped show as a count of held objects that grows from one call to the next. Where the config has "
        "debug=track for the cache, the places that made most of the held objects follow, a line each.\n\n"
        "Unreachable objects wait for a collection, a few at any time: --collect does a full one first, and what is "
        "unreachable then has died since. The objects of manual types, and all under strategy none, live until they "
        "are freed or dropped: they count as held. The exit status is 1 when there are unreachable "
        "objects.\n\n" SNAPSHOT,
    .examples = "gcctl leaks\ngcctl leaks wordgraph --collect\n",
    .arguments = leaks_arguments,
    .options = leaks_options,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = leaks_run,
};

/* ---- verify */

static int verify_run(struct gcctl_call *call)
{
    int status = 0;
    bool ok = true;
    json_t *heap, *result = gcctl_ask(call, "verify", gcctl_parameters(call, (const char *[]){"heap", NULL}), &status);
    size_t i;
    if (!result)
        return status;
    json_array_foreach (json_object_get(result, "heaps"), i, heap) {
        const bool good = json_is_true(json_object_get(heap, "ok"));
        ok &= good;
        if (!call->json)
            printf("%s: %s\n", gcctl_figure_text(heap, "heap"), good ? "good" : gcctl_figure_text(heap, "message"));
    }
    if (call->json)
        status = gcctl_print_json(json_incref(result));
    json_decref(result);
    return status ? status : !ok;
}

static const struct gcctl_option verify_arguments[] = {
    {.name = "heap", .kind = GCCTL_HEAP, .value = "HEAP", .help = "The heap to check; all unless given"},
    {0},
};

const struct gcctl_command gcctl_command_verify = {
    .name = "verify",
    .group = "See",
    .summary = "Check the invariants of heaps",
    .description = "Checks everything that core and the strategy know to be true of a heap: every slab's figures, "
                   "every object's state, every reference, "
                   "every count. Prints a line for each heap: good, or the first thing that is wrong, with its object "
                   "and cache. The exit "
                   "status is 1 when a heap is not good.\n\n" SNAPSHOT,
    .examples = "gcctl verify\ngcctl verify wordgraph --json\n",
    .arguments = verify_arguments,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = verify_run,
};
