/* child.c - the side of a run that measures: finds the workload, runs it between two control loops, reports to the
 * parent. Linked by bench and by programs of backends that need one of their own. Nothing here allocates, so that a
 * backend which replaces malloc is measured alone. */
#include "tests/bench/bench.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTROL_ADDITIONS 30000000 /* about 10 ms: longer than a time slice that another process may take */
#define RUN_LIMIT_S 900            /* a run that hangs ends by SIGALRM */

static struct bench_run current;
static int report_fd;

void bench_figure_add(struct bench_run *run, const char *name, double value)
{
    if (run->n_figures == BENCH_MAX_FIGURES)
        return;
    struct bench_figure *figure = &run->figures[run->n_figures++];
    snprintf(figure->name, sizeof(figure->name), "%s", name);
    figure->value = value;
}

void bench_parameter_add(struct bench_run *run, const char *key, const char *format, ...)
{
    char value[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    const size_t length = strlen(run->parameters);
    snprintf(run->parameters + length, sizeof(run->parameters) - length, "%s%s=%s", length ? " " : "", key, value);
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

static void report(const struct bench_run *run)
{
    if (run->state != BENCH_OK) {
        dprintf(report_fd, "%s %s\n", run->state == BENCH_SKIPPED ? "skip" : "fail", run->message);
        return;
    }
    for (size_t i = 0; i < run->n_figures; i++)
        dprintf(report_fd, "figure %s %.9g\n", run->figures[i].name, run->figures[i].value);
    dprintf(report_fd,
            "parameters %s\noperations %" PRIu64 "\nrss %" PRIu64 "\nchecksum %" PRIu64
            "\ncpu %.9g\ncontrol %.9g %.9g\nvalue %.9g\n",
            run->parameters, run->n_operations, run->rss_bytes, run->checksum, run->cpu, run->control[0],
            run->control[1], run->value);
}

void bench_die(const char *format, ...)
{
    struct bench_run died = {.state = BENCH_FAILED};
    va_list arguments;
    va_start(arguments, format);
    give_up(&died, BENCH_FAILED, format, arguments);
    va_end(arguments);
    report(&died);
    _exit(0);
}

/* Short loops are for trying things out: their control loop is short too. */
static double control(const struct bench_run *run)
{
    const unsigned loop_ms = run->params.loop_ms;
    return bench_control(loop_ms && loop_ms < 10 ? CONTROL_ADDITIONS / 10 * loop_ms / 10 : CONTROL_ADDITIONS);
}

/* The loader passes over a library that it does not find, so look where malloc really comes from. */
static bool malloc_is_of(const char *library)
{
    Dl_info info;
    void *address = dlsym(RTLD_DEFAULT, "malloc");
    if (!address || !dladdr(address, &info) || !info.dli_fname)
        return false;
    const char *found = strrchr(info.dli_fname, '/'), *wanted = strrchr(library, '/');
    return strcmp(found ? found + 1 : info.dli_fname, wanted ? wanted + 1 : library) == 0;
}

static void measure(struct bench_run *run)
{
    const struct bench_backend *backend = run->backend;
    const bool counting = run->params.n_operations > 0; /* under valgrind, where time means nothing */
    if (BENCH_SANITIZED && (backend->preload || backend->program)) {
        bench_skip(run, "a sanitizer does not go with it");
        return;
    }
    if (backend->preload && !malloc_is_of(backend->preload)) {
        bench_skip(run, "malloc is not that of %s: the loader does not find it", backend->preload);
        return;
    }
    run->control[0] = counting ? 1 : control(run);
    run->workload->run(run);
    run->control[1] = counting ? 1 : control(run);
    if (run->rss_bytes == 0)
        run->rss_bytes = bench_peak_bytes();
}

/* --run WORKLOAD BACKEND FD PARAMS */
int bench_child(int argc, char **argv, const struct bench_workload *workloads, size_t n_workloads)
{
    if (argc != 6 || strcmp(argv[1], "--run") != 0 || !bench_params_read(&current.params, argv[5])) {
        fprintf(stderr, "%s: part of bench, which starts it\n", argv[0]);
        return 2;
    }
    report_fd = (int)strtol(argv[4], NULL, 10);
    current.backend = bench_backend_find(argv[3]);
    for (size_t i = 0; i < n_workloads; i++) {
        if (strcmp(workloads[i].name, argv[2]) == 0)
            current.workload = &workloads[i];
    }
    alarm(RUN_LIMIT_S);
    if (current.workload && current.backend)
        measure(&current);
    else
        bench_fail(&current, "no %s on %s in this program", argv[2], argv[3]);
    report(&current);
    return 0;
}
