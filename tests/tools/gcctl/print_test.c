/* print_test.c - numbers with units, both ways; tables and suggestions. */
#include "tests/support/expect.h"
#include "tests/tools/gcctl/capture.h"
#include "tools/gcctl/print.h"
#include "tools/gcctl/stat_print.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <string.h>
#include <sysexits.h>

static char text[GCCTL_UNIT_BYTES];

START_TEST(bytes_are_shown_with_three_digits_in_the_largest_unit)
{
    ck_assert_str_eq(gcctl_bytes(text, 0), "0B");
    ck_assert_str_eq(gcctl_bytes(text, 1023), "1023B");
    ck_assert_str_eq(gcctl_bytes(text, 1024), "1KiB");
    ck_assert_str_eq(gcctl_bytes(text, 1536), "1.5KiB");
    ck_assert_str_eq(gcctl_bytes(text, 64 << 20), "64MiB");
    ck_assert_str_eq(gcctl_bytes(text, 12.34 * (1 << 20)), "12.3MiB");
    ck_assert_str_eq(gcctl_bytes(text, 1048575), "1MiB");
    ck_assert_str_eq(gcctl_bytes(text, 1e30), "909494701772928256TiB");
    ck_assert_str_eq(gcctl_bytes(text, -2048), "-2KiB");
}
END_TEST

START_TEST(durations_and_counts_are_shown_for_people)
{
    ck_assert_str_eq(gcctl_duration(text, 0), "0ns");
    ck_assert_str_eq(gcctl_duration(text, 999), "999ns");
    ck_assert_str_eq(gcctl_duration(text, 1500000), "1.5ms");
    ck_assert_str_eq(gcctl_duration(text, 59e9), "59s");
    ck_assert_str_eq(gcctl_duration(text, 90e9), "1.5min");
    ck_assert_str_eq(gcctl_count(text, 9999), "9999");
    ck_assert_str_eq(gcctl_count(text, 12345), "12.3k");
    ck_assert_str_eq(gcctl_count(text, 1e7), "10M");
}
END_TEST

START_TEST(what_config_writes_is_read)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"0", 0},
                {"1B", 1},
                {"64KiB", 65536},
                {"1.5MiB", 1572864},
                {"1_000B", 1000},
                {"2 GiB", 1LL << 31},
                {"8388607TiB", 8388607LL << 40}};
    static const char *const bad[] = {
        "",       "1",     "KiB",        "1kib",
        "1MB",    "-1KiB", "1.KiB",      ".5KiB",
        "1.2.3B", "1KiBx", "8388608TiB", "9999999999999999999999999999999999999999999999999999999999999999999B"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t bytes = -1;
        ck_assert_msg(gcctl_parse_bytes(good[i].text, &bytes) == 0, "%s", good[i].text);
        ck_assert_msg(bytes == good[i].bytes, "%s: %" PRId64, good[i].text, bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t bytes = -1;
        ck_assert_msg(gcctl_parse_bytes(bad[i], &bytes) == -EINVAL && bytes == -1, "%s: %" PRId64, bad[i], bytes);
    }
}
END_TEST

START_TEST(durations_are_read_and_m_is_minutes)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"0", 0},           {"5ns", 5},           {"10us", 10000},       {"1.5ms", 1500000},
                {"2s", 2000000000}, {"5m", 300000000000}, {"5min", 300000000000}};
    static const char *const bad[] = {"", "m", "5", "5h", "1e3s", "s", "-1s"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ns = -1;
        ck_assert_msg(gcctl_parse_duration(good[i].text, &ns) == 0 && ns == good[i].ns, "%s: %" PRId64, good[i].text,
                      ns);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ns = -1;
        ck_assert_msg(gcctl_parse_duration(bad[i], &ns) == -EINVAL && ns == -1, "%s: %" PRId64, bad[i], ns);
    }
}
END_TEST

START_TEST(what_is_shown_in_three_digits_is_read_back_within_them)
{
    for (double value = 1; value < 1e15; value *= 1.37) {
        int64_t back;
        ck_assert_int_eq(gcctl_parse_bytes(gcctl_bytes(text, value), &back), 0);
        ck_assert_msg(back >= value * 0.994 - 1 && back <= value * 1.006 + 1, "%s is not %f", text, value);
        ck_assert_int_eq(gcctl_parse_duration(gcctl_duration(text, value), &back), 0);
        ck_assert_msg(back >= value * 0.994 - 1 && back <= value * 1.006 + 1, "%s is not %f", text, value);
    }
}
END_TEST

START_TEST(a_near_word_is_suggested_a_far_one_is_not)
{
    static const char *const words[] = {"stat", "caches", "verify", NULL};
    ck_assert_str_eq(gcctl_suggest("stats", words), "; did you mean \"stat\"?");
    ck_assert_str_eq(gcctl_suggest("cahces", words), "; did you mean \"caches\"?");
    ck_assert_str_eq(gcctl_suggest("varifi", words), "; did you mean \"verify\"?");
    ck_assert_str_eq(gcctl_suggest("compare", words), "");
    ck_assert_str_eq(gcctl_suggest("", words), "");
}
END_TEST

START_TEST(a_message_cannot_move_the_cursor)
{
    const int err = capture_begin(stderr);
    ck_assert_int_eq(gcctl_error(69, "process %s:\n\t%d%%", "\033[2Jevil\r\177", 5), 69);
    ck_assert_str_eq(capture_take(stderr, err), "gcctl: process ?[2Jevil??:\n\t5%\n");
}
END_TEST

static void print_table(bool color)
{
    const struct gcctl_call call = {.color = color};
    struct gcctl_table *table = gcctl_table_create(&call);
    gcctl_table_column(table, "NAME", 0);
    gcctl_table_column(table, "BYTES", GCCTL_RIGHT);
    gcctl_table_row(
        table, (const char *[]){"a name that is rather long, so that it would not fit on a narrow terminal of eighty "
                                "columns",
                                "1KiB"});
    gcctl_table_row(table, (const char *[]){NULL, "2B"});
    gcctl_table_print(table);
}

START_TEST(a_table_that_is_piped_keeps_every_letter_and_has_no_colour)
{
    const int out = capture_begin(stdout);
    print_table(false);
    const char *printed = capture_take(stdout, out);
    ck_assert_ptr_nonnull(strstr(printed, "of eighty columns  1KiB\n"));
    ck_assert_ptr_nonnull(strstr(printed, "    2B\n"));
    ck_assert_ptr_null(strchr(printed, '\033'));
    print_table(true);
    ck_assert_ptr_nonnull(strchr(capture_take(stdout, out), '\033'));
}
END_TEST

START_TEST(a_name_that_json_cannot_have_is_bad_data)
{
    const int err = capture_begin(stderr), out = capture_begin(stdout);
    ck_assert_int_eq(gcctl_print_json(json_pack("{s:s}", "file", "bad\xff")), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(capture_take(stderr, err), "not in UTF-8"));
    ck_assert_str_eq(capture_take(stdout, out), "");
}
END_TEST

START_TEST(a_table_without_rows_prints_nothing)
{
    const struct gcctl_call call = {0};
    const int out = capture_begin(stdout);
    struct gcctl_table *table = gcctl_table_create(&call);
    gcctl_table_column(table, "NAME", 0);
    gcctl_table_print(table);
    ck_assert_str_eq(capture_take(stdout, out), "");
}
END_TEST

/* ---- histograms */

START_TEST(rows_of_a_histogram_end_at_one_two_and_five)
{
    ck_assert_uint_eq(gcctl_stat_bound(0), 1);
    ck_assert_uint_eq(gcctl_stat_bound(1), 1);
    ck_assert_uint_eq(gcctl_stat_bound(3), 5);
    ck_assert_uint_eq(gcctl_stat_bound(1001), 2000);
    ck_assert_uint_eq(gcctl_stat_bound(UINT64_MAX), UINT64_MAX);
}
END_TEST

START_TEST(a_histogram_counts_every_pause_once_and_shows_empty_rows_between)
{
    setlocale(LC_CTYPE, "C");
    const int out = capture_begin(stdout);
    json_t *heap = json_loads(
        "{\"name\":\"h\",\"pauses\":{\"n\":13,\"sum_ns\":26000,\"max_ns\":9000,\"p50_ns\":1100,\"p90_ns\":9000,"
        "\"p99_ns\":9000,\"p999_ns\":9000,\"buckets\":[[900,4],[1000,6],[9000,3]]},"
        "\"times_to_stop\":{\"n\":0,\"buckets\":[]}}",
        0, NULL);
    ck_assert_ptr_nonnull(heap);
    gcctl_stat_histograms(heap);
    json_decref(heap);
    const char *printed = capture_take(stdout, out);
    ck_assert_ptr_nonnull(strstr(printed, "pauses of heap h: 13, mean 2us, p50 1.1us,"));
    ck_assert_ptr_nonnull(strstr(printed, "       1us          10  ########################################\n"));
    ck_assert_ptr_nonnull(strstr(printed, "       2us           0  \n       5us           0  \n"));
    ck_assert_ptr_nonnull(strstr(printed, "      10us           3  ############\n"));
    ck_assert_ptr_nonnull(strstr(printed, "times to stop of heap h: 0\n"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("print");
    TCase *tcase = tcase_create("print");
    tcase_add_test(tcase, bytes_are_shown_with_three_digits_in_the_largest_unit);
    tcase_add_test(tcase, durations_and_counts_are_shown_for_people);
    tcase_add_test(tcase, what_config_writes_is_read);
    tcase_add_test(tcase, durations_are_read_and_m_is_minutes);
    tcase_add_test(tcase, what_is_shown_in_three_digits_is_read_back_within_them);
    tcase_add_test(tcase, a_near_word_is_suggested_a_far_one_is_not);
    tcase_add_test(tcase, a_message_cannot_move_the_cursor);
    tcase_add_test(tcase, a_table_that_is_piped_keeps_every_letter_and_has_no_colour);
    tcase_add_test(tcase, a_table_without_rows_prints_nothing);
    tcase_add_test(tcase, a_name_that_json_cannot_have_is_bad_data);
    tcase_add_test(tcase, rows_of_a_histogram_end_at_one_two_and_five);
    tcase_add_test(tcase, a_histogram_counts_every_pause_once_and_shows_empty_rows_between);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
