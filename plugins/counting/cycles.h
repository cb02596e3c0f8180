/* cycles.h - the parts of a cycle collection: trial.c finds what is dead, garbage.c ends it. At a stop. */
#ifndef SLABGC_PLUGINS_COUNTING_CYCLES_H
#define SLABGC_PLUGINS_COUNTING_CYCLES_H

#include "plugins/counting/counting.h"

struct sgc_trial {
    struct sgc_counting *counting;
    struct sgc_node_map *map; /* counting->map: the graph looked at, with the marks of enum sgc_node_flags */
    bool refused;             /* the OS refused memory: the result is worthless, nothing was changed */
    uint64_t n_visited;       /* objects whose references were enumerated, each time counted */

    /* The candidate being walked from. */
    uint32_t start;  /* its first node */
    uint32_t budget; /* nodes allowed to it; UINT32_MAX: all */
    bool over;       /* it met more, or a far node */
    uint32_t *undo;  /* older nodes whose internal count it raised, while budgeted */
    size_t n_undo, undo_room;
    bool with_old;    /* old candidates were walked from, too */
    bool more;        /* candidates are left for which the map had no room: budgeted trials */
    bool any_far;     /* nodes of walks that were over the budget are in the map */
    bool keeps_young; /* a candidate that should be old stayed young: no memory */

    uint32_t follow;    /* live nodes to be followed, linked through `internal`; SGC_NODE_NONE: none */
    void **finalizable; /* garbage whose finalizer never ran; the first n_selected are queued now */
    size_t n_finalizable, n_selected;
};

/* Walks from all young candidates (and the old ones) and marks every node of the map live, selected or neither:
 * garbage. Young candidates beyond the budget become old. false: the OS refused memory. */
bool sgc_trial_run(struct sgc_trial *trial, bool budgeted, bool with_old);
void sgc_trial_fini(struct sgc_trial *trial);

/* In the map of a trial that has been run, and found dead. */
bool sgc_garbage_is(const struct sgc_node_map *map, const void *object);
/* Settles the candidates of the map, queues the selected, reclaims the garbage. The heap's cascade holds what died of
 * it. */
void sgc_garbage_end(struct sgc_trial *trial);

#endif
