/* sweep_test.c - what a sweep frees, and what it leaves on the survivors. */
#include "core/base/sanitize.h"
#include "core/heap/trace.h"
#include "core/os/meta.h"
#include "tests/heap/fixture.h"

static struct sgc_heap *heap;

static void setup(void)
{
    heap = open_heap("sweep", &marking_plugin);
}

static void teardown(void)
{
    assert_verifies(heap);
    close_heap(heap);
}

START_TEST(every_other_object_of_every_slab_is_freed_and_the_rest_untouched)
{
    enum { N = 10000 };
    static struct node *objects[N];
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    for (int i = 0; i < N; i++) {
        objects[i] = new_node(nodes, NULL, NULL);
        objects[i]->value = i;
    }
    for (int i = 0; i < N; i += 2)
        sgc_drop(objects[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), N / 2);
    for (int i = 1; i < N; i += 2)
        ck_assert_int_eq(objects[i]->value, i);
    for (int i = 0; i < N; i += 2) /* the freed slots serve again, zeroed */
        objects[i] = sgc_new(nodes);
    for (int i = 0; i < N; i += 2)
        ck_assert_int_eq(objects[i]->value, 0);
    for (int i = 0; i < N; i++)
        sgc_drop(objects[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(survivors_get_their_state_bits_and_new_objects_in_old_slots_do_not)
{
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    struct node *kept = new_node(nodes, NULL, NULL), *dead = new_node(nodes, NULL, NULL);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, kept), 0);
    sgc_drop(dead);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, kept), SGC_STATE_STORE);
    struct node *young = NULL;
    for (int i = 0; i < 5000 && young != dead; i++) {
        young = sgc_new(nodes);
        ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, young), 0);
        sgc_drop(young);
    }
    ck_assert_ptr_eq(young, dead); /* its slot came around */
    sgc_drop(kept);
}
END_TEST

static int n_resets;
static int made_ctor(void *slot)
{
    memset(slot, 0x5a, sizeof(struct node));
    ((struct node *)slot)->left = ((struct node *)slot)->right = NULL;
    return 0;
}
static void made_reset(void *object)
{
    ck_assert_ptr_null(((struct node *)object)->left);
    n_resets++;
}
static const struct sgc_type made_type =
    SGC_TYPE(struct node, SGC_REFS(struct node, left, right), .ctor = made_ctor, .reset = made_reset);

START_TEST(constructed_types_are_reset_one_by_one)
{
    struct sgc_cache *cache = make_cache(heap, &made_type);
    struct node *root = sgc_new(cache), *child = sgc_new(cache);
    sgc_set(child, left, root);
    sgc_set(root, left, child);
    ck_assert_int_eq(root->value, 0x5a5a5a5a5a5a5a5a);
    sgc_drop(root);
    sgc_drop(child);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    ck_assert_int_eq(n_resets, 2);
    SGC_ASAN_UNPOISON(root, sizeof(*root)); /* a free slot, looked at all the same */
    ck_assert_ptr_null(root->left);
    ck_assert_int_eq(root->value, 0x5a5a5a5a5a5a5a5a);
}
END_TEST

static const struct sgc_type blob_type = {.name = "blob", .size_bytes = 8, SGC_TAIL_DATA(1)};

START_TEST(large_objects_die_and_survive_like_others)
{
    struct sgc_cache *blobs = make_cache(heap, &blob_type);
    char *kept = sgc_new_n(blobs, 1000000), *dead = sgc_new_n(blobs, 3000000);
    kept[999999] = 'x';
    const uint64_t held = stats_of(heap).held_bytes;
    sgc_drop(dead);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(n_live(heap), 1);
    ck_assert_uint_le(stats_of(heap).held_bytes, held - 3000000);
    ck_assert_int_eq(kept[999999], 'x');
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, kept), SGC_STATE_STORE);
    sgc_drop(kept);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

static void count_slab(void *arg, struct sgc_slab *slab)
{
    (void)slab;
    ++*(size_t *)arg;
}

START_TEST(a_minor_sweep_visits_fresh_slabs_only)
{
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    struct node *list = NULL;
    for (int i = 0; i < 20000; i++) {
        struct node *node = new_node(nodes, list, NULL);
        sgc_drop(list);
        list = node;
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_drop(new_node(nodes, NULL, NULL));
    size_t n_all = 0, n_swept = 0;
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    sgc_heap_flush(heap);
    sgc_cache_visit_slabs(nodes, count_slab, &n_all);
    struct sgc_trace *trace = sgc_trace_begin(heap, true);
    sgc_trace_visit_swept(trace, count_slab, &n_swept);
    sgc_trace_roots(trace, SGC_ROOTS_FRESH);
    sgc_trace_finish(trace);
    sgc_trace_sweep(trace, 0, SGC_STATE_STORE);
    sgc_cache_relist(nodes);
    sgc_stop_end(&stop);
    ck_assert_uint_ge(n_all, 10);
    ck_assert_uint_ge(n_swept, 1);
    ck_assert_uint_le(n_swept, 2);
    ck_assert_uint_eq(n_live(heap), 20000);
    sgc_drop(list);
}
END_TEST

START_TEST(a_full_trace_forgets_what_was_fresh)
{
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    for (int i = 0; i < 10000; i++)
        sgc_drop(new_node(nodes, NULL, NULL));
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    size_t n_swept = 0;
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    struct sgc_trace *trace = sgc_trace_begin(heap, true);
    sgc_trace_visit_swept(trace, count_slab, &n_swept);
    sgc_trace_finish(trace);
    sgc_trace_sweep(trace, 0, 0);
    sgc_stop_end(&stop);
    ck_assert_uint_eq(n_swept, 0);
}
END_TEST

START_TEST(the_engine_keeps_no_memory_after_the_sweep)
{
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    struct node *root = new_node(nodes, NULL, NULL);
    for (int i = 0; i < 200000;
         i++) { /* held: each is a root, and all are pushed at once by one array's worth of fields */
        struct node *node = new_node(nodes, root->left, root->right);
        sgc_set(root, left, node);
        sgc_drop(node);
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    const size_t before = sgc_meta_bytes();
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
    sgc_drop(root);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sweep");
    TCase *tc = tcase_create("sweep");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_other_object_of_every_slab_is_freed_and_the_rest_untouched);
    tcase_add_test(tc, survivors_get_their_state_bits_and_new_objects_in_old_slots_do_not);
    tcase_add_test(tc, constructed_types_are_reset_one_by_one);
    tcase_add_test(tc, large_objects_die_and_survive_like_others);
    tcase_add_test(tc, a_minor_sweep_visits_fresh_slabs_only);
    tcase_add_test(tc, a_full_trace_forgets_what_was_fresh);
    tcase_add_test(tc, the_engine_keeps_no_memory_after_the_sweep);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
