/* stall.c - waiting for sections with eyes open: names the thread whose long section delays a stop or a grace period.
 * Called by stop.c, whose safety rests on this wait, and by grace.c before it asks liburcu for the grace period itself
 * (there it serves reports alone).
 *
 * A stop has set the flag and fenced every thread before it comes here. It waits for each thread that was in a section
 * or call then: until its words are 0, or the number of its section moved (it left, and its next entry meets the flag).
 * The acquire loads pair with the releases in section.h and call.h. A thread found at rest once needs no second look.
 * The list and the threads' names are read under lock THREADS.
 * Invariant: watched_section[w] is the section that the thread was in when watcher w looked first, or UINT64_MAX;
 * numbers start at 1. */
#include "core/heap/section.h"
#include "core/os/clock.h"
#include "core/stats/events.h"
#include <errno.h>
#include <sched.h>

#define STALL_SPINS 64       /* yields before the first sleep */
#define STALL_SLEEP_NS 50000 /* then polls at this period: short against any pause worth reporting */
#define STALL_LIMIT_DEFAULT_NS 100000000

/* A grace period does not care for core's own calls: their operands are held. */
static bool thread_is_in_section(const struct sgc_thread *thread, unsigned watcher)
{
    return __atomic_load_n(&thread->context->depth, __ATOMIC_ACQUIRE) != 0 ||
           (watcher == SGC_WATCHER_STOP && __atomic_load_n(&thread->context->busy, __ATOMIC_ACQUIRE) != 0);
}

static uint64_t thread_section(const struct sgc_thread *thread)
{
    return __atomic_load_n(&thread->context->n_sections, __ATOMIC_ACQUIRE);
}

/* Lock THREADS is held. Remembers the section that each thread is in now; returns how many are in one. */
static unsigned sections_note(unsigned watcher)
{
    unsigned n = 0;
    SGC_LIST_FOR_EACH (link, &sgc_threads) {
        struct sgc_thread *thread = SGC_LIST_ENTRY(link, struct sgc_thread, link);
        thread->watched_section[watcher] = UINT64_MAX;
        /* before the words: an older number only makes the wait shorter if that section is over */
        const uint64_t section = thread_section(thread);
        if (thread->context == &sgc_context_ || !thread_is_in_section(thread, watcher))
            continue;
        thread->watched_section[watcher] = section;
        n++;
    }
    return n;
}

static SGC_COLD void section_report(const struct sgc_thread *thread, unsigned watcher, const char *who,
                                    uint64_t waited_ns)
{
    sgc_warn("%s%s%s waits for thread \"%s\" (tid %lld): in one section for more than %llu ms",
             watcher == SGC_WATCHER_STOP ? "a stop" : "a grace period", who ? " of heap " : "", who ? who : "",
             thread->name, (long long)thread->tid, (unsigned long long)(waited_ns / 1000000));
    sgc_event_record(SGC_EVENT_STALL, thread->name, waited_ns, (uint64_t)thread->tid, 0, 0);
}

/* Lock THREADS is held. Counts noted sections that still run; reports each of them once when report is set. */
static unsigned sections_count(unsigned watcher, const char *who, uint64_t waited_ns, bool report,
                               struct sgc_waited *waited)
{
    unsigned n = 0;
    SGC_LIST_FOR_EACH (link, &sgc_threads) {
        struct sgc_thread *thread = SGC_LIST_ENTRY(link, struct sgc_thread, link);
        const uint64_t noted = thread->watched_section[watcher];
        if (noted == UINT64_MAX || !thread_is_in_section(thread, watcher) || thread_section(thread) != noted)
            continue;
        n++;
        waited->slowest_tid = thread->tid;
        if (!report || thread->reported_section == noted)
            continue;
        thread->reported_section = noted;
        waited->n_stalls++;
        section_report(thread, watcher, who, waited_ns);
    }
    return n;
}

unsigned sgc_sections_note(unsigned watcher)
{
    SGC_GUARD(&sgc_threads_lock);
    return sections_note(watcher);
}

uint64_t sgc_sections_report(unsigned watcher, const char *who, uint64_t waited_ns)
{
    struct sgc_waited waited = {0};
    SGC_GUARD(&sgc_threads_lock);
    sections_count(watcher, who, waited_ns, true, &waited);
    return waited.n_stalls;
}

int sgc_sections_wait(unsigned watcher, const char *who, uint64_t limit_ns, uint64_t deadline_ns,
                      struct sgc_waited *waited)
{
    if (limit_ns == 0)
        limit_ns = STALL_LIMIT_DEFAULT_NS;
    unsigned n = sgc_sections_note(watcher);
    if (n == 0)
        return 0;
    const uint64_t began_ns = sgc_os_now_ns();
    for (unsigned round = 0;; round++) {
        const uint64_t now_ns = sgc_os_now_ns();
        const bool late = now_ns - began_ns > limit_ns;
        const bool expired = deadline_ns && now_ns >= deadline_ns;
        sgc_lock_acquire(&sgc_threads_lock);
        n = sections_count(watcher, who, now_ns - began_ns, late || expired, waited);
        sgc_lock_release(&sgc_threads_lock);
        if (n == 0)
            return 0;
        if (expired)
            return -ETIMEDOUT;
        if (round < STALL_SPINS)
            sched_yield();
        else
            sgc_os_sleep_ns(STALL_SLEEP_NS);
    }
}
