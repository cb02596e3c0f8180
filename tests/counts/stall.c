/* stall.c - makes what a thread of core's does a matter of fact and not of chance while instructions count.
 * Called by counted.c around bodies. Under `rcu` dead objects wait for a grace period and then end on core's thread:
 * when, is for the machine's scheduler to say, and with it what the counted thread finds (free slots, magazines, the
 * era). So a section of another thread stands open while a body runs: no grace period ends, and core's thread waits.
 * The body starts with everything dead reclaimed, one object retired, and its batch closed. Under strategies without
 * such a thread there is nothing to do. */
#include "core/heap/heap.h"
#include "tests/counts/counted.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

static pthread_t reader;
static pthread_barrier_t reading, done;
static uint64_t n_live_before;

static void *read_on(void *unused)
{
    (void)unused;
    sgc_enter();
    pthread_barrier_wait(&reading);
    pthread_barrier_wait(&done);
    sgc_leave();
    return NULL;
}

static bool is_reclaimed_elsewhere(const struct counted *counted)
{
    return strcmp(counted->strategy, "rcu") == 0;
}

/* Live objects of the path's cache, dead ones that wait included. */
static uint64_t n_live(struct counted *counted)
{
    struct sgc_cache_stats stats;
    sgc_cache_stats(counted->cache, &stats);
    return stats.n_live;
}

void counted_stall_begin(struct counted *counted)
{
    if (!is_reclaimed_elsewhere(counted))
        return;
    sgc_heap_collect(counted->heap, SGC_COLLECT_FULL); /* looks at all candidates */
    n_live_before = n_live(counted);
    pthread_barrier_init(&reading, NULL, 2);
    pthread_barrier_init(&done, NULL, 2);
    if (pthread_create(&reader, NULL, read_on, NULL) != 0)
        counted_fail("no thread");
    pthread_barrier_wait(&reading);
    const uint64_t stamp = sgc_grace_stamp();
    void *object = counted_made(sgc_new(counted->cache));
    sgc_root_set(&counted->root, object); /* others may have seen it: it does not end at its last drop */
    sgc_drop(object);
    sgc_root_set(&counted->root, NULL);
    while (sgc_grace_stamp() == stamp) /* until the grace period that this object waits for has begun */
        sched_yield();
}

/* What died is reclaimed by core's thread alone, so that free slots are where they always are. */
void counted_stall_end(struct counted *counted)
{
    if (!is_reclaimed_elsewhere(counted))
        return;
    pthread_barrier_wait(&done);
    pthread_join(reader, NULL);
    while (n_live(counted) != n_live_before)
        sched_yield();
}
