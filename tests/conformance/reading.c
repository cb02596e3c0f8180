/* reading.c - clause 3 of the contract, a thread by itself: what was read in a section stays valid until its end,
 * whatever the thread itself drops and stores; holds carry it beyond. */
#include "tests/conformance/kit.h"

#include <setjmp.h>

/* Makes and drops objects of the same size, so that a slot that was freed too early is used again and overwritten. */
static void churn(struct kit *kit)
{
    for (int i = 0; i < 300; i++) {
        struct kit_node *node = kit_node(kit, 9999);
        node->value = 9999;
        sgc_drop(node);
    }
}

/* parent (held) -> left: child -> left: grandchild */
static struct kit_node *family(struct kit *kit)
{
    struct kit_node *parent = kit_node(kit, 1), *child = kit_node(kit, 2), *grandchild = kit_node(kit, 3);
    sgc_set(parent, left, child);
    sgc_set(child, left, grandchild);
    sgc_drop(child);
    sgc_drop(grandchild);
    return parent;
}

static void check_still_valid(struct kit *kit, struct kit_node *child)
{
    churn(kit);
    KIT_CHECK_EQ(child->label, 2);
    KIT_CHECK_EQ(child->left->label, 3);
    KIT_CHECK(sgc_size(child) >= sizeof(*child) && sgc_type_of(child) == &kit_node_type);
}

static void reading_survives_own_store(struct kit *kit)
{
    struct kit_node *parent = family(kit);
    kit_at_rest(kit);
    sgc_enter();
    struct kit_node *child = sgc_get(parent, left);
    sgc_set(parent, left, NULL);
    check_still_valid(kit, child);
    sgc_leave();
    kit_expect_live(kit, "1");
    sgc_drop(parent);
}

static void reading_survives_own_drop(struct kit *kit)
{
    struct kit_node *parent = family(kit);
    kit_at_rest(kit);
    sgc_enter();
    struct kit_node *child = sgc_get(parent, left);
    sgc_drop(parent);
    KIT_CHECK_EQ(parent->label, 1);
    KIT_CHECK(parent->left == child);
    check_still_valid(kit, child);
    sgc_leave();
    kit_expect_live(kit, "");
}

/* The same on objects without references: the bare object cache keeps the contract, too. */
static void reading_survives_own_last_drop_of_a_leaf(struct kit *kit)
{
    struct kit_leaf *leaf = kit_leaf(kit, 1);
    kit_at_rest(kit);
    sgc_enter();
    sgc_drop(leaf);
    for (int i = 0; i < 300; i++) {
        struct kit_leaf *other = kit_leaf(kit, 9999);
        KIT_CHECK(other != leaf);
        sgc_drop(other);
    }
    KIT_CHECK_EQ(leaf->label, 1);
    sgc_leave();
    kit_expect_live(kit, "");
}

static void reading_survives_own_exchange(struct kit *kit)
{
    struct kit_node *parent = family(kit);
    kit_at_rest(kit);
    sgc_enter();
    struct kit_node *child = sgc_xchg(parent, left, NULL);
    sgc_drop(child);
    check_still_valid(kit, child);
    sgc_leave();
    kit_expect_live(kit, "1");
    sgc_drop(parent);
}

static void reading_survives_own_compare_and_swap(struct kit *kit)
{
    struct kit_node *parent = family(kit), *next = kit_node(kit, 4);
    kit_at_rest(kit);
    sgc_enter();
    struct kit_node *child = sgc_get(parent, left);
    KIT_CHECK(sgc_cas(parent, left, child, next));
    check_still_valid(kit, child);
    sgc_leave();
    sgc_drop(next);
    kit_expect_live(kit, "1 4");
    sgc_drop(parent);
}

static void reading_survives_own_bulk_store(struct kit *kit)
{
    struct kit_node *parent = family(kit);
    sgc_set(parent, any[0], parent->left);
    sgc_set(parent, left, NULL);
    kit_at_rest(kit);
    sgc_enter();
    struct kit_node *child = sgc_get(parent, any[0]);
    void *nothing[] = {NULL, NULL};
    sgc_store_bulk(parent, any[0], nothing, 2);
    check_still_valid(kit, child);
    sgc_leave();
    kit_expect_live(kit, "1");
    sgc_drop(parent);
}

static void reading_survives_own_root_store(struct kit *kit)
{
    static struct sgc_root cell;
    struct kit_node *parent = family(kit);
    sgc_root_set(&cell, parent->left);
    sgc_drop(parent);
    kit_at_rest(kit);
    sgc_enter();
    struct kit_node *child = sgc_root_get(&cell);
    sgc_root_set(&cell, NULL);
    check_still_valid(kit, child);
    sgc_leave();
    kit_expect_live(kit, "");
}

static void reading_survives_own_unwind(struct kit *kit)
{
    size_t mark = sgc_mark();
    struct kit_node *parent = sgc_push(family(kit));
    kit_at_rest(kit);
    sgc_enter();
    struct kit_node *child = sgc_get(parent, left);
    sgc_unwind(mark);
    check_still_valid(kit, child);
    sgc_leave();
    kit_expect_live(kit, "");
}

/* A chain that a section takes apart while it walks it. */
static void reading_survives_taking_a_list_apart(struct kit *kit)
{
    enum { N = 5000 };
    struct kit_node *head = NULL;
    for (uint64_t i = 0; i < N; i++) {
        struct kit_node *node = kit_node(kit, i + 1);
        sgc_set(node, left, head);
        sgc_drop(head);
        head = node;
    }
    kit_at_rest(kit);
    sgc_enter();
    uint64_t label = N;
    for (struct kit_node *node = head; node; label--) {
        struct kit_node *next = sgc_get(node, left);
        sgc_set(node, left, NULL);
        if (node == head)
            sgc_drop(head);
        KIT_CHECK_EQ(node->label, label);
        node = next;
    }
    KIT_CHECK_EQ(label, 0);
    KIT_CHECK_EQ(head->label, N);
    sgc_leave();
    kit_expect_live(kit, "");
}

static void reading_holds_carry_beyond_the_section(struct kit *kit)
{
    struct kit_node *parent = family(kit);
    sgc_enter();
    struct kit_node *child = sgc_get(parent, left);
    sgc_set(parent, left, NULL);
    KIT_CHECK(sgc_hold(child) == child);
    sgc_leave();
    kit_at_rest(kit);
    check_still_valid(kit, child);
    kit_expect_live(kit, "1 2 3");
    sgc_drop(child);
    kit_expect_live(kit, "1");
    sgc_drop(parent);
}

/* A field may be read as plain C where no other thread writes it. */
static void reading_plainly_works_for_a_single_writer(struct kit *kit)
{
    struct kit_node *parent = family(kit);
    kit_at_rest(kit);
    kit_say(kit, "%llu %llu", (unsigned long long)parent->left->label, (unsigned long long)parent->left->left->label);
    KIT_CHECK(parent->right == NULL && parent->any[0] == NULL);
    sgc_drop(parent);
}

/* A section that is left by longjmp must be left by the program; what it dropped before goes then. */
static void reading_ends_where_the_program_leaves(struct kit *kit)
{
    jmp_buf out;
    struct kit_node *volatile parent = family(kit);
    sgc_enter();
    if (setjmp(out) == 0) {
        sgc_set((struct kit_node *)parent, left, NULL);
        longjmp(out, 1);
    }
    sgc_leave();
    kit_expect_live(kit, "1");
    sgc_drop(parent);
}

const struct kit_claim kit_reading[] = {
    KIT_CLAIM(reading_survives_own_store, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(reading_survives_own_drop, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(reading_survives_own_last_drop_of_a_leaf, 0, 0),
    KIT_CLAIM(reading_survives_own_exchange, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(reading_survives_own_compare_and_swap, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(reading_survives_own_bulk_store, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(reading_survives_own_root_store, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(reading_survives_own_unwind, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(reading_survives_taking_a_list_apart, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(reading_holds_carry_beyond_the_section, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(reading_plainly_works_for_a_single_writer, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(reading_ends_where_the_program_leaves, SGC_NEED_REFERENCES, 0),
    {0},
};
