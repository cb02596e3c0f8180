/* clock.c - clocks, calibrated loops, and the two loops without memory management that tell what the machine does.
 * Linked by bench and by programs of backends that need one of their own. Nothing here allocates, so that a backend
 * which replaces malloc is measured alone. */
#include "tests/bench/bench.h"

#include <pthread.h>
#include <time.h>

#define DEFAULT_LOOP_MS 200
#define N_ROUND_TRIPS 20000
#define ROUND_TRIPS_NS 20000000 /* at most: when the threads share a CPU each trip takes a time slice */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void bench_timer_start(struct bench_timer *timer)
{
    timer->cpu_began_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    timer->wall_began_ns = clock_ns(CLOCK_MONOTONIC);
}

void bench_timer_stop(struct bench_timer *timer)
{
    timer->wall_ns += clock_ns(CLOCK_MONOTONIC) - timer->wall_began_ns;
    timer->cpu_ns += clock_ns(CLOCK_PROCESS_CPUTIME_ID) - timer->cpu_began_ns;
}

void bench_finish(struct bench_run *run, const struct bench_timer *timer, uint64_t n_operations)
{
    const double wall_ns = timer->wall_ns ? (double)timer->wall_ns : 1;
    const double scale = n_operations ? 1 / (double)n_operations : 1e-9;
    run->value = wall_ns * scale;
    run->cpu = (double)timer->cpu_ns * scale;
    run->n_operations = n_operations;
}

unsigned bench_loop_ms(const struct bench_run *run)
{
    const unsigned own_ms = run->workload->loop_ms ? run->workload->loop_ms : DEFAULT_LOOP_MS;
    return run->params.loop_ms ? run->params.loop_ms : own_ms;
}

void bench_loop_by(struct bench_run *run, uint64_t granule, bench_body *body, void *arg)
{
    const double target_ns = bench_loop_ms(run) * 1e6;
    const uint64_t fixed = run->params.n_operations;
    bench_parameter_add(run, "loop-ms", "%u", bench_loop_ms(run));
    for (uint64_t n = fixed ? (fixed + granule - 1) / granule * granule : granule;;) {
        struct bench_timer timer = {0};
        bench_timer_start(&timer);
        body(arg, n);
        bench_timer_stop(&timer);
        const double took_ns = (double)timer.wall_ns;
        if (fixed || took_ns >= target_ns) {
            bench_finish(run, &timer, n);
            return;
        }
        const double factor = took_ns * 10 < target_ns ? 10 : 1.2 * target_ns / took_ns;
        n = ((uint64_t)((double)n * factor) / granule + 1) * granule;
    }
}

void bench_loop(struct bench_run *run, bench_body *body, void *arg)
{
    bench_loop_by(run, BENCH_SECTION_OPS, body, arg);
}

double bench_control(uint64_t n_additions)
{
    const uint64_t began_ns = bench_now_ns();
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n_additions; i++) {
        sum += i;
        __asm__ volatile("" : "+r"(sum));
    }
    return (double)(bench_now_ns() - began_ns) / (double)n_additions;
}

static void *pong(void *arg)
{
    int *ball = arg;
    for (int i = 1;; i += 2) {
        int seen;
        while ((seen = __atomic_load_n(ball, __ATOMIC_ACQUIRE)) != i) {
            if (seen < 0)
                return NULL;
        }
        __atomic_store_n(ball, i + 1, __ATOMIC_RELEASE);
    }
}

double bench_line_ns(void)
{
    static int ball;
    pthread_t other;
    uint64_t took_ns = 0;
    int n = 0;
    if (pthread_create(&other, NULL, pong, &ball) != 0)
        return 0;
    const uint64_t began_ns = bench_now_ns();
    for (; n < N_ROUND_TRIPS && took_ns < ROUND_TRIPS_NS; n++) {
        __atomic_store_n(&ball, 2 * n + 1, __ATOMIC_RELEASE);
        while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != 2 * n + 2)
            ;
        took_ns = n % 64 == 0 ? bench_now_ns() - began_ns : took_ns;
    }
    took_ns = bench_now_ns() - began_ns;
    __atomic_store_n(&ball, -1, __ATOMIC_RELEASE);
    pthread_join(other, NULL);
    return (double)took_ns / n;
}
