/* pacer.c - when to collect: the same arithmetic for every strategy, from the thresholds it declared (struct sgc_pace).
 * Called by alloc.c at refills (not per object), by collect.c after each collection, by the host for requests.
 *   minor due when since_minor >= pace.minor_bytes
 *   full due when live + since_minor + external > full_trigger; full_trigger = max(full_min, live after the last full *
 *   (100 + growth) / 100) since_minor counts slots handed to windows, so up to a window per thread and class is counted
 *   early. */
#include "core/heap/heap.h"
#include "core/heap/record.h"

void sgc_pacer_allocated(struct sgc_heap *heap, uint64_t bytes)
{
    /* once per refill; a figure, orders nothing */
    __atomic_fetch_add(&heap->pacer.since_minor_bytes, bytes, __ATOMIC_RELAXED);
}

int sgc_pacer_poll(const struct sgc_heap *heap)
{
    const struct sgc_pacer *pacer = &heap->pacer;
    const uint32_t requested = __atomic_load_n(&pacer->requested, __ATOMIC_RELAXED);
    if (sgc_unlikely(requested))
        return requested == 2 ? SGC_COLLECT_FULL : SGC_COLLECT_MINOR;
    const uint64_t since = __atomic_load_n(&pacer->since_minor_bytes, __ATOMIC_RELAXED);
    const int64_t external = __atomic_load_n(&heap->external_bytes, __ATOMIC_RELAXED);
    const uint64_t live =
        __atomic_load_n(&pacer->live_bytes, __ATOMIC_RELAXED) + (external > 0 ? (uint64_t)external : 0);
    const uint64_t minor_bytes = __atomic_load_n(&pacer->pace.minor_bytes, __ATOMIC_RELAXED);
    const bool full_due = live + since > __atomic_load_n(&pacer->full_trigger_bytes, __ATOMIC_RELAXED);
    if (minor_bytes && since < minor_bytes)
        return -1; /* a full collection, too, waits for the next minor one: their stops are one */
    if (full_due)
        return SGC_COLLECT_FULL;
    return minor_bytes ? SGC_COLLECT_MINOR : -1;
}

static void pacer_set_trigger(struct sgc_heap *heap, uint64_t live)
{
    struct sgc_pacer *pacer = &heap->pacer;
    const uint64_t growth_pct = __atomic_load_n(&pacer->pace.full_growth_pct, __ATOMIC_RELAXED);
    const uint64_t min_bytes = __atomic_load_n(&pacer->pace.full_min_bytes, __ATOMIC_RELAXED);
    uint64_t trigger = UINT64_MAX;
    if (growth_pct) {
        trigger = live + live / 100 * growth_pct;
        if (trigger < min_bytes)
            trigger = min_bytes;
    }
    __atomic_store_n(&pacer->full_trigger_bytes, trigger, __ATOMIC_RELAXED);
}

static uint64_t pacer_live_bytes(struct sgc_heap *heap)
{
    uint64_t live = 0;
    SGC_LIST_FOR_EACH (link, &heap->caches) { /* at a stop nobody changes the list */
        struct sgc_cache_stats stats;
        sgc_cache_stats(SGC_LIST_ENTRY(link, struct sgc_cache, heap_link), &stats);
        live += stats.live_bytes;
    }
    return live;
}

void sgc_pacer_collected(struct sgc_heap *heap, enum sgc_collect_kind kind)
{
    struct sgc_pacer *pacer = &heap->pacer;
    const uint64_t live = pacer_live_bytes(heap);
    __atomic_store_n(&pacer->live_bytes, live, __ATOMIC_RELAXED);
    __atomic_store_n(&pacer->since_minor_bytes, 0, __ATOMIC_RELAXED);
    uint32_t minor = 1;
    if (kind == SGC_COLLECT_FULL)
        __atomic_store_n(&pacer->requested, 0, __ATOMIC_RELAXED);
    else /* a full one stays asked for until it comes: who asked will not ask again */
        __atomic_compare_exchange_n(&pacer->requested, &minor, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    const int64_t external = __atomic_load_n(&heap->external_bytes, __ATOMIC_RELAXED);
    if (kind == SGC_COLLECT_FULL)
        pacer_set_trigger(heap, live + (external > 0 ? (uint64_t)external : 0));
}

/* The host service; any thread, also from ops->open. */
void sgc_pacer_set(struct sgc_heap *heap, const struct sgc_pace *pace)
{
    SGC_GUARD(&heap->lock); /* against others that set it; the poll reads without */
    __atomic_store_n(&heap->pacer.pace.minor_bytes, pace->minor_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->pacer.pace.full_growth_pct, pace->full_growth_pct, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->pacer.pace.full_min_bytes, pace->full_min_bytes, __ATOMIC_RELAXED);
    pacer_set_trigger(heap, __atomic_load_n(&heap->pacer.live_bytes, __ATOMIC_RELAXED));
}

void sgc_pacer_request(struct sgc_heap *heap, enum sgc_collect_kind kind)
{
    const uint32_t wanted = kind == SGC_COLLECT_FULL ? 2 : 1;
    uint32_t requested = __atomic_load_n(&heap->pacer.requested, __ATOMIC_RELAXED);
    while (requested < wanted && !__atomic_compare_exchange_n(&heap->pacer.requested, &requested, wanted, true,
                                                              __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

void sgc_account(struct sgc_heap *heap, int64_t bytes)
{
    /* pairs with record.c's stores; asked again in a call */
    if (sgc_unlikely(__atomic_load_n(&heap->record_index, __ATOMIC_RELAXED)))
        sgc_record_account(heap, bytes);
    __atomic_fetch_add(&heap->external_bytes, bytes, __ATOMIC_RELAXED);
    if (bytes > 0)
        sgc_pacer_allocated(heap, (uint64_t)bytes);
}
