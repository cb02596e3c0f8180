/* config_build.c - adding sections and values to a config that is being read.
 * Called by the parsers, ini.c and inline.c.
 * Invariant: every entry is known to the schema; no key stands twice in one section of one source.
 * Locks: none; one thread builds. */
#include "core/runtime/config.h"

#include "core/base/panic.h"
#include "core/runtime/schema.h"

#include <errno.h>
#include <string.h>

int sgc_config_no_memory(struct sgc_error *error)
{
    return sgc_error_set(error, -ENOMEM, "no memory for the config");
}

/* The fault of a text that begins at place. */
static int config_fault(const struct sgc_place *place, const struct sgc_value_fault *fault, struct sgc_error *error)
{
    struct sgc_place at = *place;
    at.column += (uint32_t)fault->offset;
    return sgc_place_error(&at, error, -EINVAL, "%s", fault->message);
}

int sgc_config_add_section(struct sgc_config *config, const char *title, size_t length, const struct sgc_place *place,
                           const struct sgc_config_section **out, struct sgc_error *error)
{
    struct sgc_value_fault fault;
    enum sgc_config_kind kind;
    size_t name_offset;
    if (sgc_schema_title(title, length, &kind, &name_offset, &fault))
        return config_fault(place, &fault, error);
    struct sgc_config_section *section = sgc_pool_alloc(&config->pool, sizeof(*section));
    char *copy = sgc_pool_strndup(&config->pool, title, length);
    if (!section || !copy)
        return sgc_config_no_memory(error);
    section->kind = kind;
    section->title = copy;
    section->name = copy + name_offset;
    section->place = *place;
    if (config->last_section)
        config->last_section->next = section;
    else
        config->sections = section;
    config->last_section = section;
    *out = section;
    return 0;
}

static int config_check_value(struct sgc_config *config, const struct sgc_config_section *section, const char *key,
                              const struct sgc_place *key_place, const char *value, const struct sgc_place *value_place,
                              struct sgc_error *error)
{
    struct sgc_value_fault fault;
    if (strlen(key) >= SGC_CONFIG_NAME_BYTES)
        return sgc_place_error(key_place, error, -EINVAL, "the key is longer than %d bytes", SGC_CONFIG_NAME_BYTES - 1);
    if (sgc_schema_key(section, key, &fault))
        return config_fault(key_place, &fault, error);
    if (value[0] == '\0')
        return sgc_place_error(value_place, error, -EINVAL, "\"%s\" has no value", key);
    if (sgc_schema_value(section->kind, key, value, &fault))
        return config_fault(value_place, &fault, error);
    if (config->n_values == SGC_CONFIG_VALUES)
        return sgc_place_error(key_place, error, -E2BIG, "more than %d values", SGC_CONFIG_VALUES);
    return 0;
}

static const struct sgc_config_entry *config_find_same(const struct sgc_config *config,
                                                       const struct sgc_config_section *section, const char *key,
                                                       const struct sgc_source *source)
{
    const struct sgc_config_entry *entry = config->entries;
    while (entry && !(entry->key_place.source == source && strcmp(entry->key, key) == 0 &&
                      strcmp(entry->section->title, section->title) == 0))
        entry = entry->next;
    return entry;
}

int sgc_config_add_value(struct sgc_config *config, const struct sgc_config_section *section, const char *key,
                         const struct sgc_place *key_place, const char *value, const struct sgc_place *value_place,
                         struct sgc_error *error)
{
    int code = config_check_value(config, section, key, key_place, value, value_place, error);
    if (code)
        return code;
    const struct sgc_config_entry *same = config_find_same(config, section, key, key_place->source);
    if (same)
        return sgc_place_error(key_place, error, -EINVAL, "\"%s\" stands twice in [%s]: first at %u:%u", key,
                               section->title, same->key_place.line, same->key_place.column);
    struct sgc_config_entry *entry = sgc_pool_alloc(&config->pool, sizeof(*entry));
    char *key_copy = sgc_pool_strndup(&config->pool, key, strlen(key));
    char *value_copy = sgc_pool_strndup(&config->pool, value, strlen(value));
    if (!entry || !key_copy || !value_copy)
        return sgc_config_no_memory(error);
    *entry = (struct sgc_config_entry){section, key_copy, value_copy, *key_place, *value_place, NULL};
    if (config->last_entry)
        config->last_entry->next = entry;
    else
        config->entries = entry;
    config->last_entry = entry;
    config->n_values++;
    return 0;
}
