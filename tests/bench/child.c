/* child.c - the side of a run that measures: clocks, the control loop, calibrated loops, and the report to the parent.
 * Linked by bench and by programs of backends that need one of their own. Nothing here allocates, so that a backend
 * which replaces malloc is measured alone. */
#include "tests/bench/bench.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_ADDITIONS 30000000 /* about 10 ms: longer than a time slice that another process may take */
#define RUN_LIMIT_S 900            /* a run that hangs ends by SIGALRM */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
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
}

void bench_loop(struct bench_run *run, void (*body)(void *arg, uint64_t n), void *arg)
{
    const double target_ns = run->params.loop_ms * 1e6;
    for (uint64_t n = BENCH_SECTION_OPS;;) {
        struct bench_timer timer = {0};
        bench_timer_start(&timer);
        body(arg, n);
        bench_timer_stop(&timer);
        const double took_ns = (double)timer.wall_ns;
        if (took_ns >= target_ns) {
            bench_finish(run, &timer, n);
            return;
        }
        const double factor = took_ns * 10 < target_ns ? 10 : 1.2 * target_ns / took_ns;
        n = ((uint64_t)((double)n * factor) / BENCH_SECTION_OPS + 1) * BENCH_SECTION_OPS;
    }
}

void bench_figure_add(struct bench_run *run, const char *name, double value)
{
    if (run->n_figures == BENCH_MAX_FIGURES)
        return;
    struct bench_figure *figure = &run->figures[run->n_figures++];
    snprintf(figure->name, sizeof(figure->name), "%s", name);
    figure->value = value;
}

static void give_up(struct bench_run *run, enum bench_state state, const char *format, va_list arguments)
{
    run->state = state;
    vsnprintf(run->message, sizeof(run->message), format, arguments);
    for (char *at = run->message; (at = strchr(at, '\n'));) /* the report is made of lines */
        *at = ' ';
}

void bench_skip(struct bench_run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    give_up(run, BENCH_SKIPPED, format, arguments);
    va_end(arguments);
}

void bench_fail(struct bench_run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    give_up(run, BENCH_FAILED, format, arguments);
    va_end(arguments);
}

/* Nanoseconds by addition, each of which needs the one before: a fixed number of cycles, so that what varies is the
 * machine. */
static double control(void)
{
    const uint64_t began_ns = clock_ns(CLOCK_MONOTONIC);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < CONTROL_ADDITIONS; i++) {
        sum += i;
        __asm__ volatile("" : "+r"(sum));
    }
    return (double)(clock_ns(CLOCK_MONOTONIC) - began_ns) / CONTROL_ADDITIONS;
}

static void report(const struct bench_run *run, int fd)
{
    if (run->state != BENCH_OK) {
        dprintf(fd, "%s %s\n", run->state == BENCH_SKIPPED ? "skip" : "fail", run->message);
        return;
    }
    for (size_t i = 0; i < run->n_figures; i++)
        dprintf(fd, "figure %s %.9g\n", run->figures[i].name, run->figures[i].value);
    dprintf(fd, "checksum %" PRIu64 "\ncpu %.9g\ncontrol %.9g %.9g\nvalue %.9g\n", run->checksum, run->cpu,
            run->control[0], run->control[1], run->value);
}

static void measure(struct bench_run *run)
{
    const struct bench_backend *backend = run->backend;
    if (BENCH_SANITIZED && (backend->preload || backend->program)) {
        bench_skip(run, "a sanitizer does not go with it");
        return;
    }
    if (backend->proof && !dlsym(RTLD_DEFAULT, backend->proof)) {
        bench_skip(run, "the loader does not find %s", backend->preload);
        return;
    }
    run->control[0] = control();
    run->workload->run(run);
    run->control[1] = control();
}

/* --run WORKLOAD BACKEND FD DEPTH OBJECTS LOOP_MS */
int bench_child(int argc, char **argv, const struct bench_workload *workloads, size_t n_workloads)
{
    if (argc != 8 || strcmp(argv[1], "--run") != 0) {
        fprintf(stderr, "%s: part of bench, which starts it\n", argv[0]);
        return 2;
    }
    struct bench_run run = {.backend = bench_backend_find(argv[3])};
    for (size_t i = 0; i < n_workloads; i++) {
        if (strcmp(workloads[i].name, argv[2]) == 0)
            run.workload = &workloads[i];
    }
    run.params.depth = (unsigned)strtoul(argv[5], NULL, 10);
    run.params.n_objects = strtoull(argv[6], NULL, 10);
    run.params.loop_ms = (unsigned)strtoul(argv[7], NULL, 10);
    alarm(RUN_LIMIT_S);
    if (run.workload && run.backend)
        measure(&run);
    else
        bench_fail(&run, "no %s on %s in this program", argv[2], argv[3]);
    report(&run, (int)strtol(argv[4], NULL, 10));
    return 0;
}
