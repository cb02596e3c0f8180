/* inspect_paths.c - breadth-first from the held objects: the shortest path to an object, and what is on none.
 * Called through inspect.h, at a stop.
 * Invariant: queue[0 .. n_reached) are the objects reached, each once, nearer ones first; reached[slot] is 1 + the
 *   place in it; from[place] leads back to a held object.
 * An ephemeron reaches its value when both it and its key are reached, whichever is last: looked at when the ephemeron
 *   comes out of the queue, and when the key does. So the value's place is as far as the farther of the two, and its
 *   path leads through the ephemeron.
 * Memory: 4 bytes a slot and 12 an object. Locks: the weak table's, inside sgc_ephemerons_of. */
#include "core/heap/inspect_slots.h"
#include "core/heap/weak_table.h"
#include "core/os/meta.h"

#include <errno.h>
#include <stddef.h>

/* ---- the search */

void sgc_inspect_end_search(struct sgc_inspect *inspect)
{
    sgc_meta_free(inspect->reached, (inspect->n_slots + 1) * sizeof(*inspect->reached));
    sgc_meta_free(inspect->queue, (inspect->n_objects + 1) * sizeof(*inspect->queue));
    sgc_meta_free(inspect->from, (inspect->n_objects + 1) * sizeof(*inspect->from));
    inspect->reached = inspect->from = NULL;
    inspect->queue = NULL;
    inspect->n_reached = 0;
}

static int search_begin(struct sgc_inspect *inspect, struct sgc_error *error)
{
    sgc_inspect_end_search(inspect);
    inspect->reached = sgc_meta_alloc((inspect->n_slots + 1) * sizeof(*inspect->reached));
    inspect->queue = sgc_meta_alloc((inspect->n_objects + 1) * sizeof(*inspect->queue));
    inspect->from = sgc_meta_alloc((inspect->n_objects + 1) * sizeof(*inspect->from));
    if (inspect->reached && inspect->queue && inspect->from)
        return 0;
    sgc_inspect_end_search(inspect);
    return sgc_error_set(error, -ENOMEM, "heap %s: no memory to search its objects", inspect->heap->name);
}

static bool search_has(const struct sgc_inspect *inspect, const void *object)
{
    size_t slot;
    return sgc_inspect_slot(inspect, object, &slot) && inspect->reached[slot] != 0;
}

static void search_reach(struct sgc_inspect *inspect, void *object, uint32_t from)
{
    size_t slot;
    if (!sgc_is_object(object) || !sgc_inspect_slot(inspect, object, &slot) || inspect->reached[slot] != 0)
        return;
    inspect->queue[inspect->n_reached] = object;
    inspect->from[inspect->n_reached] = from;
    inspect->reached[slot] = (uint32_t)++inspect->n_reached;
}

static int search_held(void *arg, void *object)
{
    struct sgc_inspect *inspect = arg;
    if (sgc_inspect_holds(inspect, object) > 0)
        search_reach(inspect, object, 0);
    return 0;
}

struct scan {
    struct sgc_inspect *inspect;
    uint32_t from; /* 1 + place of the object that is looked at */
};

static void scan_place(void *visitor, void **place)
{
    const struct scan *scan = visitor;
    search_reach(scan->inspect, *place, scan->from);
}

/* A key that is no object of the strategy's cannot be found dead. */
static bool key_lives(const struct sgc_inspect *inspect, const void *key)
{
    size_t slot;
    return key && (!sgc_is_object(key) || !sgc_inspect_slot(inspect, key, &slot) || inspect->reached[slot] != 0);
}

static void scan_ephemeron_of(void *visitor, void *ephemeron, void *value)
{
    const struct scan *scan = visitor;
    size_t slot;
    if (search_has(scan->inspect, ephemeron) && sgc_inspect_slot(scan->inspect, ephemeron, &slot))
        search_reach(scan->inspect, value, scan->inspect->reached[slot]);
}

static void search_scan(struct sgc_inspect *inspect, size_t place)
{
    void *object = inspect->queue[place];
    struct scan scan = {inspect, (uint32_t)place + 1};
    if (sgc_object_is_ephemeron(object)) {
        const struct sgc_ephemeron *ephemeron = object;
        if (key_lives(inspect, ephemeron->key))
            search_reach(inspect, ephemeron->value, scan.from);
    } else if (sgc_object_cache(object)->has_references) {
        sgc_object_visit(object, scan_place, &scan);
    }
    if (*sgc_state_byte(&sgc_counts, object) & SGC_STATE_WATCHED)
        sgc_ephemerons_of(object, scan_ephemeron_of, &scan);
}

/* Ends when `object` is reached; NULL: when all is. */
static int search_run(struct sgc_inspect *inspect, const void *object, struct sgc_error *error)
{
    const int rc = search_begin(inspect, error);
    if (rc < 0)
        return rc;
    (void)sgc_inspect_walk(inspect, NULL, search_held, inspect);
    for (size_t place = 0; place < inspect->n_reached && !(object && search_has(inspect, object)); place++)
        search_scan(inspect, place);
    return 0;
}

/* ---- a path */

struct find_field {
    const void *owner, *target;
    int64_t offset;
};

static void find_field_place(void *visitor, void **place)
{
    struct find_field *find = visitor;
    const int64_t offset = (const char *)place - (const char *)find->owner;
    if (find->offset < 0 && *place == find->target && offset >= 0 && (size_t)offset < sgc_object_bytes(find->owner))
        find->offset = offset;
}

static int64_t field_offset(void *owner, const void *target)
{
    struct find_field find = {owner, target, -1};
    if (sgc_object_is_ephemeron(owner))
        return offsetof(struct sgc_ephemeron, value);
    sgc_object_visit(owner, find_field_place, &find);
    return find.offset;
}

int sgc_inspect_why(struct sgc_inspect *inspect, const void *object, struct sgc_inspect_step **steps, size_t *n_steps,
                    struct sgc_error *error)
{
    size_t slot, n = 0;
    const int rc = search_run(inspect, object, error);
    *steps = NULL;
    *n_steps = 0;
    if (rc < 0 || !search_has(inspect, object))
        return rc;
    sgc_inspect_slot(inspect, object, &slot);
    for (uint32_t at = inspect->reached[slot]; at != 0; at = inspect->from[at - 1])
        n++;
    struct sgc_inspect_step *path = sgc_meta_alloc(n * sizeof(*path));
    if (!path)
        return sgc_error_set(error, -ENOMEM, "heap %s: no memory for a path of %zu objects", inspect->heap->name, n);
    uint32_t at = inspect->reached[slot];
    for (size_t i = n; i-- > 0; at = inspect->from[at - 1]) {
        path[i].object = inspect->queue[at - 1];
        path[i].n_holds = sgc_inspect_holds(inspect, path[i].object);
        path[i].field_offset = i + 1 < n ? field_offset(path[i].object, path[i + 1].object) : -1;
    }
    *steps = path;
    *n_steps = n;
    return 0;
}

/* ---- what is on no path, and what is held */

struct count_leaks {
    struct sgc_inspect *inspect;
    struct sgc_inspect_leaks *leaks;
    int (*visit)(void *arg, const struct sgc_inspect_leaks *leaks);
    void *arg;
};

/* The last entry takes what finds no other room. */
static void leaks_add_site(struct sgc_inspect_leaks *leaks, const void *object, uint64_t bytes)
{
    const uintptr_t address = (uintptr_t)sgc_arena.site_bias[(uintptr_t)object >> SGC_GRANULE_SHIFT];
    unsigned i = 0;
    while (i < leaks->n_sites && leaks->sites[i].address != address)
        i++;
    if (i == leaks->n_sites && i < SGC_INSPECT_SITES)
        leaks->sites[leaks->n_sites++] = (struct sgc_inspect_site){.address = i < SGC_INSPECT_SITES - 1 ? address : 0};
    struct sgc_inspect_site *site = &leaks->sites[i < SGC_INSPECT_SITES ? i : SGC_INSPECT_SITES - 1];
    site->n++;
    site->bytes += bytes;
}

static void leaks_sort_sites(struct sgc_inspect_leaks *leaks)
{
    for (unsigned i = 1; i < leaks->n_sites; i++) {
        const struct sgc_inspect_site site = leaks->sites[i];
        unsigned at = i;
        for (; at > 0 && site.address && leaks->sites[at - 1].n < site.n; at--)
            leaks->sites[at] = leaks->sites[at - 1];
        leaks->sites[at] = site;
    }
}

static void leaks_add_held(struct sgc_inspect_leaks *leaks, void *object, uint64_t bytes)
{
    unsigned at = leaks->n_held < SGC_INSPECT_HELD ? (unsigned)leaks->n_held : SGC_INSPECT_HELD;
    leaks->n_held++;
    leaks->held_bytes += bytes;
    if (leaks->cache->debug & SGC_DEBUG_TRACK)
        leaks_add_site(leaks, object, bytes);
    if (at == SGC_INSPECT_HELD && object > leaks->held[at - 1])
        return;
    at -= at == SGC_INSPECT_HELD; /* the last one makes room */
    for (; at > 0 && leaks->held[at - 1] > object; at--)
        leaks->held[at] = leaks->held[at - 1];
    leaks->held[at] = object;
}

static int leaks_object(void *arg, void *object)
{
    const struct count_leaks *count = arg;
    struct sgc_inspect_leaks *leaks = count->leaks;
    const uint64_t bytes = sgc_object_bytes(object);
    if (!leaks->cache->managed_manual && !search_has(count->inspect, object)) {
        leaks->n_unreachable++;
        leaks->unreachable_bytes += bytes;
    } else if (!(leaks->cache->type->flags & SGC_TYPE_IMMORTAL) &&
               (leaks->cache->managed_manual || sgc_inspect_holds(count->inspect, object) > 0)) {
        leaks_add_held(leaks, object, bytes);
    }
    return 0;
}

static int leaks_cache(void *arg, struct sgc_cache *cache)
{
    struct count_leaks *count = arg;
    *count->leaks = (struct sgc_inspect_leaks){.cache = cache};
    (void)sgc_inspect_walk(count->inspect, cache, leaks_object, count);
    leaks_sort_sites(count->leaks);
    return count->leaks->n_unreachable + count->leaks->n_held ? count->visit(count->arg, count->leaks) : 0;
}

int sgc_inspect_leaks(struct sgc_inspect *inspect, int (*visit)(void *arg, const struct sgc_inspect_leaks *leaks),
                      void *arg, struct sgc_error *error)
{
    struct sgc_inspect_leaks leaks;
    struct count_leaks count = {inspect, &leaks, visit, arg};
    const int rc = search_run(inspect, NULL, error);
    return rc < 0 ? rc : sgc_cache_for_each(inspect->heap, leaks_cache, &count);
}
