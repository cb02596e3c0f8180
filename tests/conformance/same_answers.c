/* same_answers.c - clause 7 of the contract: programs as people write them, whose transcripts and exact live sets after
 * full collections are the same on every strategy. Switching is in same_switch.c. */
#include "tests/conformance/kit.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CYCLIC (SGC_NEED_REFERENCES | SGC_NEED_CYCLES)

/* ---- binary trees (after Boehm's and Ellis and Kovac's GCBench) */

static struct kit_node *tree_build(struct kit *kit, unsigned depth)
{
    struct kit_node *node = kit_node(kit, depth + 1);
    if (depth) {
        SGC_AUTO struct kit_node *left = tree_build(kit, depth - 1);
        SGC_AUTO struct kit_node *right = tree_build(kit, depth - 1);
        sgc_set(node, left, left);
        sgc_set(node, right, right);
    }
    return node;
}

static unsigned tree_count(const struct kit_node *node)
{
    return node ? 1 + tree_count(node->left) + tree_count(node->right) : 0;
}

static void same_answers_binary_trees(struct kit *kit)
{
    struct kit_node *long_lived = tree_build(kit, 8);
    for (unsigned depth = 2; depth <= 8; depth += 2) {
        unsigned sum = 0;
        for (unsigned i = 0; i < 256u >> depth; i++) {
            SGC_AUTO struct kit_node *tree = tree_build(kit, depth);
            sum += tree_count(tree);
        }
        kit_say(kit, "depth %u: %u", depth, sum);
        kit_at_rest(kit);
    }
    kit_say(kit, "long-lived: %u", tree_count(long_lived));
    kit_live(kit);
    sgc_drop(long_lived);
    kit_expect_live(kit, "");
}

/* ---- a bounded cache: hash table of chains, least-recently-used list through the same nodes (cycles) */

enum { N_BUCKETS = 31, N_ENTRIES = 60 };

struct lru {
    struct kit *kit;
    struct kit_vec *buckets; /* chains by any[0] */
    struct kit_node *ring;   /* sentinel; right: most recent, left: least recent */
    unsigned n, n_hits;
};

static void lru_unlink(struct kit_node *node)
{
    sgc_set(node->left, right, node->right);
    sgc_set(node->right, left, node->left);
}

static void lru_push_front(struct lru *lru, struct kit_node *node)
{
    struct kit_node *first = lru->ring->right;
    sgc_set(node, left, lru->ring);
    sgc_set(node, right, first);
    sgc_set(first, left, node);
    sgc_set(lru->ring, right, node);
}

static void lru_remove_from_chain(struct lru *lru, struct kit_node *node)
{
    struct kit_node *at = lru->buckets->items[node->label % N_BUCKETS];
    if (at == node) {
        sgc_set(lru->buckets, items[node->label % N_BUCKETS], (struct kit_node *)node->any[0]);
        return;
    }
    while (at->any[0] != node)
        at = at->any[0];
    sgc_set(at, any[0], node->any[0]);
}

static void lru_look_up(struct lru *lru, uint64_t key)
{
    SGC_SECTION;
    struct kit_node *node = lru->buckets->items[key % N_BUCKETS];
    while (node && node->label != key)
        node = node->any[0];
    if (node) {
        lru->n_hits++;
        lru_unlink(node);
        lru_push_front(lru, node);
        return;
    }
    if (lru->n == N_ENTRIES) {
        struct kit_node *victim = lru->ring->left;
        lru_unlink(victim);
        lru_remove_from_chain(lru, victim);
        lru->n--;
    }
    SGC_AUTO struct kit_node *fresh = kit_node(lru->kit, key);
    sgc_set(fresh, any[0], (void *)lru->buckets->items[key % N_BUCKETS]);
    sgc_set(lru->buckets, items[key % N_BUCKETS], fresh);
    lru_push_front(lru, fresh);
    lru->n++;
}

static void same_answers_lru_cache(struct kit *kit)
{
    struct lru lru = {.kit = kit, .buckets = kit_vec(kit_cache(kit, &kit_vec_type), 5000, N_BUCKETS)};
    lru.ring = kit_node(kit, 6000);
    sgc_set(lru.ring, left, lru.ring);
    sgc_set(lru.ring, right, lru.ring);
    struct random random = {42};
    for (int i = 1; i <= 6000; i++) {
        uint64_t key = 1 + random_below(&random, 1 + random_below(&random, 400));
        lru_look_up(&lru, key);
        if (i % 1000 == 0) {
            kit_at_rest(kit);
            kit_say(kit, "after %d: %u hits", i, lru.n_hits);
            kit_live(kit);
        }
    }
    sgc_drop(lru.buckets);
    sgc_drop(lru.ring);
    kit_expect_live(kit, "");
}

/* ---- a random graph against an oracle that knows every edge */

enum { N_HELD = 24, N_OBJECTS = 4000, N_FIELDS = 4 };

struct oracle {
    struct kit_node *held[N_HELD];
    uint32_t held_label[N_HELD];             /* 0: nothing held */
    uint32_t edges[N_OBJECTS + 1][N_FIELDS]; /* by label; 0: NULL */
    unsigned char reached[N_OBJECTS + 1];
    uint32_t n_objects;
};

static void oracle_reach(struct oracle *oracle, uint32_t label)
{
    if (!label || oracle->reached[label])
        return;
    oracle->reached[label] = 1;
    for (int i = 0; i < N_FIELDS; i++)
        oracle_reach(oracle, oracle->edges[label][i]);
}

static int oracle_check_one(void *arg, struct sgc_cache *cache, void *object, size_t bytes, uint64_t count)
{
    struct oracle *oracle = arg;
    struct kit_node *node = object;
    (void)cache, (void)bytes, (void)count;
    if (node->label == 0 || node->label > oracle->n_objects || oracle->reached[node->label] != 1)
        return -1;
    oracle->reached[node->label] = 2; /* seen: each once */
    const struct kit_node *const fields[N_FIELDS] = {node->left, node->right, node->any[0], node->any[1]};
    for (int i = 0; i < N_FIELDS; i++) {
        if ((fields[i] ? fields[i]->label : 0) != oracle->edges[node->label][i])
            return -1;
    }
    return 0;
}

static void oracle_compare(struct kit *kit, struct oracle *oracle)
{
    unsigned n_live = 0;
    for (uint32_t label = 1; label <= oracle->n_objects; label++)
        oracle->reached[label] = 0;
    for (int i = 0; i < N_HELD; i++)
        oracle_reach(oracle, oracle->held_label[i]);
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    KIT_CHECK(sgc_heap_walk(kit->heap, kit->nodes, oracle_check_one, oracle) == 0);
    for (uint32_t label = 1; label <= oracle->n_objects; label++) {
        KIT_CHECK(oracle->reached[label] != 1); /* reachable, and not there any more */
        n_live += oracle->reached[label] == 2;
    }
    kit_say(kit, "made %u, live %u", oracle->n_objects, n_live);
}

static void oracle_link(struct oracle *oracle, struct random *random, unsigned from, unsigned to)
{
    struct kit_node *owner = oracle->held[from], *value = oracle->held[to];
    uint32_t *edges = oracle->edges[oracle->held_label[from]], label = oracle->held_label[to];
    unsigned field = random_below(random, N_FIELDS);
    edges[field] = label;
    if (field == 0)
        sgc_set(owner, left, value);
    else if (field == 1)
        sgc_drop(sgc_xchg(owner, right, value));
    else if (field == 2)
        sgc_store_bulk(owner, any[0], &value, 1);
    else
        sgc_set(owner, any[1], (void *)value);
}

/* Holds an object that another held one refers to. */
static void oracle_follow(struct oracle *oracle, struct random *random, unsigned from, unsigned into)
{
    SGC_SECTION;
    struct kit_node *owner = oracle->held[from];
    struct kit_node *const fields[N_FIELDS] = {owner->left, owner->right, owner->any[0], owner->any[1]};
    struct kit_node *found = sgc_hold(fields[random_below(random, N_FIELDS)]);
    sgc_drop(oracle->held[into]);
    oracle->held[into] = found;
    oracle->held_label[into] = found ? (uint32_t)found->label : 0;
}

static void same_answers_random_graph(struct kit *kit)
{
    static struct oracle oracle;
    struct random random = {20240229};
    while (oracle.n_objects < N_OBJECTS) {
        unsigned a = random_below(&random, N_HELD), b = random_below(&random, N_HELD),
                 what = random_below(&random, 100);
        if (what < 25 || !oracle.held[a]) {
            sgc_drop(oracle.held[a]);
            oracle.held_label[a] = ++oracle.n_objects;
            oracle.held[a] = kit_node(kit, oracle.n_objects);
        } else if (what < 75) {
            oracle_link(&oracle, &random, a, b);
        } else if (what < 95) {
            oracle_follow(&oracle, &random, a, b);
        } else {
            sgc_drop(oracle.held[a]);
            oracle.held[a] = NULL;
            oracle.held_label[a] = 0;
        }
        if (what == 99 && random_chance(&random, 20)) {
            kit_at_rest(kit);
            oracle_compare(kit, &oracle);
        }
    }
    oracle_compare(kit, &oracle);
    for (int i = 0; i < N_HELD; i++)
        sgc_drop(oracle.held[i]);
    kit_expect_live(kit, "");
}

/* ---- fork: parent and child go on by themselves */

static void same_answers_after_fork(struct kit *kit)
{
    struct kit_node *tree = tree_build(kit, 6);
    sgc_drop(tree_build(kit, 6));
    steps_await_others_asleep(); /* a thread of core's that this began */
    fflush(NULL);
    pid_t child = fork();
    KIT_CHECK(child >= 0);
    if (child == 0) {
        kit_verify(kit->heap);
        sgc_drop(tree_build(kit, 7));
        KIT_CHECK_EQ(tree_count(tree), 127);
        sgc_drop(tree);
        sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
        KIT_CHECK_EQ(KIT_STAT(kit->heap, n_live), 0);
        kit_verify(kit->heap);
        _exit(0);
    }
    sgc_drop(tree_build(kit, 7));
    kit_at_rest(kit);
    KIT_CHECK_EQ(tree_count(tree), 127);
    int status = 1;
    KIT_CHECK(waitpid(child, &status, 0) == child && status == 0);
    kit_live(kit);
    sgc_drop(tree);
    kit_expect_live(kit, "");
}

const struct kit_claim kit_same_answers[] = {
    KIT_CLAIM(same_answers_binary_trees, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(same_answers_lru_cache, CYCLIC, 0),
    KIT_CLAIM(same_answers_random_graph, CYCLIC, 0),
    KIT_CLAIM(same_answers_after_fork, SGC_NEED_REFERENCES, 0),
    {0},
};
