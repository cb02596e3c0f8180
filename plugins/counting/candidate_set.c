/* candidate_set.c - see candidate_set.h. Linear probing, at most two thirds of the slots filled, graves instead of
 * moves. */
#include "plugins/counting/candidate_set.h"

#include "plugins/counting/hash.h"

#define SET_SLOTS_MIN 64
#define SET_GRAVE ((void *)1) /* an odd address: no object */

struct sgc_candidate_table {
    size_t n_slots; /* power of two */
    void *slots[];  /* NULL, SET_GRAVE or an object */
};

static size_t table_bytes(size_t n_slots)
{
    return sizeof(struct sgc_candidate_table) + n_slots * sizeof(void *);
}

static size_t table_home(const struct sgc_candidate_table *table, const void *object)
{
    return sgc_hash_pointer(object, table->n_slots);
}

/* The object's slot, or NULL. */
static void **table_find(struct sgc_candidate_table *table, const void *object)
{
    for (size_t i = table_home(table, object);; i = (i + 1) & (table->n_slots - 1)) {
        if (table->slots[i] == object)
            return &table->slots[i];
        if (!table->slots[i])
            return NULL;
    }
}

/* Slot for an object that is not there: there always is an empty one. */
static void **table_empty(struct sgc_candidate_table *table, const void *object)
{
    size_t i = table_home(table, object);
    while (table->slots[i])
        i = (i + 1) & (table->n_slots - 1);
    return &table->slots[i];
}

/* A table with room for as many objects again, without the graves. */
static bool set_rebuild(const struct sgc_host *host, struct sgc_candidate_set *set)
{
    size_t n_slots = SET_SLOTS_MIN;
    while (n_slots < set->n * 3)
        n_slots *= 2;
    struct sgc_candidate_table *table = host->alloc(table_bytes(n_slots)), *old = set->table;
    if (!table)
        return false;
    table->n_slots = n_slots;
    for (size_t i = 0; i < sgc_candidate_set_slots(set); i++) {
        void *object = sgc_candidate_set_at(set, i);
        if (object)
            *table_empty(table, object) = object;
    }
    set->table = table;
    set->n_filled = set->n;
    if (old)
        host->free(old, table_bytes(old->n_slots));
    return true;
}

bool sgc_candidate_set_add(const struct sgc_host *host, struct sgc_candidate_set *set, void *object)
{
    if (sgc_candidate_set_has(set, object))
        return true;
    if ((!set->table || (set->n_filled + 1) * 3 > set->table->n_slots * 2) && !set_rebuild(host, set))
        return false;
    *table_empty(set->table, object) = object;
    set->n++;
    set->n_filled++;
    return true;
}

bool sgc_candidate_set_remove(struct sgc_candidate_set *set, const void *object)
{
    void **slot = set->table ? table_find(set->table, object) : NULL;
    if (!slot)
        return false;
    *slot = SET_GRAVE;
    set->n--;
    return true;
}

bool sgc_candidate_set_has(const struct sgc_candidate_set *set, const void *object)
{
    return set->table && table_find(set->table, object);
}

void sgc_candidate_set_fini(const struct sgc_host *host, struct sgc_candidate_set *set)
{
    if (set->table)
        host->free(set->table, table_bytes(set->table->n_slots));
    *set = (struct sgc_candidate_set){.limit = set->limit};
}

size_t sgc_candidate_set_slots(const struct sgc_candidate_set *set)
{
    return set->table ? set->table->n_slots : 0;
}

void *sgc_candidate_set_at(const struct sgc_candidate_set *set, size_t slot)
{
    void *object = set->table->slots[slot];
    return object == SET_GRAVE ? NULL : object;
}
