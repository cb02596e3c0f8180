/* support.h - beside fixture.h, for the tests of sections, stops, counts and the life of heaps: a counting strategy
 * that several threads may use at once, a strategy that only notes and refuses its calls, threads with names. */
#ifndef SLABGC_TESTS_HEAP_SUPPORT_H
#define SLABGC_TESTS_HEAP_SUPPORT_H

#include "tests/heap/fixture.h"

#include <pthread.h>

#undef fail /* check's macro; struct sgc_host has a member of that name */

/* Counts, without a lock and without records: what dies releases its children by decrement_later. */
extern const struct sgc_strategy_plugin sharing_plugin;

/* Traces everything at every collection, with core's engine; no barrier, no records, so any number of threads may use
 * it. */
extern const struct sgc_strategy_plugin tracing_plugin;

/* Counters of calls, atomic; errors to return (0: none) and hooks to call (NULL: none), set before the heap opens. One
 * for the process. */
struct probe {
    unsigned n_open, n_configure, n_close, n_store, n_before_alloc, n_minor, n_full, n_grace, n_detach, n_quiesce,
        n_adopt;
    int open_error, adopt_error;
    struct sgc_pace pace; /* set in open */
    bool (*grace_elapsed)(void *self);
    void (*before_alloc)(void *self);
    void (*collect)(void *self);
    void *last_closed;
    uint64_t last_params[2];
};
extern struct probe probe;
struct probe_self {
    const struct sgc_host *host;
    struct sgc_heap *heap;
};
/* Fields are plain, counts are holds, nothing is ever reclaimed; two parameters, the second one live. */
extern const struct sgc_strategy_plugin probe_plugin;
/* The same with a barrier: the state byte sends stores to the strategy, which notes them and stores. */
extern const struct sgc_strategy_plugin probe_barrier_plugin;

/* Starts a thread that has the name before it runs main. */
pthread_t support_thread(const char *name, void *(*main)(void *arg), void *arg);
static inline void join(pthread_t thread)
{
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

/* A heap with limits in bytes (0: none). */
struct sgc_heap *open_limited(const char *name, const struct sgc_strategy_plugin *plugin, uint64_t soft_bytes,
                              uint64_t hard_bytes);

static inline uint64_t count_of(const void *object)
{
    return sgc_counts.value(object);
}

/* What body(arg), run in a child, wrote to stderr must contain text; it must exit with 0. */
void expect_message(void (*body)(void *arg), void *arg, const char *text);

#endif
