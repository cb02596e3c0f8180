/* control_stat_test.c - the commands stat and caches: the figures of heaps and of caches. */
#include "core/runtime/control_stat.h"

#include "tests/runtime/control_kit.h"
#include <stdio.h>

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

int main(void)
{
    Suite *suite = suite_create("control stat");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, stat_has_all_figures_of_a_heap);
    tcase_add_test(all, many_heaps_lose_their_buckets_and_then_are_too_many);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
