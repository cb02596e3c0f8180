/* control_config.c - the commands get, set and reload.
 * Called by control_client.c.
 * A live change is a source of config like others, read last (config.c): set builds the config that would hold with it,
 * judges that as a reload judges what it read, and puts it into effect or leaves everything as it was. Locks: in a turn
 * (runtime.h), over the stops in which heaps take their new values. */
#include "core/base/check.h"
#include "core/base/panic.h"
#include "core/base/suggest.h"
#include "core/runtime/control.h"
#include "core/runtime/loader.h"
#include "core/runtime/reload.h"
#include "core/runtime/resolve.h"
#include "core/runtime/schema.h"
#include "core/stats/events.h"
#include <slabgc/config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_BYTES (2 * SGC_CONFIG_NAME_BYTES + 32) /* "strategy.NAME.KEY" */
#define MAX_ROWS 1024                              /* whose names are compared with a misspelt one */

static const char *const param_types[] = {"count", "bytes", "duration", "percent", "switch"};

/* ---- loaded strategies */

struct find_plugin {
    const char *name; /* not NUL-terminated */
    size_t length;
    const struct sgc_strategy_plugin *found;
    const char *names[64];
    size_t n;
};

static int find_plugin_visit(void *arg, const struct sgc_strategy_plugin *plugin)
{
    struct find_plugin *find = arg;
    if (strlen(plugin->name) == find->length && memcmp(plugin->name, find->name, find->length) == 0)
        find->found = plugin;
    if (find->n < SGC_ARRAY_LEN(find->names))
        find->names[find->n++] = plugin->name;
    return 0;
}

static const struct sgc_param *plugin_param(const struct sgc_strategy_plugin *plugin, const char *key)
{
    for (uint32_t i = 0; plugin && i < plugin->n_params; i++)
        if (strcmp(plugin->params[i].key, key) == 0)
            return &plugin->params[i];
    return NULL;
}

/* ---- get */

struct get {
    const char *wanted; /* "heap.words.memory_limit", "heap.words", or NULL */
    json_t *values;
    struct sgc_pool pool; /* names, for "did you mean" */
    const char *names[MAX_ROWS];
    size_t n_names;
};

static void get_describe_param(json_t *row, const struct sgc_param *param)
{
    json_object_set_new(row, "live", json_boolean(param->live));
    json_object_set_new(row, "type", json_string(param_types[param->type]));
    json_object_set_new(row, "minimum", sgc_control_u64(param->minimum));
    json_object_set_new(row, "maximum", sgc_control_u64(param->maximum));
    json_object_set_new(row, "default", sgc_control_u64(param->default_value));
    json_object_set_new(row, "help", sgc_control_string(param->help));
}

/* What the tables say of a key. */
static void get_describe(json_t *row, const char *section, const char *key)
{
    struct sgc_value_fault fault;
    struct sgc_schema_key_info info;
    enum sgc_config_kind kind;
    size_t name_offset;
    const struct sgc_param *param = NULL;
    bool known = sgc_schema_title(section, strlen(section), &kind, &name_offset, &fault) == 0;
    if (known && kind == SGC_CONFIG_STRATEGY) {
        struct find_plugin find = {.name = section + name_offset, .length = strlen(section + name_offset)};
        sgc_runtime_begin("control");
        sgc_loader_for_each(find_plugin_visit, &find);
        sgc_runtime_end();
        param = plugin_param(find.found, key);
    }
    if (param) {
        get_describe_param(row, param);
    } else if (known && sgc_schema_key_info(kind, key, &info)) {
        json_object_set_new(row, "live", json_boolean(info.live));
        json_object_set_new(row, "type", json_string(info.type));
        json_object_set_new(row, "help", json_string(info.help));
    } else {
        json_object_set_new(row, "live", json_false());
    }
}

static int get_visit(void *arg, const char *section, const char *key, const char *value, const char *origin)
{
    struct get *get = arg;
    char name[KEY_BYTES];
    const int length = snprintf(name, sizeof(name), "%s.%s", section, key);
    if (get->n_names < MAX_ROWS && (get->names[get->n_names] = sgc_pool_strndup(&get->pool, name, (size_t)length)))
        get->n_names++;
    if (get->wanted && strcmp(get->wanted, name) != 0 && strcmp(get->wanted, section) != 0)
        return 0;
    json_t *row = json_pack("{s:o, s:s, s:o, s:o}", "section", sgc_control_string(section), "key", key, "value",
                            sgc_control_string(value), "origin", sgc_control_string(origin));
    if (!row)
        return -ENOMEM;
    get_describe(row, section, key);
    return json_array_append_new(get->values, row) ? -ENOMEM : 0;
}

static int get_not_found(struct sgc_control_request *request, const struct get *get)
{
    const char *nearest = sgc_suggest(get->wanted, get->names, get->n_names);
    if (nearest)
        return sgc_control_fail(request, -EINVAL, "no key \"%.100s\"; did you mean \"%s\"?", get->wanted, nearest);
    return sgc_control_fail(request, -EINVAL, "no key \"%.100s\" is in effect", get->wanted);
}

static int get_run(struct sgc_control_request *request)
{
    struct get get = {.wanted = sgc_control_text(request, "key"), .values = json_array()};
    int code = sgc_config_for_each(get_visit, &get);
    if (code)
        sgc_control_fail(request, code, "config cannot be shown: %s", strerrordesc_np(-code));
    else if (get.wanted && json_array_size(get.values) == 0)
        code = get_not_found(request, &get);
    sgc_pool_fini(&get.pool);
    if (code) {
        json_decref(get.values);
        return code;
    }
    return sgc_control_result(request, json_pack("{s:o}", "values", get.values));
}

/* ---- set */

/* One change, taken apart and judged. In a turn. */
struct set {
    struct sgc_control_request *request;
    char section[KEY_BYTES], key[SGC_CONFIG_NAME_BYTES];
    enum sgc_config_kind kind;
    const char *name;                         /* of heap or strategy; "": every heap */
    const struct sgc_open_heap *record;       /* [heap.NAME] */
    const struct sgc_strategy_plugin *plugin; /* [strategy.NAME] */
    uint64_t old, new;
    char old_text[64], new_text[64];
    json_t *heaps;
};

/* The last dot of a key parts section and key; a bare key means [heap]. */
static int set_split(struct set *set, const char *text)
{
    struct sgc_control_request *request = set->request;
    struct sgc_value_fault fault;
    size_t name_offset;
    const char *dot = strrchr(text, '.');
    if (strlen(text) >= sizeof(set->section) || (dot && strlen(dot + 1) >= sizeof(set->key)))
        return sgc_control_fail(request, -EINVAL, "the key is too long");
    if (strpbrk(text, "=, \t\n"))
        return sgc_control_fail(request, -EINVAL, "\"%s\" is no key: SECTION.KEY is wanted", text);
    snprintf(set->section, sizeof(set->section), "%.*s", dot ? (int)(dot - text) : 4, dot ? text : "heap");
    snprintf(set->key, sizeof(set->key), "%.63s", dot ? dot + 1 : text);
    if (sgc_schema_title(set->section, strlen(set->section), &set->kind, &name_offset, &fault))
        return sgc_control_fail(request, -EINVAL, "%s", fault.message);
    set->name = set->section + name_offset;
    return 0;
}

static int set_not_live(struct set *set, const char *instead)
{
    return sgc_control_fail(set->request, -EBUSY, "%s.%s cannot change while the program runs%s", set->section,
                            set->key, instead);
}

static int set_check_heap(struct set *set)
{
    const char *names[SGC_MAX_HEAPS];
    size_t n = 0;
    if (strcmp(set->key, "strategy") == 0)
        return set_not_live(set, "; switch moves a heap to another strategy");
    if (!set->name[0])
        return 0;
    SGC_LIST_FOR_EACH (link, sgc_runtime_heaps()) {
        const struct sgc_open_heap *record = SGC_LIST_ENTRY(link, struct sgc_open_heap, link);
        if (strcmp(record->heap->name, set->name) == 0)
            set->record = record;
        names[n++] = record->heap->name;
    }
    if (set->record)
        return 0;
    const char *nearest = sgc_suggest(set->name, names, n);
    if (nearest)
        return sgc_control_fail(set->request, -EINVAL, "no heap \"%s\"; did you mean \"%s\"?", set->name, nearest);
    return sgc_control_fail(set->request, -EINVAL, "no heap \"%s\" is open", set->name);
}

static int set_unknown_param(struct set *set)
{
    const char *keys[SGC_MAX_PARAMS];
    for (uint32_t i = 0; i < set->plugin->n_params; i++)
        keys[i] = set->plugin->params[i].key;
    const char *nearest = sgc_suggest(set->key, keys, set->plugin->n_params);
    if (nearest)
        return sgc_control_fail(set->request, -EINVAL, "strategy %s has no \"%s\"; did you mean \"%s\"?", set->name,
                                set->key, nearest);
    return sgc_control_fail(set->request, -EINVAL, "strategy %s has no parameter \"%s\"", set->name, set->key);
}

static int set_check_strategy(struct set *set)
{
    struct find_plugin find = {.name = set->name, .length = strlen(set->name)};
    sgc_loader_for_each(find_plugin_visit, &find);
    set->plugin = find.found;
    if (!set->plugin) {
        const char *nearest = sgc_suggest(set->name, find.names, find.n);
        if (nearest)
            return sgc_control_fail(set->request, -EINVAL, "no strategy \"%s\" is in use; did you mean \"%s\"?",
                                    set->name, nearest);
        return sgc_control_fail(set->request, -EINVAL, "no strategy \"%s\" is in use", set->name);
    }
    const struct sgc_param *param = plugin_param(set->plugin, set->key);
    if (!param)
        return set_unknown_param(set);
    return param->live ? 0 : set_not_live(set, ": the strategy reads it when a heap opens");
}

static int set_check_key(struct set *set)
{
    const struct sgc_config_section section = {.kind = set->kind, .title = set->section, .name = set->name};
    struct sgc_schema_key_info info;
    struct sgc_value_fault fault;
    int code = 0;
    if (set->kind == SGC_CONFIG_STRATEGY)
        return set_check_strategy(set);
    if (sgc_schema_key(&section, set->key, &fault))
        return sgc_control_fail(set->request, -EINVAL, "%s", fault.message);
    if (set->kind == SGC_CONFIG_HEAP)
        code = set_check_heap(set);
    if (code == 0 && sgc_schema_key_info(set->kind, set->key, &info) && !info.live)
        code = set_not_live(set, set->kind == SGC_CONFIG_CONTROL
                                     ? ": it is fixed when the process starts; restart it with another config"
                                     : "");
    return code;
}

/* The value in effect under a config: its number and its text. */
static void set_value(const struct set *set, const struct sgc_config *config, uint64_t *number, char text[64])
{
    struct sgc_params params;
    struct sgc_resolved resolved;
    *number = 0;
    text[0] = '\0';
    if (set->plugin) {
        const struct sgc_param *param = plugin_param(set->plugin, set->key);
        if (sgc_params_resolve(config, set->plugin, &params, NULL) == 0) {
            *number = params.values[param - set->plugin->params];
            sgc_value_format(param->type, *number, text);
        }
    } else if (set->record &&
               sgc_resolve(config, set->name, &set->record->options, set->record->heap->plugin, &resolved, NULL) == 0) {
        const bool stall = strcmp(set->key, "stall_report") == 0, soft = strcmp(set->key, "memory_limit") == 0;
        *number = stall  ? resolved.setup.stall_report_ns
                  : soft ? resolved.setup.soft_limit_bytes
                         : resolved.setup.hard_limit_bytes;
        if (stall || *number)
            sgc_value_format(stall ? SGC_PARAM_DURATION_NS : SGC_PARAM_BYTES, *number, text);
        else
            strcpy(text, "none");
    } else if (!set->record) {
        const struct sgc_config_entry *entry = sgc_config_find(config, set->kind, set->name, set->key);
        struct sgc_value_fault fault;
        snprintf(text, 64, "%s", entry ? entry->value : "");
        if (entry && sgc_value_parse(SGC_PARAM_BYTES, entry->value, number, &fault))
            (void)sgc_value_parse(SGC_PARAM_DURATION_NS, entry->value, number, &fault);
    }
}

static void set_changed(void *arg, const struct sgc_heap *heap)
{
    struct set *set = arg;
    json_array_append_new(set->heaps, json_string(heap->name));
}

/* In a turn: key and value are judged, then everything or nothing happens. */
static int set_apply(struct set *set, const char *value, bool dry_run)
{
    char change[KEY_BYTES + 256];
    const struct sgc_config *old;
    struct sgc_config *new;
    struct sgc_error error = {0};
    if (strlen(value) >= 200 || strpbrk(value, ",\n"))
        return sgc_control_fail(set->request, -EINVAL, "\"%.100s\" is no value of %s.%s", value, set->section,
                                set->key);
    snprintf(change, sizeof(change), "%s.%s=%s", set->section, set->key, value);
    int code = sgc_runtime_config(NULL, &old, &error);
    if (code == 0) {
        set_value(set, old, &set->old, set->old_text);
        code = sgc_config_copy_with(old, change, &new, &error);
    }
    if (code)
        return sgc_control_fail_error(set->request, &error);
    code = sgc_runtime_check_config(new, NULL, &error);
    if (code) {
        sgc_config_free(new);
        return sgc_control_fail_error(set->request, &error);
    }
    set_value(set, new, &set->new, set->new_text);
    code = sgc_reload_apply(new, dry_run, set_changed, set, &error);
    return code ? sgc_control_fail_error(set->request, &error) : 0;
}

static int set_in_turn(struct set *set, bool dry_run)
{
    int code = set_split(set, sgc_control_text(set->request, "key"));
    if (code == 0)
        code = set_check_key(set);
    if (code == 0)
        code = set_apply(set, sgc_control_text(set->request, "value"), dry_run);
    return code;
}

static int set_run(struct sgc_control_request *request)
{
    const bool dry_run = sgc_control_flag(request, "dry_run");
    struct set set = {.request = request, .heaps = json_array()};
    char key[SGC_EVENT_NAME_BYTES];
    sgc_runtime_begin("control");
    const int code = set_in_turn(&set, dry_run);
    sgc_runtime_end();
    if (code) {
        json_decref(set.heaps);
        return code;
    }
    snprintf(key, sizeof(key), "%.40s.%.22s", set.section, set.key);
    if (!dry_run)
        sgc_event_record(SGC_EVENT_SET, key, set.old, set.new, json_array_size(set.heaps), 0);
    return sgc_control_result(request, json_pack("{s:o, s:s, s:s, s:b, s:o}", "key",
                                                 json_sprintf("%s.%s", set.section, set.key), "old", set.old_text,
                                                 "new", set.new_text, "applied", (int)!dry_run, "heaps", set.heaps));
}

/* ---- reload */

static void reload_changed(void *arg, const struct sgc_heap *heap)
{
    json_array_append_new(arg, json_string(heap->name));
}

static int reload_run(struct sgc_control_request *request)
{
    const bool dry_run = sgc_control_flag(request, "dry_run");
    struct sgc_error error = {0};
    json_t *changed = json_array();
    sgc_runtime_begin("control");
    const int code = sgc_reload(dry_run, reload_changed, changed, &error);
    sgc_runtime_end();
    if (code) {
        json_decref(changed);
        return sgc_control_fail_error(request, &error);
    }
    if (!dry_run)
        sgc_event_record(SGC_EVENT_RELOAD, NULL, json_array_size(changed), 0, 0, 0);
    return sgc_control_result(request, json_pack("{s:o}", "changed", changed));
}

static const struct sgc_control_parameter get_parameters[] = {
    {"key", SGC_CONTROL_STRING, false, "Only this key, heap.words.memory_limit, or this section, heap.words"},
    {0},
};
static const struct sgc_control_parameter set_parameters[] = {
    {"key", SGC_CONTROL_STRING, true, "SECTION.KEY: heap.words.memory_limit, strategy.rcu.KEY"},
    {"value", SGC_CONTROL_STRING, true, "The value, as config writes it: 64MiB, 10ms, 150%"},
    {"dry_run", SGC_CONTROL_BOOLEAN, false, "Says what would change, changes nothing"},
    {0},
};
static const struct sgc_control_parameter reload_parameters[] = {
    {"dry_run", SGC_CONTROL_BOOLEAN, false, "Says what would change, changes nothing"},
    {0},
};
const struct sgc_control_command sgc_control_config_commands[] = {
    {"get", "Values in effect and where they come from", SGC_CONTROL_STOPS_NO, false, get_parameters, get_run, NULL},
    {"set", "Changes one live value", SGC_CONTROL_STOPS_SHORT, false, set_parameters, set_run, NULL},
    {"reload", "Reads config again", SGC_CONTROL_STOPS_SHORT, false, reload_parameters, reload_run, NULL},
    {0},
};
