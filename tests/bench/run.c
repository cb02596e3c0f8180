/* run.c - starts the process of a run and reads what it reports.
 * Called by main.c and callgrind.c, in a process with one thread. */
#include "tests/bench/bench.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_BYTES 8192
#define MAX_WRAPPER 16
#define STATUS_NOT_STARTED 127 /* also what the loader exits with when a library is missing */

void bench_directory(char *path, size_t size)
{
    char file[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", file, sizeof(file) - 1);
    file[n > 0 ? n : 0] = '\0';
    snprintf(path, size, "%s", dirname(file));
}

/* The program that runs this backend: false when it is not there. */
static bool find_program(const struct bench_backend *backend, bool wrapped, char *path, size_t size)
{
    if (!backend->program && !wrapped) {
        snprintf(path, size, "/proc/self/exe"); /* this file, whatever has taken its name meanwhile */
        return true;
    }
    if (!backend->program) {
        const ssize_t n = readlink("/proc/self/exe", path, size - 1);
        path[n > 0 ? n : 0] = '\0';
        return n > 0;
    }
    char directory[PATH_MAX];
    bench_directory(directory, sizeof(directory));
    snprintf(path, size, "%s/%s", directory, backend->program);
    if (access(path, X_OK) == 0)
        return true;
    snprintf(path, size, "tests/bench/%s", backend->program); /* in the runfiles */
    return access(path, X_OK) == 0;
}

/* The value for LD_PRELOAD: a name for the loader to search, or a file of ours beside this program or in the runfiles.
 */
static bool find_preload(const struct bench_backend *backend, char *path, size_t size)
{
    if (!strchr(backend->preload, '/')) {
        snprintf(path, size, "%s", backend->preload);
        return true;
    }
    char directory[PATH_MAX], place[2 * PATH_MAX];
    bench_directory(directory, sizeof(directory));
    snprintf(place, sizeof(place), "%s/../../%s", directory, backend->preload);
    const char *found = access(backend->preload, R_OK) == 0 ? backend->preload : place;
    char real[PATH_MAX];
    if (!realpath(found, real))
        return false;
    snprintf(path, size, "%s", real);
    return true;
}

static _Noreturn void become_child(const struct bench_run *run, const char *program, const char *preload,
                                   const char *config, const char *const *wrapper, int fd)
{
    char fd_text[16], params[BENCH_PARAMS_TEXT_BYTES];
    const char *argv[MAX_WRAPPER + 8] = {0};
    size_t n = 0;
    snprintf(fd_text, sizeof(fd_text), "%d", fd);
    bench_params_write(&run->params, params);
    for (; wrapper && wrapper[n] && n < MAX_WRAPPER; n++)
        argv[n] = wrapper[n];
    argv[n++] = program;
    argv[n++] = "--run";
    argv[n++] = run->workload->name;
    argv[n++] = run->backend->name;
    argv[n++] = fd_text;
    argv[n] = params;
    if (run->backend->preload)
        setenv("LD_PRELOAD", preload, 1);
    if (config)
        setenv("SLABGC", config, 1);
    execvp(argv[0], (char *const *)argv);
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

/* The rest of the line when it begins with the word, or NULL. */
static const char *after(const char *line, const char *word)
{
    const size_t length = strlen(word);
    return strncmp(line, word, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

static void parse_line(struct bench_run *run, const char *line)
{
    struct bench_figure figure;
    const char *rest;
    if ((rest = after(line, "skip")))
        bench_skip(run, "%s", rest);
    else if ((rest = after(line, "fail")))
        bench_fail(run, "%s", rest);
    else if ((rest = after(line, "parameters")))
        snprintf(run->parameters, sizeof(run->parameters), "%s", rest);
    else if (sscanf(line, "figure %23s %lf", figure.name, &figure.value) == 2)
        bench_figure_add(run, figure.name, figure.value);
    else if (sscanf(line, "value %lf", &run->value) == 1)
        run->state = BENCH_OK; /* the last line of a good report */
    else if (sscanf(line, "checksum %" SCNu64, &run->checksum) != 1 &&
             sscanf(line, "operations %" SCNu64, &run->n_operations) != 1 &&
             sscanf(line, "rss %" SCNu64, &run->rss_bytes) != 1 && sscanf(line, "cpu %lf", &run->cpu) != 1 &&
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

void bench_spawn(struct bench_run *run, const char *config, const char *const *wrapper)
{
    char program[2 * PATH_MAX], preload[2 * PATH_MAX] = "", text[REPORT_BYTES];
    int ends[2];
    if (!find_program(run->backend, wrapper != NULL, program, sizeof(program))) {
        bench_skip(run, "there is no %s beside this program", run->backend->program);
        return;
    }
    if (run->backend->preload && !find_preload(run->backend, preload, sizeof(preload))) {
        bench_skip(run, "there is no %s", run->backend->preload);
        return;
    }
    if (pipe(ends) != 0) {
        bench_fail(run, "pipe: %s", strerror(errno));
        return;
    }
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        become_child(run, program, preload, config, wrapper, ends[1]);
    }
    close(ends[1]);
    if (child > 0) {
        int status = 0;
        read_report(ends[0], text);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        judge(run, text, status);
    } else {
        bench_fail(run, "fork: %s", strerror(errno));
    }
    close(ends[0]);
}
