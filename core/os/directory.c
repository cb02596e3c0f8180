/* directory.c - the sorted names in a directory; declared in file.h.
 * Called by runtime: drop-in files of the configuration, lists of plug-ins.
 * Invariant: text and offsets grow together; offsets[0 .. n_names) are sorted at each step.
 * Locks: none. Reads the entries itself, because opendir(3) allocates by malloc. */
#include "core/os/file.h"

#include "core/base/check.h"
#include "core/os/fault.h"
#include "core/os/meta.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES_BYTES 4096 /* one getdents64 call: some 100 names */

static bool names_match(const char *name, const char *suffix)
{
    size_t length = strlen(name), suffix_length = strlen(suffix);
    return name[0] != '.' && length >= suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

static int names_grow_text(struct sgc_os_names *names, size_t length)
{
    char *text = sgc_meta_realloc(names->text, names->n_bytes, names->n_bytes + length);
    if (!text)
        return -ENOMEM;
    names->text = text;
    names->n_bytes += length;
    return 0;
}

static int names_grow_offsets(struct sgc_os_names *names)
{
    if (names->n_names < names->n_offsets)
        return 0;
    size_t n = names->n_offsets ? 2 * names->n_offsets : 16;
    size_t *offsets = sgc_meta_realloc(names->offsets, names->n_offsets * sizeof(*offsets), n * sizeof(*offsets));
    if (!offsets)
        return -ENOMEM;
    names->offsets = offsets;
    names->n_offsets = n;
    return 0;
}

/* Insertion sort: a directory of drop-ins has few names. */
static int names_add(struct sgc_os_names *names, const char *name)
{
    size_t offset = names->n_bytes;
    if (names_grow_offsets(names) || names_grow_text(names, strlen(name) + 1))
        return -ENOMEM;
    memcpy(names->text + offset, name, strlen(name) + 1);
    size_t at = names->n_names++;
    for (; at > 0 && strcmp(sgc_os_names_get(names, at - 1), name) > 0; at--)
        names->offsets[at] = names->offsets[at - 1];
    names->offsets[at] = offset;
    return 0;
}

static int names_add_entries(struct sgc_os_names *names, const char *entries, size_t n_bytes, const char *suffix,
                             size_t max_names)
{
    for (size_t at = 0; at < n_bytes;) {
        const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
        at += entry->d_reclen;
        if (!names_match(entry->d_name, suffix))
            continue;
        if (names->n_names == max_names)
            return -E2BIG;
        int error = names_add(names, entry->d_name);
        if (error)
            return error;
    }
    return 0;
}

static int directory_read(int fd, const char *suffix, size_t max_names, struct sgc_os_names *names)
{
    _Alignas(struct dirent64) char entries[ENTRIES_BYTES];
    for (;;) {
        if (sgc_os_fault_here("getdents64"))
            return -EIO;
        ssize_t n = getdents64(fd, entries, sizeof(entries));
        if (n <= 0)
            return n < 0 ? -errno : 0;
        int error = names_add_entries(names, entries, (size_t)n, suffix, max_names);
        if (error)
            return error;
    }
}

static int directory_open(const char *path)
{
    if (sgc_os_fault_here("open"))
        return -EMFILE;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int sgc_os_dir_list(const char *path, const char *suffix, size_t max_names, struct sgc_os_names *out,
                    struct sgc_error *error)
{
    int fd = directory_open(path);
    if (fd < 0)
        return sgc_error_set(error, fd, "%s: cannot open directory: %s", path, strerrordesc_np(-fd));
    struct sgc_os_names names = {0};
    int code = directory_read(fd, suffix, max_names, &names);
    close(fd);
    if (code == 0) {
        *out = names;
        return 0;
    }
    sgc_os_names_fini(&names);
    if (code == -E2BIG)
        return sgc_error_set(error, code, "%s: has more than %zu names in '%s'", path, max_names, suffix);
    return sgc_error_set(error, code, "%s: cannot read directory: %s", path, strerrordesc_np(-code));
}

void sgc_os_names_fini(struct sgc_os_names *names)
{
    sgc_meta_free(names->text, names->n_bytes);
    sgc_meta_free(names->offsets, names->n_offsets * sizeof(*names->offsets));
    *names = (struct sgc_os_names){0};
}
