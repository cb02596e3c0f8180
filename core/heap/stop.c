/* stop.c - the slow ends of sections and calls, and stops: the moment when every thread is at rest and kept from
 * leaving it.
 * Called by section.h, collect.c, switch.c, walk.c, verify.c, heap.c and fork.c. No polls, no parking: a thread meets a
 * stop only when it enters.
 *
 * A stop is: take lock STOP, set the flag, membarrier, wait until each thread's `depth` and `busy` were 0
 * (core/cache/call.h has the argument; stall.c waits). Threads that meet the flag wait on the lock. While one thread
 * alone is attached (solo) there is nobody to wait for: attaching needs lock STOP. A stop is also a grace period, and
 * is counted as one.
 * Lock: STOP, outermost of all but RUNTIME, LIFE and PROCESS; held for the length of the stop. */
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/os/clock.h"
#include "core/os/thread.h"
#include <errno.h>

#define STOP_LOCK_SLEEP_NS UINT64_C(1000000) /* between two tries of who has a deadline */

char sgc_tsan_rest, sgc_tsan_resume;
static struct sgc_lock stop_lock = SGC_LOCK_INIT(SGC_RANK_STOP, "stop");
static struct sgc_context *stopper; /* context of the thread that holds lock STOP for a stop; atomic, compared only */

/* The entry that set `word` met the flag. While a stop is there, takes the word back, waits for its end, tries again;
 * behind a fence of its own where membarrier is missing. */
static SGC_NOINLINE void stop_wait(struct sgc_context *context, uint32_t *word)
{
    for (;;) {
        __atomic_signal_fence(__ATOMIC_SEQ_CST); /* between word and flag; the other half is the stop's membarrier */
        uint32_t flag = __atomic_load_n(&sgc_stop_flag, __ATOMIC_ACQUIRE);
        if (flag & SGC_STOP_FENCED) {
            __atomic_thread_fence(__ATOMIC_SEQ_CST); /* between word and flag; pairs with the one in stop_raise_flag */
            flag = __atomic_load_n(&sgc_stop_flag, __ATOMIC_ACQUIRE);
        }
        if (!(flag & SGC_STOP_NOW)) /* pairs with the release in sgc_stop_end_locked */
            return;
        SGC_CHECK(__atomic_load_n(&stopper, __ATOMIC_RELAXED) != context); /* a section inside one's own stop */
        __atomic_store_n(word, 0, __ATOMIC_RELEASE);
        sgc_lock_acquire(&stop_lock);
        sgc_lock_release(&stop_lock);
        __atomic_store_n(word, 1, __ATOMIC_RELAXED);
    }
}

/* No stop, and membarrier is there: a recording alone keeps the flag up. The acquire pairs with the release in
 * sgc_stop_end_locked, as in stop_wait. */
static inline bool stop_is_recording(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* between the entry's word and the flag, as in stop_wait */
    return __atomic_load_n(&sgc_stop_flag, __ATOMIC_ACQUIRE) == SGC_STOP_RECORDING;
}

SGC_NOINLINE void sgc_section_wait_for_stop(struct sgc_context *context)
{
    if (!stop_is_recording())
        stop_wait(context, &context->depth);
    if (sgc_recording_all())
        sgc_record_enter(context);
}

SGC_NOINLINE static void call_wait_for_stop(struct sgc_context *context)
{
    if (!stop_is_recording())
        stop_wait(context, &context->busy);
}

void sgc_stop_init(void)
{
    sgc_call_wait = call_wait_for_stop;
    if (sgc_os_has_membarrier())
        return;
    sgc_warn("membarrier is not available here (seccomp?): each section and each call costs a full fence");
    __atomic_fetch_or(&sgc_stop_flag, SGC_STOP_FENCED, __ATOMIC_SEQ_CST);
}

/* After it, a thread that enters sees the flag, or has its word seen. A membarrier that was there and is refused now (a
 * seccomp filter installed meanwhile) is beyond repair. */
static void stop_raise_flag(void)
{
    /* pairs with the loads on entry */
    const uint32_t was = __atomic_fetch_or(&sgc_stop_flag, SGC_STOP_NOW, __ATOMIC_SEQ_CST);
    /* for fenced entries: pairs with stop_wait */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!(was & SGC_STOP_FENCED) && !sgc_os_membarrier())
        sgc_panic("membarrier worked when the process began and is refused now (a seccomp filter installed later?): "
                  "install it before the first use of slabgc");
}

void sgc_enter_outermost_(void)
{
    sgc_section_begin(&sgc_context_);
}

void sgc_leave_outermost_(void)
{
    if (sgc_unlikely(sgc_context_.depth != 1))
        sgc_panic("sgc_leave: the thread is in no section");
    sgc_section_end(&sgc_context_);
}

void sgc_stop_lock(void)
{
    sgc_lock_acquire(&stop_lock);
}

void sgc_stop_unlock(void)
{
    sgc_lock_release(&stop_lock);
}

struct sgc_lock *sgc_stop_lock_of_fork(void)
{
    return &stop_lock;
}

/* Lock STOP is held. A caller that is not attached (it is about to be, or forks) waits even for a solo thread: that one
 * is another. */
static int stop_begin_locked(struct sgc_stop *stop, struct sgc_heap *heap, uint64_t deadline_ns)
{
    stop->began_ns = sgc_os_now_ns();
    stop->waited = (struct sgc_waited){0};
    __atomic_store_n(&stopper, &sgc_context_, __ATOMIC_RELAXED);
    if (!sgc_solo || !sgc_context_.thread) {
        stop_raise_flag();
        SGC_TEST_POINT("stop: flagged");
        if (!SGC_TEST_MUTANT("stop-without-wait") &&
            sgc_sections_wait(SGC_WATCHER_STOP, heap ? heap->name : NULL, heap ? heap->stall_report_ns : 0, deadline_ns,
                              &stop->waited) < 0)
            return -ETIMEDOUT;
        if (heap)
            __atomic_fetch_add(&heap->stats.n_stalls, stop->waited.n_stalls, __ATOMIC_RELAXED);
    }
    SGC_TSAN_ACQUIRE(&sgc_tsan_rest);
    stop->stopped_ns = sgc_os_now_ns();
    sgc_grace_after_stop();
    SGC_TEST_POINT("stop: begun");
    return 0;
}

void sgc_stop_begin_locked(struct sgc_stop *stop, struct sgc_heap *heap)
{
    (void)stop_begin_locked(stop, heap, 0);
}

/* The lock, too: another stop may wait for a section without end. */
int sgc_stop_begin_until(struct sgc_stop *stop, uint64_t deadline_ns)
{
    while (!sgc_lock_try(&stop_lock)) {
        if (sgc_os_now_ns() >= deadline_ns)
            return -ETIMEDOUT;
        sgc_os_sleep_ns(STOP_LOCK_SLEEP_NS);
    }
    const int rc = stop_begin_locked(stop, NULL, deadline_ns);
    if (rc < 0)
        sgc_stop_end(stop); /* it never was */
    return rc;
}

bool sgc_stop_at_rest(void (*visit)(void))
{
    if (!sgc_lock_try(&stop_lock))
        return false;
    __atomic_store_n(&stopper, &sgc_context_, __ATOMIC_RELAXED);
    stop_raise_flag();
    visit();
    SGC_TSAN_RELEASE(&sgc_tsan_resume);
    __atomic_store_n(&stopper, NULL, __ATOMIC_RELAXED);
    __atomic_fetch_and(&sgc_stop_flag, ~SGC_STOP_NOW, __ATOMIC_RELEASE); /* pairs with the acquire loads on entry */
    sgc_lock_release(&stop_lock);
    return true;
}

void sgc_stop_begin(struct sgc_stop *stop, struct sgc_heap *heap)
{
    if (sgc_unlikely(sgc_context_.depth != 0))
        sgc_panic("a stop was asked for inside a section (collect, walk, verify, close and switch are calls for "
                  "threads at rest)");
    if (sgc_unlikely(sgc_context_.busy != 0))
        sgc_panic(
            "a stop was asked for inside a call of slabgc (ctor, reset, dtor and trace callbacks must not call it)");
    if (sgc_unlikely(!sgc_context_.thread))
        sgc_section_attach(); /* before the lock, which attaching takes */
    sgc_lock_acquire(&stop_lock);
    sgc_stop_begin_locked(stop, heap);
}

/* Leaves lock STOP held. */
uint64_t sgc_stop_end_locked(struct sgc_stop *stop)
{
    SGC_TEST_POINT("stop: ends");
    SGC_TSAN_RELEASE(&sgc_tsan_resume);
    __atomic_store_n(&stopper, NULL, __ATOMIC_RELAXED);
    __atomic_fetch_and(&sgc_stop_flag, ~SGC_STOP_NOW, __ATOMIC_RELEASE); /* pairs with the acquire loads on entry */
    return sgc_os_now_ns() - stop->began_ns;
}

uint64_t sgc_stop_end(struct sgc_stop *stop)
{
    const uint64_t pause_ns = sgc_stop_end_locked(stop);
    sgc_lock_release(&stop_lock);
    return pause_ns;
}

bool sgc_stop_is_mine(void)
{
    return __atomic_load_n(&stopper, __ATOMIC_RELAXED) == &sgc_context_;
}
