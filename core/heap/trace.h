/* trace.h - the tracing engine's state, shared by trace.c and sweep.c. */
#ifndef SLABGC_CORE_HEAP_TRACE_H
#define SLABGC_CORE_HEAP_TRACE_H

#include "core/heap/heap.h"
#include "core/heap/mark_stack.h"

/* One in the process: a trace lasts from begin to sweep within one stop, and a stop is everybody's. */
struct sgc_trace {
    struct sgc_heap *heap;         /* NULL: no trace runs */
    bool keep_marks;               /* a minor trace: marked is old, only fresh slabs are considered for death */
    bool watching;                 /* objects marked from now on are looked up as keys of ephemerons */
    struct sgc_ephemeron *pending; /* visited, their key not marked; by next_pending */
    struct sgc_slab *fresh;        /* keep_marks: all fresh slabs of the strategy's caches, by fresh_next */
    uint64_t n_visited;            /* objects whose fields were looked at */
    struct sgc_mark_stack stack;
};

/* Marks an object and pushes its fields, unless it was marked or is not the heap's to trace. */
void sgc_trace_visit(struct sgc_trace *trace, void *object);
/* Until nothing reachable is unmarked: drains, recovers from overflow, follows ephemerons. */
void sgc_trace_complete(struct sgc_trace *trace);

/* Calls visit for each slab and large object whose unmarked objects this trace finds dead. visit may free its slots. */
void sgc_trace_visit_swept(struct sgc_trace *trace, void (*visit)(void *arg, struct sgc_slab *slab), void *arg);

/* Objects of a slab that are allocated and not marked: one bit each, as words of a bit kind. False: none. */
bool sgc_trace_dead_words(const struct sgc_slab *slab, uint64_t out[SGC_SLAB_WORDS]);

/* Is the object the strategy's to trace in this heap? Objects of manual types and of other heaps are not; neither is
 * what lies outside every slab. */
static inline struct sgc_cache *sgc_trace_cache_of(const struct sgc_heap *heap, const void *object)
{
    if (sgc_unlikely(!sgc_arena_contains(object)))
        return NULL;
    const struct sgc_slab *slab = sgc_slab_of(object); /* an object's start is never inside a large run */
    if (sgc_unlikely(!slab->class_))
        return NULL;
    struct sgc_cache *cache = slab->class_->cache;
    return sgc_likely(cache->heap == heap && !cache->managed_manual) ? cache : NULL;
}

static inline bool sgc_trace_marked(const void *object)
{
    return *sgc_mark_word(object) & sgc_mark_bit(object);
}

static inline char *sgc_slab_object(const struct sgc_slab *slab, unsigned word, unsigned bit)
{
    return sgc_slab_start(slab) + ((size_t)word * 64 + bit) * SGC_GRANULE_BYTES;
}

#endif
