/* plugin_list.c - every strategy that can be found, loaded and checked: sgc_plugin_for_each, and the command plugins.
 * Called by programs and tools, at rest, and by control_client.c.
 * Invariant: what is shown was collected in one turn; the visitor runs behind it and may call slabgc.
 * Locks: in a turn (runtime.h). */
#include "core/base/check.h"
#include "core/base/panic.h"
#include "core/os/file.h"
#include "core/runtime/control.h"
#include "core/runtime/control_stat.h"
#include "core/runtime/loader.h"
#include "core/runtime/runtime.h"
#include "core/runtime/search.h"
#include <slabgc/config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_LOADED 256

struct plugin_list {
    const struct sgc_strategy_plugin *loaded[MAX_LOADED]; /* before this call */
    size_t n_loaded;
    struct sgc_pool pool;
    struct sgc_plugin_info *infos;
    size_t n;
};

static int list_note_loaded(void *arg, const struct sgc_strategy_plugin *plugin)
{
    struct plugin_list *list = arg;
    if (list->n_loaded < MAX_LOADED)
        list->loaded[list->n_loaded++] = plugin;
    return 0;
}

static bool list_was_loaded(const struct plugin_list *list, const struct sgc_strategy_plugin *plugin)
{
    for (size_t i = 0; i < list->n_loaded; i++)
        if (list->loaded[i] == plugin)
            return true;
    return false;
}

static int list_add(struct plugin_list *list, const struct sgc_config *config, const char *name)
{
    struct sgc_plugin_info *info = &list->infos[list->n];
    struct sgc_error error = {0};
    char path[PATH_MAX] = "";
    if (!sgc_search_built_in(name)) {
        const int fd = sgc_search_open(config, name, path, &error);
        if (fd >= 0)
            sgc_os_file_close(fd);
    }
    info->name = name;
    info->path = sgc_pool_strndup(&list->pool, path, strlen(path));
    if (sgc_loader_get(config, name, &info->plugin, &error)) {
        info->plugin = NULL;
        info->refused = sgc_pool_strndup(&list->pool, error.message, strlen(error.message));
    }
    info->loaded = info->plugin && list_was_loaded(list, info->plugin);
    if (!info->path || (!info->plugin && !info->refused))
        return -ENOMEM;
    list->n++;
    return 0;
}

/* In a turn. */
static int list_collect(struct plugin_list *list, struct sgc_error *error)
{
    const struct sgc_config *config;
    struct sgc_search_names names;
    int code = sgc_runtime_config(NULL, &config, error);
    if (code)
        return code;
    sgc_loader_for_each(list_note_loaded, list);
    code = sgc_search_list(config, &list->pool, &names, error);
    if (code)
        return code;
    list->infos = sgc_pool_alloc(&list->pool, names.n * sizeof(*list->infos));
    for (size_t i = 0; i < names.n && code == 0; i++)
        code = list->infos ? list_add(list, config, names.names[i]) : -ENOMEM;
    return code ? sgc_config_no_memory(error) : 0;
}

int sgc_plugin_for_each(sgc_plugin_visit_fn *visit, void *arg, struct sgc_error *error)
{
    struct plugin_list list = {.n = 0};
    sgc_runtime_begin("sgc_plugin_for_each");
    int code = list_collect(&list, error);
    sgc_runtime_end();
    for (size_t i = 0; i < list.n && code == 0; i++)
        code = visit(arg, &list.infos[i]);
    sgc_pool_fini(&list.pool);
    return code;
}

/* ---- checking a file of config */

static int check_load(const struct sgc_config *config, const char *name, const struct sgc_place *place,
                      struct sgc_error *error)
{
    const struct sgc_strategy_plugin *plugin;
    struct sgc_error local = {0};
    const int code = sgc_loader_get(config, name, &plugin, &local);
    return code && code != -ENOENT ? sgc_place_error(place, error, code, "%s", local.message) : 0;
}

/* Loads each strategy that has a section, so that its keys can be judged; one may be named by a path alone. In a turn.
 */
static int check_sections(const struct sgc_config *config, struct sgc_error *error)
{
    int code = 0;
    for (const struct sgc_config_section *at = config->sections; at && code == 0; at = at->next)
        if (at->kind == SGC_CONFIG_STRATEGY)
            code = check_load(config, at->name, &at->place, error);
    for (const struct sgc_config_entry *at = config->entries; at && code == 0; at = at->next)
        if (at->section->kind == SGC_CONFIG_HEAP && strcmp(at->key, "strategy") == 0 && at->value[0] == '/')
            code = check_load(config, at->value, &at->value_place, error);
    return code ? code : sgc_runtime_check_config(config, NULL, error);
}

int sgc_config_check(const char *path, struct sgc_error *error)
{
    struct sgc_config *config;
    sgc_runtime_begin("sgc_config_check");
    int code = sgc_config_read_instead(path, &config, error);
    if (code == 0) {
        code = sgc_search_check_config(config, NULL, error);
        if (code == 0)
            code = check_sections(config, error);
        sgc_config_free(config);
    }
    sgc_runtime_end();
    return code;
}

/* ---- the command */

static json_t *plugin_parameters(const struct sgc_strategy_plugin *plugin)
{
    static const char *const types[] = {"count", "bytes", "duration", "percent", "switch"};
    json_t *list = json_array();
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        const struct sgc_param *param = &plugin->params[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o, s:o, s:b, s:o}", "key", param->key, "type",
                                              types[param->type], "minimum", sgc_control_u64(param->minimum), "maximum",
                                              sgc_control_u64(param->maximum), "default",
                                              sgc_control_u64(param->default_value), "live", param->live != 0, "help",
                                              sgc_control_string(param->help)));
    }
    return list;
}

static int plugin_add(void *arg, const struct sgc_plugin_info *info)
{
    const struct sgc_strategy_plugin *plugin = info->plugin;
    json_t *row =
        json_pack("{s:s, s:o, s:b, s:o}", "name", info->name, "path", sgc_control_string(info->path), "loaded",
                  (int)info->loaded, "refused", info->refused ? sgc_control_string(info->refused) : json_null());
    if (row && plugin) {
        json_object_set_new(row, "version", sgc_control_string(plugin->version));
        json_object_set_new(row, "abi", json_sprintf("%u.%u", plugin->abi_major, plugin->abi_minor));
        json_object_set_new(row, "license", sgc_control_string(plugin->license));
        json_object_set_new(row, "description", sgc_control_string(plugin->description));
        json_object_set_new(row, "capabilities", sgc_control_capabilities(plugin->capabilities));
        json_object_set_new(row, "parameters", plugin_parameters(plugin));
    }
    return json_array_append_new(arg, row) ? -ENOMEM : 0;
}

static int plugins_run(struct sgc_control_request *request)
{
    struct sgc_error error = {0};
    json_t *list = json_array();
    const int code = sgc_plugin_for_each(plugin_add, list, &error);
    if (code) {
        json_decref(list);
        return error.code ? sgc_control_fail_error(request, &error) : sgc_control_fail(request, code, "no memory");
    }
    return sgc_control_result(request, json_pack("{s:o}", "plugins", list));
}

const struct sgc_control_command sgc_control_plugin_commands[] = {
    {"plugins", "Strategies that can be found; loads each", SGC_CONTROL_STOPS_NO, false, NULL, plugins_run, NULL},
    {0},
};
