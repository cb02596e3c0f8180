/* cmd_set.c - commands that read and change a running process: get, set, collect, reap, reload, switch. */
#include "tools/gcctl/ask.h"
#include "tools/gcctl/print.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* ---- get */

/* A number of the value's type, as config writes it. */
static const char *get_number(char out[GCCTL_UNIT_BYTES], json_t *value, double number)
{
    const char *type = gcctl_figure_text(value, "type");
    if (strcmp(type, "bytes") == 0)
        return gcctl_bytes(out, number);
    if (strcmp(type, "duration") == 0)
        return gcctl_duration(out, number);
    if (strcmp(type, "switch") == 0)
        return number ? "on" : "off";
    snprintf(out, GCCTL_UNIT_BYTES, "%.0f%s", number, strcmp(type, "percent") == 0 ? "%" : "");
    return out;
}

static void get_member(json_t *value, const char *key, const char *title)
{
    char text[GCCTL_UNIT_BYTES];
    json_t *member = json_object_get(value, key);
    if (json_is_string(member) && *json_string_value(member))
        printf("    %-8s %s\n", title, json_string_value(member));
    else if (json_is_number(member))
        printf("    %-8s %s\n", title, get_number(text, value, json_number_value(member)));
}

static void get_details(json_t *value)
{
    printf("%s.%s = %s\n", gcctl_figure_text(value, "section"), gcctl_figure_text(value, "key"),
           gcctl_figure_text(value, "value"));
    get_member(value, "help", "what");
    get_member(value, "origin", "from");
    get_member(value, "minimum", "least");
    get_member(value, "maximum", "most");
    get_member(value, "default", "default");
    printf("    %-8s %s\n", "live",
           json_is_true(json_object_get(value, "live")) ? "yes: gcctl set changes it"
                                                        : "no: config alone, when the heap opens");
}

static void get_table(const struct gcctl_call *call, json_t *values)
{
    struct gcctl_table *table = gcctl_table_create(call);
    json_t *value;
    size_t i;
    gcctl_table_column(table, "KEY", 0);
    gcctl_table_column(table, "VALUE", 0);
    gcctl_table_column(table, "LIVE", 0);
    gcctl_table_column(table, "FROM", 0);
    json_array_foreach (values, i, value) {
        char key[256];
        snprintf(key, sizeof(key), "%s.%s", gcctl_figure_text(value, "section"), gcctl_figure_text(value, "key"));
        gcctl_table_row(table, (const char *[]){key, gcctl_figure_text(value, "value"),
                                                json_is_true(json_object_get(value, "live")) ? "yes" : "no",
                                                gcctl_figure_text(value, "origin")});
    }
    gcctl_table_print(table);
}

static int get_run(struct gcctl_call *call)
{
    int status = 0;
    json_t *result = gcctl_ask(call, "get", gcctl_parameters(call, (const char *[]){"key", NULL}), &status);
    if (!result)
        return status;
    if (call->json)
        return gcctl_print_json(result);
    json_t *values = json_object_get(result, "values"), *value;
    size_t i;
    if (gcctl_text(call, "key"))
        json_array_foreach (values, i, value)
            get_details(value);
    else
        get_table(call, values);
    json_decref(result);
    return 0;
}

static const struct gcctl_option get_arguments[] = {
    {.name = "key",
     .kind = GCCTL_KEY,
     .value = "KEY",
     .help = "The value to show in detail, such as heap.words.memory_limit or strategy.rcu.KEY; all unless given"},
    {0},
};

const struct gcctl_command gcctl_command_get = {
    .name = "get",
    .group = "See",
    .summary = "Show the settings of a process, and where each came from",
    .description = "Prints a line for each setting that is in effect: its key, its value as config files write it, "
                   "whether gcctl set can change it while the "
                   "program runs, and where it came from: a file and line, the environment, the program, an earlier "
                   "set, or the default. "
                   "With KEY, prints everything that is known of that one: what it does, its bounds, its default.\n\n"
                   "Nobody is stopped.",
    .examples = "gcctl get\ngcctl get heap.wordgraph.memory_limit\ngcctl get strategy.generational.young_size --json\n",
    .arguments = get_arguments,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = get_run,
};

/* ---- set */

static void set_print(const struct gcctl_call *call, json_t *result)
{
    json_t *heap, *heaps = json_object_get(result, "heaps");
    const bool applied = json_is_true(json_object_get(result, "applied"));
    size_t i;
    printf("%s: %s -> %s", gcctl_figure_text(result, "key"), gcctl_figure_text(result, "old"),
           gcctl_figure_text(result, "new"));
    json_array_foreach (heaps, i, heap)
        printf("%s%s", i ? ", " : " in heap ", json_string_value(heap) ?: "?");
    puts(call->dry_run ? " (not done: --dry-run)" : applied ? "" : " (nothing changed)");
}

static int set_run(struct gcctl_call *call)
{
    const char *key = gcctl_text(call, "key"), *value = gcctl_text(call, "value"), *sign = strchr(key, '=');
    int status = 0;
    if (value ? sign != NULL : sign == NULL)
        return gcctl_error(EX_USAGE,
                           value ? "set: \"%s\" and \"%s\" are two values"
                                 : "set: \"%s\" has no value; KEY VALUE or KEY=VALUE is wanted",
                           key, value);
    json_t *parameters = gcctl_parameters(call, (const char *[]){NULL});
    json_object_set_new(parameters, "key",
                        json_stringn(key, sign ? (size_t)(sign - key) : strlen(key)) ?: json_string("?"));
    json_object_set_new(parameters, "value", json_string(sign ? sign + 1 : value) ?: json_string("?"));
    json_t *result = gcctl_ask(call, "set", parameters, &status);
    if (!result)
        return status;
    if (call->json)
        return gcctl_print_json(result);
    set_print(call, result);
    json_decref(result);
    return 0;
}

static const struct gcctl_option set_arguments[] = {
    {.name = "key",
     .kind = GCCTL_KEY,
     .value = "KEY",
     .help = "What to set: heap.NAME.KEY, heap.KEY for every heap, or strategy.NAME.KEY",
     .required = true},
    {.name = "value",
     .kind = GCCTL_TEXT,
     .value = "VALUE",
     .help = "The new value, as config files write it: 64MiB, 10ms, 150%, on; it may also stand behind KEY and an "
             "equals sign"},
    {0},
};

const struct gcctl_command gcctl_command_set = {
    .name = "set",
    .group = "Change",
    .summary = "Change a setting while the program runs",
    .description = "Gives a setting a new value, for the life of the process: config files stay as they are. Prints "
                   "the old value, the new one, and the "
                   "heaps that it concerns. gcctl get says which settings can be changed, and their bounds.\n\n"
                   "What cannot change while a heap is open is refused, with the reason and exit status 75; a value "
                   "out of bounds, a wrong unit, "
                   "or an unknown key with status 64. Nothing is ever half done. Each heap that is concerned is "
                   "stopped once, for a moment that does not "
                   "depend on its size. With --json, prints the process's answer.",
    .examples = "gcctl set heap.wordgraph.memory_limit 64MiB\ngcctl set strategy.generational.young_size=8MiB\n"
                "gcctl set heap.memory_limit none --dry-run\n",
    .arguments = set_arguments,
    .flags = GCCTL_READS | GCCTL_CHANGES | GCCTL_LIVE,
    .run = set_run,
};

/* ---- collect */

static void collect_row(struct gcctl_table *table, json_t *heap)
{
    char text[5][GCCTL_UNIT_BYTES];
    gcctl_table_row(table, (const char *[]){
                               gcctl_figure_text(heap, "heap"),
                               gcctl_count(text[0], gcctl_figure(heap, "before_objects")),
                               gcctl_count(text[1], gcctl_figure(heap, "after_objects")),
                               gcctl_bytes(text[2], gcctl_figure(heap, "before_bytes")),
                               gcctl_bytes(text[3], gcctl_figure(heap, "after_bytes")),
                               gcctl_duration(text[4], gcctl_figure(heap, "stop_ns")),
                           });
}

static int collect_run(struct gcctl_call *call)
{
    static const char *const right[] = {"OBJECTS BEFORE", "AFTER", "BYTES BEFORE", "AFTER", "STOPPED"};
    int status = 0;
    json_t *heap, *parameters = gcctl_parameters(call, (const char *[]){"heap", "kind", NULL});
    size_t i;
    if (!gcctl_text(call, "kind"))
        json_object_set_new(parameters, "kind", json_string("full"));
    json_t *result = gcctl_ask(call, "collect", parameters, &status);
    if (!result)
        return status;
    if (call->json)
        return gcctl_print_json(result);
    if (call->dry_run) {
        json_array_foreach (json_object_get(result, "heaps"), i, heap)
            printf("heap %s would be collected\n", gcctl_figure_text(heap, "heap"));
        json_decref(result);
        return 0;
    }
    struct gcctl_table *table = gcctl_table_create(call);
    gcctl_table_column(table, "HEAP", 0);
    for (i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        gcctl_table_column(table, right[i], GCCTL_RIGHT);
    json_array_foreach (json_object_get(result, "heaps"), i, heap)
        collect_row(table, heap);
    gcctl_table_print(table);
    json_decref(result);
    return 0;
}

static const struct gcctl_option heap_arguments[] = {
    {.name = "heap", .kind = GCCTL_HEAP, .value = "HEAP", .help = "The heap that is meant; all unless given"},
    {0},
};
static const struct gcctl_option collect_options[] = {
    {.name = "kind",
     .letter = 'k',
     .kind = GCCTL_CHOICE,
     .value = "KIND",
     .choices = "minor|full",
     .help = "The collection to do; full unless given"},
    {0},
};

const struct gcctl_command gcctl_command_collect = {
    .name = "collect",
    .group = "Change",
    .summary = "Collect garbage now",
    .description = "Makes the strategy of each heap collect: the young objects alone (minor), or everything (full), "
                   "after which exactly the objects that can be "
                   "reached are left. Prints, for each heap, live objects and bytes before and after, and how long the "
                   "threads were stopped.\n\n"
                   "The program waits as long as its strategy's collections take, no longer. With --json, prints the "
                   "process's answer.",
    .examples = "gcctl collect\ngcctl collect wordgraph --kind=minor\ngcctl collect --dry-run\n",
    .arguments = heap_arguments,
    .options = collect_options,
    .flags = GCCTL_READS | GCCTL_CHANGES | GCCTL_LIVE,
    .run = collect_run,
};

/* ---- reap */

static int reap_run(struct gcctl_call *call)
{
    char before[GCCTL_UNIT_BYTES], after[GCCTL_UNIT_BYTES];
    int status = 0;
    json_t *result = gcctl_ask(call, "reap", gcctl_parameters(call, (const char *[]){"heap", NULL}), &status);
    if (!result)
        return status;
    if (call->json)
        return gcctl_print_json(result);
    printf("memory held: %s -> %s%s\n", gcctl_bytes(before, gcctl_figure(result, "before_bytes")),
           gcctl_bytes(after, gcctl_figure(result, "after_bytes")), call->dry_run ? " (not done: --dry-run)" : "");
    json_decref(result);
    return 0;
}

const struct gcctl_command gcctl_command_reap = {
    .name = "reap",
    .group = "Change",
    .summary = "Give empty slabs and regions back to the system",
    .description = "Returns memory in which no object lies to the operating system, instead of keeping it for objects "
                   "to come. Prints the memory that was held "
                   "before, and is after. Slabs with even one live object stay: objects never move.\n\n"
                   "Nobody is stopped; objects that are allocated next may need fresh memory, which costs a little "
                   "time. With --json, prints the process's "
                   "answer.",
    .examples = "gcctl reap\ngcctl reap wordgraph --dry-run\n",
    .arguments = heap_arguments,
    .flags = GCCTL_READS | GCCTL_CHANGES | GCCTL_LIVE,
    .run = reap_run,
};

/* ---- reload */

static int reload_run(struct gcctl_call *call)
{
    int status = 0;
    json_t *name, *result = gcctl_ask(call, "reload", gcctl_parameters(call, (const char *[]){NULL}), &status);
    size_t i;
    if (!result)
        return status == EX_USAGE ? EX_CONFIG : status; /* what the process could not understand is its config */
    if (call->json)
        return gcctl_print_json(result);
    json_t *changed = json_object_get(result, "changed");
    if (json_array_size(changed) == 0)
        puts("nothing changed");
    json_array_foreach (changed, i, name)
        printf("%s %schanged\n", json_string_value(name) ?: "?", gcctl_would(call));
    json_decref(result);
    return 0;
}

const struct gcctl_command gcctl_command_reload = {
    .name = "reload",
    .group = "Change",
    .summary = "Read config again, all of it or nothing",
    .description =
        "Makes the process read its config files again and apply what changed to its open heaps. If one line cannot be "
        "understood or one value "
        "cannot change now, nothing is applied, and the message says which. Prints the names of what changed.\n\n"
        "The exit status is 78 when config is wrong, 75 when a value cannot change while a heap is open. Each heap "
        "that changes is stopped once, for a "
        "moment. With --json, prints the process's answer.",
    .examples = "gcctl reload\ngcctl reload --dry-run\n",
    .flags = GCCTL_READS | GCCTL_CHANGES | GCCTL_LIVE,
    .run = reload_run,
};

/* ---- switch */

static int switch_run(struct gcctl_call *call)
{
    char stopped[GCCTL_UNIT_BYTES];
    int status = 0;
    json_t *result =
        gcctl_ask(call, "switch", gcctl_parameters(call, (const char *[]){"heap", "strategy", NULL}), &status);
    if (!result)
        return status;
    if (call->json)
        return gcctl_print_json(result);
    printf("heap %s: %s -> %s", gcctl_figure_text(result, "heap"), gcctl_figure_text(result, "old"),
           gcctl_figure_text(result, "new"));
    if (call->dry_run)
        puts(" (not done: --dry-run)");
    else
        printf(", stopped for %s\n", gcctl_duration(stopped, gcctl_figure(result, "stop_ns")));
    json_decref(result);
    return 0;
}

static const struct gcctl_option switch_arguments[] = {
    {.name = "heap", .kind = GCCTL_HEAP, .value = "HEAP", .help = "The heap", .required = true},
    {.name = "strategy", .kind = GCCTL_STRATEGY, .value = "STRATEGY", .help = "Its new strategy", .required = true},
    {0},
};

const struct gcctl_command gcctl_command_switch = {
    .name = "switch",
    .group = "Change",
    .summary = "Give a live heap another strategy",
    .description =
        "Hands a heap with all its objects from its strategy to another, which must have what the program needs; else "
        "it is refused, with what is "
        "missing. Prints both names and how long the threads were stopped: one trace of the heap, so the time grows "
        "with "
        "the live objects.\n\nThe change lasts for the life of the process. With --json, prints the process's answer.",
    .examples = "gcctl switch wordgraph rcu\ngcctl switch wordgraph generational --dry-run\n",
    .arguments = switch_arguments,
    .flags = GCCTL_READS | GCCTL_CHANGES | GCCTL_LIVE,
    .run = switch_run,
};
