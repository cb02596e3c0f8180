/* switch.c - sgc_heap_switch's front half: the strategy is found, checked and configured as for an open.
 * Called by programs, at rest, and by the command switch; core/heap moves the heap.
 * Locks: in a turn (runtime.h), over the stop in which the heap moves. */
#include "core/runtime/resolve.h"
#include "core/runtime/select.h"

#include <errno.h>

int sgc_switch_in_turn(struct sgc_heap *heap, const char *strategy, const char *by, bool dry_run,
                       struct sgc_error *error)
{
    const struct sgc_config *config;
    const struct sgc_strategy_plugin *plugin;
    struct sgc_params params;
    int code = sgc_runtime_config(strategy, &config, error);
    if (code == 0)
        code = sgc_select_named(config, heap->name, strategy, heap->needs, NULL, &plugin, error);
    if (code == 0)
        code = sgc_params_resolve(config, plugin, &params, error);
    if (code == 0 && !dry_run && sgc_thread_attach() < 0)
        code = sgc_error_set(error, -ENOMEM, "heap \"%s\": no memory to attach this thread", heap->name);
    if (code == 0 && !dry_run)
        code = sgc_heap_switch_strategy(heap, plugin, params.values, error);
    if (code == 0 && !dry_run && heap->setup.closing == sgc_runtime_closing)
        ((struct sgc_open_heap *)heap->setup.cache_config_arg)->switched_by = by;
    return code;
}

int sgc_heap_switch(struct sgc_heap *heap, const char *strategy, struct sgc_error *error)
{
    if (!strategy)
        return sgc_error_set(error, -EINVAL, "heap \"%s\": no strategy is named", heap->name);
    if (sgc_heap_is_malloc(heap))
        return sgc_error_set(error, -ENOTSUP, "heap %s: malloc's caches have no other strategy than none", heap->name);
    sgc_runtime_begin("sgc_heap_switch");
    int code = sgc_switch_in_turn(heap, strategy, "sgc_heap_switch", false, error);
    sgc_runtime_end();
    return code;
}
