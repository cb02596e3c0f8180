/* record_found_test.c - a recording that begins on live heaps writes what it finds there as thread 0. */
#include "tests/heap/recording.h"

static const struct sgc_strategy_plugin *const plugins[] = {&sharing_plugin, &tracing_plugin};
static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void open_nodes(const struct sgc_strategy_plugin *plugin)
{
    heap = open_limited("recorded", plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
}

START_TEST(a_live_heap_is_written_as_thread_0)
{
    struct names names = {.n = 0};
    static struct sgc_root root;
    open_nodes(plugins[_i]);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, a, (void *)(uintptr_t)7);
    struct node *dead = new_node(nodes, a, NULL);
    name_it(&names, "a", a);
    name_it(&names, "b", b);
    sgc_drop(dead);
    sgc_hold(b);
    sgc_drop(a);
    sgc_root_set(&root, b);
    struct sgc_weak *weak = sgc_weak_create(a);
    struct recording *recording = recording_begin(NULL);
    assert_verifies(heap);
    struct node *got = sgc_weak_get(weak);
    ck_assert_ptr_eq(got, a);
    sgc_set(b, left, NULL);
    sgc_drop(got);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_weak_destroy(weak);
    (void)recording_end(recording);
    expect_events(recording, &names,
                  _i == 0 ? "new:1 a; new:1 b; store b.0=a; store b.1=immediate; drop a; holds b+2; weak 1 of a; "
                            "weak 1 gives a; store b.0=NULL; drop a; death a; collect:1 full; weak 1 ends"
                          : "new:1 a; new:1 b; store b.0=a; store b.1=immediate; drop a; holds b+2; weak 1 of a; "
                            "weak 1 gives a; store b.0=NULL; drop a; collect:1 full; death a; weak 1 ends");
    ck_assert_uint_eq(recording->events[0].thread, 0);
    ck_assert_uint_eq(recording->events[6].thread, 0);
    ck_assert_uint_eq(recording->events[7].thread, 1);
    sgc_root_set(&root, NULL);
    sgc_drop(b);
    sgc_drop(b);
    recording_free(recording);
    close_heap(heap);
}
END_TEST

START_TEST(ephemerons_are_found_after_what_they_name)
{
    struct names names = {.n = 0};
    open_nodes(&sharing_plugin);
    struct node *key = new_node(nodes, NULL, NULL), *value = new_node(nodes, NULL, NULL);
    void *inner = sgc_ephemeron_new(heap, key, value), *outer = sgc_ephemeron_new(heap, inner, key);
    name_it(&names, "key", key);
    name_it(&names, "value", value);
    name_it(&names, "inner", inner);
    name_it(&names, "outer", outer);
    struct recording *recording = recording_begin(NULL);
    assert_verifies(heap);
    (void)recording_end(recording);
    expect_events(
        recording, &names,
        "new:1 key; new:1 value; ephemeron:1 inner key key value value; ephemeron:1 outer key inner value key");
    recording_free(recording);
    sgc_drop(outer);
    sgc_drop(inner);
    sgc_drop(value);
    sgc_drop(key);
    close_heap(heap);
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

START_TEST(an_object_that_waits_for_its_finalizer_is_found)
{
    struct names names = {.n = 0};
    heap = open_limited("recorded", plugins[_i], 0, 0);
    struct sgc_cache *finals = make_cache(heap, &final_type);
    void *f = sgc_new(finals);
    name_it(&names, "f", f);
    sgc_drop(f);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    struct recording *recording = recording_begin(NULL);
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), 1);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    (void)recording_end(recording);
    expect_events(recording, &names,
                  _i == 0 ? "new:1 f; finalize f; drop f; finalized f; death f; collect:1 full"
                          : "new:1 f; finalize f; drop f; finalized f; collect:1 full; death f");
    recording_free(recording);
    close_heap(heap);
}
END_TEST

struct bare {
    char bytes[48];
};
static const struct sgc_type bare_type = SGC_TYPE(struct bare, .flags = SGC_TYPE_MANUAL);

START_TEST(bare_objects_of_caches_from_before_are_left_out)
{
    struct names names = {.n = 0};
    open_nodes(plugins[_i]);
    struct sgc_cache *bares = make_cache(heap, &bare_type);
    void *x = sgc_cache_alloc(bares);
    struct recording *recording = recording_begin(NULL);
    void *y = sgc_cache_alloc(bares);
    sgc_cache_free(bares, x);
    void *m = sgc_new(bares);
    name_it(&names, "m", m);
    sgc_cache_free(bares, y);
    sgc_cache_free(bares, m);
    (void)recording_end(recording);
    expect_events(recording, &names, "new:2 m; free m");
    recording_free(recording);
    close_heap(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record_found");
    TCase *tcase = tcase_create("recordings");
    tcase_set_timeout(tcase, 110);
    tcase_add_loop_test(tcase, a_live_heap_is_written_as_thread_0, 0, 2);
    tcase_add_test(tcase, ephemerons_are_found_after_what_they_name);
    tcase_add_loop_test(tcase, an_object_that_waits_for_its_finalizer_is_found, 0, 2);
    tcase_add_loop_test(tcase, bare_objects_of_caches_from_before_are_left_out, 0, 2);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
