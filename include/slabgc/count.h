/* count.h - counts of objects: one byte per granule, with the excess in a 32-bit word of its own range that is touched only for popular objects.
 * Used by core and by counting strategies; programs use sgc_hold and sgc_drop.
 *
 * Encoding of the byte: 0..0x7e the count; 0x80 | low (low <= 0x7e) the count is low + excess word, excess > 0; 0xff (SGC_COUNT_DEAD)
 * claimed by the collector: no count any more. Transitions that touch the excess word are made under a stripe lock in core and
 * publish by a compare-and-swap of the byte, so the lock-free paths below only ever move low between 0 and 0x7e.
 * A byte of 0 means no claim at all: whoever brings it to 0 sees that by the return value, exactly once. It is raised again only through a
 * reference that was read in a section that still runs; weak references and ephemerons never raise it.
 *
 * Atomics: increments are relaxed (a claim is made from a valid reference); decrements are acq_rel, so that what each former owner did
 * happens before the claim that follows the last one. `solo` (pass *counts->solo) uses plain loads and stores. */
#ifndef SLABGC_COUNT_H
#define SLABGC_COUNT_H

#include <slabgc/context.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SGC_COUNT_EXCESS 0x80u
#define SGC_COUNT_LOW_MAX 0x7eu
#define SGC_COUNT_DEAD 0xffu

struct sgc_counts {
    uint8_t *count_bias; /* count byte of p: count_bias[p >> 4] */
    uint8_t *state_bias; /* state byte of p: state_bias[p >> 4] */
    void (*increment_slow)(void *object);     /* low is full: moves half of it to the excess word */
    bool (*decrement_slow)(void *object);     /* low is empty: borrows from the excess word, or panics on a count of 0 or a dead object; true: reached 0 */
    const uint8_t *solo;                      /* non-zero while one thread alone is attached; changes at stops only */
    uint64_t (*value)(const void *object);    /* whole count; exact at a stop; UINT64_MAX when dead */
};

static inline uint8_t *sgc_count_byte(const struct sgc_counts *counts, const void *object)
{
    return &counts->count_bias[(uintptr_t)object >> SGC_GRANULE_SHIFT];
}

static inline uint8_t *sgc_state_byte(const struct sgc_counts *counts, const void *object)
{
    return &counts->state_bias[(uintptr_t)object >> SGC_GRANULE_SHIFT];
}

/* Adds a claim. Never fails on a live object. */
static inline void sgc_count_increment(const struct sgc_counts *counts, void *object, bool solo)
{
    uint8_t *byte = sgc_count_byte(counts, object);
    uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
    while (__builtin_expect((old & 0x7f) < SGC_COUNT_LOW_MAX, 1)) {
        if (solo) {
            __atomic_store_n(byte, (uint8_t)(old + 1), __ATOMIC_RELAXED);
            return;
        }
        if (__atomic_compare_exchange_n(byte, &old, (uint8_t)(old + 1), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return;
    }
    counts->increment_slow(object);
}

/* Takes a claim away; true when that was the last. Panics (in core) when there was none. */
static inline bool sgc_count_decrement(const struct sgc_counts *counts, void *object, bool solo)
{
    uint8_t *byte = sgc_count_byte(counts, object);
    uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
    while (__builtin_expect((old & 0x7f) != 0 && old != SGC_COUNT_DEAD, 1)) {
        if (solo) {
            __atomic_store_n(byte, (uint8_t)(old - 1), __ATOMIC_RELAXED);
            return old == 1;
        }
        if (__atomic_compare_exchange_n(byte, &old, (uint8_t)(old - 1), true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return old == 1;
    }
    return counts->decrement_slow(object);
}

/* True when the object had no claim and is now SGC_COUNT_DEAD: the caller alone may bury it. A hold in between makes it fail. */
static inline bool sgc_count_claim_dead(const struct sgc_counts *counts, void *object)
{
    uint8_t expected = 0;
    return __atomic_compare_exchange_n(sgc_count_byte(counts, object), &expected, (uint8_t)SGC_COUNT_DEAD, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static inline bool sgc_count_is_zero(const struct sgc_counts *counts, const void *object)
{
    return __atomic_load_n(sgc_count_byte(counts, object), __ATOMIC_ACQUIRE) == 0;
}

#ifdef __cplusplus
}
#endif
#endif
