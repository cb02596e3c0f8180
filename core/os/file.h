/* file.h - reading files that decide what the process does: plug-ins and configuration. Nothing here writes.
 * Called by runtime. Any thread, at rest; may block on the file system. No lock. Every system call passes a fault
 * gate. Failure: a negative errno, *error names the path, what was found and what to do; out-parameters untouched. */
#ifndef SLABGC_CORE_OS_FILE_H
#define SLABGC_CORE_OS_FILE_H

#include <slabgc/error.h>
#include <stdbool.h>
#include <stddef.h>

enum sgc_os_file_flags {
    SGC_OS_FILE_NOFOLLOW = 1 << 0, /* the last component may not be a symbolic link (-ELOOP) */
};

/* Opens a regular file for reading, close-on-exec; never waits for the other end of a FIFO. Returns the descriptor. */
int sgc_os_file_open(const char *path, unsigned flags, struct sgc_error *error);
void sgc_os_file_close(int fd);

/* Checks that nobody but root and the effective user can have chosen the content of fd, opened as path: it is a
 * regular file, owned by one of the two, not writable by group or others; the same is true of the directory that
 * holds it, and of the directory named in path where that holds but a symbolic link to it. 0, or -EPERM.
 * Checks the open file, not the name: what is then read through fd is what was checked. */
int sgc_os_file_check_trusted(int fd, const char *path, struct sgc_error *error);

/* Reads fd, opened as path, from its start to its end. *out: *out_bytes bytes and a NUL, to be given back by
 * sgc_meta_free(*out, *out_bytes + 1). -EFBIG when the file has more than max_bytes. */
int sgc_os_file_read(int fd, const char *path, size_t max_bytes, char **out, size_t *out_bytes,
                     struct sgc_error *error);

/* Names in a directory. */
struct sgc_os_names {
    char *text;      /* the names, each with its NUL, one after the other */
    size_t n_bytes;  /* size of text */
    size_t *offsets; /* of the names in text, sorted by their bytes */
    size_t n_names;
    size_t n_offsets; /* room in offsets */
};

/* Lists the names that end in suffix and do not begin with a dot, at most max_names (-E2BIG). A directory that does
 * not exist is -ENOENT. Entries are not opened: they may be anything. */
int sgc_os_dir_list(const char *path, const char *suffix, size_t max_names, struct sgc_os_names *out,
                    struct sgc_error *error);
static inline const char *sgc_os_names_get(const struct sgc_os_names *names, size_t i)
{
    return names->text + names->offsets[i];
}
void sgc_os_names_fini(struct sgc_os_names *names);

#endif
