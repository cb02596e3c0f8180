/* show.c - sgc_config_for_each: every value in effect and where it came from.
 * Called by programs and tools, at rest.
 * Invariant: the rows are copied out in one turn, so they belong to one config; the visitor runs afterwards and may
 *   call slabgc.
 * Locks: in a turn (runtime.h) while rows are collected; none while they are shown. */
#include "core/runtime/loader.h"
#include "core/runtime/resolve.h"
#include "core/runtime/schema.h"
#include <slabgc/config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct show_row {
    const char *section, *key, *value, *origin;
    struct show_row *next;
};

struct show {
    const struct sgc_config *config;
    struct sgc_pool pool;
    struct show_row *first, *last;
};

static int show_add(struct show *show, const char *section, const char *key, const char *value, const char *origin)
{
    struct show_row *row = sgc_pool_alloc(&show->pool, sizeof(*row));
    if (!row)
        return -ENOMEM;
    row->section = sgc_pool_strndup(&show->pool, section, strlen(section));
    row->key = sgc_pool_strndup(&show->pool, key, strlen(key));
    row->value = sgc_pool_strndup(&show->pool, value, strlen(value));
    row->origin = sgc_pool_strndup(&show->pool, origin, strlen(origin));
    if (!row->section || !row->key || !row->value || !row->origin)
        return -ENOMEM;
    if (show->last)
        show->last->next = row;
    else
        show->first = row;
    show->last = row;
    return 0;
}

static int show_add_entry(struct show *show, const char *section, const char *value,
                          const struct sgc_config_entry *entry)
{
    char origin[SGC_ORIGIN_BYTES];
    sgc_place_origin(&entry->value_place, origin);
    return show_add(show, section, entry->key, value, origin);
}

/* ---- open heaps: resolved values */

static int show_limit(struct show *show, const struct sgc_open_heap *record, const char *section, const char *key,
                      uint64_t bytes)
{
    const struct sgc_config_entry *entry = sgc_config_find(show->config, SGC_CONFIG_HEAP, record->heap->name, key);
    char value[SGC_VALUE_BYTES] = "none";
    if (bytes)
        sgc_value_format(SGC_PARAM_BYTES, bytes, value);
    if (strcmp(key, "memory_limit") == 0 && entry->value_place.source->kind == SGC_SOURCE_BUILT_IN &&
        record->options.memory_limit_bytes)
        return show_add(show, section, key, value, "program");
    return show_add_entry(show, section, value, entry);
}

static int show_strategy(struct show *show, const struct sgc_open_heap *record, const char *section)
{
    const struct sgc_heap *heap = record->heap;
    const struct sgc_config_entry *entry = sgc_config_find(show->config, SGC_CONFIG_HEAP, heap->name, "strategy");
    if (record->switched_by)
        return show_add(show, section, "strategy", heap->plugin->name, record->switched_by);
    if (entry)
        return show_add_entry(show, section, heap->plugin->name, entry);
    return show_add(show, section, "strategy", heap->plugin->name, record->options.strategy ? "program" : "default");
}

static int show_heap(struct show *show, const struct sgc_open_heap *record)
{
    const struct sgc_heap *heap = record->heap;
    char section[SGC_HEAP_NAME_BYTES + 8], stall_report[SGC_VALUE_BYTES];
    snprintf(section, sizeof(section), "heap.%s", heap->name);
    sgc_value_format(SGC_PARAM_DURATION_NS, heap->stall_report_ns, stall_report);
    int code = show_strategy(show, record, section);
    if (code == 0)
        code = show_limit(show, record, section, "memory_limit", heap->budget.soft_bytes);
    if (code == 0)
        code = show_limit(show, record, section, "hard_limit", heap->budget.hard_bytes);
    if (code == 0)
        code = show_add_entry(show, section, stall_report,
                              sgc_config_find(show->config, SGC_CONFIG_HEAP, heap->name, "stall_report"));
    return code;
}

static bool show_is_open(const char *name)
{
    SGC_LIST_FOR_EACH (link, sgc_runtime_heaps())
        if (strcmp(SGC_LIST_ENTRY(link, struct sgc_open_heap, link)->heap->name, name) == 0)
            return true;
    return false;
}

/* ---- loaded strategies: all parameters */

static int show_plugin(void *arg, const struct sgc_strategy_plugin *plugin)
{
    struct show *show = arg;
    struct sgc_params params;
    char section[SGC_CONFIG_NAME_BYTES + 16], value[SGC_VALUE_BYTES];
    snprintf(section, sizeof(section), "strategy.%s", plugin->name);
    int code = sgc_params_resolve(show->config, plugin, &params, NULL);
    for (uint32_t i = 0; i < plugin->n_params && code == 0; i++) {
        sgc_value_format(plugin->params[i].type, params.values[i], value);
        code = params.entries[i] ? show_add_entry(show, section, value, params.entries[i])
                                 : show_add(show, section, plugin->params[i].key, value, "default");
    }
    return code;
}

static int show_is_name(void *arg, const struct sgc_strategy_plugin *plugin)
{
    return strcmp(arg, plugin->name) == 0;
}

/* ---- the rest, as it is written */

static bool show_is_last(const struct sgc_config_entry *entry)
{
    for (const struct sgc_config_entry *later = entry->next; later; later = later->next)
        if (strcmp(later->key, entry->key) == 0 && strcmp(later->section->title, entry->section->title) == 0)
            return false;
    return true;
}

static int show_written(struct show *show)
{
    int code = 0;
    for (const struct sgc_config_entry *entry = show->config->entries; entry && code == 0; entry = entry->next) {
        const struct sgc_config_section *section = entry->section;
        bool shown = (section->kind == SGC_CONFIG_HEAP && show_is_open(section->name)) ||
                     (section->kind == SGC_CONFIG_STRATEGY &&
                      sgc_loader_for_each(show_is_name, (void *)(uintptr_t)section->name));
        if (!shown && show_is_last(entry))
            code = show_add_entry(show, section->title, entry->value, entry);
    }
    return code;
}

static int show_collect(struct show *show)
{
    int code = sgc_runtime_config(NULL, &show->config, NULL);
    if (code == 0)
        code = show_written(show);
    if (code)
        return code;
    SGC_LIST_FOR_EACH (link, sgc_runtime_heaps()) {
        code = show_heap(show, SGC_LIST_ENTRY(link, struct sgc_open_heap, link));
        if (code)
            return code;
    }
    return sgc_loader_for_each(show_plugin, show);
}

int sgc_config_for_each(sgc_config_visit_fn *visit, void *arg)
{
    struct show show = {0};
    sgc_runtime_begin("sgc_config_for_each");
    int code = show_collect(&show);
    sgc_runtime_end();
    for (const struct show_row *row = show.first; row && code == 0; row = row->next)
        code = visit(arg, row->section, row->key, row->value, row->origin);
    sgc_pool_fini(&show.pool);
    return code;
}
