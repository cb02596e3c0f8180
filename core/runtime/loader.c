/* loader.c - loading plug-ins, each file once.
 * Called by select.c; by reload.c and show.c for what is loaded.
 * Invariant: one record for each (device, inode) that the dynamic linker was given; its descriptor stays open for the
 *   life of the process, so that its number, the library's name to the linker, is never another file's.
 * Locks: none; changes in a turn. A child of fork finds the list whole: a record is linked by one store.
 * Nothing is ever unloaded: a library that was refused may have left threads or thread-local data behind. */
#include "core/runtime/loader.h"

#include "core/base/panic.h"
#include "core/os/file.h"
#include "core/os/library.h"
#include "core/os/meta.h"
#include "core/runtime/elf.h"
#include "core/runtime/plugin_check.h"
#include "core/runtime/search.h"
#include "core/stats/events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PLUGIN_FILE_BYTES ((size_t)64 << 20)

struct loader_record {
    uint64_t device, inode;
    const struct sgc_strategy_plugin *plugin; /* NULL: the library exports none */
    bool mistaken;                            /* the dynamic linker gave us another record's library */
    bool accepted;                            /* passed its checks once */
    struct loader_record *next;
};

static struct loader_record *records;

static struct loader_record *loader_find(uint64_t device, uint64_t inode)
{
    struct loader_record *record = records;
    while (record && !(record->device == device && record->inode == inode))
        record = record->next;
    return record;
}

static bool loader_is_known(const struct sgc_strategy_plugin *plugin)
{
    for (const struct loader_record *record = records; record; record = record->next)
        if (plugin && record->plugin == plugin)
            return true;
    return false;
}

static int loader_check_elf(int fd, const char *path, struct sgc_error *error)
{
    char *bytes;
    size_t n_bytes;
    int code = sgc_os_file_read(fd, path, PLUGIN_FILE_BYTES, &bytes, &n_bytes, error);
    if (code)
        return code;
    code = sgc_elf_check(path, bytes, n_bytes, error);
    sgc_meta_free(bytes, n_bytes + 1);
    return code;
}

/* Loads the file behind fd and makes its record; on success the record keeps fd. */
static int loader_load(int fd, const char *path, struct loader_record *record, struct sgc_error *error)
{
    int code = loader_check_elf(fd, path, error);
    if (code)
        return code;
    void *handle = sgc_os_library_open(fd, path, error);
    if (!handle)
        return -ENOEXEC;
    record->plugin = sgc_os_library_symbol(handle, SGC_PLUGIN_SYMBOL);
    record->mistaken = loader_is_known(record->plugin);
    record->next = records;
    records = record;
    return 0;
}

static int loader_get_record(int fd, const char *path, struct loader_record **out, bool *keeps_fd,
                             struct sgc_error *error)
{
    uint64_t device, inode;
    int code = sgc_os_file_identity(fd, path, &device, &inode, error);
    if (code)
        return code;
    struct loader_record *record = loader_find(device, inode);
    if (!record) {
        record = sgc_meta_alloc(sizeof(*record));
        if (!record)
            return sgc_error_set(error, -ENOMEM, "%s: no memory for its record", path);
        record->device = device;
        record->inode = inode;
        code = loader_load(fd, path, record, error);
        if (code) {
            sgc_meta_free(record, sizeof(*record));
            return code;
        }
        *keeps_fd = true;
    }
    *out = record;
    return 0;
}

static int loader_check(struct loader_record *record, const char *path, struct sgc_error *error)
{
    char name[SGC_CONFIG_NAME_BYTES];
    size_t length;
    const char *in_path = sgc_search_name_in_path(path, &length);
    snprintf(name, sizeof(name), "%.*s", (int)length, in_path);
    if (record->mistaken)
        return sgc_error_set(error, -ENOEXEC, "%s: plug-in refused: the dynamic linker took it for another file", path);
    if (!record->plugin)
        return sgc_error_set(error, -ENOEXEC, "%s: plug-in refused: it exports no " SGC_PLUGIN_SYMBOL, path);
    int code = sgc_plugin_check(path, name, record->plugin, error);
    if (code == 0 && !record->accepted) {
        const struct sgc_strategy_plugin *plugin = record->plugin;
        record->accepted = true;
        sgc_event_record(SGC_EVENT_STRATEGY_LOADED, plugin->name, plugin->abi_major, plugin->abi_minor,
                         plugin->capabilities, 0);
    }
    return code;
}

int sgc_loader_get(const struct sgc_config *config, const char *name, const struct sgc_strategy_plugin **out,
                   struct sgc_error *error)
{
    const struct sgc_strategy_plugin *built_in = sgc_search_built_in(name);
    if (built_in) {
        *out = built_in;
        return 0;
    }
    char path[PATH_MAX];
    int fd = sgc_search_open(config, name, path, error);
    if (fd < 0)
        return fd;
    struct loader_record *record = NULL;
    bool keeps_fd = false;
    int code = sgc_os_file_check_trusted(fd, path, error);
    if (code == 0)
        code = loader_get_record(fd, path, &record, &keeps_fd, error);
    if (!keeps_fd)
        sgc_os_file_close(fd);
    if (code == 0)
        code = loader_check(record, path, error);
    if (code == 0)
        *out = record->plugin;
    return code;
}

int sgc_loader_for_each(int (*visit)(void *arg, const struct sgc_strategy_plugin *plugin), void *arg)
{
    int code = 0;
    const struct sgc_strategy_plugin *built_in;
    for (size_t i = 0; code == 0 && (built_in = sgc_search_built_in_at(i)); i++)
        code = visit(arg, built_in);
    for (const struct loader_record *record = records; record && code == 0; record = record->next)
        if (record->accepted)
            code = visit(arg, record->plugin);
    return code;
}
