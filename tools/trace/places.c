/* places.c - which object was made last at a place.
 * Called by events.c. A hash table with linear probing; entries are replaced, never taken out, so it holds one entry
 * for each place that was ever an object's. */
#include "tools/trace/internal.h"

#include <errno.h>
#include <stdlib.h>

struct place {
    uint64_t place, number; /* number: TRACE_UNKNOWN: free */
};
struct trace_places {
    struct place *table;
    uint64_t mask, n;
};

static struct place *places_table(uint64_t n)
{
    struct place *table = malloc(n * sizeof(*table));
    for (uint64_t i = 0; table && i < n; i++)
        table[i].number = TRACE_UNKNOWN;
    return table;
}

struct trace_places *trace_places_create(void)
{
    struct trace_places *places = malloc(sizeof(*places));
    if (!places)
        return NULL;
    *places = (struct trace_places){.mask = 4095};
    places->table = places_table(places->mask + 1);
    if (places->table)
        return places;
    free(places);
    return NULL;
}

/* Multiplicative hashing (Knuth); places of neighbours spread, which linear probing wants. */
static struct place *places_entry(const struct trace_places *places, uint64_t place)
{
    uint64_t i = (place * UINT64_C(0x9e3779b97f4a7c15)) >> 20;
    for (;; i++) {
        struct place *entry = &places->table[i & places->mask];
        if (entry->number == TRACE_UNKNOWN || entry->place == place)
            return entry;
    }
}

uint64_t trace_places_find(const struct trace_places *places, uint64_t place)
{
    return places_entry(places, place)->number;
}

static int places_grow(struct trace_places *places)
{
    const struct trace_places old = *places;
    struct place *table = places_table(2 * (old.mask + 1));
    if (!table)
        return -ENOMEM;
    *places = (struct trace_places){table, 2 * old.mask + 1, old.n};
    for (uint64_t i = 0; i <= old.mask; i++)
        if (old.table[i].number != TRACE_UNKNOWN)
            *places_entry(places, old.table[i].place) = old.table[i];
    free(old.table);
    return 0;
}

int trace_places_set(struct trace_places *places, uint64_t place, uint64_t number)
{
    struct place *entry = places_entry(places, place);
    if (entry->number == TRACE_UNKNOWN) {
        if (places->n >= places->mask / 2) {
            if (places_grow(places))
                return -ENOMEM;
            entry = places_entry(places, place);
        }
        places->n++;
    }
    *entry = (struct place){place, number};
    return 0;
}

void trace_places_destroy(struct trace_places *places)
{
    if (places)
        free(places->table);
    free(places);
}
