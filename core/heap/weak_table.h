/* weak_table.h - the inside of a heap's weak table, shared by weak.c, ephemeron.c, trace.c and verify_tables.c.
 * Invariants, under the table's lock: an object has SGC_STATE_WATCHED exactly when it has an entry; an entry has a
 *   handle or an ephemeron; n_entries and n_ephemerons count entries and the ephemerons listed in them. */
#ifndef SLABGC_CORE_HEAP_WEAK_TABLE_H
#define SLABGC_CORE_HEAP_WEAK_TABLE_H

#include "core/heap/heap.h"

/* Everything that names an object weakly. */
struct sgc_weak_entry {
    void *object;
    struct sgc_weak_entry *next; /* same bucket */
    struct sgc_weak *weaks;
    struct sgc_ephemeron *ephemerons; /* whose key the object is */
};

/* The type of the heaps' own ephemeron caches; its trace callback enumerates the value. */
extern const struct sgc_type sgc_ephemeron_type;

/* All three: the table's lock is held. find: NULL when nothing names the object. make: finds or makes the entry and
 * sets SGC_STATE_WATCHED; NULL: no memory. tidy: removes an entry that lists nothing any more, and clears the bit. */
struct sgc_weak_entry *sgc_weak_entry_find(const struct sgc_weak_table *table, const void *object);
struct sgc_weak_entry *sgc_weak_entry_make(struct sgc_weak_table *table, void *object);
void sgc_weak_entry_tidy(struct sgc_weak_table *table, struct sgc_weak_entry *entry);

/* Does the heap's strategy count references, so that an object's count of 0 is its death? */
static inline bool sgc_counts_references(const struct sgc_heap *heap)
{
    return heap->plugin->capabilities & SGC_CAP_COUNTS_REFERENCES;
}
/* A handle of the table enters a recording, or leaves it: in the section that made it, or at a stop. */
void sgc_weak_record(struct sgc_weak *weak, bool on);
/* In a section, table lock held, object not buried: one more hold on it; false: it is dying. */
bool sgc_weak_try_hold(const struct sgc_heap *heap, void *object);

/* ephemeron.c, called by weak.c: takes an ephemeron out of its key's list, and breaks it (key and value become NULL).
 * Table lock held. */
void sgc_ephemeron_unlink_locked(struct sgc_weak_table *table, struct sgc_ephemeron *ephemeron);
/* Ephemeron.c: the ephemeron itself dies. Its value stays in place, for the strategy to release like any field. */
void sgc_ephemeron_bury(struct sgc_heap *heap, struct sgc_ephemeron *ephemeron);

#endif
