/* verify.c - checks every invariant of a heap, at a stop: regions, caches, debug checks, then what this layer promises,
 *   then the strategy's own. The first violation is reported, each with its own text; a test for each breaks just that.
 * Called by programs (sgc_heap_verify), by stress modes and by tests.
 * References of a dead object that the collector has claimed are not looked at: it is on its way out and its claims are
 *   being given back. A dead object that nobody noticed yet is treated as live: it may refer only to objects that are
 *   not reclaimed.
 * Locks: none of its own. */
#include "core/heap/verify.h"

#include "core/heap/section.h"
#include "core/heap/trace.h"
#include "core/heap/weak_table.h"
#include "core/os/pages.h"

#include <errno.h>
#include <stdio.h>

static SGC_COLD void verify_note(struct sgc_verify *verify, const char *where, const char *format, va_list args)
{
    char text[SGC_ERROR_MESSAGE_BYTES / 2];
    if (verify->rc != 0)
        return;
    vsnprintf(text, sizeof(text), format, args);
    verify->rc = sgc_error_set(verify->error, -EUCLEAN, "heap %s: %s%s", verify->heap->name, where, text);
}

void sgc_verify_fail(struct sgc_verify *verify, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    verify_note(verify, "", format, args);
    va_end(args);
}

void sgc_verify_fail_object(struct sgc_verify *verify, const void *object, const char *format, ...)
{
    char where[160];
    va_list args;
    snprintf(where, sizeof(where), "cache %s: object #%llu: ", sgc_object_cache(object)->name,
             (unsigned long long)sgc_id(object));
    va_start(args, format);
    verify_note(verify, where, format, args);
    va_end(args);
}

static uint8_t verify_count_byte(const void *object)
{
    return *sgc_count_byte(&sgc_counts, object);
}

enum sgc_verify_target sgc_verify_target(const struct sgc_heap *heap, const void *address)
{
    if (!sgc_arena_contains(address) || (uintptr_t)address % SGC_GRANULE_BYTES != 0)
        return SGC_TARGET_NONE;
    const struct sgc_slab *slab = sgc_slab_of(address);
    if (slab->back_slabs != 0 || !slab->class_)
        return SGC_TARGET_NONE;
    const unsigned granule = sgc_slab_granule(address);
    const uint64_t bit = UINT64_C(1) << (granule & 63);
    if (slab->slot_bytes == 0 ? granule != 0 : !(slab->class_->slot_mask[granule / 64] & bit))
        return SGC_TARGET_NONE;
    if (slab->class_->cache->heap != heap)
        return SGC_TARGET_FOREIGN;
    const uint64_t free =
        sgc_slab_words(slab, SGC_KIND_FREE)[granule / 64] | sgc_slab_words(slab, SGC_KIND_REMOTE)[granule / 64];
    if (free & bit)
        return SGC_TARGET_RECLAIMED;
    return verify_count_byte(address) == SGC_COUNT_DEAD ? SGC_TARGET_DEAD : SGC_TARGET_LIVE;
}

/* ---- caches and slabs. core/cache checks lists, bitmaps, counters, and that free slots have neither count nor mark;
 * here: metadata where no slot begins */

static void verify_slab(void *arg, struct sgc_slab *slab)
{
    struct sgc_verify *verify = arg;
    static const uint64_t large_mask[SGC_SLAB_WORDS] = {1};
    const uint64_t *slots = slab->slot_bytes ? slab->class_->slot_mask : large_mask;
    const uint64_t *marks = slab->kinds & SGC_KIND_BIT(SGC_KIND_MARK) ? sgc_slab_words(slab, SGC_KIND_MARK) : slots;
    const uint8_t *counts = sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(slab));
    for (unsigned granule = 0; granule < SGC_SLAB_GRANULES && verify->rc == 0; granule++) {
        if (slots[granule / 64] >> (granule & 63) & 1)
            continue;
        if (counts[granule] != 0)
            sgc_verify_fail(verify, "cache %s: slab %zu has a count where no object begins (granule %u)",
                            slab->class_->cache->name, sgc_slab_number(slab), granule);
        if (marks[granule / 64] >> (granule & 63) & 1)
            sgc_verify_fail(verify, "cache %s: slab %zu has a mark where no object begins (granule %u)",
                            slab->class_->cache->name, sgc_slab_number(slab), granule);
    }
    if (slab->class_->cache->managed_manual)
        return;
    const size_t number = sgc_slab_number(slab);
    const size_t end = verify->first_slab + verify->n_slabs;
    const size_t new_first = verify->n_slabs == 0 || number < verify->first_slab ? number : verify->first_slab;
    const size_t new_end = verify->n_slabs == 0 || number >= end ? number + 1 : end;
    verify->first_slab = new_first;
    verify->n_slabs = new_end - new_first;
}

static void verify_caches(struct sgc_verify *verify)
{
    SGC_LIST_FOR_EACH (link, &verify->heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        verify->rc = sgc_cache_verify(cache, verify->error);
        if (verify->rc == 0)
            verify->rc = sgc_debug_verify(cache, verify->error);
        if (verify->rc != 0) {
            sgc_error_prefix(verify->error, "heap %s", verify->heap->name);
            return;
        }
        sgc_cache_visit_slabs(cache, verify_slab, verify);
        if (verify->rc != 0)
            return;
    }
}

/* ---- references and counts */

static uint32_t *verify_incoming(const struct sgc_verify *verify, const void *object)
{
    const size_t slab = sgc_slab_number(sgc_slab_of(object)) - verify->first_slab;
    return &verify->incoming[slab * SGC_SLAB_GRANULES + sgc_slab_granule(object)];
}

static void verify_place(void *visitor, void **place)
{
    struct sgc_verify *verify = visitor;
    void *target = *place;
    const size_t offset =
        (size_t)((char *)place -
                 (char *)verify->object); /* of a declared field; a trace callback may give a place elsewhere */
    if (!sgc_is_object(target))
        return;
    switch (sgc_verify_target(verify->heap, target)) {
    case SGC_TARGET_NONE:
        sgc_verify_fail_object(verify, verify->object, "the reference at byte %zu points to no object", offset);
        return;
    case SGC_TARGET_FOREIGN:
        sgc_verify_fail_object(verify, verify->object, "the reference at byte %zu points into heap %s", offset,
                               sgc_object_heap(target)->name);
        return;
    case SGC_TARGET_RECLAIMED:
        sgc_verify_fail_object(verify, verify->object, "the reference at byte %zu points to a reclaimed object",
                               offset);
        return;
    case SGC_TARGET_DEAD:
        sgc_verify_fail_object(verify, verify->object, "the reference at byte %zu points to a dead object", offset);
        return;
    case SGC_TARGET_LIVE:
        if (verify->incoming && !sgc_object_cache(target)->managed_manual)
            ++*verify_incoming(verify, target);
    }
}

static void verify_object(void *arg, void *object)
{
    struct sgc_verify *verify = arg;
    const struct sgc_cache *cache = sgc_object_cache(object);
    const uint8_t state = *sgc_state_byte(&sgc_counts, object), fixed = SGC_STATE_COUNTED | SGC_STATE_DEFER;
    /* where readers take no lock, an object that was shared has lost the bit (store.c) */
    const bool shared =
        (verify->heap->plugin->capabilities & SGC_NEED_CONCURRENT_READERS) && !(state & SGC_STATE_DEFER);
    if (verify->rc != 0 || verify_count_byte(object) == SGC_COUNT_DEAD)
        return;
    if (((state ^ cache->new_state) & fixed) && (!shared || ((state ^ cache->new_state) & SGC_STATE_COUNTED)))
        sgc_verify_fail_object(verify, object, "its state byte is 0x%02x, a new object's 0x%02x: core's bits differ",
                               state, cache->new_state);
    if ((state & SGC_STATE_WATCHED) && !sgc_weak_entry_find(&verify->heap->weak, object))
        sgc_verify_fail_object(verify, object, "it is watched, but nothing names it weakly");
    if (!cache->has_references)
        return;
    verify->object = object;
    sgc_object_visit(object, verify_place, verify);
}

static void verify_object_count(void *arg, void *object)
{
    struct sgc_verify *verify = arg;
    const uint64_t count = sgc_counts.value(object);
    if (verify->rc == 0 && count < *verify_incoming(verify, object)) /* UINT64_MAX when dead */
        sgc_verify_fail_object(verify, object, "its count is %llu, but %u references and claims lead to it",
                               (unsigned long long)count, *verify_incoming(verify, object));
}

static void verify_queue_claims(struct sgc_verify *verify)
{
    const struct sgc_finalizer_queue *queue = &verify->heap->finalizers;
    for (size_t i = 0; i < queue->n; i++) {
        const void *object = queue->objects[(queue->head + i) % queue->capacity];
        if (!sgc_object_cache(object)->managed_manual)
            ++*verify_incoming(verify, object);
    }
}

static void verify_objects(struct sgc_verify *verify)
{
    const size_t bytes = verify->n_slabs * SGC_SLAB_GRANULES * sizeof(*verify->incoming);
    const bool recount = sgc_counts_references(verify->heap) && verify->n_slabs > 0;
    if (recount && !(verify->incoming = sgc_os_map(bytes))) { /* touched only where there are objects */
        verify->rc = sgc_error_set(verify->error, -ENOMEM, "heap %s: no memory to count its references again",
                                   verify->heap->name);
        return;
    }
    sgc_heap_walk_stopped(verify->heap, false, verify_object, verify);
    if (recount) {
        verify_queue_claims(verify);
        sgc_heap_walk_stopped(verify->heap, false, verify_object_count, verify);
        sgc_os_unmap(verify->incoming, bytes);
    }
}

/* ---- the whole */

int sgc_heap_verify_stopped(struct sgc_heap *heap, struct sgc_error *error)
{
    struct sgc_verify verify = {.heap = heap, .error = error};
    if (heap->trace)
        sgc_verify_fail(&verify, "a trace was begun and not swept");
    if (verify.rc == 0 && (verify.rc = sgc_region_verify(error)) != 0)
        sgc_error_prefix(error, "heap %s", heap->name);
    if (verify.rc == 0)
        verify_caches(&verify);
    if (verify.rc == 0)
        sgc_verify_tables(&verify);
    if (verify.rc == 0)
        verify_objects(&verify);
    /* Decrements that the strategy never heard of (decrement.c found no memory): its lists are whole again after the
     * next collection, which is a full one. Counts, slots and tables are whole in any case. */
    const bool told_all = __atomic_load_n(&heap->lost_decrements, __ATOMIC_RELAXED) == 0;
    if (verify.rc == 0 && told_all && (verify.rc = heap->ops->verify(heap->self, error)) != 0)
        sgc_error_prefix(error, "heap %s: strategy %s", heap->name, heap->plugin->name);
    return verify.rc;
}

int sgc_heap_verify(struct sgc_heap *heap, struct sgc_error *error)
{
    struct sgc_stop stop;
    if (sgc_unlikely(sgc_context_.depth != 0))
        sgc_panic("sgc_heap_verify: called inside a section");
    if (!sgc_context_.thread)
        sgc_section_attach();
    sgc_stop_begin(&stop, heap);
    sgc_heap_flush(heap);
    const int rc = sgc_heap_verify_stopped(heap, error);
    sgc_stop_end(&stop);
    return rc;
}
