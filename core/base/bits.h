/* bits.h - bit tricks and rounding shared by all layers. */
#ifndef SLABGC_CORE_BASE_BITS_H
#define SLABGC_CORE_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline unsigned sgc_ctz64(uint64_t word) /* word != 0 */
{
    return (unsigned)__builtin_ctzll(word);
}
static inline unsigned sgc_popcount64(uint64_t word)
{
    return (unsigned)__builtin_popcountll(word);
}
static inline bool sgc_is_pow2(size_t value)
{
    return value && !(value & (value - 1));
}
/* alignment: a power of two. Overflow is the caller's to exclude. */
static inline size_t sgc_round_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}
static inline size_t sgc_round_down(size_t value, size_t alignment)
{
    return value & ~(alignment - 1);
}
static inline uint64_t sgc_hash64(uint64_t x) /* splitmix64's finalizer (Steele, Lea & Flood, OOPSLA 2014) */
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

#endif
