/* open.c - sgc_heap_open: from a name and options to a heap.
 * Called by programs, at rest.
 * Invariant: a heap that opened is listed with what the program asked for, until it closes.
 * Locks: in a turn (runtime.h); RUNTIME for a moment. */
#include "core/runtime/control_server.h"
#include "core/runtime/plugin_check.h"
#include "core/runtime/resolve.h"
#include "core/runtime/select.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int open_check_name(const char *name, struct sgc_error *error)
{
    if (!name || !name[0])
        return sgc_error_set(error, -EINVAL, "a heap needs a name");
    size_t length = strnlen(name, SGC_HEAP_NAME_BYTES);
    if (length == SGC_HEAP_NAME_BYTES)
        return sgc_error_set(error, -EINVAL, "heap \"%.20s...\": a name has at most %d bytes", name,
                             SGC_HEAP_NAME_BYTES - 1);
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_' && c != '-')
            return sgc_error_set(error, -EINVAL, "heap \"%s\": a name has letters, digits, _ and - alone", name);
    }
    return 0;
}

static int open_check_options(const char *name, const struct sgc_heap_options *options, struct sgc_error *error)
{
    uint32_t unknown = options->needs & ~(uint32_t)SGC_NEEDS_ALL;
    if (unknown)
        return sgc_error_set(error, -EINVAL, "heap \"%s\": needs has the unknown bits 0x%" PRIx32, name, unknown);
    return 0;
}

/* In a turn, name and options checked. */
static struct sgc_heap *open_heap(const char *name, const struct sgc_heap_options *options, struct sgc_error *error)
{
    const struct sgc_strategy_plugin *plugin;
    struct sgc_resolved resolved;
    struct sgc_open_heap *record;
    const struct sgc_config *config;
    if (sgc_runtime_config(options->strategy, &config, error))
        return NULL;
    if (sgc_select(config, name, options->strategy, options->needs, &plugin, error))
        return NULL;
    if (sgc_resolve(config, name, options, plugin, &resolved, error))
        return NULL;
    if (sgc_open_heap_alloc(options, &record, error))
        return NULL;
    resolved.setup.cache_config_arg = record;
    record->heap = sgc_heap_create(&resolved.setup, error);
    if (!record->heap) {
        sgc_open_heap_free(record);
        return NULL;
    }
    sgc_open_heap_list(record);
    return record->heap;
}

/* Config is read, and the control socket open, before the turn in which the heap opens: a client may have been asked to
 * say go. */
static int open_prepare(const struct sgc_heap_options *options, struct sgc_error *error)
{
    const struct sgc_config *config;
    sgc_runtime_begin("sgc_heap_open");
    int code = sgc_runtime_config(options->strategy, &config, error);
    if (code == 0 && (code = sgc_control_start(config, error)) && sgc_list_empty(sgc_runtime_heaps()))
        sgc_runtime_replace_config(NULL); /* as a first read that failed, it is not remembered */
    sgc_runtime_end();
    if (code == 0)
        sgc_control_wait();
    return code;
}

struct sgc_heap *sgc_heap_open(const char *name, const struct sgc_heap_options *options, struct sgc_error *error)
{
    static const struct sgc_heap_options no_options;
    if (!options)
        options = &no_options;
    if (open_check_name(name, error) || open_check_options(name, options, error))
        return NULL;
    if (open_prepare(options, error))
        return NULL;
    sgc_runtime_begin("sgc_heap_open");
    struct sgc_heap *heap = open_heap(name, options, error);
    sgc_runtime_end();
    return heap;
}
