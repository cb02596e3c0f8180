/* backends.c - the table of backends. Read by all files; never changes. */
#include "tests/bench/bench.h"

#include <string.h>

/* A library that takes malloc's place. */
#define PRELOADED(name_, role_, library_)                                                                              \
    {                                                                                                                  \
        .name = name_, .kind = BENCH_MALLOC, .role = role_, .preload = library_                                        \
    }

const struct bench_backend bench_backends[] = {
    {.name = "glibc", .kind = BENCH_MALLOC, .role = BENCH_PEER},
    PRELOADED("jemalloc", BENCH_RIVAL, "libjemalloc.so.2"),
    PRELOADED("mimalloc", BENCH_RIVAL, "libmimalloc.so.2"),
    PRELOADED("tcmalloc", BENCH_RIVAL, "libtcmalloc_minimal.so.4"),
    {.name = "boehm", .kind = BENCH_BOEHM, .role = BENCH_PEER, .program = "bench_boehm"},
    {.name = "cache", .kind = BENCH_SLABGC, .strategy = "none"},
    PRELOADED("slabgc-malloc", BENCH_OWN, "tools/malloc/libslabgc-malloc.so"),
    {.name = "none", .kind = BENCH_SLABGC, .strategy = "none"},
    {.name = "refcount", .kind = BENCH_SLABGC, .strategy = "refcount"},
    {.name = "refcount+sections", .kind = BENCH_SLABGC, .strategy = "refcount", .sections = true},
    {.name = "refcount+rwlock", .kind = BENCH_SLABGC, .strategy = "refcount", .rwlock = true},
    {.name = "generational", .kind = BENCH_SLABGC, .strategy = "generational"},
    {.name = "generational+sections", .kind = BENCH_SLABGC, .strategy = "generational", .sections = true},
    {.name = "rcu", .kind = BENCH_SLABGC, .strategy = "rcu"},
    {.name = "rcu+sections", .kind = BENCH_SLABGC, .strategy = "rcu", .sections = true},
};
const size_t bench_n_backends = sizeof(bench_backends) / sizeof(bench_backends[0]);

const struct bench_backend *bench_backend_find(const char *name)
{
    for (size_t i = 0; i < bench_n_backends; i++) {
        if (strcmp(bench_backends[i].name, name) == 0)
            return &bench_backends[i];
    }
    return NULL;
}
