/* alloc_misuse_test.c - what wrong frees and wrong heaps get from the bare object cache: at the call, or when the slot
 * leaves the window. */
#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <stdio.h>
#include <stdlib.h>

struct item {
    uint64_t words[6];
};
static const struct sgc_type item_type = SGC_TYPE(struct item);

static const struct sgc_type bytes_type = {.name = "bytes", .size_bytes = 8, .tail_element_bytes = 1};

static struct sgc_cache *misused;
static char text[256];

static void free_object(void *object)
{
    sgc_cache_free(misused, object);
}
static void alloc_one(void *unused)
{
    (void)unused;
    free(sgc_cache_alloc(misused)); /* never returns */
}
static void alloc_bulk(void *out)
{
    sgc_cache_alloc_bulk(misused, out, 1);
}
static void free_bulk(void *objects)
{
    sgc_cache_free_bulk(misused, objects, 2);
}

START_TEST(a_pointer_from_elsewhere_panics)
{
    int local;
    misused = attach_cache(&item_type, SGC_DEBUG_CHECK, NULL);
    char *object = sgc_cache_alloc(misused);
    snprintf(text, sizeof(text), "sgc_cache_free: foreign pointer %p", (void *)&local);
    support_expect_panic(free_object, &local, text);
    char *beside = object + SGC_SLAB_BYTES; /* a slab in no use */
    snprintf(text, sizeof(text), "sgc_cache_free: foreign pointer %p", (void *)beside);
    support_expect_panic(free_object, beside, text);
    snprintf(text, sizeof(text), "sgc_cache_free: foreign pointer %p", (void *)0x10);
    support_expect_panic(free_object, (void *)0x10, text);
}
END_TEST

START_TEST(a_pointer_into_an_object_panics)
{
    misused = attach_cache(&item_type, SGC_DEBUG_CHECK, NULL);
    char *object = sgc_cache_alloc(misused);
    static const int offsets[] = {1, 8, 16, 47};
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof(text), "sgc_cache_free: interior pointer %p into cache item",
                 (void *)(object + offsets[i]));
        support_expect_panic(free_object, object + offsets[i], text);
    }
}
END_TEST

START_TEST(an_object_of_another_cache_panics)
{
    struct sgc_cache *other = attach_cache(&bytes_type, 0, NULL);
    misused = attach_cache(&item_type, SGC_DEBUG_CHECK, NULL);
    void *object = sgc_cache_alloc_n(other, 40);
    snprintf(text, sizeof(text), "sgc_cache_free: object %p belongs to cache bytes, not to item", object);
    support_expect_panic(free_object, object, text);
}
END_TEST

START_TEST(a_double_free_panics_once_the_object_is_back_in_its_slab)
{
    misused = attach_cache(&item_type, SGC_DEBUG_CHECK, NULL);
    void *object = sgc_cache_alloc(misused);
    sgc_cache_free(misused, object);
    sgc_cache_flush(misused);
    snprintf(text, sizeof(text), "double free of object %p in cache item", object);
    support_expect_panic(free_object, object, text);
    void *pair[2] = {sgc_cache_alloc(misused), object};
    if (pair[0] != object) {
        snprintf(text, sizeof(text), "double free of object %p in cache item", object);
        support_expect_panic(free_bulk, pair, text);
    }
}
END_TEST

START_TEST(a_double_free_of_a_large_object_panics)
{
    misused = attach_cache(&bytes_type, 0, NULL);
    void *object = sgc_cache_alloc_n(misused, 100000);
    sgc_cache_free(misused, object);
    snprintf(text, sizeof(text), "sgc_cache_free: foreign pointer %p", object); /* its memory left the cache */
    support_expect_panic(free_object, object, text);
}
END_TEST

/* ---- misuse that the window lets in is found when the slot leaves it ---- */

#define LATE "sgc_cache_free, some calls ago (debug=check says which): "

static void free_and_flush(void *object)
{
    sgc_cache_free(misused, object);
    sgc_cache_flush(misused);
}
static void free_and_fill_window(void *object)
{
    void *objects[SGC_WINDOW_SLOTS];
    ck_assert_uint_eq(sgc_cache_alloc_bulk(misused, objects, SGC_WINDOW_SLOTS), SGC_WINDOW_SLOTS);
    sgc_cache_free(misused, object);
    for (int i = 0; i < SGC_WINDOW_SLOTS; i++)
        sgc_cache_free(misused, objects[i]);
}
static void expect_found_late(void *object)
{
    if (CACHE_ASAN)
        return; /* no windows to free into: each is found at the call */
    support_expect_panic(free_and_flush, object, text);
    support_expect_panic(free_and_fill_window, object, text);
}

START_TEST(a_wrong_free_panics_when_its_slot_leaves_the_window)
{
    int local;
    struct sgc_cache *other = attach_cache(&bytes_type, 0, NULL);
    misused = attach_cache(&item_type, 0, NULL);
    char *object = sgc_cache_alloc(misused), *foreign = sgc_cache_alloc_n(other, 40);
    snprintf(text, sizeof(text), LATE "foreign pointer %p", (void *)&local);
    expect_found_late(&local);
    snprintf(text, sizeof(text), LATE "interior pointer %p into cache item", (void *)(object + 1));
    expect_found_late(object + 1);
    snprintf(text, sizeof(text), LATE "interior pointer %p into cache item", (void *)(object + 16));
    expect_found_late(object + 16);
    snprintf(text, sizeof(text), LATE "object %p belongs to cache bytes, not to item", (void *)foreign);
    expect_found_late(foreign);
}
END_TEST

START_TEST(a_double_free_panics_when_its_slot_leaves_the_window)
{
    misused = attach_cache(&item_type, 0, NULL);
    void *object = sgc_cache_alloc(misused);
    sgc_cache_free(misused, object);
    snprintf(text, sizeof(text), "double free of object %p in cache item", object);
    if (!CACHE_ASAN)
        support_expect_panic(free_and_flush, object, text); /* both are in the window */
    sgc_cache_flush(misused);
    expect_found_late(object); /* the first is back in the slab */
}
END_TEST

START_TEST(the_bare_calls_panic_on_a_managed_heap)
{
    void *out[1] = {0};
    misused = attach_cache(&item_type, 0, NULL);
    void *object = sgc_cache_alloc(misused);
    misused->managed_manual = 0;
    sgc_cache_head_update(misused);
    support_expect_panic(alloc_one, NULL, "sgc_cache_alloc: cache item belongs to a managed heap; use sgc_new");
    support_expect_panic(alloc_bulk, out, "sgc_cache_alloc_bulk: cache item belongs to a managed heap; use sgc_new");
    support_expect_panic(free_object, object, "sgc_cache_free: cache item belongs to a managed heap; use sgc_drop");
    out[0] = object;
    support_expect_panic(free_bulk, (void *[2]){object, NULL},
                         "sgc_cache_free_bulk: cache item belongs to a managed heap; use sgc_drop");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alloc_misuse");
    TCase *misuse = tcase_create("misuse");
    tcase_add_test(misuse, a_pointer_from_elsewhere_panics);
    tcase_add_test(misuse, a_pointer_into_an_object_panics);
    tcase_add_test(misuse, an_object_of_another_cache_panics);
    tcase_add_test(misuse, a_double_free_panics_once_the_object_is_back_in_its_slab);
    tcase_add_test(misuse, a_wrong_free_panics_when_its_slot_leaves_the_window);
    tcase_add_test(misuse, a_double_free_panics_when_its_slot_leaves_the_window);
    tcase_add_test(misuse, a_double_free_of_a_large_object_panics);
    tcase_add_test(misuse, the_bare_calls_panic_on_a_managed_heap);
    suite_add_tcase(suite, misuse);
    return support_main(suite);
}
