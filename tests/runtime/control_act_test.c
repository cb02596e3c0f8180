/* control_act_test.c - commands that act on heaps: collect, reap, switch. */
#include "core/heap/heap.h"
#include "core/os/fault.h"
#include "core/runtime/control.h"
#include "core/runtime/control_server.h"

#include "tests/runtime/control_kit.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct leaf {
    long value[8];
};
static const struct sgc_type leaf_type = SGC_TYPE(struct leaf, .flags = SGC_TYPE_LEAF);

START_TEST(collect_and_reap_do_what_they_say_and_a_dry_run_nothing)
{
    struct sgc_heap *heap = control_start(NULL);
    struct sgc_cache *cache = sgc_cache_create(heap, &leaf_type, NULL);
    void *held[20000];
    int fd = control_connect("socket");
    struct sgc_stats stats;
    for (size_t i = 0; i < 20000; i++)
        held[i] = sgc_new(cache);
    json_t *dry = control_result(fd, "{\"command\":\"collect\",\"kind\":\"full\",\"dry_run\":true}");
    ck_assert_int_eq(control_number(dry, "heaps.0.before_objects"), 20000);
    json_decref(dry);
    sgc_heap_stats(heap, &stats);
    ck_assert_uint_eq(stats.n_full, 0);
    for (size_t i = 0; i < 20000; i++)
        sgc_drop(held[i]);
    json_t *full = control_result(fd, "{\"command\":\"collect\",\"kind\":\"full\",\"heap\":\"words\"}");
    ck_assert_str_eq(control_text(full, "heaps.0.heap"), "words");
    ck_assert_int_eq(control_number(full, "heaps.0.after_objects"), 0);
    ck_assert_int_gt(control_number(full, "heaps.0.stop_ns"), 0);
    json_decref(full);
    sgc_heap_stats(heap, &stats);
    ck_assert_uint_eq(stats.n_full, 1);
    json_t *reap = control_result(fd, "{\"command\":\"reap\",\"dry_run\":true}");
    ck_assert_int_eq(control_number(reap, "before_bytes"), control_number(reap, "after_bytes"));
    json_decref(reap);
    reap = control_result(fd, "{\"command\":\"reap\"}");
    ck_assert_int_le(control_number(reap, "after_bytes"), control_number(reap, "before_bytes"));
    json_decref(reap);
}
END_TEST

static void *run_without_memory(void *code)
{
    static const char line[] = "{\"command\":\"collect\",\"kind\":\"full\"}";
    struct sgc_control_request request;
    bool fatal;
    sgc_control_request_begin(&request, line, strlen(line), &fatal);
    sgc_os_fault_arm(1, true);
    *(int *)code = request.command->run(&request);
    sgc_os_fault_disarm();
    sgc_control_request_end(&request);
    return NULL;
}

/* A thread that collects is attached, which takes memory. */
START_TEST(a_collection_without_memory_for_its_thread_is_refused)
{
    int code = 0;
    pthread_t thread;
    control_start(NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_without_memory, &code), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(code, -ENOMEM);
}
END_TEST

static bool collecting; /* atomic */

static void *collect_much(void *arg)
{
    struct sgc_cache *cache = arg;
    void *held[2000];
    while (__atomic_load_n(&collecting, __ATOMIC_RELAXED)) {
        for (size_t i = 0; i < 2000; i++)
            held[i] = sgc_new(cache);
        for (size_t i = 0; i < 2000; i++)
            sgc_drop(held[i]);
        sgc_heap_collect(sgc_cache_heap(cache), SGC_COLLECT_FULL);
    }
    return NULL;
}

/* By a server that was attached by a collection (1), and by one that was not. */
START_TEST(reap_keeps_out_of_the_way_of_collections)
{
    struct sgc_heap *heap = control_start(NULL);
    struct sgc_cache *cache = sgc_cache_create(heap, &leaf_type, NULL);
    struct sgc_error error;
    pthread_t thread;
    int fd = control_connect("socket");
    if (_i)
        json_decref(control_result(fd, "{\"command\":\"collect\",\"kind\":\"full\"}"));
    collecting = true;
    ck_assert_int_eq(pthread_create(&thread, NULL, collect_much, cache), 0);
    for (unsigned i = 0; i < 500; i++)
        json_decref(control_result(fd, "{\"command\":\"reap\"}"));
    __atomic_store_n(&collecting, false, __ATOMIC_RELAXED);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_msg(sgc_heap_verify(heap, &error) == 0, "%s", error.message);
}
END_TEST

START_TEST(a_heap_is_moved_to_another_strategy_or_refused)
{
    control_start(NULL);
    struct sgc_heap *heap = sgc_heap_open("other", &(struct sgc_heap_options){.strategy = "good"}, NULL);
    ck_assert_ptr_nonnull(heap);
    int fd = control_connect("socket");
    json_t *moved =
        control_result(fd, "{\"command\":\"switch\",\"heap\":\"other\",\"strategy\":\"second\",\"dry_run\":true}");
    ck_assert_str_eq(sgc_heap_strategy(heap), "good");
    json_decref(moved);
    moved = control_result(fd, "{\"command\":\"switch\",\"heap\":\"other\",\"strategy\":\"second\"}");
    ck_assert_str_eq(control_text(moved, "old"), "good");
    ck_assert_str_eq(control_text(moved, "new"), "second");
    ck_assert_int_gt(control_number(moved, "stop_ns"), 0);
    json_decref(moved);
    ck_assert_str_eq(sgc_heap_strategy(heap), "second");
    control_expect_origin(fd, "heap.other.strategy", "second", "gcctl");
    control_refused(fd, "{\"command\":\"switch\",\"heap\":\"other\",\"strategy\":\"secnd\"}", "ENOENT",
                    "unknown strategy \"secnd\"; did you mean \"second\"?");
    control_refused(fd, "{\"command\":\"switch\",\"heap\":\"othr\",\"strategy\":\"good\"}", "EINVAL",
                    "no heap \"othr\"; did you mean \"other\"?");
    ck_assert_str_eq(sgc_heap_strategy(heap), "second");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control act");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, collect_and_reap_do_what_they_say_and_a_dry_run_nothing);
    tcase_add_test(all, a_collection_without_memory_for_its_thread_is_refused);
    tcase_add_loop_test(all, reap_keeps_out_of_the_way_of_collections, 0, 2);
    tcase_add_test(all, a_heap_is_moved_to_another_strategy_or_refused);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
