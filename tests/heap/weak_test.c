/* weak_test.c - weak references, under a tracing and under a counting strategy. */
#include "core/heap/weak_table.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/heap/fixture.h"

#include <pthread.h>

static const struct sgc_strategy_plugin *const strategies[] = {&marking_plugin, &counting_plugin};
static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void open_strategy(int i)
{
    heap = open_heap("weak", strategies[i]);
    nodes = make_cache(heap, &node_type);
}

static void finish(void)
{
    sgc_os_fault_disarm();
    assert_verifies(heap);
    close_heap(heap);
}

START_TEST(get_holds_a_living_object_and_finds_nothing_after_its_death)
{
    open_strategy(_i);
    struct node *node = new_node(nodes, NULL, NULL);
    struct sgc_weak *weak = sgc_weak_create(node);
    ck_assert_ptr_nonnull(weak);
    ck_assert(*sgc_state_byte(&sgc_counts, node) & SGC_STATE_WATCHED);
    ck_assert_ptr_eq(sgc_weak_get(weak), node);
    ck_assert_uint_eq(sgc_counts.value(node), 2);
    sgc_drop(node);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_ptr_eq(sgc_weak_get(weak), node); /* held by the first get */
    sgc_drop(node);
    sgc_drop(node);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_ptr_null(sgc_weak_get(weak));
    ck_assert_uint_eq(n_live(heap), 0);
    ck_assert_uint_eq(stats_of(heap).n_weak_cleared, 1);
    sgc_weak_destroy(weak);
    finish();
}
END_TEST

START_TEST(a_weak_reference_does_not_keep_its_object_alive)
{
    open_strategy(_i);
    struct node *root = new_node(nodes, NULL, NULL), *child = new_node(nodes, NULL, NULL);
    sgc_set(root, left, child);
    struct sgc_weak *to_root = sgc_weak_create(root), *to_child = sgc_weak_create(child);
    sgc_drop(child);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_ptr_eq(sgc_weak_get(to_child), child);
    sgc_drop(child);
    sgc_drop(root);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_ptr_null(sgc_weak_get(to_root));
    ck_assert_ptr_null(sgc_weak_get(to_child));
    sgc_weak_destroy(to_root);
    sgc_weak_destroy(to_child);
    finish();
}
END_TEST

START_TEST(all_handles_of_an_object_are_cleared_at_once_and_die_in_any_order)
{
    open_strategy(_i);
    enum { N = 100 };
    struct sgc_weak *weaks[N];
    struct node *node = new_node(nodes, NULL, NULL);
    for (int i = 0; i < N; i++)
        weaks[i] = sgc_weak_create(node);
    for (int i = 0; i < N; i += 3) {
        sgc_weak_destroy(weaks[i]);
        weaks[i] = NULL;
    }
    assert_verifies(heap);
    sgc_drop(node);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    for (int i = 0; i < N; i++) {
        ck_assert_ptr_null(sgc_weak_get(weaks[i]));
        sgc_weak_destroy(weaks[i]);
    }
    ck_assert_uint_eq(heap->weak.n_entries, 0);
    finish();
}
END_TEST

START_TEST(an_object_without_handles_is_watched_no_more)
{
    open_strategy(_i);
    struct node *node = new_node(nodes, NULL, NULL);
    struct sgc_weak *one = sgc_weak_create(node), *two = sgc_weak_create(node);
    sgc_weak_destroy(one);
    ck_assert(*sgc_state_byte(&sgc_counts, node) & SGC_STATE_WATCHED);
    sgc_weak_destroy(two);
    ck_assert(!(*sgc_state_byte(&sgc_counts, node) & SGC_STATE_WATCHED));
    ck_assert_uint_eq(heap->weak.n_entries, 0);
    sgc_drop(node);
    finish();
}
END_TEST

START_TEST(the_table_grows_shrinks_and_gives_its_memory_back)
{
    open_strategy(_i);
    enum { N = 20000 };
    static struct sgc_weak *weaks[N];
    static struct node *objects[N];
    const size_t before = sgc_meta_bytes();
    for (int i = 0; i < N; i++) {
        objects[i] = new_node(nodes, NULL, NULL);
        weaks[i] = sgc_weak_create(objects[i]);
    }
    assert_verifies(heap);
    ck_assert_uint_ge(heap->weak.n_buckets, N / 2);
    for (int i = 0; i < N; i++) {
        ck_assert_ptr_eq(sgc_weak_get(weaks[i]), objects[i]);
        sgc_drop(objects[i]);
        sgc_drop(objects[i]);
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    ck_assert_uint_le(heap->weak.n_buckets, 128);
    for (int i = 0; i < N; i++)
        sgc_weak_destroy(weaks[i]);
    ck_assert_uint_le(sgc_meta_bytes(), before + 4096);
    finish();
}
END_TEST

START_TEST(what_is_no_object_is_named_by_itself)
{
    open_strategy(_i);
    struct sgc_weak *null = sgc_weak_create(NULL), *immediate = sgc_weak_create((void *)0x2b);
    ck_assert_ptr_null(sgc_weak_get(null));
    ck_assert_ptr_eq(sgc_weak_get(immediate), (void *)0x2b);
    ck_assert_ptr_null(sgc_weak_get(NULL));
    sgc_weak_destroy(null);
    sgc_weak_destroy(immediate);
    sgc_weak_destroy(NULL);
    finish();
}
END_TEST

START_TEST(handles_outlive_their_heap)
{
    open_strategy(_i);
    struct node *node = new_node(nodes, NULL, NULL), *held = new_node(nodes, NULL, NULL);
    struct sgc_weak *weak = sgc_weak_create(node), *to_held = sgc_weak_create(held);
    sgc_drop(node);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), -EBUSY);
    ck_assert_ptr_null(sgc_weak_get(weak));
    ck_assert_ptr_null(sgc_weak_get(to_held));
    sgc_weak_destroy(weak);
    sgc_weak_destroy(to_held);
}
END_TEST

START_TEST(no_memory_is_an_error_that_changes_nothing)
{
    open_strategy(_i);
    struct node *node = new_node(nodes, NULL, NULL);
    int n_failed = 0;
    for (int i = 0; i < 100000 && n_failed == 0; i++) { /* until core's metadata needs a page */
        sgc_os_fault_arm(1, true);
        struct sgc_weak *weak = sgc_weak_create(node);
        const int error = errno;
        sgc_os_fault_disarm();
        if (weak)
            continue;
        n_failed++;
        ck_assert_int_eq(error, ENOMEM);
        assert_verifies(heap);
    }
    ck_assert_int_eq(n_failed, 1);
    sgc_drop(node);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    finish();
}
END_TEST

static const struct sgc_type manual_type = {.name = "manual", .size_bytes = 32, .flags = SGC_TYPE_MANUAL};

START_TEST(a_manual_object_is_not_found_after_its_last_drop)
{
    open_strategy(_i);
    void *manual = sgc_new(make_cache(heap, &manual_type));
    struct sgc_weak *weak = sgc_weak_create(manual);
    ck_assert_ptr_eq(sgc_weak_get(weak), manual);
    sgc_drop(manual);
    sgc_drop(manual);
    ck_assert_ptr_null(sgc_weak_get(weak));
    sgc_weak_destroy(weak);
    finish();
}
END_TEST

START_TEST(an_object_between_its_last_drop_and_its_burial_is_not_found)
{
    open_strategy(1);
    void *objects[] = {new_node(nodes, NULL, NULL), sgc_new(make_cache(heap, &manual_type))};
    const uint8_t dying[] = {0, SGC_COUNT_DEAD};
    for (int i = 0; i < 4; i++) {
        uint8_t *count = sgc_count_byte(&sgc_counts, objects[i / 2]);
        struct sgc_weak *weak = sgc_weak_create(objects[i / 2]);
        *count = dying[i % 2];
        ck_assert_ptr_null(sgc_weak_get(weak));
        ck_assert_uint_eq(*count, dying[i % 2]);
        *count = 1;
        sgc_weak_destroy(weak);
    }
    sgc_drop(objects[0]);
    sgc_drop(objects[1]);
    finish();
}
END_TEST

static void create_foreign(void *arg)
{
    sgc_weak_create(arg);
}

START_TEST(a_foreign_pointer_panics)
{
    static char elsewhere[64] __attribute__((aligned(16)));
    open_strategy(_i);
    support_expect_panic_prefix(create_foreign, elsewhere, "sgc_weak_create: foreign pointer");
    finish();
}
END_TEST

/* One thread makes and drops objects, the others get through weak references: what they get is alive. */
static struct sgc_weak *shared[64];
static bool done;

static void *getter(void *arg)
{
    uint64_t n_found = 0;
    (void)arg;
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
        for (int i = 0; i < 64; i++) {
            struct node *node = sgc_weak_get(shared[i]);
            if (!node)
                continue;
            if (node->value != i) /* check's own assertions write to a file, here for as long as others take */
                abort();
            n_found++;
            sgc_drop(node);
        }
    }
    return (void *)(uintptr_t)n_found;
}

START_TEST(what_get_returns_is_alive_whatever_other_threads_drop)
{
    open_strategy(_i);
    struct node *objects[64];
    pthread_t threads[2];
    for (int i = 0; i < 64; i++) {
        objects[i] = new_node(nodes, NULL, NULL);
        objects[i]->value = i;
        shared[i] = sgc_weak_create(objects[i]);
    }
    done = false;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, getter, NULL);
    for (int i = 0; i < 64; i++) {
        for (int k = 0; k < 50; k++)
            sgc_drop(new_node(nodes, NULL, NULL));
        sgc_drop(objects[i]);
        sgc_heap_collect(heap, i % 8 == 0 ? SGC_COLLECT_FULL : SGC_COLLECT_MINOR);
    }
    __atomic_store_n(&done, true, __ATOMIC_RELEASE);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    for (int i = 0; i < 64; i++) {
        ck_assert_ptr_null(sgc_weak_get(shared[i]));
        sgc_weak_destroy(shared[i]);
    }
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weak");
    TCase *tc = tcase_create("weak");
    tcase_add_loop_test(tc, get_holds_a_living_object_and_finds_nothing_after_its_death, 0, 2);
    tcase_add_loop_test(tc, a_weak_reference_does_not_keep_its_object_alive, 0, 2);
    tcase_add_loop_test(tc, all_handles_of_an_object_are_cleared_at_once_and_die_in_any_order, 0, 2);
    tcase_add_loop_test(tc, an_object_without_handles_is_watched_no_more, 0, 2);
    tcase_add_loop_test(tc, the_table_grows_shrinks_and_gives_its_memory_back, 0, 2);
    tcase_add_loop_test(tc, what_is_no_object_is_named_by_itself, 0, 2);
    tcase_add_loop_test(tc, handles_outlive_their_heap, 0, 2);
    tcase_add_loop_test(tc, no_memory_is_an_error_that_changes_nothing, 0, 2);
    tcase_add_loop_test(tc, a_manual_object_is_not_found_after_its_last_drop, 0, 2);
    tcase_add_test(tc, an_object_between_its_last_drop_and_its_burial_is_not_found);
    tcase_add_loop_test(tc, a_foreign_pointer_panics, 0, 2);
    tcase_add_loop_test(tc, what_get_returns_is_alive_whatever_other_threads_drop, 0, 2);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
