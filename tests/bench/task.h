/* task.h - a body that runs in a thread of its own. */
#ifndef SLABGC_TESTS_BENCH_TASK_H
#define SLABGC_TESTS_BENCH_TASK_H

#include "tests/bench/bench.h"

#include <pthread.h>

struct task {
    pthread_t thread;
    bench_body *body;
    void *arg;
    uint64_t n;
};

/* Starts body(arg, n); dies without a thread. The task lives until it is joined. */
void bench_task_start(struct task *task, bench_body *body, void *arg, uint64_t n);
void bench_task_join(struct task *task);
/* What starting a thread that does nothing, and waiting for its end, costs now. */
double bench_task_ns(void);

#endif
