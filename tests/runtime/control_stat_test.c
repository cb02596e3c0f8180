/* control_stat_test.c - the commands stat and caches: the figures of heaps and of caches. */
#include "core/runtime/control_stat.h"

#include "tests/runtime/control_kit.h"
#include <stdio.h>
#include <string.h>

struct leaf {
    long value[8];
};
static const struct sgc_type leaf_type = SGC_TYPE(struct leaf, .flags = SGC_TYPE_LEAF);

START_TEST(stat_has_all_figures_of_a_heap)
{
    static const char *const numbers[] = {"live_objects",   "live_bytes",    "held_bytes",        "peak_bytes",
                                          "external_bytes", "allocated",     "reclaimed",         "minor",
                                          "full",           "emergency",     "visited",           "last_visited",
                                          "stalls",         "grace_periods", "finalizers_queued", "finalizers_run",
                                          "weak_cleared",   "retired_bytes"};
    struct sgc_heap *heap = control_start("memory_limit=64MiB");
    struct sgc_cache *cache = sgc_cache_create(heap, &leaf_type, NULL);
    void *object = sgc_new(cache);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    kit_take_memory();
    int fd = control_connect("socket");
    json_t *stat = control_result(fd, "{\"command\":\"stat\",\"heap\":\"words\"}"),
           *figures = control_at(stat, "heaps.0");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ck_assert_int_ge(control_number(figures, numbers[i]), 0);
    ck_assert_int_gt(control_number(stat, "time_ns"), 0);
    ck_assert_int_gt(control_number(stat, "rss_bytes"), 0);
    ck_assert_str_eq(control_text(figures, "name"), "words");
    ck_assert_str_eq(control_text(figures, "strategy"), "none");
    ck_assert_int_eq(control_number(figures, "live_objects"), 1);
    ck_assert_int_eq(control_number(figures, "full"), 1);
    ck_assert_int_eq(control_number(figures, "memory_limit_bytes"), 64 << 20);
    ck_assert_int_eq(control_number(figures, "hard_limit_bytes"), 80 << 20);
    ck_assert_int_eq(control_number(figures, "pauses.n"), 1);
    ck_assert_int_eq(control_number(figures, "pauses.buckets.0.1"), 1);
    ck_assert_int_ge(control_number(figures, "pauses.buckets.0.0"), control_number(figures, "pauses.max_ns"));
    ck_assert_int_eq(control_number(figures, "times_to_stop.n"), 1);
    json_decref(stat);

    json_t *caches = control_result(fd, "{\"command\":\"caches\"}");
    ck_assert_str_eq(control_text(caches, "caches.0.heap"), "words");
    ck_assert_str_eq(control_text(caches, "caches.0.name"), "leaf");
    ck_assert_int_eq(control_number(caches, "caches.0.object_bytes"), sizeof(struct leaf));
    ck_assert_int_eq(control_number(caches, "caches.0.live"), 1);
    ck_assert_int_ge(control_number(caches, "caches.0.slots"), 1);
    ck_assert_int_ge(control_number(caches, "caches.0.held_bytes"), 65536);
    ck_assert_str_eq(control_text(caches, "caches.0.flags.0"), "leaf");
    json_decref(caches);
    sgc_drop(object);
}
END_TEST

START_TEST(many_heaps_lose_their_buckets_and_then_are_too_many)
{
    control_start(NULL);
    int fd = control_connect("socket");
    for (unsigned i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "more%u", i);
        struct sgc_heap *heap = sgc_heap_open(name, &(struct sgc_heap_options){.strategy = "none"}, NULL);
        ck_assert_ptr_nonnull(heap);
        if (i < 20)
            sgc_heap_collect(heap, SGC_COLLECT_FULL);
        if (i == 30)
            json_decref(control_result(fd, "{\"command\":\"stat\"}"));
    }
    control_refused(fd, "{\"command\":\"stat\"}", "E2BIG",
                    "the answer is longer than a line, 65536 bytes: ask for less, one heap or key say");
    json_decref(control_result(fd, "{\"command\":\"stat\",\"heap\":\"more99\"}"));
}
END_TEST

START_TEST(figures_without_limits_and_buckets_are_null_and_empty)
{
    struct sgc_control_figures figures;
    struct sgc_heap *heap = control_start(NULL);
    sgc_control_figures(heap, &figures);
    figures.stats.pauses = (struct sgc_histogram){.n = 2, .sum_ns = UINT64_MAX, .max_ns = 7, .buckets = {[3] = 2}};
    figures.stats.n_live = UINT64_MAX;
    figures.soft_bytes = figures.hard_bytes = 0;
    figures.needs = SGC_NEED_CYCLES | UINT32_C(1) << 31;
    for (unsigned buckets = 0; buckets < 2; buckets++) {
        json_t *json = sgc_control_figures_json(&figures, buckets);
        ck_assert(json_is_null(control_at(json, "memory_limit_bytes")));
        ck_assert(json_is_null(control_at(json, "hard_limit_bytes")));
        ck_assert_int_eq(control_number(json, "live_objects"), INT64_MAX);
        ck_assert_int_eq(control_number(json, "pauses.sum_ns"), INT64_MAX);
        ck_assert_uint_eq(json_array_size(control_at(json, "pauses.buckets")), buckets);
        ck_assert_uint_eq(json_array_size(control_at(json, "times_to_stop.buckets")), 0);
        ck_assert_int_eq(control_number(json, "times_to_stop.p999_ns"), 0);
        ck_assert_uint_eq(json_array_size(control_at(json, "needs")), 1); /* an unknown bit has no name */
        ck_assert_str_eq(control_text(json, "needs.0"), "cycles");
        json_decref(json);
    }
    json_t *none = sgc_control_capabilities(0);
    ck_assert_uint_eq(json_array_size(none), 0);
    json_decref(none);
}
END_TEST

struct row {
    long n;
    long values[];
};
static const struct sgc_type row_type = SGC_TYPE(struct row, SGC_TAIL_DATA(sizeof(long)), .flags = SGC_TYPE_LEAF);

START_TEST(a_cache_has_its_flags_and_checks_by_name)
{
    static const struct sgc_type manual_type = {.name = "manual", .size_bytes = 8, .flags = SGC_TYPE_MANUAL};
    static const struct sgc_type lasting_type = {
        .name = "lasting", .size_bytes = 8, .flags = SGC_TYPE_IMMORTAL | SGC_TYPE_LEAF | SGC_TYPE_ACYCLIC};
    struct sgc_heap *heap = control_start("cache.manual.debug=track"), *other;
    other = sgc_heap_open("other", &(struct sgc_heap_options){.strategy = "none"}, NULL);
    ck_assert_ptr_nonnull(sgc_cache_create(heap, &manual_type, NULL));
    ck_assert_ptr_nonnull(sgc_cache_create(heap, &lasting_type, NULL));
    ck_assert_ptr_nonnull(sgc_cache_create(other, &row_type, NULL));
    int fd = control_connect("socket");
    json_t *caches = control_result(fd, "{\"command\":\"caches\",\"heap\":\"words\"}"), *cache;
    size_t i;
    ck_assert_uint_eq(json_array_size(control_at(caches, "caches")), 2);
    json_array_foreach (control_at(caches, "caches"), i, cache) {
        const bool manual = strcmp(control_text(cache, "name"), "manual") == 0;
        ck_assert_uint_eq(json_array_size(control_at(cache, "flags")), manual ? 1 : 3);
        ck_assert_str_eq(control_text(cache, "flags.0"), manual ? "manual" : "acyclic");
        ck_assert_uint_eq(json_array_size(control_at(cache, "debug")), manual);
        ck_assert(json_is_false(control_at(cache, "variable")));
        ck_assert_int_eq(control_number(cache, "live"), 0);
    }
    json_decref(caches);
    caches = control_result(fd, "{\"command\":\"caches\"}");
    ck_assert_uint_eq(json_array_size(control_at(caches, "caches")), 3);
    ck_assert_str_eq(control_text(caches, "caches.2.heap"), "other");
    ck_assert(json_is_true(control_at(caches, "caches.2.variable")));
    json_decref(caches);
}
END_TEST

START_TEST(objects_of_every_size_have_slots)
{
    struct sgc_heap *heap = control_start(NULL);
    struct sgc_cache *rows = sgc_cache_create(heap, &row_type, NULL);
    void *small = sgc_new_n(rows, 3), *large = sgc_new_n(rows, 100000);
    int fd = control_connect("socket");
    json_t *caches = control_result(fd, "{\"command\":\"caches\"}");
    const json_int_t n_slots = control_number(caches, "caches.0.slots");
    ck_assert_int_eq(control_number(caches, "caches.0.live"), 2);
    ck_assert_int_ge(n_slots, 2);
    ck_assert_int_ge(control_number(caches, "caches.0.live_bytes"), 100000 * (json_int_t)sizeof(long));
    json_decref(caches);
    sgc_drop(large);
    caches = control_result(fd, "{\"command\":\"caches\"}");
    ck_assert_int_eq(control_number(caches, "caches.0.live"), 1);
    ck_assert_int_eq(control_number(caches, "caches.0.slots"), n_slots - 1); /* a large object's place goes with it */
    json_decref(caches);
    sgc_drop(small);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control stat");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, stat_has_all_figures_of_a_heap);
    tcase_add_test(all, many_heaps_lose_their_buckets_and_then_are_too_many);
    tcase_add_test(all, figures_without_limits_and_buckets_are_null_and_empty);
    tcase_add_test(all, a_cache_has_its_flags_and_checks_by_name);
    tcase_add_test(all, objects_of_every_size_have_slots);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
