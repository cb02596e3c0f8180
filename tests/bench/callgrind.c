/* callgrind.c - instructions by operation: valgrind counts those of a run with n operations and of one with 2n; what
 * the second has more, by n. So starting, preparing and warming up cancel out. The whole process is counted: refills
 * and calls to the kernel's side of libc are in it, in their proportion. Called by main.c. */
#include "tests/bench/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_BYTES 16384

bool bench_can_count(void)
{
    const int status = system("valgrind --version >/dev/null 2>&1");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The number that valgrind's log ends with; 0: none. The log fits into the pipe. */
static uint64_t read_log(int fd)
{
    char text[LOG_BYTES];
    size_t length = 0;
    for (ssize_t n; (n = read(fd, text + length, sizeof(text) - 1 - length)) > 0;)
        length += (size_t)n;
    text[length] = '\0';
    const char *found = strstr(text, "Collected : ");
    return found ? strtoull(found + strlen("Collected : "), NULL, 10) : 0;
}

/* Instructions of the whole process; 0: failed, run->message says why. */
static uint64_t count(struct bench_run *run, const char *config)
{
    int ends[2];
    char log[32];
    if (pipe(ends) != 0) {
        bench_fail(run, "no pipe for valgrind's log");
        return 0;
    }
    snprintf(log, sizeof(log), "--log-fd=%d", ends[1]);
    const char *wrapper[] = {"valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", log, NULL};
    bench_spawn(run, config, wrapper);
    close(ends[1]);
    const uint64_t n = read_log(ends[0]);
    close(ends[0]);
    if (run->state == BENCH_OK && n == 0)
        bench_fail(run, "valgrind reports no count");
    return run->state == BENCH_OK ? n : 0;
}

double bench_count_instructions(const struct bench_run *like, const char *config)
{
    uint64_t n_instructions[2], n_operations[2];
    for (unsigned i = 0; i < 2; i++) {
        struct bench_run run = {.workload = like->workload, .backend = like->backend, .params = like->params};
        run.params.n_operations = like->workload->n_counted << i;
        n_instructions[i] = count(&run, config);
        n_operations[i] = run.n_operations;
        if (n_instructions[i] == 0) {
            if (run.state == BENCH_FAILED)
                fprintf(stderr, "bench: instructions of %s on %s: %s\n", run.workload->name, run.backend->name,
                        run.message);
            return 0;
        }
    }
    const double more = (double)n_operations[1] - (double)n_operations[0];
    return more > 0 ? ((double)n_instructions[1] - (double)n_instructions[0]) / more : 0;
}
