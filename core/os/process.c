/* process.c - see process.h.
 * Called by runtime's control server and its reports.
 * Locks: none. Files of /proc have no size: they are read into a buffer of the caller's. */
#include "core/os/process.h"

#include "core/os/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STAT_BYTES 1024 /* /proc/PID/stat: 52 numbers and a name of 16 bytes */
#define START_FIELD 22

/* Reads from the begin of a file; how many bytes. */
static ssize_t process_read(const char *path, char *out, size_t bytes)
{
    if (sgc_os_fault_here("open"))
        return -EMFILE;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t length = 0;
    ssize_t n = 1;
    while (n > 0 && length < bytes) {
        n = read(fd, out + length, bytes - length);
        if (n > 0)
            length += (size_t)n;
    }
    const int failed = n < 0 ? errno : 0;
    close(fd);
    if (failed)
        return failed == ESRCH ? -ENOENT : -failed; /* it ended meanwhile */
    return (ssize_t)length;
}

int sgc_os_process_start(pid_t pid, uint64_t *ticks)
{
    char path[48] = "/proc/self/stat", text[STAT_BYTES];
    if (pid)
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    const ssize_t n = process_read(path, text, sizeof(text) - 1);
    if (n < 0)
        return (int)n;
    text[n] = '\0';
    const char *at = strrchr(text, ')'); /* ends field 2, which may hold anything */
    for (unsigned field = 2; at && field < START_FIELD; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return -EIO;
    *ticks = strtoull(at + 1, NULL, 10);
    return 0;
}

uint64_t sgc_os_process_age_ns(uint64_t start_ticks)
{
    struct timespec now;
    const uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
    clock_gettime(CLOCK_BOOTTIME, &now);
    const uint64_t now_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
    const uint64_t start_ns = start_ticks * tick_ns;
    return now_ns > start_ns ? now_ns - start_ns : 0;
}

uint64_t sgc_os_process_rss_bytes(void)
{
    char text[256];
    const ssize_t n = process_read("/proc/self/statm", text, sizeof(text) - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *second = strchr(text, ' ');
    return second ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t timeval_ns(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * UINT64_C(1000000000) + (uint64_t)time->tv_usec * 1000;
}

void sgc_os_process_usage(uint64_t *cpu_ns, uint64_t *peak_rss_bytes)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    *cpu_ns = timeval_ns(&usage.ru_utime) + timeval_ns(&usage.ru_stime);
    *peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

ssize_t sgc_os_process_arguments(char *out, size_t bytes)
{
    return process_read("/proc/self/cmdline", out, bytes);
}
