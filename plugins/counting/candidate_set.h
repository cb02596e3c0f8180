/* candidate_set.h - a set of objects: open addressing, no counts beside the pointers.
 * Used by candidates.c (each thread's young candidates, the heap's young and old ones) and cycles.c.
 * Invariants: an object stands in at most one slot; n + graves == n_filled, at most two thirds of the slots, so that
 * a probe always ends.
 * Locks: none; a set has one owner at a time (candidates.c says who). */
#ifndef SLABGC_PLUGINS_COUNTING_CANDIDATE_SET_H
#define SLABGC_PLUGINS_COUNTING_CANDIDATE_SET_H

#include <slabgc/plugin.h>

struct sgc_candidate_table;

struct sgc_candidate_set {
    struct sgc_candidate_table *table; /* NULL: empty, nothing allocated */
    size_t n;                          /* objects */
    size_t n_filled;                   /* slots that are not empty: objects and graves */
    size_t limit;                      /* of n: the owner looks at the set when it gets there */
};

/* Adds an object that may be there already. False: the OS refused memory and the set is as before. */
bool sgc_candidate_set_add(const struct sgc_host *host, struct sgc_candidate_set *set, void *object);
/* True when it was there. Keeps all other slots where they are. */
bool sgc_candidate_set_remove(struct sgc_candidate_set *set, const void *object);
bool sgc_candidate_set_has(const struct sgc_candidate_set *set, const void *object);
/* Empties the set and frees its memory; limit stays. */
void sgc_candidate_set_fini(const struct sgc_host *host, struct sgc_candidate_set *set);

/* Iteration: for (size_t i = 0; i < sgc_candidate_set_slots(set); i++) if ((object = sgc_candidate_set_at(set, i)) !=
 * NULL) ...; removing on the way is fine, adding is not. */
size_t sgc_candidate_set_slots(const struct sgc_candidate_set *set);
void *sgc_candidate_set_at(const struct sgc_candidate_set *set, size_t slot);

#endif
