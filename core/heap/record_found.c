/* record_found.c - the state that a recording finds when it begins: each object of the recorded heaps as if thread 0
 * had made it, then its references, holds and weak names. Called by record.c at the stop that starts the recording,
 * after a full collection of each heap: so all that is there is live, and under strategies that count references a walk
 * over all fields leaves the holds alone (switch.c). Order: objects, each with one hold; ephemerons, each after those
 * that it names; references; then the holds beyond the first, or a drop where there is none; weak handles. Objects that
 * wait for their finalizer keep their hold: it is the queue's, and goes when the finalizer has run (record.c,
 * sgc_record_finalized). Bare objects are left out: RECORDING.md says why. Locks: none but the queue's. */
#include "core/heap/record_stream.h"
#include "core/heap/section.h"
#include "core/heap/trace.h"
#include "core/heap/weak_table.h"

struct found {
    struct sgc_record_thread *thread;
    struct sgc_heap *heap;
    void *owner;
    bool failed, all;
    bool again, progress; /* ephemerons: some wait for others; some were written */
};

/* A used slot of a manual cache without a count is a bare object. One that a counting strategy has claimed is named by
 * nobody, but a sample will hear of its end. */
static bool found_is_object(const struct found *found, const void *object)
{
    const uint8_t byte = *sgc_count_byte(&sgc_counts, object);
    const struct sgc_cache *cache = sgc_object_cache(object);
    return (byte != SGC_COUNT_DEAD || !found->all) && !(cache->managed_manual && byte == 0);
}

static bool found_room(struct found *found)
{
    if (!found->failed)
        found->failed = !sgc_record_room(found->thread);
    return !found->failed;
}

static void found_new(void *arg, void *object)
{
    struct found *found = arg;
    struct sgc_cache *cache = sgc_object_cache(object);
    const struct sgc_type *type = cache->type;
    if (!found_is_object(found, object) || type == &sgc_ephemeron_type || !sgc_record_samples(object) ||
        !found_room(found))
        return;
    uint8_t *at = sgc_record_op(found->thread, type->tail_element_bytes ? SGC_RECORD_NEW_N : SGC_RECORD_NEW);
    at = sgc_record_put(at, cache->record_index);
    at = sgc_record_put_place(found->thread, at, object);
    if (type->tail_element_bytes)
        at = sgc_record_put(at, (sgc_object_bytes(object) - type->size_bytes) / type->tail_element_bytes);
    found->thread->at = at;
}

/* ---- ephemerons. next_pending, which traces use, marks those that were written: it leads to the ephemeron itself. */

static bool ephemeron_waits_for(const void *object)
{
    if (!sgc_is_object(object) || !sgc_object_is_ephemeron(object))
        return false;
    const struct sgc_ephemeron *other = object;
    return other->next_pending != other;
}

static void found_ephemeron(void *arg, void *object)
{
    struct found *found = arg;
    struct sgc_ephemeron *ephemeron = object;
    if (!found_is_object(found, object) || !sgc_object_is_ephemeron(object) || ephemeron->next_pending == ephemeron)
        return;
    if (ephemeron_waits_for(ephemeron->key) || ephemeron_waits_for(ephemeron->value)) {
        found->again = true;
        return;
    }
    if (!found_room(found))
        return;
    uint8_t *at = sgc_record_put(sgc_record_op(found->thread, SGC_RECORD_EPHEMERON), found->heap->record_index);
    at = sgc_record_put_place(found->thread, at, ephemeron);
    at = sgc_record_put_value(found->thread, at, ephemeron->key);
    found->thread->at = sgc_record_put_value(found->thread, at, ephemeron->value);
    ephemeron->next_pending = ephemeron;
    found->progress = true;
}

static void found_ephemeron_done(void *arg, void *object)
{
    (void)arg;
    if (sgc_object_is_ephemeron(object))
        ((struct sgc_ephemeron *)object)->next_pending = NULL;
}

/* An ephemeron is younger than what it names, so rounds end. */
static void found_ephemerons(struct found *found)
{
    do {
        found->again = found->progress = false;
        sgc_heap_walk_stopped(found->heap, true, found_ephemeron, found);
    } while (found->again && found->progress && !found->failed);
    sgc_heap_walk_stopped(found->heap, true, found_ephemeron_done, found);
}

/* ---- references and holds */

static void found_place(void *arg, void **place)
{
    struct found *found = arg;
    if (!*place || !found_room(found))
        return;
    uint8_t *at = sgc_record_op(found->thread, SGC_RECORD_STORE);
    found->thread->at = sgc_record_put_store(found->thread, at, found->owner, place, *place);
}

static void found_references(void *arg, void *object)
{
    struct found *found = arg;
    if (!found_is_object(found, object) || sgc_object_is_ephemeron(object) || !sgc_object_cache(object)->has_references)
        return;
    found->owner = object;
    sgc_object_visit(object, found_place, found);
}

static void found_holds(void *arg, void *object)
{
    struct found *found = arg;
    const struct sgc_cache *cache = sgc_object_cache(object);
    if (!found_is_object(found, object) || (cache->type->flags & SGC_TYPE_IMMORTAL))
        return;
    const uint64_t holds = sgc_counts.value(object);
    if (holds == 1 || !found_room(found))
        return;
    uint8_t *at = sgc_record_op(found->thread, holds ? SGC_RECORD_HOLDS : SGC_RECORD_DROP);
    at = sgc_record_put_place(found->thread, at, object);
    found->thread->at = holds ? sgc_record_put(at, holds - 1) : at;
}

/* ---- weak handles */

void sgc_record_weak_handles(struct sgc_heap *heap, void (*visit)(void *arg, struct sgc_weak *weak), void *arg)
{
    const struct sgc_weak_table *table = &heap->weak;
    for (size_t i = 0; i < table->n_buckets; i++)
        for (struct sgc_weak_entry *entry = table->buckets[i]; entry; entry = entry->next)
            for (struct sgc_weak *weak = entry->weaks; weak; weak = weak->next)
                visit(arg, weak);
}

static void found_weak(void *arg, struct sgc_weak *weak)
{
    struct found *found = arg;
    if (!found_room(found))
        return;
    uint8_t *at = sgc_record_put_handle(found->thread, sgc_record_op(found->thread, SGC_RECORD_WEAK_NEW), weak);
    found->thread->at = sgc_record_put_place(found->thread, at, weak->object);
}

/* ---- */

static void found_heap(struct found *found)
{
    struct sgc_heap *heap = found->heap;
    const bool counts = sgc_counts_references(heap) && heap->plugin != &sgc_strategy_none;
    sgc_heap_walk_stopped(heap, true, found_new, found);
    if (!found->all)
        return;
    found_ephemerons(found);
    sgc_heap_walk_stopped(heap, true, found_references, found);
    if (counts)
        sgc_counts_remove_references(heap);
    sgc_heap_walk_stopped(heap, true, found_holds, found);
    if (counts)
        sgc_counts_add_references(heap);
    sgc_record_weak_handles(heap, found_weak, found);
}

bool sgc_record_found(bool all)
{
    struct sgc_record_thread thread = {.name = "found"};
    struct found found = {.thread = &thread, .all = all};
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        found.heap = SGC_LIST_ENTRY(link, struct sgc_heap, link);
        if (found.heap->record_index)
            found_heap(&found);
    }
    sgc_record_flush(&thread);
    return !found.failed;
}
