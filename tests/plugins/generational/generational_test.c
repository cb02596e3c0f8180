/* generational_test.c - generations in a program: what a minor collection visits, keeps and reclaims; what verify
 * names. */
#include "tests/support/expect.h"
#include "tests/support/strategies.h"
#include <slabgc/slabgc.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *left, *right;
    uint64_t value;
};
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, left, right));

struct vec {
    size_t n;
    struct node *items[];
};
static const struct sgc_type vec_type = SGC_TYPE(struct vec, SGC_TAIL_REFS);

static struct sgc_heap *heap;
static struct sgc_cache *nodes, *vecs;

static void open_heap(const char *strategy)
{
    struct sgc_error error;
    const struct sgc_heap_options options = {.needs = SGC_NEED_CYCLES, .strategy = strategy};
    heap = sgc_heap_open("test", &options, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    nodes = sgc_cache_create(heap, &node_type, &error);
    vecs = sgc_cache_create(heap, &vec_type, &error);
    ck_assert(nodes && vecs);
}
static void setup(void)
{
    open_heap("generational");
}
static void teardown(void)
{
    struct sgc_error error;
    ck_assert_msg(sgc_heap_close(heap, &error) == 0, "%s", error.message);
}

static const struct sgc_stats *stats(void)
{
    static struct sgc_stats stats;
    sgc_heap_stats(heap, &stats);
    return &stats;
}

static struct node *new_node(uint64_t value)
{
    struct node *node = sgc_new(nodes);
    ck_assert_ptr_nonnull(node);
    node->value = value;
    return node;
}
/* A node that is old: it lived through a full collection. Held. */
static struct node *old_node(void)
{
    struct node *node = new_node(0);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    return node;
}
static void check_verify(void)
{
    struct sgc_error error;
    ck_assert_msg(sgc_heap_verify(heap, &error) == 0, "%s", error.message);
}

/* A list of n nodes, held by its head. */
static struct node *make_list(size_t n)
{
    struct node *head = NULL;
    for (size_t i = 0; i < n; i++) {
        struct node *node = new_node(i);
        sgc_set(node, left, head);
        sgc_drop(head);
        head = node;
    }
    return head;
}

enum { N_OLD = 1000000, N_SURVIVORS = 1000, N_VISITED_MAX = 2000 };

/* Keeps 1,000 of 11,000 young objects alive by way of n_owners old ones. */
static void check_minor_among_many(size_t n_owners)
{
    struct node *old = make_list(N_OLD), *owner = old;
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_ge(stats()->last_visited, N_OLD);
    for (size_t i = 0; i < n_owners; i++) {
        struct node *young = make_list(N_SURVIVORS / n_owners);
        sgc_set(owner, right, young);
        sgc_drop(young);
        owner = owner->left;
        for (size_t k = 0; k < 10 * N_SURVIVORS / n_owners; k++)
            sgc_drop(new_node(k));
    }
    const uint64_t n_reclaimed = stats()->n_reclaimed;
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_le(stats()->last_visited, N_VISITED_MAX);
    ck_assert_uint_ge(stats()->last_visited, N_SURVIVORS);
    ck_assert_uint_eq(stats()->n_reclaimed - n_reclaimed, 10 * N_SURVIVORS);
    ck_assert_uint_eq(stats()->n_live, N_OLD + N_SURVIVORS);
    check_verify();
    sgc_drop(old);
}

START_TEST(a_minor_collection_of_1000_survivors_of_one_owner_among_1000000_old_objects_visits_at_most_2000)
{
    check_minor_among_many(1);
}
END_TEST

START_TEST(a_minor_collection_of_1000_survivors_of_1000_owners_among_1000000_old_objects_visits_at_most_2000)
{
    check_minor_among_many(N_SURVIVORS);
}
END_TEST

START_TEST(young_garbage_dies_in_a_minor_collection_and_old_garbage_in_a_full_one)
{
    struct node *old = old_node();
    sgc_drop(new_node(1));
    sgc_drop(old);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(stats()->n_live, 1);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats()->n_live, 0);
}
END_TEST

START_TEST(survivors_of_a_minor_collection_are_old)
{
    struct node *young = new_node(1), *child = new_node(2);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(stats()->last_visited, 0);
    sgc_set(young, left, child);
    sgc_drop(child);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(stats()->last_visited, 1); /* the remembered owner */
    ck_assert_uint_eq(stats()->n_live, 2);
    sgc_drop(young);
}
END_TEST

/* Stores the only reference to a young list into an old owner in one of the ways there are. */
static void store_set(struct node *owner, struct node *value)
{
    sgc_set(owner, left, value);
}
static void store_xchg(struct node *owner, struct node *value)
{
    ck_assert_ptr_null(sgc_xchg(owner, left, value));
}
static void store_cas(struct node *owner, struct node *value)
{
    ck_assert(sgc_cas(owner, left, NULL, value));
}
static void store_bulk(struct node *owner, struct node *value)
{
    sgc_store_bulk(owner, left, &value, 1);
}
static void store_set_in_section(struct node *owner, struct node *value)
{
    SGC_SECTION;
    sgc_set(owner, left, value);
}
static void (*const stores[])(struct node *owner, struct node *value) = {store_set, store_xchg, store_cas, store_bulk,
                                                                         store_set_in_section};

START_TEST(each_kind_of_store_into_an_old_object_keeps_the_young_value)
{
    struct node *owner = old_node();
    for (uint64_t round = 0; round < 3; round++) { /* the owner is armed again each time */
        struct node *young = make_list(3);
        sgc_set(owner, left, NULL);
        stores[_i](owner, young);
        sgc_drop(young);
        sgc_heap_collect(heap, SGC_COLLECT_MINOR);
        check_verify();
        ck_assert_ptr_eq(owner->left, young);
        for (struct node *node = owner->left; node; node = node->left)
            ck_assert_uint_le(node->value, 2);
        ck_assert_uint_eq(stats()->n_live, 1 + 3 * (round + 1)); /* replaced lists are old garbage */
    }
    sgc_drop(owner);
}
END_TEST

START_TEST(exchange_keeps_the_old_value_by_a_hold)
{
    struct node *owner = old_node(), *first = new_node(1), *second = new_node(2);
    sgc_set(owner, left, first);
    sgc_drop(first);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR); /* arms the owner: the exchange is the strategy's */
    ck_assert_ptr_eq(sgc_xchg(owner, left, second), first);
    sgc_drop(second);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats()->n_live, 3);
    sgc_drop(first);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats()->n_live, 2);
    sgc_drop(owner);
}
END_TEST

START_TEST(young_values_in_a_big_old_table_live_and_the_table_is_not_reread)
{
    enum { N = 100000, N_YOUNG = 100 };
    struct vec *vec = sgc_new_n(vecs, N);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    for (size_t i = 0; i < N_YOUNG; i++) {
        struct node *young = new_node(i);
        sgc_set(vec, items[i * 997], young);
        sgc_drop(young);
    }
    check_verify();
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(stats()->last_visited, N_YOUNG); /* not the table */
    ck_assert_uint_eq(stats()->n_live, N_YOUNG + 1);
    for (size_t i = 0; i < N_YOUNG; i++)
        ck_assert_uint_eq(vec->items[i * 997]->value, i);
    check_verify();
    sgc_drop(vec);
}
END_TEST

START_TEST(a_young_big_object_survives_or_dies_in_a_minor_collection)
{
    struct vec *kept = sgc_new_n(vecs, 100000), *dead = sgc_new_n(vecs, 100000);
    struct node *child = new_node(7);
    sgc_set(kept, items[99999], child);
    sgc_drop(child);
    sgc_drop(dead);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(stats()->n_live, 2);
    ck_assert_uint_eq(kept->items[99999]->value, 7);
    sgc_drop(kept);
}
END_TEST

START_TEST(new_objects_in_a_slab_with_old_ones_are_collected_again)
{
    struct node *held = make_list(100);
    for (uint64_t round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++)
            sgc_drop(new_node(0));
        sgc_heap_collect(heap, SGC_COLLECT_MINOR);
        ck_assert_uint_eq(stats()->n_live, 100 + round);
        struct node *more = new_node(round);
        sgc_set(more, left, held->left);
        sgc_set(held, left, more);
        sgc_drop(more);
    }
    sgc_drop(held);
}
END_TEST

/* ---- threads */

enum { N_THREADS = 4, N_ROUNDS = 200 };

struct worker {
    pthread_t thread;
    struct vec *vec;
    size_t index;
    pthread_barrier_t *barrier;
};

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    for (uint64_t round = 1; round <= N_ROUNDS; round++) {
        struct node *young = sgc_new(nodes);
        if (!young)
            abort();
        young->value = round;
        pthread_barrier_wait(worker->barrier); /* all test the owner's bit at about the same time */
        sgc_set(worker->vec, items[worker->index], young);
        sgc_drop(young);
        pthread_barrier_wait(worker->barrier);
        pthread_barrier_wait(worker->barrier); /* the collection is over */
        if (sgc_get(worker->vec, items[worker->index])->value != round)
            abort();
    }
    return NULL;
}

static void check_racing_stores(size_t n_fields)
{
    struct vec *vec = sgc_new_n(vecs, n_fields);
    struct worker workers[N_THREADS];
    pthread_barrier_t barrier;
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    pthread_barrier_init(&barrier, NULL, N_THREADS + 1);
    for (size_t i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){.vec = vec, .index = i * (n_fields / N_THREADS), .barrier = &barrier};
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]), 0);
    }
    for (uint64_t round = 0; round < N_ROUNDS; round++) {
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        sgc_heap_collect(heap, SGC_COLLECT_MINOR);
        check_verify();
        ck_assert_uint_eq(stats()->n_live, 1 + N_THREADS * (round + 1));
        pthread_barrier_wait(&barrier);
    }
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
    sgc_drop(vec);
}

START_TEST(stores_of_several_threads_into_one_old_object_are_all_remembered)
{
    check_racing_stores(8);
}
END_TEST

START_TEST(stores_of_several_threads_into_one_big_old_object_are_all_remembered)
{
    check_racing_stores(8000);
}
END_TEST

static void *store_and_end(void *arg)
{
    struct node *owner = arg, *young = sgc_new(nodes);
    young->value = 42;
    sgc_set(owner, left, young);
    sgc_drop(young);
    return NULL;
}

START_TEST(what_a_thread_remembered_outlives_it)
{
    struct node *owner = old_node();
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, store_and_end, owner), 0);
    pthread_join(thread, NULL);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(owner->left->value, 42);
    ck_assert_uint_eq(stats()->n_live, 2);
    check_verify();
    sgc_drop(owner);
}
END_TEST

/* ---- parameters */

static void reload(const char *settings)
{
    struct sgc_error error;
    setenv("SLABGC", settings, 1);
    ck_assert_msg(sgc_config_reload(&error) == 0, "%s", error.message);
}

START_TEST(young_size_sets_the_distance_of_minor_collections_and_may_change_live)
{
    const uint64_t before = stats()->n_minor;
    for (size_t i = 0; i < (4 << 20) / 32; i++)
        sgc_drop(new_node(i));
    ck_assert_uint_eq(stats()->n_minor, before);
    reload("strategy.generational.young_size=256KiB");
    for (size_t i = 0; i < (4 << 20) / 32; i++)
        sgc_drop(new_node(i));
    ck_assert_uint_ge(stats()->n_minor - before, 12);
    ck_assert_uint_le(stats()->n_minor - before, 36);
    ck_assert_uint_le(stats()->peak_bytes, 16 << 20);
}
END_TEST

START_TEST(a_growing_heap_is_collected_fully_when_it_has_outgrown_full_growth)
{
    reload("strategy.generational.young_size=256KiB,strategy.generational.full_min=2MiB");
    struct node *list = make_list((10u << 20) / 32);
    ck_assert_uint_ge(stats()->n_full, 2); /* at 2, 4, 8 MiB, and what a window rounds up */
    ck_assert_uint_le(stats()->n_full, 3);
    ck_assert_uint_ge(stats()->n_minor, 25);
    sgc_drop(list);
}
END_TEST

/* ---- switching */

START_TEST(a_heap_that_was_adopted_keeps_what_its_objects_refer_to)
{
    enum { N_LIST = 10000 }; /* several slabs: the first is not the one that new objects come from */
    struct sgc_error error;
    struct node *first = new_node(0), *list = make_list(N_LIST);
    sgc_heap_collect(heap, SGC_COLLECT_FULL); /* no slab is fresh from here on; marksweep sweeps in its own way */
    ck_assert_msg(sgc_heap_switch(heap, "marksweep", &error) == 0, "%s", error.message);
    ck_assert_msg(sgc_heap_switch(heap, "generational", &error) == 0, "%s", error.message);
    check_verify();
    struct node *young = new_node(5);
    sgc_set(first, right, young); /* no barrier: all are young */
    sgc_drop(young);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    check_verify();
    ck_assert_uint_eq(stats()->n_live, N_LIST + 2);
    ck_assert_uint_eq(first->right->value, 5);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(stats()->last_visited, 0); /* old now */
    ck_assert_msg(sgc_heap_switch(heap, "marksweep", &error) == 0, "%s", error.message);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats()->n_live, N_LIST + 2);
    sgc_drop(first);
    sgc_drop(list);
}
END_TEST

START_TEST(a_switch_forgets_the_remembered_set)
{
    struct sgc_error error;
    struct node *owner = old_node(), *young = new_node(1);
    sgc_set(owner, left, young);
    sgc_drop(young);
    sgc_drop(owner);
    ck_assert_msg(sgc_heap_switch(heap, "marksweep", &error) == 0, "%s", error.message);
    ck_assert_uint_eq(stats()->n_live, 0);
    ck_assert_msg(sgc_heap_switch(heap, "generational", &error) == 0, "%s", error.message);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    check_verify();
}
END_TEST

/* ---- verify */

START_TEST(verify_names_a_young_value_stored_past_the_barrier)
{
    struct sgc_error error;
    struct node *owner = old_node(), *young = new_node(1);
    *(struct node *volatile *)&owner->right = young;
    ck_assert_int_eq(sgc_heap_verify(heap, &error), -EUCLEAN);
    ck_assert_msg(strstr(error.message, "at offset 8, and is not remembered") != NULL, "%s", error.message);
    owner->right = NULL;
    check_verify();
    sgc_drop(owner);
    sgc_drop(young);
}
END_TEST

int main(void)
{
    support_strategies_init();
    Suite *suite = suite_create("generational");
    TCase *tcase = tcase_create("generational");
    tcase_set_timeout(tcase, 400); /* a sanitizer on a loaded machine needs a tenth for a million objects */
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase,
                   a_minor_collection_of_1000_survivors_of_one_owner_among_1000000_old_objects_visits_at_most_2000);
    tcase_add_test(tcase,
                   a_minor_collection_of_1000_survivors_of_1000_owners_among_1000000_old_objects_visits_at_most_2000);
    tcase_add_test(tcase, young_garbage_dies_in_a_minor_collection_and_old_garbage_in_a_full_one);
    tcase_add_test(tcase, survivors_of_a_minor_collection_are_old);
    tcase_add_loop_test(tcase, each_kind_of_store_into_an_old_object_keeps_the_young_value, 0,
                        sizeof(stores) / sizeof(stores[0]));
    tcase_add_test(tcase, exchange_keeps_the_old_value_by_a_hold);
    tcase_add_test(tcase, young_values_in_a_big_old_table_live_and_the_table_is_not_reread);
    tcase_add_test(tcase, a_young_big_object_survives_or_dies_in_a_minor_collection);
    tcase_add_test(tcase, new_objects_in_a_slab_with_old_ones_are_collected_again);
    tcase_add_test(tcase, stores_of_several_threads_into_one_old_object_are_all_remembered);
    tcase_add_test(tcase, stores_of_several_threads_into_one_big_old_object_are_all_remembered);
    tcase_add_test(tcase, what_a_thread_remembered_outlives_it);
    tcase_add_test(tcase, young_size_sets_the_distance_of_minor_collections_and_may_change_live);
    tcase_add_test(tcase, a_growing_heap_is_collected_fully_when_it_has_outgrown_full_growth);
    tcase_add_test(tcase, a_heap_that_was_adopted_keeps_what_its_objects_refer_to);
    tcase_add_test(tcase, a_switch_forgets_the_remembered_set);
    tcase_add_test(tcase, verify_names_a_young_value_stored_past_the_barrier);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
