/* inspect.c - the slabs of a heap, and what an address is (inspect.h).
 * Called in the child of a snapshot, by tests at a stop, and by the other inspect files.
 * Nothing that is found is trusted more than verify.c trusts it: a wild address ends in a message.
 * Locks: the heap's, inside sgc_cache_for_each, where all caches are visited: visits may take no lock of that rank. */
#include "core/heap/inspect.h"
#include "core/heap/trace.h"
#include "core/heap/verify.h"

#include <errno.h>

static int flush_cache(void *unused, struct sgc_cache *cache)
{
    (void)unused;
    sgc_cache_flush(cache);
    return 0;
}

void sgc_inspect_flush(struct sgc_heap *heap)
{
    (void)sgc_cache_for_each(heap, flush_cache, NULL);
}

/* ---- slabs */

struct map {
    int (*visit)(void *arg, const struct sgc_inspect_slab *slab);
    void *arg;
    int rc;
};

static void map_slab(void *arg, struct sgc_slab *slab)
{
    struct map *map = arg;
    uint64_t used[SGC_SLAB_WORDS];
    struct sgc_inspect_slab out = {.cache = slab->class_->cache,
                                   .address = sgc_slab_start(slab),
                                   .bytes = slab->n_slabs * SGC_SLAB_BYTES,
                                   .n_slots = 1,
                                   .n_used = 1,
                                   .used = {1}};
    if (map->rc != 0)
        return;
    if (slab->slot_bytes) {
        const unsigned step = slab->slot_bytes / SGC_GRANULE_BYTES;
        out.n_slots = slab->n_slots;
        out.n_used = 0;
        out.used[0] = 0;
        sgc_slab_used_words(slab, used);
        for (unsigned slot = 0; slot < out.n_slots; slot++) {
            const uint64_t bit = used[slot * step / 64] >> (slot * step % 64) & 1;
            out.used[slot / 64] |= bit << (slot % 64);
            out.n_used += (uint32_t)bit;
        }
    }
    map->rc = map->visit(map->arg, &out);
}

static int map_cache(void *arg, struct sgc_cache *cache)
{
    struct map *map = arg;
    sgc_cache_visit_slabs(cache, map_slab, map);
    return map->rc;
}

int sgc_inspect_map(struct sgc_heap *heap, struct sgc_cache *cache,
                    int (*visit)(void *arg, const struct sgc_inspect_slab *slab), void *arg)
{
    struct map map = {.visit = visit, .arg = arg};
    return cache ? map_cache(&map, cache) : sgc_cache_for_each(heap, map_cache, &map);
}

/* ---- addresses */

static bool slot_is_used(const struct sgc_slab *slab, const void *slot)
{
    uint64_t used[SGC_SLAB_WORDS];
    const unsigned granule = sgc_slab_granule(slot);
    sgc_slab_used_words(slab, used);
    return used[granule / 64] >> (granule % 64) & 1;
}

static int find_in_slab(const struct sgc_slab *slab, const void *address, void **object, struct sgc_error *error)
{
    const struct sgc_cache *cache = slab->class_->cache;
    char *start = sgc_slab_start(slab);
    const size_t offset = (size_t)((const char *)address - start);
    const size_t number = slab->slot_bytes ? offset / slab->slot_bytes : 0;
    char *slot = start + number * slab->slot_bytes;
    const size_t inside = (size_t)((const char *)address - slot);
    if (!cache->heap)
        return sgc_error_set(error, -EINVAL, "%p is memory of malloc (cache %s), which keeps no references", address,
                             cache->name);
    if (number >= slab->n_slots && slab->slot_bytes)
        return sgc_error_set(error, -EINVAL, "%p is no object: it lies behind the last slot of a slab of cache %s",
                             address, cache->name);
    if (slab->slot_bytes && !slot_is_used(slab, slot))
        return sgc_error_set(error, -EINVAL, "%p is no object: it lies in a free slot of cache %s", address,
                             cache->name);
    if (slab->kinds & SGC_KIND_BIT(SGC_KIND_COUNT) && sgc_counts.value(slot) == UINT64_MAX)
        return sgc_error_set(error, -EINVAL, "%p is an object of cache %s no longer: it is being reclaimed", address,
                             cache->name);
    if (inside != 0)
        return sgc_error_set(error, -EINVAL, "%p is no object: it lies %zu bytes inside object %p of cache %s", address,
                             inside, (void *)slot, cache->name);
    *object = slot;
    return 0;
}

int sgc_inspect_find(const void *address, void **object, struct sgc_error *error)
{
    const uintptr_t granule = (uintptr_t)address & ~(uintptr_t)(SGC_GRANULE_BYTES - 1);
    if (!sgc_arena_covers((const void *)granule))
        return sgc_error_set(error, -EINVAL, "%p is no object: no heap has memory there", address);
    const struct sgc_slab *slab = sgc_slab_head(sgc_slab_of(address));
    if (!slab->class_)
        return sgc_error_set(error, -EINVAL, "%p is no object: no cache uses the memory there", address);
    return find_in_slab(slab, address, object, error);
}
