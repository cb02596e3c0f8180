/* store_test.c - the store family and root cells: operands, who hears of a store, counts. */
#include "tests/heap/support.h"

#include <stdio.h>

static struct sgc_heap *heap, *other_heap;
static struct sgc_cache *nodes;
static struct node *node, *child, *stranger;

static void open_on(const struct sgc_strategy_plugin *plugin)
{
    heap = open_limited("store", plugin, 0, 0);
    other_heap = open_limited("elsewhere", plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
    node = new_node(nodes, NULL, NULL);
    child = new_node(nodes, NULL, NULL);
    stranger = new_node(make_cache(other_heap, &node_type), NULL, NULL);
    memset(&probe, 0, sizeof(probe));
}

static void close_both(void)
{
    sgc_drop(node);
    sgc_drop(child);
    sgc_drop(stranger);
    close_heap(heap);
    close_heap(other_heap);
}

static void open_counting(void)
{
    open_on(&sharing_plugin);
}

static void open_barrier(void)
{
    open_on(&probe_barrier_plugin);
}

static void open_plain(void)
{
    open_on(&probe_plugin);
}

/* ---- on a counting strategy */

START_TEST(a_field_reads_back_what_was_stored)
{
    void *const immediate = (void *)(uintptr_t)41;
    sgc_set(node, left, child);
    sgc_enter();
    ck_assert_ptr_eq(sgc_get(node, left), child);
    sgc_set(node, right, immediate);
    ck_assert_ptr_eq(sgc_get(node, right), immediate);
    sgc_set(node, left, NULL);
    ck_assert_ptr_null(sgc_get(node, left));
    sgc_leave();
    sgc_set(node, right, NULL);
}
END_TEST

START_TEST(an_exchange_hands_the_fields_claim_to_the_caller)
{
    sgc_set(node, left, child);
    ck_assert_uint_eq(count_of(child), 2);
    struct node *old = sgc_xchg(node, left, node);
    ck_assert_ptr_eq(old, child);
    ck_assert_uint_eq(count_of(child), 2);
    ck_assert_uint_eq(count_of(node), 2);
    sgc_drop(old);
    ck_assert_ptr_eq(sgc_xchg(node, left, NULL), node);
    sgc_drop(node);
    ck_assert_ptr_null(sgc_xchg(node, left, NULL));
}
END_TEST

START_TEST(a_compare_and_swap_stores_only_over_what_was_expected)
{
    ck_assert(!sgc_cas(node, left, child, node));
    ck_assert_uint_eq(count_of(node), 1);
    ck_assert(sgc_cas(node, left, NULL, child));
    ck_assert_uint_eq(count_of(child), 2);
    ck_assert(sgc_cas(node, left, child, NULL));
    ck_assert_uint_eq(count_of(child), 1);
}
END_TEST

struct row {
    long n;
    struct row *cells[40];
};
static const struct sgc_type row_type = SGC_TYPE(struct row, SGC_REFS(struct row, cells));

START_TEST(a_bulk_store_counts_each_value)
{
    struct sgc_cache *rows = make_cache(heap, &row_type);
    struct row *row = sgc_new(rows), *values[40];
    for (int i = 0; i < 40; i++)
        values[i] = i % 3 == 0 ? NULL : i % 3 == 1 ? (struct row *)(uintptr_t)(2 * i + 1) : row;
    sgc_store_bulk(row, cells[0], values, 40);
    ck_assert_mem_eq(row->cells, values, sizeof(values));
    ck_assert_uint_eq(count_of(row), 1 + 13);
    memset(values, 0, sizeof(values));
    sgc_store_bulk(row, cells[10], values, 30);
    ck_assert_uint_eq(count_of(row), 1 + 3);
    sgc_enter();
    sgc_store_bulk(row, cells[0], values, 10);
    sgc_leave();
    ck_assert_uint_eq(count_of(row), 1);
    sgc_drop(row);
}
END_TEST

static struct sgc_root root;

START_TEST(a_root_cell_holds_its_referent)
{
    sgc_root_set(&root, node);
    ck_assert_uint_eq(count_of(node), 2);
    sgc_enter();
    ck_assert_ptr_eq(sgc_root_get(&root), node);
    sgc_leave();
    void *old = sgc_root_xchg(&root, child);
    ck_assert_ptr_eq(old, node);
    ck_assert_uint_eq(count_of(node), 2);
    sgc_drop(old);
    sgc_root_set(&root, (void *)(uintptr_t)9); /* an immediate */
    ck_assert_uint_eq(count_of(child), 1);
    sgc_root_set(&root, NULL);
}
END_TEST

static void *sets_root(void *object)
{
    for (int i = 0; i < 20000; i++)
        sgc_root_set(&root, object);
    return NULL;
}

START_TEST(several_threads_may_set_one_root_cell)
{
    const pthread_t a = support_thread("a", sets_root, node), b = support_thread("b", sets_root, child);
    sets_root(NULL);
    join(a);
    join(b);
    sgc_root_set(&root, NULL);
    ck_assert_uint_eq(count_of(node), 1);
    ck_assert_uint_eq(count_of(child), 1);
}
END_TEST

static void *exchanges(void *object)
{
    for (int i = 0; i < 20000; i++)
        sgc_drop(sgc_xchg(node, left, (struct node *)object));
    return NULL;
}

START_TEST(several_threads_may_exchange_one_field)
{
    const pthread_t a = support_thread("a", exchanges, child), b = support_thread("b", exchanges, NULL);
    exchanges(child);
    join(a);
    join(b);
    sgc_set(node, left, NULL);
    ck_assert_uint_eq(count_of(child), 1);
    assert_verifies(heap);
}
END_TEST

/* ---- who hears of a store */

START_TEST(a_store_into_a_marked_owner_goes_to_the_strategy)
{
    sgc_set(node, left, child);
    ck_assert_uint_eq(probe.n_store, 1);
    sgc_enter();
    sgc_set(node, right, child);
    ck_assert_uint_eq(probe.n_store, 2);
    ck_assert_ptr_eq(sgc_get(node, right), child);
    sgc_leave();
    ck_assert(sgc_cas(node, left, child, NULL));
    sgc_drop(sgc_xchg(node, right, NULL));
    ck_assert_uint_eq(probe.n_store, 4);
}
END_TEST

START_TEST(once_the_bit_is_gone_stores_are_plain)
{
    *sgc_state_byte(&sgc_counts, node) = 0;
    sgc_set(node, left, child);
    sgc_enter();
    sgc_set(node, right, child);
    sgc_leave();
    ck_assert(sgc_cas(node, left, child, NULL));
    ck_assert_uint_eq(probe.n_store, 0);
    struct node *old = sgc_xchg(node, right, NULL);
    ck_assert_ptr_eq(old, child);
    ck_assert_uint_eq(count_of(child), 2); /* with a hold of the caller's */
    sgc_drop(old);
}
END_TEST

START_TEST(another_heaps_mask_costs_a_look_but_no_call)
{
    /* The process tests for the bits of all open heaps: this one has none of its own. */
    struct sgc_heap *third = open_limited("third", &probe_barrier_plugin, 0, 0);
    *sgc_state_byte(&sgc_counts, node) |= SGC_STATE_STORE_2;
    sgc_enter();
    sgc_set(node, left, child);
    ck_assert_ptr_eq(sgc_get(node, left), child);
    sgc_leave();
    ck_assert_uint_eq(probe.n_store, 0);
    sgc_set(node, left, NULL);
    *sgc_state_byte(&sgc_counts, node) = 0;
    close_heap(third);
}
END_TEST

/* ---- misuse: at rest, where every store of these strategies is looked at */

struct operands {
    void *owner, *value;
    bool in_section;
};

static void store(void *arg)
{
    const struct operands *operands = arg;
    struct node *owner = operands->owner;
    if (operands->in_section)
        sgc_enter();
    sgc_store_(owner, (void **)&node->left, operands->value);
}

static void expect_store_panic(void *owner, void *value, const char *text)
{
    support_expect_panic(store, &(struct operands){owner, value, false}, text);
}

START_TEST(an_owner_must_be_an_object)
{
    static long global __attribute__((aligned(16)));
    char text[128];
    expect_store_panic(NULL, child, "store: the owner is NULL");
    expect_store_panic((void *)(uintptr_t)5, child, "store: the owner is an immediate");
    snprintf(text, sizeof(text), "store: owner %p is not an object of any heap", (void *)&global);
    expect_store_panic(&global, child, text);
}
END_TEST

START_TEST(a_value_must_be_an_object_of_the_owners_heap)
{
    static long global __attribute__((aligned(16)));
    char text[256];
    snprintf(text, sizeof(text), "store: value %p is not an object of any heap", (void *)&global);
    expect_store_panic(node, &global, text);
    snprintf(text, sizeof(text), "cross-heap store: owner %p of heap store, value %p of heap elsewhere", (void *)node,
             (void *)stranger);
    expect_store_panic(node, stranger, text);
    support_expect_panic(store, &(struct operands){node, stranger, true}, text);
}
END_TEST

static void bulk_with_stranger(void *arg)
{
    struct node *values[2] = {child, stranger};
    (void)arg;
    sgc_store_bulk(node, left, values, 2);
}

START_TEST(every_value_of_a_bulk_store_is_looked_at)
{
    char text[256];
    snprintf(text, sizeof(text), "cross-heap store: owner %p of heap store, value %p of heap elsewhere", (void *)node,
             (void *)stranger);
    support_expect_panic(bulk_with_stranger, NULL, text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *counting = tcase_create("counting");
    tcase_add_checked_fixture(counting, open_counting, close_both);
    tcase_add_test(counting, a_field_reads_back_what_was_stored);
    tcase_add_test(counting, an_exchange_hands_the_fields_claim_to_the_caller);
    tcase_add_test(counting, a_compare_and_swap_stores_only_over_what_was_expected);
    tcase_add_test(counting, a_bulk_store_counts_each_value);
    tcase_add_test(counting, a_root_cell_holds_its_referent);
    tcase_add_test(counting, several_threads_may_set_one_root_cell);
    tcase_add_test(counting, several_threads_may_exchange_one_field);
    tcase_add_test(counting, an_owner_must_be_an_object);
    tcase_add_test(counting, a_value_must_be_an_object_of_the_owners_heap);
    tcase_add_test(counting, every_value_of_a_bulk_store_is_looked_at);
    suite_add_tcase(suite, counting);
    TCase *barrier = tcase_create("barrier");
    tcase_add_checked_fixture(barrier, open_barrier, close_both);
    tcase_add_test(barrier, a_store_into_a_marked_owner_goes_to_the_strategy);
    tcase_add_test(barrier, once_the_bit_is_gone_stores_are_plain);
    suite_add_tcase(suite, barrier);
    TCase *plain = tcase_create("plain");
    tcase_add_checked_fixture(plain, open_plain, close_both);
    tcase_add_test(plain, another_heaps_mask_costs_a_look_but_no_call);
    suite_add_tcase(suite, plain);
    return support_main(suite);
}
