/* suggest_test.c - the nearest word. */
#include "core/base/suggest.h"

#include "tests/support/expect.h"
#include <string.h>

static const char *const strategies[] = {"none", "refcount", "generational", "rcu"};

#define SUGGEST(word, candidates) sgc_suggest((word), (candidates), sizeof(candidates) / sizeof((candidates)[0]))

START_TEST(a_misspelt_word_finds_its_neighbour)
{
    ck_assert_pstr_eq(SUGGEST("generatinal", strategies), "generational");
    ck_assert_pstr_eq(SUGGEST("refcuont", strategies), "refcount");
    ck_assert_pstr_eq(SUGGEST("nonee", strategies), "none");
    ck_assert_pstr_eq(SUGGEST("rc", strategies), "rcu");
    ck_assert_pstr_eq(SUGGEST("rcu", strategies), "rcu");
}
END_TEST

START_TEST(a_word_too_far_from_all_finds_none)
{
    ck_assert_ptr_null(SUGGEST("marksweep", strategies));
    ck_assert_ptr_null(SUGGEST("rxx", strategies));
    ck_assert_ptr_null(SUGGEST("", strategies));
    ck_assert_ptr_null(sgc_suggest("rcu", NULL, 0));
}
END_TEST

START_TEST(swapped_neighbours_count_as_one_edit)
{
    static const char *const words[] = {"abc"};
    ck_assert_pstr_eq(SUGGEST("acb", words), "abc");
    ck_assert_ptr_null(SUGGEST("cab", words));
}
END_TEST

START_TEST(the_limit_is_a_third_of_the_word_and_at_most_three_edits)
{
    static const char *const words[] = {"abcdefghijklmnopqrst"};
    ck_assert_pstr_eq(SUGGEST("abcdefghijklmnopqXYZ", words), words[0]);
    ck_assert_ptr_null(SUGGEST("abcdefghijklmnopWXYZ", words));
    static const char *const shorter[] = {"abcdef"};
    ck_assert_pstr_eq(SUGGEST("abcdXY", shorter), shorter[0]);
    ck_assert_ptr_null(SUGGEST("abcXYZ", shorter));
}
END_TEST

START_TEST(ties_go_to_the_earliest)
{
    static const char *const words[] = {"bat", "cat", "rat"};
    ck_assert_pstr_eq(SUGGEST("hat", words), "bat");
    ck_assert_pstr_eq(SUGGEST("cat", words), "cat");
}
END_TEST

START_TEST(words_beyond_the_table_never_match)
{
    char longest[64 + 1], longer[65 + 1];
    memset(longest, 'a', 63);
    longest[63] = '\0';
    memset(longer, 'a', 64);
    longer[64] = '\0';
    const char *const words[] = {longer, longest};
    ck_assert_ptr_eq(SUGGEST(longest, words), longest);
    ck_assert_ptr_null(SUGGEST(longer, words));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("suggest");
    TCase *tc = tcase_create("suggest");
    tcase_add_test(tc, a_misspelt_word_finds_its_neighbour);
    tcase_add_test(tc, a_word_too_far_from_all_finds_none);
    tcase_add_test(tc, swapped_neighbours_count_as_one_edit);
    tcase_add_test(tc, the_limit_is_a_third_of_the_word_and_at_most_three_edits);
    tcase_add_test(tc, ties_go_to_the_earliest);
    tcase_add_test(tc, words_beyond_the_table_never_match);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
