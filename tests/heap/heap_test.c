/* heap_test.c - the life of a heap: creating it, what every failure leaves behind, changing it, closing it with and
 * without leaks. */
#include "core/heap/section.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/heap/support.h"

#include <stdio.h>

static const uint64_t params[2] = {11, 22};

static void setup(void)
{
    memset(&probe, 0, sizeof(probe));
}

static struct sgc_heap_setup setup_of(const char *name, const struct sgc_strategy_plugin *plugin)
{
    return (struct sgc_heap_setup){.name = name, .plugin = plugin, .params = params, .stall_report_ns = 60000000000};
}

static void expect_refusal(const struct sgc_heap_setup *of, int code, const char *text)
{
    struct sgc_error error = {0};
    ck_assert_ptr_null(sgc_heap_create(of, &error));
    ck_assert_int_eq(error.code, code);
    ck_assert_str_eq(error.message, text);
    ck_assert_ptr_null(sgc_heap_create(of, NULL));
}

START_TEST(a_heap_says_what_it_is)
{
    struct sgc_heap *heap = open_limited("words", &probe_plugin, 0, 0);
    ck_assert_str_eq(sgc_heap_name(heap), "words");
    ck_assert_str_eq(sgc_heap_strategy(heap), "probe");
    ck_assert_uint_eq(sgc_heap_capabilities(heap), probe_plugin.capabilities & 0xffff);
    close_heap(heap);
}
END_TEST

START_TEST(the_strategy_gets_the_parameters)
{
    const struct sgc_heap_setup of = setup_of("words", &probe_plugin);
    struct sgc_heap *heap = open_heap_with(&of);
    ck_assert_uint_eq(probe.last_params[0], 11);
    ck_assert_uint_eq(probe.last_params[1], 22);
    close_heap(heap);
    ck_assert_uint_eq(probe.n_open, 1);
    ck_assert_uint_eq(probe.n_close, 1);
}
END_TEST

START_TEST(a_name_is_unique_among_open_heaps)
{
    const struct sgc_heap_setup of = setup_of("words", &probe_plugin);
    struct sgc_heap *heap = open_heap_with(&of);
    expect_refusal(&of, -EEXIST, "heap words is open already in this process; choose another name");
    close_heap(heap);
    close_heap(open_heap_with(&of)); /* closed, the name is free */
}
END_TEST

static pthread_barrier_t barrier;
static void *opens_same(void *out)
{
    const struct sgc_heap_setup of = setup_of("same", &probe_plugin);
    pthread_barrier_wait(&barrier);
    *(struct sgc_heap **)out = sgc_heap_create(&of, NULL);
    return NULL;
}

START_TEST(of_several_threads_that_open_one_name_one_succeeds)
{
    pthread_barrier_init(&barrier, NULL, 3);
    for (int round = 0; round < 20; round++) {
        struct sgc_heap *opened[3];
        pthread_t threads[3];
        unsigned n = 0;
        for (int i = 0; i < 3; i++)
            threads[i] = support_thread("opens", opens_same, &opened[i]);
        for (int i = 0; i < 3; i++)
            join(threads[i]);
        for (int i = 0; i < 3; i++) {
            n += opened[i] != NULL;
            ck_assert_int_eq(sgc_heap_close(opened[i], NULL), 0);
        }
        ck_assert_uint_eq(n, 1);
    }
}
END_TEST

START_TEST(a_process_has_at_most_so_many_heaps)
{
    static struct sgc_heap *heaps[SGC_MAX_HEAPS];
    char name[32];
    for (int i = 0; i < SGC_MAX_HEAPS; i++) {
        snprintf(name, sizeof(name), "heap%d", i);
        const struct sgc_heap_setup of = setup_of(name, &probe_plugin);
        heaps[i] = open_heap_with(&of);
    }
    const struct sgc_heap_setup of = setup_of("one-more", &probe_plugin);
    expect_refusal(&of, -EMFILE, "heap one-more: 256 heaps are open, which is the most a process may have");
    close_heap(heaps[100]);
    heaps[100] = open_heap_with(&of);
    for (int i = 0; i < SGC_MAX_HEAPS; i++)
        close_heap(heaps[i]);
}
END_TEST

START_TEST(too_many_parameters_are_refused)
{
    struct sgc_strategy_plugin greedy = probe_plugin;
    greedy.n_params = SGC_MAX_PARAMS + 1;
    const struct sgc_heap_setup of = setup_of("words", &greedy);
    expect_refusal(&of, -EINVAL, "strategy probe declares 33 parameters, the most is 32");
}
END_TEST

/* ---- failures leave nothing */

START_TEST(a_strategy_that_refuses_to_open_leaves_nothing)
{
    const struct sgc_heap_setup of = setup_of("words", &probe_plugin);
    close_heap(open_heap_with(&of)); /* what stays with the process is there now */
    const size_t before = sgc_meta_bytes();
    probe.open_error = -EINVAL;
    expect_refusal(&of, -EINVAL, "heap words: strategy probe failed to start: probe: told to refuse");
    ck_assert_uint_eq(sgc_meta_bytes(), before);
    ck_assert_uint_eq(probe.n_close, 1);
    probe.open_error = 0;
    close_heap(open_heap_with(&of));
    ck_assert_uint_eq(sgc_meta_bytes(), before);
}
END_TEST

/* A record of metadata is cut from a chunk that is there already, most times: what the OS refuses is the finalizer
 * thread and large records. */
START_TEST(whatever_the_os_refuses_opening_leaves_nothing)
{
    struct sgc_heap_setup of = setup_of("words", &probe_plugin);
    of.finalizer_thread = true;
    close_heap(open_heap_with(&of));
    const size_t before = sgc_meta_bytes();
    unsigned n_refused = 0;
    for (uint64_t k = 1; k < 100; k++) {
        struct sgc_error error = {0};
        sgc_os_fault_arm(k, true);
        struct sgc_heap *heap = sgc_heap_create(&of, &error);
        const bool fired = sgc_os_fault_fired();
        sgc_os_fault_disarm();
        if (heap)
            close_heap(heap);
        else
            ck_assert_str_ne(error.message, "");
        n_refused += !heap;
        ck_assert_uint_eq(sgc_meta_bytes(), before);
        if (!fired)
            break;
    }
    ck_assert_uint_gt(n_refused, 0);
    ck_assert_uint_eq(probe.n_open, probe.n_close);
}
END_TEST

/* The first heap of a process, in a child each time: the arena, the exit key, the fork handlers, the first thread. */
static void open_first(void *at)
{
    struct sgc_error error = {0};
    const struct sgc_heap_setup of = setup_of("first", &probe_plugin);
    sgc_os_fault_arm(*(uint64_t *)at, true);
    struct sgc_heap *heap = sgc_heap_create(&of, &error);
    const bool fired = sgc_os_fault_fired();
    sgc_os_fault_disarm();
    if (!heap && (error.code >= 0 || error.message[0] == '\0'))
        abort();
    if (!heap && (heap = sgc_heap_create(&of, &error)) == NULL)
        abort(); /* what failed is tried again */
    struct sgc_cache *nodes = sgc_cache_create(heap, &node_type, &error);
    void *node = sgc_new(nodes);
    if (!node || sgc_context_.depth != 0)
        abort();
    sgc_drop(node);
    if (sgc_heap_close(heap, &error) != 0)
        abort();
    _exit(fired ? 1 : 0);
}

START_TEST(the_first_opening_of_a_process_can_fail_anywhere_and_be_tried_again)
{
    char seen[4096];
    int status = 1 << 8;
    for (uint64_t k = 1; k < 100 && status == 1 << 8; k++)
        status = support_run_child(open_first, &k, seen, sizeof(seen));
    ck_assert_msg(status == 0, "status 0x%x: %s", (unsigned)status, seen);
}
END_TEST

static void open_in_section(void *arg)
{
    const struct sgc_heap_setup of = setup_of("second", &probe_plugin);
    (void)arg;
    sgc_enter();
    sgc_heap_create(&of, NULL);
}

static void close_in_section(void *heap)
{
    sgc_enter();
    sgc_heap_close(heap, NULL);
}

START_TEST(opening_and_closing_in_a_section_panic)
{
    struct sgc_heap *heap = open_limited("first", &probe_plugin, 0, 0);
    support_expect_panic(open_in_section, NULL, "sgc_heap_open: called inside a section");
    support_expect_panic(close_in_section, heap, "sgc_heap_close: called inside a section");
    close_heap(heap);
}
END_TEST

/* ---- changes */

START_TEST(limits_and_live_parameters_can_change)
{
    struct sgc_heap *heap = open_limited("words", &probe_plugin, 1000000, 2000000);
    struct sgc_heap_setup of = setup_of("words", &probe_plugin);
    of.soft_limit_bytes = 3000000;
    of.hard_limit_bytes = 4000000;
    of.stall_report_ns = 5;
    sgc_heap_reconfigure(heap, &of);
    ck_assert_uint_eq(heap->budget.soft_bytes, 3000000);
    ck_assert_uint_eq(heap->budget.hard_bytes, 4000000);
    ck_assert_uint_eq(heap->stall_report_ns, 5);
    ck_assert_uint_eq(probe.n_configure, 1);
    ck_assert_uint_eq(probe.last_params[0], 1); /* not live */
    ck_assert_uint_eq(probe.last_params[1], 22);
    close_heap(heap);
}
END_TEST

START_TEST(store_masks_of_open_heaps_are_in_every_thread)
{
    ck_assert_int_eq(sgc_thread_attach(), 0);
    struct sgc_heap *plain = open_limited("plain", &probe_plugin, 0, 0);
    ck_assert_uint_eq(sgc_context_.store_mask, SGC_STATE_STORE);
    struct sgc_heap *barrier_heap = open_limited("barrier", &probe_barrier_plugin, 0, 0);
    ck_assert_uint_eq(sgc_context_.store_mask, SGC_STATE_STORE | SGC_STATE_STORE_2);
    close_heap(barrier_heap);
    ck_assert_uint_eq(sgc_context_.store_mask, SGC_STATE_STORE);
    close_heap(plain);
}
END_TEST

static int count_heaps(void *arg, struct sgc_heap *heap)
{
    unsigned *n = arg;
    (void)heap;
    return ++*n == 2 ? 9 : 0;
}

START_TEST(open_heaps_can_be_listed)
{
    unsigned n = 0;
    struct sgc_heap *a = open_limited("a", &probe_plugin, 0, 0);
    ck_assert_int_eq(sgc_heap_for_each(count_heaps, &n), 0);
    ck_assert_uint_eq(n, 1);
    struct sgc_heap *b = open_limited("b", &probe_plugin, 0, 0), *c = open_limited("c", &probe_plugin, 0, 0);
    n = 0;
    ck_assert_int_eq(sgc_heap_for_each(count_heaps, &n), 9);
    ck_assert_uint_eq(n, 2);
    close_heap(a);
    close_heap(b);
    close_heap(c);
}
END_TEST

/* ---- closing */

static void close_with_leaks(void *plugin)
{
    struct sgc_error error = {0};
    struct sgc_heap *heap = open_limited("leaky", plugin, 0, 0);
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, a);
    sgc_hold(a); /* 2 holds; the references of b are none */
    char expected[SGC_ERROR_MESSAGE_BYTES], other[SGC_ERROR_MESSAGE_BYTES];
    const char *format = "heap leaky closed with 2 objects still held:\n  node %p: %d hold%s\n  node %p: %d hold%s";
    snprintf(expected, sizeof(expected), format, (void *)a, 2, "s", (void *)b, 1, "");
    snprintf(other, sizeof(other), format, (void *)b, 1, "", (void *)a, 2, "s");
    if (sgc_heap_close(heap, &error) != -EBUSY || error.code != -EBUSY)
        abort();
    if (strcmp(error.message, expected) != 0 && strcmp(error.message, other) != 0)
        abort();
    _exit(0);
}

START_TEST(closing_lists_what_is_still_held)
{
    expect_message(close_with_leaks, (void *)&sharing_plugin,
                   "slabgc: heap leaky closed with 2 objects still held:\n  node 0x");
    expect_message(close_with_leaks, (void *)&tracing_plugin,
                   "slabgc: heap leaky closed with 2 objects still held:\n  node 0x");
}
END_TEST

START_TEST(a_heap_with_leaks_is_closed_all_the_same)
{
    const struct sgc_heap_setup of = setup_of("leaky", &sharing_plugin);
    close_heap(open_heap_with(&of));
    const size_t before = sgc_meta_bytes();
    struct sgc_heap *heap = open_heap_with(&of);
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    struct sgc_error error = {0};
    ck_assert_ptr_nonnull(sgc_new(nodes));
    ck_assert_int_eq(sgc_heap_close(heap, &error), -EBUSY);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
    close_heap(open_heap_with(&of));
}
END_TEST

static unsigned n_dtors, n_finalized;
static int fill_ctor(void *slot)
{
    memset(slot, 1, 24);
    return 0;
}
static void count_dtor(void *slot)
{
    (void)slot;
    n_dtors++;
}
static void count_finalize(void *object)
{
    (void)object;
    n_finalized++;
}

START_TEST(closing_runs_dtors_and_no_finalizers)
{
    struct sgc_heap *heap = open_limited("words", &sharing_plugin, 0, 0);
    struct sgc_cache *built =
        make_cache(heap, &(struct sgc_type){.name = "built", .size_bytes = 24, .ctor = fill_ctor, .dtor = count_dtor});
    struct sgc_cache *mourned =
        make_cache(heap, &(struct sgc_type){.name = "mourned", .size_bytes = 24, .finalize = count_finalize});
    sgc_drop(sgc_new(built));
    sgc_drop(sgc_new(mourned)); /* waits in the queue */
    n_dtors = n_finalized = 0;
    close_heap(heap);
    ck_assert_uint_gt(n_dtors, 0);
    ck_assert_uint_eq(n_finalized, 0);
}
END_TEST

START_TEST(cycles_and_immortals_are_no_leaks)
{
    struct sgc_heap *heap = open_limited("words", &sharing_plugin, 0, 0);
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    struct sgc_cache *eternals =
        make_cache(heap, &(struct sgc_type){.name = "eternal", .size_bytes = 16, .flags = SGC_TYPE_IMMORTAL});
    struct node *node = new_node(nodes, NULL, NULL);
    sgc_set(node, left, node);
    sgc_drop(node);
    sgc_drop(sgc_new(eternals));
    ck_assert_uint_eq(n_live(heap), 2);
    close_heap(heap);
    ck_assert_int_eq(sgc_heap_close(NULL, NULL), 0);
}
END_TEST

static void *uses_cell(void *heap)
{
    if (sgc_thread_attach() < 0)
        abort();
    *sgc_host_get()->thread_cell(heap) = &probe;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

START_TEST(closing_hands_back_every_threads_cell_and_clears_it)
{
    struct sgc_heap *heap = open_limited("words", &probe_plugin, 0, 0);
    const unsigned index = heap->index;
    pthread_barrier_init(&barrier, NULL, 2);
    *sgc_host_get()->thread_cell(heap) = &probe;
    const pthread_t thread = support_thread("cell", uses_cell, heap);
    pthread_barrier_wait(&barrier);
    close_heap(heap);
    ck_assert_uint_eq(probe.n_detach, 2);
    heap = open_limited("words", &probe_plugin, 0, 0);
    ck_assert_uint_eq(heap->index, index);
    ck_assert_ptr_null(*sgc_host_get()->thread_cell(heap));
    pthread_barrier_wait(&barrier);
    join(thread);
    ck_assert_uint_eq(probe.n_detach, 2); /* the new heap's cell of that thread was empty */
    close_heap(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heap");
    TCase *tc = tcase_create("heap");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, a_heap_says_what_it_is);
    tcase_add_test(tc, the_strategy_gets_the_parameters);
    tcase_add_test(tc, a_name_is_unique_among_open_heaps);
    tcase_add_test(tc, of_several_threads_that_open_one_name_one_succeeds);
    tcase_add_test(tc, a_process_has_at_most_so_many_heaps);
    tcase_add_test(tc, too_many_parameters_are_refused);
    tcase_add_test(tc, a_strategy_that_refuses_to_open_leaves_nothing);
    tcase_add_test(tc, whatever_the_os_refuses_opening_leaves_nothing);
    tcase_add_test(tc, the_first_opening_of_a_process_can_fail_anywhere_and_be_tried_again);
    tcase_add_test(tc, opening_and_closing_in_a_section_panic);
    tcase_add_test(tc, limits_and_live_parameters_can_change);
    tcase_add_test(tc, store_masks_of_open_heaps_are_in_every_thread);
    tcase_add_test(tc, open_heaps_can_be_listed);
    tcase_add_test(tc, closing_lists_what_is_still_held);
    tcase_add_test(tc, a_heap_with_leaks_is_closed_all_the_same);
    tcase_add_test(tc, closing_runs_dtors_and_no_finalizers);
    tcase_add_test(tc, cycles_and_immortals_are_no_leaks);
    tcase_add_test(tc, closing_hands_back_every_threads_cell_and_clears_it);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
