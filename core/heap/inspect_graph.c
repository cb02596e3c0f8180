/* inspect_graph.c - the slots of a heap by number, and claims from outside told apart from references.
 * Called through inspect.h, at a stop.
 * Under SGC_CAP_COUNTS_REFERENCES an object's count is holds + incoming references (switch.c rests on the same
 * identity, right after a full collection). Here nothing was collected, so the references are counted anew, into a
 * table beside the heap, as verify.c does: those of every object that no collector has claimed, for a claimed one's
 * claims are being given back. Nothing of the heap changes.
 * Locks: the heap's, inside sgc_cache_for_each; stripes of counts. */
#include "core/heap/inspect.h"
#include "core/heap/inspect_slots.h"
#include "core/heap/trace.h"
#include "core/heap/weak_table.h"
#include "core/os/meta.h"

#include <errno.h>

bool sgc_inspect_slot(const struct sgc_inspect *inspect, const void *address, size_t *slot)
{
    if (!sgc_arena_covers(address) || sgc_verify_target(inspect->heap, address) != SGC_TARGET_LIVE)
        return false;
    const struct sgc_slab *slab = sgc_slab_of(address);
    const size_t at = sgc_slab_number(slab) - inspect->first_slab;
    if (at >= inspect->n_slabs || slab->class_->cache->managed_manual)
        return false;
    const size_t offset = (size_t)((const char *)address - sgc_slab_start(slab));
    *slot = inspect->bases[at] + (slab->slot_bytes ? offset / slab->slot_bytes : 0);
    return true;
}

/* ---- objects */

struct walk {
    int (*visit)(void *arg, void *object);
    void *arg;
    int rc;
};

static bool object_is_claimed(const struct sgc_slab *slab, const void *object)
{
    return slab->kinds & SGC_KIND_BIT(SGC_KIND_COUNT) && *sgc_count_byte(&sgc_counts, object) == SGC_COUNT_DEAD;
}

static void walk_slab(void *arg, struct sgc_slab *slab)
{
    struct walk *walk = arg;
    uint64_t used[SGC_SLAB_WORDS];
    sgc_slab_used_words(slab, used);
    for (unsigned word = 0; word < SGC_SLAB_WORDS; word++) {
        for (uint64_t left = used[word]; left && walk->rc == 0; left &= left - 1) {
            void *object = sgc_slab_object(slab, word, sgc_ctz64(left));
            if (!object_is_claimed(slab, object))
                walk->rc = walk->visit(walk->arg, object);
        }
    }
}

static int walk_cache(void *arg, struct sgc_cache *cache)
{
    struct walk *walk = arg;
    sgc_cache_visit_slabs(cache, walk_slab, walk);
    return walk->rc;
}

int sgc_inspect_walk(struct sgc_inspect *inspect, struct sgc_cache *cache, int (*visit)(void *arg, void *object),
                     void *arg)
{
    struct walk walk = {.visit = visit, .arg = arg};
    return cache ? walk_cache(&walk, cache) : sgc_cache_for_each(inspect->heap, walk_cache, &walk);
}

/* ---- numbers */

static int span_slab(void *arg, const struct sgc_inspect_slab *slab)
{
    struct sgc_inspect *inspect = arg;
    const size_t number = sgc_slab_number(sgc_slab_of(slab->address));
    if (inspect->n_slabs == 0)
        inspect->first_slab = number, inspect->n_slabs = 1;
    const size_t end = inspect->first_slab + inspect->n_slabs, last = number >= end ? number + 1 : end;
    inspect->first_slab = number < inspect->first_slab ? number : inspect->first_slab;
    inspect->n_slabs = last - inspect->first_slab;
    inspect->n_slots += slab->n_slots;
    inspect->n_objects += slab->cache->managed_manual ? 0 : slab->n_used;
    return 0;
}

struct numbering {
    struct sgc_inspect *inspect;
    size_t next;
};

static int number_slab(void *arg, const struct sgc_inspect_slab *slab)
{
    struct numbering *numbering = arg;
    const struct sgc_inspect *inspect = numbering->inspect;
    inspect->bases[sgc_slab_number(sgc_slab_of(slab->address)) - inspect->first_slab] = (uint32_t)numbering->next;
    numbering->next += slab->n_slots;
    return 0;
}

/* ---- references */

static void incoming_place(void *visitor, void **place)
{
    struct sgc_inspect *inspect = visitor;
    size_t slot;
    if (sgc_is_object(*place) && sgc_inspect_slot(inspect, *place, &slot) && inspect->incoming[slot] < UINT32_MAX)
        inspect->incoming[slot]++;
}

static int incoming_object(void *inspect, void *object)
{
    const struct sgc_cache *cache = sgc_object_cache(object);
    if (!cache->managed_manual && cache->has_references)
        sgc_object_visit(object, incoming_place, inspect);
    return 0;
}

uint64_t sgc_inspect_holds(const struct sgc_inspect *inspect, const void *object)
{
    const struct sgc_slab *slab = sgc_slab_of(object);
    size_t slot;
    if (!(slab->kinds & SGC_KIND_BIT(SGC_KIND_COUNT)))
        return 0;
    const uint64_t count = sgc_counts.value(object);
    if (count == UINT64_MAX || !inspect->incoming || !sgc_inspect_slot(inspect, object, &slot))
        return count == UINT64_MAX ? 0 : count;
    return count > inspect->incoming[slot] ? count - inspect->incoming[slot] : 0;
}

/* ---- */

static int open_no_memory(const struct sgc_heap *heap, struct sgc_error *error)
{
    return sgc_error_set(error, -ENOMEM, "heap %s: no memory for a table of its objects", heap->name);
}

int sgc_inspect_open(struct sgc_inspect *inspect, struct sgc_heap *heap, struct sgc_error *error)
{
    *inspect = (struct sgc_inspect){.heap = heap};
    sgc_inspect_flush(heap);
    (void)sgc_inspect_map(heap, NULL, span_slab, inspect);
    if (inspect->n_slots >= UINT32_MAX - 1)
        return sgc_error_set(error, -EOVERFLOW, "heap %s has %zu slots, more than can be numbered", heap->name,
                             inspect->n_slots);
    inspect->bases = sgc_meta_alloc((inspect->n_slabs + 1) * sizeof(*inspect->bases));
    if (!inspect->bases)
        return open_no_memory(heap, error);
    (void)sgc_inspect_map(heap, NULL, number_slab, &(struct numbering){.inspect = inspect});
    if (!sgc_counts_references(heap))
        return 0;
    inspect->incoming = sgc_meta_alloc((inspect->n_slots + 1) * sizeof(*inspect->incoming));
    if (!inspect->incoming)
        return open_no_memory(heap, error);
    return sgc_inspect_walk(inspect, NULL, incoming_object, inspect);
}

void sgc_inspect_close(struct sgc_inspect *inspect)
{
    sgc_inspect_end_search(inspect);
    sgc_meta_free(inspect->incoming, (inspect->n_slots + 1) * sizeof(*inspect->incoming));
    sgc_meta_free(inspect->bases, (inspect->n_slabs + 1) * sizeof(*inspect->bases));
    *inspect = (struct sgc_inspect){.heap = inspect->heap};
}
