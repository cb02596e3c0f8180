/* fork.c - fork() in a process with heaps. Installed once by thread.c.
 * What it does to threads and locks, snapshot.c does too (thread.h: freeze and thaw).
 * The handlers bring all other threads to rest (a stop that lasts for the length of the fork), call liburcu's own, then
 * take every lock of core in rank order. So the child finds nothing half done: no death between its claim and its
 * reclaim, no slot between a slab and a window.
 * A thread that forks inside a section of its own would wait for itself; that is a panic, as every wait in a section is
 * a fault of the program. In the child one thread is left. The others' holds stay, in C structs and on hold stacks;
 * their windows and slabs go to the idle fronts, their strategy records to the heap. Each heap's first collection is
 * full. The grace thread and finalizer threads start again on the next need. Collecting after fork copies no payload
 * page that it does not write: marks, counts and free bits lie beside the slots.
 * Locks: PROCESS and STOP from before the stop to its end; all others at the stop. */
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/os/meta.h"
#include "core/os/thread.h"
#include "core/stats/events.h"
#include <pthread.h>

static void heap_locks(void (*each)(struct sgc_lock *lock, int in_child),
                       struct sgc_lock *(*pick)(struct sgc_heap *heap), int in_child)
{
    SGC_LIST_FOR_EACH (link, &sgc_heaps)
        each(pick(SGC_LIST_ENTRY(link, struct sgc_heap, link)), in_child);
}

static void lock_before(struct sgc_lock *lock, int unused)
{
    (void)unused;
    sgc_lock_before_fork(lock);
}

static struct sgc_lock *pick_heap(struct sgc_heap *heap)
{
    return &heap->lock;
}
static struct sgc_lock *pick_weak(struct sgc_heap *heap)
{
    return &heap->weak.lock;
}
static struct sgc_lock *pick_finalizers(struct sgc_heap *heap)
{
    return &heap->finalizers.lock;
}
static struct sgc_lock *pick_stats(struct sgc_heap *heap)
{
    return &heap->stats_lock;
}

void sgc_freeze_threads(struct sgc_stop *stop)
{
    sgc_lock_before_fork(sgc_process_lock_of_fork());
    sgc_lock_before_fork(sgc_stop_lock_of_fork());
    sgc_stop_begin_locked(stop, NULL);
}

void sgc_freeze_locks(void)
{
    heap_locks(lock_before, pick_heap, 0);
    sgc_record_before_fork_fields();
    sgc_strategy_locks_before_fork();
    sgc_lock_before_fork(&sgc_threads_lock);
    sgc_lock_before_fork(sgc_grace_lock_of_fork());
    heap_locks(lock_before, pick_weak, 0);
    heap_locks(lock_before, pick_finalizers, 0);
    sgc_count_before_fork();
    sgc_cache_before_fork();
    sgc_region_before_fork();
    heap_locks(lock_before, pick_stats, 0);
    sgc_record_before_fork_queue();
    sgc_meta_before_fork();
}

void sgc_thaw_locks(int in_child)
{
    sgc_meta_after_fork(in_child);
    sgc_record_after_fork_queue(in_child);
    heap_locks(sgc_lock_after_fork, pick_stats, in_child);
    sgc_region_after_fork(in_child);
    sgc_cache_after_fork(in_child);
    sgc_count_after_fork(in_child);
    heap_locks(sgc_lock_after_fork, pick_finalizers, in_child);
    heap_locks(sgc_lock_after_fork, pick_weak, in_child);
    sgc_lock_after_fork(sgc_grace_lock_of_fork(), in_child);
    sgc_lock_after_fork(&sgc_threads_lock, in_child);
    sgc_strategy_locks_after_fork(in_child);
    sgc_record_after_fork_fields(in_child);
    heap_locks(sgc_lock_after_fork, pick_heap, in_child);
}

void sgc_thaw_threads(struct sgc_stop *stop, int in_child)
{
    sgc_stop_end_locked(stop);
    sgc_lock_after_fork(sgc_stop_lock_of_fork(), in_child);
    sgc_lock_after_fork(sgc_process_lock_of_fork(), in_child);
}

static struct sgc_stop fork_stop; /* between prepare and parent or child; lock STOP */

/* liburcu's handler waits for a grace period that is under way, and so for whoever reads under it: before the locks
 * that such a reader may want. */
static void fork_prepare(void)
{
    if (sgc_unlikely(sgc_context_.depth != 0))
        sgc_panic("fork: called inside a section");
    sgc_freeze_threads(&fork_stop);
    urcu_bp_before_fork();
    sgc_freeze_locks();
}

static void fork_parent(void)
{
    urcu_bp_after_fork_parent();
    sgc_thaw_locks(0);
    sgc_thaw_threads(&fork_stop, 0);
}

/* Calls that threads of the parent were making at rest are not made here. */
static void heap_after_fork_child(struct sgc_heap *heap)
{
    heap->first_full = true;
    heap->n_rest_calls[0] = heap->n_rest_calls[1] = 0;
    sgc_finalizer_after_fork_child(heap);
    sgc_shrinkers_after_fork_child(heap);
}

static void fork_child(void)
{
    urcu_bp_after_fork_child();
    sgc_thaw_locks(1);
    sgc_record_after_fork_child();
    sgc_thaw_threads(&fork_stop, 1);
    sgc_events_after_fork(1);
    sgc_grace_after_fork_child();
    if (sgc_thread_attach() == 0) {
        sgc_context_.thread->tid = sgc_os_thread_id();
        sgc_enter();
    }
    SGC_LIST_FOR_EACH_SAFE (link, &sgc_threads) {
        struct sgc_thread *thread = SGC_LIST_ENTRY(link, struct sgc_thread, link);
        if (thread != sgc_context_.thread)
            sgc_thread_bury_after_fork(thread);
    }
    if (sgc_context_.depth != 0)
        sgc_leave();
    sgc_heap_names_after_fork_child();
    SGC_LIST_FOR_EACH (link, &sgc_heaps)
        heap_after_fork_child(SGC_LIST_ENTRY(link, struct sgc_heap, link));
}

int sgc_fork_install(void)
{
    const int rc = sgc_cache_fork_install(); /* first: its handlers are the innermost */
    return rc < 0 ? rc : -pthread_atfork(fork_prepare, fork_parent, fork_child);
}
