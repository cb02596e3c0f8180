/* snapshot.h - a frozen copy of the process for inspection: a child that stands at a stop for ever.
 * Called by core/runtime (the commands that CONTROL.md marks `snapshot`) and by tests. The design is in DESIGN.md.
 *
 * In the parent:   sgc_snapshot_fork (threads stand still for the clone alone), then sgc_snapshot_wait until the child
 *                  is gone. The child raises no SIGCHLD and is seen by no wait of the program (but one with __WALL or
 *                  __WCLONE); no fork handler runs.
 * In the child:    one thread, at a stop: whatever may be called at a stop may be called, on every heap, after
 *                  sgc_heap_flush: sgc_heap_walk_stopped, sgc_heap_verify_stopped, inspect.h. No malloc, stdio, dladdr
 *                  or anything else with a lock in it (another thread may have held it); sgc_meta_alloc, write, and
 *                  vsnprintf of whole numbers and strings are fine. It ends by sgc_snapshot_exit, never by return.
 *                  Reading a jansson object does not allocate; writing one does. */
#ifndef SLABGC_CORE_HEAP_SNAPSHOT_H
#define SLABGC_CORE_HEAP_SNAPSHOT_H

#include <slabgc/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sgc_snapshot_times {
    uint64_t to_stop_ns; /* until all threads were at rest */
    uint64_t stop_ns;    /* the whole stop, the former included: the rest is the clone */
};

/* Returns 0 in the child, the child's pid in the parent, or a negative errno with error filled (ENOMEM, EAGAIN: the OS
 * refuses another process). fd: the descriptor that the child keeps (all others are closed there; -1: none); the two
 * processes share its file description, so O_NONBLOCK is shared too. deadline_s: SIGALRM ends the child after so many
 * seconds (at least 1); it also ends when the calling thread does. times may be NULL.
 * At rest, with no lock of core held; not in a callback of the strategy's or the type's. The calling thread need not be
 * attached, and is not afterwards. */
pid_t sgc_snapshot_fork(int fd, unsigned deadline_s, struct sgc_snapshot_times *times, struct sgc_error *error);

/* Child: ends without exit handlers. */
_Noreturn void sgc_snapshot_exit(int status);

/* Parent: waits for the child's end (block), or looks. 1: ended, *status (may be NULL) as waitpid has it; 0: it still
 * runs; a negative errno: there is no such child. Must be called until it returns 1, or the dead child stays listed. */
int sgc_snapshot_wait(pid_t pid, bool block, int *status);
/* Parent: ends the child now; sgc_snapshot_wait is still to be called. Not after that returned 1. */
void sgc_snapshot_kill(pid_t pid);

#endif
