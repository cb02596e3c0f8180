/* stats_test.c - counters of a cache are folded from its threads' fronts, at any time. */
#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <pthread.h>

static const struct sgc_type item_type = {.name = "item", .size_bytes = 100};

START_TEST(counters_of_dead_threads_are_kept)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    struct sgc_cache_stats stats;
    void *object = sgc_cache_alloc(cache);
    attach_end();
    sgc_cache_stats(cache, &stats);
    ck_assert_str_eq(stats.name, "item");
    ck_assert_uint_eq(stats.n_live, 1);
    ck_assert_uint_eq(stats.live_bytes, 112);
    ck_assert_uint_eq(stats.n_allocated, 1);
    sgc_cache_free(cache, object);
    attach_end();
    sgc_cache_stats(cache, &stats);
    ck_assert_uint_eq(stats.n_live, 0);
    ck_assert_uint_eq(stats.n_freed, 1);
    sgc_cache_unmake(cache);
}
END_TEST

static bool done;
static void *churn(void *cache)
{
    for (int i = 0; i < 200000; i++)
        sgc_cache_free(cache, sgc_cache_alloc(cache));
    __atomic_store_n(&done, true, __ATOMIC_RELEASE);
    attach_end();
    return NULL;
}

START_TEST(reading_disturbs_nobody_and_is_never_absurd)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    pthread_t thread;
    uint64_t n_before = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, churn, cache), 0);
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
        struct sgc_cache_stats stats;
        sgc_cache_stats(cache, &stats);
        ck_assert_uint_le(stats.n_live, 64);
        ck_assert_uint_ge(stats.n_allocated, n_before);
        n_before = stats.n_allocated;
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(sgc_cache_n_allocated(cache), 200000);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    sgc_cache_unmake(cache);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stats");
    TCase *tcase = tcase_create("stats");
    tcase_add_test(tcase, counters_of_dead_threads_are_kept);
    tcase_add_test(tcase, reading_disturbs_nobody_and_is_never_absurd);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
