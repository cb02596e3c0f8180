/* panic_test.c - panics, warnings and error messages. */
#include "core/base/panic.h"

#include "tests/support/expect.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void panic_with_number(void *arg)
{
    sgc_panic("slot %d of %s", *(int *)arg, "node");
}

START_TEST(a_panic_writes_one_line_and_aborts)
{
    int slot = 7;
    support_expect_panic(panic_with_number, &slot, "slot 7 of node");
}
END_TEST

static void panic_too_long(void *arg)
{
    sgc_panic("%s", (const char *)arg);
}

START_TEST(a_panic_too_long_is_cut_and_still_ends_its_line)
{
    char text[5000], seen[8192];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    int status = support_run_child(panic_too_long, text, seen, sizeof(seen));
    ck_assert(WIFSIGNALED(status));
    char *line = strstr(seen, "slabgc: panic: xxx");
    ck_assert_ptr_nonnull(line);
    ck_assert_uint_lt(strlen(line), 2048);
    ck_assert_str_eq(line + strlen(line) - 4, "...\n");
}
END_TEST

static void warn_and_return(void *arg)
{
    (void)arg;
    errno = E2BIG;
    sgc_warn("thread '%s' is %s", "reader", "slow");
    if (errno != E2BIG)
        abort();
}

START_TEST(a_warning_writes_one_line_and_keeps_errno)
{
    char seen[1024];
    int status = support_run_child(warn_and_return, NULL, seen, sizeof(seen));
    ck_assert_int_eq(status, 0);
    ck_assert_ptr_nonnull(strstr(seen, "slabgc: thread 'reader' is slow\n"));
}
END_TEST

START_TEST(setting_an_error_fills_code_and_message_and_returns_the_code)
{
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_error_set(&error, -EINVAL, "no key '%s'", "limt"), -EINVAL);
    ck_assert_int_eq(error.code, -EINVAL);
    ck_assert_str_eq(error.message, "no key 'limt'");
}
END_TEST

START_TEST(no_error_wanted_is_allowed)
{
    ck_assert_int_eq(sgc_error_set(NULL, -EINVAL, "dropped"), -EINVAL);
    ck_assert_int_eq(sgc_error_prefix(NULL, "dropped"), 0);
}
END_TEST

START_TEST(a_prefix_goes_in_front_and_keeps_the_code)
{
    struct sgc_error error;
    sgc_error_set(&error, -ENOENT, "no such file");
    ck_assert_int_eq(sgc_error_prefix(&error, "heap '%s'", "a"), -ENOENT);
    ck_assert_str_eq(error.message, "heap 'a': no such file");
    ck_assert_int_eq(sgc_error_set(&error, -EIO, "again: %s", error.message), -EIO);
    ck_assert_str_eq(error.message, "again: heap 'a': no such file");
}
END_TEST

/* Whether text is whole UTF-8 as far as lead and continuation bytes go. */
static int utf8_is_whole(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        int n_following = *at < 0x80 ? 0 : *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : *at >= 0xc0 ? 1 : -1;
        if (n_following < 0)
            return 0;
        at++;
        while (n_following--)
            if ((*at++ & 0xc0) != 0x80)
                return 0;
    }
    return 1;
}

START_TEST(a_message_too_long_is_cut_between_characters)
{
    static const char *const characters[] = {"x", "\u00e4", "\u20ac", "\U0001f600"};
    char text[2 * SGC_ERROR_MESSAGE_BYTES];
    for (int shift = 0; shift < 4; shift++) {
        for (int c = 0; c < 4; c++) {
            memset(text, 'a', (size_t)shift);
            text[shift] = '\0';
            while (strlen(text) + 5 < sizeof(text))
                strcat(text, characters[c]);
            struct sgc_error error;
            sgc_error_set(&error, -1, "%s", text);
            size_t length = strlen(error.message);
            ck_assert_uint_ge(length, SGC_ERROR_MESSAGE_BYTES - 1 - 4);
            ck_assert_uint_lt(length, SGC_ERROR_MESSAGE_BYTES);
            ck_assert_str_eq(error.message + length - 3, "...");
            ck_assert(utf8_is_whole(error.message));
        }
    }
}
END_TEST

START_TEST(a_message_that_just_fits_is_not_cut)
{
    char text[SGC_ERROR_MESSAGE_BYTES];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct sgc_error error;
    sgc_error_set(&error, -1, "%s", text);
    ck_assert_str_eq(error.message, text);
}
END_TEST

START_TEST(a_prefix_too_long_cuts_the_message_not_the_memory_behind_it)
{
    char text[SGC_ERROR_MESSAGE_BYTES];
    memset(text, 'p', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (size_t length = SGC_ERROR_MESSAGE_BYTES - 12; length < SGC_ERROR_MESSAGE_BYTES; length++) {
        struct sgc_error error;
        sgc_error_set(&error, -2, "message");
        ck_assert_int_eq(sgc_error_prefix(&error, "%.*s", (int)length, text), -2);
        ck_assert_uint_lt(strlen(error.message), SGC_ERROR_MESSAGE_BYTES);
        ck_assert_ptr_nonnull(strstr(error.message, "pppp"));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("panic");
    TCase *tc = tcase_create("panic");
    tcase_add_test(tc, a_panic_writes_one_line_and_aborts);
    tcase_add_test(tc, a_panic_too_long_is_cut_and_still_ends_its_line);
    tcase_add_test(tc, a_warning_writes_one_line_and_keeps_errno);
    tcase_add_test(tc, setting_an_error_fills_code_and_message_and_returns_the_code);
    tcase_add_test(tc, no_error_wanted_is_allowed);
    tcase_add_test(tc, a_prefix_goes_in_front_and_keeps_the_code);
    tcase_add_test(tc, a_message_too_long_is_cut_between_characters);
    tcase_add_test(tc, a_message_that_just_fits_is_not_cut);
    tcase_add_test(tc, a_prefix_too_long_cuts_the_message_not_the_memory_behind_it);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
