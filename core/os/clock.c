/* clock.c - monotonic time and short sleeps.
 * Called by the pacer, stops, grace periods, statistics.
 * Invariant: now never goes back within a process. No locks, no fault gates: neither call can fail. */
#include "core/os/clock.h"

#include <time.h>

#define NS_PER_S 1000000000u

uint64_t sgc_os_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void sgc_os_sleep_ns(uint64_t duration_ns)
{
    struct timespec duration = {
        .tv_sec = (time_t)(duration_ns / NS_PER_S),
        .tv_nsec = (long)(duration_ns % NS_PER_S),
    };
    clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
}
