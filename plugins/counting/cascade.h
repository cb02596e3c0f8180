/* cascade.h - the death of objects one by one, without recursion: an object's end takes a claim from each of its
 * children, some of which end too. Used by refcount (one cascade per thread), by rcu's grace-period thread, and by
 * collections (one per heap, at a stop). An object is added when its count is 0 and leaves reclaimed, or on its way
 * to the finalizer queue.
 * Invariant: what is on the worklist is SGC_COUNT_DEAD, not yet buried, and on no other list.
 * Locks: none; a cascade has one owner. */
#ifndef SLABGC_PLUGINS_COUNTING_CASCADE_H
#define SLABGC_PLUGINS_COUNTING_CASCADE_H

#include <slabgc/plugin.h>

struct sgc_counting;
struct sgc_candidates;
struct sgc_cascade_chunk;

/* Worklist entries that need no memory: a list of any length never needs more than two. */
#define SGC_CASCADE_FIRST 64
/* Slots given back at once: as many as a bitmap word of a slab. */
#define SGC_CASCADE_BATCH 64

struct sgc_cascade {
    struct sgc_candidates *own; /* candidates go here; see candidates.c */
    bool running;               /* sgc_cascade_run is on the stack: additions are found by it */
    uint32_t n_first, n_done;
    struct sgc_cascade_chunk *top;   /* worklist above first; NULL: none */
    struct sgc_cascade_chunk *spare; /* an empty chunk, kept */
    void *first[SGC_CASCADE_FIRST];
    void *done[SGC_CASCADE_BATCH]; /* ended, to be reclaimed */
};

/* An object whose count just reached 0, or was found there. Claims it, unless a hold came in between. Where the OS
 * refuses memory for the worklist, the object keeps its count of 0 and waits for a full collection
 * (sgc_counting_pend). */
void sgc_cascade_add(struct sgc_counting *counting, struct sgc_cascade *cascade, void *object);
/* Ends objects until the worklist is empty (false) or about `max` have ended (true: there is more). Nothing when it
 * runs already. */
bool sgc_cascade_run(struct sgc_counting *counting, struct sgc_cascade *cascade, uint64_t max);
bool sgc_cascade_is_empty(const struct sgc_cascade *cascade);
void sgc_cascade_fini(const struct sgc_host *host, struct sgc_cascade *cascade);

#endif
