/* snapshot.h - a child process that copies this one and that the program does not notice.
 * Called by core/heap/snapshot.c, which brings the threads to rest around it. */
#ifndef SLABGC_CORE_OS_SNAPSHOT_H
#define SLABGC_CORE_OS_SNAPSHOT_H

#include <stdbool.h>
#include <sys/types.h>

#define SGC_OS_CLONE_NAME "slabgc-snapshot" /* what ps shows; 15 bytes are all the kernel keeps */

/* Clones the process, with the calling thread alone. No pthread_atfork handler runs, and the child's end sends no
 * signal (under ThreadSanitizer it is an ordinary fork(); snapshot.c says why). Returns the pid, or a negative errno,
 * in the parent; 0 in the child, which then
 *   - has no descriptor but fd (-1: none), no signal handler, and all signals blocked but SIGALRM,
 *   - ends when the calling thread of the parent does, and after deadline_s seconds (at least 1),
 *   - leaves no core file and is the first to go when memory runs out.
 * Passes a fault gate. */
pid_t sgc_os_clone(int fd, unsigned deadline_s);
/* The child's end: no exit handlers, no buffers written. */
_Noreturn void sgc_os_clone_exit(int status);
/* Parent. 1: it has ended, *status (may be NULL) as waitpid has it; 0 (not with block): it runs; a negative errno: no
 * such child. */
int sgc_os_clone_wait(pid_t pid, bool block, int *status);
void sgc_os_clone_kill(pid_t pid);

#endif
