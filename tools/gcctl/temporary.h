/* temporary.h - a folder for sockets and files of one call, that is gone afterwards. Used by record, report and
 * demo. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_TEMPORARY_H
#define SLABGC_TOOLS_GCCTL_TEMPORARY_H

#include <stddef.h>

/* Makes $TMPDIR/slabgc-XXXXXX (or /tmp/..), mode 0700. 0, or -1 and errno; path is filled either way. */
int gcctl_temporary_folder(char *path, size_t path_bytes);
/* Before that: whoever makes one ends in order. handler, which sets a flag, is called for SIGINT, SIGTERM and SIGHUP;
 * not for a SIGHUP that is ignored, as under nohup. */
void gcctl_temporary_guard(void (*handler)(int signal));
/* Removes it with the files in it, which are no folders. */
void gcctl_temporary_remove(const char *path);

#endif
