/* source_test.c - errors that show the line, and origins. */
#include "core/runtime/source.h"

#include "tests/support/expect.h"
#include <stdio.h>
#include <string.h>

static struct sgc_source source_of(const char *name, const char *text)
{
    return (struct sgc_source){SGC_SOURCE_FILE, name, text, strlen(text), NULL};
}

static const char *shown(const char *text, uint32_t line, uint32_t column)
{
    static struct sgc_error error;
    struct sgc_source source = source_of("a.conf", text);
    struct sgc_place place = {&source, line, column};
    ck_assert_int_eq(sgc_place_error(&place, &error, -22, "wrong %s", "here"), -22);
    ck_assert_int_eq(error.code, -22);
    return error.message;
}

START_TEST(the_message_names_the_place_and_shows_line_and_caret)
{
    ck_assert_str_eq(shown("[heap]\nstrategy = x\n", 2, 12), "a.conf:2:12: wrong here\n"
                                                             "    2 | strategy = x\n"
                                                             "      |            ^");
}
END_TEST

START_TEST(the_last_line_may_lack_its_newline)
{
    ck_assert_str_eq(shown("[heap]\nkey", 2, 4), "a.conf:2:4: wrong here\n    2 | key\n      |    ^");
    ck_assert_str_eq(shown("", 1, 1), "a.conf:1:1: wrong here\n    1 | \n      | ^");
}
END_TEST

START_TEST(the_carriage_return_of_a_line_end_is_not_shown)
{
    ck_assert_str_eq(shown("one\r\ntwo\r\n", 1, 1), "a.conf:1:1: wrong here\n    1 | one\n      | ^");
}
END_TEST

START_TEST(a_tab_stays_a_tab_under_which_the_caret_stands_right)
{
    ck_assert_str_eq(shown("\tkey\t= 1", 1, 6), "a.conf:1:6: wrong here\n    1 | \tkey\t= 1\n      | \t   \t^");
}
END_TEST

START_TEST(the_caret_counts_characters_and_the_column_bytes)
{
    ck_assert_str_eq(shown("k\xc3\xa4se = 1", 1, 7), "a.conf:1:7: wrong here\n    1 | k\xc3\xa4se = 1\n      |      ^");
}
END_TEST

START_TEST(control_characters_are_shown_as_question_marks)
{
    ck_assert_str_eq(shown("a\x1b[2Jb\x7f", 1, 2), "a.conf:1:2: wrong here\n    1 | a?[2Jb?\n      |  ^");
}
END_TEST

START_TEST(of_a_long_line_the_part_around_the_column_is_shown)
{
    char text[1001];
    for (unsigned i = 0; i < 1000; i++)
        text[i] = (char)('a' + i % 26);
    text[1000] = '\0';
    const char *message = shown(text, 1, 501), *line = strstr(message, "    1 | ..."), *caret = strrchr(message, '\n');
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_eq(strchr(line, '\n'), caret);
    ck_assert_mem_eq(caret - 3, "...", 3);
    size_t at = strlen(caret + 1) - 1;
    ck_assert_int_eq(line[at], 'a' + 500 % 26);
    ck_assert_uint_lt(strlen(line), 260);
}
END_TEST

START_TEST(no_text_and_no_column_leads_out_of_the_message)
{
    uint64_t seed = support_seed("places", 5);
    for (unsigned i = 0; i < 3000; i++) {
        char text[400];
        size_t n = support_random(&seed) % sizeof(text);
        for (size_t j = 0; j < n; j++)
            text[j] = (char)(support_random(&seed) % 8 ? support_random(&seed) : 0x80 | support_random(&seed));
        struct sgc_source source = {SGC_SOURCE_FILE, "x", text, n, NULL};
        struct sgc_place place = {&source, 1 + (uint32_t)(support_random(&seed) % 5),
                                  1 + (uint32_t)(support_random(&seed) % 450)};
        struct sgc_error error;
        sgc_place_error(&place, &error, -1, "wrong");
        ck_assert_uint_lt(strlen(error.message), SGC_ERROR_MESSAGE_BYTES);
        ck_assert_int_eq(error.message[strlen(error.message) - 1], '^');
    }
}
END_TEST

START_TEST(an_origin_is_file_and_line_or_the_variable_or_default)
{
    struct sgc_source file = source_of("/etc/slabgc/slabgc.conf", ""), environment = source_of("$SLABGC", ""),
                      built_in = source_of("built-in", "");
    environment.kind = SGC_SOURCE_ENVIRONMENT;
    built_in.kind = SGC_SOURCE_BUILT_IN;
    char origin[SGC_ORIGIN_BYTES];
    sgc_place_origin(&(struct sgc_place){&file, 3, 1}, origin);
    ck_assert_str_eq(origin, "/etc/slabgc/slabgc.conf:3");
    sgc_place_origin(&(struct sgc_place){&environment, 1, 7}, origin);
    ck_assert_str_eq(origin, "$SLABGC");
    sgc_place_origin(&(struct sgc_place){&built_in, 2, 1}, origin);
    ck_assert_str_eq(origin, "default");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("source");
    TCase *tc = tcase_create("source");
    tcase_add_test(tc, the_message_names_the_place_and_shows_line_and_caret);
    tcase_add_test(tc, the_last_line_may_lack_its_newline);
    tcase_add_test(tc, the_carriage_return_of_a_line_end_is_not_shown);
    tcase_add_test(tc, a_tab_stays_a_tab_under_which_the_caret_stands_right);
    tcase_add_test(tc, the_caret_counts_characters_and_the_column_bytes);
    tcase_add_test(tc, control_characters_are_shown_as_question_marks);
    tcase_add_test(tc, of_a_long_line_the_part_around_the_column_is_shown);
    tcase_add_test(tc, no_text_and_no_column_leads_out_of_the_message);
    tcase_add_test(tc, an_origin_is_file_and_line_or_the_variable_or_default);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
