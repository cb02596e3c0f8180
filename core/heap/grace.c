/* grace.c - grace periods: a sequence of them, a thread that runs them on request, and waiting for one.
 * Called by host.c for strategies, by stop.c (a stop is a grace period). The waiting itself is liburcu-bp's
 * synchronize_rcu.
 *
 * Sequences are 64-bit. `started` is raised before synchronize_rcu, `done` after it. A stamp is started + 1, read after
 * a sequentially consistent fence (F1) that follows the unlink. Grace period n stores started = n, then fences (F2),
 * then synchronizes. If the stamp was n, the load missed that store, so F1 precedes F2 in the order of fences, and the
 * unlink is visible to every section that the grace period does not wait for. So done >= stamp proves that every
 * section which may have seen the object before the unlink has ended.
 * done moves up only (compare-and-swap maximum), as stops finish beside the thread.
 * Waiting threads leave the grace period to the thread and wait for `finished`: synchronize_rcu has no deadline, and a
 * section that began after the ones that were noted can hold it up. Only where there is no thread does a waiter run the
 * grace period itself.
 * Lock: GRACE guards the thread's state and `serving`; it is not held while waiting. */
#include "core/heap/section.h"
#include "core/os/clock.h"
#include "core/os/thread.h"
#include <errno.h>
#include <time.h>

static struct {
    struct sgc_lock lock;
    pthread_cond_t wake, finished; /* both with lock */
    pthread_t thread;
    bool has_thread;          /* started */
    bool runs;                /* attached and looking at requests */
    struct sgc_heap *serving; /* heap whose strategy the thread is calling */
    uint64_t wanted;          /* highest stamp requested; lock */
    /* since the thread last looked; a stop or a waiter may have reached `wanted` before it does; lock */
    bool requested;
    uint64_t started, done; /* atomic */
} grace = {.lock = SGC_LOCK_INIT(SGC_RANK_GRACE, "grace"),
           .wake = PTHREAD_COND_INITIALIZER,
           .finished = PTHREAD_COND_INITIALIZER};

uint64_t sgc_grace_stamp(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* F1; pairs with F2 in grace_run */
    return __atomic_load_n(&grace.started, __ATOMIC_RELAXED) + !SGC_TEST_MUTANT("stamp-running");
}

uint64_t sgc_grace_done(void)
{
    return __atomic_load_n(&grace.done, __ATOMIC_ACQUIRE); /* pairs with the release in grace_finish */
}

static void grace_finish(uint64_t sequence)
{
    uint64_t done = __atomic_load_n(&grace.done, __ATOMIC_RELAXED);
    while (done < sequence &&
           !__atomic_compare_exchange_n(&grace.done, &done, sequence, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

/* Runs one grace period on the calling thread, which is in no section. deadline_ns: 0 or absolute; -ETIMEDOUT leaves
 * nothing done. */
static int grace_run(unsigned watcher, uint64_t limit_ns, uint64_t deadline_ns, struct sgc_waited *waited)
{
    const uint64_t sequence = __atomic_add_fetch(&grace.started, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* F2 */
    SGC_TEST_POINT("grace: started");
    const int rc = sgc_sections_wait(watcher, NULL, limit_ns, deadline_ns, waited);
    if (rc < 0)
        return rc;
    urcu_bp_synchronize_rcu();
    SGC_TEST_POINT("grace: synchronized");
    SGC_TSAN_ACQUIRE(&sgc_tsan_rest);
    grace_finish(sequence);
    return 0;
}

static void grace_announce(void)
{
    SGC_GUARD(&grace.lock);
    pthread_cond_broadcast(&grace.finished);
}

void sgc_grace_after_stop(void)
{
    grace_finish(__atomic_add_fetch(&grace.started, 1, __ATOMIC_SEQ_CST));
    grace_announce();
}

/* Next heap with a request that is fulfilled; marks it as being served. In a section, so that no switch comes between
 * taking the request and marking it: a strategy never hears of its predecessor's requests. */
static struct sgc_heap *grace_next_heap(void)
{
    struct sgc_heap *found = NULL;
    SGC_SECTION;
    sgc_lock_acquire(&sgc_threads_lock);
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        struct sgc_heap *heap = SGC_LIST_ENTRY(link, struct sgc_heap, link);
        uint64_t wanted = __atomic_load_n(&heap->grace_wanted, __ATOMIC_RELAXED);
        if (wanted == 0 || wanted > sgc_grace_done())
            continue;
        /* A request that comes now is for a later stamp and stays. */
        if (__atomic_compare_exchange_n(&heap->grace_wanted, &wanted, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            found = heap;
            __atomic_store_n(&heap->grace_pending, true, __ATOMIC_RELAXED);
            break;
        }
    }
    sgc_lock_acquire(&grace.lock);
    grace.serving = found;
    sgc_lock_release(&grace.lock);
    sgc_lock_release(&sgc_threads_lock);
    return found;
}

static void grace_serve_heaps(void)
{
    struct sgc_heap *heap;
    while ((heap = grace_next_heap()) != NULL) {
        bool more = true;
        while (more) {
            SGC_SECTION;
            /* A switch at a stop in between took the request back with the strategy that made it. */
            more = __atomic_load_n(&heap->grace_pending, __ATOMIC_RELAXED) && heap->ops->grace_elapsed(heap->self);
        }
        sgc_lock_acquire(&grace.lock);
        grace.serving = NULL;
        pthread_cond_broadcast(&grace.finished);
        sgc_lock_release(&grace.lock);
    }
}

/* The shortest limit of all open heaps: a grace period is everybody's. */
static uint64_t grace_report_limit_ns(void)
{
    uint64_t limit_ns = 0;
    sgc_lock_acquire(&sgc_threads_lock);
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        const uint64_t heap_ns =
            __atomic_load_n(&SGC_LIST_ENTRY(link, struct sgc_heap, link)->stall_report_ns, __ATOMIC_RELAXED);
        if (heap_ns && (limit_ns == 0 || heap_ns < limit_ns))
            limit_ns = heap_ns;
    }
    sgc_lock_release(&sgc_threads_lock);
    return limit_ns;
}

static void grace_count(uint64_t n_periods, uint64_t n_stalls)
{
    sgc_lock_acquire(&sgc_threads_lock);
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        struct sgc_heap *heap = SGC_LIST_ENTRY(link, struct sgc_heap, link);
        if (__atomic_load_n(&heap->grace_wanted, __ATOMIC_RELAXED) == 0)
            continue;
        __atomic_fetch_add(&heap->stats.n_grace_periods, n_periods, __ATOMIC_RELAXED);
        __atomic_fetch_add(&heap->stats.n_stalls, n_stalls, __ATOMIC_RELAXED);
    }
    sgc_lock_release(&sgc_threads_lock);
}

static void *grace_main(void *unused)
{
    (void)unused;
    while (sgc_thread_attach() < 0)
        /* no memory for the thread's record: requests wait, allocating threads help themselves (sgc_grace_wait) */
        sgc_os_sleep_ns(1000000);
    for (;;) {
        sgc_lock_acquire(&grace.lock);
        grace.runs = true;
        while (!grace.requested && grace.wanted <= sgc_grace_done()) {
            pthread_cond_wait(&grace.wake, &grace.lock.mutex);
        }
        grace.requested = false;
        const bool due = grace.wanted > sgc_grace_done();
        sgc_lock_release(&grace.lock);
        struct sgc_waited waited = {0};
        if (due) {
            grace_run(SGC_WATCHER_GRACE, grace_report_limit_ns(), 0, &waited);
            grace_count(1, waited.n_stalls);
        }
        grace_announce();
        grace_serve_heaps();
    }
    return NULL;
}

/* Lock GRACE is held. A refusal by the OS is met again at the next request; meanwhile sgc_grace_wait works without the
 * thread. */
static bool grace_thread_ensure(void)
{
    if (!grace.has_thread && sgc_os_thread_start(&grace.thread, "slabgc-grace", grace_main, NULL) == 0) {
        pthread_detach(grace.thread);
        grace.has_thread = true;
    }
    return grace.has_thread;
}

/* Lock GRACE is held. False: there is no thread. */
static bool grace_ask_locked(uint64_t stamp)
{
    if (grace.wanted < stamp)
        grace.wanted = stamp;
    grace.requested = true;
    if (!grace_thread_ensure())
        return false;
    pthread_cond_signal(&grace.wake);
    return true;
}

void sgc_grace_request(struct sgc_heap *heap, uint64_t stamp)
{
    uint64_t wanted = __atomic_load_n(&heap->grace_wanted, __ATOMIC_RELAXED);
    while (wanted < stamp &&
           !__atomic_compare_exchange_n(&heap->grace_wanted, &wanted, stamp, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ;
    SGC_GUARD(&grace.lock);
    grace_ask_locked(stamp);
}

/* Lock GRACE is held. */
static bool grace_await_locked(uint64_t stamp, uint64_t deadline_ns)
{
    const struct timespec until = {(time_t)(deadline_ns / 1000000000), (long)(deadline_ns % 1000000000)};
    while (sgc_grace_done() < stamp) {
        if (pthread_cond_clockwait(&grace.finished, &grace.lock.mutex, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
            return sgc_grace_done() >= stamp;
    }
    return true;
}

int sgc_grace_wait(uint64_t stamp, uint64_t timeout_ns)
{
    if (sgc_unlikely(sgc_context_.depth != 0))
        sgc_panic("a grace period was waited for inside a section, which it would wait for");
    if (sgc_grace_done() >= stamp)
        return 0;
    const uint64_t began_ns = sgc_os_now_ns();
    const uint64_t deadline_ns = timeout_ns < INT64_MAX ? began_ns + timeout_ns : INT64_MAX;
    struct sgc_waited waited = {0};
    sgc_sections_note(SGC_WATCHER_WAIT);
    sgc_lock_acquire(&grace.lock);
    const bool helped = grace_ask_locked(stamp) && grace.runs;
    const bool done = helped && grace_await_locked(stamp, deadline_ns);
    sgc_lock_release(&grace.lock);
    if (done)
        return 0;
    if (helped) {
        grace_count(0, sgc_sections_report(SGC_WATCHER_WAIT, NULL, sgc_os_now_ns() - began_ns));
        return -ETIMEDOUT;
    }
    /* later than the stamp: one is enough */
    const int rc = grace_run(SGC_WATCHER_WAIT, timeout_ns, deadline_ns, &waited);
    grace_count(rc == 0, waited.n_stalls);
    return rc;
}

void sgc_grace_forget_heap(struct sgc_heap *heap)
{
    sgc_lock_acquire(&grace.lock);
    while (grace.serving == heap)
        pthread_cond_wait(&grace.finished, &grace.lock.mutex);
    sgc_lock_release(&grace.lock);
}

struct sgc_lock *sgc_grace_lock_of_fork(void)
{
    return &grace.lock;
}

/* In a forked child the thread does not exist; the next request starts another. What it was in the middle of serving is
 * asked for again: stamp 1 is long reached. */
void sgc_grace_after_fork_child(void)
{
    grace.has_thread = grace.runs = false;
    if (grace.serving && __atomic_load_n(&grace.serving->grace_wanted, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(&grace.serving->grace_wanted, 1, __ATOMIC_RELAXED);
    grace.serving = NULL;
    grace.wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    grace.finished = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}
