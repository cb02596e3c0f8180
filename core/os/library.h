/* library.h - shared objects: opening one that has been checked through its descriptor. Called by runtime's loader. Any
 * thread, at rest; may block on the file system. Every system call, and dlopen as a whole, passes a fault gate. */
#ifndef SLABGC_CORE_OS_LIBRARY_H
#define SLABGC_CORE_OS_LIBRARY_H

#include <limits.h>
#include <slabgc/error.h>
#include <stdbool.h>
#include <stdint.h>

/* Device and inode of an open file: two files with the same are one file. path: for the message. 0 or a negative errno.
 */
int sgc_os_file_identity(int fd, const char *path, uint64_t *device, uint64_t *inode, struct sgc_error *error);

/* Loads the library behind fd, opened as path, for the rest of the process (RTLD_NOW, RTLD_LOCAL, RTLD_NODELETE); runs
 * its constructors. On success fd must stay open for as long: the dynamic linker knows the library by its number.
 * Returns its handle, or NULL with error filled (-ENOEXEC). */
void *sgc_os_library_open(int fd, const char *path, struct sgc_error *error);
/* Address of an exported symbol, or NULL. */
const void *sgc_os_library_symbol(void *handle, const char *symbol);

/* The directory `below` the one that holds the shared object that `address` is part of, links resolved. False: it is
 * part of the program itself, there is no such directory, or the process runs with raised privileges. out has PATH_MAX
 * bytes. */
bool sgc_os_library_directory(const void *address, const char *below, char out[PATH_MAX]);

#endif
