/* bulk_test.c - many objects in one call: all or none, the same objects as single calls, checks. */
#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <stdio.h>

struct item {
    uint64_t words[6];
};
static const struct sgc_type item_type = SGC_TYPE(struct item);

static uint64_t n_live(struct sgc_cache *cache)
{
    struct sgc_cache_stats stats;
    sgc_cache_stats(cache, &stats);
    ck_assert_uint_eq(stats.n_allocated - stats.n_freed, stats.n_live);
    return stats.n_live;
}

static bool is_filled(const void *object, size_t bytes, uint8_t byte)
{
    for (size_t i = 0; i < bytes; i++)
        if (((const uint8_t *)object)[i] != byte)
            return false;
    return true;
}

START_TEST(bulk_allocates_all_or_none)
{
    enum { N = 5000 };
    static void *objects[N];
    struct sgc_budget budget = {.hard_bytes = 2 * SGC_SLAB_BYTES};
    struct sgc_cache *cache = attach_cache(&item_type, 0, &budget);
    const size_t most = 2 * (SGC_SLAB_BYTES / 48);
    ck_assert_uint_eq(sgc_cache_alloc_bulk(cache, objects, 0), 0);
    ck_assert_uint_eq(sgc_cache_alloc_bulk(cache, objects, 1), 1);
    errno = 0;
    ck_assert_uint_eq(sgc_cache_alloc_bulk(cache, objects + 1, most), 0);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_eq(n_live(cache), 1);
    attach_verify(cache);
    ck_assert_uint_eq(sgc_cache_alloc_bulk(cache, objects + 1, most - 1), most - 1);
    for (size_t i = 0; i < most; i++)
        memset(objects[i], (int)i, sizeof(struct item));
    for (size_t i = 0; i < most; i++)
        ck_assert(is_filled(objects[i], sizeof(struct item), (uint8_t)i));
    objects[most] = NULL; /* ignored */
    sgc_cache_free_bulk(cache, objects, most + 1);
    ck_assert_uint_eq(n_live(cache), 0);
    attach_verify(cache);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(bulk_of_large_objects_is_all_or_none)
{
    void *objects[4];
    const struct sgc_type type = {.name = "large", .size_bytes = 100000};
    struct sgc_budget budget = {.hard_bytes = 3 * 2 * SGC_SLAB_BYTES};
    struct sgc_cache *cache = attach_cache(&type, 0, &budget);
    ck_assert_uint_eq(sgc_cache_alloc_bulk(cache, objects, 4), 0);
    ck_assert_uint_eq(n_live(cache), 0);
    ck_assert_uint_eq(sgc_cache_alloc_bulk(cache, objects, 3), 3);
    sgc_cache_free_bulk(cache, objects, 3);
    ck_assert_uint_eq(n_live(cache), 0);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(any_number_at_once_is_as_many_single_calls)
{
    static const size_t numbers[] = {1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000, 4000};
    static struct item *items[4000];
    static const uint32_t debugs[] = {0, SGC_DEBUG_CHECK};
    for (size_t d = 0; d < SGC_ARRAY_LEN(debugs); d++) {
        struct sgc_cache *cache = attach_cache(&item_type, debugs[d], NULL);
        for (size_t at = 0; at < SGC_ARRAY_LEN(numbers); at++) {
            const size_t n = numbers[at];
            for (size_t step = 0; step < 2; step++) {
                if (step)
                    ck_assert_uint_eq(sgc_cache_alloc_bulk(cache, (void **)items, n), n);
                else
                    for (size_t i = 0; i < n; i++)
                        items[i] = sgc_cache_alloc(cache);
                for (size_t i = 0; i < n; i++)
                    items[i]->words[0] = items[i]->words[5] = i;
                ck_assert_uint_eq(n_live(cache), n);
                for (size_t i = 0; i < n; i++) /* distinct */
                    ck_assert(items[i]->words[0] == i && items[i]->words[5] == i);
                if (!step)
                    sgc_cache_free_bulk(cache, (void *const *)items, n);
                else
                    for (size_t i = 0; i < n; i++)
                        sgc_cache_free(cache, items[i]);
                ck_assert_uint_eq(n_live(cache), 0);
            }
        }
        attach_verify(cache);
        sgc_cache_unmake(cache);
    }
}
END_TEST

START_TEST(null_between_objects_is_ignored)
{
    void *objects[300];
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    ck_assert_uint_eq(sgc_cache_alloc_bulk(cache, objects, 300), 300);
    for (int i = 0; i < 300; i++)
        if (i % 3 == 0 || i < 5 || i > 295) {
            sgc_cache_free(cache, objects[i]);
            objects[i] = NULL;
        }
    sgc_cache_free_bulk(cache, objects, 300);
    sgc_cache_free_bulk(cache, objects, 0);
    ck_assert_uint_eq(n_live(cache), 0);
    attach_verify(cache);
    sgc_cache_unmake(cache);
}
END_TEST

static int item_construct(void *object)
{
    ((struct item *)object)->words[3] = 7;
    return 0;
}

START_TEST(objects_come_constructed)
{
    static const struct sgc_type built_type = SGC_TYPE(struct item, .ctor = item_construct);
    struct item *items[200];
    struct sgc_cache *cache = attach_cache(&built_type, 0, NULL);
    for (int round = 0; round < 3; round++) {
        ck_assert_uint_eq(sgc_cache_alloc_bulk(cache, (void **)items, 200), 200);
        for (int i = 0; i < 200; i++)
            ck_assert_uint_eq(items[i]->words[3], 7);
        sgc_cache_free_bulk(cache, (void *const *)items, 200);
    }
    sgc_cache_unmake(cache);
}
END_TEST

/* ---- misuse ---- */

static struct sgc_cache *misused;

static void free_with_another(void *object)
{
    void *objects[2 * SGC_WINDOW_SLOTS];
    ck_assert_uint_eq(sgc_cache_alloc_bulk(misused, objects, SGC_ARRAY_LEN(objects)), SGC_ARRAY_LEN(objects));
    objects[0] = object;
    sgc_cache_free_bulk(misused, objects, SGC_ARRAY_LEN(objects));
}

START_TEST(a_foreign_pointer_among_them_panics)
{
    char text[200];
    int local;
    misused = attach_cache(&item_type, 0, NULL);
    snprintf(text, sizeof(text), "%s: foreign pointer %p",
             CACHE_ASAN ? "sgc_cache_free_bulk" : "sgc_cache_free, some calls ago (debug=check says which)",
             (void *)&local);
    support_expect_panic(free_with_another, &local, text);
    misused = attach_cache(&item_type, SGC_DEBUG_CHECK, NULL);
    snprintf(text, sizeof(text), "sgc_cache_free_bulk: foreign pointer %p", (void *)&local);
    support_expect_panic(free_with_another, &local, text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bulk");
    TCase *tcase = tcase_create("bulk");
    tcase_add_checked_fixture(tcase, NULL, attach_end);
    tcase_add_test(tcase, bulk_allocates_all_or_none);
    tcase_add_test(tcase, bulk_of_large_objects_is_all_or_none);
    tcase_add_test(tcase, any_number_at_once_is_as_many_single_calls);
    tcase_add_test(tcase, null_between_objects_is_ignored);
    tcase_add_test(tcase, objects_come_constructed);
    tcase_add_test(tcase, a_foreign_pointer_among_them_panics);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
