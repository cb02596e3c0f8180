/* task.c - see task.h. Called by the workloads with threads. */
#include "tests/bench/task.h"

#include <string.h>

#define N_TASKS 64 /* that a mean is taken of */

static void *task_main(void *arg)
{
    struct task *task = arg;
    task->body(task->arg, task->n);
    return NULL;
}

void bench_task_start(struct task *task, bench_body *body, void *arg, uint64_t n)
{
    task->body = body;
    task->arg = arg;
    task->n = n;
    const int error = pthread_create(&task->thread, NULL, task_main, task);
    if (error)
        bench_die("no thread: %s", strerror(error));
}

void bench_task_join(struct task *task)
{
    pthread_join(task->thread, NULL);
}

static void do_nothing(void *arg, uint64_t n)
{
    (void)arg;
    (void)n;
}

double bench_task_ns(void)
{
    const uint64_t began_ns = bench_now_ns();
    for (unsigned i = 0; i < N_TASKS; i++) {
        struct task task;
        bench_task_start(&task, do_nothing, NULL, 0);
        bench_task_join(&task);
    }
    return (double)(bench_now_ns() - began_ns) / N_TASKS;
}
