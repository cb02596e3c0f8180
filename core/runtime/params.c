/* params.c - [strategy.NAME] against the plug-in's parameter table.
 * Called by resolve.c (open, switch) and reload.c.
 * Invariant: values[i] lies within params[i]'s bounds.
 * Locks: none; the config is constant. */
#include "core/runtime/params.h"

#include "core/base/suggest.h"
#include "core/runtime/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int params_unknown_key(const struct sgc_config_entry *entry, const struct sgc_strategy_plugin *plugin,
                              struct sgc_error *error)
{
    const char *keys[SGC_MAX_PARAMS];
    char list[400] = "";
    size_t length = 0;
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        keys[i] = plugin->params[i].key;
        if (length < sizeof(list))
            length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s", i ? ", " : "", keys[i]);
    }
    if (plugin->n_params == 0)
        return sgc_place_error(&entry->key_place, error, -EINVAL,
                               "unknown key \"%s\": strategy \"%s\" has no parameters", entry->key, plugin->name);
    const char *nearest = sgc_suggest(entry->key, keys, plugin->n_params);
    if (nearest)
        return sgc_place_error(&entry->key_place, error, -EINVAL,
                               "unknown key \"%s\" for strategy \"%s\"; did you mean \"%s\"? It takes %s", entry->key,
                               plugin->name, nearest, list);
    return sgc_place_error(&entry->key_place, error, -EINVAL, "unknown key \"%s\" for strategy \"%s\"; it takes %s",
                           entry->key, plugin->name, list);
}

static int params_read_value(const struct sgc_config_entry *entry, const struct sgc_param *param, uint64_t *out,
                             struct sgc_error *error)
{
    struct sgc_value_fault fault;
    uint64_t value;
    if (sgc_value_parse(param->type, entry->value, &value, &fault)) {
        struct sgc_place place = entry->value_place;
        place.column += (uint32_t)fault.offset;
        return sgc_place_error(&place, error, -EINVAL, "%s", fault.message);
    }
    if (value < param->minimum || value > param->maximum) {
        char minimum[SGC_VALUE_BYTES], maximum[SGC_VALUE_BYTES];
        sgc_value_format(param->type, param->minimum, minimum);
        sgc_value_format(param->type, param->maximum, maximum);
        return sgc_place_error(&entry->value_place, error, -EINVAL, "\"%s\" is out of bounds: %s takes %s to %s",
                               entry->value, param->key, minimum, maximum);
    }
    *out = value;
    return 0;
}

int sgc_params_resolve(const struct sgc_config *config, const struct sgc_strategy_plugin *plugin,
                       struct sgc_params *out, struct sgc_error *error)
{
    memset(out, 0, sizeof(*out));
    for (uint32_t i = 0; i < plugin->n_params; i++)
        out->values[i] = plugin->params[i].default_value;
    for (const struct sgc_config_entry *entry = config->entries; entry; entry = entry->next) {
        if (entry->section->kind != SGC_CONFIG_STRATEGY || strcmp(entry->section->name, plugin->name) != 0)
            continue;
        uint32_t i = 0;
        while (i < plugin->n_params && strcmp(plugin->params[i].key, entry->key) != 0)
            i++;
        if (i == plugin->n_params)
            return params_unknown_key(entry, plugin, error);
        int code = params_read_value(entry, &plugin->params[i], &out->values[i], error);
        if (code)
            return code;
        out->entries[i] = entry;
    }
    return 0;
}
