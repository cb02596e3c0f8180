/* inspect.h - what a heap consists of, and why its objects live: read at a stop, changes nothing but windows.
 * Called in the child of a snapshot (core/runtime/control_inspect.c) and by tests. Needs no memory but
 * sgc_meta_alloc's. An object here is a used slot that no collector has claimed. */
#ifndef SLABGC_CORE_HEAP_INSPECT_H
#define SLABGC_CORE_HEAP_INSPECT_H

#include "core/heap/heap.h"

/* ---- inspect.c: slabs and addresses */

/* Empties all windows of the heap; for the heap `malloc`, of malloc's caches (only where no other thread runs). */
void sgc_inspect_flush(struct sgc_heap *heap);

/* A slab, or a large object, which is one slot. */
struct sgc_inspect_slab {
    struct sgc_cache *cache;
    const void *address;
    uint64_t bytes; /* of its whole run */
    uint32_t n_slots, n_used;
    uint64_t used[SGC_SLAB_WORDS]; /* bit i: slot i */
};
/* Calls visit for each slab of the heap, or of one cache; non-zero ends it and is returned. After flush. Over all
 * caches, here and below, visit runs under the heap's lock. */
int sgc_inspect_map(struct sgc_heap *heap, struct sgc_cache *cache,
                    int (*visit)(void *arg, const struct sgc_inspect_slab *slab), void *arg);
/* The object that begins at address. Else -EINVAL, and error says what lies there instead. After flush of all heaps. */
int sgc_inspect_find(const void *address, void **object, struct sgc_error *error);

/* ---- inspect_graph.c: objects and references */

/* One heap made ready: every slot has a number. */
struct sgc_inspect {
    struct sgc_heap *heap;
    size_t first_slab, n_slabs; /* span of its slabs in the arena */
    uint32_t *bases;            /* number of the first slot, by slab of that span */
    size_t n_slots, n_objects;  /* slots of those slabs; objects that the strategy owns */
    uint32_t *incoming;         /* references to the object, by slot, up to UINT32_MAX; NULL: counts are holds alone */
    /* the search from held objects: in the order in which they were reached */
    size_t n_reached;
    uint32_t *reached; /* by slot: 0 or 1 + place in the queue */
    void **queue;
    uint32_t *from; /* by place: 1 + place of the object that refers to it; 0: it is held */
};
/* Flushes, numbers the slots, counts references where that tells holds apart. 0; -ENOMEM; -EOVERFLOW: more than 2^32 -
 * 2 slots. Not for the heap `malloc`. close: also after a failed open. */
int sgc_inspect_open(struct sgc_inspect *inspect, struct sgc_heap *heap, struct sgc_error *error);
void sgc_inspect_close(struct sgc_inspect *inspect);

/* Claims on the object from outside the heap: holds, root cells, hold stacks, the queue of finalizers; an immortal
 * object's includes core's own. 0 for an object made by sgc_cache_alloc. */
uint64_t sgc_inspect_holds(const struct sgc_inspect *inspect, const void *object);
/* Calls visit for each object, those of manual caches too; cache: of that one alone, NULL: of all. Non-zero ends it and
 * is returned. */
int sgc_inspect_walk(struct sgc_inspect *inspect, struct sgc_cache *cache, int (*visit)(void *arg, void *object),
                     void *arg);

/* ---- inspect_paths.c: why objects live, and which do not */

struct sgc_inspect_step {
    void *object;
    uint64_t n_holds;
    int64_t field_offset; /* of the reference to the next step's; -1: the last step; or a place outside the object */
};
/* A shortest path from a held object to this one: the steps (by sgc_meta_alloc, the caller's) and *n_steps, 0 when
 * there is none. A value of an ephemeron is reached through the ephemeron, and only once the key is reached too. 0 or
 * -ENOMEM.
 */
int sgc_inspect_why(struct sgc_inspect *inspect, const void *object, struct sgc_inspect_step **steps, size_t *n_steps,
                    struct sgc_error *error);

#define SGC_INSPECT_HELD 8
#define SGC_INSPECT_SITES 16
struct sgc_inspect_site { /* debug=track: where held objects were made */
    uintptr_t address;    /* of the call; 0: all that found no room in the list */
    uint64_t n, bytes;
};
/* A cache's share. Objects of manual caches are never unreachable, and all held. */
struct sgc_inspect_leaks {
    struct sgc_cache *cache;
    uint64_t n_unreachable, unreachable_bytes; /* dead, and not reclaimed yet */
    uint64_t n_held, held_bytes;               /* held from outside the heap, immortals aside */
    void *held[SGC_INSPECT_HELD];              /* the first of them, in the order of addresses */
    unsigned n_sites;
    struct sgc_inspect_site sites[SGC_INSPECT_SITES]; /* the most frequent first, in the end what found no room */
};
/* Calls visit for each cache that has such objects; non-zero ends it and is returned. Else 0 or -ENOMEM. */
int sgc_inspect_leaks(struct sgc_inspect *inspect, int (*visit)(void *arg, const struct sgc_inspect_leaks *leaks),
                      void *arg, struct sgc_error *error);

#endif
