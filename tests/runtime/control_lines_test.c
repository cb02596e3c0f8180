/* control_lines_test.c - lines of an answer: what fits, what fills a line, what fits nowhere. */
#include "core/runtime/control_lines.h"
#include "core/runtime/control_server.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct sgc_control_request request = {.id = "\"me\""};
static char text[4 * SGC_CONTROL_LINE_BYTES], item_text[SGC_CONTROL_LINE_BYTES + 1];
static int out; /* a file in memory: takes any number of lines, which a pipe may not */

static void setup(void)
{
    out = memfd_create("lines", MFD_CLOEXEC);
    ck_assert_int_ge(out, 0);
}

/* All that was written. */
static const char *written(void)
{
    size_t n = 0;
    for (ssize_t got; (got = pread(out, text + n, sizeof(text) - 1 - n, (off_t)n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    return text;
}

static void put_text(struct sgc_json *json, const void *item)
{
    sgc_json_text(json, item);
}

static const char *item_of(size_t bytes)
{
    memset(item_text, 'x', bytes);
    item_text[bytes] = '\0';
    return item_text;
}

START_TEST(items_and_a_result_are_lines_of_their_own)
{
    struct sgc_lines lines = sgc_lines_to(&request, out);
    sgc_lines_items_begin(&lines);
    sgc_lines_items_add(&lines, put_text, "a");
    sgc_lines_items_add(&lines, put_text, "b");
    sgc_lines_items_send(&lines);
    sgc_lines_result_begin(&lines);
    sgc_json_member_u64(&lines.json, "n", 2);
    ck_assert_int_eq(sgc_lines_result_send(&lines), 0);
    ck_assert_str_eq(written(),
                     "{\"id\":\"me\",\"items\":[\"a\",\"b\"]}\n{\"id\":\"me\",\"ok\":true,\"result\":{\"n\":2}}\n");
}
END_TEST

START_TEST(without_items_there_is_no_line_of_them)
{
    struct sgc_lines lines = sgc_lines_to(&request, out);
    sgc_lines_items_begin(&lines);
    sgc_lines_items_send(&lines);
    ck_assert_int_eq(
        sgc_lines_error_send(&lines, &(struct sgc_error){.code = -ENOMEM, .message = "no memory for \"it\""}), 0);
    ck_assert_str_eq(written(),
                     "{\"id\":\"me\",\"ok\":false,\"error\":{\"code\":\"ENOMEM\",\"message\":\"no memory for "
                     "\\\"it\\\"\"}}\n");
}
END_TEST

START_TEST(a_full_line_goes_out_before_the_next_item)
{
    struct sgc_lines lines = sgc_lines_to(&request, out);
    sgc_lines_items_begin(&lines);
    for (int i = 0; i < 3; i++)
        sgc_lines_items_add(&lines, put_text, item_of(30000));
    sgc_lines_items_send(&lines);
    ck_assert(!lines.failed);
    const char *first = written(), *end = strchr(first, '\n'), *second = end + 1;
    ck_assert_uint_eq((size_t)(end - first), strlen("{\"id\":\"me\",\"items\":[]}") + 2 * 30002 + 1);
    ck_assert_uint_eq(strlen(second), strlen("{\"id\":\"me\",\"items\":[]}\n") + 30002);
}
END_TEST

START_TEST(an_item_that_fits_no_line_is_a_failure)
{
    struct sgc_lines lines = sgc_lines_to(&request, out);
    sgc_lines_items_begin(&lines);
    sgc_lines_items_add(&lines, put_text, item_of(SGC_CONTROL_LINE_BYTES));
    sgc_lines_items_add(&lines, put_text, "a");
    sgc_lines_items_send(&lines);
    sgc_lines_result_begin(&lines);
    ck_assert_int_ne(sgc_lines_result_send(&lines), 0);
    ck_assert_str_eq(written(), "");
}
END_TEST

START_TEST(a_list_says_what_it_leaves_out)
{
    unsigned n_omitted = 0;
    struct sgc_lines lines = sgc_lines_to(&request, out);
    sgc_lines_result_begin(&lines);
    sgc_json_key(&lines.json, "list");
    sgc_json_open(&lines.json, '[');
    for (int i = 0; i < 5; i++)
        sgc_lines_list_add(&lines, put_text, item_of(i == 4 ? 1 : 30000),
                           &n_omitted); /* order stays: the last is out */
    sgc_lines_list_end(&lines, n_omitted);
    ck_assert_int_eq(sgc_lines_result_send(&lines), 0);
    const char *line = written();
    ck_assert_uint_le(strlen(line), SGC_CONTROL_LINE_BYTES);
    ck_assert_str_eq(line + strlen(line) - strlen("x\"],\"omitted\":3}}\n"), "x\"],\"omitted\":3}}\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control_lines");
    TCase *tc = tcase_create("control_lines");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, items_and_a_result_are_lines_of_their_own);
    tcase_add_test(tc, without_items_there_is_no_line_of_them);
    tcase_add_test(tc, a_full_line_goes_out_before_the_next_item);
    tcase_add_test(tc, an_item_that_fits_no_line_is_a_failure);
    tcase_add_test(tc, a_list_says_what_it_leaves_out);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
