/* spawn.c - children with a malloc of choice, and what they cost. Called by programs.c and redis.c. */
#include "tests/preload/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void measure_fail(struct measure *out, const char *format, ...)
{
    va_list arguments;
    if (out->fault[0])
        return; /* the first is the cause */
    va_start(arguments, format);
    vsnprintf(out->fault, sizeof(out->fault), format, arguments);
    va_end(arguments);
}

static _Noreturn void become(char *const argv[], const char *preload, const char *input, const char *output)
{
    const int in = open(input ? input : "/dev/null", O_RDONLY);
    const int to = open(output ? output : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (in < 0 || to < 0)
        _exit(126);
    dup2(in, STDIN_FILENO);
    dup2(to, STDOUT_FILENO);
    setenv("PYTHONMALLOC", "malloc", 1);
    setenv("LC_ALL", "C", 1);
    if (preload)
        setenv("LD_PRELOAD", preload, 1);
    execv(argv[0], argv);
    _exit(127);
}

pid_t spawn(char *const argv[], const char *preload, const char *input, const char *output)
{
    fflush(NULL);
    const pid_t process = fork();
    if (process == 0)
        become(argv, preload, input, output);
    return process;
}

static double seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec * 1e-6;
}

bool spawn_wait(pid_t process, const char *what, struct measure *out)
{
    struct rusage usage;
    int status;
    while (wait4(process, &status, 0, &usage) < 0) {
        if (errno != EINTR) {
            measure_fail(out, "%s: wait: %s", what, strerror(errno));
            return false;
        }
    }
    out->cpu_s += seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
    if ((uint64_t)usage.ru_maxrss * 1024 > out->rss_bytes)
        out->rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    if (WIFSIGNALED(status))
        measure_fail(out, "%s ended by signal %d (%s)", what, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        measure_fail(out, "%s exited with %d", what, WEXITSTATUS(status));
    return status == 0;
}

bool spawn_run(char *const argv[], const char *preload, const char *input, const char *output, struct measure *out)
{
    const pid_t process = spawn(argv, preload, input, output);
    if (process > 0)
        return spawn_wait(process, argv[0], out);
    measure_fail(out, "fork: %s", strerror(errno));
    return false;
}

void answer_add(struct measure *out, const char *format, ...)
{
    const size_t length = strlen(out->answer);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->answer + length, sizeof(out->answer) - length, format, arguments);
    va_end(arguments);
}

void answer_add_file(struct measure *out, const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    if (!file) {
        measure_fail(out, "%s: %s", path, strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), file))
        answer_add(out, "%s", line);
    fclose(file);
}

/* FNV-1a, and the length: what differs by a byte has another answer. */
void answer_add_digest(struct measure *out, const char *path)
{
    unsigned char bytes[65536];
    uint64_t digest = UINT64_C(0xcbf29ce484222325), total = 0;
    FILE *file = fopen(path, "rb");
    if (!file) {
        measure_fail(out, "%s: %s", path, strerror(errno));
        return;
    }
    for (size_t n; (n = fread(bytes, 1, sizeof(bytes), file)) > 0; total += n)
        for (size_t i = 0; i < n; i++)
            digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
    fclose(file);
    answer_add(out, "%" PRIu64 " bytes, digest %016" PRIx64 "\n", total, digest);
}
