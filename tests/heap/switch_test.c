/* switch_test.c - moving a live heap to another strategy: counts in both meanings, metadata, refusals, threads that go
 * on. */
#include "core/heap/section.h"
#include "core/os/fault.h"
#include "tests/heap/support.h"
#include "tests/support/steps.h"

#include <stdio.h>

static const uint64_t params[2] = {3, 4};
static struct sgc_heap *heap;
static struct sgc_cache *nodes, *manuals;
static const struct sgc_type manual_type = {.name = "manual", .size_bytes = 48, .flags = SGC_TYPE_MANUAL};

static void open_on(const struct sgc_strategy_plugin *plugin)
{
    memset(&probe, 0, sizeof(probe));
    heap = open_limited("moving", plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
    manuals = make_cache(heap, &manual_type);
}

static void move_to(const struct sgc_strategy_plugin *plugin)
{
    struct sgc_error error = {0};
    ck_assert_msg(sgc_heap_switch_strategy(heap, plugin, params, &error) == 0, "%s", error.message);
    ck_assert_str_eq(sgc_heap_strategy(heap), plugin->name);
    assert_verifies(heap);
}

static void expect_refusal(const struct sgc_strategy_plugin *plugin, int code, const char *text)
{
    const struct sgc_strategy_plugin *was = heap->plugin;
    const void *self = heap->self;
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_heap_switch_strategy(heap, plugin, params, &error), code);
    ck_assert_int_eq(error.code, code);
    ck_assert_str_eq(error.message, text);
    ck_assert_int_eq(sgc_heap_switch_strategy(heap, plugin, params, NULL), code); /* also without anybody to tell */
    ck_assert_ptr_eq(heap->plugin, was);
    ck_assert_ptr_eq(heap->self, self);
    assert_verifies(heap);
}

START_TEST(counts_are_converted_in_both_directions)
{
    open_on(&sharing_plugin);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, a), *c = new_node(nodes, b, a);
    sgc_drop(b);
    sgc_drop(a);
    sgc_hold(c);
    ck_assert_uint_eq(count_of(a), 3);
    move_to(&tracing_plugin);
    ck_assert_uint_eq(count_of(a), 0); /* holds alone */
    ck_assert_uint_eq(count_of(b), 0);
    ck_assert_uint_eq(count_of(c), 2);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, c), 0);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 3);
    move_to(&sharing_plugin);
    ck_assert_uint_eq(count_of(a), 3);
    ck_assert_uint_eq(count_of(b), 1);
    ck_assert_uint_eq(count_of(c), 2);
    sgc_drop(c);
    sgc_drop(c);
    ck_assert_uint_eq(n_live(heap), 0);
    close_heap(heap);
}
END_TEST

START_TEST(a_popular_object_keeps_its_claims)
{
    enum { N = 1000 };
    static struct node *owners[N];
    open_on(&sharing_plugin);
    struct node *popular = new_node(nodes, NULL, NULL);
    for (int i = 0; i < N; i++)
        owners[i] = new_node(nodes, popular, popular);
    move_to(&tracing_plugin);
    ck_assert_uint_eq(count_of(popular), 1);
    move_to(&sharing_plugin);
    ck_assert_uint_eq(count_of(popular), 2 * N + 1);
    for (int i = 0; i < N; i++)
        sgc_drop(owners[i]);
    ck_assert_uint_eq(count_of(popular), 1);
    sgc_drop(popular);
    close_heap(heap);
}
END_TEST

START_TEST(garbage_is_collected_before_the_move)
{
    open_on(&tracing_plugin);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, NULL);
    sgc_set(a, left, b);
    sgc_drop(a);
    sgc_drop(b);
    move_to(&sharing_plugin); /* which would never find a cycle */
    ck_assert_uint_eq(n_live(heap), 0);
    close_heap(heap);
}
END_TEST

START_TEST(weak_references_live_on)
{
    open_on(&sharing_plugin);
    struct node *node = new_node(nodes, NULL, NULL);
    struct sgc_weak *weak = sgc_weak_create(node);
    move_to(&tracing_plugin);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, node), SGC_STATE_WATCHED);
    ck_assert_ptr_eq(sgc_weak_get(weak), node);
    sgc_drop(node);
    move_to(&sharing_plugin);
    sgc_drop(node);
    ck_assert_ptr_null(sgc_weak_get(weak));
    sgc_weak_destroy(weak);
    close_heap(heap);
}
END_TEST

START_TEST(manual_objects_stay_as_they_are)
{
    open_on(&tracing_plugin);
    void *manual = sgc_new(manuals);
    const uint8_t state = *sgc_state_byte(&sgc_counts, manual);
    sgc_hold(manual);
    move_to(&sharing_plugin);
    ck_assert_uint_eq(count_of(manual), 2);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, manual), state);
    sgc_drop(manual);
    sgc_drop(manual);
    ck_assert_uint_eq(n_live(heap), 0);
    close_heap(heap);
}
END_TEST

START_TEST(the_new_strategy_finds_clean_metadata_and_its_state_bytes)
{
    open_on(&probe_barrier_plugin);
    struct node *node = new_node(nodes, NULL, NULL);
    uint8_t *byte = &sgc_host_get()->private_bias(0)[(uintptr_t)node >> SGC_GRANULE_SHIFT];
    *byte = 0xa5;
    move_to(&probe_barrier_plugin); /* the same kind again, with a record of its own */
    ck_assert_uint_eq(*byte, 0);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, node), SGC_STATE_STORE_2);
    move_to(&tracing_plugin);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, node), 0);
    ck_assert_uint_eq(sgc_context_.store_mask, SGC_STATE_STORE);
    sgc_heap_collect(heap, SGC_COLLECT_FULL); /* with mark bits that the heap had not when the slab was made */
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_drop(node);
    close_heap(heap);
}
END_TEST

START_TEST(the_old_strategy_is_quiesced_and_closed_once)
{
    open_on(&probe_plugin);
    const void *self = heap->self;
    *sgc_host_get()->thread_cell(heap) = &probe;
    move_to(&tracing_plugin);
    ck_assert_uint_eq(probe.n_full, 1);
    ck_assert_uint_eq(probe.n_detach, 1);
    ck_assert_uint_eq(probe.n_quiesce, 1);
    ck_assert_uint_eq(probe.n_close, 1);
    ck_assert_ptr_eq(probe.last_closed, self);
    move_to(&probe_plugin);
    ck_assert_uint_eq(probe.n_adopt, 1);
    ck_assert_uint_eq(heap->params[0], 3);
    ck_assert_uint_eq(heap->params[1], 4);
    close_heap(heap);
    ck_assert_uint_eq(probe.n_open, probe.n_close);
}
END_TEST

START_TEST(the_pace_is_the_new_strategys)
{
    open_on(&probe_plugin);
    sgc_pacer_set(heap, &(struct sgc_pace){1000, 0, 0});
    move_to(&tracing_plugin); /* sets none */
    sgc_pacer_allocated(heap, 1000000);
    ck_assert_int_eq(sgc_pacer_poll(heap), -1);
    probe.pace = (struct sgc_pace){5000, 0, 0};
    move_to(&probe_plugin);
    ck_assert_uint_eq(heap->pacer.pace.minor_bytes, 5000);
    close_heap(heap);
}
END_TEST

/* ---- refusals */

START_TEST(none_is_no_strategy_to_switch_to_or_from)
{
    static const char text[] =
        "heap moving: strategy none cannot be switched to or from: its objects' lifetimes are the program's";
    open_on(&sharing_plugin);
    expect_refusal(&sgc_strategy_none, -ENOTSUP, text);
    close_heap(heap);
    heap = open_limited("moving", &sgc_strategy_none, 0, 0);
    expect_refusal(&sharing_plugin, -ENOTSUP, text);
    close_heap(heap);
}
END_TEST

START_TEST(a_strategy_must_meet_what_the_types_need)
{
    struct sgc_strategy_plugin blind = probe_plugin;
    blind.capabilities = SGC_NEED_WEAK;
    blind.name = "blind";
    open_on(&sharing_plugin);
    struct node *node = new_node(nodes, NULL, NULL);
    expect_refusal(&blind, -ENOTSUP, "heap moving needs references, which strategy blind does not offer");
    ck_assert_uint_eq(probe.n_open, probe.n_close);
    sgc_drop(node);
    close_heap(heap);
}
END_TEST

START_TEST(a_strategy_that_does_not_open_changes_nothing)
{
    open_on(&sharing_plugin);
    sgc_pacer_set(heap, &(struct sgc_pace){1234, 50, 5678});
    probe.open_error = -ENOMEM;
    expect_refusal(&probe_plugin, -ENOMEM, "heap moving: strategy probe failed to start: probe: told to refuse");
    ck_assert_uint_eq(heap->pacer.pace.minor_bytes, 1234);
    ck_assert_uint_eq(heap->pacer.pace.full_growth_pct, 50);
    ck_assert_uint_eq(heap->pacer.pace.full_min_bytes, 5678);
    close_heap(heap);
}
END_TEST

START_TEST(a_strategy_that_does_not_adopt_gives_the_heap_back)
{
    open_on(&sharing_plugin);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, a);
    sgc_drop(a);
    probe.adopt_error = -EINVAL;
    expect_refusal(&probe_barrier_plugin, -EINVAL,
                   "heap moving: strategy probe_barrier did not adopt it: probe: told not to adopt");
    ck_assert_uint_eq(probe.n_quiesce, 2);
    ck_assert_uint_eq(probe.n_open, probe.n_close);
    ck_assert_uint_eq(count_of(a), 2);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, a), SGC_STATE_STORE | SGC_STATE_COUNTED | SGC_STATE_DEFER);
    sgc_set(b, left, NULL);
    ck_assert_uint_eq(count_of(a), 1);
    sgc_drop(b);
    ck_assert_uint_eq(n_live(heap), 0);
    close_heap(heap);
}
END_TEST

START_TEST(without_memory_for_its_metadata_the_heap_stays)
{
    enum { N = 10000 };
    static struct node *held[N];
    open_on(&sharing_plugin);
    for (int i = 0; i < N; i++)
        held[i] = new_node(nodes, NULL, NULL);
    struct sgc_error error = {0};
    sgc_os_fault_arm(1, true);
    const int rc = sgc_heap_switch_strategy(heap, &tracing_plugin, params, &error);
    sgc_os_fault_disarm();
    ck_assert_int_eq(rc, -ENOMEM);
    ck_assert_str_eq(error.message, "heap moving: no memory for the metadata of strategy tracing");
    assert_verifies(heap);
    for (int i = 0; i < N; i += 2)
        sgc_drop(held[i]); /* reclaims, without touching marks that are not there */
    move_to(&tracing_plugin);
    for (int i = 1; i < N; i += 2)
        sgc_drop(held[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 0);
    close_heap(heap);
}
END_TEST

static void switch_in_section(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_heap_switch_strategy(heap, &tracing_plugin, params, NULL);
}

START_TEST(switching_in_a_section_panics)
{
    open_on(&sharing_plugin);
    support_expect_panic(switch_in_section, NULL, "sgc_heap_switch: called inside a section");
    close_heap(heap);
}
END_TEST

/* ---- threads that go on */

static struct steps *steps;
static void *self_in_call;

static void waits_in_before_alloc(void *self)
{
    if (self_in_call)
        return;
    self_in_call = self;
    step(steps, "allocator: is in before_alloc");
    step(steps, "allocator: goes on");
    ck_assert_uint_eq(probe.n_close, 0);
    steps_end(steps);
}

static void *allocates(void *arg)
{
    (void)arg;
    sgc_drop(sgc_new(nodes));
    return NULL;
}

START_TEST(the_old_strategy_lives_until_calls_at_rest_have_left_it)
{
    open_on(&probe_plugin);
    probe.before_alloc = waits_in_before_alloc;
    steps = STEPS("allocator: is in before_alloc", "main: switches &", "allocator: goes on");
    const pthread_t thread = support_thread("allocator", allocates, NULL);
    step(steps, "main: switches");
    move_to(&tracing_plugin);
    steps_end(steps);
    join(thread);
    steps_free(steps);
    ck_assert_uint_eq(probe.n_close, 1);
    ck_assert_ptr_eq(probe.last_closed, self_in_call);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    close_heap(heap);
}
END_TEST

static bool churn_over; /* atomic */
static void *churns(void *arg)
{
    struct node *list = NULL;
    (void)arg;
    for (long i = 0; !__atomic_load_n(&churn_over, __ATOMIC_RELAXED); i++) {
        struct node *node = sgc_new(nodes);
        sgc_set(node, left, i % 50 ? list : NULL);
        sgc_set(node, right, node->left ? node : NULL); /* a cycle of one, taken apart below */
        sgc_set(node, right, NULL);
        sgc_drop(list);
        list = node;
    }
    sgc_drop(list);
    return NULL;
}

START_TEST(threads_allocate_and_store_while_the_heap_moves)
{
    pthread_t threads[2];
    open_on(&sharing_plugin);
    for (int i = 0; i < 2; i++)
        threads[i] = support_thread("churns", churns, NULL);
    for (int i = 0; i < 20; i++)
        move_to(i % 2 ? &sharing_plugin : &tracing_plugin);
    __atomic_store_n(&churn_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        join(threads[i]);
    ck_assert_uint_eq(n_live(heap), 0);
    assert_verifies(heap);
    close_heap(heap);
}
END_TEST

static void *makes_caches(void *arg)
{
    (void)arg;
    for (int i = 0; !__atomic_load_n(&churn_over, __ATOMIC_RELAXED); i++) {
        struct sgc_cache *cache = sgc_cache_create(heap, &(struct sgc_type){.name = "passing", .size_bytes = 64}, NULL);
        sgc_drop(sgc_new(cache));
        if (sgc_cache_destroy(cache, NULL) < 0)
            abort();
    }
    return NULL;
}

START_TEST(a_cache_made_meanwhile_belongs_to_one_strategy_or_the_other)
{
    open_on(&sharing_plugin);
    const pthread_t thread = support_thread("caches", makes_caches, NULL);
    for (int i = 0; i < 40; i++)
        move_to(i % 2 ? &sharing_plugin : &tracing_plugin);
    __atomic_store_n(&churn_over, true, __ATOMIC_RELAXED);
    join(thread);
    close_heap(heap);
}
END_TEST

static void *switches(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        if (sgc_heap_switch_strategy(heap, &probe_plugin, params, NULL) != 0)
            abort();
    return NULL;
}

START_TEST(switches_of_two_threads_close_each_record_once)
{
    open_on(&probe_plugin);
    const pthread_t thread = support_thread("switches", switches, NULL);
    switches(NULL);
    join(thread);
    ck_assert_uint_eq(probe.n_open, 21);
    ck_assert_uint_eq(probe.n_close, 20);
    close_heap(heap);
    ck_assert_uint_eq(probe.n_close, 21);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("switch");
    TCase *tc = tcase_create("switch");
    tcase_add_test(tc, counts_are_converted_in_both_directions);
    tcase_add_test(tc, a_popular_object_keeps_its_claims);
    tcase_add_test(tc, garbage_is_collected_before_the_move);
    tcase_add_test(tc, weak_references_live_on);
    tcase_add_test(tc, manual_objects_stay_as_they_are);
    tcase_add_test(tc, the_new_strategy_finds_clean_metadata_and_its_state_bytes);
    tcase_add_test(tc, the_old_strategy_is_quiesced_and_closed_once);
    tcase_add_test(tc, the_pace_is_the_new_strategys);
    tcase_add_test(tc, none_is_no_strategy_to_switch_to_or_from);
    tcase_add_test(tc, a_strategy_must_meet_what_the_types_need);
    tcase_add_test(tc, a_strategy_that_does_not_open_changes_nothing);
    tcase_add_test(tc, a_strategy_that_does_not_adopt_gives_the_heap_back);
    tcase_add_test(tc, without_memory_for_its_metadata_the_heap_stays);
    tcase_add_test(tc, switching_in_a_section_panics);
    tcase_add_test(tc, the_old_strategy_lives_until_calls_at_rest_have_left_it);
    tcase_add_test(tc, threads_allocate_and_store_while_the_heap_moves);
    tcase_add_test(tc, a_cache_made_meanwhile_belongs_to_one_strategy_or_the_other);
    tcase_add_test(tc, switches_of_two_threads_close_each_record_once);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
