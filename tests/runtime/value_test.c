/* value_test.c - numbers with units. */
#include "core/runtime/value.h"

#include "tests/support/expect.h"
#include <errno.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    enum sgc_param_type type;
    const char *text;
    uint64_t value;
} good[] = {
    {SGC_PARAM_BYTES, "64MiB", UINT64_C(64) << 20},
    {SGC_PARAM_BYTES, "64 MiB", UINT64_C(64) << 20},
    {SGC_PARAM_BYTES, "1_024KiB", UINT64_C(1) << 20},
    {SGC_PARAM_BYTES, "512B", 512},
    {SGC_PARAM_BYTES, "2GiB", UINT64_C(2) << 30},
    {SGC_PARAM_BYTES, "1TiB", UINT64_C(1) << 40},
    {SGC_PARAM_BYTES, "0", 0},
    {SGC_PARAM_BYTES, "0B", 0},
    {SGC_PARAM_BYTES, "18446744073709551615B", UINT64_MAX},
    {SGC_PARAM_DURATION_NS, "10ms", 10000000},
    {SGC_PARAM_DURATION_NS, "250us", 250000},
    {SGC_PARAM_DURATION_NS, "7ns", 7},
    {SGC_PARAM_DURATION_NS, "3s", UINT64_C(3000000000)},
    {SGC_PARAM_DURATION_NS, "2min", UINT64_C(120000000000)},
    {SGC_PARAM_PERCENT, "150%", 150},
    {SGC_PARAM_PERCENT, "150 %", 150},
    {SGC_PARAM_COUNT, "10_000", 10000},
    {SGC_PARAM_COUNT, "007", 7},
    {SGC_PARAM_COUNT, "18446744073709551615", UINT64_MAX},
    {SGC_PARAM_BOOL, "on", 1},
    {SGC_PARAM_BOOL, "off", 0},
    {SGC_PARAM_BOOL, "true", 1},
    {SGC_PARAM_BOOL, "false", 0},
    {SGC_PARAM_BOOL, "yes", 1},
    {SGC_PARAM_BOOL, "no", 0},
};

START_TEST(a_value_is_read_with_its_unit)
{
    uint64_t value = 99;
    struct sgc_value_fault fault;
    ck_assert_msg(sgc_value_parse(good[_i].type, good[_i].text, &value, &fault) == 0, "%s: %s", good[_i].text,
                  fault.message);
    ck_assert_uint_eq(value, good[_i].value);
}
END_TEST

static const struct {
    enum sgc_param_type type;
    const char *text;
    size_t offset;
    const char *message;
} bad[] = {
    {SGC_PARAM_BYTES, "64", 2, "\"64\" has no unit; a number of bytes takes B, KiB, MiB, GiB or TiB"},
    {SGC_PARAM_BYTES, "64MB", 2, "unknown unit \"MB\"; did you mean \"MiB\"?"},
    {SGC_PARAM_BYTES, "64mib", 2, "unknown unit \"mib\"; did you mean \"MiB\"?"},
    {SGC_PARAM_BYTES, "64 G", 3, "unknown unit \"G\"; did you mean \"GiB\"?"},
    {SGC_PARAM_BYTES, "64k", 2, "unknown unit \"k\"; did you mean \"KiB\"?"},
    {SGC_PARAM_BYTES, "64b", 2, "unknown unit \"b\"; did you mean \"B\"?"},
    {SGC_PARAM_BYTES, "64ms", 2, "unknown unit \"ms\"; a number of bytes takes B, KiB, MiB, GiB or TiB"},
    {SGC_PARAM_BYTES, "1.5GiB", 1, "\"1.5GiB\" is not a whole number; use a smaller unit"},
    {SGC_PARAM_BYTES, "-1MiB", 0, "\"-1MiB\" is not a number of bytes"},
    {SGC_PARAM_BYTES, "lots", 0, "\"lots\" is not a number of bytes"},
    {SGC_PARAM_BYTES, "_1MiB", 0, "\"_1MiB\" is not a number of bytes"},
    {SGC_PARAM_BYTES, "1_MiB", 1, "unknown unit \"_MiB\"; did you mean \"MiB\"?"},
    {SGC_PARAM_BYTES, "17179869184GiB", 0, "\"17179869184GiB\" is too large for 64 bits"},
    {SGC_PARAM_BYTES, "18446744073709551616B", 0, "\"18446744073709551616B\" is too large for 64 bits"},
    {SGC_PARAM_DURATION_NS, "10", 2, "\"10\" has no unit; a duration takes ns, us, ms, s or min"},
    {SGC_PARAM_DURATION_NS, "10msec", 2, "unknown unit \"msec\"; a duration takes ns, us, ms, s or min"},
    {SGC_PARAM_DURATION_NS, "10MS", 2, "unknown unit \"MS\"; did you mean \"ms\"?"},
    {SGC_PARAM_DURATION_NS, "10mins", 2, "unknown unit \"mins\"; did you mean \"min\"?"},
    {SGC_PARAM_PERCENT, "150", 3, "\"150\" has no unit; a percentage takes %"},
    {SGC_PARAM_COUNT, "10k", 2, "\"10k\": a count takes no unit, \"k\" is too much"},
    {SGC_PARAM_COUNT, "18446744073709551616", 0, "\"18446744073709551616\" is too large for 64 bits"},
    {SGC_PARAM_COUNT, "0x10", 1, "\"0x10\": a count takes no unit, \"x10\" is too much"},
    {SGC_PARAM_BOOL, "maybe", 0, "\"maybe\" is not a switch: on, off, true, false, yes or no"},
    {SGC_PARAM_BOOL, "ture", 0, "\"ture\" is not a switch; did you mean \"true\"?"},
    {SGC_PARAM_BOOL, "1", 0, "\"1\" is not a switch: on, off, true, false, yes or no"},
};

START_TEST(a_bad_value_is_refused_at_its_byte_with_the_reason)
{
    uint64_t value = 99;
    struct sgc_value_fault fault;
    ck_assert_int_eq(sgc_value_parse(bad[_i].type, bad[_i].text, &value, &fault), -EINVAL);
    ck_assert_str_eq(fault.message, bad[_i].message);
    ck_assert_uint_eq(fault.offset, bad[_i].offset);
    ck_assert_uint_eq(value, 99);
}
END_TEST

static const struct {
    enum sgc_param_type type;
    uint64_t value;
    const char *text;
} formatted[] = {
    {SGC_PARAM_BYTES, UINT64_C(64) << 20, "64MiB"},
    {SGC_PARAM_BYTES, 1000, "1000B"},
    {SGC_PARAM_BYTES, 0, "0B"},
    {SGC_PARAM_BYTES, UINT64_MAX, "18446744073709551615B"},
    {SGC_PARAM_DURATION_NS, 1500000, "1500us"},
    {SGC_PARAM_DURATION_NS, UINT64_C(60000000000), "1min"},
    {SGC_PARAM_DURATION_NS, 0, "0ns"},
    {SGC_PARAM_PERCENT, 150, "150%"},
    {SGC_PARAM_COUNT, 10000, "10000"},
    {SGC_PARAM_BOOL, 1, "on"},
    {SGC_PARAM_BOOL, 0, "off"},
};

START_TEST(a_value_is_written_in_the_largest_unit_that_divides_it)
{
    char text[SGC_VALUE_BYTES];
    sgc_value_format(formatted[_i].type, formatted[_i].value, text);
    ck_assert_str_eq(text, formatted[_i].text);
}
END_TEST

START_TEST(what_is_written_reads_back)
{
    uint64_t seed = support_seed("round trip", 3);
    for (unsigned i = 0; i < 5000; i++) {
        enum sgc_param_type type = (enum sgc_param_type)(support_random(&seed) % (SGC_PARAM_BOOL + 1));
        uint64_t value = support_random(&seed) >> (support_random(&seed) % 64), back = ~value;
        if (support_random(&seed) % 2)
            value <<= support_random(&seed) % 40;
        if (type == SGC_PARAM_BOOL)
            value &= 1;
        char text[SGC_VALUE_BYTES];
        struct sgc_value_fault fault;
        sgc_value_format(type, value, text);
        ck_assert_msg(sgc_value_parse(type, text, &back, &fault) == 0, "%s: %s", text, fault.message);
        ck_assert_uint_eq(back, value);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("value");
    TCase *tc = tcase_create("value");
    tcase_add_loop_test(tc, a_value_is_read_with_its_unit, 0, LENGTH(good));
    tcase_add_loop_test(tc, a_bad_value_is_refused_at_its_byte_with_the_reason, 0, LENGTH(bad));
    tcase_add_loop_test(tc, a_value_is_written_in_the_largest_unit_that_divides_it, 0, LENGTH(formatted));
    tcase_add_test(tc, what_is_written_reads_back);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
