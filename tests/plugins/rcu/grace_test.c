#include "tests/plugins/rcu/kit.h"

#include <string.h>

START_TEST(an_object_ends_after_a_grace_period_that_followed_its_last_drop)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_leaf_type);
    fake_drop(object);
    ck_assert(fake_is_live(object));
    kit_close_batch();
    ck_assert(fake_is_live(object));
    ck_assert(fake_grace_period());
    ck_assert(!fake_is_live(object));
    ck_assert(!fake.grace_wanted);
    fake_close();
}
END_TEST

START_TEST(a_hold_while_it_waits_saves_the_object)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_node_type);
    fake_drop(object);
    kit_close_batch();
    fake_hold(object); /* by a section that read it before */
    kit_settle();
    ck_assert_uint_eq(fake_count(object), 1);
    ck_assert(!(fake_state(object) & SGC_COUNTING_RETIRED));
    fake_verify();
    fake_drop(object);
    kit_settle();
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_hold_and_drop_while_it_waits_make_it_wait_for_another_grace_period)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_leaf_type);
    fake_drop(object);
    kit_close_batch();
    fake_hold(object);
    fake_drop(object);
    fake_grace_period(); /* may have begun before that drop */
    ck_assert(fake_is_live(object));
    ck_assert(fake_state(object) & SGC_COUNTING_RETIRED);
    fake_verify();
    fake_grace_period();
    ck_assert(!fake_is_live(object));
    fake_close();
}
END_TEST

START_TEST(a_list_of_any_length_goes_in_one_batch)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *head = fake_list(FAKE_OBJECTS - 16, &fake_node_type);
    fake_collect(SGC_COLLECT_FULL);
    fake_drop(head);
    ck_assert_uint_le(kit_settle(), 2);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_child_touched_since_the_batch_closed_waits_for_the_next)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *parent = fake_new(&fake_node_type), *other = fake_new(&fake_node_type);
    void *child = fake_grow(parent, 0, &fake_leaf_type), *untouched = fake_grow(parent, 1, &fake_leaf_type);
    fake_set(other, 0, child);
    fake_drop(parent);
    kit_close_batch();
    fake_set(other, 0, NULL); /* a section that began after the batch closed may have read it there */
    fake_grace_period();
    ck_assert(!fake_is_live(parent));
    ck_assert(!fake_is_live(untouched));
    ck_assert(fake_is_live(child));
    ck_assert_uint_eq(fake_count(child), 0);
    fake_verify();
    fake_grace_period();
    ck_assert(!fake_is_live(child));
    fake_drop(other);
    kit_settle();
    fake_close();
}
END_TEST

START_TEST(a_child_that_waits_in_a_magazine_is_left_to_it)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *parent = fake_new(&fake_node_type), *child = fake_new(&fake_leaf_type);
    fake_drop(parent);
    kit_close_batch();
    fake_drop(child); /* retired, for the next batch; then a section that still has it stores it */
    fake_set(parent, 0, child);
    fake_grace_period();
    ck_assert(!fake_is_live(parent));
    ck_assert(fake_is_live(child));
    fake_verify();
    kit_settle();
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(a_touch_of_256_eras_ago_costs_one_more_batch_at_the_most)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *parent = fake_new(&fake_node_type), *child = fake_grow(parent, 0, &fake_leaf_type);
    fake_drop(parent);
    kit_close_batch();
    *sgc_rcu_touch_byte(rcu(), child) = (uint8_t)rcu()->era;
    fake_grace_period();
    ck_assert(fake_is_live(child));
    fake_grace_period();
    ck_assert(!fake_is_live(child));
    fake_close();
}
END_TEST

START_TEST(sequences_may_wrap)
{
    fake_open(&sgc_strategy_plugin, NULL);
    rcu()->era = UINT64_MAX - 3;
    rcu()->safe = rcu()->era - 1;
    fake.grace_started = fake.grace_done = UINT64_MAX - 8;
    for (unsigned i = 0; i < 20; i++) {
        void *object = fake_new(&fake_leaf_type);
        fake_drop(object);
        ck_assert_uint_ge(kit_settle(), 1);
        ck_assert(!fake_is_live(object));
    }
    fake_close();
}
END_TEST

START_TEST(a_finalizer_is_queued_after_the_grace_period_and_once)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *object = fake_new(&fake_finalized_type);
    fake_drop(object);
    ck_assert_uint_eq(fake.n_queued, 0);
    kit_settle();
    ck_assert_uint_eq(fake.n_queued, 1);
    fake_drop(fake_unqueue());
    kit_settle();
    ck_assert_uint_eq(fake.n_live, 0);
    ck_assert_uint_eq(fake.n_queued, 0);
    fake_close();
}
END_TEST

START_TEST(the_value_of_a_dying_key_is_retired_not_ended_at_once)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *key = fake_new(&fake_leaf_type), *value = fake_new(&fake_leaf_type), *ephemeron = fake_ephemeron(key, value);
    fake_drop(value);
    fake_drop(key);
    kit_close_batch();
    fake_grace_period();
    ck_assert(!fake_is_live(key));
    ck_assert(fake_is_live(value)); /* a section may have got it from the ephemeron */
    kit_settle();
    ck_assert(!fake_is_live(value));
    fake_drop(ephemeron);
    kit_settle();
    fake_close();
}
END_TEST

START_TEST(stored_objects_are_shared_and_wait_for_their_grace_period)
{
    fake_open(&sgc_strategy_plugin, NULL);
    fake.straight_ends = true;
    struct fake_object *owner = fake_new(&fake_node_type);
    void *objects[4];
    for (unsigned i = 0; i < 4; i++) {
        objects[i] = fake_new(&fake_leaf_type);
        ck_assert_uint_eq(fake_state(objects[i]), fake.ops->end_state);
    }
    fake_drop(objects[0]); /* nobody ever saw it */
    ck_assert(!fake_is_live(objects[0]));
    fake_set(owner, 1, objects[1]);
    ck_assert_ptr_null(fake.ops->exchange(fake.self, owner, &owner->references[2], objects[2]));
    ck_assert(fake.ops->compare_exchange(fake.self, owner, &owner->references[3], NULL, objects[3]));
    for (unsigned i = 1; i < 4; i++) {
        ck_assert(!(fake_state(objects[i]) & SGC_STATE_DEFER));
        fake_set(owner, i, NULL);
        fake_drop(objects[i]);
        ck_assert(fake_is_live(objects[i]));
    }
    kit_settle();
    ck_assert_uint_eq(fake.n_live, 1);
    fake_drop(owner); /* was stored into */
    ck_assert(fake_is_live(owner));
    kit_settle();
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

START_TEST(after_adoption_every_object_is_shared_and_used)
{
    fake_open(&sgc_strategy_plugin, NULL);
    fake.straight_ends = true;
    void *object = fake_new(&fake_leaf_type);
    fake.stopped = true;
    ck_assert_int_eq(fake.ops->adopt(fake.self, NULL), 0);
    fake.stopped = false;
    fake_drop(object);
    ck_assert(fake_is_live(object));
    kit_settle();
    ck_assert(!fake_is_live(object));
    fake_close();
}
END_TEST

START_TEST(a_full_collection_ends_whatever_waits)
{
    for (unsigned when = 0; when < 3; when++) { /* retired, in a closed batch, half worked off */
        fake_open(&sgc_strategy_plugin, NULL);
        for (unsigned i = 0; i < 5000; i++)
            fake_drop(fake_new(&fake_leaf_type));
        fake_drop(fake_list(10000, &fake_node_type));
        if (when > 0)
            kit_close_batch();
        if (when == 2) {
            fake.grace_done = ++fake.grace_started;
            ck_assert(fake.ops->grace_elapsed(fake.self));
            ck_assert_uint_gt(fake.n_live, 0);
            fake_verify();
        }
        fake_collect(SGC_COLLECT_FULL);
        ck_assert_uint_eq(fake.n_live, 0);
        ck_assert_int_eq(fake.retired_bytes, 0);
        fake_verify();
        void *object = fake_new(&fake_leaf_type); /* and goes on */
        fake_drop(object);
        kit_settle();
        ck_assert(!fake_is_live(object));
        fake_close();
    }
}
END_TEST

START_TEST(garbage_in_a_magazine_is_not_reclaimed_by_a_minor_collection)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *a = fake_new(&fake_node_type), *b = fake_grow(a, 0, &fake_node_type);
    fake_drop(a);      /* retired */
    fake_set(b, 0, a); /* by a section that has both: a ring that nobody holds, and a in a magazine */
    fake_hold(b);
    fake_drop(b);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, 2);
    fake_verify();
    kit_settle();
    ck_assert_uint_eq(fake.n_live, 2);
    ck_assert(fake_state(a) & SGC_COUNTING_CANDIDATE); /* noted again when it left the magazine */
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

/* Random programs with readers that hold on to bare references. Steps are whole operations; grace periods begin and
 * end as steps of their own, and do not end while a reader that was there when they began is in its section. */
enum { MODEL_OBJECTS = 24, MODEL_READERS = 3 };

static struct model {
    void *held[MODEL_OBJECTS]; /* the program's holds */
    void *bare[MODEL_READERS]; /* what a reader read in its section */
    bool reading[MODEL_READERS];
    bool awaited[MODEL_READERS]; /* by the grace period under way */
    bool under_way;
    uint64_t random;
} model;

static unsigned model_pick(unsigned n)
{
    return (unsigned)(support_random(&model.random) % n);
}

static void model_grace(void)
{
    if (!model.under_way) {
        fake.grace_started++;
        memcpy(model.awaited, model.reading, sizeof(model.awaited));
        model.under_way = true;
        return;
    }
    for (unsigned i = 0; i < MODEL_READERS; i++) {
        if (model.awaited[i])
            return;
    }
    model.under_way = false;
    fake.grace_done = fake.grace_started;
    fake.thread = 0;
    if (fake.grace_wanted && fake.grace_stamp <= fake.grace_done) {
        fake.grace_wanted = false;
        while (fake.ops->grace_elapsed(fake.self))
            ;
    }
}

static void model_reader(unsigned reader)
{
    void *owner = model.held[model_pick(MODEL_OBJECTS)];
    if (!model.reading[reader]) {
        model.reading[reader] = true;
        model.bare[reader] = owner;
        return;
    }
    switch (model_pick(6)) {
    case 0: /* leaves */
        model.reading[reader] = model.awaited[reader] = false;
        model.bare[reader] = NULL;
        break;
    case 1: /* holds and drops what it has */
        if (model.bare[reader]) {
            fake_hold(model.bare[reader]);
            fake_drop(model.bare[reader]);
        }
        break;
    case 2: /* keeps what it has */
        if (model.bare[reader]) {
            void **slot = &model.held[model_pick(MODEL_OBJECTS)];
            fake_hold(model.bare[reader]);
            if (*slot)
                fake_drop(*slot);
            *slot = model.bare[reader];
        }
        break;
    default: /* reads on */
        if (model.bare[reader] && fake_get(model.bare[reader], 0))
            model.bare[reader] = fake_get(model.bare[reader], model_pick(2));
        break;
    }
}

static void model_writer(void)
{
    void **slot = &model.held[model_pick(MODEL_OBJECTS)], *other = model.held[model_pick(MODEL_OBJECTS)];
    switch (model_pick(5)) {
    case 0:
        if (*slot)
            fake_drop(*slot);
        *slot = NULL;
        break;
    case 1: /* readers find it there as in a root cell; now and then it is nobody's but the writer's, and ends at once
             */
        if (*slot)
            break;
        *slot = fake_new(&fake_node_type);
        if (model_pick(4))
            fake_share(*slot);
        else
            fake_drop(*slot), *slot = NULL;
        break;
    default:
        if (*slot)
            fake_set(*slot, model_pick(2), model_pick(3) ? other : NULL);
        break;
    }
}

START_TEST(what_a_section_read_is_there_until_it_ends)
{
    model = (struct model){.random = support_seed("rcu readers", 5)};
    fake_open(&sgc_strategy_plugin, "candidate_threshold", 8, NULL);
    fake.straight_ends = true;
    for (unsigned step = 0; step < 400000; step++) {
        fake.thread = 1 + model_pick(3);
        switch (model_pick(8)) {
        case 0:
        case 1:
            model_grace();
            break;
        case 2:
        case 3:
        case 4:
            model_reader(model_pick(MODEL_READERS));
            break;
        default:
            model_writer();
            break;
        }
        for (unsigned i = 0; i < MODEL_READERS; i++)
            if (model.bare[i] && fake_count(model.bare[i]) == UINT64_MAX) /* fails on a reclaimed object, too */
                ck_abort_msg("step %u: reader %u: object %p is dead", step, i, model.bare[i]);
        if (step % 1000 == 0)
            fake_verify();
        if (step % 5000 == 0) { /* a stop waits for every section */
            memset(model.reading, 0, sizeof(model.reading));
            memset(model.awaited, 0, sizeof(model.awaited));
            memset(model.bare, 0, sizeof(model.bare));
            fake_collect(step % 20000 ? SGC_COLLECT_MINOR : SGC_COLLECT_FULL);
        }
    }
    memset(model.bare, 0, sizeof(model.bare));
    for (unsigned i = 0; i < MODEL_OBJECTS; i++) {
        if (model.held[i])
            fake_drop(model.held[i]);
    }
    fake_collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grace");
    TCase *tests = tcase_create("grace");
    tcase_set_timeout(tests, 250); /* under a sanitizer on a loaded machine */
    tcase_add_test(tests, an_object_ends_after_a_grace_period_that_followed_its_last_drop);
    tcase_add_test(tests, a_hold_while_it_waits_saves_the_object);
    tcase_add_test(tests, a_hold_and_drop_while_it_waits_make_it_wait_for_another_grace_period);
    tcase_add_test(tests, a_list_of_any_length_goes_in_one_batch);
    tcase_add_test(tests, a_child_touched_since_the_batch_closed_waits_for_the_next);
    tcase_add_test(tests, a_child_that_waits_in_a_magazine_is_left_to_it);
    tcase_add_test(tests, a_touch_of_256_eras_ago_costs_one_more_batch_at_the_most);
    tcase_add_test(tests, sequences_may_wrap);
    tcase_add_test(tests, a_finalizer_is_queued_after_the_grace_period_and_once);
    tcase_add_test(tests, the_value_of_a_dying_key_is_retired_not_ended_at_once);
    tcase_add_test(tests, stored_objects_are_shared_and_wait_for_their_grace_period);
    tcase_add_test(tests, after_adoption_every_object_is_shared_and_used);
    tcase_add_test(tests, a_full_collection_ends_whatever_waits);
    tcase_add_test(tests, garbage_in_a_magazine_is_not_reclaimed_by_a_minor_collection);
    tcase_add_test(tests, what_a_section_read_is_there_until_it_ends);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
