/* search.c - finding plug-ins.
 * Called by loader.c, select.c, and when a config has been read.
 * Invariant: the order of directories is $SLABGC_PLUGIN_PATH, the config's, the installed one; within a directory
 *   NAME.so comes before NAME/NAME.so; the first file that exists decides, whatever is wrong with it.
 * Locks: none. */
#include "core/runtime/search.h"

#include "core/base/check.h"
#include "core/base/suggest.h"
#include "core/heap/heap.h"
#include "core/os/file.h"
#include "core/runtime/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define N_DIRECTORIES 32
#define N_NAMES 256 /* in one directory, and in all */

static const struct sgc_strategy_plugin *const built_in[] = {&sgc_strategy_none};

const struct sgc_strategy_plugin *sgc_search_built_in_at(size_t i)
{
    return i < SGC_ARRAY_LEN(built_in) ? built_in[i] : NULL;
}

const struct sgc_strategy_plugin *sgc_search_built_in(const char *name)
{
    for (size_t i = 0; i < SGC_ARRAY_LEN(built_in); i++)
        if (strcmp(built_in[i]->name, name) == 0)
            return built_in[i];
    return NULL;
}

/* ---- directories */

struct search_path {
    struct {
        const char *text;
        size_t length;
    } directories[N_DIRECTORIES];
    size_t n;
    char installed[PATH_MAX];
};

static void search_add(struct search_path *path, const char *list)
{
    const char *at = list, *item;
    size_t length;
    while (sgc_schema_next_item(&at, ':', &item, &length))
        if (length > 0 && length < PATH_MAX && path->n < N_DIRECTORIES) {
            path->directories[path->n].text = item;
            path->directories[path->n++].length = length;
        }
}

static void search_directories(const struct sgc_config *config, struct search_path *out)
{
    out->n = 0;
    search_add(out, sgc_config_environment("SLABGC_PLUGIN_PATH"));
    const struct sgc_config_entry *entry = sgc_config_find(config, SGC_CONFIG_PLUGINS, "", "directory");
    if (entry)
        search_add(out, entry->value);
    if (sgc_config_installed_plugins(out->installed))
        search_add(out, out->installed);
}

/* ---- one file */

const char *sgc_search_name_in_path(const char *path, size_t *length)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    *length = n > 3 && strcmp(name + n - 3, ".so") == 0 ? n - 3 : n;
    return name;
}

/* Opens DIRECTORY/NAME.so or DIRECTORY/NAME/NAME.so. */
static int search_open_in(const char *directory, size_t length, const char *name, char path[PATH_MAX],
                          struct sgc_error *error)
{
    for (unsigned nested = 0; nested < 2; nested++) {
        char found[PATH_MAX];
        int n = snprintf(found, sizeof(found), "%.*s/%s%s%s.so", (int)length, directory, nested ? name : "",
                         nested ? "/" : "", name);
        if (n >= (int)sizeof(found))
            return sgc_error_set(error, -ENAMETOOLONG, "%.100s...: path too long", found);
        int fd = sgc_os_file_open(found, 0, error);
        if (fd == -ENOENT || fd == -ENOTDIR)
            continue;
        if (fd >= 0)
            strcpy(path, found);
        return fd;
    }
    return -ENOENT;
}

static int search_not_found(const struct sgc_config *config, const struct search_path *path, const char *name,
                            struct sgc_error *error)
{
    struct sgc_pool pool = {NULL};
    struct sgc_search_names at_hand;
    int code = sgc_search_list(config, &pool, &at_hand, error);
    if (code)
        return code;
    const char *nearest = sgc_suggest(name, at_hand.names, at_hand.n);
    char list[200] = "", searched[640] = "nowhere";
    size_t length = 0;
    for (size_t i = 0; i < at_hand.n && length < sizeof(list); i++)
        length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s", i ? ", " : "", at_hand.names[i]);
    length = 0;
    for (size_t i = 0; i < path->n && length < sizeof(searched); i++)
        length += (size_t)snprintf(searched + length, sizeof(searched) - length, "%s%.*s", i ? ":" : "",
                                   (int)path->directories[i].length, path->directories[i].text);
    if (nearest)
        sgc_error_set(error, -ENOENT, "unknown strategy \"%s\"; did you mean \"%s\"?", name, nearest);
    else
        sgc_error_set(error, -ENOENT, "unknown strategy \"%s\"; at hand: %s (searched %s)", name, list, searched);
    sgc_pool_fini(&pool);
    return -ENOENT;
}

int sgc_search_open(const struct sgc_config *config, const char *name, char path[PATH_MAX], struct sgc_error *error)
{
    if (name[0] == '/') {
        if (strlen(name) >= PATH_MAX)
            return sgc_error_set(error, -ENAMETOOLONG, "%.100s...: path too long", name);
        int fd = sgc_os_file_open(name, 0, error);
        if (fd >= 0)
            strcpy(path, name);
        return fd;
    }
    if (!sgc_schema_is_strategy_name(name, strlen(name)))
        return sgc_error_set(error, -EINVAL, "\"%s\" is no strategy's name (a-z 0-9 _ -) and no absolute path", name);
    struct search_path directories;
    search_directories(config, &directories);
    for (size_t i = 0; i < directories.n; i++) {
        int fd = search_open_in(directories.directories[i].text, directories.directories[i].length, name, path, error);
        if (fd != -ENOENT)
            return fd;
    }
    return search_not_found(config, &directories, name, error);
}

/* ---- what is at hand */

static int search_add_name(struct sgc_pool *pool, struct sgc_search_names *names, const char *name, size_t length,
                           struct sgc_error *error)
{
    for (size_t i = 0; i < names->n; i++)
        if (strlen(names->names[i]) == length && memcmp(names->names[i], name, length) == 0)
            return 0;
    if (names->n == N_NAMES || !sgc_schema_is_strategy_name(name, length))
        return 0;
    names->names[names->n] = sgc_pool_strndup(pool, name, length);
    if (!names->names[names->n])
        return sgc_config_no_memory(error);
    names->n++;
    return 0;
}

/* NAME.so, and NAME where NAME/NAME.so is a file. */
static int search_list_directory(const char *directory, struct sgc_pool *pool, struct sgc_search_names *names,
                                 struct sgc_error *error)
{
    struct sgc_os_names found;
    if (sgc_os_dir_list(directory, "", N_NAMES, &found, NULL))
        return 0; /* not there, or not readable: what cannot be listed is not proposed */
    int code = 0;
    for (size_t i = 0; i < found.n_names && code == 0; i++) {
        const char *name = sgc_os_names_get(&found, i);
        size_t length = strlen(name);
        char path[PATH_MAX];
        if (length > 3 && strcmp(name + length - 3, ".so") == 0) {
            code = search_add_name(pool, names, name, length - 3, error);
        } else if (snprintf(path, sizeof(path), "%s/%s/%s.so", directory, name, name) < (int)sizeof(path)) {
            int fd = sgc_os_file_open(path, 0, NULL);
            if (fd < 0)
                continue;
            sgc_os_file_close(fd);
            code = search_add_name(pool, names, name, length, error);
        }
    }
    sgc_os_names_fini(&found);
    return code;
}

int sgc_search_list(const struct sgc_config *config, struct sgc_pool *pool, struct sgc_search_names *out,
                    struct sgc_error *error)
{
    struct search_path directories;
    struct sgc_search_names names = {sgc_pool_alloc(pool, N_NAMES * sizeof(*names.names)), 0};
    if (!names.names)
        return sgc_config_no_memory(error);
    int code = 0;
    for (size_t i = 0; i < SGC_ARRAY_LEN(built_in) && code == 0; i++)
        code = search_add_name(pool, &names, built_in[i]->name, strlen(built_in[i]->name), error);
    search_directories(config, &directories);
    for (size_t i = 0; i < directories.n && code == 0; i++) {
        char directory[PATH_MAX];
        snprintf(directory, sizeof(directory), "%.*s", (int)directories.directories[i].length,
                 directories.directories[i].text);
        code = search_list_directory(directory, pool, &names, error);
    }
    if (code)
        sgc_pool_fini(pool);
    else
        *out = names;
    return code;
}

/* ---- what config names */

static int search_check(const struct sgc_config *config, const char *name, const struct sgc_place *place,
                        struct sgc_error *error)
{
    char path[PATH_MAX];
    struct sgc_error local;
    if (sgc_search_built_in(name))
        return 0;
    int fd = sgc_search_open(config, name, path, &local);
    if (fd < 0)
        return sgc_place_error(place, error, fd, "%s", local.message);
    sgc_os_file_close(fd);
    return 0;
}

static bool search_is_path_to(const char *path, const char *name)
{
    if (!path || path[0] != '/')
        return false;
    size_t length;
    const char *found = sgc_search_name_in_path(path, &length);
    return strlen(name) == length && memcmp(found, name, length) == 0;
}

static bool search_named_by_path(const struct sgc_config *config, const char *name, const char *wanted)
{
    for (const struct sgc_config_entry *entry = config->entries; entry; entry = entry->next)
        if (entry->section->kind == SGC_CONFIG_HEAP && strcmp(entry->key, "strategy") == 0 &&
            search_is_path_to(entry->value, name))
            return true;
    return search_is_path_to(wanted, name);
}

int sgc_search_check_config(const struct sgc_config *config, const char *wanted, struct sgc_error *error)
{
    int code = 0;
    for (const struct sgc_config_entry *entry = config->entries; entry && code == 0; entry = entry->next)
        if (entry->section->kind == SGC_CONFIG_HEAP && strcmp(entry->key, "strategy") == 0)
            code = search_check(config, entry->value, &entry->value_place, error);
    for (const struct sgc_config_section *section = config->sections; section && code == 0; section = section->next) {
        if (section->kind != SGC_CONFIG_STRATEGY || search_named_by_path(config, section->name, wanted))
            continue;
        struct sgc_place name = section->place;
        name.column += (uint32_t)(section->name - section->title);
        code = search_check(config, section->name, &name, error);
    }
    return code;
}
