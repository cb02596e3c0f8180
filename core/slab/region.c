/* region.c - regions of 32 slabs: which slabs are in runs, and the allocation and return of runs.
 * Called by core/cache through slab.h. Purging (memory back to the OS) is in purge.c, budgets are in budget.c.
 * Invariants (verified by verify.c): a region lies in the bucket of its longest row of free slabs; it is on the
 *   cooling list exactly while a free slab of it is dirty; n_dirty_free and n_used are the sums over all regions; a
 *   slab in use is dirty; metadata of free slabs is zero.
 * Policy: a run goes into the region with the shortest sufficient row of free slabs, of the first few there into the
 *   fullest, and within it onto memory that is resident already; so that whole regions empty and new pages are the
 *   last choice.
 * Lock: regions.lock (rank REGION). It is held over mprotect: growing is rare, and a failure leaves nothing half
 *   done. */
#include "core/slab/region.h"
#include "core/base/check.h"
#include "core/base/sanitize.h"
#include "core/os/clock.h"
#include "core/slab/budget.h"
#include "core/slab/purge.h"

#include <errno.h>
#include <string.h>

#define BUCKET_LOOKS 8 /* regions of one bucket that are compared: bounds the time under the lock */

struct sgc_regions sgc_regions = {.lock = SGC_LOCK_INIT(SGC_RANK_REGION, "region")};

static unsigned longest_row(uint32_t mask)
{
    unsigned n = 0;
    for (; mask; mask &= mask << 1)
        n++;
    return n;
}

/* Lowest place of n free slabs in a row: its first slab, or -1. */
static int row_find(uint32_t mask, unsigned n)
{
    uint32_t starts = mask;
    for (unsigned i = 1; i < n; i++)
        starts &= mask >> i;
    return starts ? (int)sgc_ctz64(starts) : -1;
}

/* After free_mask or dirty_mask changed. */
static void region_relist(struct sgc_region *region, bool freed)
{
    region->longest = (uint8_t)longest_row(region->free_mask);
    sgc_list_remove(&region->bucket);
    if (freed)
        sgc_list_push_back(&sgc_regions.buckets[region->longest], &region->bucket);
    else
        sgc_list_push_front(&sgc_regions.buckets[region->longest], &region->bucket);
    const bool dirty = region->free_mask & region->dirty_mask;
    if (!dirty || freed)
        sgc_list_remove(&region->cooling);
    if (dirty && freed)
        sgc_list_push_back(&sgc_regions.cooling, &region->cooling);
}

static void region_take(struct sgc_region *region, uint32_t mask)
{
    SGC_DCHECK((region->free_mask & mask) == mask);
    sgc_regions.n_dirty_free -= sgc_popcount64(region->dirty_mask & mask);
    sgc_regions.n_used += sgc_popcount64(mask);
    region->free_mask &= ~mask;
    region->dirty_mask |= mask;
    region_relist(region, false);
}

static void region_give(struct sgc_region *region, uint32_t mask, uint64_t now_ns)
{
    SGC_DCHECK((region->free_mask & mask) == 0);
    sgc_regions.n_dirty_free += sgc_popcount64(mask);
    sgc_regions.n_used -= sgc_popcount64(mask);
    region->free_mask |= mask;
    region->freed_ns = now_ns;
    region_relist(region, true);
}

static void regions_publish_plain(void)
{
    __atomic_store_n(&sgc_arena.plain_granules,
                     sgc_regions.hidden ? 0 : sgc_regions.n * (SGC_REGION_BYTES / SGC_GRANULE_BYTES),
                     __ATOMIC_RELEASE); /* pairs with sgc_arena_covers_plainly */
}

void sgc_region_hide(bool hidden)
{
    SGC_GUARD(&sgc_regions.lock);
    sgc_regions.hidden = hidden;
    regions_publish_plain();
}

/* Commits n regions behind the last. On failure what was committed stays so, unused. */
static int regions_grow(size_t n)
{
    const size_t first = sgc_regions.n;
    if (n > sgc_arena.bytes / SGC_REGION_BYTES - first || sgc_arena_commit_regions(first, n) < 0)
        return -ENOMEM;
    for (size_t i = first; i < first + n; i++) {
        struct sgc_region *region = &sgc_regions.table[i];
        region->free_mask = REGION_ALL_FREE;
        region->kinds = SGC_KIND_BIT(SGC_KIND_FREE) | SGC_KIND_BIT(SGC_KIND_REMOTE);
        sgc_list_init(&region->bucket);
        sgc_list_init(&region->cooling);
        region_relist(region, true);
    }
    SGC_ASAN_POISON(sgc_slab_start(region_slab(first, 0)), n * SGC_REGION_BYTES);
    SGC_LSAN_ROOT(sgc_slab_start(region_slab(first, 0)),
                  n * SGC_REGION_BYTES); /* objects may hold the program's malloc'ed memory */
    sgc_regions.n = first + n;
    __atomic_store_n(&sgc_arena.top_granules, sgc_regions.n * (SGC_REGION_BYTES / SGC_GRANULE_BYTES),
                     __ATOMIC_RELEASE); /* pairs with sgc_arena_covers */
    regions_publish_plain();
    return 0;
}

static int regions_add_kinds(size_t first, size_t n, uint32_t kinds)
{
    for (unsigned kind = 0; kind < SGC_N_KINDS; kind++) {
        if (!(kinds & SGC_KIND_BIT(kind)))
            continue;
        size_t missing = first;
        while (missing < first + n && sgc_regions.table[missing].kinds & SGC_KIND_BIT(kind))
            missing++;
        if (missing == first + n)
            continue;
        if (sgc_arena_commit_kind(missing, first + n - missing, kind) < 0)
            return -ENOMEM;
        for (size_t i = missing; i < first + n; i++)
            sgc_regions.table[i].kinds |= SGC_KIND_BIT(kind);
    }
    return 0;
}

/* Fewer free slabs first; among equals (whole regions, above all) the one with more memory that is resident. */
static unsigned region_score(const struct sgc_region *region, uint32_t kinds)
{
    return sgc_popcount64(region->free_mask) * 128 + sgc_popcount64(region->free_mask & ~region->dirty_mask) * 2 +
           ((kinds & ~region->kinds) != 0);
}

static struct sgc_region *region_pick(unsigned n_slabs, uint32_t kinds)
{
    for (unsigned row = n_slabs; row <= SGC_SLABS_PER_REGION; row++) {
        struct sgc_region *best = NULL;
        unsigned looks = 0;
        SGC_LIST_FOR_EACH (at, &sgc_regions.buckets[row]) {
            struct sgc_region *region = SGC_LIST_ENTRY(at, struct sgc_region, bucket);
            if (!best || region_score(region, kinds) < region_score(best, kinds))
                best = region;
            if (++looks == BUCKET_LOOKS)
                break;
        }
        if (best)
            return best;
    }
    return NULL;
}

static struct sgc_slab *run_within_region(unsigned n_slabs, uint32_t kinds, bool *fresh)
{
    struct sgc_region *region = region_pick(n_slabs, kinds);
    if (!region) {
        if (regions_grow(1) < 0)
            return NULL;
        region = &sgc_regions.table[sgc_regions.n - 1];
    }
    const size_t number = (size_t)(region - sgc_regions.table);
    if (regions_add_kinds(number, 1, kinds) < 0)
        return NULL;
    int at = row_find(region->free_mask & region->dirty_mask, n_slabs);
    if (at < 0)
        at = row_find(region->free_mask, n_slabs);
    const uint32_t mask = region_mask((unsigned)at, n_slabs);
    *fresh = !(region->dirty_mask & mask);
    region_take(region, mask);
    return region_slab(number, (unsigned)at);
}

/* n whole regions in a row: the lowest place, if need be with new regions at its end. */
static int regions_find_row(size_t n, size_t *first)
{
    size_t row = 0;
    for (size_t i = 0; i < sgc_regions.n; i++) {
        row = sgc_regions.table[i].free_mask == REGION_ALL_FREE ? row + 1 : 0;
        if (row == n) {
            *first = i + 1 - n;
            return 0;
        }
    }
    *first = sgc_regions.n - row;
    return regions_grow(n - row);
}

/* Begins at a region; what the last region has left over stays free for others. */
static struct sgc_slab *run_across_regions(size_t n_slabs, uint32_t kinds, bool *fresh)
{
    const size_t n = (n_slabs + SGC_SLABS_PER_REGION - 1) / SGC_SLABS_PER_REGION;
    size_t first = 0;
    if (regions_find_row(n, &first) < 0 || regions_add_kinds(first, n, kinds) < 0)
        return NULL;
    *fresh = true;
    for (size_t left = n_slabs, i = first; left > 0; i++) {
        const unsigned here = left < SGC_SLABS_PER_REGION ? (unsigned)left : SGC_SLABS_PER_REGION;
        const uint32_t mask = region_mask(0, here);
        *fresh = *fresh && !(sgc_regions.table[i].dirty_mask & mask);
        region_take(&sgc_regions.table[i], mask);
        left -= here;
    }
    return region_slab(first, 0);
}

static void run_describe(struct sgc_slab *first, size_t n_slabs, uint32_t kinds)
{
    memset(first, 0, sizeof(*first));
    first->n_slabs = (uint32_t)n_slabs;
    first->kinds = kinds;
    sgc_list_init(&first->all);
    sgc_list_init(&first->partial);
    sgc_list_init(&first->fresh_link);
    for (size_t i = 1; i < n_slabs; i++) {
        memset(&first[i], 0, sizeof(*first));
        first[i].back_slabs = (uint32_t)i;
    }
}

struct sgc_slab *sgc_slab_run_alloc(size_t n_slabs, uint32_t kinds, struct sgc_budget *budget, bool *fresh)
{
    const bool soft = kinds & SGC_RUN_SOFT;
    kinds = (kinds & ~SGC_RUN_SOFT) | SGC_KIND_BIT(SGC_KIND_FREE) | SGC_KIND_BIT(SGC_KIND_REMOTE);
    SGC_DCHECK(n_slabs > 0);
    if (n_slabs > sgc_arena.bytes / SGC_SLAB_BYTES || !sgc_budget_charge(budget, n_slabs * SGC_SLAB_BYTES, soft)) {
        errno = ENOMEM;
        return NULL;
    }
    bool reads_zero = false;
    sgc_lock_acquire(&sgc_regions.lock);
    struct sgc_slab *first = n_slabs <= SGC_SLABS_PER_REGION ? run_within_region((unsigned)n_slabs, kinds, &reads_zero)
                                                             : run_across_regions(n_slabs, kinds, &reads_zero);
    if (first)
        run_describe(first, n_slabs, kinds);
    sgc_lock_release(&sgc_regions.lock);
    if (!first) {
        sgc_budget_return(budget, n_slabs * SGC_SLAB_BYTES);
        errno = ENOMEM;
        return NULL;
    }
    SGC_ASAN_UNPOISON(sgc_slab_start(first), n_slabs * SGC_SLAB_BYTES);
    if (fresh)
        *fresh = reads_zero;
    return first;
}

void sgc_slab_run_free(struct sgc_slab *first, struct sgc_budget *budget)
{
    const size_t n_slabs = first->n_slabs;
    if (sgc_unlikely(n_slabs == 0))
        sgc_panic("slab %zu is not the first of a run in use", sgc_slab_number(first));
    sgc_arena_zero_metadata(first, n_slabs, first->kinds);
    SGC_ASAN_POISON(sgc_slab_start(first), n_slabs * SGC_SLAB_BYTES);
    const uint64_t now_ns = sgc_os_now_ns();
    const size_t number = sgc_slab_number(first);
    sgc_lock_acquire(&sgc_regions.lock);
    __atomic_store_n(&first->class_, NULL, __ATOMIC_RELAXED);
    first->n_slabs = 0;
    for (size_t i = 1; i < n_slabs; i++)
        first[i].back_slabs = 0;
    for (size_t at = number; at < number + n_slabs;) {
        const unsigned in_region = (unsigned)(at % SGC_SLABS_PER_REGION);
        size_t here = SGC_SLABS_PER_REGION - in_region;
        if (here > number + n_slabs - at)
            here = number + n_slabs - at;
        region_give(&sgc_regions.table[at / SGC_SLABS_PER_REGION], region_mask(in_region, (unsigned)here), now_ns);
        at += here;
    }
    sgc_purge_surplus(now_ns);
    sgc_lock_release(&sgc_regions.lock);
    sgc_budget_return(budget, n_slabs * SGC_SLAB_BYTES);
}

struct sgc_slab *sgc_slab_run_split(struct sgc_slab *first, size_t n_slabs)
{
    struct sgc_slab *rest = first + n_slabs;
    SGC_DCHECK(n_slabs > 0 && n_slabs < first->n_slabs);
    SGC_GUARD(&sgc_regions.lock); /* for verify.c, and for the child of a fork: whole runs at any time */
    run_describe(rest, first->n_slabs - n_slabs, first->kinds);
    first->n_slabs = (uint32_t)n_slabs;
    return rest;
}

/* The part of [at, end) that lies in at's region; by slab numbers. */
static uint32_t piece_mask(size_t at, size_t end, size_t *next)
{
    const unsigned in_region = (unsigned)(at % SGC_SLABS_PER_REGION);
    *next = at - in_region + SGC_SLABS_PER_REGION < end ? at - in_region + SGC_SLABS_PER_REGION : end;
    return region_mask(in_region, (unsigned)(*next - at));
}

/* Slabs [at, end) are free, in regions that exist or can be made; with the kinds committed. */
static bool place_prepare(size_t at, size_t end, uint32_t kinds)
{
    const size_t first_region = at / SGC_SLABS_PER_REGION;
    const size_t end_region = (end + SGC_SLABS_PER_REGION - 1) / SGC_SLABS_PER_REGION;
    if (end > sgc_arena.bytes / SGC_SLAB_BYTES)
        return false;
    for (size_t next; at < end && at / SGC_SLABS_PER_REGION < sgc_regions.n; at = next) {
        const uint32_t mask = piece_mask(at, end, &next);
        if ((sgc_regions.table[at / SGC_SLABS_PER_REGION].free_mask & mask) != mask)
            return false;
    }
    if (end_region > sgc_regions.n && regions_grow(end_region - sgc_regions.n) < 0)
        return false;
    return regions_add_kinds(first_region, end_region - first_region, kinds) == 0;
}

/* Takes [at, end). True: it reads as zero. */
static bool place_take(size_t at, size_t end)
{
    bool fresh = true;
    for (size_t next; at < end; at = next) {
        struct sgc_region *region = &sgc_regions.table[at / SGC_SLABS_PER_REGION];
        const uint32_t mask = piece_mask(at, end, &next);
        fresh = fresh && !(region->dirty_mask & mask);
        region_take(region, mask);
    }
    return fresh;
}

bool sgc_slab_run_extend(struct sgc_slab *first, size_t n_more, struct sgc_budget *budget, bool *fresh)
{
    const size_t n_slabs = first->n_slabs;
    const size_t at = sgc_slab_number(first) + n_slabs, end = at + n_more;
    bool reads_zero = false;
    sgc_lock_acquire(&sgc_regions.lock);
    const bool done = place_prepare(at, end, first->kinds) && sgc_budget_charge(budget, n_more * SGC_SLAB_BYTES, false);
    if (done) {
        reads_zero = place_take(at, end);
        memset(first + n_slabs, 0, n_more * sizeof(*first));
        for (size_t i = n_slabs; i < n_slabs + n_more; i++)
            first[i].back_slabs = (uint32_t)i;
        first->n_slabs = (uint32_t)(n_slabs + n_more);
    }
    sgc_lock_release(&sgc_regions.lock);
    if (!done)
        return false;
    SGC_ASAN_UNPOISON(sgc_slab_start(first) + n_slabs * SGC_SLAB_BYTES, n_more * SGC_SLAB_BYTES);
    if (fresh)
        *fresh = reads_zero;
    return true;
}

int sgc_slab_run_add_kinds(struct sgc_slab *first, uint32_t kinds)
{
    const size_t begin = region_of_slab(first);
    const size_t end = region_of_slab(first + first->n_slabs - 1) + 1;
    SGC_GUARD(&sgc_regions.lock);
    if (regions_add_kinds(begin, end - begin, kinds) < 0)
        return -ENOMEM;
    first->kinds |= kinds;
    return 0;
}

void sgc_region_stats(struct sgc_region_stats *out)
{
    SGC_GUARD(&sgc_regions.lock);
    out->n_regions = 0;
    for (size_t i = 0; i < sgc_regions.n; i++)
        out->n_regions += sgc_regions.table[i].dirty_mask != 0;
    out->free_bytes = sgc_regions.n_dirty_free * SGC_SLAB_BYTES;
    out->committed_bytes = sgc_regions.n_used * SGC_SLAB_BYTES + out->free_bytes;
}

void sgc_region_before_fork(void)
{
    sgc_lock_before_fork(&sgc_regions.lock);
}

void sgc_region_after_fork(int in_child)
{
    sgc_lock_after_fork(&sgc_regions.lock, in_child);
}
