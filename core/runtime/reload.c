/* reload.c - sgc_config_reload: all sources again, every change or none.
 * Called by programs, at rest, and by the commands reload and set.
 * Invariant: nothing changes before every open heap has agreed; from then on nothing can fail.
 * Locks: in a turn (runtime.h), over the stops in which heaps take their new values. */
#include "core/runtime/reload.h"
#include "core/runtime/control_server.h"
#include "core/runtime/resolve.h"
#include "core/runtime/schema.h"
#include "core/runtime/search.h"
#include "core/stats/events.h"
#include <slabgc/config.h>

#include <errno.h>
#include <string.h>

/* One open heap and what it is to become. */
struct reload_item {
    struct sgc_open_heap *record;
    struct sgc_resolved resolved;
    bool changed;
    struct reload_item *next;
};

struct reload {
    const struct sgc_config *old, *new;
    struct sgc_open_heap *record; /* the heap being judged */
    struct sgc_error *error;
};

/* Another strategy than the heap has, by a line that was not there before. */
static int reload_check_strategy(const struct reload *reload)
{
    const struct sgc_heap *heap = reload->record->heap;
    const struct sgc_config_entry *old = sgc_config_find(reload->old, SGC_CONFIG_HEAP, heap->name, "strategy");
    const struct sgc_config_entry *new = sgc_config_find(reload->new, SGC_CONFIG_HEAP, heap->name, "strategy");
    if (!new || (old && strcmp(old->value, new->value) == 0))
        return 0;
    size_t length;
    const char *name = sgc_search_name_in_path(new->value, &length);
    if (strlen(heap->plugin->name) == length && memcmp(heap->plugin->name, name, length) == 0)
        return 0;
    return sgc_place_error(&new->value_place, reload->error, -EBUSY,
                           "heap \"%s\" is open with strategy \"%s\"; a reload cannot change that, sgc_heap_switch can",
                           heap->name, heap->plugin->name);
}

static int reload_check_params(const struct reload *reload, const struct sgc_params *new)
{
    const struct sgc_heap *heap = reload->record->heap;
    for (uint32_t i = 0; i < heap->plugin->n_params; i++) {
        const struct sgc_param *param = &heap->plugin->params[i];
        if (param->live || new->values[i] == heap->params[i])
            continue;
        char was[SGC_VALUE_BYTES], is[SGC_VALUE_BYTES];
        sgc_value_format(param->type, heap->params[i], was);
        sgc_value_format(param->type, new->values[i], is);
        if (!new->entries[i])
            return sgc_error_set(
                reload->error, -EBUSY,
                "strategy.%s.%s would go back from %s to its default, %s, but cannot change while heap "
                "\"%s\" is open",
                heap->plugin->name, param->key, was, is, heap->name);
        return sgc_place_error(&new->entries[i]->value_place, reload->error, -EBUSY,
                               "\"%s\" cannot change from %s to %s while heap \"%s\" is open", param->key, was, is,
                               heap->name);
    }
    return 0;
}

static int reload_check_cache(void *arg, struct sgc_cache *cache)
{
    const struct reload *reload = arg;
    const struct sgc_config_entry *old = sgc_config_find_cache(reload->old, cache->name, "debug");
    const struct sgc_config_entry *new = sgc_config_find_cache(reload->new, cache->name, "debug");
    struct sgc_value_fault fault;
    uint32_t was, is;
    SGC_CHECK(sgc_schema_debug(old->value, &was, &fault) == 0 && sgc_schema_debug(new->value, &is, &fault) == 0);
    if (was == is)
        return 0;
    return sgc_place_error(&new->value_place, reload->error, -EBUSY,
                           "cache \"%s\" of heap \"%s\" exists; its debug cannot change from \"%s\" to \"%s\"",
                           cache->name, reload->record->heap->name, old->value, new->value);
}

static bool reload_is_change(const struct sgc_heap *heap, const struct sgc_resolved *new)
{
    return heap->budget.soft_bytes != new->setup.soft_limit_bytes ||
           heap->budget.hard_bytes != new->setup.hard_limit_bytes ||
           heap->stall_report_ns != new->setup.stall_report_ns ||
           memcmp(heap->params, new->params.values, heap->plugin->n_params * sizeof(heap->params[0])) != 0;
}

static int reload_check_heap(struct reload *reload, struct reload_item *item)
{
    struct sgc_heap *heap = item->record->heap;
    reload->record = item->record;
    int code = reload_check_strategy(reload);
    if (code == 0)
        code =
            sgc_resolve(reload->new, heap->name, &item->record->options, heap->plugin, &item->resolved, reload->error);
    if (code == 0)
        code = reload_check_params(reload, &item->resolved.params);
    if (code == 0)
        code = sgc_cache_for_each(heap, reload_check_cache, reload);
    item->changed = code == 0 && reload_is_change(heap, &item->resolved);
    return code;
}

static int reload_check_heaps(struct reload *reload, struct sgc_pool *pool, struct reload_item **items)
{
    int code = 0;
    SGC_LIST_FOR_EACH (link, sgc_runtime_heaps()) {
        struct reload_item *item = sgc_pool_alloc(pool, sizeof(*item));
        if (!item)
            return sgc_config_no_memory(reload->error);
        item->record = SGC_LIST_ENTRY(link, struct sgc_open_heap, link);
        code = reload_check_heap(reload, item);
        if (code)
            return code;
        item->next = *items;
        *items = item;
    }
    return 0;
}

int sgc_reload_apply(struct sgc_config *new, bool dry_run, sgc_reload_changed_fn *changed, void *arg,
                     struct sgc_error *error)
{
    struct reload reload = {.new = new, .error = error};
    struct reload_item *items = NULL;
    struct sgc_pool pool = {NULL};
    int code = sgc_runtime_config(NULL, &reload.old, error);
    if (code == 0)
        code = sgc_control_check_reload(reload.old, new, error);
    if (code == 0)
        code = reload_check_heaps(&reload, &pool, &items);
    if (code == 0 && !dry_run)
        sgc_runtime_replace_config(new);
    else
        sgc_config_free(new);
    for (const struct reload_item *item = items; item && code == 0; item = item->next) {
        if (!item->changed)
            continue;
        if (!dry_run)
            sgc_heap_reconfigure(item->record->heap, &item->resolved.setup);
        changed(arg, item->record->heap);
    }
    sgc_pool_fini(&pool);
    return code;
}

int sgc_reload(bool dry_run, sgc_reload_changed_fn *changed, void *arg, struct sgc_error *error)
{
    const struct sgc_config *old;
    struct sgc_config *new;
    int code = sgc_runtime_config(NULL, &old, error);
    if (code == 0)
        code = sgc_runtime_read_config(NULL, &new, error);
    return code ? code : sgc_reload_apply(new, dry_run, changed, arg, error);
}

static void reload_count(void *arg, const struct sgc_heap *heap)
{
    uint64_t *n_changed = arg;
    (void)heap;
    ++*n_changed;
}

int sgc_config_reload(struct sgc_error *error)
{
    uint64_t n_changed = 0;
    sgc_runtime_begin("sgc_config_reload");
    const int code = sgc_reload(false, reload_count, &n_changed, error);
    sgc_runtime_end();
    if (code == 0)
        sgc_event_record(SGC_EVENT_RELOAD, NULL, n_changed, 0, 0, 0);
    return code;
}
