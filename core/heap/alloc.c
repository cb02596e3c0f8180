/* alloc.c - making managed objects.
 * Called by programs. Fast path: section, pop from the thread's window, zero, count 1, state byte, leave. Slow path at
 * rest: back-pressure, pacer, refill, and before NULL an emergency collection and the shrinkers; in a section: refill
 * up to the hard limit, nothing else (contract, clause 5).
 * No stop comes between the pop and the count: both are inside one section. */
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/os/meta.h"
#include "core/stats/events.h"
#include <errno.h>
#include <string.h>

typedef uint64_t granule_t __attribute__((vector_size(SGC_GRANULE_BYTES), may_alias));

/* bytes: a multiple of a granule, one at least. Both ends first, which is all of a small object. */
static inline void alloc_zero(void *object, size_t bytes)
{
    granule_t *granule = object, *const last = (granule_t *)((char *)object + bytes) - 1;
    *granule = *last = (granule_t){0, 0};
    while (++granule < last) {
        *granule = (granule_t){0, 0};
        __asm__ volatile("" : "+r"(granule)); /* else gcc makes `rep stos` of it, whose start costs 30 cycles */
    }
}

static inline void alloc_publish(struct sgc_cache *cache, void *object, uint8_t count)
{
    __atomic_store_n(sgc_count_byte(&sgc_counts, object), count, __ATOMIC_RELAXED);
    __atomic_store_n(sgc_state_byte(&sgc_counts, object), cache->new_state, __ATOMIC_RELAXED);
}

/* Types with a constructor, a finalizer, debug checks, no death, or a size that memset clears better. NULL: the slot
 * went back. */
static SGC_NOINLINE void *alloc_special(struct sgc_cache *cache, void *object, const void *site)
{
    const struct sgc_type *type = cache->type;
    const size_t bytes = sgc_object_bytes(object);
    if (cache->managed_manual && !(__atomic_load_n(&cache->mixed, __ATOMIC_RELAXED) & SGC_CACHE_MIXED)) {
        const bool special = sgc_cache_is_special(cache);
        sgc_cache_mix(cache);
        /* several threads write the same */
        __atomic_store_n(&cache->special, special, __ATOMIC_RELAXED);
        __atomic_store_n(&cache->new_index, special ? 0 : cache->classes[0]->index, __ATOMIC_RELAXED);
    }
    if (type->finalize && sgc_finalizer_reserve(cache->heap) < 0) {
        sgc_slot_free(object);
        errno = ENOMEM;
        return NULL;
    }
    if (cache->debug)
        sgc_debug_on_alloc(cache, object, bytes, site);
    if (!type->ctor && (cache->debug || sgc_slab_of(object)->slot_bytes)) /* a large object's pages are zero already */
        memset(object, 0, bytes);
    alloc_publish(cache, object, type->flags & SGC_TYPE_IMMORTAL ? 2 : 1);
    return sgc_unlikely(cache->record_index) ? sgc_record_made(cache, object) : object;
}

/* One attempt, in a section. Tells the pacer what left the slabs. */
static void *alloc_take(struct sgc_cache *cache, struct sgc_class *class_, size_t large_bytes)
{
    if (!class_) {
        void *object = sgc_large_alloc(cache, large_bytes);
        if (object)
            sgc_pacer_allocated(cache->heap, large_bytes);
        return object;
    }
    void *object = sgc_front_pop(sgc_front_of(class_)); /* another attempt may have filled the window */
    if (object)
        return object;
    object = sgc_front_refill(class_);
    if (object)
        sgc_pacer_allocated(cache->heap, class_->slot_bytes
                                             ? (uint64_t)(sgc_front_of(class_)->n + 1) * class_->slot_bytes
                                             : sgc_object_bytes(object));
    return object;
}

static void *alloc_take_at_rest(struct sgc_context *context, struct sgc_cache *cache, struct sgc_class *class_,
                                size_t large_bytes)
{
    context->soft_limit = 1;
    void *object = alloc_take(cache, class_, large_bytes);
    context->soft_limit = 0;
    return object;
}

/* Leaves the call for the strategy's back-pressure and for a collection that is due; back in a call on return. */
static void alloc_pay(struct sgc_context *context, struct sgc_heap *heap)
{
    uint32_t *n_rest_calls = &heap->n_rest_calls[heap->n_switches & 1];
    __atomic_fetch_add(n_rest_calls, 1, __ATOMIC_ACQ_REL); /* pairs with the wait in switch.c: self stays valid */
    const struct sgc_strategy_ops *ops = heap->ops;
    void *self = heap->self;
    sgc_call_end(context);
    ops->before_alloc(self);
    __atomic_fetch_sub(n_rest_calls, 1, __ATOMIC_RELEASE);
    const int due = sgc_pacer_poll(heap);
    if (due >= 0)
        sgc_collect(heap, (enum sgc_collect_kind)due, SGC_REASON_PACE);
    sgc_call_begin(context);
}

/* In a section the heap overdraws; the collection that falls due meanwhile runs when the section has ended. */
static void alloc_note_due(struct sgc_context *context, struct sgc_heap *heap)
{
    if (sgc_pacer_poll(heap) < 0)
        return;
    context->thread->due_heap = heap;
    context->rest_pending |= SGC_REST_COLLECT;
}

/* It is the heap's own limit that refuses, not the OS. */
static void alloc_note_limit(const struct sgc_heap *heap, size_t wanted)
{
    const uint64_t limit = __atomic_load_n(&heap->budget.soft_bytes, __ATOMIC_RELAXED),
                   used = __atomic_load_n(&heap->budget.used_bytes, __ATOMIC_RELAXED);
    if (limit && used + wanted > limit)
        sgc_event_record(SGC_EVENT_LIMIT, heap->name, limit, used, wanted, 0);
}

/* Memory ran out at rest: a full collection, then whatever the program can give back, then another. */
static SGC_COLD void *alloc_emergency(struct sgc_context *context, struct sgc_cache *cache, struct sgc_class *class_,
                                      size_t large_bytes)
{
    struct sgc_heap *heap = cache->heap;
    const size_t wanted = class_ && class_->slot_bytes ? SGC_SLAB_BYTES
                          : class_                     ? cache->type->size_bytes
                                                       : large_bytes;
    alloc_note_limit(heap, wanted);
    for (unsigned round = 0; round < 2; round++) {
        sgc_call_end(context);
        sgc_event_record(SGC_EVENT_EMERGENCY, heap->name, wanted,
                         __atomic_load_n(&heap->budget.used_bytes, __ATOMIC_RELAXED), 0, 0);
        const bool shrunk = round == 0 || sgc_shrinkers_run(heap, wanted) > 0;
        if (shrunk)
            sgc_collect(heap, SGC_COLLECT_FULL, SGC_REASON_EMERGENCY);
        sgc_region_shrink();
        sgc_call_begin(context);
        void *object = alloc_take_at_rest(context, cache, class_, large_bytes);
        if (object)
            return object;
    }
    return NULL;
}

static SGC_NOINLINE void *alloc_slow(struct sgc_cache *cache, struct sgc_class *class_, size_t large_bytes,
                                     bool at_rest)
{
    struct sgc_context *context = &sgc_context_;
    void *object;
    if (at_rest) {
        alloc_pay(context, cache->heap);
        object = alloc_take_at_rest(context, cache, class_, large_bytes);
        if (!object)
            object = alloc_emergency(context, cache, class_, large_bytes);
    } else {
        alloc_note_due(context, cache->heap);
        object = alloc_take(cache, class_, large_bytes);
    }
    if (!object)
        errno = ENOMEM;
    return object;
}

/* Everything but the fast path, inside a call or section; outermost: the call is this allocation's, and ends here.
 * class_ NULL: a large object of the given bytes. */
static SGC_NOINLINE void *alloc_general(struct sgc_cache *cache, struct sgc_class *class_, size_t large_bytes,
                                        const void *site, bool outermost_)
{
    struct sgc_context *const context = &sgc_context_;
    void *object = class_ ? sgc_front_pop(sgc_front_of(class_)) : NULL;
    if (!object)
        object = alloc_slow(cache, class_, large_bytes, outermost_);
    if (object && __atomic_load_n(&cache->special, __ATOMIC_RELAXED)) {
        object = alloc_special(cache, object, site);
    } else if (object) {
        if (class_ && class_->slot_bytes) /* the pages of large objects are zero already */
            alloc_zero(object, class_->object_bytes);
        alloc_publish(cache, object, 1);
    }
    SGC_SHORT_SECTION_END(context);
    return object;
}

static SGC_NOINLINE void *alloc_enter(struct sgc_cache *cache, struct sgc_class *class_, size_t large_bytes,
                                      const void *site)
{
    if (!sgc_context_.thread && sgc_thread_attach() < 0) {
        errno = ENOMEM;
        return NULL;
    }
    return alloc_general(cache, class_, large_bytes, site, sgc_call_begin(&sgc_context_));
}

/* The fast path makes no call, so it saves no register: whatever is not plain goes to alloc_general as a whole. */
void *sgc_new(struct sgc_cache *cache)
{
    struct sgc_context *context = &sgc_context_;
    struct sgc_front **fronts = context->fronts;
    const bool outermost = !(context->depth | context->busy);
    if (sgc_unlikely(!fronts || (outermost && !sgc_call_try(context))))
        return alloc_enter(cache, cache->classes[0], 0, __builtin_return_address(0));
    void *object = sgc_front_pop(fronts[__atomic_load_n(&cache->new_index, __ATOMIC_RELAXED)]);
    if (sgc_unlikely(!object))
        return alloc_general(cache, cache->classes[0], 0, __builtin_return_address(0), outermost);
    alloc_zero(object, cache->zero_bytes);
    alloc_publish(cache, object, 1);
    if (outermost)
        sgc_call_end(context);
    return object;
}

void *sgc_new_n(struct sgc_cache *cache, size_t n)
{
    size_t bytes = 0;
    struct sgc_class *class_ = sgc_class_for(cache, n, &bytes);
    if (sgc_unlikely(!class_ && bytes == 0))
        return NULL; /* errno says which: too large, or no memory for a new size class */
    /* pairs with record.c's stores, as in sgc_heap_collect */
    if (sgc_unlikely(__atomic_load_n(&cache->record_index, __ATOMIC_RELAXED)) && sgc_context_.thread) {
        sgc_context_.thread->record_elements = n + 1; /* a recording that begins or ends meanwhile does without */
        void *object = alloc_enter(cache, class_, bytes, __builtin_return_address(0));
        sgc_context_.thread->record_elements = 0;
        return object;
    }
    return alloc_enter(cache, class_, bytes, __builtin_return_address(0));
}

/* One attempt, in a call at rest. */
static int reserve_take(struct sgc_context *context, struct sgc_cache *cache, size_t n)
{
    context->soft_limit = 1;
    int rc = sgc_front_reserve(cache->classes[0], n);
    context->soft_limit = 0;
    if (rc == 0 && cache->type->finalize)
        rc = sgc_finalizer_make_room(cache->heap, n);
    return rc;
}

int sgc_reserve(struct sgc_cache *cache, size_t n)
{
    struct sgc_context *context = &sgc_context_;
    if (context->depth != 0)
        sgc_panic("sgc_reserve: called inside a section; reserve before entering it");
    if (!context->thread && sgc_thread_attach() < 0)
        return -ENOMEM;
    sgc_call_begin(context);
    alloc_pay(context, cache->heap);
    int rc = reserve_take(context, cache, n);
    if (rc < 0) {
        sgc_call_end(context);
        sgc_collect(cache->heap, SGC_COLLECT_FULL, SGC_REASON_EMERGENCY);
        sgc_shrinkers_run(cache->heap, n * cache->classes[0]->slot_bytes);
        sgc_call_begin(context);
        rc = reserve_take(context, cache, n);
    }
    sgc_call_end(context);
    return rc;
}
