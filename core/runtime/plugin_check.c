/* plugin_check.c - the plug-in ABI's promises, field by field.
 * Called by loader.c, each time a plug-in is asked for.
 * Invariant: a field is read only after those that say that it is there: magic, versions, sizes come first.
 * Locks: none. A later minor version that appends fields states here, per minor, how much of a struct there is. */
#include "core/runtime/plugin_check.h"

#include "core/base/check.h"
#include "core/heap/heap.h"
#include "core/runtime/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REFUSE(...) return check_refuse(path, error, __VA_ARGS__)

static int __attribute__((format(printf, 3, 4)))
check_refuse(const char *path, struct sgc_error *error, const char *format, ...)
{
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    return sgc_error_set(error, -ENOEXEC, "%s: plug-in refused: %s", path, reason);
}

static const struct sgc_capability capabilities[] = {
    {SGC_NEED_REFERENCES, "references"},
    {SGC_NEED_CYCLES, "cycles"},
    {SGC_NEED_CONCURRENT_READERS, "concurrent-readers"},
    {SGC_NEED_PROMPT, "prompt"},
    {SGC_NEED_WEAK, "weak"},
    {SGC_NEED_FINALIZERS, "finalizers"},
    {SGC_CAP_COUNTS_REFERENCES, "counts-references"},
    {SGC_CAP_MARKS, "marks"},
};

const struct sgc_capability *sgc_capability_at(size_t i)
{
    return i < SGC_ARRAY_LEN(capabilities) ? &capabilities[i] : NULL;
}

const char *sgc_needs_list(uint32_t needs, char *out, size_t out_bytes)
{
    size_t length = 0;
    snprintf(out, out_bytes, "nothing");
    for (size_t i = 0; i < SGC_ARRAY_LEN(capabilities); i++)
        if (needs & capabilities[i].bit && length < out_bytes)
            length +=
                (size_t)snprintf(out + length, out_bytes - length, "%s%s", length ? ", " : "", capabilities[i].name);
    return out;
}

static int check_head(const char *path, const struct sgc_strategy_plugin *plugin, struct sgc_error *error)
{
    if (plugin->magic != SGC_PLUGIN_MAGIC)
        REFUSE("magic is 0x%016" PRIx64 ", wanted 0x%016" PRIx64 "; is " SGC_PLUGIN_SYMBOL " of this type?",
               plugin->magic, SGC_PLUGIN_MAGIC);
    if (plugin->abi_major != SGC_ABI_MAJOR)
        REFUSE("abi_major is %u, wanted %u; build it with this slabgc's headers", plugin->abi_major, SGC_ABI_MAJOR);
    if (plugin->abi_minor > SGC_ABI_MINOR)
        REFUSE("abi_minor is %u, wanted at most %u; it needs a newer slabgc", plugin->abi_minor, SGC_ABI_MINOR);
    if (plugin->struct_bytes != sizeof(*plugin))
        REFUSE("struct_bytes is %" PRIu32 ", wanted %zu", plugin->struct_bytes, sizeof(*plugin));
    return 0;
}

static int check_texts(const char *path, const char *name, const struct sgc_strategy_plugin *plugin,
                       struct sgc_error *error)
{
    if (!plugin->name || !sgc_schema_is_strategy_name(plugin->name, strnlen(plugin->name, SGC_CONFIG_NAME_BYTES)))
        REFUSE("name is %s%.63s%s, wanted 1 to 63 of a-z 0-9 _ -", plugin->name ? "\"" : "",
               plugin->name ? plugin->name : "NULL", plugin->name ? "\"" : "");
    if (strcmp(plugin->name, name) != 0)
        REFUSE("name is \"%s\", wanted \"%.100s\", as the file is called", plugin->name, name);
    const char *missing = !plugin->version ? "version" : !plugin->license ? "license" : "description";
    if (!plugin->version || !plugin->license || !plugin->description)
        REFUSE("%s is NULL, wanted a text", missing);
    return 0;
}

static int check_bits(const char *path, const struct sgc_strategy_plugin *plugin, struct sgc_error *error)
{
    const uint32_t capabilities = SGC_NEEDS_ALL | SGC_CAP_COUNTS_REFERENCES | SGC_CAP_MARKS;
    const uint32_t metadata = SGC_METADATA_MARK | SGC_METADATA_PRIVATE_0 | SGC_METADATA_PRIVATE_1;
    if (plugin->capabilities & ~capabilities)
        REFUSE("capabilities is 0x%" PRIx32 ", wanted known bits alone; 0x%" PRIx32 " is unknown", plugin->capabilities,
               plugin->capabilities & ~capabilities);
    if (plugin->metadata & ~metadata)
        REFUSE("metadata is 0x%" PRIx32 ", wanted known bits alone; 0x%" PRIx32 " is unknown", plugin->metadata,
               plugin->metadata & ~metadata);
    if (plugin->capabilities & SGC_CAP_MARKS && !(plugin->metadata & SGC_METADATA_MARK))
        REFUSE("capabilities has SGC_CAP_MARKS, but metadata lacks SGC_METADATA_MARK");
    if (plugin->reserved != 0)
        REFUSE("reserved is %" PRIu32 ", wanted 0", plugin->reserved);
    return 0;
}

static bool check_is_key(const char *key)
{
    size_t length = key ? strnlen(key, SGC_CONFIG_NAME_BYTES) : 0;
    return length > 0 && length < SGC_CONFIG_NAME_BYTES &&
           strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static int check_param(const char *path, const struct sgc_param *params, uint32_t i, struct sgc_error *error)
{
    const struct sgc_param *param = &params[i];
    if (!check_is_key(param->key))
        REFUSE("params[%" PRIu32 "].key is %.63s, wanted 1 to 63 of a-z 0-9 _", i, param->key ? param->key : "NULL");
    for (uint32_t j = 0; j < i; j++)
        if (strcmp(params[j].key, param->key) == 0)
            REFUSE("params[%" PRIu32 "].key is \"%s\", as that of params[%" PRIu32 "]", i, param->key, j);
    if ((unsigned)param->type > SGC_PARAM_BOOL)
        REFUSE("parameter \"%s\": type is %d, wanted one of enum sgc_param_type", param->key, (int)param->type);
    if (param->minimum > param->maximum || (param->type == SGC_PARAM_BOOL && param->maximum > 1))
        REFUSE("parameter \"%s\": minimum is %" PRIu64 ", maximum %" PRIu64 "%s", param->key, param->minimum,
               param->maximum, param->type == SGC_PARAM_BOOL ? ", wanted 0 and 1" : "");
    if (param->default_value < param->minimum || param->default_value > param->maximum)
        REFUSE("parameter \"%s\": default_value is %" PRIu64 ", wanted %" PRIu64 " to %" PRIu64, param->key,
               param->default_value, param->minimum, param->maximum);
    if (!param->help)
        REFUSE("parameter \"%s\": help is NULL, wanted a sentence", param->key);
    return 0;
}

static int check_params(const char *path, const struct sgc_strategy_plugin *plugin, struct sgc_error *error)
{
    if (plugin->n_params > SGC_MAX_PARAMS)
        REFUSE("n_params is %" PRIu32 ", wanted at most %d", plugin->n_params, SGC_MAX_PARAMS);
    if (plugin->n_params > 0 && !plugin->params)
        REFUSE("params is NULL, wanted %" PRIu32 " entries", plugin->n_params);
    int code = 0;
    for (uint32_t i = 0; i < plugin->n_params && code == 0; i++)
        code = check_param(path, plugin->params, i, error);
    return code;
}

#define OP(member)                                                                                                     \
    {                                                                                                                  \
#member, offsetof(struct sgc_strategy_ops, member)                                                             \
    }
static const struct check_op {
    const char *name;
    size_t offset;
} ops_names[] = {
    OP(open),      OP(configure),    OP(close),   OP(store),         OP(exchange),      OP(compare_exchange),
    OP(decrement), OP(before_alloc), OP(collect), OP(grace_elapsed), OP(thread_detach), OP(quiesce),
    OP(adopt),     OP(verify),
};
_Static_assert(offsetof(struct sgc_strategy_ops, open) + SGC_ARRAY_LEN(ops_names) * sizeof(void (*)(void)) ==
                   sizeof(struct sgc_strategy_ops),
               "every op is listed");

static int check_ops(const char *path, const struct sgc_strategy_ops *ops, struct sgc_error *error)
{
    if (!ops)
        REFUSE("ops is NULL");
    if (ops->struct_bytes != sizeof(*ops))
        REFUSE("ops->struct_bytes is %" PRIu32 ", wanted %zu", ops->struct_bytes, sizeof(*ops));
    for (size_t i = 0; i < SGC_ARRAY_LEN(ops_names); i++) {
        void (*op)(void);
        memcpy(&op, (const char *)ops + ops_names[i].offset, sizeof(op));
        if (!op)
            REFUSE("ops->%s is NULL, wanted a function or one of the sgc_op_ stubs", ops_names[i].name);
    }
    if (ops->store_mask & ~(SGC_STATE_STORE | SGC_STATE_STORE_2))
        REFUSE("ops->store_mask is 0x%x, wanted SGC_STATE_STORE and SGC_STATE_STORE_2 alone", ops->store_mask);
    if (ops->new_state & (SGC_STATE_WATCHED | SGC_STATE_FINALIZED))
        REFUSE("ops->new_state is 0x%x, wanted without SGC_STATE_WATCHED and SGC_STATE_FINALIZED", ops->new_state);
    if (ops->end_state &&
        (ops->end_state & (SGC_STATE_COUNTED | SGC_STATE_DEFER)) != (SGC_STATE_COUNTED | SGC_STATE_DEFER))
        REFUSE("ops->end_state is 0x%x, wanted 0 or with SGC_STATE_COUNTED and SGC_STATE_DEFER", ops->end_state);
    if (ops->quiet_mask & (SGC_STATE_WATCHED | SGC_STATE_FINALIZED))
        REFUSE("ops->quiet_mask is 0x%x, wanted without SGC_STATE_WATCHED and SGC_STATE_FINALIZED", ops->quiet_mask);
    return 0;
}

int sgc_plugin_check(const char *path, const char *name, const struct sgc_strategy_plugin *plugin,
                     struct sgc_error *error)
{
    int code = check_head(path, plugin, error);
    if (code == 0)
        code = check_texts(path, name, plugin, error);
    if (code == 0)
        code = check_bits(path, plugin, error);
    if (code == 0)
        code = check_params(path, plugin, error);
    if (code == 0)
        code = check_ops(path, plugin->ops, error);
    return code;
}
