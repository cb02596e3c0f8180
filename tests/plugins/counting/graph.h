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

/* owner's field i refers to a new object that nothing else holds. */
static inline void *graph_grow(void *owner, unsigned i, const struct sgc_type *type)
{
    void *object = fake_new(type);
    fake_set(owner, i, object);
    fake_drop(object);
    return object;
}

/* A ring over field 0 of n objects; returns one of them, with the only hold. */
static inline void *graph_ring(unsigned n, const struct sgc_type *type)
{
    void *first = fake_new(type), *last = first;
    for (unsigned i = 1; i < n; i++)
        last = graph_grow(last, 0, type);
    fake_set(last, 0, first);
    return first;
}

/* A list over field 0; returns its head, with the only hold. Built from the tail: every node was held once. */
static inline void *graph_list(unsigned n, const struct sgc_type *type)
{
    void *head = NULL;
    for (unsigned i = 0; i < n; i++) {
        void *object = fake_new(type);
        fake_set(object, 0, head);
        if (head)
            fake_drop(head);
        head = object;
    }
    return head;
}

#endif
