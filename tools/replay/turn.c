/* turn.c - whose turn it is. Events happen in the order of tickets: a thread does a run of them, then the thread of the
 * next run goes on. Called by play.c. A thread that waits spins briefly, then sleeps. It waits inside its section if
 * the recording has it in one then, so that what sections keep from being reclaimed is kept here too; but a stop waits
 * for all sections, and whoever is inside waits for the turn of who stops. So:
 *   - only the thread whose turn it is stops, and announces it (play_quiet_begin): those inside leave, and enter again
 * afterwards;
 *   - while anybody waits inside, allocations at rest are made in a section, where they never collect; one that makes a
 * collection due runs it so. Leaving may itself run a collection that fell due for the leaving thread: it is counted as
 * out before it leaves (n_there), and as gone when it has left (n_leaving); the announcing thread goes on to a section
 * only after that. What the rest of its recorded section names is held by the thread while it is out, and dropped when
 * it is in again, where it stays valid to the section's end. */
#include "tools/replay/play.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint64_t play_now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static void futex_wait(uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void play_wake(struct play_thread *thread)
{
    if (__atomic_load_n(&thread->asleep, __ATOMIC_SEQ_CST) && __atomic_exchange_n(&thread->asleep, 0, __ATOMIC_SEQ_CST))
        futex_wake(&thread->asleep);
}

static inline void turn_relax(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

void play_quiet_begin(struct play *play)
{
    if (!play->n_inside)
        return;
    if (play->stale)
        play_search(play);
    play->result->n_stepped_out += play->n_inside;
    __atomic_store_n(&play->stop_wanted, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < play->n_threads; i++)
        play_wake(&play->threads[i]);
    for (unsigned spins = 0; __atomic_load_n(&play->n_there, __ATOMIC_SEQ_CST); spins++) {
        turn_relax();
        if (spins % 64 == 63)
            sched_yield();
    }
}

void play_quiet_end(struct play *play)
{
    if (!__atomic_load_n(&play->stop_wanted, __ATOMIC_RELAXED))
        return;
    for (unsigned spins = 0; __atomic_load_n(&play->n_leaving, __ATOMIC_SEQ_CST); spins++) {
        turn_relax();
        if (spins % 64 == 63)
            sched_yield();
    }
    __atomic_store_n(&play->stop_wanted, 0, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < play->n_threads; i++)
        play_wake(&play->threads[i]);
}

static void turn_hold(struct play *play, struct play_thread *thread, uint32_t value)
{
    const uint32_t number = value - (uint32_t)TRACE_OBJECT;
    if (!plan_is_object(value) || number >= play->n_made || !play->addresses[number] ||
        (play->gone && play->gone[number]))
        return;
    if (thread->n_held == thread->held_capacity) {
        const size_t capacity = thread->held_capacity ? 2 * thread->held_capacity : 64;
        void **held = realloc(thread->held, capacity * sizeof(*held));
        if (!held) {
            play_fail(play, 71, "no memory for holds");
            return;
        }
        thread->held = held;
        thread->held_capacity = capacity;
    }
    thread->held[thread->n_held++] = sgc_hold(play->addresses[number]);
}

/* Holds what the rest of the section names, as far as it is made. The thread whose turn it is waits meanwhile. */
static void turn_hold_all(struct play *play, struct play_thread *thread, uint32_t run)
{
    const struct plan *plan = play->plan;
    for (; run < plan->n_runs; run = plan->runs[run].next) {
        const struct plan_event *event = &plan->events[play->event_of_run[run]];
        for (const struct plan_event *end = event + plan->runs[run].n; event < end; event++) {
            switch (plan_op(event)) {
            case SGC_RECORD_LEAVE:
                return;
            case SGC_RECORD_HOLD:
                turn_hold(play, thread, event->a + (uint32_t)TRACE_OBJECT);
                break;
            case SGC_RECORD_STORE:
            case SGC_RECORD_EXCHANGE:
                turn_hold(play, thread, event->a + (uint32_t)TRACE_OBJECT);
                turn_hold(play, thread, event->b);
                break;
            case SGC_RECORD_WEAK_NEW:
                turn_hold(play, thread, event->b + (uint32_t)TRACE_OBJECT);
                break;
            case SGC_RECORD_EPHEMERON:
                turn_hold(play, thread, event->b);
                turn_hold(play, thread, event[1].a);
                break;
            }
        }
    }
}

static void turn_enter(struct play_thread *thread)
{
    sgc_enter();
    while (thread->n_held)
        sgc_drop(thread->held[--thread->n_held]);
    thread->out = false;
}

/* Out of the section while a stop is wanted. */
static void turn_step_out(struct play *play, struct play_thread *thread, uint32_t run)
{
    turn_hold_all(play, thread, run);
    thread->out = true;
    thread->due = false;
    __atomic_fetch_add(&play->n_leaving, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_sub(&play->n_there, 1, __ATOMIC_SEQ_CST);
    sgc_leave();
    __atomic_fetch_sub(&play->n_leaving, 1, __ATOMIC_SEQ_CST);
}

/* Back, unless the next stop is wanted already. */
static void turn_step_in(struct play *play, struct play_thread *thread)
{
    __atomic_fetch_add(&play->n_there, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&play->stop_wanted, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_sub(&play->n_there, 1, __ATOMIC_SEQ_CST);
        return;
    }
    turn_enter(thread);
}

/* Until it is the turn of this run, or the replay failed. */
static void turn_await(struct play *play, struct play_thread *thread, uint32_t run)
{
    unsigned spins = 0;
    while (__atomic_load_n(&play->turn, __ATOMIC_ACQUIRE) != run && !__atomic_load_n(&play->failed, __ATOMIC_RELAXED)) {
        const bool wanted = __atomic_load_n(&play->stop_wanted, __ATOMIC_SEQ_CST);
        if (thread->inside && !thread->out && wanted)
            turn_step_out(play, thread, run);
        else if (thread->out && !wanted)
            turn_step_in(play, thread);
        if (spins++ < play->n_spins) {
            turn_relax();
            continue;
        }
        __atomic_store_n(&thread->asleep, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&play->turn, __ATOMIC_SEQ_CST) != run &&
            !__atomic_load_n(&play->failed, __ATOMIC_SEQ_CST) &&
            (!thread->inside || __atomic_load_n(&play->stop_wanted, __ATOMIC_SEQ_CST) == thread->out))
            futex_wait(&thread->asleep, 1);
        __atomic_store_n(&thread->asleep, 0, __ATOMIC_SEQ_CST);
    }
    if (thread->inside) {
        play->n_inside--; /* has the turn now */
        if (!thread->out)
            __atomic_fetch_sub(&play->n_there, 1, __ATOMIC_SEQ_CST);
        else
            turn_enter(thread);
    }
}

static void turn_pass(struct play *play, struct play_thread *thread, uint32_t run)
{
    const struct plan *plan = play->plan;
    if (thread->inside) {
        play->n_inside++;
        __atomic_fetch_add(&play->n_there, 1, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&play->turn, run + 1, __ATOMIC_SEQ_CST);
    if (run + 1 < plan->n_runs)
        play_wake(&play->threads[plan->runs[run + 1].thread]);
}

static void turn_wake_everybody(struct play *play)
{
    for (uint32_t i = 0; i < play->n_threads; i++)
        play_wake(&play->threads[i]);
}

void *play_thread_main(void *arg)
{
    struct play_thread *thread = arg;
    struct play *play = thread->play;
    const struct plan *plan = play->plan;
    if (sgc_thread_attach())
        play_fail(play, 71, "a thread cannot be attached: no memory");
    __atomic_fetch_add(&play->ready, 1, __ATOMIC_SEQ_CST);
    for (uint32_t run = thread->first; run < plan->n_runs; run = plan->runs[run].next) {
        if (__atomic_load_n(&play->turn, __ATOMIC_ACQUIRE) != run || thread->inside)
            turn_await(play, thread, run);
        if (__atomic_load_n(&play->failed, __ATOMIC_SEQ_CST))
            break;
        play_events(play, thread, play->event_of_run[run], plan->runs[run].n);
        if (plan->runs[run].next >= plan->n_runs && thread->inside) { /* the recording ends inside */
            if (thread->due)
                play_quiet_begin(play);
            sgc_leave();
            play_quiet_end(play);
            thread->inside = false;
        }
        if (run + 1 < plan->n_runs && plan->runs[run + 1].thread != thread->index)
            play->result->n_handovers++;
        turn_pass(play, thread, run);
        if (__atomic_load_n(&play->failed, __ATOMIC_SEQ_CST))
            turn_wake_everybody(play);
    }
    if (__atomic_load_n(&play->failed, __ATOMIC_SEQ_CST))
        turn_wake_everybody(play);
    while (sgc_context_.depth) /* after a failure */
        sgc_leave();
    free(thread->held);
    return NULL;
}
