/* verify_tables.c - checks the weak table and the finalizer queue of a heap.
 * Called by verify.c, at a stop; takes no lock, as both change in sections and at stops only. */
#include "core/heap/verify.h"
#include "core/heap/weak_table.h"

/* An object that a strategy has claimed keeps its entry until it is buried, which may be after this stop. */
static bool verify_is_unburied(const struct sgc_verify *verify, const void *object)
{
    const enum sgc_verify_target target = sgc_verify_target(verify->heap, object);
    return target == SGC_TARGET_LIVE || target == SGC_TARGET_DEAD;
}

static void verify_entry(struct sgc_verify *verify, const struct sgc_weak_entry *entry)
{
    if (!verify_is_unburied(verify, entry->object)) {
        sgc_verify_fail(verify, "weak table: an entry names #%llu, which is no live object",
                        (unsigned long long)sgc_id(entry->object));
        return;
    }
    if (!(*sgc_state_byte(&sgc_counts, entry->object) & SGC_STATE_WATCHED))
        sgc_verify_fail_object(verify, entry->object, "it has an entry in the weak table, but is not watched");
    if (!entry->weaks && !entry->ephemerons)
        sgc_verify_fail_object(verify, entry->object, "its entry in the weak table is empty");
    for (const struct sgc_weak *weak = entry->weaks; weak; weak = weak->next)
        if (weak->object != entry->object || (weak->recorded ? weak->recorded : weak->heap) != verify->heap || *weak->link != weak)
            sgc_verify_fail_object(verify, entry->object, "a weak reference in its entry does not name it");
}

static size_t verify_ephemerons(struct sgc_verify *verify, const struct sgc_weak_entry *entry)
{
    size_t n = 0;
    for (const struct sgc_ephemeron *ephemeron = entry->ephemerons; ephemeron;
         ephemeron = ephemeron->next_of_key, n++) {
        if (!verify_is_unburied(verify, ephemeron) || !sgc_object_is_ephemeron(ephemeron)) {
            sgc_verify_fail_object(verify, entry->object, "an ephemeron in its entry is no live ephemeron");
            return n;
        }
        if (ephemeron->key != entry->object || *ephemeron->link != ephemeron)
            sgc_verify_fail_object(verify, entry->object, "an ephemeron in its entry has another key");
    }
    return n;
}

static void verify_weak_table(struct sgc_verify *verify)
{
    const struct sgc_weak_table *table = &verify->heap->weak;
    size_t n_entries = 0, n_ephemerons = 0;
    for (size_t i = 0; i < table->n_buckets && verify->rc == 0; i++) {
        for (const struct sgc_weak_entry *entry = table->buckets[i]; entry && verify->rc == 0; entry = entry->next) {
            n_entries++;
            verify_entry(verify, entry);
            n_ephemerons += verify_ephemerons(verify, entry);
        }
    }
    if (n_entries != table->n_entries || n_ephemerons != table->n_ephemerons)
        sgc_verify_fail(verify, "weak table: %zu entries and %zu ephemerons, but it counts %zu and %zu", n_entries,
                        n_ephemerons, table->n_entries, table->n_ephemerons);
}

static void verify_waiting(struct sgc_verify *verify, const void *object)
{
    if (sgc_verify_target(verify->heap, object) != SGC_TARGET_LIVE)
        sgc_verify_fail(verify, "finalizer queue: #%llu is no live object", (unsigned long long)sgc_id(object));
    else if (!(*sgc_state_byte(&sgc_counts, object) & SGC_STATE_FINALIZED))
        sgc_verify_fail_object(verify, object, "it waits for its finalizer, but is not noted as queued");
    else if (*sgc_count_byte(&sgc_counts, object) == 0)
        sgc_verify_fail_object(verify, object, "it waits for its finalizer, but has no claim from the queue");
}

/* Objects that should have a place reserved; UINT64_MAX where manual types with finalizers make that unknown. */
static uint64_t verify_n_finalizable(const struct sgc_heap *heap)
{
    uint64_t n = 0;
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        if (!cache->type->finalize)
            continue;
        if (cache->managed_manual)
            return UINT64_MAX;
        n += sgc_cache_n_live(cache);
    }
    return n;
}

static void verify_finalizer_queue(struct sgc_verify *verify)
{
    const struct sgc_finalizer_queue *queue = &verify->heap->finalizers;
    const uint64_t n_finalizable = verify_n_finalizable(verify->heap);
    if (queue->n > queue->n_reserved || queue->n_reserved > queue->capacity) {
        sgc_verify_fail(verify, "finalizer queue: %zu objects wait, %zu places are reserved, there is room for %zu",
                        queue->n, queue->n_reserved, queue->capacity);
        return;
    }
    for (size_t i = 0; i < queue->n && verify->rc == 0; i++)
        verify_waiting(verify, queue->objects[(queue->head + i) % queue->capacity]);
    if (n_finalizable != UINT64_MAX && n_finalizable != queue->n_reserved)
        sgc_verify_fail(verify, "finalizer queue: %zu places are reserved, but %llu objects have finalizers",
                        queue->n_reserved, (unsigned long long)n_finalizable);
}

void sgc_verify_tables(struct sgc_verify *verify)
{
    verify_weak_table(verify);
    if (verify->rc == 0)
        verify_finalizer_queue(verify);
}
