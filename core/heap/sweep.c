/* sweep.c - the end of a trace: slots of unmarked objects become free, survivors get their new state bits.
 * Called by strategies through the host, after trace_finish: for every slab of the strategy's caches after a
 *   full trace, for the fresh ones after a minor one. collect.c relists the slabs afterwards.
 * Fast path: dead slots of a plain cache are freed a word of the bitmap at a time and nothing is written per object.
 *   That keeps "a free slot has count 0": the dead object was no root, so its count is 0 already, and a count of 0 has
 *   no excess. Its state byte goes stale, which nobody sees, for sgc_new writes the byte of the slot that it hands out;
 *   for the same reason the state bits of a whole slab are changed without looking at which slots are in use.
 * Caches with a constructor, reset, finalizer or debug checks go object by object through sgc_reclaim.
 * Locks: none of its own; at a stop. */
#include "core/heap/trace.h"

struct sweep {
    struct sgc_trace *trace;
    uint8_t clear, set;
};

static bool sweep_is_plain(const struct sgc_cache *cache)
{
    const struct sgc_type *type = cache->type;
    return !type->ctor && !type->reset && !type->finalize && !cache->debug;
}

static void sweep_word_slow(struct sgc_heap *heap, const struct sgc_slab *slab, unsigned word, uint64_t dead)
{
    void *objects[64];
    size_t n = 0;
    for (; dead; dead &= dead - 1)
        objects[n++] = sgc_slab_object(slab, word, sgc_ctz64(dead));
    sgc_reclaim(heap, objects, n);
}

/* Eight state bytes at a time, 4096 in all: the compiler makes vectors of it. */
static void sweep_states(const struct sgc_slab *slab, uint8_t clear, uint8_t set)
{
    const uint64_t keep8 = (uint8_t)~clear * UINT64_C(0x0101010101010101), set8 = set * UINT64_C(0x0101010101010101);
    uint64_t *states = (uint64_t *)sgc_byte_at(SGC_KIND_STATE, sgc_slab_start(slab));
    for (size_t i = 0; i < SGC_SLAB_GRANULES / 8; i++)
        states[i] = (states[i] & keep8) | set8;
}

static void sweep_large(struct sweep *sweep, struct sgc_slab *slab)
{
    void *object = sgc_slab_start(slab);
    uint8_t *state = sgc_state_byte(&sgc_counts, object);
    *state = (uint8_t)((*state & ~sweep->clear) | sweep->set);
    if (!sgc_trace_marked(object))
        sgc_reclaim(sweep->trace->heap, &object, 1);
}

static void sweep_slab(void *arg, struct sgc_slab *slab)
{
    struct sweep *sweep = arg;
    if (slab->slot_bytes == 0) {
        sweep_large(sweep, slab);
        return;
    }
    if (sweep->clear | sweep->set) /* first: a slab may leave the cache with its last slot */
        sweep_states(slab, sweep->clear, sweep->set);
    uint64_t dead[SGC_SLAB_WORDS];
    if (sgc_trace_dead_words(slab, dead)) {
        const bool plain = sweep_is_plain(slab->class_->cache);
        for (unsigned word = 0; word < SGC_SLAB_WORDS; word++) {
            if (dead[word] == 0)
                continue;
            if (plain)
                sgc_slab_free_mask(slab, word, dead[word]);
            else
                sweep_word_slow(sweep->trace->heap, slab, word, dead[word]);
        }
    }
}

void sgc_trace_sweep(struct sgc_trace *trace, uint8_t clear_state, uint8_t set_state)
{
    struct sgc_heap *heap = trace->heap;
    struct sweep sweep = {.trace = trace, .clear = clear_state, .set = set_state};
    if (!trace->keep_marks) { /* everything is swept: what was fresh is not any more */
        SGC_LIST_FOR_EACH (link, &heap->caches) {
            struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
            if (!cache->managed_manual)
                (void)sgc_cache_take_fresh(cache);
        }
    }
    sgc_trace_visit_swept(trace, sweep_slab, &sweep);
    trace->fresh = NULL;
    trace->heap = NULL;
    heap->trace = NULL;
    sgc_mark_stack_trim(&trace->stack);
}
