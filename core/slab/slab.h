/* slab.h - the arena: one reserved address range, regions of 2 MiB, slabs of 64 KiB, and side metadata by address.
 *
 * Address arithmetic. arena.base is region-aligned. Slab number s = (p - base) >> 16 has descriptor arena.slabs[s].
 *   Metadata kinds lie in ranges of their own:
 * byte kinds have one byte per 16-byte granule, addressed from a bias as bias[p >> 4]; bit kinds one bit per granule,
 *   as 64 words of 64 bits a slab.
 * A slot's bit is that of its first granule; bits of other granules are never set. The allocator writes nothing into
 *   slots.
 *
 * Used by core/cache and core/heap. Locks: the region lock (rank REGION) inside alloc, free and add_kinds; bit
 *   operations take none.
 * Design: DESIGN.md beside this file. */
#ifndef SLABGC_CORE_SLAB_SLAB_H
#define SLABGC_CORE_SLAB_SLAB_H

#include "core/base/bits.h"
#include "core/base/check.h"
#include "core/base/list.h"
#include <slabgc/context.h>
#include <slabgc/error.h>

#define SGC_SLAB_SHIFT 16
#define SGC_SLAB_BYTES ((size_t)1 << SGC_SLAB_SHIFT)
#define SGC_REGION_SHIFT 21
#define SGC_REGION_BYTES ((size_t)1 << SGC_REGION_SHIFT)
#define SGC_SLABS_PER_REGION (SGC_REGION_BYTES / SGC_SLAB_BYTES)
#define SGC_SLAB_GRANULES (SGC_SLAB_BYTES / SGC_GRANULE_BYTES) /* 4096 */
#define SGC_SLAB_WORDS (SGC_SLAB_GRANULES / 64)                /* 64: words of a bit kind per slab */

/* Kinds of metadata; the value is the bit in a kinds mask. FREE and REMOTE are always committed. STATE reads as zero
 * where it is not committed. */
enum sgc_kind {
    SGC_KIND_FREE,      /* bit: slot is free and not in a window; written by the slab's owner alone */
    SGC_KIND_REMOTE,    /* bit: freed by somebody else, not yet taken over by the owner; atomic */
    SGC_KIND_MARK,      /* bit: tracing */
    SGC_KIND_COUNT,     /* byte: holds, or holds + references */
    SGC_KIND_STATE,     /* byte: SGC_STATE_* */
    SGC_KIND_EXCESS,    /* u32: counts beyond the byte; touched for popular objects only */
    SGC_KIND_PRIVATE_0, /* byte: the strategy's */
    SGC_KIND_PRIVATE_1,
    SGC_KIND_TRACK, /* bit: object handed out (debug=track) */
    SGC_KIND_SITE,  /* u64: who allocated or freed it last (debug=track) */
    SGC_N_KINDS
};
#define SGC_KIND_BIT(kind) (1u << (kind))
#define SGC_RUN_SOFT (1u << 31) /* beside the kinds of a run to allocate: the budget's soft limit applies */

struct sgc_class; /* core/cache: a size class of a cache */
struct sgc_front; /* core/cache: one thread's share of a class */

/* Descriptor of a slab, or of the first slab of a large object's run (the others have n_slabs 0 and back_slabs > 0).
 * Two cache lines: what freeing threads read, and what the owner works with. Fields below class_ belong to core/cache.
 */
struct sgc_slab {
    struct sgc_class *class_; /* NULL: not in use, or a run that is being made. Atomic; constant while in use */
    struct sgc_front *owner;  /* thread front that takes free slots from it; atomic; NULL: the class's shared lists */
    uint32_t slot_bytes;      /* 0 for a large object */
    uint32_t n_slots;
    uint32_t n_slabs;            /* length of the run; 1 for a slab of slots */
    uint32_t back_slabs;         /* inner slab of a run: distance to its first */
    uint32_t kinds;              /* committed here (region lock) */
    uint8_t fresh;               /* on the class's fresh list */
    uint8_t listed;              /* cache layer: which list `partial` is in */
    uint8_t constructed;         /* ctor has run on every slot */
    uint8_t touched;             /* free slots came or went since purge.c of the cache layer looked last; the owner's */
    struct sgc_list all;         /* class->all (class lock) */
    struct sgc_slab *fresh_next; /* the list that sgc_cache_take_fresh returns; survives the release of the slab until
                                    the stop ends */

    union {
        uint64_t large_bytes; /* object bytes of a large object */
        uint64_t free_words;  /* slots: bit w is set when word w of FREE is not 0; the owner's */
    };
    uint32_t n_free;  /* bits set in FREE; the owner's */
    uint32_t n_notes; /* atomic: slots freed by others and announced since the owner looked last */
    int32_t n_owed; /* REMOTE bits taken over less announcements seen; the owner's; 0: nobody is inside a remote free */
    uint16_t discarded; /* free pages that were given back to the OS (cache layer); the owner's */
    uint16_t looked;    /* the last pass of purge.c that looked at it while nobody owned it (cache layer; class lock) */
    struct sgc_list partial;      /* owner's or class's partial list, or unlisted */
    struct sgc_list fresh_link;   /* class->fresh (class lock): slabs allocated from since the last sweep */
    struct sgc_slab *remote_next; /* owner's stack of slabs with remote frees; depot */
} __attribute__((aligned(128)));
_Static_assert(sizeof(struct sgc_slab) == 128, "a descriptor is two cache lines");

/* The arena, constant after sgc_arena_init but for top_granules and plain_granules. */
struct sgc_arena {
    uintptr_t base;
    size_t bytes;
    size_t top_granules;   /* atomic, grows by regions: descriptors and FREE, REMOTE and STATE of all granules below are
                              readable */
    size_t plain_granules; /* atomic: top_granules, or 0 between sgc_region_hide(true) and (false) */
    struct sgc_slab *slabs;
    uint8_t *byte_bias[SGC_N_KINDS];  /* byte kinds: byte of p is byte_bias[k][p >> 4] */
    uint64_t *bit_words[SGC_N_KINDS]; /* bit kinds: words of slab s start at bit_words[k] + s * SGC_SLAB_WORDS */
    uint32_t *excess_bias;            /* excess_bias[p >> 4] */
    uint64_t *site_bias;              /* site_bias[p >> 4] */
};
extern SGC_INTERNAL struct sgc_arena sgc_arena;

/* Memory charged to one heap. used_bytes moves atomically; an allocation that would pass hard_bytes (0: none) is
 * refused, with SGC_RUN_SOFT in kinds one that would pass soft_bytes (0: none) too. The limits may change at any time;
 * peak_bytes only grows. */
struct sgc_budget {
    uint64_t used_bytes, peak_bytes, soft_bytes, hard_bytes;
};

/* Reserves the address range (1 TiB, halved until the OS agrees, at least 64 MiB; 64 GiB under sanitizers).
 * Idempotent, any thread. 0 or -ENOMEM. */
int sgc_arena_init(struct sgc_error *error);

static inline bool sgc_arena_contains(const void *p)
{
    return (uintptr_t)p - sgc_arena.base < sgc_arena.bytes;
}
/* Number of the granule that begins at p; beyond all granules when none does (the low bits of a rotated offset come on
 * top). */
static inline size_t sgc_granule_from(uintptr_t base, const void *p)
{
    const uintptr_t offset = (uintptr_t)p - base;
    return offset >> SGC_GRANULE_SHIFT | offset << (8 * sizeof(offset) - SGC_GRANULE_SHIFT);
}
static inline size_t sgc_granule_number(const void *p)
{
    return sgc_granule_from(sgc_arena.base, p);
}
/* True when p is the start of a granule where slabs may be: then its descriptor and its FREE, REMOTE and STATE metadata
 * can be read. */
static inline bool sgc_arena_covers(const void *p)
{
    return sgc_granule_number(p) < __atomic_load_n(&sgc_arena.top_granules, __ATOMIC_ACQUIRE);
}
/* For who wants to see every call: until the next sgc_region_hide(false) sgc_arena_covers_plainly is false for all, so
 * that the fast paths which ask it are closed. No lock of rank REGION or below is held. */
void sgc_region_hide(bool hidden);
static inline bool sgc_arena_covers_plainly(const void *p)
{
    return sgc_granule_number(p) < __atomic_load_n(&sgc_arena.plain_granules, __ATOMIC_ACQUIRE);
}
static inline size_t sgc_slab_number(const struct sgc_slab *slab)
{
    return (size_t)(slab - sgc_arena.slabs);
}
/* p inside the arena. For an inner slab of a large run this is the inner descriptor: see sgc_slab_head. */
static inline struct sgc_slab *sgc_slab_of(const void *p)
{
    return &sgc_arena.slabs[((uintptr_t)p - sgc_arena.base) >> SGC_SLAB_SHIFT];
}
static inline struct sgc_slab *sgc_slab_head(struct sgc_slab *slab)
{
    return slab - slab->back_slabs;
}
static inline char *sgc_slab_start(const struct sgc_slab *slab)
{
    return (char *)(sgc_arena.base + (sgc_slab_number(slab) << SGC_SLAB_SHIFT));
}
static inline uint64_t *sgc_slab_words(const struct sgc_slab *slab, enum sgc_kind kind)
{
    return sgc_arena.bit_words[kind] + sgc_slab_number(slab) * SGC_SLAB_WORDS;
}
/* Granule of p within its slab, 0..4095. */
static inline unsigned sgc_slab_granule(const void *p)
{
    return (unsigned)((((uintptr_t)p - sgc_arena.base) & (SGC_SLAB_BYTES - 1)) >> SGC_GRANULE_SHIFT);
}
static inline uint8_t *sgc_byte_at(enum sgc_kind kind, const void *p)
{
    return &sgc_arena.byte_bias[kind][(uintptr_t)p >> SGC_GRANULE_SHIFT];
}

/* A run of n_slabs consecutive slabs (n_slabs * 64 KiB; more than a region's worth spans adjacent regions) with the
 * given metadata kinds committed and zero, charged to budget (may be NULL). Descriptor: class_ and counters zeroed but
 * n_slabs/back_slabs set; FREE and REMOTE words zero. *fresh (may be NULL): the memory reads as zero. NULL: refused by
 * the OS or the budget (nothing changed). May block in the kernel; never collects. Prefers the fullest region, so that
 * whole regions empty. */
struct sgc_slab *sgc_slab_run_alloc(size_t n_slabs, uint32_t kinds, struct sgc_budget *budget, bool *fresh);
/* Gives a run back; metadata of the run is zeroed; its memory returns to the OS by decay, or at once beyond a limit
 * (see DESIGN.md). The descriptors keep fresh_next until a run is made of them again. Panics when `first` is not the
 * head of a run in use. */
void sgc_slab_run_free(struct sgc_slab *first, struct sgc_budget *budget);
/* Cuts a run in use after n_slabs, fewer than it has: what follows becomes a run of its own, without a class, with the
 * same kinds, charged as before. Returns its head. The run is the caller's. */
struct sgc_slab *sgc_slab_run_split(struct sgc_slab *first, size_t n_slabs);
/* Adds the n_more slabs behind a run in use to it, metadata zero, charged to budget; *fresh (may be NULL): their memory
 * reads as zero. False: not all of them are free, or the OS or the budget refuses (nothing changed). The run is the
 * caller's. */
bool sgc_slab_run_extend(struct sgc_slab *first, size_t n_more, struct sgc_budget *budget, bool *fresh);
/* Commits more kinds for a run in use (a heap's switch). 0 or -ENOMEM. */
int sgc_slab_run_add_kinds(struct sgc_slab *first, uint32_t kinds);
/* Returns memory of all free slabs to the OS now; bytes given back. Any thread; makes system calls under the region
 * lock. */
size_t sgc_region_shrink(void);
/* The same for what has been free for the decay time; whoever has a clock calls it now and then. Any thread. The lock
 * is given back in between. */
size_t sgc_region_decay(void);
/* About a millisecond of that; 0: nothing is left to do, or the OS refuses. */
size_t sgc_region_decay_some(void);

struct sgc_region_stats {
    uint64_t n_regions;       /* regions that have memory of the OS */
    uint64_t committed_bytes; /* slabs in runs, and free slabs whose memory has not been returned */
    uint64_t free_bytes;      /* the latter */
};
void sgc_region_stats(struct sgc_region_stats *out);
/* Bitmap with one bit per slot of slot_bytes (multiple of 16): out[SGC_SLAB_WORDS]; returns the number of slots. */
unsigned sgc_slab_slot_mask(uint32_t slot_bytes, uint64_t out[SGC_SLAB_WORDS]);
/* Checks regions and runs: 0 or -EUCLEAN, error names the first violation. Takes the region lock. */
int sgc_region_verify(struct sgc_error *error);
void sgc_region_before_fork(void);
void sgc_region_after_fork(int in_child);

#endif
