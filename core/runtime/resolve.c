/* resolve.c - what config's values mean for one heap.
 * Called by open.c, switch.c and reload.c, in a turn.
 * Invariant: hard_limit_bytes is 0 or at least soft_limit_bytes.
 * Locks: none; the config is constant. */
#include "core/runtime/resolve.h"

#include "core/runtime/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* memory_limit: config's, unless that is the built-in one and the program said something. */
static uint64_t resolve_memory_limit(const struct sgc_config *config, const char *heap,
                                     const struct sgc_heap_options *options)
{
    const struct sgc_config_entry *entry = sgc_config_find(config, SGC_CONFIG_HEAP, heap, "memory_limit");
    struct sgc_value_fault fault;
    struct sgc_limit limit;
    if (entry->value_place.source->kind == SGC_SOURCE_BUILT_IN && options->memory_limit_bytes)
        return options->memory_limit_bytes;
    SGC_CHECK(sgc_schema_limit(entry->value, false, &limit, &fault) == 0); /* it was checked when it was read */
    return limit.form == SGC_LIMIT_NONE ? 0 : limit.value;
}

static uint64_t resolve_percent(uint64_t bytes, uint64_t percent)
{
    uint64_t product;
    return __builtin_mul_overflow(bytes, percent, &product) ? bytes / 100 * percent : product / 100;
}

static int resolve_hard_limit(const struct sgc_config *config, const char *heap, uint64_t memory_limit_bytes,
                              uint64_t *out, struct sgc_error *error)
{
    const struct sgc_config_entry *entry = sgc_config_find(config, SGC_CONFIG_HEAP, heap, "hard_limit");
    struct sgc_value_fault fault;
    struct sgc_limit limit;
    SGC_CHECK(sgc_schema_limit(entry->value, true, &limit, &fault) == 0);
    switch (limit.form) {
    case SGC_LIMIT_NONE:
        *out = 0;
        return 0;
    case SGC_LIMIT_PERCENT:
        *out = resolve_percent(memory_limit_bytes, limit.value);
        return 0;
    case SGC_LIMIT_BYTES:
        break;
    }
    if (limit.value < memory_limit_bytes) {
        char memory_limit[SGC_VALUE_BYTES];
        sgc_value_format(SGC_PARAM_BYTES, memory_limit_bytes, memory_limit);
        return sgc_place_error(&entry->value_place, error, -EINVAL,
                               "hard_limit \"%s\" is below the memory_limit of heap \"%s\", %s", entry->value, heap,
                               memory_limit);
    }
    *out = limit.value;
    return 0;
}

int sgc_resolve(const struct sgc_config *config, const char *heap, const struct sgc_heap_options *options,
                const struct sgc_strategy_plugin *plugin, struct sgc_resolved *out, struct sgc_error *error)
{
    struct sgc_heap_setup *setup = &out->setup;
    memset(setup, 0, sizeof(*setup));
    setup->name = heap;
    setup->plugin = plugin;
    setup->params = out->params.values;
    setup->needs = options->needs;
    setup->finalizer_thread = options->finalizer_thread != 0;
    setup->cache_config = sgc_runtime_cache_config;
    setup->closing = sgc_runtime_closing;
    int code = sgc_params_resolve(config, plugin, &out->params, error);
    if (code)
        return code;
    setup->soft_limit_bytes = resolve_memory_limit(config, heap, options);
    code = resolve_hard_limit(config, heap, setup->soft_limit_bytes, &setup->hard_limit_bytes, error);
    if (code)
        return code;
    const struct sgc_config_entry *entry = sgc_config_find(config, SGC_CONFIG_HEAP, heap, "stall_report");
    struct sgc_value_fault fault;
    SGC_CHECK(sgc_value_parse(SGC_PARAM_DURATION_NS, entry->value, &setup->stall_report_ns, &fault) == 0);
    return 0;
}
