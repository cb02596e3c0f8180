/* counting.h - what the two counting strategies share: counts that are holds plus incoming references, the death of
 * objects whose count reached 0, candidates for dead cycles, and the collector of those cycles. DESIGN.md beside this
 * file has the whole picture.
 *
 * Each strategy's `self` begins with a struct sgc_counting, each of its thread cells with a struct sgc_counting_cell.
 * Who may touch what: an object's count and state byte anybody by atomics; a cell its own thread, in a section;
 * `young` and `old` whoever holds `lock`; everything the stopper. `stopped` is written by the stopper alone, so
 * whoever reads it in a section reads false. */
#ifndef SLABGC_PLUGINS_COUNTING_COUNTING_H
#define SLABGC_PLUGINS_COUNTING_COUNTING_H

#include "plugins/counting/cascade.h"
#include "plugins/counting/node_map.h"
#include "plugins/counting/page_set.h"

/* Uses of the strategy's four state bits. SGC_STATE_STORE is always set: it also tells objects with counted
 * references to them from those of manual types. A new object has none of the others. */
#define SGC_COUNTING_CANDIDATE SGC_STATE_PRIVATE /* its page is in a set, or memory for that was refused (`lost`) */
#define SGC_COUNTING_RETIRED SGC_STATE_PRIVATE_2 /* rcu: in a magazine */
/* One bit, two meanings. Of a candidate: a minor collection gave up on it. Of others: a reference was stored into it
 * once. What is neither a candidate nor used has no children. */
#define SGC_COUNTING_OLD SGC_STATE_STORE_2
#define SGC_COUNTING_USED SGC_STATE_STORE_2

/* Values of the shared parameters; each strategy's table declares them in this order, first (SGC_COUNTING_PARAMS). */
struct sgc_counting_limits {
    /* young candidates of one thread that ask for a minor collection; see threshold_max */
    uint64_t candidate_threshold;
    uint64_t old_candidate_threshold; /* old ones that make a minor collection look at all of them */
    /* ... and at least this share of the objects that the last such collection visited */
    uint64_t old_growth_pct;
    /* objects that a minor collection visits for one candidate before it calls it old */
    uint64_t visit_budget;
    uint64_t minor_bytes, full_growth_pct, full_min_bytes; /* core's pacer */
    /* to this the threshold of candidates grows while minor collections find next to nothing */
    uint64_t candidate_threshold_max;
};
#define SGC_COUNTING_N_PARAMS 8

/* Candidates of a thread, or of the heap: the pages that they are on. */
struct sgc_candidates {
    struct sgc_page_set pages;
    /* noted since the pages were looked at, less those that the owner saw end: about how many there are */
    uint64_t n;
    uint64_t limit;   /* of n: then a thread asks for a collection; 0: never */
    size_t next_slot; /* of pages: where the next look begins */
};

struct sgc_counting_cell {
    struct sgc_candidates young;
};

struct sgc_counting {
    const struct sgc_host *host;
    struct sgc_heap *heap;
    struct sgc_counting_limits limits;
    size_t cell_bytes;    /* of the strategy's thread cell */
    uint8_t pinned_state; /* state bits of objects that something else of the strategy's still points to */
    /* state bits that mean of an object that no section may have read a reference to it: stores take them off values */
    uint8_t unshared_state;
    bool readers_unlocked; /* other threads may read a field while it is stored into */

    /* A child's count fell to 0 in a cascade: the strategy passes it to sgc_cascade_add, or keeps it for later. */
    void (*child_at_zero)(struct sgc_counting *counting, struct sgc_cascade *cascade, void *child);
    /* At a stop, in a full collection: brings every object that waits for its death to it. */
    void (*drain)(struct sgc_counting *counting);

    void *lock;                  /* guards young and old */
    struct sgc_candidates young; /* of ended threads and of collections */
    struct sgc_candidates old;   /* a minor collection gave up on them; n: of those made old since the last look */
    uint64_t old_limit;          /* of old.n: the next look at old candidates; stopper */
    uint64_t threshold;          /* young candidates that make a thread ask for a collection; changes at a stop */
    uint64_t n_noted;            /* by all threads since the last look, as `n` of their candidates says; stopper */
    bool lost;                   /* atomic: a candidate's page is in no set */
    bool pending;                /* atomic: an object with count 0 waits on no list */
    /* the heap was taken over: the next full collection looks at every object that may be part of a cycle; stopper */
    bool unknown;

    /* Collections; stopper. */
    bool stopped;
    uint64_t n_died; /* objects reclaimed in this collection */
    struct sgc_node_map map;
    struct sgc_cascade cascade;
};

/* ---- counting.c: life, thread cells */
int sgc_counting_open(struct sgc_counting *counting, const struct sgc_host *host, struct sgc_heap *heap,
                      const uint64_t *params, struct sgc_error *error);
void sgc_counting_configure(struct sgc_counting *counting, const uint64_t *params);
void sgc_counting_close(struct sgc_counting *counting);
/* Forgets candidates: at a stop, right after a full collection, when every cell is detached. */
void sgc_counting_quiesce(struct sgc_counting *counting);
/* Takes a heap over. Its last full collection may have been refused memory, so that dead cycles are left which nobody
 * knows as candidates any more. */
void sgc_counting_adopt(struct sgc_counting *counting);
struct sgc_counting_cell *sgc_counting_cell_slow(struct sgc_counting *counting, void **cell);

/* The calling thread's cell; NULL: the OS refused memory for it. In a section. */
static inline struct sgc_counting_cell *sgc_counting_cell(struct sgc_counting *counting)
{
    void **cell = counting->host->thread_cell(counting->heap);
    return *cell ? *cell : sgc_counting_cell_slow(counting, cell);
}

/* An object of count 0 found no list to wait on: the next full collection finds it by walking. Any state. */
void sgc_counting_pend(struct sgc_counting *counting);

/* ---- candidates.c. `own`: the calling thread's, counting->young at a stop; NULL when there is no memory for it. */
/* The object may be part of a dead cycle once the caller's claim on it is gone. The caller has that claim still. */
void sgc_candidate_note(struct sgc_counting *counting, struct sgc_candidates *own, void *object);
/* A candidate's page stands in no set: the next full collection finds it by walking. Any state. */
void sgc_candidates_lose(struct sgc_counting *counting);
/* A thread's end: what it noted is the heap's. In a section of that thread, or at a stop. */
void sgc_candidates_detach(struct sgc_counting *counting, struct sgc_candidates *own);
/* At a stop: all candidates are on the pages of young and old; threads begin anew, with the threshold of now. */
void sgc_candidates_gather(struct sgc_counting *counting);
/* At a stop. Calls visit for each candidate on these pages, young or old, until it returns false: then the next look
 * begins there. visit may settle it or make it old. Candidates that wait for their end are settled. True: all were
 * visited. */
bool sgc_candidates_visit(struct sgc_counting *counting, struct sgc_candidates *candidates,
                          bool (*visit)(void *arg, void *object, uint8_t state), void *arg);
uint64_t sgc_candidates_count(struct sgc_counting *counting, struct sgc_candidates *candidates, bool old);
/* At a stop: minor collections leave it alone from now on. False: the OS refused memory, it stays young. */
bool sgc_candidate_make_old(struct sgc_counting *counting, void *object);
/* At a stop: the object is no candidate any more. */
void sgc_candidate_settle(struct sgc_counting *counting, void *object);

/* ---- collect.c. ops->collect and ops->verify */
void sgc_counting_collect(struct sgc_counting *counting, enum sgc_collect_kind kind);
int sgc_counting_verify(struct sgc_counting *counting, struct sgc_error *error);
/* ops->decrement while a collection runs (core buries the key of an ephemeron, the value loses its claim). */
void sgc_counting_decrement_stopped(struct sgc_counting *counting, void *object);

/* ---- stores.c: the store ops; self is a struct sgc_counting. See plugin.h for their contract. */
void sgc_counting_store(void *self, void *owner, void **field, void *value);
void *sgc_counting_exchange(void *self, void *owner, void **field, void *value);
bool sgc_counting_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired);

/* ---- facts about objects */
static inline uint8_t sgc_counting_state(const struct sgc_counting *counting, const void *object)
{
    return __atomic_load_n(sgc_state_byte(&counting->host->counts, object), __ATOMIC_RELAXED);
}

/* Does a reference to this value carry a claim? Not NULL, immediates, and objects of manual types. */
static inline bool sgc_counting_counts(const struct sgc_counting *counting, const void *value)
{
    return sgc_is_object(value) && (sgc_counting_state(counting, value) & SGC_STATE_STORE);
}

static inline bool sgc_counting_is_leaf(const struct sgc_type *type)
{
    return (type->flags & SGC_TYPE_LEAF) || (!type->n_ref_runs && !type->trace && !type->tail_refs);
}

/* No cycle leads through the object: no path of references, and none over an ephemeron with this key
 * (SGC_STATE_WATCHED). */
static inline bool sgc_counting_is_acyclic(const struct sgc_counting *counting, const void *object)
{
    if (sgc_counting_state(counting, object) & SGC_STATE_WATCHED)
        return false;
    const struct sgc_type *type = counting->host->type_of(object);
    return (type->flags & SGC_TYPE_ACYCLIC) || sgc_counting_is_leaf(type);
}

/* Takes a claim away; true when that was the last, exactly once: then the object is the caller's to look after. An
 * object that lives on is noted as a candidate first, while the claim pins it; only the last claim (count 1) may go
 * without, as nothing then is left of the object. A failed compare-and-swap means that somebody else moved the count,
 * and the question is asked anew. */
static inline bool sgc_counting_release(struct sgc_counting *counting, struct sgc_candidates *own, void *object)
{
    const struct sgc_counts *counts = &counting->host->counts;
    const bool solo = *counts->solo;
    uint8_t *byte = sgc_count_byte(counts, object);
    uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
    while (old == 1) {
        if (solo) {
            __atomic_store_n(byte, 0, __ATOMIC_RELAXED);
            return true;
        }
        /* pairs with other owners' decrements */
        if (__atomic_compare_exchange_n(byte, &old, 0, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return true;
    }
    if (old > 1 && old != SGC_COUNT_DEAD && !(sgc_counting_state(counting, object) & SGC_COUNTING_CANDIDATE))
        sgc_candidate_note(counting, own, object);
    return sgc_count_decrement(counts, object, solo);
}

#endif
