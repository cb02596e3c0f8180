/* ephemerons.c - clause 8 of the contract: an ephemeron keeps its value while key and ephemeron live, and no longer
 * (Hayes 1997). In expected live sets, "e" stands for an ephemeron. */
#include "tests/conformance/kit.h"

#include <stdlib.h>

#define EPHEMERAL (SGC_NEED_REFERENCES | SGC_NEED_WEAK)
#define CYCLIC (EPHEMERAL | SGC_NEED_CYCLES)

static void *ephemeron(struct kit *kit, void *key, void *value)
{
    void *made = sgc_ephemeron_new(kit->heap, key, value);
    KIT_CHECK(made != NULL);
    return made;
}

static uint64_t label_of(struct kit_node *held)
{
    uint64_t label = sgc_is_object(held) ? held->label : 0;
    sgc_drop(held);
    return label;
}

static void ephemerons_keep_the_value_while_both_live(struct kit *kit)
{
    struct kit_node *key = kit_node(kit, 1), *value = kit_node(kit, 2);
    void *e = ephemeron(kit, key, value);
    sgc_drop(value);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 e");
    KIT_CHECK_EQ(label_of(sgc_ephemeron_key(e)), 1);
    KIT_CHECK_EQ(label_of(sgc_ephemeron_value(e)), 2);
    sgc_drop(key);
    kit_expect_live(kit, "e");
    KIT_CHECK(sgc_ephemeron_key(e) == NULL && sgc_ephemeron_value(e) == NULL);
    sgc_drop(e);
    kit_expect_live(kit, "");
}

static void ephemerons_release_the_value_when_they_die(struct kit *kit)
{
    struct kit_node *key = kit_node(kit, 1), *value = kit_node(kit, 2);
    void *e = ephemeron(kit, key, value);
    sgc_drop(value);
    kit_at_rest(kit);
    sgc_drop(e);
    kit_expect_live(kit, "1");
    sgc_drop(key);
    kit_expect_live(kit, "");
}

/* The key is named by its own value alone: that does not keep it. */
static void ephemerons_die_with_a_key_that_only_the_value_names(struct kit *kit)
{
    struct kit_node *key = kit_node(kit, 1), *value = kit_node(kit, 2);
    sgc_set(value, left, key);
    void *e = ephemeron(kit, key, value);
    sgc_drop(value);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 e");
    sgc_drop(key);
    kit_expect_live(kit, "e");
    KIT_CHECK(sgc_ephemeron_value(e) == NULL);
    sgc_drop(e);
    kit_expect_live(kit, "");
}

/* Values that are the next one's key: all live by the first key, whatever order they were made in. */
static void ephemerons_in_a_chain(struct kit *kit)
{
    enum { N = 12 };
    for (int forwards = 0; forwards < 2; forwards++) {
        struct kit_node *nodes[N + 1];
        void *made[N];
        for (unsigned i = 0; i <= N; i++)
            nodes[i] = kit_node(kit, 1 + i);
        for (unsigned k = 0; k < N; k++) {
            unsigned i = forwards ? k : N - 1 - k;
            made[i] = ephemeron(kit, nodes[i], nodes[i + 1]);
        }
        for (unsigned i = 1; i <= N; i++)
            sgc_drop(nodes[i]);
        kit_at_rest(kit);
        kit_expect_live(kit, "1 2 3 4 5 6 7 8 9 10 11 12 13 e e e e e e e e e e e e");
        KIT_CHECK_EQ(label_of(sgc_ephemeron_value(made[N - 1])), N + 1);
        sgc_drop(made[5]); /* the chain is cut: 7 and what follows go */
        kit_expect_live(kit, "1 2 3 4 5 6 e e e e e e e e e e e");
        sgc_drop(nodes[0]);
        kit_expect_live(kit, "e e e e e e e e e e e");
        for (unsigned i = 0; i < N; i++) {
            if (i != 5)
                sgc_drop(made[i]);
        }
        kit_expect_live(kit, "");
    }
}

/* Two ephemerons whose values name each other's key: neither key is reachable but through them. */
static void ephemerons_that_feed_each_other_die(struct kit *kit)
{
    struct kit_node *a = kit_node(kit, 1), *b = kit_node(kit, 2), *to_b = kit_node(kit, 3), *to_a = kit_node(kit, 4);
    sgc_set(to_b, left, b);
    sgc_set(to_a, left, a);
    void *first = ephemeron(kit, a, to_b), *second = ephemeron(kit, b, to_a);
    sgc_drop(to_a);
    sgc_drop(to_b);
    sgc_drop(b);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3 4 e e");
    sgc_drop(a);
    kit_expect_live(kit, "e e");
    sgc_drop(first);
    sgc_drop(second);
    kit_expect_live(kit, "");
}

/* An ephemeron is an object: fields refer to it, it may be a value, a key, and part of a cycle. */
static void ephemerons_are_objects(struct kit *kit)
{
    struct kit_node *owner = kit_node(kit, 1), *key = kit_node(kit, 2), *value = kit_node(kit, 3);
    void *inner = ephemeron(kit, key, value), *outer = ephemeron(kit, key, inner);
    sgc_set(owner, any[0], outer);
    sgc_drop(inner);
    sgc_drop(outer);
    sgc_drop(value);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3 e e");
    KIT_CHECK(sgc_id(outer) != 0 && sgc_id(outer) != sgc_id(inner));
    sgc_drop(key);
    kit_expect_live(kit, "1 e");
    void *got = sgc_ephemeron_value(owner->any[0]);
    KIT_CHECK(got == NULL);
    sgc_drop(owner);
    kit_expect_live(kit, "");
}

/* A table whose entries go when their keys do: the cycle key -> table -> ephemeron -> value -> key dies as a whole. */
static void ephemerons_in_a_dead_cycle_go(struct kit *kit)
{
    struct kit_node *table = kit_node(kit, 1), *key = kit_node(kit, 2), *value = kit_node(kit, 3);
    void *e = ephemeron(kit, key, value);
    sgc_set(table, any[0], e);
    sgc_set(key, left, table);
    sgc_set(value, left, key);
    sgc_drop(e);
    sgc_drop(value);
    sgc_drop(table);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3 e");
    sgc_drop(key);
    kit_expect_live(kit, "");
}

static void ephemerons_many_of_one_key(struct kit *kit)
{
    enum { N = 200 };
    struct kit_node *key = kit_node(kit, 1);
    void *made[N];
    for (unsigned i = 0; i < N; i++) {
        SGC_AUTO struct kit_node *value = kit_node(kit, 10 + i);
        made[i] = ephemeron(kit, key, value);
    }
    kit_at_rest(kit);
    for (unsigned i = 0; i < N; i += 2)
        sgc_drop(made[i]);
    kit_live(kit);
    for (unsigned i = 1; i < N; i += 2)
        KIT_CHECK_EQ(label_of(sgc_ephemeron_value(made[i])), 10 + i);
    sgc_drop(key);
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    KIT_CHECK_EQ(KIT_STAT(kit->heap, n_live), N / 2);
    for (unsigned i = 1; i < N; i += 2) {
        KIT_CHECK(sgc_ephemeron_key(made[i]) == NULL && sgc_ephemeron_value(made[i]) == NULL);
        sgc_drop(made[i]);
    }
    kit_expect_live(kit, "");
}

static void ephemerons_with_plain_values(struct kit *kit)
{
    struct kit_node *key = kit_node(kit, 1);
    void *of_null = ephemeron(kit, key, NULL), *of_number = ephemeron(kit, key, kit_immediate(9));
    void *of_itself = ephemeron(kit, key, key);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 e e e");
    KIT_CHECK(sgc_ephemeron_value(of_null) == NULL && sgc_ephemeron_value(of_number) == kit_immediate(9));
    KIT_CHECK_EQ(label_of(sgc_ephemeron_value(of_itself)), 1);
    sgc_drop(key);
    kit_expect_live(kit, "e e e");
    KIT_CHECK(sgc_ephemeron_key(of_itself) == NULL);
    sgc_drop(of_null);
    sgc_drop(of_number);
    sgc_drop(of_itself);
    kit_expect_live(kit, "");
}

/* Old key and ephemeron with a young value, and the other way round, through minor collections. */
static void ephemerons_across_ages(struct kit *kit)
{
    struct kit_node *old_key = kit_node(kit, 1), *old_value = kit_node(kit, 2), *holder = kit_node(kit, 3);
    for (int i = 0; i < 3; i++)
        sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    struct kit_node *young_value = kit_node(kit, 4), *young_key = kit_node(kit, 5);
    void *first = ephemeron(kit, old_key, young_value), *second = ephemeron(kit, young_key, old_value);
    sgc_set(holder, any[0], first);
    sgc_set(holder, any[1], second);
    sgc_set(holder, left, young_key);
    sgc_drop(young_value);
    sgc_drop(young_key);
    sgc_drop(old_value);
    for (int i = 0; i < 3; i++) {
        sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR);
        kit_verify(kit->heap);
        KIT_CHECK_EQ(label_of(sgc_ephemeron_value(first)), 4);
        KIT_CHECK_EQ(label_of(sgc_ephemeron_value(second)), 2);
    }
    sgc_set(holder, left, NULL);
    kit_expect_live(kit, "1 3 4 e e");
    KIT_CHECK(sgc_ephemeron_key(second) == NULL);
    sgc_drop(first);
    sgc_drop(second);
    sgc_drop(holder);
    kit_expect_live(kit, "1");
    sgc_drop(old_key);
}

const struct kit_claim kit_ephemerons[] = {
    KIT_CLAIM(ephemerons_keep_the_value_while_both_live, EPHEMERAL, 0),
    KIT_CLAIM(ephemerons_release_the_value_when_they_die, EPHEMERAL, 0),
    KIT_CLAIM(ephemerons_die_with_a_key_that_only_the_value_names, CYCLIC, 0),
    KIT_CLAIM(ephemerons_in_a_chain, EPHEMERAL, 0),
    KIT_CLAIM(ephemerons_that_feed_each_other_die, CYCLIC, 0),
    KIT_CLAIM(ephemerons_are_objects, EPHEMERAL, 0),
    KIT_CLAIM(ephemerons_in_a_dead_cycle_go, CYCLIC, 0),
    KIT_CLAIM(ephemerons_many_of_one_key, EPHEMERAL, 0),
    KIT_CLAIM(ephemerons_with_plain_values, EPHEMERAL, 0),
    KIT_CLAIM(ephemerons_across_ages, EPHEMERAL, 0),
    {0},
};
