/* mutations_counts.c - counts: deferral of a section's own decrements, counting before publishing, and counts of the
 * dying that nobody may raise. */
#include "tests/conformance/mutations.h"

#define FOUND_EARLY "what the section read is reclaimed before its end"
#define FOUND_UNCOUNTED "an object is reclaimed that its thread holds"

/* ---- a section's own decrements wait for its end */

/* parent (held) -> left: child */
static struct kit_node *parent_of_one(struct kit *kit)
{
    struct kit_node *parent = kit_node(kit, 1), *child = kit_node(kit, 2);
    sgc_set(parent, left, child);
    sgc_drop(child);
    return parent;
}

static void check_alive(uint64_t label, const char *failure)
{
    if (mutation_died(label))
        kit_fail(__FILE__, __LINE__, "%s", failure);
}

static void unlink_in_section(struct kit *kit, void (*unlink)(struct kit_node *parent))
{
    struct kit_node *parent = parent_of_one(kit);
    mutation_forget(2);
    sgc_enter();
    struct kit_node *child = sgc_get(parent, left);
    unlink(parent);
    check_alive(2, FOUND_EARLY);
    KIT_CHECK_EQ(child->label, 2);
    sgc_leave();
    KIT_CHECK(mutation_died(2)); /* at once then: the strategy is prompt */
    sgc_drop(parent);
}

static void unlink_by_set(struct kit_node *parent)
{
    sgc_set(parent, left, NULL);
}

static void unlink_by_xchg(struct kit_node *parent)
{
    sgc_drop(sgc_xchg(parent, left, NULL));
}

static void unlink_by_cas(struct kit_node *parent)
{
    KIT_CHECK(sgc_cas(parent, left, parent->left, NULL));
}

static void own_store(struct kit *kit)
{
    unlink_in_section(kit, unlink_by_set);
}

static void own_exchange(struct kit *kit)
{
    unlink_in_section(kit, unlink_by_xchg);
}

static void own_compare_and_swap(struct kit *kit)
{
    unlink_in_section(kit, unlink_by_cas);
}

static void own_drop(struct kit *kit)
{
    struct kit_node *parent = parent_of_one(kit);
    sgc_enter();
    struct kit_node *child = sgc_get(parent, left);
    sgc_drop(parent);
    check_alive(1, FOUND_EARLY);
    check_alive(2, FOUND_EARLY);
    KIT_CHECK(parent->left == child && child->label == 2);
    sgc_leave();
    KIT_CHECK(mutation_died(1) && mutation_died(2));
}

/* ---- a value is counted before another thread can take it out of the field again */

struct publication {
    struct kit *kit;
    struct steps *steps;
    struct kit_node *parent, *child; /* held */
    void (*publish)(struct publication *publication);
    bool waits; /* the publisher stands still after its store into the field */
};

static void publish_by_cas(struct publication *publication)
{
    KIT_CHECK(sgc_cas(publication->parent, left, NULL, publication->child));
}

static void publish_by_xchg(struct publication *publication)
{
    KIT_CHECK(sgc_xchg(publication->parent, left, publication->child) == NULL);
}

static void *publisher_main(void *arg)
{
    struct publication *publication = arg;
    step(publication->steps, "publisher: stores");
    if (publication->waits)
        mutation_step_at(publication->steps, "store: published", "publisher: goes on");
    publication->publish(publication);
    KIT_CHECK_EQ(publication->child->label, 2);
    steps_end(publication->steps);
    return NULL;
}

static void publish_in_order(struct kit *kit, void (*publish)(struct publication *publication), bool waits,
                             struct steps *steps)
{
    struct publication publication = {kit, steps, kit_node(kit, 1), kit_node(kit, 2), publish, waits};
    mutation_forget(2);
    mutation_settle(kit); /* the machinery of the strategy runs: nothing below begins for the first time */
    pthread_t publisher = kit_start(publisher_main, &publication);
    step(steps, "taker: takes");
    struct kit_node *taken = sgc_xchg(publication.parent, left, NULL);
    KIT_CHECK(taken == (waits ? publication.child : NULL));
    sgc_drop(taken);
    mutation_settle(kit);
    check_alive(2, FOUND_UNCOUNTED);
    steps_end(steps);
    kit_join(publisher);
    steps_free(steps);
    sgc_drop(publication.child);
    mutation_settle(kit);
    KIT_CHECK(mutation_died(2) == waits); /* else the field names it */
    sgc_drop(publication.parent);
}

static void publish_both_orders(struct kit *kit, void (*publish)(struct publication *publication))
{
    publish_in_order(kit, publish, true, STEPS("publisher: stores", "taker: takes", "publisher: goes on"));
    publish_in_order(kit, publish, false, STEPS("taker: takes", "publisher: stores"));
}

static void cas_counts_first(struct kit *kit)
{
    publish_both_orders(kit, publish_by_cas);
}

static void xchg_counts_first(struct kit *kit)
{
    publish_both_orders(kit, publish_by_xchg);
}

/* ---- weak get raises no count of a dying object */

static void *dropper_main(void *node)
{
    sgc_drop(node);
    return NULL;
}

/* The object is claimed, and about to be buried, by its last dropper or by the grace-period thread. */
static void weak_meets_last_drop(struct kit *kit)
{
    struct kit_node *node = kit_node(kit, 1);
    struct sgc_weak *weak = sgc_weak_create(node);
    KIT_CHECK(weak != NULL);
    mutation_gate_shut("bury: begins", NULL);
    pthread_t dropper = kit_start(dropper_main, node);
    mutation_gate_await();
    KIT_CHECK(sgc_weak_get(weak) == NULL);
    mutation_gate_open();
    kit_join(dropper);
    mutation_settle(kit);
    KIT_CHECK(mutation_died(1));
    sgc_weak_destroy(weak);

    node = kit_node(kit, 2); /* the other order */
    weak = sgc_weak_create(node);
    KIT_CHECK(weak != NULL);
    KIT_CHECK(sgc_weak_get(weak) == node);
    kit_join(kit_start(dropper_main, node));
    mutation_settle(kit);
    KIT_CHECK(!mutation_died(2));
    sgc_drop(node);
    mutation_settle(kit);
    KIT_CHECK(mutation_died(2) && sgc_weak_get(weak) == NULL);
    sgc_weak_destroy(weak);
}

const struct mutation mutations_counts[] = {
    MUTATION("no-defer", own_store, "refcount", FOUND_EARLY),
    MUTATION("no-defer", own_exchange, "refcount", FOUND_EARLY),
    MUTATION("no-defer", own_compare_and_swap, "refcount", FOUND_EARLY),
    MUTATION("no-defer", own_drop, "refcount", FOUND_EARLY),
    MUTATION("publish-first", cas_counts_first, "refcount,rcu", FOUND_UNCOUNTED),
    MUTATION("publish-first", xchg_counts_first, "refcount,rcu", FOUND_UNCOUNTED),
    MUTATION("weak-blind", weak_meets_last_drop, "refcount,rcu", "hold on a dead object"),
    {0},
};
