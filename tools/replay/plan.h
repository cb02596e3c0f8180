/* plan.h - a recording made ready to be replayed: events in a compact array, objects and handles numbered, checked.
 * Made by plan.c and oracle.c before the clock starts, read by play.c. Memory: 12 bytes an event (24 for an exchange or
 * ephemeron), about 30 bytes an object, and 4 bytes for each reference field of the objects that are not known to be
 * dead yet.
 *
 * Which objects are alive is worked out here from the events alone, by a naive model of the contract: an object lives
 * while a hold or a path of fields leads to it. The time of each death follows by Merlin's algorithm (Hertz, Blackburn,
 * Moss, McKinley & Stefanovic 2002): an object's last loss of a claim, or the death of what referred to it last,
 * whichever is later. Beside that, claims (holds and fields) are counted as the most prompt strategy counts them. An
 * event that names an object after its death, or while it has no claim, is right only in a section that began before;
 * the replayer then keeps the object by a hold of its own from its making to its recorded death, so that a strategy
 * without concurrent readers has it still. Of objects in cycles the sections themselves take care (turn.c). */
#ifndef SLABGC_TOOLS_REPLAY_PLAN_H
#define SLABGC_TOOLS_REPLAY_PLAN_H

#include "tools/trace/trace.h"

enum {
    PLAN_NOTHING = 0,              /* an event that was taken out */
    PLAN_EXTRA = SGC_N_RECORD_OPS, /* the second half of an exchange or ephemeron */
};
struct plan_event {
    uint32_t head; /* op | argument << 8: cache, heap, or offset in words */
    uint32_t a, b; /* numbers of objects, handles; values: 0, 1, or 2 + number */
};
struct plan_run {             /* events of one thread that nobody comes between */
    uint32_t thread, n, next; /* next: the thread's next run, or the number of runs */
};

enum {                   /* plan.objects[].flags */
       PLAN_KEPT = 1,    /* the replayer holds it besides, from its making to its recorded death */
       PLAN_WISHED = 2,  /* the same to SGC_RECORD_FINALIZED: its type has a finalizer, which is left out */
       PLAN_ENDED = 4,   /* oracle: freed, or its heap closed */
       PLAN_SETTLED = 8, /* oracle: its death is known for good */
       PLAN_MARK = 16,
       PLAN_UNCLAIMED = 32, /* oracle: a counting strategy has reclaimed it by now */
};
struct plan_object {
    uint32_t cache;   /* PLAN_EPHEMERON: an ephemeron of the heap in tail */
    uint32_t tail;    /* elements */
    uint32_t holds;   /* oracle: at the event that is looked at */
    uint32_t death;   /* index of the event after which it was dead; while the oracle runs: last loss of a claim */
    uint32_t *fields; /* oracle: values by field; NULL: all NULL */
    uint8_t flags;
};
#define PLAN_EPHEMERON UINT32_MAX

struct plan_cache {
    uint32_t *field_of_word; /* of the fixed part: number of the field, UINT32_MAX: none; NULL: each word is one */
    uint32_t n_words, n_fields;
    bool manual, tail_refs, traced;
};
struct plan_ephemeron {
    uint32_t object, key, value;
};
struct plan_live { /* what lives in all open heaps */
    uint64_t n, digest;
};
struct plan_point { /* after event `at`, whose thread is at rest then, live sets are compared */
    uint32_t at;
    struct plan_live live;
};
#define PLAN_MAX_POINTS 64

struct plan {
    const struct trace_info *info;
    struct plan_event *events;
    uint32_t n_events, capacity;
    struct plan_run *runs;
    uint32_t n_runs, runs_capacity;
    uint32_t *first_run; /* of each thread; n_runs: none */
    uint32_t n_threads;
    uint32_t n_found; /* events of thread 0, which come first */
    struct plan_object *objects;
    uint32_t n_objects, objects_capacity;
    struct plan_cache *caches;
    uint32_t n_handles;
    struct plan_ephemeron *ephemerons;
    uint32_t n_ephemerons, ephemerons_capacity;
    bool weak; /* handles are used: which of them answer depends on the strategy */
    bool cut;
    uint64_t n_recorded; /* events read */
    uint64_t n_unknown, n_late,
        n_kept;          /* taken out: of objects that no event made; of objects after their end. Objects kept */
    uint64_t first_late; /* ticket */
    struct plan_point points[PLAN_MAX_POINTS];
    uint32_t n_points;
    struct plan_live end; /* at the end, of the open heaps */
};

static inline uint8_t plan_op(const struct plan_event *event)
{
    return (uint8_t)event->head;
}
static inline uint32_t plan_argument(const struct plan_event *event)
{
    return event->head >> 8;
}
static inline bool plan_is_object(uint32_t value)
{
    return value >= TRACE_OBJECT;
}
/* One object's share of a digest: the digest of a set is the sum. */
static inline uint64_t plan_digest(uint32_t object)
{
    uint64_t x = object + UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}
/* Number of the field of an object at this offset in words, or UINT32_MAX; how many fields it has. */
uint32_t plan_field(const struct plan *plan, const struct plan_object *object, uint32_t word);
uint32_t plan_fields(const struct plan *plan, const struct plan_object *object);

/* Reads the recording. n_points: live sets to compare on the way, at most PLAN_MAX_POINTS. 0; or a negative errno,
 * error filled. */
int plan_make(struct plan *plan, struct trace *trace, uint32_t n_points, struct sgc_error *error);
void plan_fini(struct plan *plan);

/* oracle.c. Checks each event against the model, takes out those that no correct program can have made, finds the
 * objects to keep. 0 or -ENOMEM. */
int plan_check(struct plan *plan);
/* Fills in points' live sets and the end's. 0 or -ENOMEM. */
int plan_lives(struct plan *plan);

#endif
