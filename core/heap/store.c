/* store.c - the store family's slow paths, and root cells.
 * Called by the inline barrier (store.h) on a hit or at rest. Each call runs in a section, checks its operands, and
 * lets the strategy do the rest; an owner whose state byte asks for nothing gets the plain atomic form. Never blocks,
 * never collects.
 * A root cell is a hold kept in a cell: no registration, and its referent is a root by its count. */
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/heap/weak_table.h"

static SGC_COLD _Noreturn void store_foreign(const void *pointer, const char *role)
{
    sgc_panic("store: %s %p is not an object of any heap", role, pointer);
}

static SGC_COLD _Noreturn void store_across(const struct sgc_heap *heap, const void *owner,
                                            const struct sgc_heap *other, const void *value)
{
    sgc_panic("cross-heap store: owner %p of heap %s, value %p of heap %s", owner, sgc_heap_name(heap), value,
              sgc_heap_name(other));
}

/* The heap of a valid operand; panics with fixed text otherwise. */
static inline struct sgc_cache *store_cache(const void *object, const char *role)
{
    if (sgc_unlikely(!sgc_arena_covers(object)))
        store_foreign(object, role);
    const struct sgc_slab *slab = sgc_slab_head(sgc_slab_of(object));
    if (sgc_unlikely(!slab->class_))
        store_foreign(object, role);
    return slab->class_->cache;
}

/* False: it is foreign, or a recording runs. */
static inline bool store_owner_is_plain(const void *owner)
{
    if (sgc_unlikely(!sgc_is_object(owner)))
        sgc_panic("store: the owner is %s", owner ? "an immediate" : "NULL");
    return sgc_arena_covers_plainly(owner);
}

static inline struct sgc_heap *store_owner_heap(const void *owner)
{
    const struct sgc_slab *slab = sgc_slab_head(sgc_slab_of(owner));
    if (sgc_unlikely(!slab->class_))
        store_foreign(owner, "owner");
    return slab->class_->cache->heap;
}

static inline void store_check_value(const struct sgc_heap *heap, const void *owner, const void *value)
{
    if (!sgc_is_object(value))
        return;
    const struct sgc_cache *cache = store_cache(value, "value");
    if (sgc_unlikely(cache->heap != heap))
        store_across(heap, owner, cache->heap, value);
}

/* Does a store into this owner concern its strategy? */
static inline bool store_hits(const struct sgc_heap *heap, const void *owner)
{
    return __atomic_load_n(sgc_state_byte(&sgc_counts, owner), __ATOMIC_RELAXED) & heap->ops->store_mask;
}

static inline void store_checked(struct sgc_heap *heap, void *owner, void **field, void *value)
{
    if (store_hits(heap, owner))
        heap->ops->store(heap->self, owner, field, value);
    else
        __atomic_store_n(field, value, __ATOMIC_RELEASE); /* pairs with the acquire of sgc_get */
}

static inline void *exchange_checked(struct sgc_heap *heap, void *owner, void **field, void *value)
{
    if (store_hits(heap, owner))
        return heap->ops->exchange(heap->self, owner, field, value);
    void *old = __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL);
    /* Fields carry no claim here; the caller's hold is made inside the call, before anything can notice a death. */
    if (sgc_is_object(old))
        sgc_count_increment(&sgc_counts, old, sgc_solo);
    return old;
}

static inline bool compare_checked(struct sgc_heap *heap, void *owner, void **field, void *expected, void *desired)
{
    if (store_hits(heap, owner))
        return heap->ops->compare_exchange(heap->self, owner, field, expected, desired);
    return __atomic_compare_exchange_n(field, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* ---- the same while a recording runs, or the owner is none; in a section */

/* An ephemeron's fields are core's: it has an event of its own. */
static bool store_is_recorded(struct sgc_record_store *store, const struct sgc_heap *heap, void *owner, void **field)
{
    return !sgc_object_is_ephemeron(owner) && sgc_record_store_begin(store, heap, field);
}

static SGC_NOINLINE void store_recorded_shared(struct sgc_heap *heap, void *owner, void **field, void *value)
{
    struct sgc_record_store store;
    const bool recorded = sgc_record_store_begin(&store, heap, field);
    if (recorded)
        sgc_record_stored(&store, owner, field, value);
    store_checked(heap, owner, field, value);
    if (recorded)
        sgc_record_store_end(&store);
}

/* A value of another heap is seen where it would be without the recording. Each way ends with a call, so nothing is
 * kept for later: alone, nobody sees a plain store before its event; a strategy's may cause deaths, which come after.
 */
static SGC_NOINLINE void store_recorded(void *owner, void **field, void *value)
{
    const struct sgc_cache *cache = store_cache(owner, "owner");
    struct sgc_heap *heap = cache->heap;
    const bool hits = store_hits(heap, owner);
    if (hits)
        store_check_value(heap, owner, value);
    if (sgc_unlikely(!cache->record_index || cache->type == &sgc_ephemeron_type)) {
        store_checked(heap, owner, field, value);
    } else if (!sgc_solo) {
        store_recorded_shared(heap, owner, field, value);
    } else if (hits) {
        sgc_record_then_store(heap, owner, field, value);
    } else {
        __atomic_store_n(field, value, __ATOMIC_RELEASE); /* pairs with the acquire of sgc_get */
        sgc_record_stored_alone(owner, field, value);
    }
}

static SGC_NOINLINE void *exchange_recorded(void *owner, void **field, void *value)
{
    struct sgc_record_store store;
    struct sgc_heap *heap = store_cache(owner, "owner")->heap;
    store_check_value(heap, owner, value);
    const bool recorded = store_is_recorded(&store, heap, owner, field);
    void *old = exchange_checked(heap, owner, field, value);
    if (recorded) {
        sgc_record_exchanged(&store, owner, field, value, old);
        sgc_record_store_end(&store);
    }
    return old;
}

static SGC_NOINLINE bool compare_recorded(void *owner, void **field, void *expected, void *desired)
{
    struct sgc_record_store store;
    struct sgc_heap *heap = store_cache(owner, "owner")->heap;
    store_check_value(heap, owner, desired);
    const bool recorded = store_is_recorded(&store, heap, owner, field);
    const bool stored = compare_checked(heap, owner, field, expected, desired);
    if (recorded && stored)
        sgc_record_stored(&store, owner, field, desired);
    if (recorded)
        sgc_record_store_end(&store);
    return stored;
}

/* ---- */

/* Inside a section nothing is left to do after the last call of these, so they keep nothing and save no register. */
static inline __attribute__((always_inline)) void store_in_call(struct sgc_context *context, void *owner, void **field,
                                                                void *value, const bool outermost_)
{
    if (sgc_likely(store_owner_is_plain(owner))) {
        struct sgc_heap *heap = store_owner_heap(owner);
        store_check_value(heap, owner, value);
        store_checked(heap, owner, field, value);
    } else {
        store_recorded(owner, field, value);
    }
    SGC_SHORT_SECTION_END(context);
}

/* Two branches, as outermost_ must be a constant there: one call with the variable takes 7 instructions more. */
static SGC_NOINLINE void store_at_rest(void *owner, void **field, void *value)
{
    SGC_SHORT_SECTION_BEGIN(context);
    if (outermost_)
        store_in_call(context, owner, field, value, true);
    else
        store_in_call(context, owner, field, value, false);
}

static SGC_NOINLINE void store_general(void *owner, void **field, void *value)
{
    struct sgc_context *const context = &sgc_context_;
    if (sgc_likely(context->depth | context->busy)) /* attached, too */
        store_in_call(context, owner, field, value, false);
    else
        store_at_rest(owner, field, value);
}

/* At rest, an owner that asks for nothing: what the inline barrier would have done in a section. */
void sgc_store_slow_(void *owner, void **field, void *value)
{
    struct sgc_context *context = &sgc_context_;
    if (sgc_unlikely((context->depth | context->busy) || !context->thread || !sgc_arena_covers_plainly(owner) ||
                     !sgc_call_try(context))) {
        store_general(owner, field, value);
        return;
    }
    const bool plain = !(__atomic_load_n(sgc_state_byte(&sgc_counts, owner), __ATOMIC_RELAXED) & context->store_mask);
    if (plain)
        __atomic_store_n(field, value, __ATOMIC_RELEASE); /* pairs with the acquire of sgc_get */
    sgc_call_end(context);
    if (!plain)
        store_general(owner, field, value);
}

void *sgc_store_exchange_(void *owner, void **field, void *value)
{
    SGC_SHORT_SECTION_BEGIN(context);
    void *old;
    if (sgc_likely(store_owner_is_plain(owner))) {
        struct sgc_heap *heap = store_owner_heap(owner);
        store_check_value(heap, owner, value);
        old = exchange_checked(heap, owner, field, value);
    } else {
        old = exchange_recorded(owner, field, value);
    }
    SGC_SHORT_SECTION_END(context);
    return old;
}

bool sgc_store_compare_(void *owner, void **field, void *expected, void *desired)
{
    SGC_SHORT_SECTION_BEGIN(context);
    bool stored;
    if (sgc_likely(store_owner_is_plain(owner))) {
        struct sgc_heap *heap = store_owner_heap(owner);
        store_check_value(heap, owner, desired);
        stored = compare_checked(heap, owner, field, expected, desired);
    } else {
        stored = compare_recorded(owner, field, expected, desired);
    }
    SGC_SHORT_SECTION_END(context);
    return stored;
}

void sgc_store_bulk_(void *owner, void **fields, void *const *values, size_t n)
{
    SGC_SHORT_SECTION_BEGIN(context);
    if (sgc_unlikely(!sgc_is_object(owner)))
        sgc_panic("store: the owner is %s", owner ? "an immediate" : "NULL");
    struct sgc_heap *heap = store_cache(owner, "owner")->heap;
    for (size_t i = 0; i < n; i++) {
        store_check_value(heap, owner, values[i]);
        sgc_store_(owner, &fields[i], values[i]);
    }
    SGC_SHORT_SECTION_END(context);
}

/* A recording may have the bit for its own. */
static SGC_NOINLINE void root_unshared(const struct sgc_cache *cache, const void *value)
{
    if (!sgc_record_state(cache, cache->heap->ops))
        __atomic_fetch_and(sgc_state_byte(&sgc_counts, value), (uint8_t)~SGC_STATE_DEFER, __ATOMIC_RELAXED);
}

/* The value is held. Sections may read it from now on. Where they take no lock, SGC_STATE_DEFER has said that none can
 * have. */
static void root_share(const void *value)
{
    if (!sgc_is_object(value) ||
        !(__atomic_load_n(sgc_state_byte(&sgc_counts, value), __ATOMIC_RELAXED) & SGC_STATE_DEFER))
        return;
    const struct sgc_cache *cache = store_cache(value, "value");
    if (!cache->managed_manual && (cache->heap->plugin->capabilities & SGC_NEED_CONCURRENT_READERS))
        root_unshared(cache, value);
}

static inline __attribute__((always_inline)) void *root_exchange(struct sgc_context *context, struct sgc_root *root,
                                                                 void *value, const bool outermost_)
{
    sgc_hold(value);
    root_share(value);
    /* pairs with the acquire of sgc_root_get */
    void *old = __atomic_exchange_n(&root->reference, value, __ATOMIC_ACQ_REL);
    SGC_SHORT_SECTION_END(context);
    return old;
}

void *sgc_root_xchg(struct sgc_root *root, void *value)
{
    struct sgc_context *const context = &sgc_context_;
    if (sgc_unlikely(!context->thread))
        sgc_section_attach();
    return sgc_call_begin(context) ? root_exchange(context, root, value, true)
                                   : root_exchange(context, root, value, false);
}

void sgc_root_set(struct sgc_root *root, void *value)
{
    sgc_drop(sgc_root_xchg(root, value));
}
