/* json_line_test.c - JSON text into a fixed buffer: commas, strings, numbers, and what does not fit. */
#include "core/base/json_line.h"
#include "tests/support/expect.h"

#include <string.h>

static char buffer[256];
static struct sgc_json json;

static void setup(void)
{
    json = sgc_json_on(buffer, sizeof(buffer));
}

static void assert_text(const char *expected)
{
    ck_assert(!json.cut);
    ck_assert_uint_eq(json.n, strlen(expected));
    ck_assert_msg(memcmp(buffer, expected, json.n) == 0, "%.*s, not %s", (int)json.n, buffer, expected);
}

START_TEST(values_are_separated_at_every_level)
{
    sgc_json_open(&json, '{');
    sgc_json_member_u64(&json, "a", 0);
    sgc_json_key(&json, "list");
    sgc_json_open(&json, '[');
    sgc_json_open(&json, '{');
    sgc_json_close(&json, '}');
    sgc_json_open(&json, '[');
    sgc_json_close(&json, ']');
    sgc_json_u64(&json, 7);
    sgc_json_close(&json, ']');
    sgc_json_member_bool(&json, "yes", true);
    sgc_json_member_text(&json, "none", NULL);
    sgc_json_key(&json, "raw");
    sgc_json_raw(&json, "[1]");
    sgc_json_close(&json, '}');
    sgc_json_end_line(&json);
    assert_text("{\"a\":0,\"list\":[{},[],7],\"yes\":true,\"none\":null,\"raw\":[1]}\n");
}
END_TEST

START_TEST(numbers_and_addresses)
{
    sgc_json_open(&json, '[');
    sgc_json_u64(&json, 1234567890123456789u);
    sgc_json_u64(&json, UINT64_MAX); /* JSON integers of many readers end at 2^63 - 1 */
    sgc_json_address(&json, (void *)0x7f00deadbee0);
    sgc_json_close(&json, ']');
    assert_text("[1234567890123456789,9223372036854775807,\"0x7f00deadbee0\"]");
}
END_TEST

static const struct {
    const char *in, *out;
} strings[] = {
    {"", "\"\""},
    {"a\"b\\c\n\t\x01", "\"a\\\"b\\\\c\\n\\u0009\\u0001\""},
    {"Gr\xc3\xb6\xc3\x9f"
     "e \xe2\x82\xac \xf0\x9f\x98\x80",
     "\"Gr\xc3\xb6\xc3\x9f"
     "e \xe2\x82\xac \xf0\x9f\x98\x80\""},
    {"\xff"
     "a",
     "\"\xef\xbf\xbd"
     "a\""},                                                                      /* no lead byte */
    {"\xc3", "\"\xef\xbf\xbd\""},                                                 /* cut short */
    {"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                                 /* overlong */
    {"\xe0\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},                 /* a surrogate */
    {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* beyond U+10FFFF */
};

START_TEST(strings_are_escaped_and_always_utf8)
{
    sgc_json_text(&json, strings[_i].in);
    assert_text(strings[_i].out);
}
END_TEST

START_TEST(bits_are_four_to_a_digit_the_lowest_first)
{
    const uint64_t words[] = {0x8000000000000001u, 0x5};
    sgc_json_bits(&json, words, 67);
    assert_text("\"10000000000000085\"");
}
END_TEST

START_TEST(what_does_not_fit_is_left_out_and_can_be_taken_back)
{
    json.room = 10;
    sgc_json_open(&json, '[');
    sgc_json_u64(&json, 123);
    const struct sgc_json mark = json;
    sgc_json_text(&json, "far too long");
    ck_assert(json.cut);
    sgc_json_u64(&json, 1);
    ck_assert(json.cut);
    ck_assert_uint_le(json.n, json.room);
    json = mark;
    sgc_json_u64(&json, 45);
    sgc_json_close(&json, ']');
    assert_text("[123,45]");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_line");
    TCase *tc = tcase_create("json_line");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, values_are_separated_at_every_level);
    tcase_add_test(tc, numbers_and_addresses);
    tcase_add_loop_test(tc, strings_are_escaped_and_always_utf8, 0, sizeof(strings) / sizeof(*strings));
    tcase_add_test(tc, bits_are_four_to_a_digit_the_lowest_first);
    tcase_add_test(tc, what_does_not_fit_is_left_out_and_can_be_taken_back);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
