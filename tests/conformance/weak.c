/* weak.c - clause 8 of the contract: weak references. Weak get returns a held object or NULL, never a dying one. */
#include "tests/conformance/kit.h"

#include <stdatomic.h>
#include <stdlib.h>

#define WEAK (SGC_NEED_REFERENCES | SGC_NEED_WEAK)

static struct sgc_weak *make_weak(void *object)
{
    struct sgc_weak *weak = sgc_weak_create(object);
    KIT_CHECK(weak != NULL);
    return weak;
}

/* The label behind a weak reference, 0 when it is cleared. */
static uint64_t weak_label(struct sgc_weak *weak)
{
    struct kit_leaf *object = sgc_weak_get(weak);
    uint64_t label = object ? object->label : 0;
    sgc_drop(object);
    return label;
}

static void weak_get_holds_the_living(struct kit *kit)
{
    struct kit_leaf *leaf = kit_leaf(kit, 1);
    struct sgc_weak *weak = make_weak(leaf);
    kit_at_rest(kit);
    struct kit_leaf *got = sgc_weak_get(weak);
    KIT_CHECK(got == leaf);
    sgc_drop(leaf);
    kit_expect_live(kit, "1"); /* the hold of get keeps it */
    KIT_CHECK_EQ(weak_label(weak), 1);
    sgc_drop(got);
    kit_expect_live(kit, "");
    KIT_CHECK(sgc_weak_get(weak) == NULL);
    sgc_weak_destroy(weak);
}

static void weak_does_not_keep_alive(struct kit *kit)
{
    struct kit_node *parent = kit_node(kit, 1), *child = kit_node(kit, 2);
    sgc_set(parent, left, child);
    struct sgc_weak *of_parent = make_weak(parent), *of_child = make_weak(child);
    sgc_drop(child);
    kit_at_rest(kit);
    KIT_CHECK_EQ(weak_label(of_child), 2);
    sgc_set(parent, left, NULL);
    kit_expect_live(kit, "1");
    KIT_CHECK_EQ(weak_label(of_child), 0);
    KIT_CHECK_EQ(weak_label(of_parent), 1);
    sgc_drop(parent);
    kit_expect_live(kit, "");
    KIT_CHECK_EQ(weak_label(of_parent), 0);
    sgc_weak_destroy(of_parent);
    sgc_weak_destroy(of_child);
}

static void weak_into_a_cycle_is_cleared(struct kit *kit)
{
    struct kit_node *a = kit_node(kit, 1), *b = kit_node(kit, 2);
    sgc_set(a, left, b);
    sgc_set(b, left, a);
    struct sgc_weak *weak = make_weak(b);
    sgc_drop(b);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2");
    KIT_CHECK_EQ(weak_label(weak), 2);
    sgc_drop(a);
    kit_expect_live(kit, "");
    KIT_CHECK_EQ(weak_label(weak), 0);
    sgc_weak_destroy(weak);
}

/* Many handles of one object, destroyed in any order, some before its death and some after. */
static void weak_several_of_one_object(struct kit *kit)
{
    enum { N = 50 };
    struct sgc_weak *handles[N];
    struct kit_leaf *leaf = kit_leaf(kit, 1), *other = kit_leaf(kit, 2);
    for (int i = 0; i < N; i++)
        handles[i] = make_weak(i % 5 ? leaf : other);
    for (int i = 0; i < N; i += 2)
        sgc_weak_destroy(handles[i]);
    kit_at_rest(kit);
    for (int i = 1; i < N; i += 2)
        KIT_CHECK_EQ(weak_label(handles[i]), i % 5 ? 1 : 2);
    sgc_drop(leaf);
    kit_expect_live(kit, "2");
    for (int i = N - 1; i > 0; i -= 2) {
        KIT_CHECK_EQ(weak_label(handles[i]), i % 5 ? 0 : 2);
        sgc_weak_destroy(handles[i]);
    }
    sgc_drop(other);
    kit_expect_live(kit, "");
    sgc_weak_destroy(NULL);
}

/* What was destroyed or cleared does not get in the way of a new object at the same place. */
static void weak_never_names_the_next_object_in_the_slot(struct kit *kit)
{
    enum { N = 500 };
    static struct sgc_weak *handles[N];
    for (unsigned i = 0; i < N; i++) {
        struct kit_leaf *leaf = kit_leaf(kit, 1 + i);
        handles[i] = make_weak(leaf);
        sgc_drop(leaf);
        if (i % 100 == 0)
            kit_at_rest(kit);
        uint64_t label = weak_label(handles[i]); /* before a full collection it may or may not be there */
        KIT_CHECK(label == 0 || label == 1 + i);
    }
    kit_expect_live(kit, "");
    for (unsigned i = 0; i < N; i++) {
        KIT_CHECK(sgc_weak_get(handles[i]) == NULL);
        sgc_weak_destroy(handles[i]);
    }
}

static void weak_in_sections(struct kit *kit)
{
    struct kit_node *parent = kit_node(kit, 1), *child = kit_node(kit, 2);
    sgc_set(parent, left, child);
    sgc_drop(child);
    sgc_enter();
    struct sgc_weak *weak = make_weak(sgc_get(parent, left)); /* read in this section, not held */
    struct kit_node *got = sgc_weak_get(weak);
    KIT_CHECK_EQ(got->label, 2);
    sgc_set(parent, left, NULL);
    sgc_drop(got);
    KIT_CHECK_EQ(got->label, 2);
    sgc_leave();
    kit_expect_live(kit, "1");
    KIT_CHECK(sgc_weak_get(weak) == NULL);
    sgc_weak_destroy(weak);
    sgc_drop(parent);
}

static void weak_references_are_counted(struct kit *kit)
{
    struct kit_leaf *leaf = kit_leaf(kit, 1);
    struct sgc_weak *a = make_weak(leaf), *b = make_weak(leaf);
    sgc_drop(leaf);
    kit_expect_live(kit, "");
    KIT_CHECK_EQ(KIT_STAT(kit->heap, n_weak_cleared), 2);
    sgc_weak_destroy(a);
    sgc_weak_destroy(b);
}

/* ---- against other threads, in both orders */

struct race {
    struct kit *kit;
    struct steps *steps;
    struct kit_leaf *leaf;
    struct sgc_weak *weak;
    struct kit_leaf *got;
};

static void *get_weak(void *arg)
{
    struct race *race = arg;
    step(race->steps, "getter: gets");
    race->got = sgc_weak_get(race->weak);
    steps_end(race->steps);
    return NULL;
}

static void *drop_last(void *arg)
{
    struct race *race = arg;
    step(race->steps, "dropper: drops");
    sgc_drop(race->leaf);
    step(race->steps, "dropper: collects");
    sgc_heap_collect(race->kit->heap, SGC_COLLECT_FULL);
    steps_end(race->steps);
    return NULL;
}

static void run_race(struct kit *kit, struct race *race, struct steps *steps)
{
    *race = (struct race){.kit = kit, .steps = steps, .leaf = kit_leaf(kit, 1)};
    race->weak = make_weak(race->leaf);
    pthread_t getter = kit_start(get_weak, race), dropper = kit_start(drop_last, race);
    kit_join(getter);
    kit_join(dropper);
    steps_free(steps);
}

static void weak_get_meets_the_last_drop(struct kit *kit)
{
    struct race race;
    run_race(kit, &race, STEPS("getter: gets", "dropper: drops", "dropper: collects"));
    KIT_CHECK(race.got == race.leaf);
    kit_expect_live(kit, "1");
    KIT_CHECK_EQ(weak_label(race.weak), 1);
    sgc_drop(race.got);
    kit_expect_live(kit, "");
    sgc_weak_destroy(race.weak);
    run_race(kit, &race, STEPS("dropper: drops", "dropper: collects", "getter: gets"));
    KIT_CHECK(race.got == NULL);
    kit_expect_live(kit, "");
    sgc_weak_destroy(race.weak);
}

/* Without steps: what get returns is whole, however the threads meet. */
struct crowd {
    struct kit *kit;
    struct sgc_weak *weak[64];
    pthread_mutex_t locks[64]; /* of the handle, not of the object */
    _Atomic bool ended;
    _Atomic uint64_t n_got;
};

static void *get_often(void *arg)
{
    struct crowd *crowd = arg;
    struct random random = {1};
    while (!atomic_load(&crowd->ended)) {
        unsigned i = random_below(&random, 64);
        pthread_mutex_lock(&crowd->locks[i]);
        struct kit_leaf *leaf = crowd->weak[i] ? sgc_weak_get(crowd->weak[i]) : NULL;
        pthread_mutex_unlock(&crowd->locks[i]);
        if (leaf) {
            KIT_CHECK(leaf->value == 3 * leaf->label && leaf->label % 64 == i);
            atomic_fetch_add(&crowd->n_got, 1);
        }
        sgc_drop(leaf);
    }
    return NULL;
}

static void *replace_often(void *arg)
{
    struct crowd *crowd = arg;
    for (uint64_t label = 64; label < 30000; label++) {
        struct kit_leaf *leaf = kit_leaf(crowd->kit, label);
        leaf->value = 3 * label;
        unsigned i = label % 64;
        pthread_mutex_lock(&crowd->locks[i]);
        if (crowd->weak[i])
            sgc_weak_destroy(crowd->weak[i]);
        crowd->weak[i] = make_weak(leaf);
        pthread_mutex_unlock(&crowd->locks[i]);
        sgc_drop(leaf);
        if (label % 5000 == 0)
            sgc_heap_collect(crowd->kit->heap, label % 10000 ? SGC_COLLECT_MINOR : SGC_COLLECT_FULL);
    }
    atomic_store(&crowd->ended, true);
    return NULL;
}

static void weak_get_by_many(struct kit *kit)
{
    struct crowd crowd = {.kit = kit};
    for (int i = 0; i < 64; i++)
        pthread_mutex_init(&crowd.locks[i], NULL);
    pthread_t threads[] = {kit_start(replace_often, &crowd), kit_start(get_often, &crowd),
                           kit_start(get_often, &crowd)};
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
        kit_join(threads[i]);
    kit_expect_live(kit, "");
    for (int i = 0; i < 64; i++) {
        KIT_CHECK(sgc_weak_get(crowd.weak[i]) == NULL);
        sgc_weak_destroy(crowd.weak[i]);
    }
}

const struct kit_claim kit_weak[] = {
    KIT_CLAIM(weak_get_holds_the_living, SGC_NEED_WEAK, 0),
    KIT_CLAIM(weak_does_not_keep_alive, WEAK, 0),
    KIT_CLAIM(weak_into_a_cycle_is_cleared, WEAK | SGC_NEED_CYCLES, 0),
    KIT_CLAIM(weak_several_of_one_object, SGC_NEED_WEAK, 0),
    KIT_CLAIM(weak_never_names_the_next_object_in_the_slot, SGC_NEED_WEAK, 0),
    KIT_CLAIM(weak_in_sections, WEAK, 0),
    KIT_CLAIM(weak_references_are_counted, SGC_NEED_WEAK, KIT_PLAIN),
    KIT_CLAIM(weak_get_meets_the_last_drop, SGC_NEED_WEAK, KIT_PLAIN),
    KIT_CLAIM(weak_get_by_many, SGC_NEED_WEAK, KIT_PLAIN),
    {0},
};
