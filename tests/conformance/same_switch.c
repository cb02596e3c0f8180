/* same_switch.c - clause 7 of the contract: a live heap moves from strategy to strategy and nothing of the program's
 * changes; heaps of several strategies live side by side. The peers are the strategies of the run. */
#include "tests/conformance/kit.h"

#include <stdlib.h>
#include <string.h>

#define CYCLIC (SGC_NEED_REFERENCES | SGC_NEED_CYCLES)

static uint32_t capabilities_of(const char *strategy)
{
    struct sgc_error error = {0};
    struct sgc_heap *heap = sgc_heap_open("probe", &(struct sgc_heap_options){.strategy = strategy}, &error);
    if (!heap)
        kit_fail(__FILE__, __LINE__, "%s: %s", strategy, error.message);
    uint32_t capabilities = sgc_heap_capabilities(heap);
    KIT_CHECK(sgc_heap_close(heap, NULL) == 0);
    return capabilities;
}

static void switch_to(struct kit *kit, const char *strategy)
{
    struct sgc_error error = {0};
    if (sgc_heap_switch(kit->heap, strategy, &error) != 0)
        kit_fail(__FILE__, __LINE__, "switching to %s: %s", strategy, error.message);
    kit_verify(kit->heap);
}

/* A ring of ten with a tail, a self-loop, and as much garbage; one object with 300 holds. */
static struct kit_node *build(struct kit *kit, uint64_t label)
{
    struct kit_node *first = kit_node(kit, label), *last = first;
    for (uint64_t i = 1; i < 10; i++) {
        struct kit_node *next = kit_node(kit, label + i);
        sgc_set(last, right, next);
        sgc_drop(next);
        last = next;
    }
    sgc_set(last, right, first);
    sgc_set(last, left, last);
    for (int i = 0; i < 10; i++)
        sgc_set(first, any[i % 2], (void *)last);
    return first;
}

static void check(struct kit_node *first, uint64_t label)
{
    struct kit_node *at = first;
    for (uint64_t i = 0; i < 10; i++, at = at->right)
        KIT_CHECK_EQ(at->label, label + i);
    KIT_CHECK(at == first);
}

/* What a program does on any strategy, before, between and after switches. */
static void work(struct kit *kit, struct kit_node *first, const char *live)
{
    sgc_drop(build(kit, 900));
    kit_at_rest(kit);
    struct kit_node *extra = kit_node(kit, 500);
    sgc_set(first, left, extra);
    sgc_drop(extra);
    sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR);
    check(first, 10);
    KIT_CHECK_EQ(first->left->label, 500);
    sgc_set(first, left, NULL);
    kit_expect_live(kit, live);
    kit_verify(kit->heap);
}

static void same_answers_across_switches(struct kit *kit)
{
    static const char live[] = "10 11 12 13 14 15 16 17 18 19 700";
    struct kit_node *first = build(kit, 10), *popular = kit_node(kit, 700);
    for (int i = 0; i < 300; i++)
        sgc_hold(popular);
    work(kit, first, live);
    for (size_t i = 0; i < kit->n_peers; i++) {
        if (CYCLIC & ~capabilities_of(kit->peers[i]))
            continue;
        sgc_drop(build(kit, 800)); /* garbage that nobody has noticed may be there */
        switch_to(kit, kit->peers[i]);
        check(first, 10);
        work(kit, first, live);
        switch_to(kit, kit->strategy);
        work(kit, first, live);
    }
    for (int i = 0; i < 300; i++)
        sgc_drop(popular);
    kit_expect_live(kit, live);
    sgc_drop(popular);
    sgc_drop(first);
    kit_expect_live(kit, "");
}

static unsigned n_finalized;

static void count_finalizer(void *object)
{
    (void)object;
    n_finalized++;
}

/* Weak references, ephemerons and finalizers move along. */
static void same_answers_for_the_weak_across_switches(struct kit *kit)
{
    static struct sgc_type finalized_type;
    finalized_type = kit_node_type;
    finalized_type.name = "finalized";
    finalized_type.finalize = count_finalizer;
    struct sgc_cache *finalized = kit_cache(kit, &finalized_type);
    uint32_t needs = CYCLIC | SGC_NEED_WEAK | SGC_NEED_FINALIZERS;
    for (size_t i = 0; i < kit->n_peers; i++) {
        if (needs & ~capabilities_of(kit->peers[i]))
            continue;
        struct kit_node *key = kit_node(kit, 1), *value = kit_node(kit, 2), *weakly = kit_node(kit, 3);
        void *ephemeron = sgc_ephemeron_new(kit->heap, key, value);
        struct sgc_weak *weak = sgc_weak_create(weakly);
        struct kit_node *mortal = sgc_new(finalized);
        KIT_CHECK(ephemeron && weak && mortal);
        mortal->label = 4;
        sgc_drop(value);
        switch_to(kit, kit->peers[i]);
        kit_expect_live(kit, "1 2 3 4 e");
        struct kit_node *got = sgc_weak_get(weak);
        KIT_CHECK(got == weakly);
        sgc_drop(got);
        n_finalized = 0;
        sgc_drop(weakly);
        sgc_drop(key);
        sgc_drop(mortal);
        sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
        KIT_CHECK(sgc_weak_get(weak) == NULL && sgc_ephemeron_value(ephemeron) == NULL);
        switch_to(kit, kit->strategy); /* with a finalizer still waiting in the queue */
        sgc_finalizers_run(kit->heap, 0);
        KIT_CHECK_EQ(n_finalized, 1);
        kit_expect_live(kit, "e");
        sgc_drop(ephemeron);
        sgc_weak_destroy(weak);
        kit_expect_live(kit, "");
    }
}

struct mutator {
    struct kit *kit;
    struct kit_vec *shared;
    unsigned number;
    volatile bool *stop;
};

static void *mutate(void *arg)
{
    struct mutator *mutator = arg;
    while (!__atomic_load_n(mutator->stop, __ATOMIC_RELAXED)) {
        struct kit_node *node = kit_node(mutator->kit, 10 + mutator->number);
        sgc_set(mutator->shared, items[mutator->number], node);
        sgc_drop(node);
    }
    return NULL;
}

/* Other threads work on while the heap moves. */
static void same_answers_with_threads_across_switches(struct kit *kit)
{
    enum { N = 3 };
    volatile bool stop = false;
    struct kit_vec *shared = kit_vec(kit_cache(kit, &kit_vec_type), 1, N);
    struct mutator mutators[N];
    pthread_t threads[N];
    for (unsigned i = 0; i < N; i++) {
        mutators[i] = (struct mutator){kit, shared, i, &stop};
        threads[i] = kit_start(mutate, &mutators[i]);
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < kit->n_peers; i++) {
            if (SGC_NEED_REFERENCES & ~capabilities_of(kit->peers[i]))
                continue;
            switch_to(kit, kit->peers[i]);
            switch_to(kit, kit->strategy);
        }
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < N; i++)
        kit_join(threads[i]);
    for (unsigned i = 0; i < N; i++) /* whether or not a thread came to its first store */
        sgc_set(shared, items[i], NULL);
    kit_expect_live(kit, "1");
    sgc_drop(shared);
    kit_expect_live(kit, "");
}

/* A heap for each peer, the same work in each, in turns. */
static void same_answers_side_by_side(struct kit *kit)
{
    struct sgc_heap *heaps[KIT_MAX_PEERS], *mine = kit->heap;
    struct sgc_cache *caches[KIT_MAX_PEERS], *my_nodes = kit->nodes;
    struct kit_node *firsts[KIT_MAX_PEERS];
    size_t n = 0;
    for (size_t i = 0; i < kit->n_peers; i++) {
        if (CYCLIC & ~capabilities_of(kit->peers[i]))
            continue;
        char name[32];
        snprintf(name, sizeof(name), "side-%zu", i);
        struct sgc_heap_options options = {.needs = CYCLIC, .strategy = kit->peers[i]};
        heaps[n] = sgc_heap_open(name, &options, NULL);
        KIT_CHECK(heaps[n] != NULL);
        caches[n] = sgc_cache_create(heaps[n], &kit_node_type, NULL);
        KIT_CHECK(caches[n++] != NULL);
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < n; i++) {
            kit->heap = heaps[i];
            kit->nodes = caches[i];
            if (round == 0)
                firsts[i] = build(kit, 10);
            sgc_drop(build(kit, 800));
            sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
            char *labels = kit_labels(kit->heap);
            KIT_CHECK(strcmp(labels, "10 11 12 13 14 15 16 17 18 19") == 0);
            free(labels);
        }
    }
    for (size_t i = 0; i < n; i++) {
        sgc_drop(firsts[i]);
        kit_verify(heaps[i]);
        KIT_CHECK(sgc_heap_close(heaps[i], NULL) == 0);
    }
    kit->heap = mine;
    kit->nodes = my_nodes;
}

const struct kit_claim kit_same_switch[] = {
    KIT_CLAIM(same_answers_across_switches, CYCLIC, KIT_PLAIN),
    KIT_CLAIM(same_answers_for_the_weak_across_switches, CYCLIC | SGC_NEED_WEAK | SGC_NEED_FINALIZERS, KIT_PLAIN),
    KIT_CLAIM(same_answers_with_threads_across_switches, SGC_NEED_REFERENCES, KIT_PLAIN),
    KIT_CLAIM(same_answers_side_by_side, CYCLIC, KIT_PLAIN),
    {0},
};
