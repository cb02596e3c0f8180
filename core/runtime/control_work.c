/* control_work.c - the control server's second thread: commands that wait, for their turn or for a stop, one at a time.
 * Called by control_client.c on the server's thread (begin, is_over, cancel), by control.c (fork). The thread starts
 * with the first such command and lives as long as the process: a snapshot's child ends with the thread that made it.
 * Invariant: between begin and the moment is_over says so, a client's request and child are this thread's alone; what
 * it wrote there is published by the lock. The server's thread is told by a condition, and looks again in
 * SGC_CONTROL_LOOK_NS while it polls: a descriptor that the program might close, and use for something else, is never
 * written to. Lock: CONTROL; never held while a command runs. */
#include "core/runtime/control_server.h"

#include "core/base/check.h"
#include "core/os/clock.h"
#include "core/os/thread.h"

#include <time.h>

#define AT_ONCE_NS 20000000             /* most commands are over by then, and answered without another round */
#define STACK_BYTES ((size_t)512 << 10) /* loads plug-ins, runs trace callbacks of programs */

static struct {
    bool started;
    struct sgc_control_client *queue[SGC_CONTROL_CLIENTS]; /* in the order in which they asked */
    unsigned n_queued;
    struct sgc_control_client *running; /* NULL: nobody's command runs */
    pthread_cond_t wanted, over;        /* the queue got its first one; running became NULL */
} work = {.wanted = PTHREAD_COND_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};

static _Thread_local bool is_worker;

/* Lock held. */
static void work_remove(unsigned at)
{
    work.n_queued--;
    for (unsigned i = at; i < work.n_queued; i++)
        work.queue[i] = work.queue[i + 1];
}

/* Waits for a client, whose command runs from now on. */
static struct sgc_control_client *work_take(void)
{
    SGC_GUARD(&sgc_control_lock);
    while (work.n_queued == 0)
        pthread_cond_wait(&work.wanted, &sgc_control_lock.mutex);
    work.running = work.queue[0];
    work_remove(0);
    return work.running;
}

static void *work_main(void *unused)
{
    (void)unused;
    is_worker = true;
    for (;;) {
        sgc_control_client_work(work_take());
        SGC_GUARD(&sgc_control_lock);
        work.running = NULL;
        pthread_cond_signal(&work.over);
    }
    return NULL;
}

/* False: there is no thread. */
static bool work_start(void)
{
    pthread_t thread;
    if (work.started)
        return true;
    if (sgc_os_thread_start_sized(&thread, "slabgc-command", work_main, NULL, STACK_BYTES))
        return false;
    pthread_detach(thread);
    work.started = true;
    return true;
}

void sgc_control_work_begin(struct sgc_control_client *client)
{
    if (!work_start()) {
        sgc_control_client_work(client);
        return;
    }
    const uint64_t until_ns = sgc_os_now_ns() + AT_ONCE_NS;
    const struct timespec until = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};
    SGC_GUARD(&sgc_control_lock);
    const bool first = !work.running && work.n_queued == 0;
    work.queue[work.n_queued++] = client;
    pthread_cond_signal(&work.wanted);
    while (first && (work.n_queued || work.running))
        if (pthread_cond_clockwait(&work.over, &sgc_control_lock.mutex, CLOCK_MONOTONIC, &until))
            return;
}

bool sgc_control_work_is_over(const struct sgc_control_client *client)
{
    SGC_GUARD(&sgc_control_lock);
    for (unsigned i = 0; i < work.n_queued; i++)
        if (work.queue[i] == client)
            return false;
    return work.running != client;
}

bool sgc_control_work_cancel(const struct sgc_control_client *client)
{
    SGC_GUARD(&sgc_control_lock);
    for (unsigned i = 0; i < work.n_queued; i++) {
        if (work.queue[i] == client) {
            work_remove(i);
            return true;
        }
    }
    return work.running != client;
}

bool sgc_control_work_is_mine(void)
{
    return is_worker;
}

void sgc_control_work_forget(void)
{
    work.started = false;
    work.n_queued = 0;
    work.running = NULL;
    pthread_cond_init(&work.wanted, NULL);
    pthread_cond_init(&work.over, NULL);
}
