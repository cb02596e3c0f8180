/* memory.c - memory of workloads themselves (arrays of pointers, orders, rings) and what the kernel says of a process.
 * Such memory comes from the kernel, not from the backend, is resident from the start, and is left out of the figures:
 * otherwise the arrays, which are the same for all backends, would level the differences. */
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define FILE_BYTES 8192 /* of a file in /proc */

static uint64_t mapped_bytes; /* any thread */

void *bench_map(size_t bytes)
{
    const size_t whole = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    void *start = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (start == MAP_FAILED)
        bench_die("no memory for the workload's own %zu bytes: %s", bytes, strerror(errno));
    __atomic_fetch_add(&mapped_bytes, whole, __ATOMIC_RELAXED);
    return start;
}

uint64_t bench_mapped_bytes(void)
{
    return mapped_bytes;
}

/* The number behind the key in a file of lines, or 0. Reads by system calls: stdio would allocate. */
static uint64_t read_number(const char *path, const char *key)
{
    char text[FILE_BYTES];
    size_t length = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    for (ssize_t n; (n = read(fd, text + length, sizeof(text) - 1 - length)) > 0;)
        length += (size_t)n;
    close(fd);
    text[length] = '\0';
    const char *found = strstr(text, key);
    return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

static uint64_t less_mapped(uint64_t bytes)
{
    return bytes > mapped_bytes ? bytes - mapped_bytes : 0;
}

uint64_t bench_resident_bytes(void)
{
    return less_mapped(read_number("/proc/self/status", "VmRSS:") * 1024);
}

/* Not ru_maxrss: that begins with what the parent had when it forked. */
uint64_t bench_peak_bytes(void)
{
    return less_mapped(read_number("/proc/self/status", "VmHWM:") * 1024);
}

uint64_t bench_available_bytes(void)
{
    const uint64_t kib = read_number("/proc/meminfo", "MemAvailable:");
    return kib ? kib * 1024 : UINT64_MAX;
}
