/* describe_test.c - the text about objects that were left alive. */
#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <stdio.h>
#include <string.h>

static const struct sgc_type item_type = {.name = "item", .size_bytes = 48};
static const struct sgc_type blob_type = {.name = "blob", .size_bytes = 100000};

START_TEST(each_leak_has_a_line_up_to_the_limit)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    char text[1000], expected[1000];
    void *a = sgc_cache_alloc(cache), *b = sgc_cache_alloc(cache), *c = sgc_cache_alloc(cache);
    ck_assert_uint_eq(sgc_cache_describe_live(cache, text, sizeof(text), 2), 3);
    snprintf(expected, sizeof(expected), "  object %p, 48 bytes\n  object %p, 48 bytes", a, b);
    ck_assert_str_eq(text, expected);
    sgc_cache_free(cache, a);
    sgc_cache_free(cache, b);
    ck_assert_uint_eq(sgc_cache_describe_live(cache, text, sizeof(text), 2), 1);
    sgc_cache_free(cache, c);
    ck_assert_uint_eq(sgc_cache_describe_live(cache, text, sizeof(text), 2), 0);
    ck_assert_str_eq(text, "");
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(a_short_buffer_gets_whole_lines)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    char text[50];
    for (int i = 0; i < 10; i++)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    for (size_t room = 0; room <= sizeof(text); room++) {
        memset(text, 'x', sizeof(text));
        ck_assert_uint_eq(sgc_cache_describe_live(cache, text, room, 8), 10);
        if (room == 0)
            continue;
        ck_assert_uint_lt(strlen(text), room);
        ck_assert(text[0] == '\0' || strcmp(text + strlen(text) - 5, "bytes") == 0);
    }
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(with_track_the_line_names_the_caller)
{
    struct sgc_cache *cache = attach_cache(&item_type, SGC_DEBUG_TRACK, NULL);
    char text[1000];
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    ck_assert_uint_eq(sgc_cache_describe_live(cache, text, sizeof(text), 2), 1);
    ck_assert_msg(strstr(text, "48 bytes, allocated at describe_test+0x") != NULL, "%s", text);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(large_objects_are_listed_with_their_size)
{
    struct sgc_cache *cache = attach_cache(&blob_type, 0, NULL);
    char text[1000];
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    ck_assert_uint_eq(sgc_cache_describe_live(cache, text, sizeof(text), 2), 1);
    ck_assert_msg(strstr(text, ", 100000 bytes") != NULL, "%s", text);
    sgc_cache_unmake(cache);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("describe");
    TCase *tcase = tcase_create("describe");
    tcase_add_test(tcase, each_leak_has_a_line_up_to_the_limit);
    tcase_add_test(tcase, a_short_buffer_gets_whole_lines);
    tcase_add_test(tcase, with_track_the_line_names_the_caller);
    tcase_add_test(tcase, large_objects_are_listed_with_their_size);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
