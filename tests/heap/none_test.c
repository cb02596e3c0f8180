/* none_test.c - the built-in strategy: managed calls without a collector. */
#include "core/heap/section.h"
#include "tests/heap/support.h"

static struct sgc_heap *heap;
static struct sgc_cache *things;
static const struct sgc_type thing_type = {.name = "thing", .size_bytes = 48};

static void setup(void)
{
    heap = open_limited("none", &sgc_strategy_none, 0, 0);
    things = make_cache(heap, &thing_type);
}

static void teardown(void)
{
    close_heap(heap);
}

START_TEST(an_object_ends_at_its_last_drop)
{
    void *thing = sgc_new(things);
    sgc_hold(thing);
    sgc_drop(thing);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_drop(thing);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(in_a_section_it_ends_with_the_section)
{
    long *thing = sgc_new(things);
    *thing = 9;
    sgc_enter();
    sgc_drop(thing);
    ck_assert_int_eq(*thing, 9);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_leave();
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(collections_change_nothing)
{
    void *held = sgc_new(things);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 1);
    ck_assert_uint_eq(stats_of(heap).n_full, 1);
    assert_verifies(heap);
    sgc_drop(held);
}
END_TEST

START_TEST(it_says_what_it_offers)
{
    ck_assert_str_eq(sgc_heap_strategy(heap), "none");
    ck_assert_uint_eq(sgc_heap_capabilities(heap), SGC_NEED_PROMPT | SGC_NEED_WEAK | SGC_NEED_FINALIZERS);
}
END_TEST

START_TEST(a_weak_reference_holds_or_is_empty)
{
    void *thing = sgc_new(things);
    struct sgc_weak *weak = sgc_weak_create(thing);
    ck_assert_ptr_eq(sgc_weak_get(weak), thing);
    sgc_drop(thing);
    ck_assert_uint_eq(n_live(heap), 1); /* the one that get returned */
    sgc_drop(thing);
    ck_assert_ptr_null(sgc_weak_get(weak));
    ck_assert_uint_eq(n_live(heap), 0);
    sgc_weak_destroy(weak);
}
END_TEST

static void *rescued;
static unsigned n_finalized;
static void rescue(void *object)
{
    if (n_finalized++ == 0)
        rescued = sgc_hold(object);
}

static const struct sgc_type mourned_type = {.name = "mourned", .size_bytes = 32, .finalize = rescue};

START_TEST(a_finalizer_runs_once_and_may_resurrect)
{
    struct sgc_cache *mourned = make_cache(heap, &mourned_type);
    void *object = sgc_new(mourned);
    sgc_drop(object);
    ck_assert_uint_eq(n_finalized, 0); /* never inside the drop */
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 1);
    ck_assert_ptr_eq(rescued, object);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_drop(rescued);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 0);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

static void *gets_and_drops(void *weak)
{
    long n = 0;
    for (int i = 0; i < 20000; i++) {
        void *thing = sgc_weak_get(weak);
        n += thing != NULL;
        sgc_drop(thing);
    }
    return (void *)n;
}

/* The last drop and a weak get want the same object: it is dropped once for all, or held and dropped later. */
START_TEST(a_last_drop_and_a_weak_get_settle_who_buries)
{
    for (int round = 0; round < 30; round++) {
        void *thing = sgc_new(things);
        struct sgc_weak *weak = sgc_weak_create(thing);
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            threads[i] = support_thread("gets", gets_and_drops, weak);
        for (int i = 0; i < 100; i++)
            sgc_drop(sgc_hold(thing));
        sgc_drop(thing);
        for (int i = 0; i < 2; i++)
            join(threads[i]);
        ck_assert_ptr_null(sgc_weak_get(weak));
        ck_assert_uint_eq(n_live(heap), 0);
        sgc_weak_destroy(weak);
    }
}
END_TEST

START_TEST(stores_into_manual_types_are_plain)
{
    static struct sgc_type manual;
    manual = node_type;
    manual.flags = SGC_TYPE_MANUAL;
    struct sgc_cache *nodes = make_cache(heap, &manual);
    struct node *a = sgc_new(nodes), *b = sgc_new(nodes);
    sgc_set(a, left, b);
    ck_assert_uint_eq(count_of(b), 1); /* the program's affair */
    sgc_enter();
    ck_assert_ptr_eq(sgc_get(a, left), b);
    sgc_leave();
    ck_assert(sgc_cas(a, left, b, NULL));
    sgc_drop(a);
    sgc_drop(b);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

static void *allocates_bare(void *arg)
{
    void *held[100];
    (void)arg;
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 100; i++)
            held[i] = sgc_cache_alloc(things);
        for (int i = 0; i < 100; i++)
            sgc_cache_free(things, held[i]);
    }
    return NULL;
}

START_TEST(bare_calls_and_collections_go_on_side_by_side)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        threads[i] = support_thread("bare", allocates_bare, NULL);
    for (int i = 0; i < 50; i++) {
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
        assert_verifies(heap);
    }
    for (int i = 0; i < 2; i++)
        join(threads[i]);
    ck_assert_uint_eq(n_live(heap), 0);
    assert_verifies(heap);
}
END_TEST

START_TEST(none_of_its_ops_is_missing)
{
    const struct sgc_strategy_ops *ops = sgc_strategy_none.ops;
    ck_assert_uint_eq(ops->struct_bytes, sizeof(*ops));
    ck_assert(ops->open && ops->configure && ops->close && ops->store && ops->exchange && ops->compare_exchange &&
              ops->decrement);
    ck_assert(ops->before_alloc && ops->collect && ops->grace_elapsed && ops->thread_detach && ops->quiesce &&
              ops->adopt && ops->verify);
}
END_TEST

static void exchange_reaches_it(void *field)
{
    sgc_strategy_none.ops->exchange(NULL, field, field, NULL);
}

static void compare_reaches_it(void *field)
{
    sgc_strategy_none.ops->compare_exchange(NULL, field, field, NULL, NULL);
}

START_TEST(a_store_that_reached_it_would_be_a_fault_of_core)
{
    void *field = NULL;
    support_expect_panic(exchange_reaches_it, &field, "strategy none: a store reached the strategy");
    support_expect_panic(compare_reaches_it, &field, "strategy none: a store reached the strategy");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("none");
    TCase *tc = tcase_create("none");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_object_ends_at_its_last_drop);
    tcase_add_test(tc, in_a_section_it_ends_with_the_section);
    tcase_add_test(tc, collections_change_nothing);
    tcase_add_test(tc, it_says_what_it_offers);
    tcase_add_test(tc, a_weak_reference_holds_or_is_empty);
    tcase_add_test(tc, a_finalizer_runs_once_and_may_resurrect);
    tcase_add_test(tc, a_last_drop_and_a_weak_get_settle_who_buries);
    tcase_add_test(tc, stores_into_manual_types_are_plain);
    tcase_add_test(tc, bare_calls_and_collections_go_on_side_by_side);
    tcase_add_test(tc, none_of_its_ops_is_missing);
    tcase_add_test(tc, a_store_that_reached_it_would_be_a_fault_of_core);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
