/* pool_test.c - memory that ends together. */
#include "core/runtime/pool.h"

#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/support/expect.h"
#include <stdint.h>
#include <string.h>

START_TEST(records_are_zeroed_aligned_and_apart)
{
    struct sgc_pool pool = {NULL};
    unsigned char *last = NULL;
    for (size_t bytes = 0; bytes < 300; bytes++) {
        unsigned char *at = sgc_pool_alloc(&pool, bytes);
        ck_assert_ptr_nonnull(at);
        ck_assert_uint_eq((uintptr_t)at % 16, 0);
        for (size_t i = 0; i < bytes; i++)
            ck_assert_uint_eq(at[i], 0);
        memset(at, 0xaa, bytes);
        ck_assert_ptr_ne(at, last);
        last = at;
    }
    sgc_pool_fini(&pool);
}
END_TEST

START_TEST(a_record_may_be_larger_than_a_chunk)
{
    struct sgc_pool pool = {NULL};
    char *at = sgc_pool_alloc(&pool, 1 << 20);
    ck_assert_ptr_nonnull(at);
    memset(at, 1, 1 << 20);
    ck_assert_ptr_nonnull(sgc_pool_alloc(&pool, 16));
    sgc_pool_fini(&pool);
}
END_TEST

START_TEST(copies_of_text_end_in_nul)
{
    struct sgc_pool pool = {NULL};
    char *copy = sgc_pool_strndup(&pool, "rcu and more", 3);
    ck_assert_str_eq(copy, "rcu");
    ck_assert_str_eq(sgc_pool_strndup(&pool, "", 0), "");
    sgc_pool_fini(&pool);
}
END_TEST

START_TEST(fini_gives_everything_back)
{
    struct sgc_pool pool = {NULL};
    size_t before = sgc_meta_bytes();
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_ptr_nonnull(sgc_pool_alloc(&pool, i));
    ck_assert_uint_gt(sgc_meta_bytes(), before);
    sgc_pool_fini(&pool);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
    ck_assert_ptr_nonnull(sgc_pool_alloc(&pool, 1));
    sgc_pool_fini(&pool);
}
END_TEST

START_TEST(no_memory_is_null_and_harms_nothing)
{
    struct sgc_pool pool = {NULL};
    sgc_os_fault_arm(1, true);
    ck_assert_ptr_null(sgc_pool_alloc(&pool, 1 << 20));
    sgc_os_fault_disarm();
    ck_assert_ptr_nonnull(sgc_pool_alloc(&pool, 1 << 20));
    sgc_pool_fini(&pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *tc = tcase_create("pool");
    tcase_add_test(tc, records_are_zeroed_aligned_and_apart);
    tcase_add_test(tc, a_record_may_be_larger_than_a_chunk);
    tcase_add_test(tc, copies_of_text_end_in_nul);
    tcase_add_test(tc, fini_gives_everything_back);
    tcase_add_test(tc, no_memory_is_null_and_harms_nothing);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
