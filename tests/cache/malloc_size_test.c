/* malloc_size_test.c - zeroed, resized and aligned memory, and how much there is. */
#include "core/cache/internal.h"
#include "core/cache/malloc.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static volatile size_t huge = SIZE_MAX; /* unknown to the compiler, which would refuse */

static bool is_filled(const unsigned char *at, size_t bytes, unsigned char stamp)
{
    return bytes == 0 || (at[0] == stamp && memcmp(at, at + 1, bytes - 1) == 0);
}

/* ---- calloc ---- */

START_TEST(calloc_zeroes_what_was_used_before)
{
    static const size_t sizes[] = {1, 24, 300, 5000, 32768, 32769, 200000, 5000000};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < SGC_ARRAY_LEN(sizes); i++) {
            unsigned char *object = sgc_calloc(1, sizes[i]);
            ck_assert(is_filled(object, sizes[i], 0));
            memset(object, 0xee, sgc_malloc_usable_size(object));
            sgc_free(object);
        }
    }
}
END_TEST

#if !defined(SGC_ASAN) && !defined(SGC_TSAN) /* they count their shadow */
static size_t resident_bytes(void)
{
    size_t total = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    ck_assert_int_eq(fscanf(statm, "%zu %zu", &total, &resident), 2);
    fclose(statm);
    return resident * 4096;
}

START_TEST(calloc_does_not_touch_what_the_os_gave_as_zero)
{
    const size_t before = resident_bytes();
    unsigned char *object = sgc_calloc(1024, 1 << 16);
    ck_assert_uint_lt(resident_bytes(), before + (8 << 20));
    ck_assert(is_filled(object, 64 << 20, 0));
    sgc_free(object);
}
END_TEST

#endif

START_TEST(a_product_that_does_not_fit_is_refused)
{
    void *object = sgc_malloc(100);
    errno = 0;
    ck_assert_ptr_null(sgc_calloc(huge / 2, 3));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(sgc_reallocarray(object, huge >> 31, huge >> 31));
    ck_assert_int_eq(errno, ENOMEM);
    object = sgc_reallocarray(object, 50, 100);
    ck_assert_uint_ge(sgc_malloc_usable_size(object), 5000);
    sgc_free(object);
}
END_TEST

/* ---- realloc ---- */

START_TEST(realloc_stays_in_place_while_the_class_stays)
{
    char *object = sgc_malloc(100);
    ck_assert_ptr_eq(sgc_realloc(object, 112), object);
    ck_assert_ptr_eq(sgc_realloc(object, 97), object);
    char *moved = sgc_realloc(object, 96);
    ck_assert_ptr_ne(moved, object);
    ck_assert_ptr_null(sgc_realloc(moved, 0));
    ck_assert_uint_eq(sgc_cache_n_live(sgc_malloc_class(sgc_malloc_number_of(100))->cache), 0);
}
END_TEST

START_TEST(realloc_keeps_the_content_over_all_sizes)
{
    static const size_t sizes[] = {10,     20,    500,    3000,  33000, 66000, 70000,   500000, 3000000, 9000000,
                                   400000, 60000, 100000, 33000, 32768, 500,   2500000, 16,     1};
    size_t filled = 1;
    unsigned char *object = sgc_malloc(1);
    memset(object, 0x5a, 1);
    for (size_t i = 0; i < SGC_ARRAY_LEN(sizes); i++) {
        object = sgc_realloc(object, sizes[i]);
        ck_assert_ptr_nonnull(object);
        ck_assert(is_filled(object, filled < sizes[i] ? filled : sizes[i], 0x5a));
        filled = sgc_malloc_usable_size(object);
        ck_assert_uint_ge(filled, sizes[i]);
        memset(object, 0x5a, filled);
        attach_verify(sgc_malloc_class(SGC_MALLOC_LARGE)->cache);
    }
    sgc_free(object);
    ck_assert_uint_eq(sgc_malloc_class(SGC_MALLOC_LARGE)->n_slabs, 0);
}
END_TEST

START_TEST(a_large_object_grows_into_what_is_free_behind_it)
{
    struct sgc_cache_stats stats;
    char *object = sgc_malloc(100000);
    strcpy(object, "kept");
    for (size_t bytes = 100000; bytes < 30000000; bytes += 500000)
        ck_assert_ptr_eq(sgc_realloc(object, bytes), object);
    ck_assert_str_eq(object, "kept");
    ck_assert_ptr_eq(sgc_realloc(object, 100000), object); /* and gives back */
    sgc_cache_stats(sgc_malloc_class(SGC_MALLOC_LARGE)->cache, &stats);
    ck_assert_uint_eq(stats.live_bytes, 100000);
    ck_assert_uint_eq(stats.n_slabs, 2);
    ck_assert_uint_eq(sgc_malloc_budget.used_bytes, 2 * SGC_SLAB_BYTES);
    sgc_free(object);
    ck_assert_uint_eq(sgc_malloc_budget.used_bytes, 0);
}
END_TEST

START_TEST(appending_to_a_large_object_moves_it_seldom)
{
    unsigned n_moves = 0;
    char *object = sgc_malloc(40000), *behind = NULL;
    for (size_t bytes = 40000; bytes < 20000000; bytes += 40000) {
        char *grown = sgc_realloc(object, bytes);
        if (grown != object) { /* something is always in the way */
            n_moves++;
            sgc_free(behind);
            behind = sgc_malloc(40000);
        }
        object = grown;
    }
    ck_assert_uint_lt(n_moves, 30);
    sgc_free(object);
    sgc_free(behind);
}
END_TEST

START_TEST(a_refused_realloc_leaves_the_object_and_a_smaller_one_never_fails)
{
    unsigned char *small = sgc_malloc(1000), *large = sgc_malloc(1000000);
    memset(small, 1, 1000);
    memset(large, 2, 1000000);
    sgc_malloc_budget.hard_bytes = sgc_malloc_budget.used_bytes;
    errno = 0;
    ck_assert_ptr_null(sgc_realloc(small, 2000));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(sgc_realloc(large, 2000000));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(sgc_realloc(large, huge));
    errno = 0;
    ck_assert_ptr_eq(sgc_realloc(small, 20), small);
    ck_assert_int_eq(errno, 0);
    sgc_malloc_budget.hard_bytes = 0;
    ck_assert(is_filled(small, 1000, 1));
    ck_assert(is_filled(large, 1000000, 2));
    sgc_free(small);
    sgc_free(large);
}
END_TEST

static void realloc_it(void *object)
{
    if (!sgc_realloc(object, 10))
        abort();
}

START_TEST(realloc_of_what_is_no_object_panics)
{
    char text[128];
    char *object = sgc_malloc(100);
    snprintf(text, sizeof(text), "sgc_realloc: interior pointer %p into cache malloc-112", (void *)(object + 16));
    support_expect_panic(realloc_it, object + 16, text);
    snprintf(text, sizeof(text), "sgc_realloc: foreign pointer %p", (void *)text);
    support_expect_panic(realloc_it, text, text);
    char *kept = sgc_malloc(100);
    sgc_free(object);
    (void)sgc_malloc_shrink();
    snprintf(text, sizeof(text), "sgc_realloc: object %p of cache malloc-112 is free", (void *)object);
    support_expect_panic(realloc_it, object, text);
    sgc_free(kept);
}
END_TEST

/* ---- alignment ---- */

START_TEST(every_alignment_is_served)
{
    static const size_t sizes[] = {0, 1, 24, 100, 1000, 4096, 5000, 20000, 32768, 32769, 100000, 3000000};
    for (size_t alignment = 1; alignment <= (size_t)64 << 20; alignment *= 2) {
        unsigned char *objects[SGC_ARRAY_LEN(sizes)];
        for (size_t i = 0; i < SGC_ARRAY_LEN(sizes); i++) {
            objects[i] = sgc_aligned_alloc(alignment, sizes[i]);
            ck_assert_ptr_nonnull(objects[i]);
            ck_assert_uint_eq((uintptr_t)objects[i] % alignment, 0);
            ck_assert_uint_ge(sgc_malloc_usable_size(objects[i]), sizes[i]);
            memset(objects[i], (int)i, sizes[i]);
        }
        attach_verify(sgc_malloc_class(SGC_MALLOC_LARGE)->cache);
        for (size_t i = 0; i < SGC_ARRAY_LEN(sizes); i++) {
            ck_assert(is_filled(objects[i], sizes[i], (unsigned char)i));
            sgc_free(objects[i]);
        }
        ck_assert_uint_eq(sgc_malloc_class(SGC_MALLOC_LARGE)->n_slabs, 0);
    }
}
END_TEST

START_TEST(alignment_beyond_a_slab_costs_no_more_slabs_than_the_object)
{
    void *object = sgc_aligned_alloc((size_t)16 << 20, 100000);
    ck_assert_uint_eq(sgc_malloc_budget.used_bytes, 2 * SGC_SLAB_BYTES);
    object = sgc_realloc(object, 300000);
    ck_assert_ptr_nonnull(object);
    sgc_free(object);
    ck_assert_uint_eq(sgc_malloc_budget.used_bytes, 0);
}
END_TEST

START_TEST(what_is_no_alignment_is_refused)
{
    void *object = &object;
    errno = 0;
    ck_assert_ptr_null(sgc_aligned_alloc(huge / 5, 100));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(sgc_aligned_alloc(~huge, 100));
    errno = 0;
    ck_assert_ptr_null(sgc_memalign(SIZE_MAX, 100));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(sgc_aligned_alloc(~(huge >> 1), 100));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 4711;
    ck_assert_int_eq(sgc_posix_memalign(&object, 4, 100), EINVAL);
    ck_assert_int_eq(sgc_posix_memalign(&object, 48, 100), EINVAL);
    ck_assert_int_eq(sgc_posix_memalign(&object, (size_t)1 << 63, 100), ENOMEM);
    ck_assert_int_eq(sgc_posix_memalign(&object, 64, huge / 2), ENOMEM);
    ck_assert_int_eq(errno, 4711);
    ck_assert_ptr_eq(object, &object);
    ck_assert_int_eq(sgc_posix_memalign(&object, 64, 100), 0);
    ck_assert_uint_eq((uintptr_t)object % 64, 0);
    sgc_free(object);
    object = sgc_memalign(48, 10); /* as glibc: the next power of two */
    ck_assert_uint_eq((uintptr_t)object % 64, 0);
    sgc_free(object);
}
END_TEST

START_TEST(usable_bytes_are_the_slot_or_whole_pages)
{
    char *small = sgc_malloc(100), *large = sgc_malloc(100001);
    ck_assert_uint_eq(sgc_malloc_usable_size(NULL), 0);
    ck_assert_uint_eq(sgc_malloc_usable_size(small), 112);
    ck_assert_uint_eq(sgc_malloc_usable_size(large), 102400);
    sgc_free(small);
    sgc_free(large);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("malloc_size");
    TCase *tcase = tcase_create("malloc_size");
    tcase_add_test(tcase, calloc_zeroes_what_was_used_before);
#if !defined(SGC_ASAN) && !defined(SGC_TSAN)
    tcase_add_test(tcase, calloc_does_not_touch_what_the_os_gave_as_zero);
#endif
    tcase_add_test(tcase, a_product_that_does_not_fit_is_refused);
    tcase_add_test(tcase, realloc_stays_in_place_while_the_class_stays);
    tcase_add_test(tcase, realloc_keeps_the_content_over_all_sizes);
    tcase_add_test(tcase, a_large_object_grows_into_what_is_free_behind_it);
    tcase_add_test(tcase, appending_to_a_large_object_moves_it_seldom);
    tcase_add_test(tcase, a_refused_realloc_leaves_the_object_and_a_smaller_one_never_fails);
    tcase_add_test(tcase, realloc_of_what_is_no_object_panics);
    tcase_add_test(tcase, every_alignment_is_served);
    tcase_add_test(tcase, alignment_beyond_a_slab_costs_no_more_slabs_than_the_object);
    tcase_add_test(tcase, what_is_no_alignment_is_refused);
    tcase_add_test(tcase, usable_bytes_are_the_slot_or_whole_pages);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
