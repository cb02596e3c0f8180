/* death_test.c - bury and reclaim. */
#include "core/base/sanitize.h"
#include "core/heap/weak_table.h"
#include "tests/heap/fixture.h"

struct built {
    struct built *next;
    int state; /* 1: constructed, 2: used */
    int n_resets;
};
static int n_ctors, n_dtors;
static int built_ctor(void *slot)
{
    *(struct built *)slot = (struct built){.state = 1};
    n_ctors++;
    return 0;
}
static void built_reset(void *object)
{
    struct built *built = object;
    ck_assert_ptr_null(built->next); /* core cleared it */
    built->state = 1;
    built->n_resets++;
}
static void built_dtor(void *slot)
{
    (void)slot;
    n_dtors++;
}
static const struct sgc_type built_type =
    SGC_TYPE(struct built, SGC_REFS(struct built, next), .ctor = built_ctor, .reset = built_reset, .dtor = built_dtor);

START_TEST(reclaiming_brings_a_constructed_object_back_to_its_constructed_state)
{
    struct sgc_heap *heap = open_heap("death", &counting_plugin);
    struct sgc_cache *cache = make_cache(heap, &built_type);
    struct built *first = sgc_new(cache), *second = sgc_new(cache);
    ck_assert_int_eq(first->state, 1);
    const int n_resets = first->n_resets;
    first->state = 2;
    sgc_set(first, next, second);
    sgc_drop(second);
    sgc_drop(first); /* takes the second along */
    ck_assert_uint_eq(n_live(heap), 0);
    SGC_ASAN_UNPOISON(first, sizeof(*first)); /* free slots, looked at all the same */
    SGC_ASAN_UNPOISON(second, sizeof(*second));
    ck_assert_int_eq(first->state, 1);
    ck_assert_int_eq(first->n_resets, n_resets + 1);
    ck_assert_int_eq(second->n_resets, 1);
    assert_verifies(heap);
    close_heap(heap);
    ck_assert_int_eq(n_ctors, n_dtors);
}
END_TEST

START_TEST(a_reclaimed_slot_has_neither_count_nor_state_nor_mark)
{
    struct sgc_heap *heap = open_heap("death", &marking_plugin);
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    struct node *node = new_node(nodes, NULL, NULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL); /* marked now, and old */
    ck_assert(sgc_is_marked(node));
    for (int i = 0; i < 300; i++)
        sgc_hold(node);
    ck_assert_uint_ne(sgc_arena.excess_bias[(uintptr_t)node >> SGC_GRANULE_SHIFT], 0);
    sgc_enter();
    ck_assert(!sgc_bury(node));
    void *object = node;
    sgc_reclaim(heap, &object, 1);
    sgc_leave();
    ck_assert_uint_eq(*sgc_count_byte(&sgc_counts, node), 0);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, node), 0);
    ck_assert_uint_eq(sgc_arena.excess_bias[(uintptr_t)node >> SGC_GRANULE_SHIFT], 0);
    ck_assert(!sgc_is_marked(node));
    assert_verifies(heap);
    close_heap(heap);
}
END_TEST

static int n_finalized;
static void node_finalize(void *object)
{
    (void)object;
    n_finalized++;
}
static const struct sgc_type mortal_type =
    SGC_TYPE(struct node, SGC_REFS(struct node, left, right), .finalize = node_finalize);

START_TEST(burying_clears_weak_references_before_the_finalizer_is_queued)
{
    struct sgc_heap *heap = open_heap("death", &counting_plugin);
    struct sgc_cache *nodes = make_cache(heap, &mortal_type);
    struct node *node = new_node(nodes, NULL, NULL);
    struct sgc_weak *weak = sgc_weak_create(node);
    sgc_drop(node);
    ck_assert_ptr_null(sgc_weak_get(weak));
    ck_assert_uint_eq(n_live(heap), 1);
    ck_assert_uint_eq(sgc_counts.value(node), 1);
    ck_assert_int_eq(n_finalized, 0);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 1);
    ck_assert_int_eq(n_finalized, 1);
    ck_assert_uint_eq(n_live(heap), 0);
    sgc_weak_destroy(weak);
    close_heap(heap);
}
END_TEST

struct sweep_all {
    struct sgc_heap *heap;
    size_t n;
};
static void reclaim_each(void *arg, void *object)
{
    struct sweep_all *all = arg;
    ck_assert(!sgc_bury(object));
    sgc_reclaim(all->heap, &object, 1);
    all->n++;
}

START_TEST(what_is_reclaimed_at_a_stop_is_free_in_its_slab_at_once)
{
    struct sgc_heap *heap = open_heap("death", &marking_plugin);
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    for (int i = 0; i < 5000; i++)
        sgc_drop(new_node(nodes, NULL, NULL));
    struct sweep_all all = {.heap = heap};
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    sgc_heap_flush(heap);
    sgc_heap_walk_stopped(heap, false, reclaim_each, &all);
    ck_assert_uint_eq(all.n, 5000);
    sgc_heap_walk_stopped(heap, false, reclaim_each, &all);
    ck_assert_uint_eq(all.n, 5000);
    sgc_cache_relist(nodes);
    sgc_stop_end(&stop);
    assert_verifies(heap);
    close_heap(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("death");
    TCase *tc = tcase_create("death");
    tcase_add_test(tc, reclaiming_brings_a_constructed_object_back_to_its_constructed_state);
    tcase_add_test(tc, a_reclaimed_slot_has_neither_count_nor_state_nor_mark);
    tcase_add_test(tc, burying_clears_weak_references_before_the_finalizer_is_queued);
    tcase_add_test(tc, what_is_reclaimed_at_a_stop_is_free_in_its_slab_at_once);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
