/* thread.h - what thread.c and stop.c share with fork.c, heap_open.c and each other. */
#ifndef SLABGC_CORE_HEAP_THREAD_H
#define SLABGC_CORE_HEAP_THREAD_H

#include "core/heap/heap.h"

extern uint8_t sgc_store_mask; /* union of the open heaps' masks; changes at a stop, copied into every context */

int sgc_process_init(struct sgc_error *error); /* idempotent, any thread: arena, exit key, fork handlers */
unsigned sgc_thread_count(void);
void sgc_thread_bury_after_fork(struct sgc_thread *thread);

void sgc_stop_init(void); /* once per process, before any thread attaches */
/* Lock STOP apart from a stop, and stops under it. */
void sgc_stop_lock(void);
void sgc_stop_unlock(void);
void sgc_stop_begin_locked(struct sgc_stop *stop, struct sgc_heap *heap);
uint64_t sgc_stop_end_locked(struct sgc_stop *stop);
/* A stop that gives up: 0, or -ETIMEDOUT, and there is none. The caller is at rest and need not be attached. */
int sgc_stop_begin_until(struct sgc_stop *stop, uint64_t deadline_ns);
/* Half a stop: nobody is waited for, but whoever is at rest now stays there while visit runs: the acquire load of a
 * thread's depth and busy says who that is. visit is short. False: a stop is under way, nothing was done. */
bool sgc_stop_at_rest(void (*visit)(void));

/* fork.c: what fork() and snapshots do around the making of a child, in this order. freeze: all threads at rest and kept
 * there (locks PROCESS and STOP held), then every other lock of core. thaw: the reverse; in the child, all fronts but the
 * calling thread's go to the idle ones. A child that only looks leaves out sgc_thaw_threads and stays at the stop. */
void sgc_freeze_threads(struct sgc_stop *stop);
void sgc_freeze_locks(void);
void sgc_thaw_locks(int in_child);
void sgc_thaw_threads(struct sgc_stop *stop, int in_child);

/* fork.c takes every lock of core in rank order. */
struct sgc_lock *sgc_process_lock_of_fork(void);
struct sgc_lock *sgc_stop_lock_of_fork(void);
struct sgc_lock *sgc_grace_lock_of_fork(void);
void sgc_grace_after_fork_child(void);
void sgc_count_before_fork(void);
void sgc_count_after_fork(int in_child);

#endif
