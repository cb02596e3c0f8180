/* class_test.c - size classes: how much they waste, which one serves a size, when they are made. */
#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>

static const struct sgc_type bytes_type = {.name = "bytes", .tail_element_bytes = 1};

START_TEST(the_smallest_class_that_fits_serves_each_size)
{
    for (size_t bytes = 0; bytes <= SGC_SLAB_BYTES / 2; bytes++) {
        const unsigned n = sgc_size_class_of(bytes);
        ck_assert_uint_lt(n, SGC_N_SIZE_CLASSES);
        ck_assert_uint_ge(sgc_size_class_bytes(n), bytes);
        ck_assert(n == 0 || sgc_size_class_bytes(n - 1) < bytes);
    }
}
END_TEST

START_TEST(a_slot_is_at_most_a_quarter_too_large_where_a_slab_allows_it)
{
    double sum = 0;
    int n = 0;
    for (size_t bytes = 129; bytes <= SGC_SLAB_BYTES / 2; bytes++) {
        const uint32_t slot = sgc_size_class_bytes(sgc_size_class_of(bytes));
        const size_t n_possible = SGC_SLAB_BYTES / sgc_round_up(bytes, 16); /* what a class of its own would have */
        const size_t n_slots = SGC_SLAB_BYTES / slot;
        ck_assert_msg(slot <= bytes * 5 / 4 + 16 || n_slots == n_possible || n_possible <= 4,
                      "%zu bytes in a slot of %u", bytes, slot);
        sum += 1 - (double)bytes / slot;
        n++;
    }
    ck_assert_double_lt(sum / n, 0.17); /* mean over all sizes; up to 4 KiB it is 0.09 */
}
END_TEST

START_TEST(slots_leave_little_of_a_slab_over)
{
    for (unsigned n = 0; n < SGC_N_SIZE_CLASSES; n++) {
        const uint32_t slot = sgc_size_class_bytes(n);
        ck_assert_uint_eq(slot % SGC_GRANULE_BYTES, 0);
        ck_assert_msg(SGC_SLAB_BYTES % slot <= SGC_SLAB_BYTES / 16, "%u bytes", slot);
    }
}
END_TEST

START_TEST(classes_are_made_on_first_use)
{
    struct sgc_cache *cache = attach_cache(&bytes_type, 0, NULL);
    size_t bytes;
    int n = 0;
    for (int i = 1; i < SGC_CLASSES_PER_CACHE; i++)
        n += cache->classes[i] != NULL;
    ck_assert_int_eq(n, 0);
    struct sgc_class *class_ = sgc_class_for(cache, 1000, &bytes);
    ck_assert_uint_eq(bytes, 1000);
    ck_assert_uint_eq(class_->slot_bytes, 1024);
    ck_assert_uint_eq(class_->object_bytes, 1024);
    ck_assert_ptr_eq(sgc_class_for(cache, 1024, &bytes), class_);
    ck_assert_ptr_ne(sgc_class_for(cache, 1025, &bytes), class_);
    ck_assert_ptr_eq(sgc_class_for(cache, 0, &bytes), cache->classes[0]);
    ck_assert_ptr_null(sgc_class_for(cache, 32769, &bytes));
    ck_assert_uint_eq(bytes, 32769);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(no_memory_for_a_class_is_told_from_an_overflow)
{
    struct sgc_cache *cache = attach_cache(&bytes_type, 0, NULL);
    size_t bytes = 1;
    sgc_lock_acquire(&sgc_caches_lock);
    while (sgc_class_create(cache, 16, 16)) /* the limit of classes stands in for that of memory */
        ;
    ck_assert_int_eq(errno, ENOSPC);
    sgc_lock_release(&sgc_caches_lock);
    ck_assert_ptr_null(sgc_class_for(cache, 1000, &bytes));
    ck_assert_uint_eq(bytes, 0);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(sgc_class_for(cache, SIZE_MAX, &bytes));
    ck_assert_uint_eq(bytes, 0);
    ck_assert_int_eq(errno, EOVERFLOW);
}
END_TEST

START_TEST(every_class_keeps_the_types_alignment)
{
    for (uint32_t align = 16; align <= 4096; align *= 2) {
        struct sgc_type type = bytes_type;
        type.size_bytes = 24;
        type.align_bytes = align;
        struct sgc_cache *cache = attach_cache(&type, 0, NULL);
        for (size_t n = 0; n < 32000; n += 97) {
            size_t bytes;
            struct sgc_class *class_ = sgc_class_for(cache, n, &bytes);
            ck_assert_ptr_nonnull(class_);
            ck_assert_uint_eq(class_->slot_bytes % align, 0);
            ck_assert_uint_ge(class_->object_bytes, n + 24);
            ck_assert_uint_le(class_->slot_bytes, SGC_SLAB_BYTES / 2);
        }
        sgc_cache_unmake(cache);
    }
}
END_TEST

START_TEST(a_large_base_has_large_objects_alone)
{
    const struct sgc_type type = {.name = "huge", .size_bytes = 50000, .tail_element_bytes = 8};
    struct sgc_cache *cache = attach_cache(&type, 0, NULL);
    size_t bytes;
    ck_assert_ptr_nonnull(cache->classes[0]);
    ck_assert_uint_eq(cache->classes[0]->slot_bytes, 0);
    ck_assert_ptr_null(sgc_class_for(cache, 3, &bytes));
    ck_assert_uint_eq(bytes, 50024);
    void *object = sgc_cache_alloc_n(cache, 3), *other = sgc_cache_alloc(cache);
    sgc_cache_free(cache, object);
    sgc_cache_free(cache, other);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    sgc_cache_unmake(cache);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("class");
    TCase *tcase = tcase_create("class");
    tcase_add_test(tcase, the_smallest_class_that_fits_serves_each_size);
    tcase_add_test(tcase, a_slot_is_at_most_a_quarter_too_large_where_a_slab_allows_it);
    tcase_add_test(tcase, slots_leave_little_of_a_slab_over);
    tcase_add_test(tcase, classes_are_made_on_first_use);
    tcase_add_test(tcase, no_memory_for_a_class_is_told_from_an_overflow);
    tcase_add_test(tcase, every_class_keeps_the_types_alignment);
    tcase_add_test(tcase, a_large_base_has_large_objects_alone);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
