/* weak.c - weak references: handles outside the heap, and the table that leads from an object to its weak names.
 * Called by programs (create, get, destroy) and by death.c and trace_finish.c (bury).
 * The table: buckets of linked entries, keyed by address. It grows, and works on with longer chains where the OS
 *   refuses a larger array.
 * Invariants: those of weak_table.h. A handle's object is not reclaimed: bury clears the handle first. get takes its
 *   hold inside a section and under the lock, so that it precedes the bury, whether that comes at a stop (which waits
 *   for the section) or in another section (which needs the lock). A cleared handle is in no table and knows no heap.
 * Lock: table->lock, rank WEAK; taken inside sections for some instructions; strategies are called without it. */
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/heap/weak_table.h"
#include "core/os/meta.h"

#include <errno.h>

#define WEAK_BUCKETS_MIN 64

int sgc_weak_table_init(struct sgc_weak_table *table)
{
    sgc_lock_init(&table->lock, SGC_RANK_WEAK, "weak table");
    return 0; /* buckets come with the first entry */
}

static size_t weak_bucket(const struct sgc_weak_table *table, const void *object)
{
    return sgc_hash64((uintptr_t)object >> SGC_GRANULE_SHIFT) & (table->n_buckets - 1);
}

struct sgc_weak_entry *sgc_weak_entry_find(const struct sgc_weak_table *table, const void *object)
{
    if (table->n_buckets == 0)
        return NULL;
    struct sgc_weak_entry *entry = table->buckets[weak_bucket(table, object)];
    while (entry && entry->object != object)
        entry = entry->next;
    return entry;
}

/* To the given number of buckets, if the OS agrees. */
static void weak_table_resize(struct sgc_weak_table *table, size_t n_buckets)
{
    struct sgc_weak_entry **buckets = sgc_meta_alloc(n_buckets * sizeof(*buckets));
    if (!buckets)
        return;
    struct sgc_weak_table old = {.buckets = table->buckets, .n_buckets = table->n_buckets};
    table->buckets = buckets;
    table->n_buckets = n_buckets;
    for (size_t i = 0; i < old.n_buckets; i++) {
        for (struct sgc_weak_entry *entry = old.buckets[i], *next; entry; entry = next) {
            struct sgc_weak_entry **bucket = &buckets[weak_bucket(table, entry->object)];
            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    sgc_meta_free(old.buckets, old.n_buckets * sizeof(*old.buckets));
}

struct sgc_weak_entry *sgc_weak_entry_make(struct sgc_weak_table *table, void *object)
{
    struct sgc_weak_entry *entry = sgc_weak_entry_find(table, object);
    if (entry)
        return entry;
    if (table->n_entries >= table->n_buckets)
        weak_table_resize(table, table->n_buckets ? table->n_buckets * 2 : WEAK_BUCKETS_MIN);
    if (table->n_buckets == 0)
        return NULL;
    entry = sgc_meta_alloc(sizeof(*entry));
    if (!entry)
        return NULL;
    struct sgc_weak_entry **bucket = &table->buckets[weak_bucket(table, object)];
    *entry = (struct sgc_weak_entry){.object = object, .next = *bucket};
    *bucket = entry;
    table->n_entries++;
    __atomic_fetch_or(sgc_state_byte(&sgc_counts, object), SGC_STATE_WATCHED,
                      __ATOMIC_RELEASE); /* pairs with bury's acquire */
    return entry;
}

void sgc_weak_entry_tidy(struct sgc_weak_table *table, struct sgc_weak_entry *entry)
{
    if (entry->weaks || entry->ephemerons)
        return;
    struct sgc_weak_entry **place = &table->buckets[weak_bucket(table, entry->object)];
    while (*place != entry)
        place = &(*place)->next;
    *place = entry->next;
    table->n_entries--;
    __atomic_fetch_and(sgc_state_byte(&sgc_counts, entry->object), (uint8_t)~SGC_STATE_WATCHED, __ATOMIC_RELAXED);
    sgc_meta_free(entry, sizeof(*entry));
    if (table->n_buckets > WEAK_BUCKETS_MIN && table->n_entries < table->n_buckets / 8)
        weak_table_resize(table, table->n_buckets / 2);
}

bool sgc_weak_try_hold(const struct sgc_heap *heap, void *object)
{
    if ((sgc_counts_references(heap) || sgc_object_cache(object)->managed_manual) && !SGC_TEST_MUTANT("weak-blind"))
        return sgc_count_increment_unless_zero(object);
    sgc_count_increment(&sgc_counts, object, sgc_solo);
    return true;
}

/* ---- handles */

static int weak_register(struct sgc_heap *heap, struct sgc_weak *weak)
{
    struct sgc_weak_table *table = &heap->weak;
    SGC_GUARD(&table->lock);
    struct sgc_weak_entry *entry = sgc_weak_entry_make(table, weak->object);
    if (!entry)
        return -ENOMEM;
    weak->next = entry->weaks;
    weak->link = &entry->weaks;
    if (weak->next)
        weak->next->link = &weak->next;
    entry->weaks = weak;
    return 0;
}

struct sgc_weak *sgc_weak_create(void *object)
{
    struct sgc_heap *heap = NULL;
    if (sgc_is_object(object)) {
        heap = sgc_slot_check(object, "sgc_weak_create")->class_->cache->heap;
        if (!(heap->plugin->capabilities & SGC_NEED_WEAK)) {
            errno = ENOTSUP;
            return NULL;
        }
    }
    struct sgc_weak *weak = sgc_meta_alloc(sizeof(*weak));
    if (!weak)
        return NULL;
    *weak = (struct sgc_weak){.object = object, .heap = heap};
    if (!heap)
        return weak; /* NULL or an immediate: for ever what it is */
    SGC_SHORT_SECTION_BEGIN(context);
    const int rc = weak_register(heap, weak);
    if (rc == 0 && sgc_recording_all() && heap->record_index) {
        sgc_weak_record(weak, true);
        sgc_record_weak_new(weak);
    }
    SGC_SHORT_SECTION_END(context);
    if (rc < 0) {
        sgc_meta_free(weak, sizeof(*weak));
        errno = ENOMEM;
        return NULL;
    }
    return weak;
}

/* NULL: the handle was cleared, or never named an object of a heap; then its object does not change any more. Or a
 * recording runs. In a section. */
static struct sgc_heap *weak_heap(const struct sgc_weak *weak)
{
    return __atomic_load_n(&weak->heap, __ATOMIC_ACQUIRE); /* pairs with the release in weak_clear_some */
}

void sgc_weak_record(struct sgc_weak *weak, bool on)
{
    if (on) {
        weak->number = sgc_record_take_handle();
        weak->recorded = weak->heap;
        __atomic_store_n(&weak->heap, NULL, __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(&weak->heap, weak->recorded, __ATOMIC_RELAXED);
        weak->recorded = NULL;
    }
}

/* In the call that the get began, which ends here. */
static SGC_NOINLINE void *weak_get_recorded(struct sgc_context *context, struct sgc_weak *weak, bool outermost_)
{
    struct sgc_heap *heap = __atomic_load_n(&weak->recorded, __ATOMIC_ACQUIRE); /* as weak_heap */
    void *object;
    if (heap) {
        sgc_lock_acquire(&heap->weak.lock);
        object = weak->object;
        if (object && !sgc_weak_try_hold(heap, object))
            object = NULL;
        sgc_lock_release(&heap->weak.lock);
    } else {
        object = weak->object; /* does not change any more */
    }
    sgc_record_weak_get(weak, object); /* the object is held, so its end comes later */
    SGC_SHORT_SECTION_END(context);
    return object;
}

static inline __attribute__((always_inline)) void *weak_get_in_call(struct sgc_context *context, struct sgc_weak *weak,
                                                                    const bool outermost_)
{
    struct sgc_heap *heap = weak_heap(weak);
    if (sgc_unlikely(!heap))
        return weak_get_recorded(context, weak, outermost_);
    sgc_lock_acquire(&heap->weak.lock);
    void *object = weak->object;
    if (object && !sgc_weak_try_hold(heap, object))
        object = NULL;
    sgc_lock_release(&heap->weak.lock);
    SGC_SHORT_SECTION_END(context);
    return object;
}

void *sgc_weak_get(struct sgc_weak *weak)
{
    struct sgc_context *const context = &sgc_context_;
    if (!weak)
        return NULL;
    if (sgc_unlikely(!context->thread))
        sgc_section_attach();
    return sgc_call_begin(context) ? weak_get_in_call(context, weak, true) : weak_get_in_call(context, weak, false);
}

/* Table lock held; the entry is tidied by the caller. */
static void weak_unlink_locked(struct sgc_weak *weak)
{
    *weak->link = weak->next;
    if (weak->next)
        weak->next->link = weak->link;
    weak->next = NULL;
    weak->link = NULL;
}

void sgc_weak_destroy(struct sgc_weak *weak)
{
    if (!weak)
        return;
    SGC_SHORT_SECTION_BEGIN(context);
    struct sgc_heap *recorded = __atomic_load_n(&weak->recorded, __ATOMIC_ACQUIRE);
    struct sgc_heap *heap = recorded ? recorded : weak_heap(weak);
    sgc_record_weak_free(weak);
    if (heap) {
        struct sgc_weak_table *table = &heap->weak;
        sgc_lock_acquire(&table->lock);
        if (weak->object) {
            weak_unlink_locked(weak);
            sgc_weak_entry_tidy(table, sgc_weak_entry_find(table, weak->object));
        }
        sgc_lock_release(&table->lock);
    }
    SGC_SHORT_SECTION_END(context);
    sgc_meta_free(weak, sizeof(*weak));
}

/* ---- death */

/* Clears the handles, and breaks one ephemeron of this key: its value, to be released without the lock. False: nothing
 * names the object any more. */
static bool weak_clear_some(struct sgc_heap *heap, void *object, void **value)
{
    struct sgc_weak_table *table = &heap->weak;
    uint64_t n_cleared = 0;
    SGC_GUARD(&table->lock);
    struct sgc_weak_entry *entry = sgc_weak_entry_find(table, object);
    if (!entry)
        return false;
    while (entry->weaks) {
        struct sgc_weak *weak = entry->weaks;
        weak_unlink_locked(weak);
        weak->object = NULL;
        /* One of the two is set. Pairs with weak_heap: in no table now, it may outlive the heap; and whoever finds it
           cleared may free it, so this is the last touch. */
        __atomic_store_n(weak->recorded ? &weak->recorded : &weak->heap, NULL, __ATOMIC_RELEASE);
        n_cleared++;
    }
    if (n_cleared)
        __atomic_fetch_add(&heap->stats.n_weak_cleared, n_cleared, __ATOMIC_RELAXED);
    struct sgc_ephemeron *ephemeron = entry->ephemerons;
    *value = ephemeron ? ephemeron->value : NULL;
    if (ephemeron) {
        sgc_ephemeron_unlink_locked(table, ephemeron);
        __atomic_store_n(&ephemeron->value, NULL, __ATOMIC_RELAXED);
    }
    sgc_weak_entry_tidy(table, entry);
    return ephemeron != NULL;
}

void sgc_weak_bury(struct sgc_heap *heap, void *object)
{
    if (__atomic_load_n(sgc_state_byte(&sgc_counts, object), __ATOMIC_ACQUIRE) & SGC_STATE_WATCHED) {
        void *value;
        while (weak_clear_some(heap, object, &value))
            /* references to objects of manual types carry no claim */
            if (sgc_is_object(value) && sgc_counts_references(heap) && !sgc_object_cache(value)->managed_manual)
                sgc_decrement_now(value);
    }
    if (sgc_object_is_ephemeron(object))
        sgc_ephemeron_bury(heap, object);
}

void sgc_weak_table_fini(struct sgc_heap *heap)
{
    struct sgc_weak_table *table = &heap->weak;
    for (size_t i = 0; i < table->n_buckets; i++) {
        for (struct sgc_weak_entry *entry = table->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            for (struct sgc_weak *weak = entry->weaks, *other; weak; weak = other) {
                other = weak->next;
                *weak = (struct sgc_weak){0};
            }
            sgc_meta_free(entry, sizeof(*entry));
        }
    }
    sgc_meta_free(table->buckets, table->n_buckets * sizeof(*table->buckets));
    table->buckets = NULL;
    table->n_buckets = table->n_entries = table->n_ephemerons = 0;
    sgc_lock_fini(&table->lock);
}
