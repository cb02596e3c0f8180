/* mutations_states.c - the generational strategy's state bytes and its remembered set. */
#include "tests/conformance/mutations.h"

#define FOUND_SWEPT "a young object that an old one names is reclaimed"
#define FOUND_NAMED "a weak reference names an object that was reclaimed"

static void store_by_set(struct kit_node *owner, struct kit_node *value)
{
    sgc_set(owner, left, value);
}

static void store_by_xchg(struct kit_node *owner, struct kit_node *value)
{
    sgc_drop(sgc_xchg(owner, left, value));
}

static void store_by_cas(struct kit_node *owner, struct kit_node *value)
{
    KIT_CHECK(sgc_cas(owner, left, NULL, value));
}

static void store_by_bulk(struct kit_node *owner, struct kit_node *value)
{
    void *values[] = {value};
    sgc_store_bulk(owner, left, values, 1);
}

/* In each order: the owner is old when the reference is stored, or becomes old with it. */
static void remember_stored(struct kit *kit, void (*store)(struct kit_node *owner, struct kit_node *value), bool old)
{
    struct kit_node *owner = kit_node(kit, 1), *value;
    if (old)
        sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR);
    mutation_forget(2);
    value = kit_node(kit, 2);
    store(owner, value);
    sgc_drop(value);
    for (int i = 0; i < 2; i++)
        sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR);
    if (mutation_died(2))
        kit_fail(__FILE__, __LINE__, FOUND_SWEPT);
    KIT_CHECK_EQ(owner->left->label, 2);
    sgc_drop(owner);
    kit_expect_live(kit, "");
}

static void old_to_young(struct kit *kit)
{
    void (*const stores[])(struct kit_node *, struct kit_node *) = {store_by_set, store_by_xchg, store_by_cas,
                                                                    store_by_bulk};
    for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
        remember_stored(kit, stores[i], true);
        remember_stored(kit, stores[i], false);
    }
}

/* ---- bits of one byte that different threads change */

struct sharing {
    struct steps *steps;
    struct kit_node *owner;
    struct kit_node *value;
    bool waits;
};

static void *store_into_old(void *arg)
{
    struct sharing *sharing = arg;
    step(sharing->steps, "writer: stores");
    if (sharing->waits)
        mutation_step_at(sharing->steps, "store: logged", "writer: goes on");
    sgc_set(sharing->owner, left, sharing->value);
    steps_end(sharing->steps);
    return NULL;
}

static void share_state(struct kit *kit, bool waits, struct steps *steps)
{
    struct sharing sharing = {steps, kit_node(kit, 1), kit_node(kit, 2), waits};
    sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR);
    mutation_forget(1);
    pthread_t writer = kit_start(store_into_old, &sharing);
    step(steps, "watcher: watches");
    struct sgc_weak *weak = sgc_weak_create(sharing.owner);
    KIT_CHECK(weak != NULL);
    steps_end(steps);
    kit_join(writer);
    steps_free(steps);
    sgc_drop(sharing.owner);
    sgc_drop(sharing.value);
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    KIT_CHECK(mutation_died(1));
    if (sgc_weak_get(weak) != NULL)
        kit_fail(__FILE__, __LINE__, FOUND_NAMED);
    sgc_weak_destroy(weak);
}

static void state_byte_shared(struct kit *kit)
{
    share_state(kit, true, STEPS("writer: stores", "watcher: watches", "writer: goes on"));
    share_state(kit, false, STEPS("watcher: watches", "writer: stores"));
}

const struct mutation mutations_states[] = {
    MUTATION("no-remember", old_to_young, "generational", FOUND_SWEPT),
    MUTATION("plain-state", state_byte_shared, "generational", FOUND_NAMED),
    {0},
};
