/* fork.c - fork() in a process with heaps. Installed once by thread.c.
 * The handlers take every lock of core in rank order, bring all other threads to rest (a stop that lasts for the length of the fork), then call liburcu's own. So the
 * child finds nothing half done: no death between its claim and its reclaim, no slot between a slab and a window.
 * The one exception is a thread that forks inside a section of its own: a stop would wait for itself, so it forks with the locks alone. The lists that threads
 * write without a lock are whole then too (entry before count), but a death that another thread was handling stays unfinished in the child: a leak there.
 * In the child one thread is left. The others' sections are over; their holds stay, in C structs and on hold stacks; what they had deferred is applied, their windows and
 * slabs go to the idle fronts, their strategy records to the heap. Each heap's first collection is full. The grace thread and finalizer threads start again on the
 * next need. Collecting after fork copies no payload page that it does not write: marks, counts and free bits lie beside the slots. */
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/os/meta.h"
#include "core/os/thread.h"
#include "core/stats/events.h"
#include <pthread.h>

static void heap_locks(void (*each)(struct sgc_lock *lock, int in_child), struct sgc_lock *(*pick)(struct sgc_heap *heap), int in_child)
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

static struct {
    struct sgc_stop stop;
    bool stopped;
} forking; /* between prepare and parent or child; lock STOP */

/* LIFE first: the lists of heaps and strategies' locks, walked here, change only under it. */
static void fork_prepare(void)
{
    sgc_lock_before_fork(&sgc_life_lock);
    sgc_lock_before_fork(sgc_stop_lock_of_fork());
    forking.stopped = sgc_context_.depth == 0;
    if (forking.stopped)
        sgc_stop_begin_locked(&forking.stop, NULL, false);
    heap_locks(lock_before, pick_heap, 0);
    sgc_strategy_locks_before_fork();
    sgc_lock_before_fork(&sgc_threads_lock);
    sgc_lock_before_fork(sgc_grace_lock_of_fork());
    heap_locks(lock_before, pick_weak, 0);
    heap_locks(lock_before, pick_finalizers, 0);
    sgc_count_before_fork();
    sgc_cache_before_fork();
    sgc_region_before_fork();
    heap_locks(lock_before, pick_stats, 0);
    sgc_meta_before_fork();
    urcu_bp_before_fork();
}

static void fork_release(int in_child)
{
    sgc_meta_after_fork(in_child);
    heap_locks(sgc_lock_after_fork, pick_stats, in_child);
    sgc_region_after_fork(in_child);
    sgc_cache_after_fork(in_child);
    sgc_count_after_fork(in_child);
    heap_locks(sgc_lock_after_fork, pick_finalizers, in_child);
    heap_locks(sgc_lock_after_fork, pick_weak, in_child);
    sgc_lock_after_fork(sgc_grace_lock_of_fork(), in_child);
    sgc_lock_after_fork(&sgc_threads_lock, in_child);
    sgc_strategy_locks_after_fork(in_child);
    heap_locks(sgc_lock_after_fork, pick_heap, in_child);
    if (forking.stopped)
        sgc_stop_end_locked(&forking.stop);
    sgc_lock_after_fork(sgc_stop_lock_of_fork(), in_child);
    sgc_lock_after_fork(&sgc_life_lock, in_child);
    sgc_events_after_fork(in_child);
}

static void fork_parent(void)
{
    urcu_bp_after_fork_parent();
    fork_release(0);
}

/* The only thread of the child. If it forked inside a section it still is in it, and nobody else runs. */
static void fork_child(void)
{
    urcu_bp_after_fork_child();
    fork_release(1);
    sgc_grace_after_fork_child();
    if (sgc_context_.thread) {
        sgc_context_.thread->tid = sgc_os_thread_id();
        sgc_enter();
    }
    SGC_LIST_FOR_EACH_SAFE (link, &sgc_threads) {
        struct sgc_thread *thread = SGC_LIST_ENTRY(link, struct sgc_thread, link);
        if (thread != sgc_context_.thread)
            sgc_thread_bury_after_fork(thread);
    }
    if (sgc_context_.thread)
        sgc_leave();
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        struct sgc_heap *heap = SGC_LIST_ENTRY(link, struct sgc_heap, link);
        heap->first_full = true;
        sgc_finalizer_after_fork_child(heap);
    }
}

int sgc_fork_install(void)
{
    return -pthread_atfork(fork_prepare, fork_parent, fork_child);
}
