/* finalize_order_test.c - which dead finalizable objects come first. Graphs of nodes that are all declared dead; a
 * naive search is the oracle. */
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/heap/fixture.h"

static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void setup(void)
{
    heap = open_heap("order", &marking_plugin);
    nodes = make_cache(heap, &node_type);
}

static void teardown(void)
{
    sgc_os_fault_disarm();
    close_heap(heap);
}

static bool all_dead(void *arg, void *object)
{
    (void)arg, (void)object;
    return true;
}

static size_t select_first(struct node **objects, size_t n)
{
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    const size_t n_selected = sgc_select_finalizable(heap, (void **)objects, n, all_dead, NULL);
    sgc_stop_end(&stop);
    return n_selected;
}

static bool is_among(struct node *const *objects, size_t n, const struct node *node)
{
    for (size_t i = 0; i < n; i++)
        if (objects[i] == node)
            return true;
    return false;
}

static void drop_all(struct node *const *objects, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sgc_drop(objects[i]);
}

START_TEST(nothing_to_select_from_nothing)
{
    ck_assert_uint_eq(select_first(NULL, 0), 0);
}
END_TEST

START_TEST(unrelated_objects_are_all_selected)
{
    struct node *objects[10];
    for (int i = 0; i < 10; i++)
        objects[i] = new_node(nodes, NULL, NULL);
    ck_assert_uint_eq(select_first(objects, 10), 10);
    drop_all(objects, 10);
}
END_TEST

START_TEST(of_a_list_the_head_is_selected_wherever_it_stands)
{
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, NULL), *c = new_node(nodes, b, NULL);
    struct node *objects[] = {a, c, b};
    ck_assert_uint_eq(select_first(objects, 3), 1);
    ck_assert_ptr_eq(objects[0], c);
    ck_assert(is_among(objects, 3, a) && is_among(objects, 3, b));
    drop_all(objects, 3);
}
END_TEST

START_TEST(objects_without_finalizers_carry_the_order_between_those_with)
{
    struct node *last = new_node(nodes, NULL, NULL), *middle = new_node(nodes, last, NULL),
                *first = new_node(nodes, middle, NULL);
    struct node *objects[] = {last, first};
    ck_assert_uint_eq(select_first(objects, 2), 1);
    ck_assert_ptr_eq(objects[0], first);
    struct node *all[] = {first, middle, last};
    drop_all(all, 3);
}
END_TEST

START_TEST(a_cycle_is_selected_whole_and_what_it_leads_to_waits)
{
    struct node *tail = new_node(nodes, NULL, NULL);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, tail);
    sgc_set(a, left, b);
    struct node *self = new_node(nodes, NULL, tail);
    sgc_set(self, left, self);
    struct node *objects[] = {tail, a, self, b};
    ck_assert_uint_eq(select_first(objects, 4), 3);
    ck_assert_ptr_eq(objects[3], tail);
    drop_all(objects, 4);
}
END_TEST

START_TEST(a_cycle_that_another_object_leads_to_waits)
{
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, NULL), *head = new_node(nodes, b, NULL);
    sgc_set(a, left, b);
    struct node *objects[] = {a, b, head};
    ck_assert_uint_eq(select_first(objects, 3), 1);
    ck_assert_ptr_eq(objects[0], head);
    drop_all(objects, 3);
}
END_TEST

START_TEST(a_list_of_a_hundred_thousand_needs_no_stack_of_calls)
{
    enum { N = 100000 };
    static struct node *objects[N];
    for (int i = 0; i < N; i++)
        objects[i] = new_node(nodes, i > 0 ? objects[i - 1] : NULL, NULL);
    struct node *head = objects[N - 1];
    ck_assert_uint_eq(select_first(objects, N), 1);
    ck_assert_ptr_eq(objects[0], head);
    drop_all(objects, N);
}
END_TEST

START_TEST(refused_memory_selects_nothing_and_loses_nothing)
{
    enum { N = 20000 };
    static struct node *objects[N];
    for (int i = 0; i < N; i++)
        objects[i] = new_node(nodes, i > 0 ? objects[i - 1] : NULL, NULL);
    const size_t before = sgc_meta_bytes();
    sgc_os_fault_arm(0, false);
    ck_assert_uint_eq(select_first(objects, N), 1);
    const uint64_t n_calls = sgc_os_fault_n_passed();
    for (uint64_t k = 1; k <= n_calls; k++) {
        sgc_os_fault_arm(k, false);
        const size_t n_selected = select_first(objects, N);
        ck_assert_uint_le(n_selected, 1);
        ck_assert_uint_eq(n_selected == 0, sgc_os_fault_fired());
    }
    sgc_os_fault_disarm();
    ck_assert_uint_le(sgc_meta_bytes(), before);
    drop_all(objects, N);
}
END_TEST

/* ---- oracle */

enum { N_ORACLE = 24 };

START_TEST(random_graphs_select_what_the_definition_says)
{
    uint64_t random = support_seed("finalize_order_test", 0);
    for (int round = 0; round < 300; round++) {
        struct node *all[N_ORACLE], *objects[N_ORACLE];
        bool reaches[N_ORACLE][N_ORACLE] = {{false}}, finalizable[N_ORACLE];
        const unsigned density = 1 + (unsigned)(support_random(&random) % 4);
        size_t n = 0;
        for (int i = 0; i < N_ORACLE; i++)
            all[i] = new_node(nodes, NULL, NULL);
        for (int i = 0; i < N_ORACLE; i++) {
            for (int edge = 0; edge < 2; edge++) {
                if (support_random(&random) % 4 >= density)
                    continue;
                const int to = (int)(support_random(&random) % N_ORACLE);
                if (edge == 0)
                    sgc_set(all[i], left, all[to]);
                else
                    sgc_set(all[i], right, all[to]);
                reaches[i][to] = true;
            }
            if ((finalizable[i] = support_random(&random) % 2))
                objects[n++] = all[i];
        }
        for (int k = 0; k < N_ORACLE; k++)
            for (int i = 0; i < N_ORACLE; i++)
                for (int j = 0; j < N_ORACLE; j++)
                    reaches[i][j] |= reaches[i][k] && reaches[k][j];
        const size_t n_selected = select_first(objects, n);
        for (int i = 0; i < N_ORACLE; i++) {
            bool expected = finalizable[i];
            for (int j = 0; j < N_ORACLE; j++)
                expected &= !(finalizable[j] && j != i && reaches[j][i] && !reaches[i][j]);
            ck_assert_int_eq(is_among(objects, n_selected, all[i]), expected);
        }
        drop_all(all, N_ORACLE);
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("finalize_order");
    TCase *tc = tcase_create("finalize_order");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, nothing_to_select_from_nothing);
    tcase_add_test(tc, unrelated_objects_are_all_selected);
    tcase_add_test(tc, of_a_list_the_head_is_selected_wherever_it_stands);
    tcase_add_test(tc, objects_without_finalizers_carry_the_order_between_those_with);
    tcase_add_test(tc, a_cycle_is_selected_whole_and_what_it_leads_to_waits);
    tcase_add_test(tc, a_cycle_that_another_object_leads_to_waits);
    tcase_add_test(tc, a_list_of_a_hundred_thousand_needs_no_stack_of_calls);
    tcase_add_test(tc, refused_memory_selects_nothing_and_loses_nothing);
    tcase_add_test(tc, random_graphs_select_what_the_definition_says);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
