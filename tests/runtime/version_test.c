/* version_test.c - version of core. */
#include "tests/support/expect.h"
#include <slabgc/config.h>
#include <slabgc/version.h>
#include <stdio.h>

START_TEST(the_library_says_the_version_of_its_headers)
{
    char text[64];
    snprintf(text, sizeof(text), "%d.%d.%d", SGC_VERSION_MAJOR, SGC_VERSION_MINOR, SGC_VERSION_PATCH);
    ck_assert_str_eq(SGC_VERSION, text);
    ck_assert_str_eq(sgc_version(), SGC_VERSION);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("version");
    TCase *tc = tcase_create("version");
    tcase_add_test(tc, the_library_says_the_version_of_its_headers);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
