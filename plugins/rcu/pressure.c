/* pressure.c - limits on the bytes of retired objects, and what allocating threads do about them.
 * Called by retire.c and grace.c (counting), by core before an allocation at rest takes its slow path.
 * Over the soft limit an allocating thread gives the processor to whoever needs it, the grace-period thread among
 * others. Over the hard limit it waits for grace periods, and for the grace-period thread to use them, until the
 * limit is kept or backpressure_max is over; then it goes on, and the heap's memory limit is what remains. A section
 * that holds everything up is named by core inside grace_wait. Sections themselves never wait. */
#include "plugins/rcu/rcu.h"

#include <sched.h>
#include <time.h>

#define PRESSURE_NAP_NS 20000 /* the grace-period thread ends some hundred objects in it */

void sgc_rcu_count_retired(struct sgc_rcu *rcu, int64_t bytes)
{
    __atomic_fetch_add(&rcu->retired_bytes, bytes, __ATOMIC_RELAXED);
    rcu->counting.host->count_retired(rcu->counting.heap, bytes);
}

static bool pressure_over(const struct sgc_rcu *rcu, const uint64_t *limit_bytes)
{
    return __atomic_load_n(&rcu->retired_bytes, __ATOMIC_RELAXED) >
           (int64_t)__atomic_load_n(limit_bytes, __ATOMIC_RELAXED);
}

static uint64_t pressure_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void pressure_wait(struct sgc_rcu *rcu)
{
    const struct sgc_host *host = rcu->counting.host;
    const uint64_t deadline_ns = pressure_now_ns() + __atomic_load_n(&rcu->backpressure_max_ns, __ATOMIC_RELAXED);
    for (uint64_t now_ns; pressure_over(rcu, &rcu->retired_hard_bytes) && (now_ns = pressure_now_ns()) < deadline_ns;) {
        if (host->grace_wait(host->grace_stamp(), deadline_ns - now_ns) < 0)
            return; /* a stalled section has been named */
        nanosleep(&(struct timespec){.tv_nsec = PRESSURE_NAP_NS}, NULL);
    }
}

void sgc_rcu_before_alloc(void *self)
{
    struct sgc_rcu *rcu = self;
    if (!pressure_over(rcu, &rcu->retired_soft_bytes))
        return;
    if (pressure_over(rcu, &rcu->retired_hard_bytes))
        pressure_wait(rcu);
    else
        sched_yield();
}
