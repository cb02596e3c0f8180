/* graph.h - graphs for the tests of plugins/counting, on the strategy refcount over the fake host. */
#ifndef SLABGC_TESTS_PLUGINS_COUNTING_GRAPH_H
#define SLABGC_TESTS_PLUGINS_COUNTING_GRAPH_H

#include "plugins/counting/cycles.h"
#include "tests/plugins/support/fake_host.h"
#include "tests/support/expect.h"

extern const struct sgc_strategy_plugin sgc_strategy_plugin;

static inline struct sgc_counting *counting(void)
{
    return fake.self;
}

/* A ring over field 0 of n objects; returns one of them, with the only hold. */
static inline void *graph_ring(unsigned n, const struct sgc_type *type)
{
    void *first = fake_new(type), *last = first;
    for (unsigned i = 1; i < n; i++)
        last = fake_grow(last, 0, type);
    fake_set(last, 0, first);
    return first;
}

#endif
