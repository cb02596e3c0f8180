/* snapshot.c - the child of a snapshot: made by a bare clone, put apart from the program at once.
 * Called by core/heap/snapshot.c, at a stop.
 * Why clone: fork() would run the program's pthread_atfork handlers, and its child would raise SIGCHLD and come out of
 *   the program's wait(). A child whose exit signal is 0 does neither: only waits with __WALL or __WCLONE see it.
 * Invariant of the child: it calls no function of libc that takes a lock, and no handler of the program's runs: signals
 *   are blocked from before the clone until all dispositions are the default.
 * ThreadSanitizer keeps locks of its own, which another thread may hold at the clone; only its fork() makes them whole
 *   in the child. So under it the child is made by fork(), with the handlers and the SIGCHLD that this implies.
 * Locks: none. */
#include "core/os/snapshot.h"

#include "core/base/sanitize.h"
#include "core/os/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KERNEL_SIGNALS 64
#define KERNEL_SIGSET_BYTES (KERNEL_SIGNALS / 8)

/* The kernel's own calls: those of libc leave out the two signals that it uses itself. */
static uint64_t signals_set(uint64_t mask)
{
    uint64_t old = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, KERNEL_SIGSET_BYTES);
    return old;
}

static void child_default_signals(void)
{
    static const uint64_t all_default[8]; /* struct sigaction of the kernel: SIG_DFL, no flags, no mask */
    for (int signal = 1; signal <= KERNEL_SIGNALS; signal++)
        syscall(SYS_rt_sigaction, signal, all_default, NULL, KERNEL_SIGSET_BYTES);
}

static void child_close(unsigned first, unsigned last)
{
    struct rlimit limit = {0};
    if (syscall(SYS_close_range, first, last, 0) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &limit); /* a kernel before 5.9 */
    for (unsigned fd = first; fd <= last && fd < limit.rlim_cur; fd++)
        close((int)fd);
}

/* Its pages are copies: when memory is short, the child goes and the program stays. */
static void child_offer_to_oom(void)
{
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    const ssize_t written = write(fd, "1000", 4);
    (void)written; /* refused: then it is judged by its size, as any other */
    close(fd);
}

static void child_settle(int fd, unsigned deadline_s, pid_t parent)
{
    const struct rlimit no_core = {0, 0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it ended before the line above */
        sgc_os_clone_exit(1);
    child_default_signals();
    alarm(deadline_s ? deadline_s : 1);
    signals_set(~(UINT64_C(1) << (SIGALRM - 1)));
    if (fd > 0)
        child_close(0, (unsigned)fd - 1);
    child_close(fd < 0 ? 0 : (unsigned)fd + 1, UINT32_MAX);
    prctl(PR_SET_NAME, SGC_OS_CLONE_NAME);
    child_offer_to_oom();
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_DUMPABLE, 0); /* a core_pattern that is a pipe heeds no limit */
}

static long clone_bare(void)
{
#ifdef SGC_TSAN
    return fork();
#else
    return syscall(SYS_clone, 0, 0, 0, 0,
                   0); /* all zero: so it is the same in whatever order an architecture has them */
#endif
}

pid_t sgc_os_clone(int fd, unsigned deadline_s)
{
    if (sgc_os_fault_here("clone"))
        return -ENOMEM;
    const pid_t parent = getpid();
    const uint64_t mask = signals_set(~UINT64_C(0));
    const long pid = clone_bare();
    const int error = errno;
    if (pid == 0)
        child_settle(fd, deadline_s, parent);
    else
        signals_set(mask);
    return pid < 0 ? -error : (pid_t)pid;
}

void sgc_os_clone_exit(int status)
{
    for (;;)
        syscall(SYS_exit_group, status);
}

int sgc_os_clone_wait(pid_t pid, bool block, int *status)
{
    pid_t found;
    do {
        found = waitpid(pid, status, __WALL | (block ? 0 : WNOHANG));
    } while (found < 0 && errno == EINTR);
    return found < 0 ? -errno : found == pid;
}

void sgc_os_clone_kill(pid_t pid)
{
    kill(pid, SIGKILL);
}
