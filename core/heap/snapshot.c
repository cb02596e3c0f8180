/* snapshot.c - makes the child that is a frozen copy of all heaps (snapshot.h).
 * Called by core/runtime and tests.
 * The steps are those of fork() (fork.c), without liburcu's part and the program's handlers: all threads at rest, all
 * locks, clone, all locks, threads go on. The child does the second half of that alone: its locks are usable, the other
 * threads' fronts are idle ones, and the stop never ends. So no thread has to be attached there, which would take a
 * lock of libc's (pthread_setspecific may allocate), and attaching in the parent would end solo mode for good.
 * liburcu is left out: nobody reads or waits in the child.
 * Under ThreadSanitizer the clone is a fork() (core/os/snapshot.c), whose handlers do all of this; the child then makes
 * a stop of its own.
 * Locks: PROCESS and STOP, then all. */
#include "core/heap/snapshot.h"

#include "core/base/sanitize.h"
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/os/clock.h"
#include "core/os/snapshot.h"

#include <errno.h>
#include <string.h>

#ifdef SGC_TSAN

static pid_t snapshot_clone(int fd, unsigned deadline_s, struct sgc_snapshot_times *times)
{
    struct sgc_stop stop;
    const uint64_t began_ns = sgc_os_now_ns();
    const pid_t pid = sgc_os_clone(fd, deadline_s);
    if (pid == 0)
        sgc_stop_begin(&stop, NULL);
    *times = (struct sgc_snapshot_times){0, sgc_os_now_ns() - began_ns};
    return pid;
}

#else

static pid_t snapshot_clone(int fd, unsigned deadline_s, struct sgc_snapshot_times *times)
{
    struct sgc_stop stop;
    sgc_freeze_threads(&stop);
    sgc_freeze_locks();
    const pid_t pid = sgc_os_clone(fd, deadline_s);
    sgc_thaw_locks(pid == 0);
    if (pid == 0)
        return 0;
    times->to_stop_ns = stop.stopped_ns - stop.began_ns;
    times->stop_ns = sgc_os_now_ns() - stop.began_ns;
    sgc_thaw_threads(&stop, 0);
    return pid;
}

#endif

pid_t sgc_snapshot_fork(int fd, unsigned deadline_s, struct sgc_snapshot_times *times, struct sgc_error *error)
{
    struct sgc_snapshot_times own;
    if (sgc_unlikely((sgc_context_.depth | sgc_context_.busy) != 0))
        sgc_panic("a snapshot was asked for inside a section or a call of slabgc");
    const int rc = sgc_process_init(error);
    if (rc < 0)
        return rc;
    const pid_t pid = snapshot_clone(fd, deadline_s, times ? times : &own);
    if (pid < 0)
        return sgc_error_set(error, pid, "no snapshot: the OS refuses a copy of this process (%s)%s", strerror(-pid),
                             pid == -EAGAIN
                                 ? "; see the limit on the user's processes"
                                 : "; it wants memory for page tables, and where memory is never overcommitted "
                                   "as much as the process has");
    return pid;
}

void sgc_snapshot_exit(int status)
{
    sgc_os_clone_exit(status);
}

int sgc_snapshot_wait(pid_t pid, bool block, int *status)
{
    return sgc_os_clone_wait(pid, block, status);
}

void sgc_snapshot_kill(pid_t pid)
{
    sgc_os_clone_kill(pid);
}
