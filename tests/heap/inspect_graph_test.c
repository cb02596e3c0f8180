/* inspect_graph_test.c - every slot has a number, references are told from claims from outside, a walk shows each
 * object. On strategies that count references and on those that do not. */
#include "core/heap/inspect_slots.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/heap/inspecting.h"

/* ---- holds */

START_TEST(holds_are_the_claims_from_outside_alone)
{
    static struct sgc_root cell;
    open_on(plugins[_i]);
    struct node *a = new_node(nodes, NULL, NULL);
    struct node *b = put(a, &a->left, new_node(nodes, NULL, NULL));
    struct node *c = put(b, &b->left, new_node(nodes, a, b)); /* cycles */
    sgc_set(a, right, c);
    struct node *pushed = sgc_push(new_node(nodes, NULL, NULL)), *rooted = new_node(nodes, NULL, NULL);
    sgc_root_set(&cell, rooted);
    for (int i = 0; i < 300; i++)
        sgc_hold(b); /* beyond the byte */
    inspect_begin();
    assert_holds(a, 1);
    assert_holds(b, 300);
    assert_holds(c, 0);
    assert_holds(pushed, 1);
    assert_holds(rooted, 2);
    ck_assert_uint_eq(inspect.n_objects, 5);
    inspect_end();
    for (int i = 0; i < 300; i++)
        sgc_drop(b);
    sgc_unwind(0);
    sgc_root_set(&cell, NULL);
    sgc_drop(rooted);
    sgc_set(a, left, NULL); /* no cycle is left to a strategy that only counts */
    sgc_set(a, right, NULL);
    sgc_drop(a);
    sgc_heap_close(heap, NULL);
}
END_TEST

static int see_object(void *n, void *object)
{
    (void)object;
    return ++*(int *)n == 3;
}

START_TEST(a_walk_shows_each_object_and_may_end_early)
{
    int n = 0, n_bare = 0;
    static const struct sgc_type bare_type = {.name = "bare", .size_bytes = 16, .flags = SGC_TYPE_MANUAL};
    open_on(plugins[_i]);
    struct sgc_cache *bares = make_cache(heap, &bare_type);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, NULL);
    void *bare = sgc_cache_alloc(bares), *managed = sgc_new(bares);
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_walk(&inspect, nodes, see_object, &n), 0);
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(sgc_inspect_walk(&inspect, bares, see_object, &n_bare), 0);
    ck_assert_int_eq(n_bare, 2);
    n = 0;
    ck_assert_int_eq(sgc_inspect_walk(&inspect, NULL, see_object, &n), 1);
    ck_assert_int_eq(n, 3);
    assert_holds(bare, 0);
    assert_holds(managed, 1);
    inspect_end();
    sgc_cache_free(bares, bare);
    sgc_drop(managed);
    sgc_drop(b);
    sgc_drop(a);
    close_heap(heap);
}
END_TEST

/* ---- numbers */

static bool slot_of(const void *address, size_t *slot)
{
    return sgc_inspect_slot(&inspect, address, slot);
}

START_TEST(each_object_has_a_number_of_its_own_in_the_tables)
{
    enum { N = 5000 }; /* several slabs */
    static struct node *all[N];
    static bool taken[4 * N];
    size_t slot;
    open_on(plugins[_i]);
    struct sgc_cache *bigs = make_cache(heap, &big_type);
    struct big *big = sgc_new(bigs);
    for (size_t i = 0; i < N; i++)
        all[i] = new_node(nodes, NULL, NULL);
    inspect_begin();
    ck_assert_uint_eq(inspect.n_objects, N + 1);
    ck_assert_uint_le(inspect.n_objects, inspect.n_slots);
    ck_assert_uint_le(inspect.n_slots, sizeof(taken));
    for (size_t i = 0; i <= N; i++) {
        const void *object = i < N ? (void *)all[i] : big;
        if (!slot_of(object, &slot) || slot >= inspect.n_slots || taken[slot])
            ck_abort_msg("object %zu has no number of its own", i);
        taken[slot] = true;
    }
    inspect_end();
    for (size_t i = 0; i < N; i++)
        sgc_drop(all[i]);
    sgc_drop(big);
    close_heap(heap);
}
END_TEST

START_TEST(what_is_no_object_of_the_heap_has_no_number)
{
    static const struct sgc_type bare_type = {.name = "bare", .size_bytes = 16, .flags = SGC_TYPE_MANUAL};
    size_t slot = 4711;
    open_on(plugins[_i]);
    struct sgc_heap *other = open_heap("other", plugins[_i]);
    struct node *mine = new_node(nodes, NULL, NULL), *theirs = new_node(make_cache(other, &node_type), NULL, NULL);
    struct sgc_cache *bares = make_cache(heap, &bare_type);
    void *bare = sgc_cache_alloc(bares), *block = sgc_malloc(100);
    inspect_begin();
    ck_assert(!slot_of(&slot, &slot));        /* outside the arena */
    ck_assert(!slot_of(&mine->right, &slot)); /* inside an object */
    ck_assert(!slot_of(mine + 2, &slot));     /* a slot that nobody uses */
    ck_assert(!slot_of(theirs, &slot));       /* another heap's */
    ck_assert(!slot_of(bare, &slot));         /* not the strategy's */
    ck_assert(!slot_of(block, &slot));        /* malloc's */
    ck_assert_uint_eq(slot, 4711);
    ck_assert(slot_of(mine, &slot));
    ck_assert_uint_ne(slot, 4711);
    inspect_end();
    sgc_free(block);
    sgc_cache_free(bares, bare);
    sgc_drop(theirs);
    sgc_drop(mine);
    close_heap(other);
    close_heap(heap);
}
END_TEST

START_TEST(an_empty_heap_has_no_numbers_and_nothing_to_walk)
{
    int n = 0;
    open_on(plugins[_i]);
    inspect_begin();
    ck_assert_uint_eq(inspect.n_slots, 0);
    ck_assert_uint_eq(inspect.n_objects, 0);
    ck_assert_int_eq(sgc_inspect_walk(&inspect, NULL, see_object, &n), 0);
    ck_assert_int_eq(n, 0);
    inspect_end();
    close_heap(heap);
}
END_TEST

START_TEST(references_count_for_each_field_that_has_them)
{
    size_t slot;
    open_on(&counting_plugin);
    struct node *target = new_node(nodes, NULL, NULL), *owner = new_node(nodes, target, target);
    sgc_set(target, left, target);
    sgc_set(target, right, (struct node *)(uintptr_t)9); /* an immediate */
    inspect_begin();
    ck_assert(slot_of(target, &slot));
    ck_assert_uint_eq(inspect.incoming[slot], 3);
    assert_holds(target, 1);
    inspect_end();
    sgc_set(target, left, NULL);
    sgc_drop(owner);
    sgc_drop(target);
    close_heap(heap);
}
END_TEST

START_TEST(where_counts_are_holds_alone_references_are_not_counted)
{
    open_on(&marking_plugin);
    struct node *target = new_node(nodes, NULL, NULL), *owner = new_node(nodes, target, target);
    inspect_begin();
    ck_assert_ptr_null(inspect.incoming);
    assert_holds(target, 1);
    inspect_end();
    sgc_drop(owner);
    sgc_drop(target);
    close_heap(heap);
}
END_TEST

/* ---- without memory */

START_TEST(a_table_without_memory_is_an_error_and_nothing_is_lost)
{
    enum { N = 5000 }; /* the table takes pages of its own */
    static struct node *all[N];
    struct sgc_error error = {0};
    open_on(&counting_plugin);
    for (size_t i = 0; i < N; i++)
        all[i] = new_node(nodes, NULL, NULL);
    const size_t before = sgc_meta_bytes();
    sgc_stop_begin(&stop, heap);
    sgc_os_fault_arm(1, true);
    const int rc = sgc_inspect_open(&inspect, heap, &error);
    sgc_os_fault_disarm();
    ck_assert_int_eq(rc, -ENOMEM);
    ck_assert_str_eq(error.message, "heap graphs: no memory for a table of its objects");
    sgc_inspect_close(&inspect);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
    ck_assert_int_eq(sgc_inspect_open(&inspect, heap, &error), 0);
    sgc_inspect_close(&inspect);
    sgc_inspect_close(&inspect); /* there is nothing any more */
    ck_assert_uint_eq(sgc_meta_bytes(), before);
    sgc_stop_end(&stop);
    for (size_t i = 0; i < N; i++)
        sgc_drop(all[i]);
    close_heap(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect graph");
    TCase *tc = tcase_create("inspect graph");
    tcase_set_timeout(tc, 110);
    tcase_add_loop_test(tc, holds_are_the_claims_from_outside_alone, 0, N_PLUGINS);
    tcase_add_loop_test(tc, a_walk_shows_each_object_and_may_end_early, 0, N_PLUGINS);
    tcase_add_loop_test(tc, each_object_has_a_number_of_its_own_in_the_tables, 0, N_PLUGINS);
    tcase_add_loop_test(tc, what_is_no_object_of_the_heap_has_no_number, 0, N_PLUGINS);
    tcase_add_loop_test(tc, an_empty_heap_has_no_numbers_and_nothing_to_walk, 0, N_PLUGINS);
    tcase_add_test(tc, references_count_for_each_field_that_has_them);
    tcase_add_test(tc, where_counts_are_holds_alone_references_are_not_counted);
    tcase_add_test(tc, a_table_without_memory_is_an_error_and_nothing_is_lost);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
