/* malloc_test.c - sgc_malloc_heap: one heap, whoever asks; config has no say in it. */
#include "core/heap/heap.h"
#include "tests/runtime/kit.h"
#include <errno.h>
#include <pthread.h>
#include <slabgc/slabgc.h>
#include <stdlib.h>

static pthread_barrier_t barrier;

static void *ask(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&barrier);
    return sgc_malloc_heap(NULL);
}

START_TEST(threads_that_ask_at_once_get_the_same_heap)
{
    pthread_t threads[4];
    void *heaps[4];
    kit_isolate();
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], &heaps[i]);
    for (int i = 0; i < 4; i++)
        ck_assert(heaps[i] && heaps[i] == heaps[0]);
    ck_assert_str_eq(sgc_heap_name(heaps[0]), "malloc");
}
END_TEST

START_TEST(config_does_not_reach_it)
{
    struct sgc_error error = {0};
    kit_isolate();
    setenv("SLABGC", "heap.malloc.strategy=nothing-like-it,heap.malloc.memory_limit=1MiB", 1);
    struct sgc_heap *heap = sgc_malloc_heap(&error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    ck_assert_str_eq(sgc_heap_strategy(heap), "none");
    void *object = sgc_malloc(2 << 20);
    ck_assert_ptr_nonnull(object);
    sgc_free(object);
}
END_TEST

START_TEST(it_switches_to_no_other_strategy)
{
    struct sgc_error error = {0};
    kit_isolate();
    struct sgc_heap *heap = sgc_malloc_heap(NULL);
    ck_assert_int_eq(sgc_heap_switch(heap, "none", &error), -ENOTSUP);
    kit_assert_message(&error, "heap malloc: malloc's caches have no other strategy than none");
}
END_TEST

START_TEST(a_program_with_a_heap_of_that_name_keeps_it)
{
    struct sgc_error error = {0};
    kit_isolate();
    struct sgc_heap *heap = sgc_heap_open("malloc", NULL, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    ck_assert_ptr_null(sgc_malloc_heap(&error));
    ck_assert_int_eq(error.code, -EEXIST);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
    ck_assert_ptr_nonnull(sgc_malloc_heap(NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("malloc");
    TCase *tcase = tcase_create("malloc");
    tcase_add_test(tcase, threads_that_ask_at_once_get_the_same_heap);
    tcase_add_test(tcase, config_does_not_reach_it);
    tcase_add_test(tcase, it_switches_to_no_other_strategy);
    tcase_add_test(tcase, a_program_with_a_heap_of_that_name_keeps_it);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
