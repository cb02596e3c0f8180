/* inspect_paths_test.c - the shortest path to an object, and what is on none. On strategies that count references and
 * on those that do not. */
#include "core/heap/inspect_slots.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/heap/inspecting.h"

#include <stddef.h>

/* ---- paths */

/* Pairs of object and offset, ended by NULL. */
static void assert_path(const void *object, ...)
{
    struct sgc_inspect_step *steps;
    size_t n_steps, n = 0;
    va_list args;
    ck_assert_int_eq(sgc_inspect_why(&inspect, object, &steps, &n_steps, NULL), 0);
    va_start(args, object);
    for (const void *expected; (expected = va_arg(args, const void *)); n++) {
        ck_assert_uint_lt(n, n_steps);
        ck_assert_ptr_eq(steps[n].object, expected);
        ck_assert_int_eq(steps[n].field_offset, va_arg(args, int));
        ck_assert_uint_eq(steps[n].n_holds > 0, n == 0);
    }
    va_end(args);
    ck_assert_uint_eq(n_steps, n);
    sgc_meta_free(steps, n_steps * sizeof(*steps));
}

#define LEFT ((int)offsetof(struct node, left))
#define RIGHT ((int)offsetof(struct node, right))

START_TEST(the_path_is_the_shortest_from_a_held_object_with_the_offset_of_each_step)
{
    open_on(plugins[_i]);
    struct node *far = new_node(nodes, NULL, NULL), *near = new_node(nodes, NULL, NULL);
    struct node *one = put(far, &far->left, new_node(nodes, NULL, NULL));
    struct node *two = put(one, &one->right, new_node(nodes, NULL, NULL));
    struct node *target = put(two, &two->left, new_node(nodes, NULL, NULL));
    inspect_begin();
    assert_path(target, far, LEFT, one, RIGHT, two, LEFT, target, -1, NULL);
    assert_path(one, far, LEFT, one, -1, NULL);
    assert_path(far, far, -1, NULL);
    inspect_end();
    sgc_set(near, right, two);
    inspect_begin();
    assert_path(target, near, RIGHT, two, LEFT, target, -1, NULL);
    inspect_end();
    sgc_hold(target);
    inspect_begin();
    assert_path(target, target, -1, NULL);
    inspect_end();
    sgc_drop(target);
    sgc_drop(far);
    sgc_drop(near);
    close_heap(heap);
}
END_TEST

START_TEST(what_nothing_holds_has_no_path)
{
    open_on(plugins[_i]);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, NULL), *c = new_node(nodes, NULL, NULL);
    sgc_set(a, left, b);
    sgc_drop(a);
    sgc_drop(b);
    inspect_begin();
    assert_path(a, NULL);
    assert_path(c, c, -1, NULL);
    inspect_end();
    sgc_drop(c);
    sgc_heap_close(heap, NULL);
}
END_TEST

struct ring_end {
    void *hidden;
};
static void *elsewhere[1];
static void trace_elsewhere(void *object, sgc_visit_fn *visit, void *visitor)
{
    (void)object;
    visit(visitor, &elsewhere[0]);
}
static const struct sgc_type tracing_type = {
    .name = "tracing", .size_bytes = sizeof(struct ring_end), .trace = trace_elsewhere};

struct row {
    uint64_t n;
    struct node *items[];
};
static const struct sgc_type row_type = {
    .name = "row", .size_bytes = sizeof(struct row), .tail_element_bytes = sizeof(void *), .tail_refs = 1};

START_TEST(tails_and_trace_callbacks_are_followed)
{
    open_on(&marking_plugin);
    struct sgc_cache *rows = make_cache(heap, &row_type), *tracings = make_cache(heap, &tracing_type);
    struct node *inner = new_node(nodes, NULL, NULL), *hidden = new_node(nodes, NULL, NULL);
    struct row *row = sgc_new_n(rows, 5);
    struct ring_end *tracing = sgc_new(tracings);
    sgc_set(row, items[3], inner);
    elsewhere[0] = hidden;
    sgc_drop(inner);
    sgc_drop(hidden);
    inspect_begin();
    assert_path(inner, row, (int)offsetof(struct row, items[3]), inner, -1, NULL);
    assert_path(hidden, tracing, -1, hidden, -1, NULL); /* the place is not inside the object */
    inspect_end();
    elsewhere[0] = NULL;
    sgc_drop(row);
    sgc_drop(tracing);
    close_heap(heap);
}
END_TEST

#define VALUE ((int)offsetof(struct sgc_ephemeron, value))

START_TEST(an_ephemeron_leads_to_its_value_once_its_key_is_reached)
{
    open_on(plugins[_i]);
    struct node *holder = new_node(nodes, NULL, NULL);
    struct node *key = put(holder, &holder->left, new_node(nodes, NULL, NULL)), *value = new_node(nodes, NULL, NULL);
    void *early = sgc_ephemeron_new(heap, key, value); /* held: reached before the key */
    sgc_drop(value);
    struct node *far = new_node(nodes, NULL, NULL), *near_key = new_node(nodes, NULL, NULL);
    struct node *late_value = new_node(nodes, NULL, NULL);
    void *late = sgc_ephemeron_new(heap, near_key, late_value); /* reached after its key */
    sgc_set(far, left, late);
    sgc_drop(late);
    sgc_drop(late_value);
    struct node *dead_key = new_node(nodes, NULL, NULL), *dead_value = new_node(nodes, NULL, NULL);
    void *waits = sgc_ephemeron_new(heap, dead_key, dead_value);
    sgc_set(dead_key, left, dead_key); /* its own cycle: nobody has noticed its death */
    sgc_drop(dead_key);
    sgc_drop(dead_value);
    inspect_begin();
    assert_path(value, early, VALUE, value, -1, NULL);
    assert_path(late_value, far, LEFT, late, VALUE, late_value, -1, NULL);
    assert_path(dead_key, NULL);
    assert_path(dead_value, NULL);
    inspect_end();
    sgc_drop(waits);
    sgc_drop(early);
    sgc_drop(holder);
    sgc_drop(far);
    sgc_drop(near_key);
    sgc_heap_close(heap, NULL);
}
END_TEST

/* ---- leaks */

static struct sgc_inspect_leaks found[4];
static unsigned n_found;
static int note_leaks(void *unused, const struct sgc_inspect_leaks *leaks)
{
    (void)unused;
    found[n_found++] = *leaks;
    return 0;
}

static int by_address(const void *a, const void *b)
{
    return *(char *const *)a < *(char *const *)b ? -1 : *(char *const *)a > *(char *const *)b;
}

START_TEST(leaks_tell_the_unreachable_from_the_held)
{
    static const struct sgc_type lasting_type = {.name = "lasting", .size_bytes = 16, .flags = SGC_TYPE_IMMORTAL};
    struct node *held[12];
    open_on(plugins[_i]);
    sgc_drop(sgc_new(make_cache(heap, &lasting_type)));
    for (int i = 0; i < 12; i++)
        held[i] = new_node(nodes, NULL, NULL);
    put(held[0], &held[0]->left, new_node(nodes, NULL, NULL)); /* neither held nor unreachable */
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, NULL);
    sgc_set(a, left, b);
    sgc_drop(a);
    sgc_drop(b);
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_leaks(&inspect, note_leaks, NULL, NULL), 0);
    ck_assert_uint_eq(n_found, 1);
    ck_assert_ptr_eq(found[0].cache, nodes);
    ck_assert_uint_eq(found[0].n_unreachable, 2);
    ck_assert_uint_eq(found[0].unreachable_bytes, 2 * sizeof(struct node));
    ck_assert_uint_eq(found[0].n_held, 12);
    ck_assert_uint_eq(found[0].held_bytes, 12 * sizeof(struct node));
    ck_assert_uint_eq(found[0].n_sites, 0);
    qsort(held, 12, sizeof(*held), by_address);
    ck_assert_mem_eq(found[0].held, held, sizeof(found[0].held));
    inspect_end();
    for (int i = 0; i < 12; i++)
        sgc_drop(held[i]);
    sgc_heap_close(heap, NULL);
}
END_TEST

static int track_all(void *arg, const char *heap_name, const char *cache, struct sgc_cache_config *out,
                     struct sgc_error *error)
{
    (void)arg, (void)heap_name, (void)cache, (void)error;
    out->debug = SGC_DEBUG_TRACK;
    return 0;
}

#define CALLS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17)
#define CALL_FUNCTION(n)                                                                                               \
    static __attribute__((noinline)) void *make_##n(void)                                                              \
    {                                                                                                                  \
        void *volatile object = sgc_new(nodes);                                                                        \
        return object;                                                                                                 \
    }
CALLS(CALL_FUNCTION)
#define CALL_NAME(n) make_##n,
static void *(*const makers[])(void) = {CALLS(CALL_NAME)};
#define N_MAKERS (sizeof(makers) / sizeof(*makers))

START_TEST(tracked_caches_tell_where_held_objects_were_made)
{
    static const uint64_t no_params[1];
    struct node *held[N_MAKERS + 4];
    heap = open_heap_with(&(struct sgc_heap_setup){
        .name = "tracked", .plugin = &marking_plugin, .params = no_params, .cache_config = track_all});
    nodes = make_cache(heap, &node_type);
    for (unsigned i = 0; i < N_MAKERS; i++)
        held[i] = makers[i]();
    for (unsigned i = 0; i < 4; i++)
        held[N_MAKERS + i] = makers[7]();
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_leaks(&inspect, note_leaks, NULL, NULL), 0);
    const struct sgc_inspect_leaks *leaks = &found[0];
    ck_assert_uint_eq(leaks->n_sites, SGC_INSPECT_SITES);
    ck_assert_uint_eq(leaks->sites[0].n, 5); /* the most frequent one first */
    ck_assert_uint_eq(leaks->sites[0].bytes, 5 * sizeof(struct node));
    ck_assert_uint_eq((uintptr_t)leaks->sites[0].address - (uintptr_t)makers[7] < 256, 1);
    const struct sgc_inspect_site *rest = &leaks->sites[SGC_INSPECT_SITES - 1];
    ck_assert_uint_eq(rest->address, 0);
    ck_assert_uint_eq(rest->n, N_MAKERS - (SGC_INSPECT_SITES - 1));
    inspect_end();
    for (unsigned i = 0; i < N_MAKERS + 4; i++)
        sgc_drop(held[i]);
    close_heap(heap);
}
END_TEST

START_TEST(objects_of_manual_caches_are_held_and_never_unreachable)
{
    static const struct sgc_type bare_type = {.name = "bare", .size_bytes = 16, .flags = SGC_TYPE_MANUAL};
    open_on(plugins[_i]);
    struct sgc_cache *bares = make_cache(heap, &bare_type);
    void *bare = sgc_cache_alloc(bares);
    inspect_begin();
    assert_path(bare, NULL); /* the strategy does not know it */
    ck_assert_int_eq(sgc_inspect_leaks(&inspect, note_leaks, NULL, NULL), 0);
    ck_assert_uint_eq(n_found, 1);
    ck_assert_ptr_eq(found[0].cache, bares);
    ck_assert_uint_eq(found[0].n_unreachable, 0);
    ck_assert_uint_eq(found[0].n_held, 1);
    ck_assert_ptr_eq(found[0].held[0], bare);
    inspect_end();
    sgc_cache_free(bares, bare);
    close_heap(heap);
}
END_TEST

static int refuse_leaks(void *n_calls, const struct sgc_inspect_leaks *leaks)
{
    (void)leaks;
    ++*(int *)n_calls;
    return 7;
}

START_TEST(a_visit_of_leaks_may_end_early)
{
    int n_calls = 0;
    open_on(plugins[_i]);
    struct sgc_cache *others = make_cache(heap, &big_type);
    struct node *node = new_node(nodes, NULL, NULL);
    void *other = sgc_new(others);
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_leaks(&inspect, refuse_leaks, &n_calls, NULL), 7);
    ck_assert_int_eq(n_calls, 1);
    inspect_end();
    sgc_drop(node);
    sgc_drop(other);
    close_heap(heap);
}
END_TEST

/* ---- without memory */

static struct node *new_list(unsigned n)
{
    struct node *list = new_node(nodes, NULL, NULL);
    for (unsigned i = 1; i < n; i++) {
        struct node *next = new_node(nodes, list, NULL);
        sgc_drop(list);
        list = next;
    }
    return list;
}

/* The deepest question there is: where the last of the list is held. */
static int ask_why(const struct node *last, size_t n, struct sgc_error *error)
{
    struct sgc_inspect_step *steps = (void *)&steps;
    size_t n_steps = 4711;
    const int rc = sgc_inspect_why(&inspect, last, &steps, &n_steps, error);
    ck_assert_uint_eq(n_steps, rc == 0 ? n : 0);
    if (rc == 0)
        sgc_meta_free(steps, n * sizeof(*steps));
    else
        ck_assert_ptr_null(steps);
    return rc;
}

START_TEST(refused_memory_is_an_error_and_the_search_can_be_made_again)
{
    enum { N = 20000 };
    unsigned n_refused = 0;
    bool fired = true;
    open_on(plugins[_i]);
    struct node *list = new_list(N), *last = list;
    while (last->left)
        last = last->left;
    inspect_begin();
    const size_t before = sgc_meta_bytes();
    for (uint64_t k = 1; fired; k++) {
        struct sgc_error error = {0};
        sgc_os_fault_arm(k, false);
        const int rc = ask_why(last, N, &error);
        sgc_os_fault_disarm();
        fired = sgc_os_fault_fired();
        ck_assert_int_eq(rc, fired ? -ENOMEM : 0);
        ck_assert_msg(!fired || strncmp(error.message, "heap graphs: no memory", 22) == 0, "%s", error.message);
        n_refused += fired;
        sgc_inspect_end_search(&inspect);
        ck_assert_uint_eq(sgc_meta_bytes(), before);
    }
    ck_assert_uint_ge(n_refused, 4); /* reached, queue, from, the path */
    struct sgc_error error = {0};
    sgc_os_fault_arm(1, false);
    ck_assert_int_eq(sgc_inspect_leaks(&inspect, note_leaks, NULL, &error), -ENOMEM);
    sgc_os_fault_disarm();
    ck_assert_str_eq(error.message, "heap graphs: no memory to search its objects");
    ck_assert_uint_eq(n_found, 0);
    ck_assert_int_eq(sgc_inspect_leaks(&inspect, note_leaks, NULL, &error), 0);
    ck_assert_uint_eq(n_found, 1);
    ck_assert_uint_eq(found[0].n_unreachable, 0);
    ck_assert_uint_eq(found[0].n_held, 1);
    inspect_end();
    sgc_drop(list);
    close_heap(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect paths");
    TCase *tc = tcase_create("inspect paths");
    tcase_set_timeout(tc, 110);
    tcase_add_loop_test(tc, the_path_is_the_shortest_from_a_held_object_with_the_offset_of_each_step, 0, N_PLUGINS);
    tcase_add_loop_test(tc, what_nothing_holds_has_no_path, 0, N_PLUGINS);
    tcase_add_test(tc, tails_and_trace_callbacks_are_followed);
    tcase_add_loop_test(tc, an_ephemeron_leads_to_its_value_once_its_key_is_reached, 0, N_PLUGINS);
    tcase_add_loop_test(tc, leaks_tell_the_unreachable_from_the_held, 0, N_PLUGINS);
    tcase_add_test(tc, tracked_caches_tell_where_held_objects_were_made);
    tcase_add_loop_test(tc, objects_of_manual_caches_are_held_and_never_unreachable, 0, N_PLUGINS);
    tcase_add_loop_test(tc, a_visit_of_leaks_may_end_early, 0, N_PLUGINS);
    tcase_add_loop_test(tc, refused_memory_is_an_error_and_the_search_can_be_made_again, 0, N_PLUGINS);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
