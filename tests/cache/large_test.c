/* large_test.c - objects beyond half a slab. */
#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static const struct sgc_type blob_type = {.name = "blob", .tail_element_bytes = 1};

static bool is_zero(const uint8_t *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (at[i])
            return false;
    return true;
}

START_TEST(a_large_object_is_zero_and_has_its_own_slabs)
{
    static const size_t sizes[] = {32769, 65536, 65537, 1 << 20, (2 << 20) + 1, 9 << 20};
    struct sgc_budget budget = {0};
    struct sgc_cache *cache = attach_cache(&blob_type, 0, &budget);
    for (int round = 0; round < 2; round++) { /* fresh memory, then memory used before */
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            uint8_t *blob = sgc_cache_alloc_n(cache, sizes[i]);
            ck_assert(is_zero(blob, sizes[i]));
            memset(blob, 0xee, sizes[i]);
            const struct sgc_slab *slab = sgc_slab_of(blob);
            ck_assert_uint_eq(slab->n_slabs, (sizes[i] + SGC_SLAB_BYTES - 1) / SGC_SLAB_BYTES);
            ck_assert_uint_eq(slab->large_bytes, sizes[i]);
            ck_assert_uint_eq(budget.used_bytes, slab->n_slabs * SGC_SLAB_BYTES);
            attach_verify(cache);
            sgc_cache_free(cache, blob);
            ck_assert_uint_eq(budget.used_bytes, 0);
        }
    }
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(statistics_count_large_objects)
{
    struct sgc_cache *cache = attach_cache(&blob_type, 0, NULL);
    struct sgc_cache_stats stats;
    void *a = sgc_cache_alloc_n(cache, 100000), *b = sgc_cache_alloc_n(cache, 40000);
    sgc_cache_stats(cache, &stats);
    ck_assert_uint_eq(stats.n_live, 2);
    ck_assert_uint_eq(stats.live_bytes, 140000);
    ck_assert_uint_eq(stats.n_slabs, 3);
    sgc_cache_free(cache, a);
    sgc_cache_free(cache, b);
    sgc_cache_stats(cache, &stats);
    ck_assert_uint_eq(stats.n_live + stats.live_bytes + stats.n_slabs, 0);
    ck_assert_uint_eq(stats.n_allocated, 2);
    ck_assert_uint_eq(stats.n_freed, 2);
    sgc_cache_unmake(cache);
}
END_TEST

static int n_constructed, n_destroyed, refuse;
static int count_ctor(void *slot)
{
    (void)slot;
    n_constructed += !refuse;
    return refuse;
}
static void count_dtor(void *slot)
{
    (void)slot;
    n_destroyed++;
}

START_TEST(a_large_object_is_constructed_for_each_use)
{
    const struct sgc_type type = {.name = "built", .size_bytes = 70000, .ctor = count_ctor, .dtor = count_dtor};
    struct sgc_budget budget = {0};
    struct sgc_cache *cache = attach_cache(&type, 0, &budget);
    void *object = sgc_cache_alloc(cache);
    ck_assert_int_eq(n_constructed, 1);
    sgc_cache_free(cache, object);
    ck_assert_int_eq(n_destroyed, 1);
    refuse = 1;
    errno = 0;
    ck_assert_ptr_null(sgc_cache_alloc(cache));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_eq(budget.used_bytes, 0);
    refuse = 0;
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    sgc_cache_unmake(cache);
    ck_assert_int_eq(n_destroyed, 2);
}
END_TEST

static struct sgc_cache *misused;
static void free_blob(void *object)
{
    sgc_cache_free(misused, object);
}

START_TEST(a_pointer_into_a_large_object_panics)
{
    char text[128];
    misused = attach_cache(&blob_type, 0, NULL);
    char *blob = sgc_cache_alloc_n(misused, 200000);
    static const size_t offsets[] = {16, 65536, 131072 + 16};
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "sgc_cache_free: interior pointer %p into cache blob",
                 (void *)(blob + offsets[i]));
        support_expect_panic(free_blob, blob + offsets[i], text);
    }
    sgc_cache_unmake(misused);
}
END_TEST

START_TEST(a_refused_large_object_leaves_the_cache_as_it_was)
{
    struct sgc_budget budget = {.hard_bytes = 1 << 20};
    struct sgc_cache *cache = attach_cache(&blob_type, 0, &budget);
    errno = 0;
    ck_assert_ptr_null(sgc_cache_alloc_n(cache, (1 << 20) + 1));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_eq(budget.used_bytes, 0);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    ck_assert_ptr_nonnull(sgc_cache_alloc_n(cache, 1 << 20));
    attach_verify(cache);
    sgc_cache_unmake(cache);
}
END_TEST

static struct sgc_cache *shared;

static void *churn(void *seed)
{
    struct sgc_cache *cache = shared;
    uint64_t state = *(const uint64_t *)seed;
    void *blobs[8] = {0};
    for (int i = 0; i < 2000; i++) {
        const uint64_t random = support_random(&state);
        void **blob = &blobs[random % 8];
        sgc_cache_free(cache, *blob);
        *blob = sgc_cache_alloc_n(cache, 33000 + random / 8 % 300000);
    }
    for (int i = 0; i < 8; i++)
        sgc_cache_free(cache, blobs[i]);
    attach_end();
    return NULL;
}

START_TEST(threads_share_the_class_of_large_objects)
{
    struct sgc_cache *cache = shared = attach_cache(&blob_type, 0, NULL);
    pthread_t threads[2];
    const uint64_t seed = support_seed("large_test", 0), seeds[2] = {seed, ~seed};
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, (void *)&seeds[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    attach_verify(cache);
    sgc_cache_unmake(cache);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("large");
    TCase *tcase = tcase_create("large");
    tcase_add_test(tcase, a_large_object_is_zero_and_has_its_own_slabs);
    tcase_add_test(tcase, statistics_count_large_objects);
    tcase_add_test(tcase, a_large_object_is_constructed_for_each_use);
    tcase_add_test(tcase, a_pointer_into_a_large_object_panics);
    tcase_add_test(tcase, a_refused_large_object_leaves_the_cache_as_it_was);
    tcase_add_test(tcase, threads_share_the_class_of_large_objects);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
