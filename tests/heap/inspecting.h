/* inspecting.h - a heap of nodes that a test looks into at a stop, for the tests of inspect*.c. One heap, one stop and
 * one inspection at a time, as each test is a process. */
#ifndef SLABGC_TESTS_HEAP_INSPECTING_H
#define SLABGC_TESTS_HEAP_INSPECTING_H

#include "core/heap/inspect.h"
#include "core/heap/section.h"
#include "tests/heap/support.h"

static struct sgc_heap *heap;
static struct sgc_cache *nodes;
static struct sgc_stop stop;
static struct sgc_inspect inspect;

static const struct sgc_strategy_plugin *const plugins[] = {&counting_plugin, &marking_plugin};
#define N_PLUGINS (sizeof(plugins) / sizeof(*plugins))

static inline void open_on(const struct sgc_strategy_plugin *plugin)
{
    heap = open_heap("graphs", plugin);
    nodes = make_cache(heap, &node_type);
}

static inline void inspect_begin(void)
{
    struct sgc_error error = {0};
    sgc_stop_begin(&stop, heap);
    ck_assert_msg(sgc_inspect_open(&inspect, heap, &error) == 0, "%s", error.message);
}

static inline void inspect_end(void)
{
    sgc_inspect_close(&inspect);
    sgc_stop_end(&stop);
    assert_verifies(heap);
}

/* A node that only its owner's field holds. */
static inline struct node *put(struct node *owner, struct node **field, struct node *node)
{
    if (field == &owner->left)
        sgc_set(owner, left, node);
    else
        sgc_set(owner, right, node);
    sgc_drop(node);
    return node;
}

static inline void assert_holds(const void *object, uint64_t n)
{
    ck_assert_uint_eq(sgc_inspect_holds(&inspect, object), n);
}

/* One object of it is a run of slabs of its own. */
struct big {
    char bytes[100000];
};
static const struct sgc_type big_type = {.name = "big", .size_bytes = sizeof(struct big)};

#endif
