/* objects.h - how workloads of group cache take and give back memory: one source for all backends.
 * A body is an inline function (BENCH_INLINE) with the kind of its backend as last argument, and BENCH_BODIES makes an
 * instance of it for each kind. So the compiler sees what it sees in a user's program: malloc and free, called through
 * the PLT; or sgc_cache_alloc and sgc_cache_free with whatever <slabgc/slabgc.h> has inline. Each object's first word
 * is written when it is allocated and read when it is freed. */
#ifndef SLABGC_TESTS_BENCH_OBJECTS_H
#define SLABGC_TESTS_BENCH_OBJECTS_H

#include "tests/bench/bodies.h"

#include <stdlib.h>

#define BENCH_INLINE static inline __attribute__((always_inline))

/* Where objects of one size come from. */
struct objects {
    size_t bytes;
    struct sgc_cache *cache; /* BENCH_SLABGC */
};

/* Makes objects of one size available; on slabgc by a cache in the run's heap, which the first call opens and later
 * ones, for further sizes, find in *heap. type: for a cache with constructor and destructor, or NULL. False: the run
 * failed. */
bool bench_objects_open(struct bench_run *run, struct bench_heap *heap, struct objects *objects, size_t bytes,
                        const struct sgc_type *type);
/* After the last object is free. */
void bench_objects_close(struct bench_run *run, const struct bench_heap *heap);

/* Fails the run unless the machine has this much memory to spare. */
bool bench_needs_bytes(struct bench_run *run, uint64_t bytes);
/* The workload's objects alive, cut to what the command line allows; adds the parameters bytes and live. */
size_t bench_live(struct bench_run *run);

/* 0 + 1 + ... + n - 1, modulo 2^64: what the first words of n objects add up to that are their serial numbers. */
static inline uint64_t bench_serial_sum(uint64_t n)
{
    return n % 2 ? (n - 1) / 2 * n : n / 2 * (n - 1);
}

_Noreturn void bench_no_memory(size_t bytes);

BENCH_INLINE void *object_alloc(const struct objects *objects, enum bench_kind kind)
{
    void *object = kind == BENCH_SLABGC ? sgc_cache_alloc(objects->cache) : malloc(objects->bytes);
    if (__builtin_expect(!object, 0))
        bench_no_memory(objects->bytes);
    return object;
}

BENCH_INLINE void object_free(const struct objects *objects, void *object, enum bench_kind kind)
{
    if (kind == BENCH_SLABGC)
        sgc_cache_free(objects->cache, object);
    else
        free(object);
}

/* Allocates an object and writes its first word. */
BENCH_INLINE uint64_t *object_make(const struct objects *objects, uint64_t word, enum bench_kind kind)
{
    uint64_t *object = object_alloc(objects, kind);
    *object = word;
    return object;
}

/* Frees an object and returns its first word. */
BENCH_INLINE uint64_t object_end(const struct objects *objects, uint64_t *object, enum bench_kind kind)
{
    const uint64_t word = *object;
    object_free(objects, object, kind);
    return word;
}

/* name_bodies[kind] is the instance of inline function name(arg, n, kind). */
#define BENCH_BODIES(name)                                                                                             \
    static void name##_on_malloc(void *arg, uint64_t n)                                                                \
    {                                                                                                                  \
        name(arg, n, BENCH_MALLOC);                                                                                    \
    }                                                                                                                  \
    static void name##_on_slabgc(void *arg, uint64_t n)                                                                \
    {                                                                                                                  \
        name(arg, n, BENCH_SLABGC);                                                                                    \
    }                                                                                                                  \
    static bench_body *const name##_bodies[] = {[BENCH_MALLOC] = name##_on_malloc, [BENCH_SLABGC] = name##_on_slabgc}

#endif
