/* random.h - numbers that a seed determines, for test programs that do without libcheck (expect.h has the same sequence
 * for those that use it). Each thread has a state of its own. */
#ifndef SLABGC_TESTS_SUPPORT_RANDOM_H
#define SLABGC_TESTS_SUPPORT_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

/* splitmix64: Steele, Lea & Flood 2014. */
static inline uint64_t random_next(struct random *random)
{
    uint64_t x = random->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A number below n; the bias of 2^-32 does not matter here. n: 1 to 2^32. */
static inline uint32_t random_below(struct random *random, uint64_t n)
{
    return (uint32_t)(((random_next(random) >> 32) * n) >> 32);
}

/* True in pct of 100 cases. */
static inline int random_chance(struct random *random, unsigned pct)
{
    return random_below(random, 100) < pct;
}

#endif
