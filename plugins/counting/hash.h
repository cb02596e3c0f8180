/* hash.h - where an object's address goes in a table of a power-of-two size. */
#ifndef SLABGC_PLUGINS_COUNTING_HASH_H
#define SLABGC_PLUGINS_COUNTING_HASH_H

#include <slabgc/context.h>

/* Addresses differ in the middle bits: a multiplication spreads them to the top, from where the shift takes what a table needs. */
static inline uint64_t sgc_hash_pointer(const void *object)
{
    return ((uintptr_t)object >> SGC_GRANULE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15) >> 20; /* 2^64 / golden ratio */
}

#endif
