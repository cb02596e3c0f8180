/* cascade.c - see cascade.h.
 * Called by refcount (at the end of sections), by rcu (after grace periods), by collect.c and garbage.c (at a stop).
 * Re-entrance: host->bury may call ops->decrement for the value of an ephemeron, which adds to the cascade that runs;
 * nothing recurses. The end of an object: claim (count 0 -> dead), bury (weak references, ephemerons; a finalizer
 * gives it another life), its children's claims, its slot. What bury has nothing to do with, and what never got a
 * reference, is told by the state byte and the type, without a call of core. */
#include "plugins/counting/cascade.h"

#include "plugins/counting/counting.h"
#include <slabgc/testpoint.h>

#define CHUNK_OBJECTS 510 /* with the header: 4 KiB */

struct sgc_cascade_chunk {
    struct sgc_cascade_chunk *below;
    size_t n;
    void *objects[CHUNK_OBJECTS];
};

/* Makes sure that one more object fits. */
static bool cascade_reserve(const struct sgc_host *host, struct sgc_cascade *cascade)
{
    if (cascade->top ? cascade->top->n < CHUNK_OBJECTS : cascade->n_first < SGC_CASCADE_FIRST)
        return true;
    struct sgc_cascade_chunk *chunk = cascade->spare;
    cascade->spare = NULL;
    if (!chunk)
        chunk = host->alloc(sizeof(*chunk));
    if (!chunk)
        return false;
    chunk->below = cascade->top;
    chunk->n = 0;
    cascade->top = chunk;
    return true;
}

static void cascade_push(struct sgc_cascade *cascade, void *object)
{
    if (cascade->top)
        cascade->top->objects[cascade->top->n++] = object;
    else
        cascade->first[cascade->n_first++] = object;
}

static void *cascade_pop(const struct sgc_host *host, struct sgc_cascade *cascade)
{
    struct sgc_cascade_chunk *top = cascade->top;
    if (top && top->n == 0) {
        cascade->top = top->below;
        if (cascade->spare)
            host->free(cascade->spare, sizeof(*top));
        cascade->spare = top;
        top = cascade->top;
    }
    if (top)
        return top->objects[--top->n];
    return cascade->n_first ? cascade->first[--cascade->n_first] : NULL;
}

static bool cascade_claim(const struct sgc_counting *counting, void *object)
{
    const struct sgc_counts *counts = &counting->host->counts;
    uint8_t *byte = sgc_count_byte(counts, object);
    if (!*counts->solo)
        return sgc_count_claim_dead(counts, object);
    if (__atomic_load_n(byte, __ATOMIC_RELAXED) != 0)
        return false;
    __atomic_store_n(byte, SGC_COUNT_DEAD, __ATOMIC_RELAXED);
    return true;
}

void sgc_cascade_add(struct sgc_counting *counting, struct sgc_cascade *cascade, void *object)
{
    if (sgc_counting_state(counting, object) & counting->pinned_state)
        return; /* whoever pins it looks at its count later */
    if (!cascade_reserve(counting->host, cascade)) {
        sgc_counting_pend(counting);
        return;
    }
    if (cascade_claim(counting, object) || SGC_TEST_MUTANT("no-recheck"))
        cascade_push(cascade, object);
}

static void cascade_flush(struct sgc_counting *counting, struct sgc_cascade *cascade)
{
    if (!cascade->n_done)
        return;
    counting->host->reclaim(counting->heap, cascade->done, cascade->n_done);
    if (counting->stopped)
        counting->n_died += cascade->n_done;
    cascade->n_done = 0;
}

struct cascade_visitor {
    struct sgc_counting *counting;
    struct sgc_cascade *cascade;
};

static inline void cascade_release(struct sgc_counting *counting, struct sgc_cascade *cascade, void *child)
{
    if (sgc_counting_counts(counting, child) && sgc_counting_release(counting, cascade->own, child))
        counting->child_at_zero(counting, cascade, child);
}

static void cascade_release_child(void *arg, void **place)
{
    const struct cascade_visitor *visitor = arg;
    cascade_release(visitor->counting, visitor->cascade, *place);
}

/* Nobody else reads or writes the fields of a claimed object. */
static void cascade_release_children(struct sgc_counting *counting, struct sgc_cascade *cascade,
                                     const struct sgc_type *type, void *object)
{
    if (type->trace || type->tail_refs) {
        struct cascade_visitor visitor = {counting, cascade};
        counting->host->visit_references(object, cascade_release_child, &visitor);
        return;
    }
    for (uint32_t i = 0; i < type->n_ref_runs; i++) {
        void **place = (void **)((char *)object + type->ref_runs[i].offset_bytes);
        for (uint32_t n = type->ref_runs[i].n; n > 0; n--)
            cascade_release(counting, cascade, *place++);
    }
}

static void cascade_end(struct sgc_counting *counting, struct sgc_cascade *cascade, void *object)
{
    const struct sgc_host *host = counting->host;
    const struct sgc_type *type = host->type_of(object);
    const uint8_t state = sgc_counting_state(counting, object);
    /* Names and finalizers are bury's, and ephemerons, whose type has a trace callback. */
    if (((state & SGC_STATE_WATCHED) || type->finalize || type->trace) && host->bury(object))
        return; /* in the finalizer queue, with a count of its own */
    if ((state & (SGC_COUNTING_USED | SGC_COUNTING_CANDIDATE)) && !sgc_counting_is_leaf(type))
        cascade_release_children(counting, cascade, type, object);
    if ((state & SGC_COUNTING_CANDIDATE) && cascade->own && cascade->own->n > 0)
        cascade->own->n--;
    cascade->done[cascade->n_done++] = object;
    if (cascade->n_done == SGC_CASCADE_BATCH)
        cascade_flush(counting, cascade);
}

bool sgc_cascade_run(struct sgc_counting *counting, struct sgc_cascade *cascade, uint64_t max)
{
    if (cascade->running)
        return false;
    cascade->running = true;
    for (uint64_t n = 0; n < max; n++) {
        void *object = cascade_pop(counting->host, cascade);
        if (!object)
            break;
        cascade_end(counting, cascade, object);
    }
    cascade_flush(counting, cascade);
    cascade->running = false;
    return !sgc_cascade_is_empty(cascade);
}

bool sgc_cascade_is_empty(const struct sgc_cascade *cascade)
{
    return cascade->n_first == 0 && (!cascade->top || (!cascade->top->below && cascade->top->n == 0));
}

void sgc_cascade_fini(const struct sgc_host *host, struct sgc_cascade *cascade)
{
    if (cascade->spare)
        host->free(cascade->spare, sizeof(*cascade->spare));
    for (struct sgc_cascade_chunk *chunk = cascade->top, *below; chunk; chunk = below) {
        below = chunk->below;
        host->free(chunk, sizeof(*chunk));
    }
    cascade->top = cascade->spare = NULL;
}
