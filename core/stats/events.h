/* events.h - what happened lately in the process: a ring of fixed-size events for people and tools.
 * Used by core/heap and core/runtime (record), and by whoever shows them (read). Any thread, any context, no lock. */
#ifndef SLABGC_CORE_STATS_EVENTS_H
#define SLABGC_CORE_STATS_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#define SGC_EVENTS 1024 /* events kept; a power of two */
#define SGC_EVENT_NAME_BYTES 64

/* What the numbers n[0..3] mean stands behind each kind. name: the heap's, unless said otherwise. */
enum sgc_event_kind {
    SGC_EVENT_COLLECT_BEGIN = 1, /* enum sgc_collect_kind; heap's live bytes */
    SGC_EVENT_COLLECT_END,       /* enum sgc_collect_kind; pause in ns; objects visited */
    SGC_EVENT_STOP,              /* time to the stop in ns; whole stop in ns; the slowest thread's id, or 0 */
    SGC_EVENT_STALL,             /* name: the thread's; section's age in ns; thread's number */
    SGC_EVENT_LIMIT,             /* memory limit in bytes; bytes held; bytes wanted */
    SGC_EVENT_EMERGENCY,         /* bytes wanted; bytes held */
    SGC_EVENT_SWITCH,            /* name: the new strategy's; stop in ns; objects live */
    SGC_EVENT_RELOAD,            /* name: empty; heaps whose values changed */
    SGC_EVENT_STRATEGY_LOADED,   /* name: the strategy's; ABI major; ABI minor; capabilities */
    SGC_EVENT_SET,               /* name: the key; old value; new value; heaps whose values changed */
    SGC_N_EVENT_KINDS
};

struct sgc_event {
    uint64_t sequence;     /* 0, 1, 2, ... in the order in which events were begun */
    uint64_t timestamp_ns; /* CLOCK_MONOTONIC */
    uint64_t n[4];
    uint32_t kind;      /* enum sgc_event_kind */
    uint32_t thread_id; /* gettid() of who recorded it */
    char name[SGC_EVENT_NAME_BYTES];
};

/* "collection begin" and so on; "?" for an unknown kind. */
const char *sgc_event_kind_name(uint32_t kind);
/* What n[i] of the kind means, "pause_ns" say; NULL: nothing. */
const char *sgc_event_value_name(uint32_t kind, unsigned i);

/* Adds an event; the oldest makes room. name may be NULL; at most 63 bytes of it are kept. Never blocks, never fails:
 * an event whose place is still being written by a thread that fell a whole ring behind is dropped and counted as lost.
 */
void sgc_event_record(enum sgc_event_kind kind, const char *name, uint64_t n0, uint64_t n1, uint64_t n2, uint64_t n3);

/* Copies events from sequence number *next on, at most max, each whole; returns how many, and moves *next behind the
 * last one looked at. *n_lost (may be NULL): events from *next on that were overwritten or dropped before they could be
 * copied. An event that is being written right now ends the copy: the next call finds it. Start with *next = 0. */
size_t sgc_events_read(uint64_t *next, struct sgc_event *out, size_t max, uint64_t *n_lost);

/* For pthread_atfork's child handler: forgets events that threads of the parent were writing. */
void sgc_events_after_fork(int in_child);

#endif
