/* page_set.h - a set of pages: where the candidates are that a thread noted, or the heap has.
 * Used by candidates.c, collect.c and trial.c. A page is 4 KiB of addresses, small enough that looking for the
 * candidates among its objects costs some cache lines of state bytes, large enough that most notes of a thread fall on
 * the page of the one before.
 * Invariant: a page stands in at most one slot; at most two thirds of the slots are in use, so that a probe always
 * ends. Locks: none; a set has one owner at a time (candidates.c says who). */
#ifndef SLABGC_PLUGINS_COUNTING_PAGE_SET_H
#define SLABGC_PLUGINS_COUNTING_PAGE_SET_H

#include <slabgc/plugin.h>

#define SGC_PAGE_SHIFT 12
#define SGC_PAGE_GRANULES (1u << (SGC_PAGE_SHIFT - SGC_GRANULE_SHIFT))

struct sgc_page_set {
    uintptr_t *slots; /* page numbers (address >> SGC_PAGE_SHIFT), 0: empty; NULL: nothing allocated */
    size_t n_slots;   /* power of two */
    size_t n;         /* pages */
    uintptr_t last;   /* the page added last; 0: none */
};

static inline uintptr_t sgc_page_of(const void *object)
{
    return (uintptr_t)object >> SGC_PAGE_SHIFT;
}

/* Adds a page that may be there already. False: the OS refused memory and the set is as before. */
bool sgc_page_set_add(const struct sgc_host *host, struct sgc_page_set *set, uintptr_t page);
bool sgc_page_set_has(const struct sgc_page_set *set, uintptr_t page);
/* Adds all pages of another set. False: the OS refused memory; some were added. */
bool sgc_page_set_merge(const struct sgc_host *host, struct sgc_page_set *set, const struct sgc_page_set *other);
/* Empties the set and frees its memory. */
void sgc_page_set_fini(const struct sgc_host *host, struct sgc_page_set *set);

#endif
