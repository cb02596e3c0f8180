/* cmd_plugin_list.c - gcctl plugin list: the strategies that a program started now would find, or those of a process.
 */
#include "tools/gcctl/client.h"
#include "tools/gcctl/layout.h"
#include "tools/gcctl/plugin_exam.h"
#include "tools/gcctl/print.h"

#include <dirent.h>
#include <inttypes.h>
#include <slabgc/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define SYSTEM_PLUGINS "/usr/lib/slabgc/plugins" /* where core looks when its own place has none */

struct list {
    const char *only;        /* a name; NULL: all */
    json_t *plugins, *names; /* names: of what was found, with the file */
};

/* ---- finding, in the order in which a program would look */

static bool list_has(const struct list *list, const char *path)
{
    size_t i;
    json_t *plugin;
    json_array_foreach (list->plugins, i, plugin)
        if (strcmp(json_string_value(json_object_get(plugin, "path")), path) == 0)
            return true;
    return false;
}

/* A file of a name that came before is there, but nobody gets it. A directory may be named twice. */
static void list_add(struct list *list, const char *path)
{
    char name[256];
    if (list_has(list, path))
        return;
    gcctl_plugin_name(path, name, sizeof(name));
    json_t *before = json_object_get(list->names, name);
    json_t *plugin = gcctl_plugin_examine(path);
    if (!before)
        json_object_set_new(list->names, name, json_string(path));
    json_object_set_new(plugin, "hidden_by", before ? json_incref(before) : json_null());
    json_array_append_new(list->plugins, plugin);
}

static int list_order(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void list_directory(struct list *list, const char *directory)
{
    char real[PATH_MAX], path[PATH_MAX + 2 * 256 + 8];
    struct dirent **entries;
    if (!realpath(directory, real))
        return;
    const int n = scandir(real, &entries, NULL, list_order);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        const size_t length = strlen(name);
        const bool file = length > 3 && strcmp(name + length - 3, ".so") == 0;
        if (file)
            snprintf(path, sizeof(path), "%s/%s", real, name);
        else
            snprintf(path, sizeof(path), "%s/%s/%s.so", real, name, name);
        if (name[0] != '.' && access(path, F_OK) == 0)
            list_add(list, path);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

static void list_directories(struct list *list, const char *directories)
{
    char *copy = directories ? strdup(directories) : NULL, *at = NULL;
    for (char *directory = strtok_r(copy, ":", &at); directory && copy; directory = strtok_r(NULL, ":", &at))
        list_directory(list, directory);
    free(copy);
}

static int list_config(void *arg, const char *section, const char *key, const char *value, const char *origin)
{
    (void)origin;
    if (strcmp(section, "plugins") == 0 && strcmp(key, "directory") == 0)
        list_directories(arg, value);
    return 0;
}

/* $SLABGC_PLUGIN_PATH, the config's, the installed one. */
static void list_find(struct list *list)
{
    const char *given = getenv("SLABGC_PLUGIN_PATH");
    char *before = given ? strdup(given) : NULL;
    json_t *built_in = gcctl_plugin_examine("");
    json_object_set_new(list->names, json_string_value(json_object_get(built_in, "name")), json_string(""));
    json_object_set_new(built_in, "hidden_by", json_null());
    json_array_append_new(list->plugins, built_in);
    if (before)
        list_directories(list, before);
    if (sgc_config_for_each(list_config, list) < 0)
        gcctl_note("config cannot be read, so its directories of plug-ins are left out; gcctl config check says why");
    gcctl_layout_plugins();
    list_directories(list, getenv("SLABGC_PLUGIN_PATH"));
    list_directory(list, SYSTEM_PLUGINS);
    free(before);
}

/* ---- printing */

static const char *list_text(json_t *plugin, const char *member)
{
    const char *text = json_string_value(json_object_get(plugin, member));
    return text ? text : "";
}

/* Capabilities, or why nobody gets this one. */
static void list_what(json_t *plugin, char *out, size_t out_bytes)
{
    size_t length = 0, i;
    json_t *capability;
    if (*list_text(plugin, "hidden_by"))
        snprintf(out, out_bytes, "hidden by %s", list_text(plugin, "hidden_by"));
    else if (*list_text(plugin, "crash"))
        snprintf(out, out_bytes, "refused: %s", list_text(plugin, "crash"));
    else if (*list_text(plugin, "refused"))
        snprintf(out, out_bytes, "refused: %s", list_text(plugin, "refused"));
    else {
        snprintf(out, out_bytes, "-");
        json_array_foreach(json_object_get(plugin, "capabilities"), i, capability) if (length < out_bytes) length +=
            (size_t)snprintf(out + length, out_bytes - length, "%s%s", i ? ", " : "", json_string_value(capability));
    }
}

static void list_table(struct gcctl_call *call, json_t *plugins, bool live)
{
    struct gcctl_table *table = gcctl_table_create(call);
    json_t *plugin;
    size_t i;
    gcctl_table_column(table, "NAME", 0);
    gcctl_table_column(table, "VERSION", 0);
    gcctl_table_column(table, "ABI", 0);
    if (live)
        gcctl_table_column(table, "LOADED", 0);
    gcctl_table_column(table, "FILE", 0);
    gcctl_table_column(table, "CAPABILITIES", GCCTL_WRAP);
    json_array_foreach(plugins, i, plugin)
    {
        char what[1600];
        const char *cells[6] = {list_text(plugin, "name"), list_text(plugin, "version"), list_text(plugin, "abi")};
        const char *path = list_text(plugin, "path");
        size_t n = 3;
        list_what(plugin, what, sizeof(what));
        if (live)
            cells[n++] = json_is_true(json_object_get(plugin, "loaded")) ? "yes" : "no";
        cells[n++] = *path ? path : "(built in)";
        cells[n++] = what;
        gcctl_table_row(table, cells);
    }
    gcctl_table_print(table);
}

/* A parameter's number as config writes it. */
static const char *list_value(char out[GCCTL_UNIT_BYTES], json_t *parameter, const char *member)
{
    const char *type = list_text(parameter, "type");
    json_t *number = json_object_get(parameter, member);
    if (strcmp(type, "bytes") == 0)
        return gcctl_bytes(out, json_number_value(number));
    if (strcmp(type, "duration") == 0)
        return gcctl_duration(out, json_number_value(number));
    if (strcmp(type, "switch") == 0)
        return json_integer_value(number) ? "on" : "off";
    snprintf(out, GCCTL_UNIT_BYTES, "%" JSON_INTEGER_FORMAT "%s", json_integer_value(number),
             strcmp(type, "percent") == 0 ? "%" : "");
    return out;
}

static void list_details(struct gcctl_call *call, json_t *plugin)
{
    json_t *parameter, *parameters = json_object_get(plugin, "parameters");
    char what[1600];
    size_t i;
    list_what(plugin, what, sizeof(what));
    printf("name          %s\nfile          %s\n", list_text(plugin, "name"),
           *list_text(plugin, "path") ? list_text(plugin, "path") : "(built in)");
    if (*list_text(plugin, "version"))
        printf("version       %s\nabi           %s\n", list_text(plugin, "version"), list_text(plugin, "abi"));
    if (*list_text(plugin, "license"))
        printf("license       %s\n", list_text(plugin, "license"));
    if (*list_text(plugin, "description"))
        printf("description   %s\n", list_text(plugin, "description"));
    printf("capabilities  %s\n", what);
    if (json_array_size(parameters) == 0)
        return;
    printf("\n");
    struct gcctl_table *table = gcctl_table_create(call);
    gcctl_table_column(table, "PARAMETER", 0);
    gcctl_table_column(table, "DEFAULT", GCCTL_RIGHT);
    gcctl_table_column(table, "MINIMUM", GCCTL_RIGHT);
    gcctl_table_column(table, "MAXIMUM", GCCTL_RIGHT);
    gcctl_table_column(table, "LIVE", 0);
    gcctl_table_column(table, "HELP", GCCTL_WRAP);
    json_array_foreach(parameters, i, parameter)
    {
        char least[GCCTL_UNIT_BYTES], most[GCCTL_UNIT_BYTES], def[GCCTL_UNIT_BYTES];
        gcctl_table_row(table, (const char *[]){list_text(parameter, "key"), list_value(def, parameter, "default"),
                                                list_value(least, parameter, "minimum"),
                                                list_value(most, parameter, "maximum"),
                                                json_is_true(json_object_get(parameter, "live")) ? "yes" : "no",
                                                list_text(parameter, "help")});
    }
    gcctl_table_print(table);
}

/* ---- the command */

/* Leaves the plug-in of that name alone; false: there is none, said. */
static bool list_choose(json_t *plugins, const char *name)
{
    const char **names = calloc(json_array_size(plugins) + 1, sizeof(*names));
    json_t *plugin;
    size_t i, found = 0;
    for (i = 0; names && i < json_array_size(plugins); i++)
        names[i] = list_text(json_array_get(plugins, i), "name");
    json_array_foreach(plugins, i, plugin) found += strcmp(list_text(plugin, "name"), name) == 0;
    if (!found)
        gcctl_error(0, "no strategy \"%s\" is found%s", name, names ? gcctl_suggest(name, names) : "");
    for (i = json_array_size(plugins); i-- > 0 && found;)
        if (strcmp(list_text(json_array_get(plugins, i), "name"), name) != 0)
            json_array_remove(plugins, i);
    free(names);
    return found;
}

static json_t *list_live(struct gcctl_call *call, int *status)
{
    struct gcctl_client *client = gcctl_connect(call, NULL, status);
    if (!client)
        return NULL;
    json_t *result = gcctl_request(client, "plugins", NULL, NULL, NULL, status), *plugins = NULL;
    gcctl_disconnect(client);
    if (result)
        plugins = json_incref(json_object_get(result, "plugins"));
    json_decref(result);
    return plugins;
}

static int list_run(struct gcctl_call *call)
{
    const char *name = gcctl_text(call, "name");
    const bool live = gcctl_text(call, "pid") != NULL;
    struct list list = {.plugins = NULL, .names = json_object()};
    int status = 0;
    if (live) {
        list.plugins = list_live(call, &status);
    } else {
        list.plugins = json_array();
        list_find(&list);
    }
    json_decref(list.names);
    if (!list.plugins)
        return status;
    if (name && !list_choose(list.plugins, name)) {
        json_decref(list.plugins);
        return EX_NOINPUT;
    }
    if (call->json)
        return gcctl_print_json(json_pack("{s:o}", "plugins", list.plugins));
    if (name)
        for (size_t i = 0; i < json_array_size(list.plugins); i++) {
            printf("%s", i ? "\n" : "");
            list_details(call, json_array_get(list.plugins, i));
        }
    else
        list_table(call, list.plugins, live);
    json_decref(list.plugins);
    return 0;
}

static const struct gcctl_option list_arguments[] = {
    {.name = "name", .kind = GCCTL_STRATEGY, .value = "NAME", .help = "Show this one alone, with its parameters"},
    {0},
};

const struct gcctl_command gcctl_command_plugin_list = {
    .name = "plugin list",
    .group = "Plug-ins",
    .summary = "List the strategies that are found, and why others are refused",
    .description =
        "Prints the built-in strategy and every plug-in's file in the directories where a program started now would "
        "look, in that order: $SLABGC_PLUGIN_PATH, [plugins] directory of config, the installed directory. Of each: "
        "name, "
        "version, version of the plug-in ABI, file, and capabilities; or why it is refused, or which file of the same "
        "name comes before it. With a name: that one with its parameters.\n\n"
        "Each file is loaded in a process of its own, by the loader that programs have; one that crashes is named. "
        "With --pid: what that process finds, which it loads to answer, and what it has loaded. The exit status is 0, "
        "also when files are refused; 66 when nothing has the name.",
    .examples = "gcctl plugin list\ngcctl plugin list generational\ngcctl plugin list --json --pid wordgraph\n",
    .arguments = list_arguments,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = list_run,
};
