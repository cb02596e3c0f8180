/* host_test.c - the services that a strategy gets, as a strategy sees them. */
#include "core/heap/section.h"
#include "tests/heap/support.h"

#include <stdio.h>

static const struct sgc_host *host;
static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void setup(void)
{
    memset(&probe, 0, sizeof(probe));
    heap = open_limited("host", &probe_barrier_plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
    host = ((struct probe_self *)heap->self)->host;
}

static void teardown(void)
{
    close_heap(heap);
}

START_TEST(every_service_is_there)
{
    const char *at = (const char *)host + offsetof(struct sgc_host, alloc), *end = (const char *)(host + 1);
    ck_assert_uint_eq(host->struct_bytes, sizeof(*host));
    ck_assert_uint_eq(host->abi_major, SGC_ABI_MAJOR);
    ck_assert_uint_eq(host->abi_minor, SGC_ABI_MINOR);
    for (; at < end; at += sizeof(void (*)(void))) {
        void (*service)(void);
        memcpy(&service, at, sizeof(service));
        ck_assert(service != NULL);
    }
}
END_TEST

START_TEST(memory_is_zeroed_and_given_back)
{
    char *at = host->alloc(1000);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(at[i], 0);
    memset(at, 1, 1000);
    host->free(at, 1000);
    host->free(NULL, 1000);
}
END_TEST

START_TEST(an_object_leads_to_heap_type_and_size)
{
    struct node *node = new_node(nodes, NULL, NULL);
    ck_assert_ptr_eq(host->heap_of(node), heap);
    ck_assert_ptr_eq(host->type_of(node), &node_type);
    ck_assert_uint_ge(host->size_of(node), sizeof(*node));
    void *key = &key, *value = &value;
    ck_assert(!host->ephemeron_parts(node, &key, &value));
    sgc_drop(node);
}
END_TEST

START_TEST(an_ephemeron_leads_to_its_parts)
{
    void *key = new_node(nodes, NULL, NULL), *value = new_node(nodes, NULL, NULL), *key_seen = NULL, *value_seen = NULL;
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    ck_assert(host->ephemeron_parts(ephemeron, &key_seen, &value_seen));
    ck_assert_ptr_eq(key_seen, key);
    ck_assert_ptr_eq(value_seen, value);
    sgc_drop(ephemeron);
    sgc_drop(value);
    sgc_drop(key);
}
END_TEST

START_TEST(private_bytes_are_each_objects_own)
{
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, NULL, NULL);
    uint8_t *bytes = host->private_bias(0);
    ck_assert_uint_eq(bytes[(uintptr_t)a >> SGC_GRANULE_SHIFT], 0);
    bytes[(uintptr_t)a >> SGC_GRANULE_SHIFT] = 17;
    ck_assert_uint_eq(bytes[(uintptr_t)b >> SGC_GRANULE_SHIFT], 0);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(bytes[(uintptr_t)a >> SGC_GRANULE_SHIFT], 17);
    ck_assert_ptr_ne(host->private_bias(0), host->private_bias(1));
    sgc_drop(a);
    sgc_drop(b);
}
END_TEST

/* ---- cells */

struct cells {
    unsigned n, n_set;
};

static void count_cell(void *arg, void **cell)
{
    struct cells *cells = arg;
    cells->n++;
    cells->n_set += *cell == (void *)cells;
}

static pthread_barrier_t barrier;
static void *sets_cell(void *cells)
{
    sgc_enter();
    *host->thread_cell(heap) = cells;
    sgc_leave();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    sgc_enter();
    *host->thread_cell(heap) = NULL;
    sgc_leave();
    return NULL;
}

START_TEST(each_thread_has_a_cell_for_each_heap)
{
    struct cells cells = {0};
    struct sgc_stop stop;
    struct sgc_heap *other = open_limited("other", &probe_plugin, 0, 0);
    ck_assert_ptr_ne(host->thread_cell(heap), host->thread_cell(other));
    ck_assert_ptr_null(*host->thread_cell(heap));
    pthread_barrier_init(&barrier, NULL, 2);
    const pthread_t thread = support_thread("cell", sets_cell, &cells);
    pthread_barrier_wait(&barrier);
    ck_assert_ptr_null(*host->thread_cell(heap));
    sgc_stop_begin(&stop, heap);
    host->visit_thread_cells(heap, count_cell, &cells);
    sgc_stop_end(&stop);
    ck_assert_uint_eq(cells.n, 2);
    ck_assert_uint_eq(cells.n_set, 1);
    pthread_barrier_wait(&barrier);
    join(thread);
    close_heap(other);
}
END_TEST

/* ---- walking */

static void count_object(void *arg, void *object)
{
    (void)object;
    ++*(unsigned *)arg;
}

START_TEST(a_walk_shows_the_strategys_objects_alone)
{
    static const struct sgc_type manual_type = {.name = "manual", .size_bytes = 16, .flags = SGC_TYPE_MANUAL};
    struct sgc_cache *manuals = make_cache(heap, &manual_type);
    struct node *node = new_node(nodes, NULL, NULL);
    void *manual = sgc_new(manuals);
    struct sgc_stop stop;
    unsigned n = 0;
    sgc_stop_begin(&stop, heap);
    sgc_heap_flush(heap);
    host->walk(heap, count_object, &n);
    sgc_stop_end(&stop);
    ck_assert_uint_eq(n, 1);
    sgc_drop(manual);
    sgc_drop(node);
}
END_TEST

/* ---- locks */

static unsigned guarded; /* plain: the strategy's lock guards it */
static void *adds(void *lock)
{
    for (int i = 0; i < 20000; i++) {
        sgc_enter();
        host->lock(lock);
        guarded++;
        host->unlock(lock);
        sgc_leave();
    }
    return NULL;
}

START_TEST(a_lock_excludes)
{
    void *lock = host->lock_create();
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        threads[i] = support_thread("adds", adds, lock);
    adds(lock);
    for (int i = 0; i < 2; i++)
        join(threads[i]);
    ck_assert_uint_eq(guarded, 60000);
    host->lock_destroy(lock);
    host->lock_destroy(NULL);
}
END_TEST

START_TEST(under_its_lock_a_strategy_may_allocate_and_ask_for_a_grace_period)
{
    void *lock = host->lock_create();
    sgc_enter();
    host->lock(lock);
    void *record = host->alloc(100);
    host->grace_request(heap, host->grace_stamp());
    host->request_collection(heap, SGC_COLLECT_MINOR);
    host->free(record, 100);
    host->unlock(lock);
    sgc_leave();
    host->lock_destroy(lock);
}
END_TEST

static void *makes_locks(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        /* a lock may come and go in a section: nothing waits for that section with the list's lock in hand */
        sgc_enter();
        void *lock = host->lock_create();
        host->lock_destroy(lock);
        sgc_leave();
    }
    return NULL;
}

START_TEST(locks_come_and_go_in_sections_beside_heaps)
{
    const pthread_t thread = support_thread("locks", makes_locks, NULL);
    for (int i = 0; i < 50; i++)
        close_heap(open_limited("passing", &probe_plugin, 0, 0));
    join(thread);
}
END_TEST

/* ---- figures and messages */

START_TEST(figures_go_to_the_heaps_statistics)
{
    host->count_visited(heap, 7);
    host->count_retired(heap, 1000);
    host->count_retired(heap, -400);
    ck_assert_uint_eq(stats_of(heap).n_visited, 7);
    ck_assert_uint_eq(stats_of(heap).last_visited, 7);
    ck_assert_uint_eq(stats_of(heap).retired_bytes, 600);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats_of(heap).n_visited, 7);
    ck_assert_uint_eq(stats_of(heap).last_visited, 0); /* of the last collection */
    host->count_retired(heap, -600);
}
END_TEST

static void panics(void *arg)
{
    (void)arg;
    host->panic("strategy %s: %d%%", "probe", 7);
}

START_TEST(a_strategy_can_fail_and_panic_in_its_own_words)
{
    struct sgc_error error = {0};
    ck_assert_int_eq(host->fail(&error, -EINVAL, "%s=%d is not 100%%", "pct", 7), -EINVAL);
    ck_assert_int_eq(error.code, -EINVAL);
    ck_assert_str_eq(error.message, "pct=7 is not 100%");
    ck_assert_int_eq(host->fail(NULL, -EINVAL, "nobody listens"), -EINVAL);
    support_expect_panic(panics, NULL, "strategy probe: 7%");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host");
    TCase *tc = tcase_create("host");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_service_is_there);
    tcase_add_test(tc, memory_is_zeroed_and_given_back);
    tcase_add_test(tc, an_object_leads_to_heap_type_and_size);
    tcase_add_test(tc, an_ephemeron_leads_to_its_parts);
    tcase_add_test(tc, private_bytes_are_each_objects_own);
    tcase_add_test(tc, each_thread_has_a_cell_for_each_heap);
    tcase_add_test(tc, a_walk_shows_the_strategys_objects_alone);
    tcase_add_test(tc, a_lock_excludes);
    tcase_add_test(tc, under_its_lock_a_strategy_may_allocate_and_ask_for_a_grace_period);
    tcase_add_test(tc, locks_come_and_go_in_sections_beside_heaps);
    tcase_add_test(tc, figures_go_to_the_heaps_statistics);
    tcase_add_test(tc, a_strategy_can_fail_and_panic_in_its_own_words);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
