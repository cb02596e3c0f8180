/* scaling.c - random replacement by one thread and by two at once, each with objects of its own; beside it a loop that
 * computes and touches no memory, which shows what the machine itself scales: two CPUs may share a core, its clock, or
 * the host's attention. Called through the table in workloads.c.
 * The two threads live as long as the run, so that each frees what it allocated. They wait in semaphores, begin
 * together behind a barrier, and each is timed on its own: the rates of both add up. */
#include "tests/bench/churn.h"
#include "tests/bench/task.h"

#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#define WORKERS 2
#define ROUNDS 5 /* of all four measurements, whose medians are taken */
#define CHAINS 4 /* of dependent operations in the control loop: as many as keep a core about as busy as real work */

struct worker {
    _Alignas(64) struct churn churn;
    struct task task;
    struct scaling *scaling;
    sem_t go;
    uint64_t took_ns;
};

struct scaling {
    struct worker workers[WORKERS];
    enum bench_kind kind;
    struct objects objects;
    const uint32_t *order;
    size_t order_mask, live;
    bench_body *body; /* of the next measurement, on each worker's churn; NULL: the end */
    uint64_t n;
    unsigned n_working;
    _Atomic unsigned n_ready;
    sem_t done;
};

static void control_body(void *arg, uint64_t n)
{
    uint64_t state[CHAINS] = {1, 2, 3, 4};
    (void)arg;
    for (uint64_t i = 0; i < n; i++) {
        for (unsigned k = 0; k < CHAINS; k++)
            state[k] = bench_random(&state[k]);
    }
    bench_use((void *)(uintptr_t)(state[0] ^ state[1] ^ state[2] ^ state[3]));
}

/* A worker's life: fills its array, then measures whenever it may go. */
static void work(void *arg, uint64_t unused)
{
    struct worker *worker = arg;
    struct scaling *scaling = worker->scaling;
    (void)unused;
    bench_churn_fill(&worker->churn, &scaling->objects, scaling->live, scaling->order, scaling->order_mask,
                     scaling->kind);
    for (;;) {
        sem_post(&scaling->done);
        while (sem_wait(&worker->go) != 0)
            ;
        if (!scaling->body)
            break;
        atomic_fetch_add(&scaling->n_ready, 1);
        while (atomic_load(&scaling->n_ready) < scaling->n_working)
            sched_yield();
        const uint64_t began_ns = bench_now_ns();
        scaling->body(&worker->churn, scaling->n);
        worker->took_ns = bench_now_ns() - began_ns;
    }
    bench_churn_empty(&worker->churn, scaling->live, scaling->kind);
}

static void wait_for(struct scaling *scaling, unsigned n)
{
    for (; n > 0; n--) {
        while (sem_wait(&scaling->done) != 0)
            ;
    }
}

/* Operations by nanosecond, of n_working threads together, each doing n. */
static double rate(struct scaling *scaling, bench_body *body, uint64_t n, unsigned n_working)
{
    double sum = 0;
    scaling->body = body;
    scaling->n = n;
    scaling->n_working = n_working;
    atomic_store(&scaling->n_ready, 0);
    for (unsigned i = 0; i < n_working; i++)
        sem_post(&scaling->workers[i].go);
    wait_for(scaling, n_working);
    for (unsigned i = 0; i < n_working; i++)
        sum += (double)n / (double)(scaling->workers[i].took_ns ? scaling->workers[i].took_ns : 1);
    return sum;
}

/* How many operations take one thread a part of the run's time. */
static uint64_t calibrate(struct bench_run *run, struct scaling *scaling, bench_body *body)
{
    const double target_ns = bench_loop_ms(run) * 1e6 / 2;
    for (uint64_t n = 4096;; n *= 2) {
        const double ns = (double)n / rate(scaling, body, n, 1);
        if (ns >= target_ns / 2)
            return (uint64_t)((double)n * target_ns / ns) + 1;
    }
}

static void measure(struct bench_run *run, struct scaling *scaling)
{
    bench_body *body = bench_churn_random_body(scaling->kind);
    double one_ns[ROUNDS], two_ns[ROUNDS], scales[ROUNDS], control_scales[ROUNDS], quotients[ROUNDS];
    const uint64_t n = calibrate(run, scaling, body), n_control = calibrate(run, scaling, control_body);
    struct bench_timer timer = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        const double control_one = rate(scaling, control_body, n_control, 1), one = rate(scaling, body, n, 1);
        const double control_two = rate(scaling, control_body, n_control, 2);
        bench_timer_start(&timer);
        const double two = rate(scaling, body, n, 2);
        bench_timer_stop(&timer);
        one_ns[i] = 1 / one;
        two_ns[i] = 2 / two;
        scales[i] = two / one;
        control_scales[i] = control_two / control_one;
        quotients[i] = scales[i] / control_scales[i];
    }
    bench_finish(run, &timer, n * ROUNDS);
    run->value = bench_median(two_ns, ROUNDS);
    bench_figure_add(run, "one_ns", bench_median(one_ns, ROUNDS));
    bench_figure_add(run, "scaling", bench_median(scales, ROUNDS));
    bench_figure_add(run, "control_scaling", bench_median(control_scales, ROUNDS));
    bench_figure_add(run, "of_control", bench_median(quotients, ROUNDS));
}

void bench_scaling(struct bench_run *run)
{
    struct bench_heap heap = {0};
    struct scaling *scaling = bench_map(sizeof(*scaling));
    scaling->kind = run->backend->kind;
    scaling->live = bench_live(run);
    scaling->order = bench_random_places(scaling->live, scaling->live, &scaling->order_mask);
    bench_parameter_add(run, "threads", "1,%d", WORKERS);
    bench_parameter_add(run, "rounds", "%d", ROUNDS);
    bench_parameter_add(run, "loop-ms", "%u", bench_loop_ms(run) / 2);
    if (!bench_objects_open(run, &heap, &scaling->objects, run->workload->size_bytes, NULL))
        return;
    sem_init(&scaling->done, 0, 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *worker = &scaling->workers[i];
        worker->scaling = scaling;
        sem_init(&worker->go, 0, 0);
        bench_task_start(&worker->task, work, worker, 0);
    }
    wait_for(scaling, WORKERS);
    measure(run, scaling);
    scaling->body = NULL;
    for (unsigned i = 0; i < WORKERS; i++) {
        struct churn *churn = &scaling->workers[i].churn;
        sem_post(&scaling->workers[i].go);
        bench_task_join(&scaling->workers[i].task);
        if (churn->sum != bench_serial_sum(churn->serial))
            bench_fail(run, "objects lost their first word");
    }
    bench_objects_close(run, &heap);
}
