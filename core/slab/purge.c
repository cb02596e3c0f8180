/* purge.c - memory of free slabs back to the OS: by decay, beyond a limit at once, all of it on demand.
 * Called by region.c when a run is freed, by the heap layer (decay, shrink) and by sgc_cache_shrink.
 * A region cools from the last time that a run of it was freed; busy regions are never purged by decay. Whole regions
 *   go first, as their metadata goes with them and they are the last to be chosen again. Purged memory stays
 *   committed: pages come back by being touched, and the process has no more mappings than before (vm.max_map_count).
 * Lock: regions.lock, held over madvise. A free purges at most PURGE_REGIONS_PER_FREE regions, so that no single call
 *   pays for all. */
#include "core/slab/purge.h"

#include "core/base/check.h"
#include "core/os/clock.h"
#include "core/os/pages.h"
#include "core/slab/region.h"

#define DECAY_NS INT64_C(1000000000) /* a program that frees and allocates the same memory once a second keeps it */
/* 16 MiB may stay resident however little is in use: start-up and small programs never return pages */
#define DIRTY_SLABS_MIN 256
#define DIRTY_SHARE 2 /* beyond: free memory at most a half of what is in use */
#define PURGE_REGIONS_PER_FREE 2
#define DECAY_REGIONS 8 /* purged at once, under one hold of the lock: 16 MiB, about a millisecond */
#define CHOOSE_LOOKS 16 /* bounds the time under the lock */

/* The clock was read before the lock was taken: another thread may have freed a run of the region since. */
static bool region_is_cool(const struct sgc_region *region, uint64_t now_ns)
{
    return (int64_t)(now_ns - region->freed_ns) >= DECAY_NS;
}

static size_t region_purge(struct sgc_region *region)
{
    const size_t number = (size_t)(region - sgc_regions.table);
    uint32_t left = region->free_mask & region->dirty_mask;
    size_t purged = 0;
    while (left) {
        const unsigned first = sgc_ctz64(left);
        const unsigned n = sgc_ctz64(~((uint64_t)left >> first));
        const uint32_t mask = region_mask(first, n);
        left &= ~mask;
        if (sgc_os_discard(sgc_slab_start(region_slab(number, first)), n * SGC_SLAB_BYTES) < 0)
            continue; /* refused: it stays dirty and resident */
        region->dirty_mask &= ~mask;
        purged += n;
    }
    sgc_regions.n_dirty_free -= purged;
    if (region->free_mask == REGION_ALL_FREE && region->dirty_mask == 0)
        sgc_arena_discard_metadata(number, region->kinds);
    if (!(region->free_mask & region->dirty_mask))
        sgc_list_remove(&region->cooling);
    return purged * SGC_SLAB_BYTES;
}

static uint64_t dirty_limit(void)
{
    const uint64_t share = sgc_regions.n_used / DIRTY_SHARE;
    return share > DIRTY_SLABS_MIN ? share : DIRTY_SLABS_MIN;
}

/* The region to purge when there is too much: of those that cooled longest one without runs, else the first. */
static struct sgc_region *purge_choose(void)
{
    unsigned looks = 0;
    SGC_LIST_FOR_EACH (at, &sgc_regions.cooling) {
        struct sgc_region *region = SGC_LIST_ENTRY(at, struct sgc_region, cooling);
        if (region->free_mask == REGION_ALL_FREE)
            return region;
        if (++looks == CHOOSE_LOOKS)
            break;
    }
    return SGC_LIST_ENTRY(sgc_regions.cooling.next, struct sgc_region, cooling);
}

void sgc_purge_surplus(uint64_t now_ns)
{
    for (unsigned i = 0; i < PURGE_REGIONS_PER_FREE; i++) {
        if (sgc_list_empty(&sgc_regions.cooling))
            return;
        struct sgc_region *region = SGC_LIST_ENTRY(sgc_regions.cooling.next, struct sgc_region, cooling);
        if (!region_is_cool(region, now_ns)) {
            if (sgc_regions.n_dirty_free <= dirty_limit())
                return;
            region = purge_choose();
        }
        if (region_purge(region) == 0)
            return; /* refused: not again in this call */
    }
}

size_t sgc_region_shrink(void)
{
    size_t bytes = 0;
    SGC_GUARD(&sgc_regions.lock);
    if (!sgc_arena.bytes)
        return 0;
    SGC_LIST_FOR_EACH_SAFE (at, &sgc_regions.cooling)
        bytes += region_purge(SGC_LIST_ENTRY(at, struct sgc_region, cooling));
    return bytes;
}

size_t sgc_region_decay_some(void)
{
    const uint64_t now_ns = sgc_os_now_ns();
    size_t bytes = 0;
    unsigned n = 0;
    SGC_GUARD(&sgc_regions.lock);
    if (!sgc_arena.bytes)
        return 0;
    SGC_LIST_FOR_EACH_SAFE (at, &sgc_regions.cooling) {
        struct sgc_region *region = SGC_LIST_ENTRY(at, struct sgc_region, cooling);
        if (n++ == DECAY_REGIONS || !region_is_cool(region, now_ns))
            break; /* the list is in order of freed_ns, nearly */
        bytes += region_purge(region);
    }
    return bytes;
}

size_t sgc_region_decay(void)
{
    size_t bytes = 0, some;
    while ((some = sgc_region_decay_some()) > 0)
        bytes += some;
    return bytes;
}
