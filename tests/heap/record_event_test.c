/* record_event_test.c - small programs on one thread, and exactly the events that they are. */
#include "core/cache/call.h"
#include "tests/heap/recording.h"

static struct sgc_heap *heap;
static struct sgc_cache *nodes;
static struct recording *recording;
static struct names names;

/* Cache 1 is the nodes'. */
static void begin_on(const struct sgc_strategy_plugin *plugin)
{
    memset(&names, 0, sizeof(names));
    recording = recording_begin(NULL);
    heap = open_limited("events", plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
}

static void end_with(const char *expected)
{
    (void)recording_end(recording);
    expect_events(recording, &names, expected);
    recording_free(recording);
    close_heap(heap);
}

static struct node *make(const char *name)
{
    struct node *node = sgc_new(nodes);
    name_it(&names, name, node);
    return node;
}

static const struct sgc_strategy_plugin *const plugins[] = {&sharing_plugin, &marking_plugin};

/* cache_link has a section of its own. */
#define BEGIN "enter; leave; "

START_TEST(new_hold_drop_at_rest)
{
    begin_on(plugins[_i]);
    struct node *a = make("a");
    sgc_hold(a);
    sgc_drop(a);
    sgc_drop(a);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    end_with(_i == 0 ? BEGIN "new:1 a; hold a; drop a; drop a; death a; collect:1 full"
                     : BEGIN "new:1 a; hold a; drop a; drop a; collect:1 full; death a");
}
END_TEST

START_TEST(stores_at_rest_and_in_a_section)
{
    begin_on(plugins[_i]);
    struct node *a = make("a"), *b = make("b");
    void *const immediate = (void *)(uintptr_t)41;
    sgc_set(a, left, b);
    sgc_enter();
    sgc_set(a, right, a);
    sgc_enter();
    sgc_set(b, left, immediate);
    sgc_leave();
    sgc_set(a, right, NULL);
    sgc_hold(b);
    sgc_drop(b);
    sgc_leave();
    sgc_set(a, left, NULL);
    sgc_drop(a);
    sgc_drop(b);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    end_with(
        _i == 0 ? BEGIN
            "new:1 a; new:1 b; store a.0=b; enter; store a.1=a; store b.0=immediate; store a.1=NULL; hold b; drop b; "
            "leave; store a.0=NULL; drop a; death a; drop b; death b; collect:1 full"
                : BEGIN
            "new:1 a; new:1 b; store a.0=b; enter; store a.1=a; store b.0=immediate; store a.1=NULL; hold b; drop b; "
            "leave; store a.0=NULL; drop a; drop b; collect:1 full; death a; death b");
}
END_TEST

START_TEST(exchange_and_compare)
{
    begin_on(plugins[_i]);
    struct node *a = make("a"), *b = make("b");
    sgc_drop(sgc_xchg(a, left, b));
    struct node *old = sgc_xchg(a, left, NULL);
    ck_assert_ptr_eq(old, b);
    sgc_drop(old);
    ck_assert(sgc_cas(a, right, NULL, b));
    ck_assert(!sgc_cas(a, right, NULL, a));
    struct node *both[2] = {b, NULL};
    sgc_store_bulk(a, left, both, 2);
    sgc_set(a, left, NULL);
    sgc_drop(b);
    sgc_drop(a);
    end_with(_i == 0 ? BEGIN "new:1 a; new:1 b; exchange a.0=b was NULL; exchange a.0=NULL was b; drop b; store a.1=b; "
                             "store a.0=b; store a.1=NULL; store a.0=NULL; drop b; death b; drop a; death a"
                     : BEGIN "new:1 a; new:1 b; exchange a.0=b was NULL; exchange a.0=NULL was b; drop b; store a.1=b; "
                             "store a.0=b; store a.1=NULL; store a.0=NULL; drop b; drop a");
}
END_TEST

START_TEST(root_cells_are_holds)
{
    static struct sgc_root root;
    begin_on(plugins[_i]);
    struct node *a = make("a"), *b = make("b");
    sgc_root_set(&root, a);
    sgc_root_set(&root, b);
    sgc_root_set(&root, NULL);
    sgc_push(a);
    sgc_unwind(0);
    sgc_drop(b);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    end_with(_i == 0 ? BEGIN "new:1 a; new:1 b; hold a; hold b; drop a; drop b; drop a; death a; drop b; death b; "
                             "collect:1 full"
                     : BEGIN "new:1 a; new:1 b; hold a; hold b; drop a; drop b; drop a; drop b; collect:1 full; "
                             "death a; death b");
}
END_TEST

struct vector {
    size_t n;
    void *items[];
};
static const struct sgc_type vector_type = SGC_TYPE(struct vector, SGC_TAIL_REFS);
struct large {
    char bytes[200000];
};
static const struct sgc_type large_type = SGC_TYPE(struct large);

START_TEST(objects_of_every_size)
{
    begin_on(plugins[_i]);
    struct sgc_cache *vectors = make_cache(heap, &vector_type), *larges = make_cache(heap, &large_type);
    struct node *a = make("a");
    struct vector *v = sgc_new_n(vectors, 3), *w = sgc_new_n(vectors, 20000);
    void *l = sgc_new(larges);
    name_it(&names, "v", v);
    name_it(&names, "w", w);
    name_it(&names, "l", l);
    sgc_set(v, items[2], a);
    sgc_set(w, items[19999], v);
    sgc_drop(a);
    sgc_drop(v);
    sgc_drop(l);
    sgc_set(w, items[19999], NULL);
    sgc_drop(w);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    end_with(_i == 0 ? BEGIN "enter; leave; enter; leave; new:1 a; new:2 v*3; new:2 w*20000; new:3 l; store v.3=a; "
                             "store w.20000=v; drop a; drop v; drop l; death l; store w.20000=NULL; death v; death a; "
                             "drop w; death w; collect:1 full"
                     : BEGIN "enter; leave; enter; leave; new:1 a; new:2 v*3; new:2 w*20000; new:3 l; store v.3=a; "
                             "store w.20000=v; drop a; drop v; drop l; store w.20000=NULL; drop w; collect:1 full; "
                             "death a; death v; death w; death l");
}
END_TEST

struct bare {
    char bytes[48];
};
static const struct sgc_type bare_type = SGC_TYPE(struct bare, .flags = SGC_TYPE_MANUAL);

START_TEST(bare_and_manual_objects)
{
    begin_on(plugins[_i]);
    struct sgc_cache *bares = make_cache(heap, &bare_type);
    void *x = sgc_cache_alloc(bares), *several[2];
    ck_assert_uint_eq(sgc_cache_alloc_bulk(bares, several, 2), 2);
    void *m = sgc_new(bares), *k = sgc_new(bares);
    name_it(&names, "x", x);
    name_it(&names, "p", several[0]);
    name_it(&names, "q", several[1]);
    name_it(&names, "m", m);
    name_it(&names, "k", k);
    sgc_cache_free(bares, x);
    sgc_cache_free_bulk(bares, several, 2);
    sgc_hold(m);
    sgc_drop(m);
    sgc_drop(m);
    sgc_cache_free(bares, k);
    end_with(BEGIN "enter; leave; bare:2 x; bare:2 p; bare:2 q; new:2 m; new:2 k; free x; free p; free q; hold m; "
                   "drop m; drop m; death m; free k");
}
END_TEST

START_TEST(weak_references)
{
    begin_on(plugins[_i]);
    struct node *a = make("a");
    struct sgc_weak *weak = sgc_weak_create(a), *none = sgc_weak_create(NULL), *other = sgc_weak_create(a);
    ck_assert_ptr_eq(sgc_weak_get(weak), a);
    ck_assert_ptr_null(sgc_weak_get(none));
    assert_verifies(heap);
    sgc_drop(a);
    sgc_drop(a);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_ptr_null(sgc_weak_get(weak));
    sgc_weak_destroy(weak);
    sgc_weak_destroy(none);
    sgc_weak_destroy(other);
    end_with(_i == 0 ? BEGIN "new:1 a; weak 1 of a; weak 2 of a; weak 1 gives a; drop a; drop a; death a; "
                             "collect:1 full; weak 1 gives NULL; weak 1 ends; weak 2 ends"
                     : BEGIN "new:1 a; weak 1 of a; weak 2 of a; weak 1 gives a; drop a; drop a; collect:1 full; "
                             "death a; weak 1 gives NULL; weak 1 ends; weak 2 ends");
}
END_TEST

START_TEST(ephemerons)
{
    begin_on(plugins[_i]);
    struct node *key = make("key"), *value = make("value");
    void *e = sgc_ephemeron_new(heap, key, value);
    name_it(&names, "e", e);
    sgc_drop(value);
    ck_assert_ptr_eq(sgc_ephemeron_key(e), key);
    ck_assert_ptr_eq(sgc_ephemeron_value(e), value);
    sgc_drop(key);
    sgc_drop(value);
    sgc_drop(key);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_drop(e);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    end_with(_i == 0 ? BEGIN "new:1 key; new:1 value; enter; leave; ephemeron:1 e key key value value; drop value; "
                             "hold key; hold value; drop key; drop value; drop key; death value; death key; "
                             "collect:1 full; drop e; death e; collect:1 full"
                     : BEGIN "new:1 key; new:1 value; enter; leave; ephemeron:1 e key key value value; drop value; "
                             "hold key; hold value; drop key; drop value; drop key; collect:1 full; death key; "
                             "death value; drop e; collect:1 full; death e");
}
END_TEST

static unsigned n_finalized;
static void node_finalize(void *object)
{
    (void)object;
    n_finalized++;
}
static const struct sgc_type final_type =
    SGC_TYPE(struct node, SGC_REFS(struct node, left, right), .finalize = node_finalize);

START_TEST(finalizers)
{
    memset(&names, 0, sizeof(names));
    recording = recording_begin(NULL);
    heap = open_limited("events", plugins[_i], 0, 0);
    nodes = make_cache(heap, &final_type);
    sgc_drop(make("a"));
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 1);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    end_with(_i == 0 ? BEGIN "new:1 a; drop a; collect:1 full; finalize a; finalized a; death a; collect:1 full"
                     : BEGIN "new:1 a; drop a; collect:1 full; finalize a; finalized a; collect:1 full; death a");
}
END_TEST

START_TEST(accounts_and_closes)
{
    begin_on(plugins[_i]);
    sgc_account(heap, 100);
    sgc_enter();
    sgc_account(heap, -100);
    sgc_leave();
    sgc_drop(make("b"));
    close_heap(heap);
    heap = open_limited("events", plugins[_i], 0, 0);
    nodes = make_cache(heap, &node_type);
    sgc_drop(make("b"));
    end_with(_i == 0 ? BEGIN "account:1 100; enter; account:1 -100; leave; new:1 b; drop b; death b; close:1; " BEGIN
                             "new:2 b; drop b; death b"
                     : BEGIN "account:1 100; enter; account:1 -100; leave; new:1 b; drop b; death b; close:1; " BEGIN
                             "new:2 b; drop b");
}
END_TEST

START_TEST(a_chunk_is_a_message_at_most_and_is_followed_by_the_next)
{
    begin_on(plugins[_i]);
    struct node *a = make("a");
    for (unsigned i = 0; i < 100000; i++)
        sgc_set(a, left, i & 1 ? a : NULL);
    sgc_set(a, left, NULL);
    sgc_drop(a);
    struct sgc_record_totals totals = recording_end(recording);
    ck_assert_uint_gt(recording->n_chunks, 3);
    ck_assert_uint_ge(recording->n_events, 100000);
    ck_assert_uint_lt(totals.n_bytes, 8 * recording->n_events);
    for (size_t i = 1; i < recording->n_events; i++)
        ck_assert_uint_ge(recording->events[i].time_ns, recording->events[i - 1].time_ns);
    recording_free(recording);
    close_heap(heap);
}
END_TEST

/* After the end the program runs as if nothing had been. */
START_TEST(the_fast_paths_are_open_again_after_the_end)
{
    begin_on(plugins[_i]);
    struct node *a = make("a");
    const struct sgc_cache saved = *nodes;
    ck_assert(saved.special && saved.record_index == 1);
    (void)recording_end(recording);
    ck_assert(!nodes->special && nodes->record_index == 0);
    ck_assert_uint_eq(nodes->new_state, heap->ops->new_state);
    ck_assert_uint_eq(nodes->end_state, heap->ops->end_state);
    ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, a), heap->ops->new_state);
    ck_assert(sgc_arena_covers_plainly(a) && !(sgc_stop_flag & SGC_STOP_RECORDING));
    ck_assert_uint_eq(sgc_context_.store_mask, SGC_STATE_STORE);
    sgc_drop(a);
    recording_free(recording);
    close_heap(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record_event");
    TCase *tcase = tcase_create("events");
    tcase_add_loop_test(tcase, new_hold_drop_at_rest, 0, 2);
    tcase_add_loop_test(tcase, stores_at_rest_and_in_a_section, 0, 2);
    tcase_add_loop_test(tcase, exchange_and_compare, 0, 2);
    tcase_add_loop_test(tcase, root_cells_are_holds, 0, 2);
    tcase_add_loop_test(tcase, objects_of_every_size, 0, 2);
    tcase_add_loop_test(tcase, bare_and_manual_objects, 0, 2);
    tcase_add_loop_test(tcase, weak_references, 0, 2);
    tcase_add_loop_test(tcase, ephemerons, 0, 2);
    tcase_add_loop_test(tcase, finalizers, 0, 2);
    tcase_add_loop_test(tcase, accounts_and_closes, 0, 2);
    tcase_add_loop_test(tcase, a_chunk_is_a_message_at_most_and_is_followed_by_the_next, 0, 2);
    tcase_add_loop_test(tcase, the_fast_paths_are_open_again_after_the_end, 0, 2);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
