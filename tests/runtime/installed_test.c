/* installed_test.c - where plug-ins are installed. From an installed library: tests/install/install_test.sh. */
#include "core/runtime/config.h"

#include "tests/support/expect.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>

START_TEST(a_program_with_the_static_library_goes_by_the_text_in_it)
{
    char out[PATH_MAX] = "";
    ck_assert(sgc_installed_plugins(out));
    ck_assert_str_eq(out, "/usr/lib/slabgc/plugins");
}
END_TEST

/* The installer looks for the mark and writes behind it: there is one such text, with room. */
START_TEST(the_text_stands_once_in_the_program_with_room_behind_it)
{
    static char bytes[32 << 20];
    const char wanted[] = "slabgc-installed-lib=/usr/lib"; /* this test has it as well, without room */
    FILE *program = fopen("/proc/self/exe", "r");
    ck_assert_ptr_nonnull(program);
    size_t n = fread(bytes, 1, sizeof(bytes), program), n_found = 0;
    fclose(program);
    for (char *at = bytes; (at = memmem(at, n - (size_t)(at - bytes), wanted, sizeof(wanted) - 1)); at++) {
        size_t room = 0;
        while (room < 1024 && at + sizeof(wanted) - 1 + room < bytes + n && !at[sizeof(wanted) - 1 + room])
            room++;
        n_found += room >= 1024 - sizeof(wanted);
    }
    ck_assert_uint_eq(n_found, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("installed");
    TCase *tc = tcase_create("installed");
    tcase_add_test(tc, a_program_with_the_static_library_goes_by_the_text_in_it);
    tcase_add_test(tc, the_text_stands_once_in_the_program_with_room_behind_it);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
