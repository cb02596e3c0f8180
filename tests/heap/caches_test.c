/* caches_test.c - the caches of a heap: what a type implies, names, config, destruction. */
#include "core/heap/section.h"
#include "core/os/meta.h"
#include "tests/heap/support.h"

#include <stdio.h>

static struct sgc_heap *heap;

static void setup(void)
{
    heap = open_limited("caches", &sharing_plugin, 0, 0);
}

static void teardown(void)
{
    close_heap(heap);
}

static void expect_refusal(struct sgc_heap *of, const struct sgc_type *type, int code, const char *text)
{
    struct sgc_error error = {0};
    ck_assert_ptr_null(sgc_cache_create(of, type, &error));
    ck_assert_int_eq(error.code, code);
    ck_assert_str_eq(error.message, text);
    ck_assert_ptr_null(sgc_cache_create(of, type, NULL));
}

START_TEST(a_cache_takes_its_name_from_the_type)
{
    struct sgc_cache *cache = make_cache(heap, &node_type);
    ck_assert_str_eq(node_type.name, "struct node");
    ck_assert_str_eq(sgc_cache_name(cache), "node");
    ck_assert_ptr_eq(sgc_cache_heap(cache), heap);
}
END_TEST

START_TEST(a_name_is_unique_in_its_heap)
{
    make_cache(heap, &node_type);
    expect_refusal(heap, &(struct sgc_type){.name = "node", .size_bytes = 8}, -EEXIST,
                   "heap caches has a cache named node already");
    struct sgc_heap *other = open_limited("other", &sharing_plugin, 0, 0);
    make_cache(other, &node_type);
    close_heap(other);
}
END_TEST

START_TEST(a_type_needs_a_name)
{
    expect_refusal(heap, &(struct sgc_type){.size_bytes = 8}, -EINVAL, "heap caches: a type without a name");
}
END_TEST

static void noop_finalize(void *object)
{
    (void)object;
}

START_TEST(what_a_type_implies_must_be_met_by_the_strategy)
{
    struct sgc_heap *bare = open_limited("bare", &sgc_strategy_none, 0, 0);
    expect_refusal(bare, &node_type, -ENOTSUP,
                   "type struct node has reference fields, but strategy none of heap bare does not follow references "
                   "(missing: references); choose another "
                   "strategy, or flag the type SGC_TYPE_MANUAL");
    struct sgc_type manual = node_type;
    manual.flags = SGC_TYPE_MANUAL;
    make_cache(bare, &manual);
    close_heap(bare);
    /* A strategy that runs no finalizers. */
    struct sgc_strategy_plugin modest = sharing_plugin;
    modest.capabilities &= ~SGC_NEED_FINALIZERS;
    modest.name = "modest";
    struct sgc_heap *plain = open_limited("plain", &modest, 0, 0);
    expect_refusal(plain, &(struct sgc_type){.name = "mourned", .size_bytes = 8, .finalize = noop_finalize}, -ENOTSUP,
                   "type mourned has a finalizer, but strategy modest of heap plain runs none (missing: finalizers)");
    close_heap(plain);
}
END_TEST

START_TEST(the_heap_remembers_what_its_types_need)
{
    static const struct sgc_type leaf = {.name = "leaf", .size_bytes = 8, .flags = SGC_TYPE_LEAF};
    static const struct sgc_type mourned = {.name = "mourned", .size_bytes = 8, .finalize = noop_finalize};
    make_cache(heap, &leaf);
    ck_assert_uint_eq(heap->needs, 0);
    make_cache(heap, &node_type);
    ck_assert_uint_eq(heap->needs, SGC_NEED_REFERENCES);
    make_cache(heap, &mourned);
    ck_assert_uint_eq(heap->needs, SGC_NEED_REFERENCES | SGC_NEED_FINALIZERS);
}
END_TEST

/* ---- config */

struct asked {
    unsigned n;
    char heap[64], cache[64];
    int error;
};

static int configure(void *arg, const char *of, const char *cache, struct sgc_cache_config *out,
                     struct sgc_error *error)
{
    struct asked *asked = arg;
    asked->n++;
    snprintf(asked->heap, sizeof(asked->heap), "%s", of);
    snprintf(asked->cache, sizeof(asked->cache), "%s", cache);
    out->debug = SGC_DEBUG_REDZONE | SGC_DEBUG_POISON;
    return asked->error ? sgc_error_set(error, asked->error, "config.ini:7: nonsense") : 0;
}

START_TEST(config_is_asked_by_the_names_of_heap_and_cache)
{
    static const uint64_t no_params[1];
    struct asked asked = {0};
    struct sgc_heap *configured = open_heap_with(&(struct sgc_heap_setup){.name = "configured",
                                                                          .plugin = &sharing_plugin,
                                                                          .params = no_params,
                                                                          .cache_config = configure,
                                                                          .cache_config_arg = &asked});
    struct sgc_cache *cache = make_cache(configured, &node_type);
    ck_assert_uint_eq(asked.n, 1);
    ck_assert_str_eq(asked.heap, "configured");
    ck_assert_str_eq(asked.cache, "node");
    ck_assert_uint_eq(cache->debug, SGC_DEBUG_REDZONE | SGC_DEBUG_POISON);
    sgc_drop(sgc_new(cache));
    asked.error = -EINVAL;
    expect_refusal(configured, &(struct sgc_type){.name = "other", .size_bytes = 8}, -EINVAL, "config.ini:7: nonsense");
    close_heap(configured);
}
END_TEST

/* ---- destruction */

START_TEST(an_empty_cache_is_destroyed_and_its_name_is_free)
{
    const size_t before = sgc_meta_bytes();
    for (int i = 0; i < 3; i++) {
        struct sgc_cache *cache = make_cache(heap, &node_type);
        sgc_drop(sgc_new(cache));
        struct sgc_error error = {0};
        ck_assert_msg(sgc_cache_destroy(cache, &error) == 0, "%s", error.message);
    }
    ck_assert_uint_le(sgc_meta_bytes(), before);
    ck_assert_int_eq(sgc_cache_destroy(NULL, NULL), 0);
    assert_verifies(heap);
}
END_TEST

START_TEST(a_cache_with_live_objects_stays_as_it_is)
{
    struct sgc_cache *cache = make_cache(heap, &node_type);
    struct node *a = sgc_new(cache), *b = sgc_new(cache);
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_cache_destroy(cache, &error), -EBUSY);
    ck_assert_int_eq(error.code, -EBUSY);
    const char *head = "cache node of heap caches has 2 live objects:\n";
    ck_assert_int_eq(strncmp(error.message, head, strlen(head)), 0);
    ck_assert_int_eq(sgc_cache_destroy(cache, NULL), -EBUSY);
    sgc_set(a, left, b);
    sgc_drop(a);
    sgc_drop(b);
    ck_assert_int_eq(sgc_cache_destroy(cache, &error), 0);
}
END_TEST

START_TEST(destruction_collects_first)
{
    struct sgc_heap *traced = open_limited("traced", &tracing_plugin, 0, 0);
    struct sgc_cache *cache = make_cache(traced, &node_type);
    struct node *a = sgc_new(cache), *b = sgc_new(cache);
    sgc_set(a, left, b);
    sgc_set(b, left, a);
    sgc_drop(a);
    sgc_drop(b);
    ck_assert_uint_eq(n_live(traced), 2);
    ck_assert_int_eq(sgc_cache_destroy(cache, NULL), 0);
    close_heap(traced);
}
END_TEST

static void destroy_in_section(void *cache)
{
    sgc_enter();
    sgc_cache_destroy(cache, NULL);
}

START_TEST(destroying_in_a_section_panics)
{
    support_expect_panic(destroy_in_section, make_cache(heap, &node_type),
                         "sgc_cache_destroy: called inside a section");
}
END_TEST

/* ---- the list */

struct listed {
    unsigned n, stop_at;
    const char *names[4];
};

static int list_visit(void *arg, struct sgc_cache *cache)
{
    struct listed *listed = arg;
    listed->names[listed->n++] = sgc_cache_name(cache);
    return listed->n == listed->stop_at ? 5 : 0;
}

START_TEST(caches_are_listed_in_the_order_of_their_creation)
{
    struct listed listed = {0};
    static const struct sgc_type types[] = {
        {.name = "b", .size_bytes = 8}, {.name = "a", .size_bytes = 8}, {.name = "c", .size_bytes = 8}};
    for (int i = 0; i < 3; i++)
        make_cache(heap, &types[i]);
    ck_assert_int_eq(sgc_cache_for_each(heap, list_visit, &listed), 0);
    ck_assert_uint_eq(listed.n, 3);
    ck_assert_str_eq(listed.names[0], "b");
    ck_assert_str_eq(listed.names[1], "a");
    ck_assert_str_eq(listed.names[2], "c");
    listed = (struct listed){.stop_at = 2};
    ck_assert_int_eq(sgc_cache_for_each(heap, list_visit, &listed), 5);
    ck_assert_uint_eq(listed.n, 2);
}
END_TEST

static bool churn_over; /* atomic */
static void *reads_statistics(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&churn_over, __ATOMIC_RELAXED)) {
        struct listed listed = {.stop_at = 3};
        sgc_cache_for_each(heap, list_visit, &listed);
        (void)n_live(heap);
    }
    return NULL;
}

START_TEST(caches_come_and_go_beside_readers_of_the_list)
{
    static const struct sgc_type types[2] = {{.name = "x", .size_bytes = 8}, {.name = "y", .size_bytes = 80}};
    const pthread_t thread = support_thread("reads", reads_statistics, NULL);
    for (int i = 0; i < 100; i++) {
        struct sgc_cache *x = make_cache(heap, &types[0]), *y = make_cache(heap, &types[1]);
        sgc_drop(sgc_new(x));
        sgc_drop(sgc_new(y));
        ck_assert_int_eq(sgc_cache_destroy(x, NULL), 0);
        ck_assert_int_eq(sgc_cache_destroy(y, NULL), 0);
    }
    __atomic_store_n(&churn_over, true, __ATOMIC_RELAXED);
    join(thread);
}
END_TEST

static void *makes_same(void *out)
{
    *(struct sgc_cache **)out = sgc_cache_create(heap, &node_type, NULL);
    return NULL;
}

START_TEST(of_several_threads_that_make_one_name_one_succeeds)
{
    for (int round = 0; round < 20; round++) {
        struct sgc_cache *made[3] = {0};
        pthread_t threads[3];
        unsigned n = 0;
        for (int i = 0; i < 3; i++)
            threads[i] = support_thread("makes", makes_same, &made[i]);
        for (int i = 0; i < 3; i++)
            join(threads[i]);
        for (int i = 0; i < 3; i++) {
            n += made[i] != NULL;
            ck_assert_int_eq(sgc_cache_destroy(made[i], NULL), 0);
        }
        ck_assert_uint_eq(n, 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("caches");
    TCase *tc = tcase_create("caches");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_cache_takes_its_name_from_the_type);
    tcase_add_test(tc, a_name_is_unique_in_its_heap);
    tcase_add_test(tc, a_type_needs_a_name);
    tcase_add_test(tc, what_a_type_implies_must_be_met_by_the_strategy);
    tcase_add_test(tc, the_heap_remembers_what_its_types_need);
    tcase_add_test(tc, config_is_asked_by_the_names_of_heap_and_cache);
    tcase_add_test(tc, an_empty_cache_is_destroyed_and_its_name_is_free);
    tcase_add_test(tc, a_cache_with_live_objects_stays_as_it_is);
    tcase_add_test(tc, destruction_collects_first);
    tcase_add_test(tc, destroying_in_a_section_panics);
    tcase_add_test(tc, caches_are_listed_in_the_order_of_their_creation);
    tcase_add_test(tc, caches_come_and_go_beside_readers_of_the_list);
    tcase_add_test(tc, of_several_threads_that_make_one_name_one_succeeds);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
