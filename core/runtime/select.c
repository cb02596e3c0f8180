/* select.c - which strategy serves a heap: config over program over default list; needs; alternatives.
 * Called by open.c and switch.c.
 * Invariant: what is returned offers every need.
 * Locks: none; in a turn. */
#include "core/runtime/select.h"

#include "core/base/panic.h"
#include "core/runtime/loader.h"
#include "core/runtime/plugin_check.h"
#include "core/runtime/schema.h"
#include "core/runtime/search.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIST_BYTES 200

/* The error of a strategy that config (entry) or the program (NULL) named. */
static int select_error(const struct sgc_config_entry *entry, int code, const char *message, struct sgc_error *error)
{
    if (entry)
        return sgc_place_error(&entry->value_place, error, code, "%s", message);
    return sgc_error_set(error, code, "%s", message);
}

/* Names of the strategies at hand that offer all the needs. They are loaded to tell. */
static void select_alternatives(const struct sgc_config *config, uint32_t needs, char out[LIST_BYTES])
{
    struct sgc_pool pool = {NULL};
    struct sgc_search_names names;
    size_t length = 0;
    snprintf(out, LIST_BYTES, "none at hand does");
    if (sgc_search_list(config, &pool, &names, NULL))
        return;
    for (size_t i = 0; i < names.n && length < LIST_BYTES; i++) {
        const struct sgc_strategy_plugin *plugin;
        if (sgc_loader_get(config, names.names[i], &plugin, NULL) == 0 && !(needs & ~plugin->capabilities))
            length += (size_t)snprintf(out + length, LIST_BYTES - length, "%s%s", length ? ", " : "", names.names[i]);
    }
    sgc_pool_fini(&pool);
}

static int select_lacking(const struct sgc_config *config, const char *heap, const struct sgc_strategy_plugin *plugin,
                          uint32_t needs, const struct sgc_config_entry *entry, struct sgc_error *error)
{
    char missing[LIST_BYTES], alternatives[LIST_BYTES], message[600];
    sgc_needs_list(needs & ~plugin->capabilities, missing, sizeof(missing));
    select_alternatives(config, needs, alternatives);
    snprintf(message, sizeof(message),
             "strategy \"%s\" cannot serve heap \"%s\": it lacks %s; strategies that have all the program needs: %s",
             plugin->name, heap, missing, alternatives);
    return select_error(entry, -ENOTSUP, message, error);
}

int sgc_select_named(const struct sgc_config *config, const char *heap, const char *name, uint32_t needs,
                     const struct sgc_config_entry *entry, const struct sgc_strategy_plugin **out,
                     struct sgc_error *error)
{
    const struct sgc_strategy_plugin *plugin;
    struct sgc_error local;
    int code = sgc_loader_get(config, name, &plugin, &local);
    if (code)
        return select_error(entry, code, local.message, error);
    if (needs & ~plugin->capabilities)
        return select_lacking(config, heap, plugin, needs, entry, error);
    *out = plugin;
    return 0;
}

/* What became of one name of the default list, for the message when none serves. */
static void select_note(char notes[LIST_BYTES * 2], const char *name, const char *what)
{
    size_t length = strlen(notes);
    if (length < LIST_BYTES * 2 - 1)
        snprintf(notes + length, LIST_BYTES * 2 - length, "%s%s %s", length ? "; " : "", name, what);
}

static int select_default(const struct sgc_config *config, const char *heap, uint32_t needs,
                          const struct sgc_strategy_plugin **out, struct sgc_error *error)
{
    const struct sgc_config_entry *entry = sgc_config_find(config, SGC_CONFIG_HEAP, heap, "default_strategies");
    char notes[LIST_BYTES * 2] = "", missing[LIST_BYTES];
    const char *at = entry->value, *item;
    size_t length;
    while (sgc_schema_next_item(&at, ',', &item, &length)) {
        char name[SGC_CONFIG_NAME_BYTES], what[LIST_BYTES + 16];
        const struct sgc_strategy_plugin *plugin;
        struct sgc_error local;
        snprintf(name, sizeof(name), "%.*s", (int)length, item);
        int code = sgc_loader_get(config, name, &plugin, &local);
        if (code == -ENOMEM)
            return sgc_error_set(error, code, "%s", local.message);
        if (code == 0 && !(needs & ~plugin->capabilities)) {
            *out = plugin;
            return 0;
        }
        if (code && code != -ENOENT)
            sgc_warn("strategy %s of default_strategies passed over: %s", name, local.message);
        snprintf(what, sizeof(what), "%s", code == -ENOENT ? "is not found" : "is refused");
        if (code == 0)
            snprintf(what, sizeof(what), "lacks %s",
                     sgc_needs_list(needs & ~plugin->capabilities, missing, LIST_BYTES));
        select_note(notes, name, what);
    }
    char all[LIST_BYTES], message[LIST_BYTES * 3 + 128];
    snprintf(message, sizeof(message), "no strategy of default_strategies serves heap \"%s\", which needs %s: %s", heap,
             sgc_needs_list(needs, all, LIST_BYTES), notes);
    if (entry->value_place.source->kind == SGC_SOURCE_BUILT_IN)
        return sgc_error_set(error, -ENOTSUP, "%s", message);
    return sgc_place_error(&entry->value_place, error, -ENOTSUP, "%s", message);
}

int sgc_select(const struct sgc_config *config, const char *heap, const char *wanted, uint32_t needs,
               const struct sgc_strategy_plugin **out, struct sgc_error *error)
{
    const struct sgc_config_entry *entry = sgc_config_find(config, SGC_CONFIG_HEAP, heap, "strategy");
    if (entry)
        return sgc_select_named(config, heap, entry->value, needs, entry, out, error);
    if (wanted)
        return sgc_select_named(config, heap, wanted, needs, NULL, out, error);
    return select_default(config, heap, needs, out, error);
}
