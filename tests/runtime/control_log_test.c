/* control_log_test.c - the command log: recent events in pieces, and those to come. */
#include "core/stats/events.h"
#include "tests/runtime/control_kit.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned n_pieces; /* of all answers */

/* Asks for all from `from` on: the items (the caller's), and the result's next and lost. */
static json_t *read_log(int fd, long long from, json_int_t *next, json_int_t *lost)
{
    char request[96];
    json_t *all = json_array();
    snprintf(request, sizeof(request), "{\"command\":\"log\",\"from\":%lld}", from);
    control_say(fd, request);
    for (;;) {
        char *line = control_hear(fd);
        json_t *answer = json_loads(line, 0, NULL), *items = json_object_get(answer, "items");
        free(line);
        if (!items) {
            *next = control_number(answer, "result.next");
            *lost = control_number(answer, "result.lost");
            json_decref(answer);
            return all;
        }
        ck_assert_uint_gt(json_array_size(items), 0);
        json_array_extend(all, items);
        n_pieces++;
        json_decref(answer);
    }
}

START_TEST(the_log_begins_where_it_is_asked_to_and_says_where_it_ends)
{
    json_int_t next, again, lost;
    struct sgc_heap *heap = control_start(NULL);
    int fd = control_connect("socket");
    for (unsigned i = 0; i < 100; i++)
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    json_t *all = read_log(fd, 0, &next, &lost), *none = read_log(fd, next, &again, &lost);
    ck_assert_uint_ge(json_array_size(all), 300);
    ck_assert_uint_ge(n_pieces, 2);
    ck_assert_int_ge(next, (json_int_t)json_array_size(all));
    ck_assert_uint_eq(json_array_size(none), 0);
    ck_assert_int_eq(again, next);
    json_decref(all);
    json_decref(none);
}
END_TEST

START_TEST(what_was_overwritten_is_counted)
{
    json_int_t next, lost;
    control_start(NULL);
    int fd = control_connect("socket");
    for (unsigned i = 0; i < 3 * SGC_EVENTS; i++)
        sgc_event_record(SGC_EVENT_SET, "many", i, 0, 0, 0);
    json_t *all = read_log(fd, 0, &next, &lost);
    ck_assert_uint_eq(json_array_size(all), SGC_EVENTS);
    ck_assert_int_eq(lost, next - SGC_EVENTS);
    ck_assert_int_ge(next, 3 * SGC_EVENTS);
    ck_assert_int_eq(control_number(all, "0.sequence"), lost);
    ck_assert_int_eq(control_number(all, "1023.sequence"), next - 1);
    ck_assert_int_eq(control_number(all, "1023.values.old"), 3 * SGC_EVENTS - 1);
    json_decref(all);
}
END_TEST

START_TEST(an_event_has_its_values_by_name_and_its_name_whatever_its_bytes)
{
    json_int_t next, lost;
    control_start(NULL);
    int fd = control_connect("socket");
    json_t *all = read_log(fd, 0, &next, &lost);
    json_decref(all);
    sgc_event_record(SGC_EVENT_SET, "a\xff\"b", 1, UINT64_MAX, 3, 4);
    sgc_event_record(SGC_EVENT_RELOAD, NULL, 5, 6, 7, 8);
    all = read_log(fd, next, &next, &lost);
    ck_assert_uint_eq(json_array_size(all), 2);
    ck_assert_str_eq(control_text(all, "0.kind"), "set");
    ck_assert_str_eq(control_text(all, "0.name"), "a?\"b");
    ck_assert_int_eq(control_number(all, "0.values.old"), 1);
    ck_assert_int_eq(control_number(all, "0.values.new"), INT64_MAX);
    ck_assert_int_eq(control_number(all, "0.values.heaps"), 3);
    ck_assert_uint_eq(json_object_size(control_at(all, "0.values")), 3);
    ck_assert_int_gt(control_number(all, "0.time_ns"), 0);
    ck_assert_int_eq(control_number(all, "0.thread"), gettid());
    ck_assert_str_eq(control_text(all, "1.kind"), "reload");
    ck_assert_str_eq(control_text(all, "1.name"), "");
    ck_assert_uint_eq(json_object_size(control_at(all, "1.values")), 1);
    ck_assert_int_eq(lost, 0);
    json_decref(all);
}
END_TEST

START_TEST(a_number_that_no_event_has_yet_is_waited_for_by_who_follows_alone)
{
    json_int_t next, lost;
    control_start(NULL);
    int fd = control_connect("socket");
    json_decref(read_log(fd, 0, &next, &lost));
    json_t *none = read_log(fd, next + 1, &next, &lost); /* the one behind the next */
    ck_assert_uint_eq(json_array_size(none), 0);
    ck_assert_int_eq(lost, 0);
    json_decref(none);
    char request[96];
    snprintf(request, sizeof(request), "{\"command\":\"log\",\"from\":%lld,\"follow\":true}", (long long)next);
    control_say(fd, request);
    sgc_event_record(SGC_EVENT_RELOAD, NULL, 0, 0, 0, 0); /* too early */
    sgc_event_record(SGC_EVENT_SET, "awaited", 0, 0, 0, 0);
    char *line = control_hear(fd);
    json_t *piece = json_loads(line, 0, NULL);
    ck_assert_int_eq(control_number(piece, "items.0.sequence"), next);
    ck_assert_str_eq(control_text(piece, "items.0.name"), "awaited");
    json_decref(piece);
    free(line);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control log");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, the_log_begins_where_it_is_asked_to_and_says_where_it_ends);
    tcase_add_test(all, what_was_overwritten_is_counted);
    tcase_add_test(all, an_event_has_its_values_by_name_and_its_name_whatever_its_bytes);
    tcase_add_test(all, a_number_that_no_event_has_yet_is_waited_for_by_who_follows_alone);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
