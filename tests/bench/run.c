/* run.c - starts the process of a run and reads what it reports.
 * Called by main.c only, in a process with one thread. Peak memory is the kernel's account of the child; it includes
 * the few pages that the child had before it executed. */
#include "tests/bench/bench.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_BYTES 4096
#define STATUS_NOT_STARTED 127 /* also what the loader exits with when a library is missing */

void bench_directory(char *path, size_t size)
{
    char file[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", file, sizeof(file) - 1);
    file[n > 0 ? n : 0] = '\0';
    snprintf(path, size, "%s", dirname(file));
}

/* The program that runs this backend: false when it is not there. */
static bool find_program(const struct bench_backend *backend, char *path, size_t size)
{
    if (!backend->program) {
        snprintf(path, size, "/proc/self/exe");
        return true;
    }
    char directory[PATH_MAX];
    bench_directory(directory, sizeof(directory));
    snprintf(path, size, "%s/%s", directory, backend->program);
    if (access(path, X_OK) == 0)
        return true;
    snprintf(path, size, "tests/bench/%s", backend->program); /* in the runfiles */
    return access(path, X_OK) == 0;
}

static _Noreturn void become_child(const struct bench_run *run, const char *program, const char *config, int fd)
{
    char fd_text[16], depth[16], objects[24], loop_ms[16];
    snprintf(fd_text, sizeof(fd_text), "%d", fd);
    snprintf(depth, sizeof(depth), "%u", run->params.depth);
    snprintf(objects, sizeof(objects), "%" PRIu64, run->params.n_objects);
    snprintf(loop_ms, sizeof(loop_ms), "%u", run->params.loop_ms);
    char *argv[] = {"bench", "--run", (char *)run->workload->name, (char *)run->backend->name, fd_text, depth, objects,
                    loop_ms, NULL};
    if (run->backend->preload)
        setenv("LD_PRELOAD", run->backend->preload, 1);
    if (config)
        setenv("SLABGC", config, 1);
    execv(program, argv);
    _exit(STATUS_NOT_STARTED);
}

/* All that the child writes, until it closes its end. */
static void read_report(int fd, char text[REPORT_BYTES])
{
    size_t length = 0;
    for (;;) {
        const ssize_t n = read(fd, text + length, REPORT_BYTES - 1 - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    text[length] = '\0';
}

static void parse_line(struct bench_run *run, const char *line)
{
    struct bench_figure figure;
    if (strncmp(line, "skip ", 5) == 0)
        bench_skip(run, "%s", line + 5);
    else if (strncmp(line, "fail ", 5) == 0)
        bench_fail(run, "%s", line + 5);
    else if (sscanf(line, "figure %23s %lf", figure.name, &figure.value) == 2)
        bench_figure_add(run, figure.name, figure.value);
    else if (sscanf(line, "value %lf", &run->value) == 1)
        run->state = BENCH_OK; /* the last line of a good report */
    else if (sscanf(line, "checksum %" SCNu64, &run->checksum) != 1 && sscanf(line, "cpu %lf", &run->cpu) != 1 &&
             sscanf(line, "control %lf %lf", &run->control[0], &run->control[1]) != 2)
        bench_fail(run, "the child reports '%s'", line);
}

static void judge(struct bench_run *run, char *text, int status)
{
    bench_fail(run, "the process ended without a report");
    for (char *at = NULL, *line = strtok_r(text, "\n", &at); line; line = strtok_r(NULL, "\n", &at))
        parse_line(run, line);
    if (WIFSIGNALED(status))
        bench_fail(run, "the process ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == STATUS_NOT_STARTED)
        bench_skip(run, "its program does not start: is a library missing?");
    else if (WEXITSTATUS(status) != 0)
        bench_fail(run, "the process exited with %d", WEXITSTATUS(status));
}

void bench_spawn(struct bench_run *run, const char *config)
{
    char program[2 * PATH_MAX], text[REPORT_BYTES];
    int ends[2];
    if (!find_program(run->backend, program, sizeof(program))) {
        bench_skip(run, "there is no %s beside this program", run->backend->program);
        return;
    }
    if (pipe(ends) != 0) {
        bench_fail(run, "pipe: %s", strerror(errno));
        return;
    }
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        become_child(run, program, config, ends[1]);
    }
    close(ends[1]);
    if (child > 0) {
        int status = 0;
        struct rusage usage = {0};
        read_report(ends[0], text);
        while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR)
            ;
        run->rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
        judge(run, text, status);
    } else {
        bench_fail(run, "fork: %s", strerror(errno));
    }
    close(ends[0]);
}
