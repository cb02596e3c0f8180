/* depot_test.c - slabs between threads and class: adoption, depot, bounded memory under thread churn. */
#include "core/os/meta.h"
#include "tests/cache/items.h"

#include <pthread.h>
#include <stdlib.h>

static void *alloc_and_leave(void *arg)
{
    void **objects = arg;
    for (size_t i = 0; i < 3 * PER_SLAB; i++)
        objects[i] = sgc_cache_alloc(cache);
    for (size_t i = 0; i < 3 * PER_SLAB; i += 2)
        sgc_cache_free(cache, objects[i]);
    attach_end();
    return NULL;
}

START_TEST(a_new_thread_adopts_the_front_of_a_dead_one)
{
    static void *objects[3 * PER_SLAB];
    in_thread(alloc_and_leave, objects);
    ck_assert(!sgc_list_empty(&class_->idle_fronts));
    const struct sgc_front *idle = SGC_LIST_ENTRY(class_->idle_fronts.next, struct sgc_front, link);
    const uint32_t n_slabs = class_->n_slabs;
    for (size_t i = 0; i < 3 * PER_SLAB / 2; i++)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    ck_assert_ptr_eq(sgc_front_of(class_), idle);
    ck_assert_uint_eq(class_->n_slabs, n_slabs); /* what the dead one freed served this one */
    ck_assert(sgc_list_empty(&class_->idle_fronts));
}
END_TEST

START_TEST(a_thread_with_a_front_takes_slabs_of_idle_ones)
{
    static void *objects[3 * PER_SLAB];
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache)); /* has a front */
    while (sgc_front_of(class_)->n || sgc_front_of(class_)->current)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    in_thread(alloc_and_leave, objects);
    const uint32_t n_slabs = class_->n_slabs;
    for (size_t i = 0; i < 3 * PER_SLAB / 2; i++)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    ck_assert_uint_eq(class_->n_slabs, n_slabs);
}
END_TEST

START_TEST(frees_into_slabs_of_idle_fronts_are_not_lost)
{
    static void *objects[3 * PER_SLAB];
    in_thread(alloc_and_leave, objects);
    for (size_t i = 1; i < 3 * PER_SLAB; i += 2)
        sgc_slot_free(objects[i]);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    sgc_cache_shrink(cache);
    ck_assert_uint_eq(class_->n_slabs, 0);
}
END_TEST

static void *short_life(void *arg)
{
    void *objects[64];
    const int n = *(const int *)arg % 64 + 1;
    for (int i = 0; i < n; i++)
        objects[i] = sgc_cache_alloc(cache);
    for (int i = 0; i < n; i++)
        sgc_cache_free(cache, objects[i]);
    attach_end();
    return NULL;
}

START_TEST(a_thousand_short_threads_leave_the_memory_of_one)
{
    size_t meta_bytes = 0;
    uint64_t n_allocated = 0;
    for (int i = 0; i < 1000; i++) {
        in_thread(short_life, &i);
        n_allocated += (uint64_t)i % 64 + 1;
        if (i == 10)
            meta_bytes = sgc_meta_bytes();
    }
    ck_assert_uint_le(class_->n_slabs, 2);
    ck_assert_uint_eq(sgc_meta_bytes(), meta_bytes);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    ck_assert_uint_eq(sgc_cache_n_allocated(cache), n_allocated); /* counters of dead threads are kept */
}
END_TEST

static void *leak_one(void *arg)
{
    *(void **)arg = sgc_cache_alloc(cache);
    attach_end();
    return NULL;
}

START_TEST(what_dead_threads_left_alive_fills_up_the_same_slabs)
{
    static void *objects[1000];
    for (int i = 0; i < 1000; i++)
        in_thread(leak_one, &objects[i]);
    ck_assert_uint_le(class_->n_slabs, 2);
    for (int i = 0; i < 1000; i++)
        sgc_cache_free(cache, objects[i]);
}
END_TEST

static void fill_and_empty(size_t n)
{
    void **objects = malloc(n * sizeof(void *));
    for (size_t i = 0; i < n; i++)
        objects[i] = sgc_cache_alloc(cache);
    for (size_t i = 0; i < n; i++)
        sgc_cache_free(cache, objects[i]);
    free(objects);
}

START_TEST(a_few_empty_slabs_are_kept_and_the_rest_leaves)
{
    fill_and_empty(50 * PER_SLAB);
    ck_assert_uint_eq(class_->n_empty, class_->n_keep);
    ck_assert_uint_le(class_->n_slabs, class_->n_keep + 2);
    fill_and_empty(2 * PER_SLAB);
    ck_assert_uint_le(class_->n_slabs, class_->n_keep + 2);
}
END_TEST

static int n_constructed;
static int count_ctor(void *slot)
{
    (void)slot;
    n_constructed++;
    return 0;
}

START_TEST(kept_slabs_keep_their_constructed_state)
{
    const struct sgc_type type = {.name = "built", .size_bytes = 64, .ctor = count_ctor};
    cache = attach_cache(&type, 0, NULL);
    fill_and_empty(4 * PER_SLAB);
    const int before = n_constructed;
    for (int i = 0; i < 10; i++)
        fill_and_empty(4 * PER_SLAB);
    ck_assert_int_eq(n_constructed, before);
    sgc_cache_unmake(cache);
    cache = SGC_CONTAINER_OF(sgc_caches.next, struct sgc_cache, link);
}
END_TEST

static void *churn(void *seed)
{
    uint64_t state = *(uint64_t *)seed;
    static __thread void *objects[2000];
    for (int i = 0; i < 30000; i++) {
        void **object = &objects[support_random(&state) % 2000];
        if (*object) {
            sgc_cache_free(cache, *object);
            *object = NULL;
        } else {
            *object = sgc_cache_alloc(cache);
        }
    }
    for (int i = 0; i < 2000; i++)
        sgc_cache_free(cache, objects[i]);
    attach_end();
    return NULL;
}

static void *shrink_meanwhile(void *stop)
{
    while (!__atomic_load_n((bool *)stop, __ATOMIC_ACQUIRE)) {
        struct sgc_cache_stats stats;
        sgc_cache_shrink(cache);
        sgc_cache_stats(cache, &stats);
        sched_yield();
    }
    attach_end();
    return NULL;
}

START_TEST(threads_may_come_go_and_shrink_at_any_time)
{
    bool stop = false;
    pthread_t shrinker, threads[2];
    uint64_t seeds[2] = {support_seed("depot_test", 1), 0};
    ck_assert_int_eq(pthread_create(&shrinker, NULL, shrink_meanwhile, &stop), 0);
    for (int round = 0; round < 10; round++) {
        seeds[1] = ++seeds[0] * 7;
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, &seeds[i]), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    pthread_join(shrinker, NULL);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    ck_assert_uint_le(class_->n_slabs, 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("depot");
    TCase *tcase = tcase_create("depot");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_new_thread_adopts_the_front_of_a_dead_one);
    tcase_add_test(tcase, a_thread_with_a_front_takes_slabs_of_idle_ones);
    tcase_add_test(tcase, frees_into_slabs_of_idle_fronts_are_not_lost);
    tcase_add_test(tcase, a_thousand_short_threads_leave_the_memory_of_one);
    tcase_add_test(tcase, what_dead_threads_left_alive_fills_up_the_same_slabs);
    tcase_add_test(tcase, a_few_empty_slabs_are_kept_and_the_rest_leaves);
    tcase_add_test(tcase, kept_slabs_keep_their_constructed_state);
    tcase_add_test(tcase, threads_may_come_go_and_shrink_at_any_time);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
