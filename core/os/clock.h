/* clock.h - monotonic time. */
#ifndef SLABGC_CORE_OS_CLOCK_H
#define SLABGC_CORE_OS_CLOCK_H

#include <stdint.h>

uint64_t sgc_os_now_ns(void);               /* CLOCK_MONOTONIC; cannot fail; no system call on Linux (vDSO) */
void sgc_os_sleep_ns(uint64_t duration_ns); /* for polling loops with back-off; returns early on a signal */

#endif
