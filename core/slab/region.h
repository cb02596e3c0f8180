/* region.h - what the files of core/slab share: regions, and the arena's metadata by slab number. Nobody else
 *   includes it. */
#ifndef SLABGC_CORE_SLAB_REGION_H
#define SLABGC_CORE_SLAB_REGION_H

#include "core/base/check.h"
#include "core/base/rank.h"
#include "core/slab/slab.h"

#define REGION_ALL_FREE UINT32_MAX /* SGC_SLABS_PER_REGION is 32: one bit of a word per slab */
_Static_assert(SGC_SLABS_PER_REGION == 32, "regions keep their slabs in 32-bit masks");

/* A region that was committed once; it stays so. Guarded by the region lock. */
struct sgc_region {
    struct sgc_list bucket;  /* regions.buckets[longest] */
    struct sgc_list cooling; /* regions.cooling while a free slab is dirty, else alone */
    uint64_t freed_ns;       /* when a run of it was freed last */
    uint32_t free_mask;      /* slab is in no run */
    uint32_t dirty_mask;     /* slab's memory may not read as zero; set while it is in a run */
    uint32_t kinds;          /* metadata committed here */
    uint8_t longest;         /* most free slabs in a row: the bucket */
};

/* Locked by region.lock. */
struct sgc_regions {
    struct sgc_lock lock;
    struct sgc_region *table; /* by region number */
    size_t n;                 /* regions committed: numbers 0 .. n - 1 */
    struct sgc_list buckets[SGC_SLABS_PER_REGION + 1];
    struct sgc_list cooling; /* regions with dirty free slabs, longest untouched first */
    uint64_t n_dirty_free;   /* slabs that are free and dirty, in all regions */
    uint64_t n_used;         /* slabs in runs */
    bool hidden;             /* sgc_region_hide */
};
extern SGC_INTERNAL struct sgc_regions sgc_regions;

/* arena.c. The region lock is held by the callers of commit. */
int sgc_arena_commit_regions(size_t first,
                             size_t n); /* data, descriptors, FREE, REMOTE; STATE readable: 0 or -ENOMEM */
int sgc_arena_commit_kind(size_t first, size_t n, enum sgc_kind kind); /* of n regions */
void sgc_arena_zero_metadata(const struct sgc_slab *first, size_t n_slabs, uint32_t kinds);
void sgc_arena_discard_metadata(size_t region,
                                uint32_t kinds); /* of a region without runs: it reads as zero before and after */

static inline struct sgc_slab *region_slab(size_t region, unsigned slab)
{
    return &sgc_arena.slabs[region * SGC_SLABS_PER_REGION + slab];
}
static inline size_t region_of_slab(const struct sgc_slab *slab)
{
    return sgc_slab_number(slab) / SGC_SLABS_PER_REGION;
}
static inline uint32_t region_mask(unsigned first, unsigned n) /* n <= 32 */
{
    return n == 0 ? 0 : (UINT32_MAX >> (SGC_SLABS_PER_REGION - n)) << first;
}

#endif
