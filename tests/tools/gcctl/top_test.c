/* top_test.c - figures of the control protocol and their differences; what gcctl top shows of them: rates, order,
 * filter. No terminal is involved. */
#include "tests/support/expect.h"
#include "tools/gcctl/cmd_top_model.h"

#include <string.h>

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, 0, &error);
    ck_assert_msg(value != NULL, "%s: %s", error.text, text);
    return value;
}

static struct gcctl_buckets buckets(const char *text)
{
    struct gcctl_buckets out;
    json_t *value = parse(text);
    gcctl_buckets_read(&out, value);
    json_decref(value);
    return out;
}

START_TEST(a_difference_of_histograms_has_what_came_between)
{
    const struct gcctl_buckets before = buckets("{\"n\":3,\"sum_ns\":300,\"max_ns\":130,\"buckets\":[[96,2],[128,1]]}");
    struct gcctl_buckets now =
        buckets("{\"n\":8,\"sum_ns\":1500,\"max_ns\":500,\"buckets\":[[64,1],[96,2],[128,3],[512,2]]}");
    gcctl_buckets_subtract(&now, &before);
    ck_assert_uint_eq(now.n, 5);
    ck_assert_uint_eq(now.sum_ns, 1200);
    ck_assert_uint_eq(now.n_buckets, 3);
    ck_assert_uint_eq(now.buckets[1].upper_ns, 128);
    ck_assert_uint_eq(now.buckets[1].n, 2);
    ck_assert_uint_eq(now.max_ns, 500);
    ck_assert_uint_eq(gcctl_buckets_quantile(&now, 0.2), 64);
    ck_assert_uint_eq(gcctl_buckets_quantile(&now, 0.6), 128);
    ck_assert_uint_eq(gcctl_buckets_quantile(&now, 0.99), 500);
}
END_TEST

START_TEST(the_maximum_of_an_interval_is_not_that_of_before)
{
    const struct gcctl_buckets before = buckets("{\"n\":1,\"sum_ns\":900,\"max_ns\":900,\"buckets\":[[1024,1]]}");
    struct gcctl_buckets now = buckets("{\"n\":2,\"sum_ns\":960,\"max_ns\":900,\"buckets\":[[64,1],[1024,1]]}");
    gcctl_buckets_subtract(&now, &before);
    ck_assert_uint_eq(now.n, 1);
    ck_assert_uint_eq(now.max_ns, 64);
}
END_TEST

START_TEST(a_histogram_that_began_anew_counts_as_it_is)
{
    const struct gcctl_buckets before = buckets("{\"n\":9,\"sum_ns\":900,\"max_ns\":100,\"buckets\":[[128,9]]}");
    struct gcctl_buckets now = buckets("{\"n\":2,\"sum_ns\":100,\"max_ns\":60,\"buckets\":[[64,2]]}");
    gcctl_buckets_subtract(&now, &before);
    ck_assert_uint_eq(now.n, 2);
    ck_assert_uint_eq(gcctl_buckets_quantile(&now, 0.5), 60);
}
END_TEST

START_TEST(histograms_add_up_by_bucket)
{
    struct gcctl_buckets sum = buckets("{\"n\":2,\"sum_ns\":150,\"max_ns\":96,\"buckets\":[[64,1],[96,1]]}");
    const struct gcctl_buckets more = buckets("{\"n\":3,\"sum_ns\":600,\"max_ns\":500,\"buckets\":[[96,2],[512,1]]}");
    gcctl_buckets_add(&sum, &more);
    ck_assert_uint_eq(sum.n, 5);
    ck_assert_uint_eq(sum.n_buckets, 3);
    ck_assert_uint_eq(sum.buckets[1].n, 3);
    ck_assert_uint_eq(sum.max_ns, 500);
}
END_TEST

START_TEST(hostile_figures_read_as_zero)
{
    json_t *odd =
        parse("{\"a\":-5,\"b\":\"text\",\"c\":null,\"pauses\":{\"n\":-1,\"buckets\":[[1],[-1,4],\"x\",[8,-2],{}]}}");
    struct gcctl_buckets read;
    gcctl_buckets_read(&read, json_object_get(odd, "pauses"));
    ck_assert_uint_eq(read.n + read.n_buckets, 0);
    ck_assert_uint_eq(gcctl_figure_u64(odd, "a"), 0);
    ck_assert(gcctl_figure(odd, "b") == 0);
    ck_assert_str_eq(gcctl_figure_text(odd, "c"), "");
    ck_assert_uint_eq(gcctl_buckets_quantile(&read, 0.5), 0);
    json_decref(odd);
}
END_TEST

/* ---- samples */

#define HEAP(name, strategy, live, bytes, allocated, reclaimed, minor, pauses)                                         \
    "{\"name\":\"" name "\",\"strategy\":\"" strategy "\",\"live_objects\":" #live ",\"live_bytes\":" #bytes           \
    ",\"held_bytes\":4096,\"allocated\":" #allocated ",\"reclaimed\":" #reclaimed ",\"minor\":" #minor                 \
    ",\"full\":0,\"pauses\":" pauses "}"
#define CACHE(heap, name, live, bytes, allocated)                                                                      \
    "{\"heap\":\"" heap "\",\"name\":\"" name "\",\"live\":" #live ",\"live_bytes\":" #bytes                           \
    ",\"held_bytes\":1,\"allocated\":" #allocated "}"
#define NONE "{\"n\":0,\"sum_ns\":0,\"max_ns\":0,\"buckets\":[]}"

static const char stat_1[] = "{\"time_ns\":1000000000,\"rss_bytes\":5,\"heaps\":[" HEAP(
    "words", "rcu", 10, 500, 100, 90, 4,
    "{\"n\":1,\"sum_ns\":10,\"max_ns\":16,\"buckets\":[[16,1]]}") "," HEAP("sessions", "generational", 20, 900, 50, 30,
                                                                           1, NONE) "]}";
static const char stat_2[] = "{\"time_ns\":3000000000,\"rss_bytes\":6,\"heaps\":[" HEAP(
    "words", "rcu", 30, 700, 2100, 1090, 10,
    "{\"n\":3,\"sum_ns\":810,\"max_ns\":400,\"buckets\":[[16,1],[512,2]]}") "," HEAP("sessions", "generational", 20,
                                                                                     900, 50, 30, 1, NONE) "]}";
static const char caches_1[] = "{\"caches\":[" CACHE("words", "node", 4, 100, 50) "," CACHE(
    "words", "edge", 6, 400, 50) "," CACHE("sessions", "node", 20, 900, 50) "]}";
static const char caches_2[] = "{\"caches\":[" CACHE("words", "node", 24, 300, 1050) "," CACHE(
    "words", "edge", 6, 400, 1050) "," CACHE("sessions", "node", 20, 900, 50) "]}";

static struct gcctl_top top;

static void setup(void)
{
    gcctl_top_init(&top);
    gcctl_top_feed(&top, parse(stat_1), parse(caches_1));
    gcctl_top_feed(&top, parse(stat_2), parse(caches_2));
}

static void teardown(void)
{
    gcctl_top_fini(&top);
}

/* "words words/edge ..": what is shown, in order. */
static const char *shown(void)
{
    static char text[512];
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < top.n_order; i++) {
        const struct gcctl_top_row *row = &top.rows[top.order[i]];
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%s%s", i ? " " : "", row->heap, row->cache ? "/" : "",
                              row->cache ? row->cache : "");
    }
    return text;
}

static const struct gcctl_top_row *row(const char *heap, const char *cache)
{
    for (size_t i = 0; i < top.n_rows; i++)
        if (!strcmp(top.rows[i].heap, heap) && !strcmp(top.rows[i].cache ? top.rows[i].cache : "", cache))
            return &top.rows[i];
    ck_abort_msg("no row %s/%s", heap, cache);
    return NULL;
}

START_TEST(rates_are_differences_by_the_second)
{
    const struct gcctl_top_row *words = row("words", ""), *node = row("words", "node");
    ck_assert(top.seconds == 2);
    ck_assert(words->allocated == 1000 && words->reclaimed == 500 && words->collections == 3);
    ck_assert_uint_eq(words->n_pauses, 2);
    ck_assert_uint_eq(words->pause_p99_ns, 400);
    ck_assert(node->allocated == 500 && node->reclaimed == (1026.0 - 46) / 2);
    ck_assert(row("sessions", "")->allocated == 0);
    ck_assert_uint_eq(row("sessions", "")->n_pauses, 0);
}
END_TEST

START_TEST(counters_that_ran_backwards_count_from_zero)
{
    gcctl_top_feed(&top, parse("{\"time_ns\":4000000000,\"heaps\":[" HEAP("words", "rcu", 1, 1, 60, 20, 1, NONE) "]}"),
                   parse("{\"caches\":[]}"));
    ck_assert(row("words", "")->allocated == 60);
    ck_assert(row("words", "")->reclaimed == 20);
}
END_TEST

START_TEST(heaps_are_sorted_and_caches_stay_below_theirs)
{
    ck_assert_str_eq(shown(), "sessions sessions/node words words/edge words/node");
    top.key = GCCTL_TOP_ALLOCATED;
    gcctl_top_arrange(&top);
    ck_assert_str_eq(shown(), "words words/edge words/node sessions sessions/node");
    top.key = GCCTL_TOP_LIVE;
    gcctl_top_arrange(&top);
    ck_assert_str_eq(shown(), "words words/node words/edge sessions sessions/node");
    top.reversed = true;
    gcctl_top_arrange(&top);
    ck_assert_str_eq(shown(), "sessions sessions/node words words/edge words/node");
    top.key = GCCTL_TOP_NAME;
    top.reversed = false;
    gcctl_top_arrange(&top);
    ck_assert_str_eq(shown(), "sessions sessions/node words words/edge words/node");
}
END_TEST

START_TEST(a_filter_takes_names_of_heaps_caches_and_strategies)
{
    strcpy(top.filter, "EDGE");
    gcctl_top_arrange(&top);
    ck_assert_str_eq(shown(), "words words/edge");
    strcpy(top.filter, "sess");
    gcctl_top_arrange(&top);
    ck_assert_str_eq(shown(), "sessions sessions/node");
    strcpy(top.filter, "rcu");
    gcctl_top_arrange(&top);
    ck_assert_str_eq(shown(), "words words/edge words/node");
    strcpy(top.filter, "nobody");
    gcctl_top_arrange(&top);
    ck_assert_str_eq(shown(), "");
    strcpy(top.filter, "");
    top.without_caches = true;
    gcctl_top_arrange(&top);
    ck_assert_str_eq(shown(), "sessions words");
}
END_TEST

START_TEST(json_has_the_rows_in_their_order)
{
    json_t *value = gcctl_top_json(&top), *heaps = json_object_get(value, "heaps");
    ck_assert_uint_eq(json_array_size(heaps), 2);
    ck_assert_str_eq(gcctl_figure_text(json_array_get(heaps, 1), "heap"), "words");
    ck_assert(gcctl_figure(json_array_get(heaps, 1), "allocated_per_s") == 1000);
    ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(heaps, 1), "caches")), 2);
    json_decref(value);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("top");
    TCase *figures = tcase_create("figures"), *model = tcase_create("model");
    tcase_add_test(figures, a_difference_of_histograms_has_what_came_between);
    tcase_add_test(figures, the_maximum_of_an_interval_is_not_that_of_before);
    tcase_add_test(figures, a_histogram_that_began_anew_counts_as_it_is);
    tcase_add_test(figures, histograms_add_up_by_bucket);
    tcase_add_test(figures, hostile_figures_read_as_zero);
    tcase_add_checked_fixture(model, setup, teardown);
    tcase_add_test(model, rates_are_differences_by_the_second);
    tcase_add_test(model, counters_that_ran_backwards_count_from_zero);
    tcase_add_test(model, heaps_are_sorted_and_caches_stay_below_theirs);
    tcase_add_test(model, a_filter_takes_names_of_heaps_caches_and_strategies);
    tcase_add_test(model, json_has_the_rows_in_their_order);
    suite_add_tcase(suite, figures);
    suite_add_tcase(suite, model);
    return support_main(suite);
}
