/* page_set.c - see page_set.h. Linear probing; nothing is ever taken out but everything at once.
 * Neighbouring pages go to slots far apart, by a multiplication (2^64 / golden ratio). Each size of table has an order
 * of its own: else the pages of one table, taken in its order and put into a smaller one that grows, would all begin in
 * a corner of it. */
#include "plugins/counting/page_set.h"

#define SET_SLOTS_MIN 64

static size_t set_home(const struct sgc_page_set *set, uintptr_t page)
{
    const uint64_t order = set->n_slots * UINT64_C(0xd1342543de82ef95) >> 24;
    return (page ^ order) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - __builtin_ctzll(set->n_slots));
}

/* The page's slot, or the empty one where it would go. */
static uintptr_t *set_slot(const struct sgc_page_set *set, uintptr_t page)
{
    size_t i = set_home(set, page);
    while (set->slots[i] && set->slots[i] != page)
        i = (i + 1) & (set->n_slots - 1);
    return &set->slots[i];
}

static bool set_grow(const struct sgc_host *host, struct sgc_page_set *set)
{
    struct sgc_page_set bigger = {.n_slots = set->n_slots ? set->n_slots * 2 : SET_SLOTS_MIN, .n = set->n};
    bigger.slots = host->alloc(bigger.n_slots * sizeof(*bigger.slots));
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < set->n_slots; i++)
        if (set->slots[i])
            *set_slot(&bigger, set->slots[i]) = set->slots[i];
    sgc_page_set_fini(host, set);
    *set = bigger;
    return true;
}

bool sgc_page_set_add(const struct sgc_host *host, struct sgc_page_set *set, uintptr_t page)
{
    if (!sgc_page_set_has(set, page)) {
        if ((set->n + 1) * 3 > set->n_slots * 2 && !set_grow(host, set))
            return false;
        *set_slot(set, page) = page;
        set->n++;
    }
    set->last = page;
    return true;
}

bool sgc_page_set_has(const struct sgc_page_set *set, uintptr_t page)
{
    return set->n && *set_slot(set, page) == page;
}

bool sgc_page_set_merge(const struct sgc_host *host, struct sgc_page_set *set, const struct sgc_page_set *other)
{
    bool whole = true;
    for (size_t i = 0; i < other->n_slots; i++)
        if (other->slots[i])
            whole &= sgc_page_set_add(host, set, other->slots[i]);
    return whole;
}

void sgc_page_set_fini(const struct sgc_host *host, struct sgc_page_set *set)
{
    if (set->slots)
        host->free(set->slots, set->n_slots * sizeof(*set->slots));
    *set = (struct sgc_page_set){0};
}
