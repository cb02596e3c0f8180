/* ephemeron_test.c - ephemerons, under a tracing and under a counting strategy. */
#include "core/heap/weak_table.h"
#include "core/os/fault.h"
#include "tests/heap/fixture.h"

static const struct sgc_strategy_plugin *const strategies[] = {&marking_plugin, &counting_plugin};
static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void open_strategy(int i)
{
    heap = open_heap("ephemeron", strategies[i]);
    nodes = make_cache(heap, &node_type);
}

static void finish(void)
{
    sgc_os_fault_disarm();
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    ck_assert_uint_eq(heap->weak.n_entries, 0);
    assert_verifies(heap);
    close_heap(heap);
}

static struct node *held_node(void)
{
    return new_node(nodes, NULL, NULL);
}

START_TEST(key_and_value_come_back_held)
{
    open_strategy(_i);
    struct node *key = held_node(), *value = held_node();
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    ck_assert_ptr_eq(sgc_ephemeron_key(ephemeron), key);
    ck_assert_ptr_eq(sgc_ephemeron_value(ephemeron), value);
    assert_verifies(heap);
    for (int i = 0; i < 2; i++) {
        sgc_drop(key);
        sgc_drop(value);
    }
    sgc_drop(ephemeron);
    finish();
}
END_TEST

START_TEST(the_value_lives_while_key_and_ephemeron_do)
{
    open_strategy(_i);
    struct node *key = held_node(), *value = held_node();
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    sgc_drop(value);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 3);
    sgc_drop(key);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 1);
    ck_assert_ptr_null(sgc_ephemeron_key(ephemeron));
    ck_assert_ptr_null(sgc_ephemeron_value(ephemeron));
    sgc_drop(ephemeron);
    finish();
}
END_TEST

START_TEST(an_ephemeron_that_dies_first_lets_its_value_go)
{
    open_strategy(_i);
    struct node *key = held_node(), *value = held_node();
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    sgc_drop(value);
    sgc_drop(ephemeron);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 1);
    ck_assert(!(*sgc_state_byte(&sgc_counts, key) & SGC_STATE_WATCHED));
    sgc_drop(key);
    finish();
}
END_TEST

START_TEST(several_ephemerons_of_one_key_break_together)
{
    open_strategy(_i);
    struct node *key = held_node();
    void *ephemerons[10];
    for (int i = 0; i < 10; i++) {
        struct node *value = held_node();
        ephemerons[i] = sgc_ephemeron_new(heap, key, value);
        sgc_drop(value);
    }
    sgc_drop(ephemerons[4]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 1 + 9 + 9);
    assert_verifies(heap);
    sgc_drop(key);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 9);
    for (int i = 0; i < 10; i++) {
        if (i == 4)
            continue;
        ck_assert_ptr_null(sgc_ephemeron_value(ephemerons[i]));
        sgc_drop(ephemerons[i]);
    }
    finish();
}
END_TEST

START_TEST(keys_and_values_that_are_no_objects)
{
    open_strategy(_i);
    struct node *value = held_node();
    void *of_null = sgc_ephemeron_new(heap, NULL, value), *of_immediate = sgc_ephemeron_new(heap, (void *)0x11, value);
    void *to_immediate = sgc_ephemeron_new(heap, value, (void *)0x21);
    ck_assert_ptr_null(sgc_ephemeron_value(of_null));
    ck_assert_ptr_eq(sgc_ephemeron_value(of_immediate), value);
    ck_assert_ptr_eq(sgc_ephemeron_key(of_immediate), (void *)0x11);
    ck_assert_ptr_eq(sgc_ephemeron_value(to_immediate), (void *)0x21);
    sgc_drop(value);
    sgc_drop(value);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 4); /* an immediate never dies */
    sgc_drop(of_null);
    sgc_drop(of_immediate);
    sgc_drop(to_immediate);
    finish();
}
END_TEST

START_TEST(a_value_of_a_manual_type_keeps_its_count_when_the_key_dies)
{
    static const struct sgc_type manual_type = {
        .name = "manual", .size_bytes = 16, .align_bytes = 16, .flags = SGC_TYPE_MANUAL};
    open_strategy(_i);
    struct node *key = held_node();
    void *value = sgc_new(make_cache(heap, &manual_type)), *ephemeron = sgc_ephemeron_new(heap, key, value);
    ck_assert_uint_eq(sgc_counts.value(value), 1);
    sgc_drop(key);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_ptr_null(sgc_ephemeron_value(ephemeron));
    ck_assert_uint_eq(sgc_counts.value(value), 1);
    assert_verifies(heap);
    sgc_drop(value);
    sgc_drop(ephemeron);
    finish();
}
END_TEST

/* ---- tracing only: what counts alone cannot see */

START_TEST(a_value_that_refers_to_its_key_does_not_keep_it)
{
    open_strategy(0);
    struct node *key = held_node(), *value = new_node(nodes, key, NULL);
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    sgc_drop(key);
    sgc_drop(value);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 1);
    ck_assert_ptr_null(sgc_ephemeron_key(ephemeron));
    sgc_drop(ephemeron);
    finish();
}
END_TEST

/* Key i + 1 is the value of key i: 0 keeps the whole chain, in whatever order the ephemerons are found. */
static void chain(size_t n, bool reverse)
{
    struct node **keys = calloc(n + 1, sizeof(*keys));
    void **ephemerons = calloc(n, sizeof(*ephemerons));
    for (size_t i = 0; i <= n; i++)
        keys[i] = held_node();
    for (size_t i = 0; i < n; i++) {
        const size_t at = reverse ? n - 1 - i : i;
        ephemerons[i] = sgc_ephemeron_new(heap, keys[at], keys[at + 1]);
    }
    for (size_t i = 1; i <= n; i++)
        sgc_drop(keys[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 2 * n + 1);
    ck_assert_uint_le(stats_of(heap).last_visited, 2 * n + 1);
    sgc_drop(keys[0]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), n);
    for (size_t i = 0; i < n; i++)
        sgc_drop(ephemerons[i]);
    free(keys);
    free(ephemerons);
}

START_TEST(a_long_chain_of_ephemerons_takes_linear_work)
{
    open_strategy(0);
    chain(20000, _i);
    finish();
}
END_TEST

START_TEST(a_young_ephemeron_in_a_minor_trace)
{
    open_strategy(0);
    struct node *old_key = held_node();
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    struct node *young_key = held_node(), *dying_key = held_node(), *value = held_node();
    void *of_old = sgc_ephemeron_new(heap, old_key, value), *of_young = sgc_ephemeron_new(heap, young_key, value);
    void *of_dying = sgc_ephemeron_new(heap, dying_key, value);
    sgc_drop(value);
    sgc_drop(dying_key);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(n_live(heap), 6);
    ck_assert_ptr_eq(sgc_ephemeron_value(of_old), value);
    ck_assert_ptr_eq(sgc_ephemeron_value(of_young), value);
    ck_assert_ptr_null(sgc_ephemeron_value(of_dying));
    sgc_drop(value);
    sgc_drop(value);
    sgc_drop(old_key);
    sgc_drop(young_key);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 3);
    sgc_drop(of_old);
    sgc_drop(of_young);
    sgc_drop(of_dying);
    finish();
}
END_TEST

struct vector {
    size_t n;
    void *items[];
};
static const struct sgc_type vector_type = SGC_TYPE(struct vector, SGC_TAIL_REFS);

START_TEST(a_mark_stack_that_cannot_grow_finds_the_same_values)
{
    enum { N = 40000 }; /* ephemerons pushed at once: more than the stack's first segment */
    static struct node *keys[N];
    open_strategy(0);
    struct vector *vector = sgc_new_n(make_cache(heap, &vector_type), N);
    for (int i = 0; i < N; i++) {
        keys[i] = held_node();
        struct node *child = held_node(), *value = new_node(nodes, child, NULL);
        void *ephemeron = sgc_ephemeron_new(heap, keys[i], value);
        sgc_set(vector, items[i], ephemeron);
        sgc_drop(child);
        sgc_drop(value);
        sgc_drop(ephemeron);
        if (i % 2)
            sgc_drop(keys[i]);
    }
    sgc_os_fault_arm(1, true);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert(sgc_os_fault_fired());
    sgc_os_fault_disarm();
    ck_assert_uint_eq(n_live(heap), 1 + N + N / 2 * 3);
    for (int i = 0; i < N; i += 2)
        sgc_drop(keys[i]);
    sgc_drop(vector);
    finish();
}
END_TEST

START_TEST(the_value_of_a_dying_key_is_not_to_be_had)
{
    open_strategy(1);
    struct node *key = held_node(), *value = held_node();
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    const uint8_t dying[] = {0, SGC_COUNT_DEAD}; /* between the last drop and the burial */
    for (int i = 0; i < 2; i++) {
        *sgc_count_byte(&sgc_counts, key) = dying[i];
        ck_assert_ptr_null(sgc_ephemeron_key(ephemeron));
        ck_assert_ptr_null(sgc_ephemeron_value(ephemeron));
        ck_assert_uint_eq(*sgc_count_byte(&sgc_counts, key), dying[i]);
    }
    *sgc_count_byte(&sgc_counts, key) = 1;
    sgc_drop(value);
    sgc_drop(key);
    sgc_drop(ephemeron);
    finish();
}
END_TEST

START_TEST(no_memory_is_an_error_that_changes_nothing)
{
    enum { N = 20000 };
    static struct node *keys[N];
    static void *ephemerons[N];
    int n_failed = 0, n = 0;
    open_strategy(_i);
    struct node *value = held_node();
    for (; n < N && n_failed < 3; n++) { /* first the cache, later entries of the weak table and slabs */
        keys[n] = held_node();
        sgc_os_fault_arm(1, true);
        ephemerons[n] = sgc_ephemeron_new(heap, keys[n], value);
        const int error = errno;
        sgc_os_fault_disarm();
        if (ephemerons[n])
            continue;
        n_failed++;
        ck_assert_int_eq(error, ENOMEM);
        assert_verifies(heap);
        ephemerons[n] = sgc_ephemeron_new(heap, keys[n], value);
        ck_assert_ptr_nonnull(ephemerons[n]);
    }
    ck_assert_int_ge(n_failed, 2);
    assert_verifies(heap);
    while (n-- > 0) {
        sgc_drop(keys[n]);
        sgc_drop(ephemerons[n]);
    }
    sgc_drop(value);
    finish();
}
END_TEST

static int last_cache(void *arg, struct sgc_cache *cache)
{
    *(struct sgc_cache **)arg = cache;
    return 0;
}

START_TEST(after_its_cache_was_destroyed_another_is_made)
{
    open_strategy(_i);
    struct node *key = held_node();
    for (int i = 0; i < 2; i++) {
        void *ephemeron = sgc_ephemeron_new(heap, key, key);
        ck_assert_ptr_nonnull(ephemeron);
        sgc_drop(ephemeron);
        struct sgc_cache *cache = NULL; /* a program that destroys all it finds comes by it */
        sgc_cache_for_each(heap, last_cache, &cache);
        ck_assert_str_eq(sgc_cache_name(cache), "slabgc.ephemeron");
        ck_assert_int_eq(sgc_cache_destroy(cache, NULL), 0);
    }
    sgc_drop(key);
    finish();
}
END_TEST

static void key_of_node(void *arg)
{
    sgc_ephemeron_key(arg);
}

START_TEST(asking_another_object_for_its_key_panics)
{
    open_strategy(_i);
    struct node *node = held_node();
    support_expect_panic_prefix(key_of_node, node, "sgc_ephemeron_key: object");
    sgc_drop(node);
    finish();
}
END_TEST

START_TEST(under_a_section_an_ephemeron_is_made_without_collecting)
{
    open_strategy(_i);
    struct node *key = held_node();
    sgc_enter();
    void *ephemeron = sgc_ephemeron_new(heap, key, key);
    ck_assert_ptr_nonnull(ephemeron);
    sgc_leave();
    sgc_drop(ephemeron);
    sgc_drop(key);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ephemeron");
    TCase *tc = tcase_create("ephemeron");
    tcase_add_loop_test(tc, key_and_value_come_back_held, 0, 2);
    tcase_add_loop_test(tc, the_value_lives_while_key_and_ephemeron_do, 0, 2);
    tcase_add_loop_test(tc, an_ephemeron_that_dies_first_lets_its_value_go, 0, 2);
    tcase_add_loop_test(tc, several_ephemerons_of_one_key_break_together, 0, 2);
    tcase_add_loop_test(tc, keys_and_values_that_are_no_objects, 0, 2);
    tcase_add_loop_test(tc, a_value_of_a_manual_type_keeps_its_count_when_the_key_dies, 0, 2);
    tcase_add_test(tc, a_value_that_refers_to_its_key_does_not_keep_it);
    tcase_add_loop_test(tc, a_long_chain_of_ephemerons_takes_linear_work, 0, 2);
    tcase_add_test(tc, a_young_ephemeron_in_a_minor_trace);
    tcase_add_test(tc, a_mark_stack_that_cannot_grow_finds_the_same_values);
    tcase_add_test(tc, the_value_of_a_dying_key_is_not_to_be_had);
    tcase_add_loop_test(tc, no_memory_is_an_error_that_changes_nothing, 0, 2);
    tcase_add_loop_test(tc, after_its_cache_was_destroyed_another_is_made, 0, 2);
    tcase_add_loop_test(tc, asking_another_object_for_its_key_panics, 0, 2);
    tcase_add_loop_test(tc, under_a_section_an_ephemeron_is_made_without_collecting, 0, 2);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
