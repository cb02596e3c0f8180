/* trace_finish.c - what a trace decides about the dead: finalizers in order, then weak references.
 * Called by strategies through the host, once every root was given. The design note is TRACING.md.
 * Invariant: what a finalizer may still reach is marked before any weak reference to it could be cleared; only the
 *   objects selected for their finalizers are buried earlier.
 * Memory refused: finalizable objects live until the next collection. Locks: none of its own; at a stop. */
#include "core/heap/trace.h"
#include "core/heap/weak_table.h"
#include "core/os/meta.h"

/* ---- finalizers */

/* Dead objects whose finalizer never ran, gathered from the slabs to be swept. */
struct trace_finalizable {
    struct sgc_trace *trace;
    void **objects; /* NULL: count only, or mark each */
    size_t n, capacity;
    bool mark; /* no memory to put them in order: all live on until the next collection */
};

static void trace_gather_slab(void *arg, struct sgc_slab *slab)
{
    struct trace_finalizable *found = arg;
    uint64_t dead[SGC_SLAB_WORDS];
    if (!slab->class_->cache->type->finalize || !sgc_trace_dead_words(slab, dead))
        return;
    for (unsigned word = 0; word < SGC_SLAB_WORDS; word++) {
        for (uint64_t left = dead[word]; left; left &= left - 1) {
            void *object = sgc_slab_object(slab, word, sgc_ctz64(left));
            if (*sgc_state_byte(&sgc_counts, object) & SGC_STATE_FINALIZED)
                continue;
            if (found->objects && found->n < found->capacity)
                found->objects[found->n] = object;
            found->n++;
            if (found->mark)
                sgc_trace_visit(found->trace, object);
        }
    }
}

static bool trace_is_dead(void *arg, void *object)
{
    struct sgc_trace *trace = arg;
    return sgc_trace_cache_of(trace->heap, object) && !sgc_trace_marked(object);
}

/* One round: of the dead finalizable objects those that no other one leads to are queued, and live on with all that
 * they reach. False: there were none. A further round is needed only where a value was reachable through an ephemeron
 * whose key the round found dead. */
static bool trace_finalize_round(struct sgc_trace *trace)
{
    struct trace_finalizable found = {.trace = trace};
    sgc_trace_visit_swept(trace, trace_gather_slab, &found);
    if (found.n == 0)
        return false;
    const size_t capacity = found.capacity = found.n;
    size_t n_selected = 0;
    found.n = 0;
    found.objects = sgc_meta_alloc(capacity * sizeof(*found.objects));
    if (found.objects) {
        sgc_trace_visit_swept(trace, trace_gather_slab, &found);
        n_selected = sgc_select_finalizable(trace->heap, found.objects, found.n, trace_is_dead, trace);
    }
    if (n_selected == 0) {
        found.mark = true;
        sgc_trace_visit_swept(trace, trace_gather_slab, &found);
    }
    for (size_t i = 0; i < n_selected; i++)
        sgc_bury(found.objects[i]);
    for (size_t i = 0; i < n_selected; i++)
        sgc_trace_visit(trace, found.objects[i]);
    sgc_meta_free(found.objects, capacity * sizeof(*found.objects));
    sgc_trace_complete(trace);
    return true;
}

static bool trace_has_finalizers(const struct sgc_heap *heap)
{
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        const struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        if (cache->type->finalize && !cache->managed_manual)
            return true;
    }
    return false;
}

/* ---- weak references */

/* Any state byte of the slab with the bit? Bytes of free slots may give a false yes. */
static bool trace_slab_has_state(const struct sgc_slab *slab, uint8_t bit)
{
    const uint64_t *states = (const uint64_t *)sgc_byte_at(SGC_KIND_STATE, sgc_slab_start(slab));
    uint64_t any = 0;
    for (size_t i = 0; i < (slab->slot_bytes ? SGC_SLAB_GRANULES / 8 : 1); i++)
        any |= states[i];
    return any & (bit * UINT64_C(0x0101010101010101));
}

static void trace_bury_slab(void *arg, struct sgc_slab *slab)
{
    struct sgc_trace *trace = arg;
    uint64_t dead[SGC_SLAB_WORDS];
    const bool ephemerons = slab->class_->cache->type == &sgc_ephemeron_type;
    if (!ephemerons && !trace_slab_has_state(slab, SGC_STATE_WATCHED))
        return;
    if (!sgc_trace_dead_words(slab, dead))
        return;
    for (unsigned word = 0; word < SGC_SLAB_WORDS; word++) {
        for (uint64_t left = dead[word]; left; left &= left - 1) {
            void *object = sgc_slab_object(slab, word, sgc_ctz64(left));
            if (ephemerons || (*sgc_state_byte(&sgc_counts, object) & SGC_STATE_WATCHED))
                sgc_weak_bury(trace->heap, object);
        }
    }
}

void sgc_trace_finish(struct sgc_trace *trace)
{
    struct sgc_heap *heap = trace->heap;
    sgc_trace_complete(trace);
    if (trace_has_finalizers(heap))
        while (trace_finalize_round(trace))
            ;
    if (heap->weak.n_entries > 0)
        sgc_trace_visit_swept(trace, trace_bury_slab, trace);
    __atomic_fetch_add(&heap->stats.n_visited, trace->n_visited, __ATOMIC_RELAXED); /* read at any time: heap_stats.c */
    __atomic_fetch_add(&heap->stats.last_visited, trace->n_visited, __ATOMIC_RELAXED);
}
