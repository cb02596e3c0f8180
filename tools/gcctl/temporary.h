/* temporary.h - a folder for sockets and files of one call, that is gone afterwards. Used by report and demo. One
 * thread. */
#ifndef SLABGC_TOOLS_GCCTL_TEMPORARY_H
#define SLABGC_TOOLS_GCCTL_TEMPORARY_H

#include <stddef.h>

/* Makes $TMPDIR/slabgc-XXXXXX (or /tmp/..), mode 0700. 0, or -1 and errno; path is filled either way. */
int gcctl_temporary_folder(char *path, size_t path_bytes);
/* Removes it with the files in it, which are no folders. */
void gcctl_temporary_remove(const char *path);

#endif
