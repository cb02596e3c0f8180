/* trace_test.c - the tracing engine: what it marks, how often it looks, minor traces, overflow of the mark stack. */
#include "core/base/sanitize.h"
#include "core/heap/trace.h"
#include "core/os/fault.h"
#include "tests/heap/fixture.h"

static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void setup(void)
{
    heap = open_heap("trace", &marking_plugin);
    nodes = make_cache(heap, &node_type);
}

static void teardown(void)
{
    sgc_os_fault_disarm();
    assert_verifies(heap);
    close_heap(heap);
}

static void collect(enum sgc_collect_kind kind)
{
    sgc_heap_collect(heap, kind);
}

/* Stores a new node into a field and drops the hold on it. */
static struct node *grow(struct node *owner, bool left)
{
    struct node *child = sgc_new(nodes);
    ck_assert_ptr_nonnull(child);
    if (left)
        sgc_set(owner, left, child);
    else
        sgc_set(owner, right, child);
    sgc_drop(child);
    return child;
}

START_TEST(what_held_objects_reach_lives_and_the_rest_is_reclaimed)
{
    struct node *root = new_node(nodes, NULL, NULL);
    grow(grow(root, true), false);
    grow(root, false);
    for (int i = 0; i < 100; i++)
        sgc_drop(new_node(nodes, NULL, NULL));
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 4);
    sgc_drop(root);
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(cycles_and_shared_objects_are_visited_once)
{
    struct node *root = new_node(nodes, NULL, NULL);
    struct node *child = grow(root, true);
    sgc_set(root, right, child);
    sgc_set(child, left, root);
    sgc_set(child, right, child);
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 2);
    ck_assert_uint_eq(stats_of(heap).last_visited, 2);
    sgc_drop(root);
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

#ifdef SGC_TSAN
enum { N_LIST = 200000 }; /* slow there; as many frames are more than a stack, too */
#else
enum { N_LIST = 1000000 };
#endif

START_TEST(a_list_of_a_million_needs_no_stack_of_calls)
{
    struct node *root = new_node(nodes, NULL, NULL), *last = root;
    for (int i = 1; i < N_LIST; i++)
        last = grow(last, true);
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), N_LIST);
    sgc_drop(root);
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(null_and_immediates_are_passed_over)
{
    struct node *root = new_node(nodes, (struct node *)0x1, (struct node *)0x7ffffffffffffff);
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 1);
    ck_assert_ptr_eq(root->left, (void *)0x1);
    sgc_drop(root);
}
END_TEST

START_TEST(a_reference_into_another_heap_is_not_followed)
{
    struct sgc_heap *other = open_heap("other", &marking_plugin);
    struct sgc_cache *others = make_cache(other, &node_type);
    struct node *foreign = sgc_new(others), *root = new_node(nodes, NULL, NULL);
    root->left = foreign; /* as a broken program would */
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats_of(heap).last_visited, 1);
    ck_assert(!sgc_trace_marked(foreign));
    root->left = NULL;
    sgc_drop(foreign);
    sgc_drop(root);
    close_heap(other);
}
END_TEST

static const struct sgc_type manual_type = {.name = "manual", .size_bytes = 32, .flags = SGC_TYPE_MANUAL};

START_TEST(objects_of_manual_types_are_neither_followed_nor_swept)
{
    void *manual = sgc_new(make_cache(heap, &manual_type));
    struct node *root = new_node(nodes, manual, NULL);
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 2);
    ck_assert_uint_eq(stats_of(heap).last_visited, 1);
    sgc_set(root, left, (struct node *)NULL);
    sgc_drop(manual);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_drop(root);
}
END_TEST

struct vector {
    size_t n;
    struct node *items[];
};
static const struct sgc_type vector_type = SGC_TYPE(struct vector, SGC_TAIL_REFS);

START_TEST(a_large_tail_of_references_is_followed)
{
    const size_t n = 50000;
    struct sgc_cache *vectors = make_cache(heap, &vector_type);
    struct vector *vector = sgc_new_n(vectors, n);
    for (size_t i = 0; i < n; i++) {
        struct node *node = sgc_new(nodes);
        sgc_set(vector, items[i], node);
        sgc_drop(node);
    }
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), n + 1);
    sgc_drop(vector);
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

/* ---- minor traces */

START_TEST(a_minor_trace_visits_young_objects_only)
{
    struct node *old = new_node(nodes, NULL, NULL), *last = old;
    for (int i = 1; i < 20000; i++)
        last = grow(last, true);
    collect(SGC_COLLECT_FULL);
    struct node *young = new_node(nodes, NULL, NULL);
    grow(young, true);
    for (int i = 0; i < 1000; i++)
        sgc_drop(new_node(nodes, NULL, NULL));
    collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(n_live(heap), 20002);
    ck_assert_uint_eq(stats_of(heap).last_visited, 2);
    sgc_drop(old);
    sgc_drop(young);
}
END_TEST

START_TEST(a_young_object_lives_by_an_old_one_that_was_stored_into)
{
    struct node *old = new_node(nodes, NULL, NULL);
    collect(SGC_COLLECT_FULL);
    struct node *young = grow(old, true);
    young->value = 42;
    grow(young, true);
    collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(n_live(heap), 3);
    ck_assert_int_eq(old->left->value, 42);
    ck_assert_uint_eq(stats_of(heap).last_visited, 3); /* the old one for its fields */
    collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(n_live(heap), 3);
    ck_assert_uint_eq(stats_of(heap).last_visited, 0);
    sgc_drop(old);
}
END_TEST

START_TEST(old_garbage_waits_for_a_full_trace)
{
    struct node *old = new_node(nodes, NULL, NULL);
    collect(SGC_COLLECT_FULL);
    sgc_drop(old);
    collect(SGC_COLLECT_MINOR);
    ck_assert_uint_eq(n_live(heap), 1);
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

/* ---- overflow */

START_TEST(a_mark_stack_that_cannot_grow_costs_no_object)
{
    const size_t n = 3 * SGC_MARK_SEGMENT_ENTRIES;
    struct sgc_cache *vectors = make_cache(heap, &vector_type);
    struct vector *vector = sgc_new_n(vectors, n); /* pushes three times what fits at once */
    for (size_t i = 0; i < n; i++) {
        struct node *node = new_node(nodes, NULL, NULL);
        grow(grow(node, true), false);
        sgc_set(vector, items[i], node);
        sgc_drop(node);
    }
    for (int i = 0; i < 1000; i++)
        sgc_drop(new_node(nodes, NULL, NULL));
    sgc_os_fault_arm(1, true);
    collect(SGC_COLLECT_FULL);
    ck_assert(sgc_os_fault_fired());
    sgc_os_fault_disarm();
    ck_assert_uint_eq(n_live(heap), 3 * n + 1);
    sgc_drop(vector);
    collect(SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
}
END_TEST

START_TEST(an_array_of_one_object_ends_the_rescan)
{
    const size_t n = 2 * SGC_MARK_SEGMENT_ENTRIES;
    struct vector *vector = sgc_new_n(make_cache(heap, &vector_type), n);
    struct node *node = new_node(nodes, NULL, NULL), *other = new_node(nodes, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        sgc_set(vector, items[i], i + 1 < n ? node : other);
    sgc_drop(node);
    sgc_drop(other);
    sgc_os_fault_arm(1, true);
    collect(SGC_COLLECT_FULL);
    sgc_os_fault_disarm();
    ck_assert_uint_eq(n_live(heap), 3);
    sgc_drop(vector);
}
END_TEST

/* ---- model */

enum { N_MODEL = 4000 };
static struct node *model[N_MODEL];
static int model_edges[N_MODEL][2]; /* index, or -1 */
static bool model_held[N_MODEL], model_reached[N_MODEL];

static size_t model_reach(void)
{
    static int pending[N_MODEL];
    size_t n_pending = 0, n_reached = 0;
    for (int i = 0; i < N_MODEL; i++)
        if ((model_reached[i] = model_held[i]))
            pending[n_pending++] = i;
    while (n_pending > 0) {
        const int from = pending[--n_pending];
        n_reached++;
        for (int edge = 0; edge < 2; edge++) {
            const int to = model_edges[from][edge];
            if (to >= 0 && !model_reached[to]) {
                model_reached[to] = true;
                pending[n_pending++] = to;
            }
        }
    }
    return n_reached;
}

START_TEST(random_graphs_keep_exactly_what_a_naive_search_reaches)
{
    uint64_t random = support_seed("trace_test", 0);
    for (int i = 0; i < N_MODEL; i++) {
        model[i] = new_node(nodes, NULL, NULL);
        model[i]->value = i;
        model_held[i] = true;
    }
    for (int i = 0; i < N_MODEL; i++) {
        for (int edge = 0; edge < 2; edge++) {
            const int to = support_random(&random) % 3 == 0 ? -1 : (int)(support_random(&random) % N_MODEL);
            model_edges[i][edge] = to;
            if (edge == 0)
                sgc_set(model[i], left, to < 0 ? NULL : model[to]);
            else
                sgc_set(model[i], right, to < 0 ? NULL : model[to]);
        }
    }
    for (int i = 0; i < N_MODEL; i++) {
        if (support_random(&random) % 50 != 0) {
            sgc_drop(model[i]);
            model_held[i] = false;
        }
    }
    for (int round = 0; round < 20; round++) {
        collect(SGC_COLLECT_FULL);
        const size_t expected = model_reach();
        ck_assert_uint_eq(n_live(heap), expected);
        for (int i = 0; i < N_MODEL; i++)
            if (model_reached[i])
                ck_assert_int_eq(model[i]->value, i);
        for (int i = 0; i < N_MODEL; i++) {
            if (model_held[i] && support_random(&random) % 5 == 0) {
                sgc_drop(model[i]);
                model_held[i] = false;
            }
        }
    }
    for (int i = 0; i < N_MODEL; i++)
        if (model_held[i])
            sgc_drop(model[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tc = tcase_create("trace");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_held_objects_reach_lives_and_the_rest_is_reclaimed);
    tcase_add_test(tc, cycles_and_shared_objects_are_visited_once);
    tcase_add_test(tc, a_list_of_a_million_needs_no_stack_of_calls);
    tcase_add_test(tc, null_and_immediates_are_passed_over);
    tcase_add_test(tc, a_reference_into_another_heap_is_not_followed);
    tcase_add_test(tc, objects_of_manual_types_are_neither_followed_nor_swept);
    tcase_add_test(tc, a_large_tail_of_references_is_followed);
    tcase_add_test(tc, a_minor_trace_visits_young_objects_only);
    tcase_add_test(tc, a_young_object_lives_by_an_old_one_that_was_stored_into);
    tcase_add_test(tc, old_garbage_waits_for_a_full_trace);
    tcase_add_test(tc, a_mark_stack_that_cannot_grow_costs_no_object);
    tcase_add_test(tc, an_array_of_one_object_ends_the_rescan);
    tcase_add_test(tc, random_graphs_keep_exactly_what_a_naive_search_reaches);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
