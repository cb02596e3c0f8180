/* make_test.c - making and unmaking caches: nothing stays behind, every refusal is clean. */
#include "core/cache/internal.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <stdio.h>

struct thing {
    void *reference;
    long value[5];
};
static const struct sgc_type thing_type = SGC_TYPE(struct thing, SGC_REFS(struct thing, reference));

START_TEST(a_cache_knows_what_it_was_made_of)
{
    struct sgc_heap *heap = (struct sgc_heap *)&heap;
    struct sgc_budget budget = {0};
    struct sgc_cache *cache = sgc_cache_make(heap, &thing_type, NULL, &budget, SGC_KIND_BIT(SGC_KIND_COUNT), NULL);
    ck_assert_str_eq(sgc_cache_name(cache), "thing");
    ck_assert_ptr_eq(sgc_cache_heap(cache), heap);
    ck_assert_ptr_eq(cache->type, &thing_type);
    ck_assert(cache->has_references && !cache->variable && !cache->managed_manual);
    ck_assert_uint_eq(cache->classes[0]->slot_bytes, 48);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(unmaking_gives_everything_back_live_objects_included)
{
    const struct sgc_type type = {.name = "various", .size_bytes = 8, .tail_element_bytes = 1};
    struct sgc_budget budget = {0};
    struct sgc_cache *warm = attach_cache(&type, 0, NULL); /* the thread's table and the arena exist from here on */
    ck_assert_ptr_nonnull(sgc_cache_alloc(warm));
    sgc_cache_unmake(warm);
    const size_t meta_bytes = sgc_meta_bytes();
    struct sgc_cache *cache = sgc_cache_make(NULL, &type, NULL, &budget, (1u << SGC_N_KINDS) - 1, NULL);
    cache->managed_manual = 1;
    for (size_t i = 0; i < 3000; i++) {
        void *object = sgc_cache_alloc_n(cache, i % 7 ? i % 500 : i * 20);
        *sgc_byte_at(SGC_KIND_COUNT, object) = 0x85; /* metadata of live objects */
        sgc_arena.excess_bias[(uintptr_t)object >> SGC_GRANULE_SHIFT] = 77;
        *sgc_byte_at(SGC_KIND_STATE, object) = 3;
    }
    ck_assert_uint_gt(budget.used_bytes, 0);
    sgc_cache_unmake(cache);
    ck_assert_uint_eq(budget.used_bytes, 0);
    ck_assert_uint_eq(sgc_meta_bytes(), meta_bytes);
    struct sgc_error error = {0};
    ck_assert_msg(sgc_region_verify(&error) == 0, "%s", error.message);
    ck_assert(sgc_list_empty(&sgc_caches));
}
END_TEST

START_TEST(a_bad_type_is_refused_by_name)
{
    const struct sgc_type type = {.name = "odd", .size_bytes = 8, .align_bytes = 3};
    struct sgc_error error = {0};
    ck_assert_ptr_null(sgc_cache_make(NULL, &type, NULL, NULL, 0, &error));
    ck_assert_int_eq(error.code, -EINVAL);
    ck_assert_str_eq(error.message, "type odd: alignment 3 is not a power of two up to 4096");
}
END_TEST

START_TEST(the_process_has_4095_classes_at_most)
{
    static struct sgc_cache *caches[SGC_MAX_CLASSES];
    struct sgc_error error = {0};
    int n = 0;
    while ((caches[n] = sgc_cache_make(NULL, &thing_type, NULL, NULL, 0, &error)))
        n++;
    ck_assert_int_eq(n, SGC_MAX_CLASSES - 1);
    ck_assert_int_eq(error.code, -ENOMEM);
    ck_assert_str_eq(error.message, "cache thing: the process has 4095 size classes already, the most there can be");
    caches[100]->managed_manual = 1;
    ck_assert_ptr_nonnull(sgc_cache_alloc(caches[100]));
    while (n > 0)
        sgc_cache_unmake(caches[--n]);
    ck_assert_ptr_nonnull(sgc_cache_make(NULL, &thing_type, NULL, NULL, 0, NULL));
}
END_TEST

START_TEST(without_memory_a_cache_is_refused_and_nothing_kept)
{
    struct sgc_error error = {0};
    uint64_t k = 1;
    for (;; k++) {
        const size_t meta_bytes = sgc_meta_bytes();
        sgc_os_fault_arm(k, true);
        struct sgc_cache *cache = sgc_cache_make(NULL, &thing_type, NULL, NULL, 0, &error);
        sgc_os_fault_disarm();
        if (cache)
            break;
        ck_assert_int_eq(error.code, -ENOMEM);
        ck_assert_uint_eq(sgc_meta_bytes(), meta_bytes);
    }
    printf("make_test: %llu gates\n", (unsigned long long)k - 1);
    ck_assert_uint_gt(k, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("make");
    TCase *tcase = tcase_create("make");
    tcase_add_test(tcase, a_cache_knows_what_it_was_made_of);
    tcase_add_test(tcase, unmaking_gives_everything_back_live_objects_included);
    tcase_add_test(tcase, a_bad_type_is_refused_by_name);
    tcase_add_test(tcase, the_process_has_4095_classes_at_most);
    tcase_add_test(tcase, without_memory_a_cache_is_refused_and_nothing_kept);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
