/* process.h - what the kernel says of a process, for the control server. Any thread; reads /proc. Every system call
 * passes a fault gate. Failure: a negative errno, out-parameters untouched. */
#ifndef SLABGC_CORE_OS_PROCESS_H
#define SLABGC_CORE_OS_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* When the process was started, in clock ticks since the system's boot: with the pid, what tells it from all others.
 * pid 0: this one. -ENOENT: there is none. */
int sgc_os_process_start(pid_t pid, uint64_t *ticks);
/* Nanoseconds since then. */
uint64_t sgc_os_process_age_ns(uint64_t start_ticks);
/* Memory in use now. 0: it cannot be told. */
uint64_t sgc_os_process_rss_bytes(void);
/* CPU time used by all threads, and the most memory at one time. */
void sgc_os_process_usage(uint64_t *cpu_ns, uint64_t *peak_rss_bytes);
/* The arguments, each with its NUL, as many bytes as fit; how many. */
ssize_t sgc_os_process_arguments(char *out, size_t bytes);

#endif
