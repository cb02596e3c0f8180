/* debug_test.c - redzone, poison and track catch what they promise, with fixed text. */
#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct sgc_type item_type = {.name = "item", .size_bytes = 44};
static const struct sgc_type bytes_type = {.name = "bytes", .tail_element_bytes = 1};
static struct sgc_cache *cache;
static char text[200];

static void free_object(void *object)
{
    sgc_cache_free(cache, object);
}
static void alloc_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5000; i++)
        if (!sgc_cache_alloc(cache))
            return;
}

START_TEST(a_byte_behind_a_fixed_object_panics_at_its_free)
{
    cache = attach_cache(&item_type, SGC_DEBUG_REDZONE, NULL);
    ck_assert_uint_eq(cache->classes[0]->object_bytes, 44);
    uint8_t *object = sgc_cache_alloc(cache);
    memset(object, 0, 44);
    attach_verify(cache);
    for (int i = 44; i < 64; i++) {
        const uint8_t kept = object[i];
        object[i] = 0x41;
        snprintf(text, sizeof(text), "overflow: byte %d behind object %p (44 bytes) in cache item is 0x41", i - 44,
                 (void *)object);
        support_expect_panic(free_object, object, text);
        struct sgc_error error = {0};
        ck_assert_int_eq(sgc_debug_verify(cache, &error), -EUCLEAN);
        snprintf(text, sizeof(text), "cache item: byte %d behind object %p (44 bytes) was overwritten", i - 44,
                 (void *)object);
        ck_assert_str_eq(error.message, text);
        object[i] = kept;
    }
    sgc_cache_free(cache, object);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(a_byte_behind_a_variable_or_large_object_panics_at_its_free)
{
    static const size_t sizes[] = {100, 5000, 50000, 65536};
    cache = attach_cache(&bytes_type, SGC_DEBUG_REDZONE, NULL);
    for (int i = 0; i < 4; i++) {
        uint8_t *object = sgc_cache_alloc_n(cache, sizes[i]);
        const struct sgc_slab *slab = sgc_slab_of(object);
        const size_t usable = slab->slot_bytes ? slab->class_->object_bytes : slab->large_bytes;
        ck_assert_uint_ge(usable, sizes[i]);
        memset(object, 0, usable);
        const uint8_t kept = object[usable];
        object[usable] = 0;
        snprintf(text, sizeof(text), "overflow: byte 0 behind object %p (%zu bytes) in cache bytes is 0x00",
                 (void *)object, usable);
        support_expect_panic(free_object, object, text);
        object[usable] = kept;
        sgc_cache_free(cache, object);
    }
    attach_verify(cache);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(a_write_to_a_free_object_panics_when_its_slot_is_handed_out)
{
#ifndef SGC_ASAN
    cache = attach_cache(&item_type, SGC_DEBUG_POISON, NULL);
    uint8_t *object = sgc_cache_alloc(cache);
    sgc_cache_free(cache, object);
    sgc_cache_flush(cache);
    object[7] = 1;
    snprintf(text, sizeof(text), "write after free: byte 7 of free object %p in cache item is 0x01", (void *)object);
    support_expect_panic(alloc_many, NULL, text);
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_debug_verify(cache, &error), -EUCLEAN);
    snprintf(text, sizeof(text), "cache item: byte 7 of free object %p was overwritten", (void *)object);
    ck_assert_str_eq(error.message, text);
    object[7] = 0xdb;
    attach_verify(cache);
    sgc_cache_unmake(cache);
#endif
}
END_TEST

static int built_ctor(void *slot)
{
    memset(slot, 0x33, 44);
    return 0;
}

START_TEST(poison_spares_constructed_state)
{
    const struct sgc_type type = {.name = "built", .size_bytes = 44, .ctor = built_ctor};
    cache = attach_cache(&type, SGC_DEBUG_POISON | SGC_DEBUG_REDZONE, NULL);
    for (int i = 0; i < 3000; i++) {
        uint8_t *object = sgc_cache_alloc(cache);
        for (int b = 0; b < 44; b++)
            ck_assert_uint_eq(object[b], 0x33);
        sgc_cache_free(cache, object);
    }
    attach_verify(cache);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(patterns_read_as_immediates_where_references_are_expected)
{
#ifndef SGC_ASAN
    const struct sgc_type type = {.name = "words", .size_bytes = 64};
    cache = attach_cache(&type, SGC_DEBUG_REDZONE | SGC_DEBUG_POISON, NULL);
    uintptr_t *object = sgc_cache_alloc(cache);
    for (int i = 0; i < 10; i++)
        ck_assert_uint_eq(object[i] & 1, 1);
    sgc_cache_unmake(cache);
#endif
}
END_TEST

START_TEST(a_double_free_is_seen_even_in_a_window)
{
    cache = attach_cache(&item_type, SGC_DEBUG_TRACK, NULL);
    void *object = sgc_cache_alloc(cache), *others[40];
    sgc_cache_free(cache, object);
    snprintf(text, sizeof(text), "double free of object %p in cache item; freed before at debug_test+0x", object);
    support_expect_panic_prefix(free_object, object, text);
    for (int i = 0; i < 40; i++)
        others[i] = sgc_cache_alloc(cache); /* its slot may have moved into the window meanwhile */
    sgc_cache_free(cache, others[39]);
    snprintf(text, sizeof(text), "double free of object %p in cache item; freed before at debug_test+0x", others[39]);
    support_expect_panic_prefix(free_object, others[39], text);
    attach_verify(cache);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(slots_freed_by_mask_get_their_checks)
{
    cache = attach_cache(&item_type, SGC_DEBUG_REDZONE | SGC_DEBUG_POISON | SGC_DEBUG_TRACK, NULL);
    uint8_t *checked = sgc_cache_alloc(cache), *unchecked = sgc_cache_alloc(cache);
    sgc_debug_on_free(cache, checked, NULL); /* as the heap layer does before it frees */
    uint64_t mask = UINT64_C(1) << (sgc_slab_granule(checked) % 64) | UINT64_C(1) << (sgc_slab_granule(unchecked) % 64);
    sgc_slab_free_mask(sgc_slab_of(checked), sgc_slab_granule(checked) / 64, mask);
    attach_verify(cache);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    alloc_many(NULL); /* finds all poison intact */
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(without_debug_the_fast_path_is_taken)
{
    cache = attach_cache(&item_type, 0, NULL);
    ck_assert_uint_eq(cache->head.window, cache->classes[0]->index);
    sgc_cache_unmake(cache);
    cache = attach_cache(&item_type, SGC_DEBUG_TRACK, NULL);
    ck_assert_uint_eq(cache->head.window, 0);
    sgc_cache_unmake(cache);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("debug");
    TCase *tcase = tcase_create("debug");
    tcase_add_test(tcase, a_byte_behind_a_fixed_object_panics_at_its_free);
    tcase_add_test(tcase, a_byte_behind_a_variable_or_large_object_panics_at_its_free);
    tcase_add_test(tcase, a_write_to_a_free_object_panics_when_its_slot_is_handed_out);
    tcase_add_test(tcase, poison_spares_constructed_state);
    tcase_add_test(tcase, patterns_read_as_immediates_where_references_are_expected);
    tcase_add_test(tcase, a_double_free_is_seen_even_in_a_window);
    tcase_add_test(tcase, slots_freed_by_mask_get_their_checks);
    tcase_add_test(tcase, without_debug_the_fast_path_is_taken);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
