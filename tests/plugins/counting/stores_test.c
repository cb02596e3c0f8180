#include "tests/plugins/counting/graph.h"

START_TEST(a_store_moves_the_claim_from_the_old_value_to_the_new_one)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *owner = fake_new(&fake_node_type), *a = fake_new(&fake_leaf_type), *b = fake_new(&fake_leaf_type);
    fake_set(owner, 0, a);
    ck_assert_uint_eq(fake_count(a), 2);
    fake_set(owner, 0, b);
    ck_assert_uint_eq(fake_count(a), 1);
    ck_assert_uint_eq(fake_count(b), 2);
    fake_set(owner, 0, b);
    ck_assert_uint_eq(fake_count(b), 2);
    fake_set(owner, 0, NULL);
    ck_assert_uint_eq(fake_count(b), 1);
}
END_TEST

START_TEST(storing_an_objects_only_reference_again_does_not_end_it)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *owner = fake_new(&fake_node_type), *child = fake_grow(owner, 0, &fake_node_type);
    fake_set(owner, 0, child);
    ck_assert(fake_is_live(child));
    ck_assert_uint_eq(fake_count(child), 1);
}
END_TEST

START_TEST(an_exchange_hands_the_fields_claim_to_the_caller)
{
    fake_open(&sgc_strategy_plugin, NULL);
    struct fake_object *owner = fake_new(&fake_node_type);
    void *child = fake_grow(owner, 0, &fake_node_type);
    ck_assert_ptr_eq(fake.ops->exchange(fake.self, owner, &owner->references[0], NULL), child);
    ck_assert_uint_eq(fake_count(child), 1);
    fake_drop(child);
    ck_assert(!fake_is_live(child));
}
END_TEST

START_TEST(compare_exchange_counts_what_it_stored_and_nothing_else)
{
    fake_open(&sgc_strategy_plugin, NULL);
    struct fake_object *owner = fake_new(&fake_node_type);
    void *a = fake_new(&fake_node_type), *b = fake_new(&fake_node_type);
    ck_assert(fake.ops->compare_exchange(fake.self, owner, &owner->references[0], NULL, a));
    ck_assert_uint_eq(fake_count(a), 2);
    ck_assert(!fake.ops->compare_exchange(fake.self, owner, &owner->references[0], b, b));
    ck_assert_uint_eq(fake_count(a), 2);
    ck_assert_uint_eq(fake_count(b), 1);
    ck_assert(fake.ops->compare_exchange(fake.self, owner, &owner->references[0], a, b));
    ck_assert_uint_eq(fake_count(a), 1);
    ck_assert_uint_eq(fake_count(b), 2);
    ck_assert(fake.ops->compare_exchange(fake.self, owner, &owner->references[0], b, b));
    ck_assert_uint_eq(fake_count(b), 2);
}
END_TEST

START_TEST(immediates_are_stored_and_never_counted)
{
    fake_open(&sgc_strategy_plugin, NULL);
    struct fake_object *owner = fake_new(&fake_node_type);
    fake_set(owner, 0, (void *)7);
    ck_assert_ptr_eq(fake_get(owner, 0), (void *)7);
    ck_assert_ptr_eq(fake.ops->exchange(fake.self, owner, &owner->references[0], (void *)9), (void *)7);
    ck_assert(fake.ops->compare_exchange(fake.self, owner, &owner->references[0], (void *)9, NULL));
    fake_set(owner, 1, (void *)11);
    fake_drop(owner);
    ck_assert_uint_eq(fake.n_live, 0);
}
END_TEST

START_TEST(a_field_has_no_claim_on_an_object_of_a_manual_type)
{
    fake_open(&sgc_strategy_plugin, NULL);
    struct fake_object *owner = fake_new(&fake_node_type);
    void *manual = fake_new(&fake_manual_type);
    fake_set(owner, 0, manual);
    ck_assert_uint_eq(fake_count(manual), 1);
    ck_assert_ptr_eq(fake.ops->exchange(fake.self, owner, &owner->references[0], manual), manual);
    ck_assert_uint_eq(fake_count(manual), 2); /* the exchange's hold */
    fake_drop(manual);
    fake_drop(owner);
    ck_assert_uint_eq(fake_count(manual), 1);
    fake_drop(manual);
    ck_assert_uint_eq(fake.n_live, 0);
}
END_TEST

START_TEST(an_owner_is_used_once_a_reference_was_stored_into_it)
{
    for (unsigned solo = 0; solo < 2; solo++) {
        fake_open(&sgc_strategy_plugin, NULL);
        fake.solo = (uint8_t)solo;
        struct fake_object *owners[4];
        void *value = fake_new(&fake_node_type);
        for (unsigned i = 0; i < 4; i++)
            owners[i] = fake_new(&fake_node_type);
        fake_set(owners[0], 0, NULL);
        fake_set(owners[0], 0, (void *)7);
        ck_assert(!(fake_state(owners[0]) & SGC_COUNTING_USED));
        fake_set(owners[1], 0, value);
        ck_assert_ptr_null(fake.ops->exchange(fake.self, owners[2], &owners[2]->references[0], value));
        ck_assert(fake.ops->compare_exchange(fake.self, owners[3], &owners[3]->references[0], NULL, value));
        for (unsigned i = 1; i < 4; i++) {
            ck_assert(fake_state(owners[i]) & SGC_COUNTING_USED);
            fake_drop(owners[i]);
        }
        ck_assert_uint_eq(fake_count(value), 1);
        fake_drop(value);
        fake_drop(owners[0]);
        ck_assert_uint_eq(fake.n_live, 0);
        fake_close();
    }
}
END_TEST

/* The bit means something else while it is one; settled, it counts as used. */
START_TEST(a_store_into_a_young_candidate_does_not_make_it_old)
{
    fake_open(&sgc_strategy_plugin, NULL);
    void *owner = fake_new(&fake_node_type), *value = fake_new(&fake_node_type);
    fake_hold(owner);
    fake_drop(owner);
    fake_set(owner, 0, value);
    ck_assert_uint_eq(fake_state(owner) & (SGC_COUNTING_CANDIDATE | SGC_COUNTING_OLD), SGC_COUNTING_CANDIDATE);
    fake_drop(value);
    fake_collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(fake_state(owner) & (SGC_COUNTING_CANDIDATE | SGC_COUNTING_USED), SGC_COUNTING_USED);
    fake_drop(owner);
    ck_assert_uint_eq(fake.n_live, 0);
    fake_close();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stores");
    TCase *tests = tcase_create("stores");
    tcase_add_test(tests, a_store_moves_the_claim_from_the_old_value_to_the_new_one);
    tcase_add_test(tests, storing_an_objects_only_reference_again_does_not_end_it);
    tcase_add_test(tests, an_exchange_hands_the_fields_claim_to_the_caller);
    tcase_add_test(tests, compare_exchange_counts_what_it_stored_and_nothing_else);
    tcase_add_test(tests, immediates_are_stored_and_never_counted);
    tcase_add_test(tests, a_field_has_no_claim_on_an_object_of_a_manual_type);
    tcase_add_test(tests, an_owner_is_used_once_a_reference_was_stored_into_it);
    tcase_add_test(tests, a_store_into_a_young_candidate_does_not_make_it_old);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
