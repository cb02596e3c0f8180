/* writing.c - clause 4 of the contract, one thread: the store family moves claims exactly. */
#include "tests/conformance/kit.h"

#include <stdlib.h>

#define CYCLIC (SGC_NEED_REFERENCES | SGC_NEED_CYCLES)

static void writing_set_moves_the_claim(struct kit *kit)
{
    struct kit_node *a = kit_node(kit, 1), *b = kit_node(kit, 2), *c = kit_node(kit, 3);
    sgc_set(a, left, b);
    sgc_drop(b);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3");
    sgc_set(a, left, c);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 3");
    sgc_drop(c);
    kit_expect_live(kit, "1 3");
    sgc_set(a, left, NULL);
    kit_expect_live(kit, "1");
    sgc_drop(a);
    kit_expect_live(kit, "");
}

/* The old value is the new one: counted up before it is counted down. */
static void writing_the_same_value_again_keeps_it(struct kit *kit)
{
    struct kit_node *a = kit_node(kit, 1), *b = kit_node(kit, 2);
    sgc_set(a, left, b);
    sgc_drop(b);
    for (int i = 0; i < 3; i++) {
        sgc_enter();
        sgc_set(a, left, sgc_get(a, left));
        sgc_leave();
        kit_at_rest(kit);
        kit_expect_live(kit, "1 2");
    }
    sgc_drop(a);
    kit_expect_live(kit, "");
}

static void writing_one_object_into_many_fields(struct kit *kit)
{
    struct kit_node *a = kit_node(kit, 1), *b = kit_node(kit, 2);
    sgc_set(a, left, b);
    sgc_set(a, right, b);
    sgc_set(a, any[0], b);
    sgc_set(a, any[1], b);
    sgc_drop(b);
    kit_at_rest(kit);
    sgc_set(a, left, NULL);
    sgc_set(a, any[1], NULL);
    kit_expect_live(kit, "1 2");
    sgc_set(a, any[0], NULL);
    sgc_set(a, right, NULL);
    kit_expect_live(kit, "1");
    sgc_drop(a);
}

static void writing_cycles_die(struct kit *kit)
{
    struct kit_node *self = kit_node(kit, 1);
    sgc_set(self, left, self);
    sgc_drop(self);
    struct kit_node *first = kit_node(kit, 10), *last = first;
    for (uint64_t label = 11; label < 20; label++) {
        struct kit_node *next = kit_node(kit, label);
        sgc_set(last, right, next);
        sgc_set(next, left, last);
        if (last != first)
            sgc_drop(last);
        last = next;
    }
    sgc_set(last, right, first);
    sgc_drop(last);
    kit_at_rest(kit);
    kit_expect_live(kit, "10 11 12 13 14 15 16 17 18 19");
    sgc_drop(first);
    kit_expect_live(kit, "");
}

/* A dead cycle that refers to a live object, and one that a live object refers to. */
static void writing_cycles_beside_the_living(struct kit *kit)
{
    struct kit_node *keeper = kit_node(kit, 1), *shared = kit_node(kit, 2);
    sgc_set(keeper, left, shared);
    for (uint64_t label = 10; label < 30; label += 10) {
        struct kit_node *x = kit_node(kit, label), *y = kit_node(kit, label + 1);
        sgc_set(x, left, y);
        sgc_set(y, left, x);
        sgc_set(y, right, shared);
        if (label == 20)
            sgc_set(shared, left, x);
        sgc_drop(x);
        sgc_drop(y);
    }
    sgc_drop(shared);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 20 21");
    sgc_set(keeper, left, NULL);
    kit_expect_live(kit, "1");
    sgc_drop(keeper);
}

static void writing_xchg_hands_its_claim_over(struct kit *kit)
{
    struct kit_node *a = kit_node(kit, 1), *b = kit_node(kit, 2), *c = kit_node(kit, 3);
    sgc_set(a, left, b);
    sgc_drop(b);
    kit_at_rest(kit);
    struct kit_node *old = sgc_xchg(a, left, c);
    KIT_CHECK(old == b);
    sgc_drop(c);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3");
    sgc_drop(old);
    kit_expect_live(kit, "1 3");
    old = sgc_xchg(a, left, NULL);
    KIT_CHECK(old == c && sgc_xchg(a, left, NULL) == NULL);
    kit_expect_live(kit, "1 3");
    sgc_drop(old);
    sgc_drop(a);
    kit_expect_live(kit, "");
}

static void writing_cas_counts_only_on_success(struct kit *kit)
{
    struct kit_node *a = kit_node(kit, 1), *b = kit_node(kit, 2), *c = kit_node(kit, 3);
    KIT_CHECK(!sgc_cas(a, left, c, b)); /* fails: nothing is counted */
    KIT_CHECK(sgc_cas(a, left, NULL, b));
    sgc_drop(b);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3");
    KIT_CHECK(!sgc_cas(a, left, c, c));
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3");
    sgc_enter();
    KIT_CHECK(sgc_cas(a, left, sgc_get(a, left), c));
    KIT_CHECK(sgc_cas(a, left, c, c)); /* the same again */
    sgc_leave();
    sgc_drop(c);
    kit_expect_live(kit, "1 3");
    KIT_CHECK(sgc_cas(a, left, c, NULL));
    kit_expect_live(kit, "1");
    sgc_drop(a);
}

static void writing_bulk_stores_as_set_would(struct kit *kit)
{
    enum { N = 40 };
    struct sgc_cache *vecs = kit_cache(kit, &kit_vec_type);
    struct kit_vec *vec = kit_vec(vecs, 1, N);
    void *values[N], *cleared[N] = {NULL};
    for (uint64_t i = 0; i < N; i++)
        values[i] = i % 4 == 0 ? NULL : i % 4 == 1 ? kit_immediate(i) : (void *)kit_node(kit, 100 + i);
    sgc_store_bulk(vec, items[0], values, N);
    for (unsigned i = 0; i < N; i++) {
        KIT_CHECK((void *)vec->items[i] == values[i]);
        sgc_drop(values[i]);
    }
    kit_at_rest(kit);
    kit_live(kit);
    sgc_store_bulk(vec, items[8], cleared, 8);
    sgc_store_bulk(vec, items[0], values, 0);
    kit_at_rest(kit);
    kit_live(kit);
    KIT_CHECK(vec->items[7] == values[7] && vec->items[8] == NULL && vec->items[15] == NULL);
    struct kit_node *again = vec->items[2];
    void *twice[] = {again, again};
    sgc_store_bulk(vec, items[2], twice, 2);
    kit_live(kit);
    sgc_drop(vec);
    kit_expect_live(kit, "");
}

static void writing_immediates_are_not_followed(struct kit *kit)
{
    struct kit_node *a = kit_node(kit, 1), *b = kit_node(kit, 2);
    sgc_set(a, any[0], kit_immediate(0x5555));
    kit_at_rest(kit);
    KIT_CHECK(sgc_xchg(a, any[0], (void *)b) == kit_immediate(0x5555));
    sgc_drop(b);
    kit_expect_live(kit, "1 2");
    sgc_set(a, any[0], kit_immediate(7));
    kit_expect_live(kit, "1");
    KIT_CHECK(sgc_cas(a, any[0], kit_immediate(7), kit_immediate(8)));
    KIT_CHECK(a->any[0] == kit_immediate(8));
    sgc_set(a, any[0], NULL);
    sgc_drop(a);
    kit_expect_live(kit, "");
}

/* An owner that survived collections, and the youngest of objects stored into it by each member of the family. */
static void writing_into_old_objects(struct kit *kit)
{
    struct sgc_cache *vecs = kit_cache(kit, &kit_vec_type);
    struct kit_node *old = kit_node(kit, 1);
    struct kit_vec *old_vec = kit_vec(vecs, 2, 3);
    static struct sgc_root cell;
    for (int i = 0; i < 3; i++)
        sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    struct kit_node *young[8];
    for (uint64_t i = 0; i < 8; i++)
        young[i] = kit_node(kit, 10 + i);
    sgc_set(old, left, young[0]);
    KIT_CHECK(sgc_xchg(old, right, young[1]) == NULL);
    KIT_CHECK(sgc_cas(old, any[0], NULL, (void *)young[2]));
    sgc_store_bulk(old_vec, items[0], &young[3], 3);
    sgc_root_set(&cell, young[6]);
    sgc_set(young[7], left, young[0]); /* young names young; itself only by the hold that goes */
    for (int i = 0; i < 8; i++)
        sgc_drop(young[i]);
    for (int i = 0; i < 3; i++) {
        sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR);
        kit_verify(kit->heap);
        KIT_CHECK(old->left->label == 10 && old->right->label == 11);
        KIT_CHECK(((struct kit_node *)old->any[0])->label == 12 && old_vec->items[2]->label == 15);
    }
    kit_expect_live(kit, "1 2 10 11 12 13 14 15 16");
    sgc_root_set(&cell, NULL);
    sgc_drop(old);
    sgc_drop(old_vec);
    kit_expect_live(kit, "");
}

/* A chain that grows at its old end, a minor collection between all links. */
static void writing_between_minor_collections(struct kit *kit)
{
    struct kit_node *head = kit_node(kit, 1), *last = head;
    for (uint64_t label = 2; label <= 30; label++) {
        struct kit_node *next = kit_node(kit, label);
        sgc_set(last, right, next);
        sgc_drop(next);
        last = next;
        sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR);
        KIT_CHECK_EQ(last->label, label);
    }
    kit_live(kit);
    sgc_set(head->right, right, NULL);
    kit_expect_live(kit, "1 2");
    sgc_drop(head);
}

/* A store is never a place where a collection can stop the thread. */
static void writing_never_collects(struct kit *kit)
{
    struct kit_node *a = kit_node(kit, 1), *b = kit_node(kit, 2);
    uint64_t before = KIT_STAT(kit->heap, n_full) + KIT_STAT(kit->heap, n_minor);
    for (int i = 0; i < 200000; i++) {
        sgc_set(a, left, i % 2 ? b : NULL);
        sgc_set(b, left, i % 3 ? a : NULL);
    }
    KIT_CHECK_EQ(KIT_STAT(kit->heap, n_full) + KIT_STAT(kit->heap, n_minor), before);
    sgc_set(b, left, NULL);
    sgc_set(a, left, NULL);
    sgc_drop(a);
    sgc_drop(b);
}

struct two_heaps {
    struct sgc_heap *first;
    struct kit_node *owner, *stranger;
};

static void store_across(void *arg)
{
    struct two_heaps *two = arg;
    struct sgc_error error = {0};
    sgc_set(two->owner, left, two->stranger);
    if (sgc_heap_verify(two->first, &error) != 0) {
        fprintf(stderr, "slabgc: panic: found by verify: cross-heap: %s\n", error.message);
        abort();
    }
}

/* Where the store itself does not see it, verify does. */
static void writing_across_heaps_is_found(struct kit *kit)
{
    struct sgc_heap *second = kit_open(kit, "second", SGC_NEED_REFERENCES, 0);
    struct sgc_cache *nodes = sgc_cache_create(second, &kit_node_type, NULL);
    KIT_CHECK(nodes != NULL);
    struct two_heaps two = {kit->heap, kit_node(kit, 1), sgc_new(nodes)};
    KIT_CHECK(two.stranger != NULL);
    kit_expect_panic(store_across, &two, "cross-heap");
    sgc_drop(two.owner);
    sgc_drop(two.stranger);
    KIT_CHECK(sgc_heap_close(second, NULL) == 0);
}

const struct kit_claim kit_writing[] = {
    KIT_CLAIM(writing_set_moves_the_claim, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_the_same_value_again_keeps_it, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_one_object_into_many_fields, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_cycles_die, CYCLIC, 0),
    KIT_CLAIM(writing_cycles_beside_the_living, CYCLIC, 0),
    KIT_CLAIM(writing_xchg_hands_its_claim_over, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_cas_counts_only_on_success, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_bulk_stores_as_set_would, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_immediates_are_not_followed, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_into_old_objects, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_between_minor_collections, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_never_collects, SGC_NEED_REFERENCES, KIT_PLAIN),
    KIT_CLAIM(writing_across_heaps_is_found, SGC_NEED_REFERENCES, KIT_PLAIN),
    {0},
};
