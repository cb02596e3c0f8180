/* ephemeron.c - ephemerons: objects that keep their value alive as long as both their key and they themselves live.
 * Called by programs (new, key, value), by weak.c when a key dies, by trace.c, by counting strategies through the host.
 * An ephemeron is an object of a cache of core's own, one per heap, made on first use. It is listed in the weak table
 *   under its key, so that the key's death finds it. Key and value never change but to NULL, both at once, when the
 *   key dies.
 * Claims: under SGC_CAP_COUNTS_REFERENCES an unbroken ephemeron has one claim on its value, like a field, and none on
 *   its key. Whoever takes it out of the key's list releases the claim: weak.c when the key dies, the strategy by way
 *   of visit_references when the ephemeron dies first. The table's lock decides which of the two.
 * Lock: table->lock, rank WEAK. Source: Hayes, OOPSLA 1997. */
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/heap/weak_table.h"

#include <errno.h>

static void ephemeron_trace(void *object, sgc_visit_fn *visit, void *visitor)
{
    struct sgc_ephemeron *ephemeron = object;
    visit(visitor, &ephemeron->value);
}

const struct sgc_type sgc_ephemeron_type = {
    .name = "slabgc.ephemeron", /* a dot: no C type of a program is called that */
    .size_bytes = sizeof(struct sgc_ephemeron),
    .align_bytes = SGC_GRANULE_BYTES,
    .trace = ephemeron_trace,
};

/* Two threads may both be first: the second finds the name taken and the cache in the list. */
static SGC_COLD struct sgc_cache *ephemeron_cache_make(struct sgc_heap *heap)
{
    struct sgc_error error;
    struct sgc_cache *cache = sgc_cache_create(heap, &sgc_ephemeron_type, &error);
    if (!cache && error.code != -EEXIST) {
        errno = -error.code;
        return NULL;
    }
    SGC_GUARD(&heap->lock);
    SGC_LIST_FOR_EACH (link, &heap->caches)
        if (SGC_LIST_ENTRY(link, struct sgc_cache, heap_link)->type == &sgc_ephemeron_type)
            cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
    __atomic_store_n(&heap->ephemerons, cache, __ATOMIC_RELEASE); /* pairs with the acquire in sgc_ephemeron_new */
    return cache;
}

static int ephemeron_register(struct sgc_heap *heap, struct sgc_ephemeron *ephemeron, void *key)
{
    struct sgc_weak_table *table = &heap->weak;
    SGC_GUARD(&table->lock);
    struct sgc_weak_entry *entry = sgc_weak_entry_make(table, key);
    if (!entry)
        return -ENOMEM;
    ephemeron->key = key;
    ephemeron->next_of_key = entry->ephemerons;
    ephemeron->link = &entry->ephemerons;
    if (ephemeron->next_of_key)
        ephemeron->next_of_key->link = &ephemeron->next_of_key;
    entry->ephemerons = ephemeron;
    table->n_ephemerons++;
    return 0;
}

static void ephemeron_check_operand(const struct sgc_heap *heap, const void *object, const char *role)
{
    if (!sgc_is_object(object))
        return;
    const struct sgc_heap *other = sgc_slot_check(object, "sgc_ephemeron_new")->class_->cache->heap;
    if (sgc_unlikely(other != heap))
        sgc_panic("sgc_ephemeron_new: the %s %p belongs to heap %s, not to heap %s", role, object, other->name,
                  heap->name);
}

/* In a section: from the allocation to the last store nothing ages the ephemeron. The value goes through the store
 * family, so that the strategy counts it or remembers the owner; it is stored first, because a key that dies right
 * after registering must find it. */
static struct sgc_ephemeron *ephemeron_make(struct sgc_heap *heap, struct sgc_cache *cache, void *key, void *value)
{
    struct sgc_ephemeron *ephemeron = sgc_new(cache);
    if (!ephemeron || !key)
        return ephemeron; /* a NULL key: broken from the start */
    sgc_store_(ephemeron, &ephemeron->value, value);
    if (!sgc_is_object(key)) {
        ephemeron->key = key; /* an immediate never dies */
        return ephemeron;
    }
    if (ephemeron_register(heap, ephemeron, key) == 0)
        return ephemeron;
    sgc_store_(ephemeron, &ephemeron->value, NULL);
    sgc_record_ephemeron(heap, ephemeron, NULL, NULL); /* its end will be recorded */
    sgc_drop(ephemeron);
    errno = ENOMEM;
    return NULL;
}

void *sgc_ephemeron_new(struct sgc_heap *heap, void *key, void *value)
{
    ephemeron_check_operand(heap, key, "key");
    ephemeron_check_operand(heap, value, "value");
    if (!(heap->plugin->capabilities & SGC_NEED_WEAK)) {
        errno = ENOTSUP;
        return NULL;
    }
    struct sgc_cache *cache = __atomic_load_n(&heap->ephemerons, __ATOMIC_ACQUIRE);
    if (!cache)
        cache = ephemeron_cache_make(heap);
    if (!cache)
        return NULL;
    if (sgc_context_.depth == 0 && sgc_reserve(cache, 1) < 0) {
        errno = ENOMEM;
        return NULL;
    }
    SGC_SHORT_SECTION_BEGIN(context);
    struct sgc_ephemeron *ephemeron = ephemeron_make(heap, cache, key, value);
    if (ephemeron)
        sgc_record_ephemeron(heap, ephemeron, key, key ? value : NULL);
    SGC_SHORT_SECTION_END(context);
    return ephemeron;
}

static struct sgc_heap *ephemeron_heap(const void *object, const char *call)
{
    struct sgc_cache *cache = sgc_slot_check(object, call)->class_->cache;
    if (sgc_unlikely(cache->type != &sgc_ephemeron_type))
        sgc_panic("%s: object %p of cache %s is no ephemeron", call, object, cache->name);
    return cache->heap;
}

void *sgc_ephemeron_key(void *object)
{
    struct sgc_heap *heap = ephemeron_heap(object, "sgc_ephemeron_key");
    struct sgc_ephemeron *ephemeron = object;
    SGC_SHORT_SECTION_BEGIN(context);
    sgc_lock_acquire(&heap->weak.lock);
    void *key = ephemeron->key;
    if (sgc_is_object(key) && !sgc_weak_try_hold(heap, key))
        key = NULL;
    sgc_lock_release(&heap->weak.lock);
    if (sgc_recording_all() && sgc_is_object(key))
        sgc_record_hold(key);
    SGC_SHORT_SECTION_END(context);
    return key;
}

/* A key whose count is 0 is dying, though not buried yet: the value is no longer to be had through it. */
static bool ephemeron_key_lives(const struct sgc_heap *heap, void *key)
{
    if (!sgc_is_object(key))
        return key != NULL;
    if (!sgc_counts_references(heap) && !sgc_object_cache(key)->managed_manual)
        return true;
    const uint8_t count = __atomic_load_n(sgc_count_byte(&sgc_counts, key), __ATOMIC_ACQUIRE);
    return count != 0 && count != SGC_COUNT_DEAD;
}

void *sgc_ephemeron_value(void *object)
{
    struct sgc_heap *heap = ephemeron_heap(object, "sgc_ephemeron_value");
    struct sgc_ephemeron *ephemeron = object;
    SGC_SHORT_SECTION_BEGIN(context);
    sgc_lock_acquire(&heap->weak.lock);
    void *value = ephemeron_key_lives(heap, ephemeron->key) ? ephemeron->value : NULL;
    if (sgc_is_object(value) && !sgc_weak_try_hold(heap, value))
        value = NULL;
    sgc_lock_release(&heap->weak.lock);
    if (sgc_recording_all() && sgc_is_object(value))
        sgc_record_hold(value);
    SGC_SHORT_SECTION_END(context);
    return value;
}

/* ---- death and tracing */

void sgc_ephemeron_unlink_locked(struct sgc_weak_table *table, struct sgc_ephemeron *ephemeron)
{
    *ephemeron->link = ephemeron->next_of_key;
    if (ephemeron->next_of_key)
        ephemeron->next_of_key->link = ephemeron->link;
    ephemeron->next_of_key = NULL;
    ephemeron->link = NULL;
    ephemeron->key = NULL;
    table->n_ephemerons--;
}

void sgc_ephemeron_bury(struct sgc_heap *heap, struct sgc_ephemeron *ephemeron)
{
    struct sgc_weak_table *table = &heap->weak;
    SGC_GUARD(&table->lock);
    void *key = ephemeron->key;
    if (!sgc_is_object(key))
        return;
    sgc_ephemeron_unlink_locked(table, ephemeron);
    sgc_weak_entry_tidy(table, sgc_weak_entry_find(table, key));
}

void sgc_ephemerons_of(void *key, void (*visit)(void *arg, void *ephemeron, void *value), void *arg)
{
    SGC_DCHECK(sgc_stop_is_mine()); /* so no lock, and visit may take any */
    struct sgc_weak_entry *entry = sgc_weak_entry_find(&sgc_object_heap(key)->weak, key);
    for (struct sgc_ephemeron *ephemeron = entry ? entry->ephemerons : NULL; ephemeron;
         ephemeron = ephemeron->next_of_key)
        visit(arg, ephemeron, ephemeron->value);
}
