/* death.c - the end of objects: bury (names cleared, finalizer queued) and reclaim (a free slot again).
 * Called by counting strategies object by object through the host, by trace_finish.c and sweep.c, and by none.c.
 * Order: bury, then reclaim unless bury said that the object lives on. Context: in a section, or at a stop.
 * Invariant: a free slot has count 0, excess 0, no mark; a constructed type's free slot is in its constructed state.
 * Locks: those of the weak table and the finalizer queue, inside; none across calls. */
#include "core/heap/heap.h"
#include "core/heap/record.h"
#include <slabgc/testpoint.h>

bool sgc_bury(void *object)
{
    struct sgc_cache *cache = sgc_object_cache(object);
    SGC_TEST_POINT("bury: begins");
    sgc_weak_bury(cache->heap, object);
    if (!cache->type->finalize ||
        (__atomic_load_n(sgc_state_byte(&sgc_counts, object), __ATOMIC_RELAXED) & SGC_STATE_FINALIZED))
        return false;
    sgc_finalizer_enqueue(cache->heap, object);
    return true;
}

/* Declared reference fields to NULL, then the type's own work: constructed state survives in the free slot. */
static void reclaim_reset(const struct sgc_type *type, void *object)
{
    for (uint32_t i = 0; i < type->n_ref_runs; i++) {
        void **place = (void **)((char *)object + type->ref_runs[i].offset_bytes);
        for (uint32_t n = type->ref_runs[i].n; n > 0; n--)
            *place++ = NULL;
    }
    if (type->tail_refs) {
        void **place = (void **)((char *)object + type->size_bytes);
        for (size_t n = (sgc_object_bytes(object) - type->size_bytes) / sizeof(void *); n > 0; n--)
            *place++ = NULL;
    }
    if (type->reset)
        type->reset(object);
}

/* The metadata of a slot that becomes free. Before the slot is: from then on another thread may take it. */
static inline void reclaim_metadata(const struct sgc_cache *cache, void *object)
{
    uint8_t *count = sgc_count_byte(&sgc_counts, object);
    const uint8_t old = __atomic_load_n(count, __ATOMIC_RELAXED);
    if (sgc_unlikely((old & SGC_COUNT_EXCESS) &&
                     old != SGC_COUNT_DEAD)) /* else the excess word is 0, and perhaps never touched */
        sgc_arena.excess_bias[(uintptr_t)object >> SGC_GRANULE_SHIFT] = 0;
    __atomic_store_n(count, 0, __ATOMIC_RELAXED);
    __atomic_store_n(sgc_state_byte(&sgc_counts, object), 0, __ATOMIC_RELAXED);
    if (cache->kinds & SGC_KIND_BIT(SGC_KIND_MARK)) {
        uint64_t *word = sgc_slab_words(sgc_slab_of(object), SGC_KIND_MARK) + sgc_slab_granule(object) / 64;
        const uint64_t bit = UINT64_C(1) << (sgc_slab_granule(object) & 63);
        if (__atomic_load_n(word, __ATOMIC_RELAXED) & bit)
            __atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED); /* neighbours may be reclaimed by other threads */
    }
}

void sgc_object_end_managed(void *object)
{
    struct sgc_cache *cache = sgc_object_cache(object);
    const bool bare = __atomic_load_n(sgc_count_byte(&sgc_counts, object), __ATOMIC_RELAXED) == 0;
    if (!bare || (__atomic_load_n(&cache->mixed, __ATOMIC_RELAXED) & SGC_CACHE_RECORDED))
        sgc_record_free(object);
    if (bare)
        return;
    sgc_weak_bury(cache->heap, object);
    if (sgc_context_.depth == 0)
        sgc_deferred_apply(sgc_context_.thread); /* the bare call that this is part of does not know the list */
    if (cache->type->finalize)
        sgc_finalizer_unreserve(cache->heap);
    reclaim_metadata(cache, object);
}

/* Slots of one bitmap word, freed together at a stop. */
struct reclaim_batch {
    struct sgc_slab *slab;
    unsigned word;
    uint64_t mask;
};

static void reclaim_batch_flush(struct reclaim_batch *batch)
{
    if (batch->mask)
        sgc_slab_free_mask(batch->slab, batch->word, batch->mask);
    batch->mask = 0;
}

static void reclaim_batch_add(struct reclaim_batch *batch, void *object)
{
    struct sgc_slab *slab = sgc_slab_of(object);
    const unsigned granule = sgc_slab_granule(object);
    if (slab != batch->slab || granule / 64 != batch->word) {
        reclaim_batch_flush(batch);
        batch->slab = slab;
        batch->word = granule / 64;
    }
    batch->mask |= UINT64_C(1) << (granule & 63);
}

void sgc_reclaim(struct sgc_heap *heap, void *const *objects, size_t n)
{
    const bool stopped =
        sgc_stop_is_mine(); /* then straight to the slabs, so that walks of the same stop see them free */
    struct reclaim_batch batch = {0};
    for (size_t i = 0; i < n; i++) {
        void *object = objects[i];
        struct sgc_slab *slab = sgc_slab_of(object);
        struct sgc_cache *cache = slab->class_->cache;
        SGC_DCHECK(cache->heap == heap);
        if (cache->type->finalize)
            sgc_finalizer_unreserve(heap);
        if (cache->type->ctor)
            reclaim_reset(cache->type, object);
        if (cache->debug)
            sgc_debug_on_free(cache, object, NULL);
        reclaim_metadata(cache, object);
        if (stopped && slab->slot_bytes)
            reclaim_batch_add(&batch, object);
        else
            sgc_slot_free(object);
    }
    reclaim_batch_flush(&batch);
}
