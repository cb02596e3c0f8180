/* meta_test.c - the allocator of core's own records. */
#include "core/os/meta.h"

#include "core/base/sanitize.h"
#include "core/os/fault.h"
#include "tests/support/expect.h"
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_filled(const unsigned char *at, size_t bytes, int value)
{
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != value)
            return false;
    return true;
}

START_TEST(records_are_zeroed_and_aligned)
{
    for (size_t bytes = 1; bytes < 70000; bytes += bytes / 7 + 1) {
        for (int round = 0; round < 2; round++) { /* fresh, then reused */
            unsigned char *at = sgc_meta_alloc(bytes);
            ck_assert_ptr_nonnull(at);
            ck_assert_uint_eq((uintptr_t)at % (bytes >= 64 ? 64 : 16), 0);
            ck_assert(is_filled(at, bytes, 0));
            memset(at, 0xff, bytes);
            sgc_meta_free(at, bytes);
        }
    }
}
END_TEST

START_TEST(bytes_handed_out_are_counted_to_the_byte)
{
    size_t before = sgc_meta_bytes();
    void *small = sgc_meta_alloc(17), *large = sgc_meta_alloc(1000001), *none = sgc_meta_alloc(0);
    ck_assert_uint_eq(sgc_meta_bytes(), before + 17 + 1000001);
    ck_assert_ptr_nonnull(none);
    sgc_meta_free(none, 0);
    sgc_meta_free(large, 1000001);
    sgc_meta_free(small, 17);
    sgc_meta_free(NULL, 5);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
}
END_TEST

START_TEST(a_freed_record_is_used_again)
{
    void *at = sgc_meta_alloc(100);
    sgc_meta_free(at, 100);
    ck_assert_ptr_eq(sgc_meta_alloc(100), at);
}
END_TEST

START_TEST(growing_keeps_the_content_and_zeroes_the_rest)
{
    static const size_t sizes[] = {1, 16, 40, 100, 5000, 20000, 300000, 20000, 64, 8, 0};
    unsigned char *at = sgc_meta_realloc(NULL, 0, 0);
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        at = sgc_meta_realloc(at, bytes, sizes[i]);
        ck_assert_ptr_nonnull(at);
        size_t kept = bytes < sizes[i] ? bytes : sizes[i];
        ck_assert(is_filled(at, kept, 0xab));
        ck_assert(is_filled(at + kept, sizes[i] - kept, 0));
        memset(at, 0xab, sizes[i]);
        bytes = sizes[i];
    }
    sgc_meta_free(at, bytes);
}
END_TEST

START_TEST(when_the_os_refuses_nothing_has_changed)
{
    void *large = sgc_meta_alloc(100000);
    size_t before = sgc_meta_bytes();
    sgc_os_fault_arm(1, true);
    errno = 0;
    ck_assert_ptr_null(sgc_meta_alloc(100000));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(sgc_meta_realloc(large, 100000, 200000));
    int n_small = 0; /* what is left of the chunk, then NULL */
    while (sgc_meta_alloc(10000))
        ck_assert_int_lt(++n_small, 100);
    sgc_os_fault_disarm();
    ck_assert_uint_eq(sgc_meta_bytes(), before + (size_t)n_small * 10000);
    ck_assert_ptr_nonnull(sgc_meta_alloc(10000));
    memset(large, 1, 100000);
    sgc_meta_free(large, 100000);
}
END_TEST

START_TEST(an_impossible_size_is_refused)
{
    errno = 0;
    ck_assert_ptr_null(sgc_meta_alloc(SIZE_MAX));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(sgc_meta_alloc(SIZE_MAX / 2));
}
END_TEST

/* Random sizes and order; each record is filled with a byte of its own that must be there when it is freed. */
static void *churn(void *seed)
{
    enum { N_RECORDS = 200 };
    struct {
        unsigned char *at;
        size_t bytes;
    } records[N_RECORDS] = {0};
    uint64_t state = *(uint64_t *)seed;
    uintptr_t n_wrong = 0;
    for (int step = 0; step < 20000; step++) {
        size_t i = support_random(&state) % N_RECORDS;
        if (records[i].at) {
            n_wrong += !is_filled(records[i].at, records[i].bytes, (int)i);
            sgc_meta_free(records[i].at, records[i].bytes);
            records[i].at = NULL;
            continue;
        }
        uint64_t random = support_random(&state);
        records[i].bytes = random % 100 ? random % 600 : random % 40000;
        records[i].at = sgc_meta_alloc(records[i].bytes);
        n_wrong += !is_filled(records[i].at, records[i].bytes, 0);
        memset(records[i].at, (int)i, records[i].bytes);
    }
    for (int i = 0; i < N_RECORDS; i++)
        sgc_meta_free(records[i].at, records[i].bytes);
    return (void *)n_wrong;
}

START_TEST(threads_never_share_a_record)
{
    uint64_t seeds[2] = {support_seed("meta_test", 0), 0};
    seeds[1] = ~seeds[0];
    size_t before = sgc_meta_bytes();
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, &seeds[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *n_wrong;
        pthread_join(threads[i], &n_wrong);
        ck_assert_ptr_null(n_wrong);
    }
    ck_assert_uint_eq(sgc_meta_bytes(), before);
}
END_TEST

START_TEST(parent_and_child_allocate_after_fork)
{
    sgc_meta_before_fork();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    sgc_meta_after_fork(child == 0);
    void *at = sgc_meta_alloc(100);
    if (child == 0)
        _exit(at ? 42 : 1);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    ck_assert_ptr_nonnull(at);
}
END_TEST

#if defined(SGC_DEBUG) && !defined(SGC_ASAN)

static void free_wrong_size(void *arg)
{
    (void)arg;
    sgc_meta_free(sgc_meta_alloc(100), 200);
}

START_TEST(freeing_with_a_wrong_size_panics)
{
    support_expect_panic_prefix(free_wrong_size, NULL, "meta: free of 200 bytes at ");
}
END_TEST

static void free_twice(void *arg)
{
    (void)arg;
    void *at = sgc_meta_alloc(100);
    sgc_meta_free(at, 100);
    sgc_meta_free(at, 100);
}

START_TEST(freeing_twice_panics)
{
    support_expect_panic_prefix(free_twice, NULL, "meta: free of 100 bytes at ");
}
END_TEST

static void overrun(void *arg)
{
    (void)arg;
    char *at = sgc_meta_alloc(112);
    memset(at, 1, 113);
    sgc_meta_free(at, 112);
}

START_TEST(writing_behind_a_record_panics_when_it_is_freed)
{
    support_expect_panic_prefix(overrun, NULL, "meta: free of 112 bytes at ");
}
END_TEST

#endif

#ifdef SGC_ASAN

static void read_freed(void *arg)
{
    (void)arg;
    volatile char *at = sgc_meta_alloc(100);
    sgc_meta_free((void *)at, 100);
    (void)at[0];
}

START_TEST(a_sanitizer_sees_the_use_of_a_freed_record)
{
    char seen[4096];
    int status = support_run_child(read_freed, NULL, seen, sizeof(seen));
    ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}
END_TEST

START_TEST(a_sanitizer_finds_malloced_memory_through_records)
{
    void **at = sgc_meta_alloc(16);
    *at = malloc(1000); /* reachable from the record alone: no leak at exit */
    ck_assert_ptr_nonnull(*at);
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("meta");
    TCase *tc = tcase_create("meta");
    tcase_add_test(tc, records_are_zeroed_and_aligned);
    tcase_add_test(tc, bytes_handed_out_are_counted_to_the_byte);
    tcase_add_test(tc, a_freed_record_is_used_again);
    tcase_add_test(tc, growing_keeps_the_content_and_zeroes_the_rest);
    tcase_add_test(tc, when_the_os_refuses_nothing_has_changed);
    tcase_add_test(tc, an_impossible_size_is_refused);
    tcase_add_test(tc, threads_never_share_a_record);
    tcase_add_test(tc, parent_and_child_allocate_after_fork);
#if defined(SGC_DEBUG) && !defined(SGC_ASAN)
    tcase_add_test(tc, freeing_with_a_wrong_size_panics);
    tcase_add_test(tc, freeing_twice_panics);
    tcase_add_test(tc, writing_behind_a_record_panics_when_it_is_freed);
#endif
#ifdef SGC_ASAN
    tcase_add_test(tc, a_sanitizer_sees_the_use_of_a_freed_record);
    tcase_add_test(tc, a_sanitizer_finds_malloced_memory_through_records);
#endif
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
