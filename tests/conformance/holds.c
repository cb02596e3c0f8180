/* holds.c - clause 1 of the contract: holds, hold stacks, root cells, identities.
 * Claims on objects without references run on the bare object cache too. */
#include "tests/conformance/kit.h"

#include <setjmp.h>
#include <stdlib.h>

static void holds_new_returns_one_hold(struct kit *kit)
{
    struct kit_leaf *leaf = kit_leaf(kit, 1);
    kit_at_rest(kit);
    kit_expect_live(kit, "1");
    sgc_drop(leaf);
    kit_expect_live(kit, "");
}

/* 70 is a plain count, 300 and 100,000 go beyond one byte. */
static void holds_last_until_as_many_drops(struct kit *kit)
{
    static const unsigned counts[] = {1, 70, 125, 126, 127, 128, 300, 100000};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct kit_leaf *leaf = kit_leaf(kit, 10 + i);
        for (unsigned k = 0; k < counts[i]; k++)
            KIT_CHECK(sgc_hold(leaf) == leaf);
        kit_at_rest(kit);
        for (unsigned k = 0; k < counts[i]; k++)
            sgc_drop(leaf);
        kit_at_rest(kit);
        KIT_CHECK_EQ(leaf->label, 10 + i);
        kit_live(kit);
        sgc_drop(leaf);
        kit_expect_live(kit, "");
    }
}

static void *take_hold(void *leaf)
{
    return sgc_hold(leaf);
}

static void *give_hold_back(void *leaf)
{
    sgc_drop(leaf);
    return NULL;
}

static void holds_any_thread_may_hold_and_drop(struct kit *kit)
{
    struct kit_leaf *leaf = kit_leaf(kit, 1);
    kit_join(kit_start(take_hold, leaf));
    sgc_drop(leaf);
    kit_at_rest(kit);
    kit_expect_live(kit, "1");
    kit_join(kit_start(give_hold_back, leaf));
    kit_expect_live(kit, "");
}

struct crowd {
    struct kit_leaf *leaf;
    unsigned n;
};

static void *hold_and_drop_often(void *arg)
{
    struct crowd *crowd = arg;
    for (unsigned i = 0; i < crowd->n; i++) {
        sgc_hold(crowd->leaf);
        sgc_hold(crowd->leaf);
        sgc_drop(crowd->leaf);
        sgc_drop(crowd->leaf);
    }
    return sgc_hold(crowd->leaf);
}

/* Many threads count one object up and down: no claim is lost, none invented. */
static void holds_of_many_threads_add_up(struct kit *kit)
{
    struct crowd crowd = {kit_leaf(kit, 1), 20000};
    for (unsigned k = 0; k < 124; k++)
        sgc_hold(crowd.leaf); /* the crowd moves around the edge of a byte */
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = kit_start(hold_and_drop_often, &crowd);
    for (int i = 0; i < 4; i++)
        kit_join(threads[i]);
    for (unsigned k = 0; k < 124 + 4; k++)
        sgc_drop(crowd.leaf);
    kit_expect_live(kit, "1");
    sgc_drop(crowd.leaf);
    kit_expect_live(kit, "");
}

static void holds_null_and_immediates_are_no_objects(struct kit *kit)
{
    static struct sgc_root root;
    void *five = kit_immediate(5);
    KIT_CHECK(sgc_hold(NULL) == NULL && sgc_hold(five) == five);
    sgc_drop(NULL);
    sgc_drop(five);
    size_t mark = sgc_mark();
    KIT_CHECK(sgc_push(NULL) == NULL && sgc_push(five) == five);
    sgc_unwind(mark);
    KIT_CHECK(sgc_id(NULL) == 0 && sgc_id(five) == 0);
    sgc_root_set(&root, five);
    kit_at_rest(kit);
    sgc_enter();
    KIT_CHECK(sgc_root_get(&root) == five);
    sgc_leave();
    KIT_CHECK(sgc_root_xchg(&root, NULL) == five);
    kit_expect_live(kit, "");
}

static void holds_stack_unwinds_what_was_pushed(struct kit *kit)
{
    size_t outer = sgc_mark();
    for (uint64_t i = 1; i <= 2; i++)
        sgc_push(kit_leaf(kit, i));
    size_t inner = sgc_mark();
    for (uint64_t i = 3; i <= 4; i++)
        sgc_push(kit_leaf(kit, i));
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3 4");
    sgc_unwind(inner);
    kit_expect_live(kit, "1 2");
    sgc_unwind(outer);
    kit_expect_live(kit, "");
}

static void push_deep(struct kit *kit, unsigned depth, jmp_buf *out)
{
    sgc_push(kit_leaf(kit, 100 + depth));
    if (depth == 10)
        longjmp(*out, 1);
    if (depth)
        push_deep(kit, depth - 1, out);
}

static void holds_stack_unwinds_after_longjmp(struct kit *kit)
{
    jmp_buf out;
    size_t mark = sgc_mark();
    sgc_push(kit_leaf(kit, 1));
    size_t inner = sgc_mark();
    if (setjmp(out) == 0)
        push_deep(kit, 60, &out);
    kit_say(kit, "pushed: %zu", sgc_mark() - inner);
    kit_at_rest(kit);
    sgc_unwind(inner);
    kit_expect_live(kit, "1");
    sgc_unwind(mark);
    kit_expect_live(kit, "");
}

static void holds_stack_grows_as_needed(struct kit *kit)
{
    size_t mark = sgc_mark();
    struct kit_leaf *leaf = kit_leaf(kit, 1);
    for (unsigned i = 0; i < 200000; i++)
        sgc_push(sgc_hold(leaf));
    sgc_drop(leaf);
    kit_at_rest(kit);
    kit_expect_live(kit, "1");
    sgc_unwind(mark + 1);
    kit_expect_live(kit, "1");
    sgc_unwind(mark);
    kit_expect_live(kit, "");
}

static void *push_and_unwind(void *arg)
{
    size_t mark = sgc_mark();
    for (uint64_t i = 0; i < 1000; i++)
        sgc_push(kit_leaf(arg, 7));
    sgc_unwind(mark);
    return NULL;
}

static void holds_stack_belongs_to_its_thread(struct kit *kit)
{
    size_t mark = sgc_mark();
    sgc_push(kit_leaf(kit, 1));
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = kit_start(push_and_unwind, kit);
    for (int i = 0; i < 3; i++)
        kit_join(threads[i]);
    kit_expect_live(kit, "1");
    sgc_unwind(mark);
    kit_expect_live(kit, "");
}

static void holds_keep_all_that_is_reachable(struct kit *kit)
{
    struct kit_node *head = kit_node(kit, 1), *last = head;
    for (uint64_t label = 2; label <= 6; label++) {
        struct kit_node *next = kit_node(kit, label);
        sgc_set(last, right, next);
        sgc_drop(next);
        last = next;
    }
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3 4 5 6");
    struct kit_node *third = sgc_hold(head->right->right);
    sgc_drop(head);
    kit_expect_live(kit, "3 4 5 6");
    sgc_drop(third);
    kit_expect_live(kit, "");
}

static void holds_root_cells_are_roots(struct kit *kit)
{
    static struct sgc_root cell;
    struct kit_leaf *one = kit_leaf(kit, 1), *two = kit_leaf(kit, 2);
    sgc_root_set(&cell, one);
    sgc_drop(one);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2");
    struct kit_leaf *old = sgc_root_xchg(&cell, two);
    sgc_drop(two);
    KIT_CHECK(old == one);
    kit_expect_live(kit, "1 2");
    sgc_drop(old);
    kit_expect_live(kit, "2");
    sgc_enter();
    KIT_CHECK_EQ(((struct kit_leaf *)sgc_root_get(&cell))->label, 2);
    sgc_leave();
    sgc_root_set(&cell, NULL);
    kit_expect_live(kit, "");
}

/* Addresses and identities stay, and no two live objects share one. */
static void holds_identities_are_stable_and_unique(struct kit *kit)
{
    enum { N = 500 };
    struct kit_leaf *leaves[N];
    uint64_t ids[N];
    for (unsigned i = 0; i < N; i++) {
        leaves[i] = kit_leaf(kit, i + 1);
        ids[i] = sgc_id(leaves[i]);
        for (unsigned k = 0; k < i; k++)
            KIT_CHECK(ids[k] != ids[i]);
    }
    for (unsigned i = 0; i < N; i += 2)
        sgc_drop(leaves[i]);
    kit_at_rest(kit);
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    for (unsigned i = 1; i < N; i += 2) {
        KIT_CHECK(sgc_id(leaves[i]) == ids[i] && leaves[i]->label == i + 1);
        KIT_CHECK(sgc_type_of(leaves[i]) == &kit_leaf_type && sgc_heap_of(leaves[i]) == kit->heap);
        sgc_drop(leaves[i]);
    }
    kit_expect_live(kit, "");
}

static void drop_twice(void *leaf)
{
    sgc_drop(leaf);
    sgc_drop(leaf);
}

/* The first drop is the last one; the second finds no claim. */
static void holds_double_drop_panics(struct kit *kit)
{
    struct kit_leaf *leaf = kit_leaf(kit, 1);
    kit_expect_panic(drop_twice, leaf, "double drop");
    sgc_drop(leaf);
    kit_expect_live(kit, "");
}

static void drop_foreign(void *pointer)
{
    sgc_drop(pointer);
}

static void holds_foreign_pointer_panics(struct kit *kit)
{
    struct kit_leaf *leaf = kit_leaf(kit, 1);
    void *foreign = malloc(64);
    kit_expect_panic(drop_foreign, foreign, "foreign pointer");
    free(foreign);
    sgc_drop(leaf);
}

const struct kit_claim kit_holds[] = {
    KIT_CLAIM(holds_new_returns_one_hold, 0, 0),
    KIT_CLAIM(holds_last_until_as_many_drops, 0, 0),
    KIT_CLAIM(holds_any_thread_may_hold_and_drop, 0, 0),
    KIT_CLAIM(holds_of_many_threads_add_up, 0, 0),
    KIT_CLAIM(holds_null_and_immediates_are_no_objects, 0, 0),
    KIT_CLAIM(holds_stack_unwinds_what_was_pushed, 0, 0),
    KIT_CLAIM(holds_stack_unwinds_after_longjmp, 0, 0),
    KIT_CLAIM(holds_stack_grows_as_needed, 0, 0),
    KIT_CLAIM(holds_stack_belongs_to_its_thread, 0, 0),
    KIT_CLAIM(holds_keep_all_that_is_reachable, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(holds_root_cells_are_roots, 0, 0),
    KIT_CLAIM(holds_identities_are_stable_and_unique, 0, 0),
    KIT_CLAIM(holds_double_drop_panics, 0, KIT_PLAIN),
    KIT_CLAIM(holds_foreign_pointer_panics, 0, KIT_PLAIN),
    {0},
};
