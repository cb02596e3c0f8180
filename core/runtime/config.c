/* config.c - the sources in order, and looking values up.
 * Called by runtime.c (first use, reload), resolve.c, search.c, show.c.
 * Invariant: entries are in the order of reading, so the last one that fits wins.
 * Locks: none; the caller has its turn (runtime.h) while a config is read. */
#include "core/runtime/config.h"

#include "core/base/check.h"
#include "core/os/file.h"
#include "core/os/meta.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DROP_INS 256 /* files in slabgc.conf.d */

static const char usr_lib[] = "/usr/lib";
static const char *root_usr_lib = usr_lib;
static const char *root_etc = "/etc";

void sgc_config_set_roots(const char *root, const char *etc)
{
    root_usr_lib = root;
    root_etc = etc;
}

bool sgc_config_installed_plugins(char *out)
{
    if (root_usr_lib == usr_lib)
        return sgc_installed_plugins(out);
    return root_usr_lib && snprintf(out, PATH_MAX, "%s/slabgc/plugins", root_usr_lib) < PATH_MAX;
}

const char *sgc_config_environment(const char *name)
{
    const char *value = secure_getenv(name);
    return value && value[0] ? value : NULL;
}

int sgc_config_add_text(struct sgc_config *config, enum sgc_source_kind kind, const char *name, const char *text,
                        size_t n_bytes, struct sgc_error *error)
{
    struct sgc_source *source = sgc_pool_alloc(&config->pool, sizeof(*source));
    char *name_copy = sgc_pool_strndup(&config->pool, name, strlen(name));
    char *text_copy = sgc_pool_strndup(&config->pool, text, n_bytes);
    if (!source || !name_copy || !text_copy)
        return sgc_config_no_memory(error);
    *source = (struct sgc_source){kind, name_copy, text_copy, n_bytes, NULL};
    if (config->last_source)
        config->last_source->next = source;
    else
        config->sources = source;
    config->last_source = source;
    config->n_values = 0;
    return kind == SGC_SOURCE_ENVIRONMENT || kind == SGC_SOURCE_LIVE ? sgc_inline_parse(config, source, error)
                                                                     : sgc_ini_parse(config, source, error);
}

/* optional: a file that does not exist is an empty one. */
static int config_add_file(struct sgc_config *config, const char *path, bool optional, struct sgc_error *error)
{
    struct sgc_error local;
    int fd = sgc_os_file_open(path, 0, &local);
    if (optional && (fd == -ENOENT || fd == -ENOTDIR))
        return 0;
    if (fd < 0)
        return sgc_error_set(error, fd, "config %s", local.message);
    char *text;
    size_t n_bytes;
    int code = sgc_os_file_read(fd, path, SGC_CONFIG_FILE_BYTES, &text, &n_bytes, &local);
    sgc_os_file_close(fd);
    if (code)
        return sgc_error_set(error, code, "config %s", local.message);
    code = sgc_config_add_text(config, SGC_SOURCE_FILE, path, text, n_bytes, error);
    sgc_meta_free(text, n_bytes + 1);
    return code;
}

static int config_add_drop_ins(struct sgc_config *config, const char *directory, struct sgc_error *error)
{
    struct sgc_error local;
    struct sgc_os_names names;
    int code = sgc_os_dir_list(directory, ".conf", DROP_INS, &names, &local);
    if (code == -ENOENT || code == -ENOTDIR)
        return 0;
    if (code)
        return sgc_error_set(error, code, "config %s", local.message);
    for (size_t i = 0; i < names.n_names && code == 0; i++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof(path), "%s/%s", directory, sgc_os_names_get(&names, i));
        if (length >= (int)sizeof(path))
            code = sgc_error_set(error, -ENAMETOOLONG, "config %s: path too long", directory);
        else
            code = config_add_file(config, path, false, error);
    }
    sgc_os_names_fini(&names);
    return code;
}

static int config_add_system(struct sgc_config *config, struct sgc_error *error)
{
    char path[PATH_MAX];
    int code = 0;
    if (root_usr_lib) {
        snprintf(path, sizeof(path), "%s/slabgc/slabgc.conf", root_usr_lib);
        code = config_add_file(config, path, true, error);
    }
    if (root_etc && code == 0) {
        snprintf(path, sizeof(path), "%s/slabgc/slabgc.conf", root_etc);
        code = config_add_file(config, path, true, error);
    }
    if (root_etc && code == 0) {
        snprintf(path, sizeof(path), "%s/slabgc/slabgc.conf.d", root_etc);
        code = config_add_drop_ins(config, path, error);
    }
    return code;
}

/* instead: a file to read in the place of $SLABGC_CONFIG; NULL: none. */
static int config_add_environment(struct sgc_config *config, const char *instead, struct sgc_error *error)
{
    const char *path = instead ? instead : sgc_config_environment("SLABGC_CONFIG"),
               *text = sgc_config_environment("SLABGC");
    int code = 0;
    if (path) {
        code = config_add_file(config, path, false, error);
        if ((code == -ENOENT || code == -ENOTDIR) && !instead)
            sgc_error_prefix(error, "$SLABGC_CONFIG");
    }
    if (text && code == 0)
        code = sgc_config_add_text(config, SGC_SOURCE_ENVIRONMENT, "$SLABGC", text, strlen(text), error);
    return code;
}

static int config_read(const char *instead, struct sgc_config **out, struct sgc_error *error)
{
    struct sgc_config *config = sgc_meta_alloc(sizeof(*config));
    if (!config)
        return sgc_config_no_memory(error);
    int code = sgc_config_add_text(config, SGC_SOURCE_BUILT_IN, "built-in", sgc_config_defaults,
                                   strlen(sgc_config_defaults), error);
    if (code == 0)
        code = config_add_system(config, error);
    if (code == 0)
        code = config_add_environment(config, instead, error);
    if (code) {
        sgc_config_free(config);
        return code;
    }
    *out = config;
    return 0;
}

int sgc_config_read(struct sgc_config **out, struct sgc_error *error)
{
    return config_read(NULL, out, error);
}

int sgc_config_read_instead(const char *path, struct sgc_config **out, struct sgc_error *error)
{
    return config_read(path, out, error);
}

/* The key of a live change, "heap.words.memory_limit=64MiB": the bytes before the '='. */
static bool config_is_same_key(const struct sgc_source *source, const char *text)
{
    const size_t length = strcspn(text, "=");
    return strncmp(source->text, text, length) == 0 && source->text[length] == '=';
}

static int config_copy_sources(struct sgc_config *config, const struct sgc_config *from, bool only_live,
                               const char *but, struct sgc_error *error)
{
    int code = 0;
    for (const struct sgc_source *at = from->sources; at && code == 0; at = at->next) {
        const bool live = at->kind == SGC_SOURCE_LIVE;
        if (live ? !(but && config_is_same_key(at, but)) : !only_live)
            code = sgc_config_add_text(config, at->kind, at->name, at->text, at->n_bytes, error);
    }
    return code;
}

int sgc_config_add_live(struct sgc_config *config, const struct sgc_config *from, struct sgc_error *error)
{
    return config_copy_sources(config, from, true, NULL, error);
}

int sgc_config_copy_with(const struct sgc_config *from, const char *change, struct sgc_config **out,
                         struct sgc_error *error)
{
    struct sgc_config *config = sgc_meta_alloc(sizeof(*config));
    if (!config)
        return sgc_config_no_memory(error);
    int code = config_copy_sources(config, from, false, change, error);
    if (code == 0)
        code = sgc_config_add_text(config, SGC_SOURCE_LIVE, "gcctl", change, strlen(change), error);
    if (code)
        sgc_config_free(config);
    else
        *out = config;
    return code;
}

void sgc_config_free(struct sgc_config *config)
{
    if (!config)
        return;
    sgc_pool_fini(&config->pool);
    sgc_meta_free(config, sizeof(*config));
}

const struct sgc_config_entry *sgc_config_find(const struct sgc_config *config, enum sgc_config_kind kind,
                                               const char *name, const char *key)
{
    const struct sgc_config_entry *general = NULL, *exact = NULL;
    for (const struct sgc_config_entry *entry = config->entries; entry; entry = entry->next) {
        if (entry->section->kind != kind || strcmp(entry->key, key) != 0)
            continue;
        if (strcmp(entry->section->name, name) == 0)
            exact = entry;
        else if (entry->section->name[0] == '\0')
            general = entry;
    }
    return exact ? exact : general;
}

const struct sgc_config_entry *sgc_config_find_cache(const struct sgc_config *config, const char *cache,
                                                     const char *key)
{
    const struct sgc_config_entry *glob = NULL, *exact = NULL;
    for (const struct sgc_config_entry *entry = config->entries; entry; entry = entry->next) {
        if (entry->section->kind != SGC_CONFIG_CACHE || strcmp(entry->key, key) != 0)
            continue;
        if (strcmp(entry->section->name, cache) == 0)
            exact = entry;
        else if (fnmatch(entry->section->name, cache, 0) == 0)
            glob = entry;
    }
    return exact ? exact : glob;
}
