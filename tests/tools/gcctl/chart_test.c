/* chart_test.c - what charts are made of: text that XML may have, axes with round ticks, and the picture of slabs in
 * characters. */
#include "tests/support/expect.h"
#include "tools/gcctl/chart.h"
#include "tools/gcctl/cmd_map.h"

#include <stdlib.h>
#include <string.h>

static char *text;
static size_t text_bytes;

static FILE *begin(void)
{
    free(text);
    text = NULL;
    return open_memstream(&text, &text_bytes);
}

static const char *escaped(const char *in)
{
    FILE *out = begin();
    gcctl_chart_text(out, in);
    fclose(out);
    return text;
}

START_TEST(text_cannot_leave_its_place_in_a_page)
{
    ck_assert_str_eq(escaped("<a href=\"x\" b='y'>&amp;"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
    ck_assert_str_eq(escaped("one\ntwo\tthree"), "one&#10;two\tthree");
}
END_TEST

START_TEST(what_xml_may_not_have_is_replaced)
{
    ck_assert_str_eq(escaped("a\001b\033c"), "a&#xFFFD;b&#xFFFD;c");
    ck_assert_str_eq(escaped("gr\303\274n \342\202\254 \360\237\230\200"), "gr\303\274n \342\202\254 \360\237\230\200");
    ck_assert_str_eq(escaped("\303("), "&#xFFFD;(");                       /* cut off */
    ck_assert_str_eq(escaped("\300\200"), "&#xFFFD;&#xFFFD;");             /* overlong */
    ck_assert_str_eq(escaped("\355\240\200"), "&#xFFFD;&#xFFFD;&#xFFFD;"); /* surrogate */
    ck_assert_str_eq(escaped("\360\237"), "&#xFFFD;&#xFFFD;");
    ck_assert_str_eq(escaped("\377\376"), "&#xFFFD;&#xFFFD;");
}
END_TEST

START_TEST(ticks_are_round_and_within_the_axis)
{
    double ticks[16];
    struct gcctl_axis axis = {.unit = GCCTL_CHART_NS, .from = 0, .to = 870000};
    size_t n = gcctl_axis_ticks(&axis, 5, ticks);
    ck_assert_uint_eq(n, 5);
    ck_assert(ticks[0] == 0 && ticks[1] == 200000 && ticks[4] == 800000);
    axis = (struct gcctl_axis){.unit = GCCTL_CHART_BYTES, .from = 0, .to = 7.5 * (1 << 20)};
    n = gcctl_axis_ticks(&axis, 4, ticks);
    ck_assert_uint_eq(n, 4);
    ck_assert(ticks[1] == 2 << 20 && ticks[3] == 6 << 20);
    gcctl_axis_round(&axis, 4);
    ck_assert(axis.to == 8 << 20);
}
END_TEST

START_TEST(a_logarithmic_axis_has_powers_or_1_2_5)
{
    double ticks[16];
    struct gcctl_axis axis = {.unit = GCCTL_CHART_NS, .from = 500, .to = 5e6, .log = true};
    ck_assert_uint_eq(gcctl_axis_ticks(&axis, 6, ticks), 4);
    ck_assert(ticks[0] == 1000 && ticks[3] == 1e6);
    axis.to = 6000;
    ck_assert_uint_eq(gcctl_axis_ticks(&axis, 6, ticks), 4);
    ck_assert(ticks[0] == 500 && ticks[1] == 1000 && ticks[3] == 5000);
}
END_TEST

START_TEST(an_axis_without_a_range_has_few_ticks_and_an_end)
{
    double ticks[16];
    struct gcctl_axis axis = {.unit = GCCTL_CHART_COUNT, .from = 0, .to = 0};
    gcctl_axis_round(&axis, 5);
    ck_assert(axis.to > axis.from);
    ck_assert_uint_le(gcctl_axis_ticks(&axis, 5, ticks), 16);
    axis = (struct gcctl_axis){.unit = GCCTL_CHART_SECONDS, .from = 0, .to = 1e-3};
    ck_assert_uint_ge(gcctl_axis_ticks(&axis, 5, ticks), 4);
}
END_TEST

static const char *drawn(const struct gcctl_map *map, enum gcctl_map_form form, size_t width)
{
    FILE *out = begin();
    gcctl_map_draw(out, map, form, width);
    fclose(out);
    return text;
}

START_TEST(a_map_has_a_cell_for_each_slab)
{
    struct gcctl_slab slabs[] = {{"h", "a", 65536, 10, 0, 0},
                                 {"h", "a", 65536, 10, 1, 1},
                                 {"h", "a", 65536, 10, 10, 2},
                                 {"h", "b", 65536, 100, 42, 0}};
    const struct gcctl_map map = {.slabs = slabs, .n = 4};
    const char *ascii = drawn(&map, GCCTL_MAP_ASCII, 40);
    ck_assert_ptr_nonnull(strstr(ascii, "h / a: 3 slabs, 192KiB, 11 of 30 slots used (37%)\n  .1#\n"));
    ck_assert_ptr_nonnull(strstr(ascii, "h / b: 1 slab, 64KiB, 42 of 100 slots used (42%)\n  5\n"));
    ck_assert_ptr_null(strchr(ascii, '\033'));
    ck_assert_ptr_nonnull(strstr(drawn(&map, GCCTL_MAP_UTF8, 40), "  ·░█\n"));
    ck_assert_ptr_null(strchr(text, '\033'));
    ck_assert_ptr_nonnull(strchr(drawn(&map, GCCTL_MAP_COLOR, 40), '\033'));
}
END_TEST

START_TEST(many_slabs_share_a_cell_and_the_map_says_so)
{
    static struct gcctl_slab slabs[5000];
    for (size_t i = 0; i < 5000; i++)
        slabs[i] = (struct gcctl_slab){"h", "a", 65536, 10, 5, i};
    const struct gcctl_map map = {.slabs = slabs, .n = 5000};
    const char *ascii = drawn(&map, GCCTL_MAP_ASCII, 20);
    ck_assert_ptr_nonnull(strstr(ascii, "(a cell stands for 11 slabs here)"));
    ck_assert_ptr_nonnull(strstr(ascii, "\n  55555555555555555555\n"));
    size_t lines = 0;
    for (const char *at = ascii; (at = strchr(at, '\n')); at++)
        lines++;
    ck_assert_uint_le(lines, 30);
}
END_TEST

START_TEST(a_map_of_nothing_says_so)
{
    const struct gcctl_map map = {.n = 0};
    ck_assert_ptr_nonnull(strstr(drawn(&map, GCCTL_MAP_ASCII, 20), "no slab"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chart");
    TCase *tcase = tcase_create("chart");
    tcase_add_test(tcase, text_cannot_leave_its_place_in_a_page);
    tcase_add_test(tcase, what_xml_may_not_have_is_replaced);
    tcase_add_test(tcase, ticks_are_round_and_within_the_axis);
    tcase_add_test(tcase, a_logarithmic_axis_has_powers_or_1_2_5);
    tcase_add_test(tcase, an_axis_without_a_range_has_few_ticks_and_an_end);
    tcase_add_test(tcase, a_map_has_a_cell_for_each_slab);
    tcase_add_test(tcase, many_slabs_share_a_cell_and_the_map_says_so);
    tcase_add_test(tcase, a_map_of_nothing_says_so);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
