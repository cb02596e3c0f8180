/* front_test.c - the window of a thread: order, refill, flush, reservation. */
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/cache/items.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

START_TEST(a_refill_hands_out_ascending_addresses)
{
    char *last = NULL;
    for (size_t i = 0; i < PER_SLAB; i++) {
        char *object = sgc_cache_alloc(cache);
        ck_assert(!last || object == last + sizeof(struct item) || i % 32 == 0);
        last = object;
    }
}
END_TEST

START_TEST(a_refill_takes_half_a_window_and_a_flush_leaves_half)
{
#ifndef SGC_ASAN
    void *objects[SGC_WINDOW_SLOTS + 33];
    objects[0] = sgc_cache_alloc(cache);
    const struct sgc_front *front = sgc_front_of(class_);
    ck_assert_uint_eq(front->n, SGC_WINDOW_SLOTS / 2 - 1);
    for (int i = 1; i < SGC_WINDOW_SLOTS + 33; i++)
        objects[i] = sgc_cache_alloc(cache);
    while (front->n)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    for (int i = 0; i < SGC_WINDOW_SLOTS; i++)
        sgc_cache_free(cache, objects[i]);
    ck_assert_uint_eq(front->n, SGC_WINDOW_SLOTS);
    const uint64_t returned = front->n_returned;
    sgc_cache_free(cache, objects[SGC_WINDOW_SLOTS]);
    ck_assert_uint_eq(front->n, SGC_WINDOW_SLOTS / 2 + 1);
    ck_assert_uint_eq(front->n_returned - returned, SGC_WINDOW_SLOTS / 2);
    for (int i = SGC_WINDOW_SLOTS; i >= SGC_WINDOW_SLOTS / 2; i--) /* the youngest stayed, in order */
        ck_assert_ptr_eq(sgc_cache_alloc(cache), objects[i]);
#endif
}
END_TEST

START_TEST(slots_at_hand_are_neither_free_nor_live)
{
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    const struct sgc_slab *slab = sgc_front_of(class_)->current;
    ck_assert_uint_eq(slab->n_free, PER_SLAB - 32);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 1);
    sgc_cache_flush(cache);
    ck_assert_uint_eq(slab->n_free, PER_SLAB - 1);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 1);
}
END_TEST

START_TEST(windows_of_big_slots_hold_at_most_a_slab)
{
    const struct sgc_type type = {.name = "big", .size_bytes = 30000};
    struct sgc_cache *big = attach_cache(&type, 0, NULL);
    ck_assert_uint_eq(big->classes[0]->window_slots, 2);
    void *objects[5];
    for (int i = 0; i < 5; i++)
        objects[i] = sgc_cache_alloc(big);
    for (int i = 0; i < 5; i++)
        sgc_cache_free(big, objects[i]);
    ck_assert_uint_le(sgc_front_of(big->classes[0])->n, 2);
    attach_verify(big);
    sgc_cache_unmake(big);
}
END_TEST

START_TEST(the_fullest_of_the_first_slabs_serves_next)
{
    static void *objects[6 * PER_SLAB];
    for (size_t i = 0; i < 6 * PER_SLAB; i++)
        objects[i] = sgc_cache_alloc(cache);
    for (size_t slab = 0; slab < 4; slab++) /* 40, 30, 20 and 10 slots become free */
        for (size_t i = 0; i < 40 - 10 * slab; i++)
            sgc_cache_free(cache, objects[slab * PER_SLAB + i]);
    sgc_cache_flush(cache);
    struct sgc_front *front = sgc_front_of(class_);
    while (front->current) /* what was current is used up first */
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    while (front->n)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    ck_assert_uint_eq(front->n_partial, 4);
    ck_assert_ptr_eq(sgc_slab_of(sgc_cache_alloc(cache)),
                     sgc_slab_of(objects[PER_SLAB])); /* the 10 of the fullest, then 20, then 2 of 30 */
    ck_assert_uint_eq(front->n_partial, 1);
}
END_TEST

/* ---- reservation ---- */

START_TEST(reserved_objects_come_without_the_os)
{
    static const size_t sizes[] = {1, 31, 32, 33, 1000, 5000};
    static void *objects[5000];
    ck_assert_int_eq(sgc_front_reserve(class_, 0), 0);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        ck_assert_int_eq(sgc_front_reserve(class_, sizes[s]), 0);
        sgc_os_fault_arm(1, true);
        for (size_t i = 0; i < sizes[s]; i++) {
            objects[i] = sgc_cache_alloc(cache);
            ck_assert_ptr_nonnull(objects[i]);
        }
        ck_assert(!sgc_os_fault_fired());
        sgc_os_fault_disarm();
        sgc_cache_free_bulk(cache, objects, sizes[s]);
        sgc_cache_shrink(cache);
    }
}
END_TEST

START_TEST(a_reservation_survives_a_stop)
{
    ck_assert_int_eq(sgc_front_reserve(class_, 5000), 0);
    sgc_cache_flush(cache);
    sgc_cache_relist(cache);
    sgc_os_fault_arm(1, true);
    for (size_t i = 0; i < 5000; i++)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    ck_assert(!sgc_os_fault_fired());
    sgc_os_fault_disarm();
}
END_TEST

START_TEST(a_reservation_ends_when_it_is_used_up)
{
    static void *objects[5000];
    struct sgc_cache_stats stats;
    ck_assert_int_eq(sgc_front_reserve(class_, 5000), 0);
    for (size_t i = 0; i < 5000; i++)
        objects[i] = sgc_cache_alloc(cache);
    sgc_cache_free_bulk(cache, objects, 5000);
    sgc_cache_flush(cache);
    sgc_cache_relist(cache);
    sgc_cache_stats(cache, &stats);
    ck_assert_uint_le(stats.n_slabs, 4);
}
END_TEST

START_TEST(a_reservation_beyond_the_limit_is_refused)
{
    struct sgc_budget budget = {.hard_bytes = 2 * SGC_SLAB_BYTES};
    struct sgc_cache *limited = attach_cache(&item_type, 0, &budget);
    ck_assert_int_eq(sgc_front_reserve(limited->classes[0], 2 * PER_SLAB), 0);
    ck_assert_int_eq(sgc_front_reserve(limited->classes[0], 2 * PER_SLAB + 1), -ENOMEM);
    for (size_t i = 0; i < 2 * PER_SLAB; i++)
        ck_assert_ptr_nonnull(sgc_cache_alloc(limited));
    attach_verify(limited);
    sgc_cache_unmake(limited);
}
END_TEST

/* ---- frees past the window ---- */

START_TEST(a_mask_frees_the_slots_of_a_word_at_once)
{
    struct item *objects[8];
    for (int i = 0; i < 8; i++)
        objects[i] = sgc_cache_alloc(cache);
    struct sgc_slab *slab = sgc_slab_of(objects[0]);
    uint64_t mask = 0;
    for (int i = 0; i < 8; i += 2)
        mask |= UINT64_C(1) << (sgc_slab_granule(objects[i]) % 64);
    sgc_slab_free_mask(slab, sgc_slab_granule(objects[0]) / 64, mask);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 4);
    uint64_t used[SGC_SLAB_WORDS];
    sgc_cache_flush(cache);
    sgc_slab_used_words(slab, used);
    for (int i = 0; i < 8; i++)
        ck_assert_uint_eq(used[0] >> (sgc_slab_granule(objects[i]) % 64) & 1, (unsigned)i % 2);
    sgc_slab_free_mask(slab, 0, 0); /* nothing */
    ck_assert_uint_eq(sgc_cache_n_live(cache), 4);
}
END_TEST

static void free_slot(void *object)
{
    sgc_slot_free(object);
}

START_TEST(freeing_a_free_slot_panics)
{
    char text[128];
    void *object = sgc_cache_alloc(cache);
    sgc_cache_free(cache, object);
    sgc_cache_flush(cache);
    snprintf(text, sizeof(text), "double free of object %p in cache item", object);
    support_expect_panic(free_slot, object, text);
    snprintf(text, sizeof(text), "sgc_slot_free: foreign pointer %p", (void *)((char *)object + SGC_SLAB_BYTES));
    support_expect_panic(free_slot, (char *)object + SGC_SLAB_BYTES, text);
}
END_TEST

static void *free_without_memory(void *object)
{
    if (sgc_fronts_attach(&sgc_context_, NULL) == 0) {
        sgc_os_fault_arm(1, true);
        while (sgc_meta_alloc(sizeof(struct sgc_front))) /* not even what core's own allocator had left */
            ;
        sgc_cache_free(cache, object);
        sgc_os_fault_disarm();
        if (sgc_front_of(class_) != &sgc_front_none)
            object = NULL; /* it had memory after all: the test failed to be one */
        attach_end();
    }
    return object;
}

START_TEST(a_thread_without_memory_for_a_front_can_still_free)
{
    pthread_t thread;
    void *object = sgc_cache_alloc(cache), *seen;
    ck_assert_int_eq(pthread_create(&thread, NULL, free_without_memory, object), 0);
    pthread_join(thread, &seen);
    ck_assert_ptr_eq(seen, object);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("front");
    TCase *tcase = tcase_create("front");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_refill_hands_out_ascending_addresses);
    tcase_add_test(tcase, a_refill_takes_half_a_window_and_a_flush_leaves_half);
    tcase_add_test(tcase, slots_at_hand_are_neither_free_nor_live);
    tcase_add_test(tcase, windows_of_big_slots_hold_at_most_a_slab);
    tcase_add_test(tcase, the_fullest_of_the_first_slabs_serves_next);
    tcase_add_test(tcase, reserved_objects_come_without_the_os);
    tcase_add_test(tcase, a_reservation_survives_a_stop);
    tcase_add_test(tcase, a_reservation_ends_when_it_is_used_up);
    tcase_add_test(tcase, a_reservation_beyond_the_limit_is_refused);
    tcase_add_test(tcase, a_mask_frees_the_slots_of_a_word_at_once);
    tcase_add_test(tcase, freeing_a_free_slot_panics);
    tcase_add_test(tcase, a_thread_without_memory_for_a_front_can_still_free);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
