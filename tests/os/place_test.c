/* place_test.c - addresses by file and distance, as the dynamic linker has them. */
#include "core/os/place.h"
#include "tests/support/expect.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_as_linker(void *address)
{
    Dl_info info;
    char text[300], expected[PATH_MAX + 32], file[PATH_MAX];
    ck_assert_int_ne(dladdr(address, &info), 0);
    ck_assert_ptr_nonnull(realpath(info.dli_fname, file)); /* what is mapped, not a link to it */
    snprintf(expected, sizeof(expected), "%s+0x%zx", strrchr(file, '/') + 1,
             (size_t)((char *)address - (char *)info.dli_fbase));
    sgc_os_place_text((uintptr_t)address, text, sizeof(text));
    ck_assert_str_eq(text, expected);
}

START_TEST(code_of_the_program_and_of_libraries_has_file_and_distance)
{
    assert_as_linker((char *)(uintptr_t)assert_as_linker + 5);
    assert_as_linker(dlsym(RTLD_DEFAULT, "qsort"));
}
END_TEST

START_TEST(what_belongs_to_no_file_is_a_bare_address)
{
    char text[300], expected[64];
    int local;
    snprintf(expected, sizeof(expected), "0x%zx", (size_t)(uintptr_t)&local);
    sgc_os_place_text((uintptr_t)&local, text, sizeof(text));
    ck_assert_str_eq(text, expected);
    sgc_os_place_text(16, text, sizeof(text));
    ck_assert_str_eq(text, "0x10");
}
END_TEST

START_TEST(a_text_too_long_is_cut)
{
    char text[8];
    sgc_os_place_text((uintptr_t)assert_as_linker, text, sizeof(text));
    ck_assert_uint_eq(strlen(text), 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("place");
    TCase *tc = tcase_create("place");
    tcase_add_test(tc, code_of_the_program_and_of_libraries_has_file_and_distance);
    tcase_add_test(tc, what_belongs_to_no_file_is_a_bare_address);
    tcase_add_test(tc, a_text_too_long_is_cut);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
