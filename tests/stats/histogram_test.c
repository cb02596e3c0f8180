/* histogram_test.c - log-linear histograms. */
#include "core/stats/histogram.h"

#include "tests/support/expect.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

START_TEST(every_duration_lies_in_its_bucket_and_buckets_meet)
{
    for (unsigned i = 0; i + 1 < SGC_HISTOGRAM_BUCKETS; i++) {
        uint64_t last = sgc_histogram_bucket_max_ns(i);
        ck_assert_uint_eq(sgc_histogram_bucket(last), i);
        ck_assert_uint_eq(sgc_histogram_bucket(last + 1), i + 1);
    }
    ck_assert_uint_eq(sgc_histogram_bucket(0), 0);
    ck_assert_uint_eq(sgc_histogram_bucket(UINT64_MAX), SGC_HISTOGRAM_BUCKETS - 1);
    ck_assert_uint_eq(sgc_histogram_bucket_max_ns(SGC_HISTOGRAM_BUCKETS - 1), UINT64_MAX);
}
END_TEST

START_TEST(a_bucket_is_at_most_an_eighth_wide)
{
    for (unsigned i = 1; i + 1 < SGC_HISTOGRAM_BUCKETS; i++) {
        uint64_t first = sgc_histogram_bucket_max_ns(i - 1) + 1, last = sgc_histogram_bucket_max_ns(i);
        ck_assert_msg(last - first < first / 8 + 1, "bucket %u: %lu..%lu", i, first, last);
    }
}
END_TEST

START_TEST(the_buckets_reach_an_hour)
{
    uint64_t hour_ns = UINT64_C(3600) * 1000000000;
    ck_assert_uint_lt(sgc_histogram_bucket(hour_ns), SGC_HISTOGRAM_BUCKETS - 1);
}
END_TEST

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

START_TEST(a_quantile_is_never_below_and_at_most_an_eighth_above_the_exact_one)
{
    enum { N = 2000 };
    static uint64_t durations[N];
    uint64_t seed = support_seed("quantiles", 42);
    for (unsigned round = 0; round < 20; round++) {
        struct sgc_histogram histogram = {0};
        for (unsigned i = 0; i < N; i++) {
            durations[i] = support_random(&seed) >> (24 + support_random(&seed) % 40);
            sgc_histogram_record(&histogram, durations[i]);
        }
        qsort(durations, N, sizeof(durations[0]), compare_u64);
        static const double quantiles[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
        for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
            unsigned rank = (unsigned)(quantiles[i] * N + 0.999999);
            uint64_t exact = durations[rank ? rank - 1 : 0];
            uint64_t found = sgc_histogram_quantile_ns(&histogram, quantiles[i]);
            ck_assert_uint_ge(found, exact);
            ck_assert_uint_le(found, exact + exact / 8);
        }
        ck_assert_uint_eq(sgc_histogram_quantile_ns(&histogram, 1), durations[N - 1]);
    }
}
END_TEST

START_TEST(an_empty_histogram_has_quantile_zero)
{
    struct sgc_histogram histogram = {0};
    ck_assert_uint_eq(sgc_histogram_quantile_ns(&histogram, 0.5), 0);
}
END_TEST

START_TEST(quantiles_out_of_range_are_the_nearest_in_range)
{
    struct sgc_histogram histogram = {0};
    sgc_histogram_record(&histogram, 3);
    sgc_histogram_record(&histogram, 5);
    ck_assert_uint_eq(sgc_histogram_quantile_ns(&histogram, -1), 3);
    ck_assert_uint_eq(sgc_histogram_quantile_ns(&histogram, 7), 5);
    ck_assert_uint_eq(sgc_histogram_quantile_ns(&histogram, __builtin_nan("")), 3);
}
END_TEST

START_TEST(durations_beyond_the_last_bucket_keep_their_maximum)
{
    struct sgc_histogram histogram = {0};
    sgc_histogram_record(&histogram, UINT64_C(1) << 50);
    ck_assert_uint_eq(sgc_histogram_quantile_ns(&histogram, 0.5), UINT64_C(1) << 50);
    ck_assert_uint_eq(histogram.max_ns, UINT64_C(1) << 50);
}
END_TEST

START_TEST(merging_is_recording_both)
{
    struct sgc_histogram a = {0}, b = {0}, both = {0}, merged = {0};
    uint64_t seed = support_seed("merging", 7);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t duration = support_random(&seed) >> (20 + i % 44);
        sgc_histogram_record(i % 3 ? &a : &b, duration);
        sgc_histogram_record(&both, duration);
    }
    sgc_histogram_merge(&merged, &a);
    sgc_histogram_merge(&merged, &b);
    ck_assert_mem_eq(&merged, &both, sizeof(both));
    ck_assert_uint_eq(merged.n, 1000);
}
END_TEST

START_TEST(a_full_bucket_stays_full)
{
    struct sgc_histogram histogram = {0}, merged = {0};
    histogram.buckets[4] = UINT32_MAX;
    sgc_histogram_record(&histogram, 4);
    ck_assert_uint_eq(histogram.buckets[4], UINT32_MAX);
    sgc_histogram_merge(&merged, &histogram);
    sgc_histogram_merge(&merged, &histogram);
    ck_assert_uint_eq(merged.buckets[4], UINT32_MAX);
    ck_assert_uint_eq(sgc_histogram_quantile_ns(&merged, 0.5), 4);
}
END_TEST

static struct sgc_histogram shared;
static atomic_bool written;

static void *write_shared(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < 100000; i++)
        sgc_histogram_record(&shared, i);
    atomic_store(&written, true);
    return NULL;
}

START_TEST(a_reader_beside_the_writer_sees_sound_figures)
{
    pthread_t writer;
    ck_assert_int_eq(pthread_create(&writer, NULL, write_shared, NULL), 0);
    uint64_t last = 0;
    bool more = true;
    while (more) {
        more = !atomic_load(&written);
        struct sgc_histogram copy = {0};
        sgc_histogram_merge(&copy, &shared);
        uint64_t total = 0;
        for (unsigned i = 0; i < SGC_HISTOGRAM_BUCKETS; i++)
            total += copy.buckets[i];
        ck_assert_uint_eq(copy.n, total);
        ck_assert_uint_ge(copy.n, last);
        last = copy.n;
    }
    pthread_join(writer, NULL);
    ck_assert_uint_eq(last, 100000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("histogram");
    TCase *tc = tcase_create("histogram");
    tcase_add_test(tc, every_duration_lies_in_its_bucket_and_buckets_meet);
    tcase_add_test(tc, a_bucket_is_at_most_an_eighth_wide);
    tcase_add_test(tc, the_buckets_reach_an_hour);
    tcase_add_test(tc, a_quantile_is_never_below_and_at_most_an_eighth_above_the_exact_one);
    tcase_add_test(tc, an_empty_histogram_has_quantile_zero);
    tcase_add_test(tc, quantiles_out_of_range_are_the_nearest_in_range);
    tcase_add_test(tc, durations_beyond_the_last_bucket_keep_their_maximum);
    tcase_add_test(tc, merging_is_recording_both);
    tcase_add_test(tc, a_full_bucket_stays_full);
    tcase_add_test(tc, a_reader_beside_the_writer_sees_sound_figures);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
