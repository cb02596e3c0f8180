/* thread.c - core's own threads, and what core asks about a program's.
 * Called by heap (grace-period thread, finalizer thread, attach) and runtime (control).
 * Invariant: a thread started here never runs a signal handler of the program's, other than for its own faults.
 * Locks: none. */
#include "core/os/thread.h"

#include "core/base/check.h"
#include "core/os/fault.h"
#include "core/os/meta.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct thread_start {
    void *(*main)(void *);
    void *arg;
    char name[SGC_OS_THREAD_NAME_BYTES];
};

static void *thread_run(void *arg)
{
    struct thread_start start = *(struct thread_start *)arg;
    sgc_meta_free(arg, sizeof(start));
    prctl(PR_SET_NAME, start.name);
    return start.main(start.arg);
}

/* Everything but the signals by which the kernel reports a fault of the instruction itself: blocked, they would end
 * the process without the program's crash handler having run. */
static void thread_signals(sigset_t *out)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigfillset(out);
    for (size_t i = 0; i < SGC_ARRAY_LEN(faults); i++)
        sigdelset(out, faults[i]);
}

static int thread_create(pthread_t *out, size_t stack_bytes, struct thread_start *start)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    if (stack_bytes)
        error = pthread_attr_setstacksize(&attributes, stack_bytes);
    if (error == 0)
        error = pthread_create(out, &attributes, thread_run, start);
    pthread_attr_destroy(&attributes);
    return error;
}

int sgc_os_thread_start(pthread_t *out, const char *name, void *(*main)(void *), void *arg)
{
    return sgc_os_thread_start_sized(out, name, main, arg, 0);
}

int sgc_os_thread_start_sized(pthread_t *out, const char *name, void *(*main)(void *), void *arg, size_t stack_bytes)
{
    struct thread_start *start = sgc_meta_alloc(sizeof(*start));
    if (!start)
        return -ENOMEM;
    start->main = main;
    start->arg = arg;
    strncpy(start->name, name, sizeof(start->name) - 1);

    sigset_t blocked, saved;
    thread_signals(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, &saved);
    pthread_t thread;
    int error = sgc_os_fault_here("pthread_create") ? EAGAIN : thread_create(&thread, stack_bytes, start);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    if (error) {
        sgc_meta_free(start, sizeof(*start));
        return -error;
    }
    *out = thread;
    return 0;
}

void sgc_os_thread_join(pthread_t thread)
{
    int error = pthread_join(thread, NULL);
    SGC_CHECK(error == 0);
}

int64_t sgc_os_thread_id(void)
{
    return gettid();
}

void sgc_os_thread_name(char out[SGC_OS_THREAD_NAME_BYTES])
{
    memset(out, 0, SGC_OS_THREAD_NAME_BYTES);
    prctl(PR_GET_NAME, out);
}

bool sgc_os_has_membarrier(void)
{
    if (sgc_os_fault_here("membarrier"))
        return false;
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (commands < 0 || !(commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED))
        return false;
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

bool sgc_os_membarrier(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

int sgc_os_exit_key_create(pthread_key_t *out, void (*at_exit)(void *))
{
    if (sgc_os_fault_here("pthread_key_create"))
        return -EAGAIN;
    return -pthread_key_create(out, at_exit);
}
