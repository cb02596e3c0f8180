/* arena.c - the reserved address range: its layout, and committing, zeroing and discarding side metadata.
 * Called by region.c; sgc_arena_init by the heap layer at start and by tests.
 * Layout: data | descriptors | regions | one range per kind. Each kind's range is shifted by a few cache lines
 *   against the others, so that FREE, REMOTE, MARK and COUNT of one slab do not compete for one cache set.
 * Invariant: below top_granules all descriptors and FREE and REMOTE are read-write and STATE is at least readable;
 *   metadata of free slabs is zero.
 * Lock: the region lock, held by callers that commit; zeroing a run's metadata takes none, as the run is the
 *   caller's. */
#include "core/base/check.h"
#include "core/base/sanitize.h"
#include "core/os/pages.h"
#include "core/slab/region.h"

#include <errno.h>
#include <string.h>

#if defined(SGC_TSAN) || defined(SGC_ASAN)
#define ARENA_BYTES_MAX ((size_t)64 << 30) /* their shadow of the rest costs page tables and start-up time */
#else
#define ARENA_BYTES_MAX ((size_t)1 << 40)
#endif
#define ARENA_BYTES_MIN ((size_t)64 << 20)

#define DISCARD_BYTES_MIN ((size_t)64 << 10) /* below, looking for what is not zero is cheaper than a system call */
#define LINE_BYTES 64

struct sgc_arena sgc_arena __attribute__((aligned(64)));

enum { UNIT_NONE, UNIT_BIT, UNIT_BYTE, UNIT_U32, UNIT_U64 };
static const uint8_t kind_units[SGC_N_KINDS] = {
    [SGC_KIND_FREE] = UNIT_BIT,       [SGC_KIND_REMOTE] = UNIT_BIT,     [SGC_KIND_MARK] = UNIT_BIT,
    [SGC_KIND_COUNT] = UNIT_BYTE,     [SGC_KIND_STATE] = UNIT_BYTE,     [SGC_KIND_EXCESS] = UNIT_U32,
    [SGC_KIND_PRIVATE_0] = UNIT_BYTE, [SGC_KIND_PRIVATE_1] = UNIT_BYTE, [SGC_KIND_TRACK] = UNIT_BIT,
    [SGC_KIND_SITE] = UNIT_U64,
};
static char *kind_start[SGC_N_KINDS];

/* Bytes of metadata of this kind for one slab. */
static size_t kind_slab_bytes(enum sgc_kind kind)
{
    static const size_t bytes[] = {[UNIT_BIT] = SGC_SLAB_GRANULES / 8,
                                   [UNIT_BYTE] = SGC_SLAB_GRANULES,
                                   [UNIT_U32] = SGC_SLAB_GRANULES * 4,
                                   [UNIT_U64] = SGC_SLAB_GRANULES * 8};
    return bytes[kind_units[kind]];
}

/* STATE alone is mapped read-only in places, so that its pieces must not share pages with their neighbours. */
static size_t kind_shift_bytes(enum sgc_kind kind)
{
    return kind == SGC_KIND_STATE ? 0 : (size_t)kind * 5 * LINE_BYTES;
}

static size_t pages_up(size_t bytes)
{
    return sgc_round_up(bytes, sgc_os_page_bytes());
}

/* Address space for an arena of so many bytes; with `at`, also sets all pointers. */
static size_t arena_lay_out(size_t arena_bytes, char *at)
{
    const size_t n_slabs = arena_bytes / SGC_SLAB_BYTES;
    size_t offset = arena_bytes;
    if (at) {
        sgc_arena.base = (uintptr_t)at;
        sgc_arena.slabs = (struct sgc_slab *)(at + offset);
    }
    offset += pages_up(n_slabs * sizeof(struct sgc_slab));
    if (at)
        sgc_regions.table = (struct sgc_region *)(at + offset);
    offset += pages_up(n_slabs / SGC_SLABS_PER_REGION * sizeof(struct sgc_region));
    for (unsigned kind = 0; kind < SGC_N_KINDS; kind++) {
        if (at)
            kind_start[kind] = at + offset + kind_shift_bytes(kind);
        offset += pages_up(n_slabs * kind_slab_bytes(kind) + kind_shift_bytes(kind));
    }
    return offset;
}

static void arena_set_biases(void)
{
    const uintptr_t first_granule = sgc_arena.base >> SGC_GRANULE_SHIFT;
    for (unsigned kind = 0; kind < SGC_N_KINDS; kind++) {
        const uintptr_t start = (uintptr_t)kind_start[kind];
        switch (kind_units[kind]) {
        case UNIT_BIT:
            sgc_arena.bit_words[kind] = (uint64_t *)start;
            break;
        case UNIT_BYTE:
            sgc_arena.byte_bias[kind] = (uint8_t *)(start - first_granule);
            break;
        case UNIT_U32:
            sgc_arena.excess_bias = (uint32_t *)(start - first_granule * sizeof(uint32_t));
            break;
        default:
            sgc_arena.site_bias = (uint64_t *)(start - first_granule * sizeof(uint64_t));
            break;
        }
    }
}

int sgc_arena_init(struct sgc_error *error)
{
    SGC_GUARD(&sgc_regions.lock);
    if (sgc_arena.bytes)
        return 0;
    for (size_t bytes = ARENA_BYTES_MAX; bytes >= ARENA_BYTES_MIN; bytes /= 2) {
        char *at = sgc_os_reserve(arena_lay_out(bytes, NULL), SGC_REGION_BYTES);
        if (!at)
            continue;
        arena_lay_out(bytes, at);
        arena_set_biases();
        for (unsigned i = 0; i <= SGC_SLABS_PER_REGION; i++)
            sgc_list_init(&sgc_regions.buckets[i]);
        sgc_list_init(&sgc_regions.cooling);
        sgc_arena.bytes = bytes;
        return 0;
    }
    return sgc_error_set(
        error, -ENOMEM, "cannot reserve address space: even %zu MiB were refused (is there a limit on virtual memory?)",
        ARENA_BYTES_MIN >> 20);
}

/* The pages that hold [at, at + bytes), also those it shares with a neighbour: committing twice is harmless. */
static int commit_around(void *at, size_t bytes)
{
    const uintptr_t page = sgc_os_page_bytes();
    const uintptr_t begin = sgc_round_down((uintptr_t)at, page);
    return sgc_os_commit((void *)begin, sgc_round_up((uintptr_t)at + bytes, page) - begin);
}

int sgc_arena_commit_kind(size_t first, size_t n, enum sgc_kind kind)
{
    const size_t region_bytes = kind_slab_bytes(kind) * SGC_SLABS_PER_REGION;
    return commit_around(kind_start[kind] + first * region_bytes, n * region_bytes);
}

int sgc_arena_commit_regions(size_t first, size_t n)
{
    const size_t state_bytes = kind_slab_bytes(SGC_KIND_STATE) * SGC_SLABS_PER_REGION;
    int rc = commit_around(&sgc_regions.table[first], n * sizeof(struct sgc_region));
    if (rc == 0)
        rc = commit_around(region_slab(first, 0), n * SGC_SLABS_PER_REGION * sizeof(struct sgc_slab));
    if (rc == 0)
        rc = sgc_arena_commit_kind(first, n, SGC_KIND_FREE);
    if (rc == 0)
        rc = sgc_arena_commit_kind(first, n, SGC_KIND_REMOTE);
    if (rc == 0)
        rc = sgc_os_commit_readonly(kind_start[SGC_KIND_STATE] + first * state_bytes, n * state_bytes);
    if (rc == 0)
        rc = sgc_os_commit(sgc_slab_start(region_slab(first, 0)), n * SGC_REGION_BYTES);
    return rc < 0 ? -ENOMEM : 0;
}

/* Writes only lines that are not zero: a page that nobody touched stays without memory, a page shared after fork stays
 * shared. */
static void zero_lines(char *at, size_t bytes)
{
    for (char *end = at + bytes; at < end; at += LINE_BYTES) {
        const uint64_t *words = (const uint64_t *)at;
        uint64_t any = 0;
        for (unsigned i = 0; i < LINE_BYTES / sizeof(*words); i++)
            any |= words[i];
        if (any)
            memset(at, 0, LINE_BYTES);
    }
}

static void zero_piece(char *at, size_t bytes)
{
    if (bytes >= DISCARD_BYTES_MIN) {
        const size_t page = sgc_os_page_bytes();
        char *begin = (char *)sgc_round_up((uintptr_t)at, page);
        char *end = (char *)sgc_round_down((uintptr_t)at + bytes, page);
        if (begin < end && sgc_os_discard(begin, (size_t)(end - begin)) == 0) {
            zero_lines(at, (size_t)(begin - at));
            zero_lines(end, (size_t)(at + bytes - end));
            return;
        }
    }
    zero_lines(at, bytes);
}

/* An excess word is non-zero only beside a count byte with its highest bit set, so the words need not be looked at (4
 * pages a slab). */
static void zero_excess(const struct sgc_slab *first, size_t n_slabs)
{
    const size_t first_granule = sgc_slab_number(first) * SGC_SLAB_GRANULES;
    const uint8_t *counts = (const uint8_t *)kind_start[SGC_KIND_COUNT] + first_granule;
    uint32_t *excess = (uint32_t *)kind_start[SGC_KIND_EXCESS] + first_granule;
    for (size_t i = 0; i < n_slabs * SGC_SLAB_GRANULES; i += sizeof(uint64_t)) {
        uint64_t eight;
        memcpy(&eight, counts + i, sizeof(eight));
        if (eight & UINT64_C(0x8080808080808080))
            memset(excess + i, 0, sizeof(uint64_t) * sizeof(*excess));
    }
}

void sgc_arena_zero_metadata(const struct sgc_slab *first, size_t n_slabs, uint32_t kinds)
{
    const uint32_t counted = SGC_KIND_BIT(SGC_KIND_COUNT) | SGC_KIND_BIT(SGC_KIND_EXCESS);
    if ((kinds & counted) == counted && n_slabs < SGC_SLABS_PER_REGION) {
        zero_excess(first, n_slabs);
        kinds &= ~SGC_KIND_BIT(SGC_KIND_EXCESS);
    }
    for (unsigned kind = 0; kind < SGC_N_KINDS; kind++)
        if (kinds & SGC_KIND_BIT(kind))
            zero_piece(kind_start[kind] + sgc_slab_number(first) * kind_slab_bytes(kind),
                       n_slabs * kind_slab_bytes(kind));
}

void sgc_arena_discard_metadata(size_t region, uint32_t kinds)
{
    const uintptr_t page = sgc_os_page_bytes();
    for (unsigned kind = 0; kind < SGC_N_KINDS; kind++) {
        if (!(kinds & SGC_KIND_BIT(kind)))
            continue;
        const size_t bytes = kind_slab_bytes(kind) * SGC_SLABS_PER_REGION;
        const uintptr_t begin = sgc_round_up((uintptr_t)kind_start[kind] + region * bytes, page);
        const uintptr_t end = sgc_round_down((uintptr_t)kind_start[kind] + (region + 1) * bytes, page);
        if (begin < end)
            (void)sgc_os_discard((void *)begin, end - begin); /* refused: it keeps its memory, nothing else */
    }
}
