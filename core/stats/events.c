/* events.c - the ring of recent events, one for the process.
 * Called by any thread in any context, also at a stop and in sections, where nothing may block: so there is no lock.
 * Invariant: a slot's state is the number t of an event and a tag that says how far that event is: none, being written
 *   by the thread that drew t, whole, or void. States of a slot only rise; so a reader that finds the same `whole`
 *   state before and after its copy has copied one event.
 * A writer that finds its slot being written (by a writer stalled for a whole ring) or beyond its number (it stalled
 * itself) gives up its event; the reader counts it as lost.
 * Source: H.-J. Boehm, Can seqlocks get along with programming language memory models?, MSPC 2012: the data are
 *   relaxed atomics, the reader's second look at the state comes behind an acquire fence. */
#include "core/stats/events.h"

#include "core/base/check.h"
#include "core/os/clock.h"
#include "core/os/thread.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define NAME_WORDS (SGC_EVENT_NAME_BYTES / sizeof(uint64_t))

enum { WORD_TIME, WORD_KIND_THREAD, WORD_NUMBERS, WORD_NAME = WORD_NUMBERS + 4, N_WORDS = WORD_NAME + NAME_WORDS };

struct event_slot {
    _Atomic uint64_t state;
    _Atomic uint64_t words[N_WORDS];
};

enum event_tag { TAG_NONE, TAG_WRITING, TAG_WHOLE, TAG_VOID };
#define STATE(t, tag) ((uint64_t)(t) << 2 | (tag))
#define STATE_NUMBER(state) ((state) >> 2)
#define STATE_TAG(state) ((enum event_tag)((state)&3))

/* A reader waits for an event under way while it is among so many newest; an older one is lost. More threads than this
 * are hardly ever between drawing a number and the end of record at one time. */
#define N_AWAITED 64

static struct {
    _Atomic uint64_t n_begun; /* numbers drawn */
    struct event_slot slots[SGC_EVENTS];
} events;

_Static_assert((SGC_EVENTS & (SGC_EVENTS - 1)) == 0, "the slot is the number's low bits");
_Static_assert(sizeof(((struct sgc_event *)0)->n) == 4 * sizeof(uint64_t), "four numbers");

static const struct event_kind {
    const char *name, *values[4];
} kinds[SGC_N_EVENT_KINDS] = {
    [SGC_EVENT_COLLECT_BEGIN] = {"collection begin", {"kind", "live_bytes"}},
    [SGC_EVENT_COLLECT_END] = {"collection end", {"kind", "pause_ns", "visited"}},
    [SGC_EVENT_STOP] = {"stop", {"to_stop_ns", "stop_ns", "slowest_thread"}},
    [SGC_EVENT_STALL] = {"stall", {"age_ns", "thread"}},
    [SGC_EVENT_LIMIT] = {"limit", {"limit_bytes", "held_bytes", "wanted_bytes"}},
    [SGC_EVENT_EMERGENCY] = {"emergency", {"wanted_bytes", "held_bytes"}},
    [SGC_EVENT_SWITCH] = {"switch", {"stop_ns", "live_objects"}},
    [SGC_EVENT_RELOAD] = {"reload", {"heaps"}},
    [SGC_EVENT_STRATEGY_LOADED] = {"strategy loaded", {"abi_major", "abi_minor", "capabilities"}},
    [SGC_EVENT_SET] = {"set", {"old", "new", "heaps"}},
};

const char *sgc_event_kind_name(uint32_t kind)
{
    return kind < SGC_N_EVENT_KINDS && kinds[kind].name ? kinds[kind].name : "?";
}

const char *sgc_event_value_name(uint32_t kind, unsigned i)
{
    return kind < SGC_N_EVENT_KINDS && i < SGC_ARRAY_LEN(kinds[0].values) ? kinds[kind].values[i] : NULL;
}

static void event_put_name(uint64_t out[NAME_WORDS], const char *name)
{
    memset(out, 0, SGC_EVENT_NAME_BYTES);
    if (name)
        memcpy(out, name, strnlen(name, SGC_EVENT_NAME_BYTES - 1));
}

/* Claims the slot for event number t; false: somebody else has it. */
static bool event_claim(struct event_slot *slot, uint64_t t)
{
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);
    if (STATE_TAG(state) == TAG_WRITING || STATE_NUMBER(state) > t)
        return false;
    /* Acquire keeps the stores to the words behind the claim. */
    return atomic_compare_exchange_strong_explicit(&slot->state, &state, STATE(t, TAG_WRITING), memory_order_acquire,
                                                   memory_order_relaxed);
}

void sgc_event_record(enum sgc_event_kind kind, const char *name, uint64_t n0, uint64_t n1, uint64_t n2, uint64_t n3)
{
    uint64_t words[N_WORDS];
    words[WORD_TIME] = sgc_os_now_ns();
    words[WORD_KIND_THREAD] = (uint64_t)kind << 32 | (uint32_t)sgc_os_thread_id();
    words[WORD_NUMBERS] = n0;
    words[WORD_NUMBERS + 1] = n1;
    words[WORD_NUMBERS + 2] = n2;
    words[WORD_NUMBERS + 3] = n3;
    event_put_name(words + WORD_NAME, name);

    uint64_t t = atomic_fetch_add_explicit(&events.n_begun, 1, memory_order_relaxed);
    struct event_slot *slot = &events.slots[t % SGC_EVENTS];
    if (!event_claim(slot, t))
        return;
    /* A reader that sees one of these words sees TAG_WRITING at its second look: pairs with its acquire fence. */
    atomic_thread_fence(memory_order_release);
    for (unsigned i = 0; i < N_WORDS; i++)
        atomic_store_explicit(&slot->words[i], words[i], memory_order_relaxed);
    /* Pairs with the acquire load in event_copy. */
    atomic_store_explicit(&slot->state, STATE(t, TAG_WHOLE), memory_order_release);
}

enum event_found { EVENT_WHOLE, EVENT_UNDER_WAY, EVENT_LOST };

static enum event_found event_copy(uint64_t t, struct sgc_event *out)
{
    struct event_slot *slot = &events.slots[t % SGC_EVENTS];
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
    if (state != STATE(t, TAG_WHOLE)) {
        bool older = STATE_NUMBER(state) < t, writing = STATE_TAG(state) == TAG_WRITING;
        /* While an older event is still being written here, the writer of t gave up, or will. */
        bool to_come = older ? !writing : STATE_NUMBER(state) == t && STATE_TAG(state) != TAG_VOID;
        return to_come ? EVENT_UNDER_WAY : EVENT_LOST;
    }
    uint64_t words[N_WORDS];
    for (unsigned i = 0; i < N_WORDS; i++)
        words[i] = atomic_load_explicit(&slot->words[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&slot->state, memory_order_relaxed) != state)
        return EVENT_LOST;
    out->sequence = t;
    out->timestamp_ns = words[WORD_TIME];
    out->kind = (uint32_t)(words[WORD_KIND_THREAD] >> 32);
    out->thread_id = (uint32_t)words[WORD_KIND_THREAD];
    memcpy(out->n, words + WORD_NUMBERS, sizeof(out->n));
    memcpy(out->name, words + WORD_NAME, SGC_EVENT_NAME_BYTES);
    return EVENT_WHOLE;
}

size_t sgc_events_read(uint64_t *next, struct sgc_event *out, size_t max, uint64_t *n_lost)
{
    uint64_t end = atomic_load_explicit(&events.n_begun, memory_order_acquire);
    uint64_t t = *next, lost = 0;
    size_t n = 0;
    if (t < end && end - t > SGC_EVENTS) {
        lost = end - SGC_EVENTS - t;
        t = end - SGC_EVENTS;
    }
    for (; t < end && n < max; t++) {
        enum event_found found = event_copy(t, &out[n]);
        if (found == EVENT_UNDER_WAY && end - t <= N_AWAITED)
            break;
        if (found == EVENT_WHOLE)
            n++;
        else
            lost++;
    }
    *next = t;
    if (n_lost)
        *n_lost = lost;
    return n;
}

void sgc_events_after_fork(int in_child)
{
    if (!in_child)
        return;
    uint64_t end = atomic_load_explicit(&events.n_begun, memory_order_relaxed);
    for (uint64_t t = end > SGC_EVENTS ? end - SGC_EVENTS : 0; t < end; t++) {
        struct event_slot *slot = &events.slots[t % SGC_EVENTS];
        if (atomic_load_explicit(&slot->state, memory_order_relaxed) != STATE(t, TAG_WHOLE))
            atomic_store_explicit(&slot->state, STATE(t, TAG_VOID), memory_order_relaxed);
    }
}
