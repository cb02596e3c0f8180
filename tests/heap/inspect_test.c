/* inspect_test.c - the slabs, holds, paths and leaks of graphs whose every object is known: inspect.c, inspect_graph.c,
 * inspect_paths.c. On strategies that count references and on those that do not. */
#include "core/heap/inspect.h"
#include "core/heap/section.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/heap/support.h"

#include <stddef.h>
#include <stdio.h>

static struct sgc_heap *heap;
static struct sgc_cache *nodes;
static struct sgc_stop stop;
static struct sgc_inspect inspect;

static const struct sgc_strategy_plugin *const plugins[] = {&counting_plugin, &marking_plugin};
#define N_PLUGINS (sizeof(plugins) / sizeof(*plugins))

static void open_on(const struct sgc_strategy_plugin *plugin)
{
    heap = open_heap("graphs", plugin);
    nodes = make_cache(heap, &node_type);
}

static void inspect_begin(void)
{
    struct sgc_error error = {0};
    sgc_stop_begin(&stop, heap);
    ck_assert_msg(sgc_inspect_open(&inspect, heap, &error) == 0, "%s", error.message);
}

static void inspect_end(void)
{
    sgc_inspect_close(&inspect);
    sgc_stop_end(&stop);
    assert_verifies(heap);
}

/* A node that only its owner's field holds. */
static struct node *put(struct node *owner, struct node **field, struct node *node)
{
    if (field == &owner->left)
        sgc_set(owner, left, node);
    else
        sgc_set(owner, right, node);
    sgc_drop(node);
    return node;
}

static void assert_holds(const void *object, uint64_t n)
{
    ck_assert_uint_eq(sgc_inspect_holds(&inspect, object), n);
}

/* ---- slabs */

struct seen {
    unsigned n_slabs, n_used;
    struct sgc_inspect_slab last;
};

static int see_slab(void *arg, const struct sgc_inspect_slab *slab)
{
    struct seen *seen = arg;
    unsigned n = 0;
    for (unsigned i = 0; i < SGC_SLAB_WORDS; i++)
        n += sgc_popcount64(slab->used[i]);
    ck_assert_uint_eq(n, slab->n_used);
    seen->n_slabs++;
    seen->n_used += n;
    seen->last = *slab;
    return 0;
}

struct big {
    char bytes[100000];
};
static const struct sgc_type big_type = {.name = "big", .size_bytes = sizeof(struct big)};

START_TEST(a_slab_shows_its_slots_and_which_are_in_use)
{
    struct node *a, *b;
    struct seen seen = {0};
    open_on(&marking_plugin);
    a = new_node(nodes, NULL, NULL);
    b = new_node(nodes, NULL, NULL);
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_map(heap, nodes, see_slab, &seen), 0);
    ck_assert_uint_eq(seen.n_slabs, 1);
    ck_assert_uint_eq(seen.n_used, 2);
    ck_assert_ptr_eq(seen.last.cache, nodes);
    ck_assert_uint_eq(seen.last.bytes, SGC_SLAB_BYTES);
    ck_assert_uint_eq(seen.last.n_slots, SGC_SLAB_BYTES / sizeof(struct node));
    const struct node *const both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        const size_t slot = (size_t)((const char *)both[i] - (const char *)seen.last.address) / sizeof(struct node);
        ck_assert_uint_eq(seen.last.used[slot / 64] >> (slot % 64) & 1, 1);
    }
    inspect_end();
    sgc_drop(a);
    sgc_drop(b);
    close_heap(heap);
}
END_TEST

START_TEST(a_large_object_is_one_slot_of_its_own)
{
    struct seen seen = {0};
    open_on(&marking_plugin);
    struct sgc_cache *bigs = make_cache(heap, &big_type);
    struct big *big = sgc_new(bigs);
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_map(heap, bigs, see_slab, &seen), 0);
    ck_assert_uint_eq(seen.n_slabs, 1);
    ck_assert_uint_eq(seen.last.n_slots, 1);
    ck_assert_uint_eq(seen.last.bytes, 2 * SGC_SLAB_BYTES);
    ck_assert_ptr_eq(seen.last.address, big);
    assert_holds(big, 1);
    inspect_end();
    sgc_drop(big);
    close_heap(heap);
}
END_TEST

/* ---- addresses */

static void assert_finds(const void *address, void *expected, const char *format, ...)
{
    char text[200] = "";
    void *object = NULL;
    struct sgc_error error = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const int rc = sgc_inspect_find(address, &object, &error);
    ck_assert_str_eq(error.message, text);
    ck_assert_int_eq(rc, expected ? 0 : -EINVAL);
    ck_assert_ptr_eq(object, expected);
}

START_TEST(an_address_is_an_object_or_the_error_says_what_it_is)
{
    open_on(&marking_plugin);
    struct sgc_cache *bigs = make_cache(heap, &big_type);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, NULL, NULL);
    struct big *big = sgc_new(bigs);
    struct odd {
        char bytes[48];
    };
    static const struct sgc_type odd_type = {.name = "odd", .size_bytes = sizeof(struct odd)};
    struct sgc_cache *odds = make_cache(heap, &odd_type);
    struct odd *odd = sgc_new(odds);
    void *block = sgc_malloc(100);
    sgc_drop(b);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    inspect_begin();
    assert_finds(a, a, "");
    assert_finds(big, big, "");
    assert_finds(&a->value, NULL, "%p is no object: it lies 16 bytes inside object %p of cache node", &a->value, a);
    assert_finds((char *)a + 3, NULL, "%p is no object: it lies 3 bytes inside object %p of cache node", (char *)a + 3,
                 a);
    assert_finds(&big->bytes[70000], NULL, "%p is no object: it lies 70000 bytes inside object %p of cache big",
                 &big->bytes[70000], big);
    assert_finds(b, NULL, "%p is no object: it lies in a free slot of cache node", b);
    char *last = (char *)sgc_slab_start(sgc_slab_of(odd)) + SGC_SLAB_BYTES - 16; /* 65536 is no multiple of 48 */
    assert_finds(last, NULL, "%p is no object: it lies behind the last slot of a slab of cache odd", last);
    assert_finds(&a, NULL, "%p is no object: no heap has memory there", &a);
    assert_finds((void *)(sgc_arena.base + sgc_arena.bytes - 16), NULL, "%p is no object: no heap has memory there",
                 (void *)(sgc_arena.base + sgc_arena.bytes - 16));
    void *object = NULL;
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_inspect_find(block, &object, &error), -EINVAL);
    ck_assert_msg(strstr(error.message, "is memory of malloc (cache malloc-"), "%s", error.message);
    inspect_end();
    sgc_free(block);
    sgc_drop(a);
    sgc_drop(big);
    sgc_drop(odd);
    close_heap(heap);
}
END_TEST

START_TEST(memory_that_no_cache_uses_is_named_so)
{
    struct sgc_error error = {0};
    void *object = NULL;
    open_on(&marking_plugin);
    struct sgc_cache *bigs = make_cache(heap, &big_type);
    struct big *big = sgc_new(bigs);
    sgc_drop(big);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_find(big, &object, &error), -EINVAL);
    ck_assert_msg(strstr(error.message, "is no object: no cache uses the memory there"), "%s", error.message);
    inspect_end();
    close_heap(heap);
}
END_TEST

/* ---- holds */

START_TEST(holds_are_the_claims_from_outside_alone)
{
    static struct sgc_root cell;
    open_on(plugins[_i]);
    struct node *a = new_node(nodes, NULL, NULL);
    struct node *b = put(a, &a->left, new_node(nodes, NULL, NULL));
    struct node *c = put(b, &b->left, new_node(nodes, a, b)); /* cycles */
    sgc_set(a, right, c);
    struct node *pushed = sgc_push(new_node(nodes, NULL, NULL)), *rooted = new_node(nodes, NULL, NULL);
    sgc_root_set(&cell, rooted);
    for (int i = 0; i < 300; i++)
        sgc_hold(b); /* beyond the byte */
    inspect_begin();
    assert_holds(a, 1);
    assert_holds(b, 300);
    assert_holds(c, 0);
    assert_holds(pushed, 1);
    assert_holds(rooted, 2);
    ck_assert_uint_eq(inspect.n_objects, 5);
    inspect_end();
    for (int i = 0; i < 300; i++)
        sgc_drop(b);
    sgc_unwind(0);
    sgc_root_set(&cell, NULL);
    sgc_drop(rooted);
    sgc_set(a, left, NULL); /* no cycle is left to a strategy that only counts */
    sgc_set(a, right, NULL);
    sgc_drop(a);
    sgc_heap_close(heap, NULL);
}
END_TEST

static int see_object(void *n, void *object)
{
    (void)object;
    return ++*(int *)n == 3;
}

START_TEST(a_walk_shows_each_object_and_may_end_early)
{
    int n = 0, n_bare = 0;
    static const struct sgc_type bare_type = {.name = "bare", .size_bytes = 16, .flags = SGC_TYPE_MANUAL};
    open_on(plugins[_i]);
    struct sgc_cache *bares = make_cache(heap, &bare_type);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, NULL);
    void *bare = sgc_cache_alloc(bares), *managed = sgc_new(bares);
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_walk(&inspect, nodes, see_object, &n), 0);
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(sgc_inspect_walk(&inspect, bares, see_object, &n_bare), 0);
    ck_assert_int_eq(n_bare, 2);
    n = 0;
    ck_assert_int_eq(sgc_inspect_walk(&inspect, NULL, see_object, &n), 1);
    ck_assert_int_eq(n, 3);
    assert_holds(bare, 0);
    assert_holds(managed, 1);
    inspect_end();
    sgc_cache_free(bares, bare);
    sgc_drop(managed);
    sgc_drop(b);
    sgc_drop(a);
    close_heap(heap);
}
END_TEST

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

/* ---- without memory */

START_TEST(refused_memory_is_an_error_and_nothing_is_lost)
{
    struct sgc_inspect_step *steps;
    size_t n_steps;
    open_on(&counting_plugin);
    struct node *list = new_node(nodes, NULL, NULL);
    for (int i = 0; i < 20000; i++) {
        struct node *next = new_node(nodes, list, NULL);
        sgc_drop(list);
        list = next;
    }
    const size_t before = sgc_meta_bytes();
    sgc_stop_begin(&stop, heap);
    unsigned n_refused = 0;
    for (uint64_t k = 1;; k++) {
        struct sgc_error error = {0};
        sgc_os_fault_arm(k, false);
        int rc = sgc_inspect_open(&inspect, heap, &error);
        rc = rc < 0 ? rc : sgc_inspect_why(&inspect, list, &steps, &n_steps, &error);
        sgc_os_fault_disarm();
        sgc_inspect_close(&inspect);
        if (rc == 0) {
            ck_assert_uint_eq(n_steps, 1);
            sgc_meta_free(steps, sizeof(*steps));
        }
        ck_assert_uint_eq(sgc_meta_bytes(), before);
        if (!sgc_os_fault_fired())
            break;
        ck_assert_int_eq(rc, -ENOMEM);
        ck_assert_msg(strncmp(error.message, "heap graphs: no memory", 22) == 0, "%s", error.message);
        n_refused++;
    }
    sgc_stop_end(&stop);
    ck_assert_uint_ge(n_refused, 4); /* incoming, reached, queue, from */
    sgc_drop(list);
    close_heap(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect");
    TCase *tc = tcase_create("inspect");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_slab_shows_its_slots_and_which_are_in_use);
    tcase_add_test(tc, a_large_object_is_one_slot_of_its_own);
    tcase_add_test(tc, an_address_is_an_object_or_the_error_says_what_it_is);
    tcase_add_test(tc, memory_that_no_cache_uses_is_named_so);
    tcase_add_loop_test(tc, holds_are_the_claims_from_outside_alone, 0, N_PLUGINS);
    tcase_add_loop_test(tc, a_walk_shows_each_object_and_may_end_early, 0, N_PLUGINS);
    tcase_add_loop_test(tc, the_path_is_the_shortest_from_a_held_object_with_the_offset_of_each_step, 0, N_PLUGINS);
    tcase_add_loop_test(tc, what_nothing_holds_has_no_path, 0, N_PLUGINS);
    tcase_add_test(tc, tails_and_trace_callbacks_are_followed);
    tcase_add_loop_test(tc, an_ephemeron_leads_to_its_value_once_its_key_is_reached, 0, N_PLUGINS);
    tcase_add_loop_test(tc, leaks_tell_the_unreachable_from_the_held, 0, N_PLUGINS);
    tcase_add_test(tc, tracked_caches_tell_where_held_objects_were_made);
    tcase_add_test(tc, refused_memory_is_an_error_and_nothing_is_lost);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
