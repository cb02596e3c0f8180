/* count.c - counts beyond the byte, and the values that people and verify see. The lock-free part is count.h.
 * Called on the rare path: a byte that ran full or empty.
 * Invariant, outside the stripe lock: count = low bits of the byte + excess word; the excess flag in the byte is set
 * exactly when the excess word is not zero. Lock: the object's stripe (rank COUNT) for the word and the flag; the
 * byte's low bits also move without it, so each change here ends in a compare-and-swap of the byte. The word is written
 * before that: once the last claim is gone another thread may reclaim the slot, and its metadata with it. */
#include "core/heap/heap.h"
#include "core/heap/thread.h"

#define COUNT_STRIPES 64
#define COUNT_BATCH 0x3fu /* claims moved between the byte and the word at a time */

static struct sgc_lock stripes[COUNT_STRIPES] = {[0 ... COUNT_STRIPES - 1] = SGC_LOCK_INIT(SGC_RANK_COUNT, "counts")};

static struct sgc_lock *count_stripe(const void *object)
{
    return &stripes[sgc_hash64((uintptr_t)object) % COUNT_STRIPES];
}

static uint32_t *count_excess(const void *object)
{
    return &sgc_arena.excess_bias[(uintptr_t)object >> SGC_GRANULE_SHIFT];
}

/* Fixed texts for misuse that counting notices; the object may be no object at all. */
static SGC_COLD void count_panic(const void *object, const char *what)
{
    const struct sgc_slab *slab = sgc_arena_covers(object) ? sgc_slab_head(sgc_slab_of(object)) : NULL;
    if (!slab || !slab->class_)
        sgc_panic("foreign pointer %p: not an object of any heap", object);
    sgc_panic("%s: object %p of cache %s", what, object, slab->class_->cache->name);
}

/* False: the object has no claim any more, or is dead. Nothing changed. */
static bool count_increment_unless(void *object, bool unless_zero)
{
    SGC_GUARD(count_stripe(object));
    uint8_t *byte = sgc_count_byte(&sgc_counts, object);
    uint32_t *excess = count_excess(object);
    uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
    for (;;) {
        if (old == SGC_COUNT_DEAD || (unless_zero && old == 0))
            return false;
        uint8_t new_byte = (uint8_t)(old + 1);
        uint32_t moved = 0;
        if ((old & 0x7f) >= SGC_COUNT_LOW_MAX) {
            moved = COUNT_BATCH;
            new_byte = (uint8_t)((((old & 0x7f) - COUNT_BATCH) + 1) | SGC_COUNT_EXCESS);
            if (sgc_unlikely(*excess > UINT32_MAX - moved)) /* a count that wraps would end an object in use */
                count_panic(object, "too many claims");
        }
        if (moved)
            *excess += moved;
        if (__atomic_compare_exchange_n(byte, &old, new_byte, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return true;
        if (moved)
            *excess -= moved;
    }
}

static void count_increment_slow(void *object)
{
    if (!count_increment_unless(object, false))
        count_panic(object, "hold on a dead object");
}

static bool count_decrement_slow(void *object)
{
    if (!sgc_arena_covers(object))
        count_panic(object, "double drop");
    SGC_GUARD(count_stripe(object));
    uint8_t *byte = sgc_count_byte(&sgc_counts, object);
    uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
    for (;;) {
        if (old == 0 || old == SGC_COUNT_DEAD)
            count_panic(object, "double drop");
        uint8_t new_byte = (uint8_t)(old - 1);
        uint32_t moved = 0;
        if ((old & 0x7f) == 0) {
            const uint32_t excess = *count_excess(object);
            SGC_CHECK(excess > 0);
            moved = excess < COUNT_BATCH ? excess : COUNT_BATCH;
            new_byte = (uint8_t)((moved - 1) | (excess > moved ? SGC_COUNT_EXCESS : 0));
        }
        if (moved)
            *count_excess(object) -= moved;
        if (__atomic_compare_exchange_n(byte, &old, new_byte, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return new_byte == 0;
        if (moved)
            *count_excess(object) += moved;
    }
}

static uint64_t count_value(const void *object)
{
    SGC_GUARD(count_stripe(object));
    const uint8_t byte = __atomic_load_n(sgc_count_byte(&sgc_counts, object), __ATOMIC_RELAXED);
    if (byte == SGC_COUNT_DEAD)
        return UINT64_MAX;
    return (uint64_t)(byte & 0x7f) + (byte & SGC_COUNT_EXCESS ? *count_excess(object) : 0);
}

bool sgc_count_increment_unless_zero(void *object)
{
    uint8_t *byte = sgc_count_byte(&sgc_counts, object);
    uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
    while (old != 0 && old != SGC_COUNT_DEAD) {
        if ((old & 0x7f) >= SGC_COUNT_LOW_MAX)
            /* others may take all those claims away before the lock is ours */
            return count_increment_unless(object, true);
        if (__atomic_compare_exchange_n(byte, &old, (uint8_t)(old + 1), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

struct sgc_counts sgc_counts = {
    .increment_slow = count_increment_slow,
    .decrement_slow = count_decrement_slow,
    .solo = &sgc_solo,
    .value = count_value,
};

void sgc_count_before_fork(void)
{
    for (unsigned i = 0; i < COUNT_STRIPES; i++)
        sgc_lock_before_fork(&stripes[i]);
}

void sgc_count_after_fork(int in_child)
{
    for (unsigned i = COUNT_STRIPES; i-- > 0;)
        sgc_lock_after_fork(&stripes[i], in_child);
}
