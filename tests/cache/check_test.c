/* check_test.c - every pointer that is no live object is refused by kind. */
#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <stdio.h>

static const struct sgc_type item_type = {.name = "item", .size_bytes = 48};
static const struct sgc_type blob_type = {.name = "blob", .size_bytes = 100000};
static char text[200];

static void check(void *pointer)
{
    sgc_slot_check(pointer, "sgc_hold");
}

START_TEST(a_live_object_is_accepted_and_its_slab_returned)
{
    struct sgc_cache *items = attach_cache(&item_type, 0, NULL), *blobs = attach_cache(&blob_type, 0, NULL);
    void *item = sgc_cache_alloc(items), *blob = sgc_cache_alloc(blobs);
    ck_assert_ptr_eq(sgc_slot_check(item, "x"), sgc_slab_of(item));
    ck_assert_ptr_eq(sgc_slot_check(blob, "x"), sgc_slab_of(blob));
}
END_TEST

START_TEST(everything_else_panics_with_its_kind)
{
    struct sgc_cache *items = attach_cache(&item_type, 0, NULL), *blobs = attach_cache(&blob_type, 0, NULL);
    char *item = sgc_cache_alloc(items), *freed = sgc_cache_alloc(items), *blob = sgc_cache_alloc(blobs);
    sgc_cache_free(items, freed);
    sgc_cache_flush(items);
    void *foreign[] = {text,
                       (void *)8,
                       (void *)-16,
                       (char *)sgc_arena.base - 16,
                       (char *)sgc_arena.base + sgc_arena.bytes - 16,
                       blob + 2 * SGC_SLAB_BYTES};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        snprintf(text, sizeof(text), "sgc_hold: foreign pointer %p", foreign[i]);
        support_expect_panic(check, foreign[i], text);
    }
    void *interior[] = {item + 1, item + 16, item + 47, blob + 16, blob + SGC_SLAB_BYTES};
    for (size_t i = 0; i < sizeof(interior) / sizeof(interior[0]); i++) {
        snprintf(text, sizeof(text), "sgc_hold: interior pointer %p into cache %s", interior[i],
                 i < 3 ? "item" : "blob");
        support_expect_panic(check, interior[i], text);
    }
    snprintf(text, sizeof(text), "sgc_hold: object %p of cache item is free", (void *)freed);
    support_expect_panic(check, freed, text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check");
    TCase *tcase = tcase_create("check");
    tcase_add_test(tcase, a_live_object_is_accepted_and_its_slab_returned);
    tcase_add_test(tcase, everything_else_panics_with_its_kind);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
