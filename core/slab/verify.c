/* verify.c - checks what region.c promises: called by the heap's verify, by tests, and by people who hunt a bug.
 *   Takes the region lock; reads everything. */
#include "core/base/check.h"
#include "core/slab/region.h"

#include <errno.h>

/* Slabs in runs according to the descriptors of one region; *bad names the first descriptor that makes no sense. */
static uint32_t region_runs(size_t number, const struct sgc_slab **bad)
{
    uint32_t used = 0;
    for (unsigned i = 0; i < SGC_SLABS_PER_REGION; i++) {
        const struct sgc_slab *slab = region_slab(number, i);
        const struct sgc_slab *head = slab - slab->back_slabs;
        if (slab->n_slabs == 0 && slab->back_slabs == 0)
            continue;
        if (slab->back_slabs > sgc_slab_number(slab) || (slab->n_slabs && slab->back_slabs) ||
            head->n_slabs <= slab->back_slabs) {
            *bad = slab;
            return 0;
        }
        used |= UINT32_C(1) << i;
    }
    return used;
}

static bool metadata_is_zero(const void *at, size_t bytes)
{
    const uint64_t *words = at;
    for (size_t i = 0; i < bytes / sizeof(*words); i++)
        if (__atomic_load_n(&words[i], __ATOMIC_RELAXED))
            return false;
    return true;
}

/* FREE, REMOTE, MARK, COUNT and STATE of a free slab; the name of the first kind that is not zero, or NULL. */
static const char *slab_dirty_kind(const struct sgc_slab *slab, uint32_t kinds)
{
    static const struct {
        enum sgc_kind kind;
        const char *name;
    } bits[] = {{SGC_KIND_FREE, "free"}, {SGC_KIND_REMOTE, "remote"}, {SGC_KIND_MARK, "mark"}},
      bytes[] = {{SGC_KIND_COUNT, "count"}, {SGC_KIND_STATE, "state"}};
    for (size_t i = 0; i < SGC_ARRAY_LEN(bits); i++)
        if (kinds & SGC_KIND_BIT(bits[i].kind) &&
            !metadata_is_zero(sgc_slab_words(slab, bits[i].kind), SGC_SLAB_WORDS * sizeof(uint64_t)))
            return bits[i].name;
    for (size_t i = 0; i < SGC_ARRAY_LEN(bytes); i++)
        if (kinds & SGC_KIND_BIT(bytes[i].kind) &&
            !metadata_is_zero(sgc_byte_at(bytes[i].kind, sgc_slab_start(slab)), SGC_SLAB_GRANULES))
            return bytes[i].name;
    return NULL;
}

static int region_verify(size_t number, struct sgc_error *error)
{
    const struct sgc_region *region = &sgc_regions.table[number];
    const struct sgc_slab *bad = NULL;
    const uint32_t used = region_runs(number, &bad);
    if (bad)
        return sgc_error_set(error, -EUCLEAN, "region %zu: descriptor of slab %zu belongs to no run", number,
                             sgc_slab_number(bad));
    if (used != (uint32_t)~region->free_mask)
        return sgc_error_set(error, -EUCLEAN, "region %zu: slabs in runs 0x%08x, but free mask 0x%08x", number, used,
                             region->free_mask);
    if (used & ~region->dirty_mask)
        return sgc_error_set(error, -EUCLEAN, "region %zu: slabs in runs 0x%08x, but dirty mask 0x%08x", number, used,
                             region->dirty_mask);
    const bool cooling = !sgc_list_empty(&region->cooling);
    if (cooling != ((region->free_mask & region->dirty_mask) != 0))
        return sgc_error_set(error, -EUCLEAN, "region %zu: %s the cooling list", number,
                             cooling ? "wrongly on" : "missing from");
    for (unsigned i = 0; i < SGC_SLABS_PER_REGION; i++) {
        const char *kind = region->free_mask >> i & 1 ? slab_dirty_kind(region_slab(number, i), region->kinds) : NULL;
        if (kind)
            return sgc_error_set(error, -EUCLEAN, "region %zu: %s metadata of free slab %u is not zero", number, kind,
                                 i);
    }
    return 0;
}

static int buckets_verify(struct sgc_error *error)
{
    size_t n = 0;
    for (unsigned row = 0; row <= SGC_SLABS_PER_REGION; row++) {
        SGC_LIST_FOR_EACH (at, &sgc_regions.buckets[row]) {
            const struct sgc_region *region = SGC_LIST_ENTRY(at, struct sgc_region, bucket);
            unsigned longest = 0;
            for (uint32_t mask = region->free_mask; mask; mask &= mask << 1)
                longest++;
            if (longest != row || region->longest != row)
                return sgc_error_set(error, -EUCLEAN, "region %zu: %u free slabs in a row, but in bucket %u",
                                     (size_t)(region - sgc_regions.table), longest, row);
            n++;
        }
    }
    if (n != sgc_regions.n)
        return sgc_error_set(error, -EUCLEAN, "%zu regions in buckets of %zu", n, sgc_regions.n);
    return 0;
}

int sgc_region_verify(struct sgc_error *error)
{
    SGC_GUARD(&sgc_regions.lock);
    uint64_t n_used = 0, n_dirty_free = 0;
    if (!sgc_arena.bytes)
        return 0;
    for (size_t i = 0; i < sgc_regions.n; i++) {
        const struct sgc_region *region = &sgc_regions.table[i];
        const int rc = region_verify(i, error);
        if (rc < 0)
            return rc;
        n_used += SGC_SLABS_PER_REGION - sgc_popcount64(region->free_mask);
        n_dirty_free += sgc_popcount64(region->free_mask & region->dirty_mask);
    }
    if (n_used != sgc_regions.n_used)
        return sgc_error_set(error, -EUCLEAN, "%llu slabs in runs, but %llu counted", (unsigned long long)n_used,
                             (unsigned long long)sgc_regions.n_used);
    if (n_dirty_free != sgc_regions.n_dirty_free)
        return sgc_error_set(error, -EUCLEAN, "%llu free slabs with memory, but %llu counted",
                             (unsigned long long)n_dirty_free, (unsigned long long)sgc_regions.n_dirty_free);
    return buckets_verify(error);
}
