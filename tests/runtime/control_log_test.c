/* control_log_test.c - the command log: recent events in pieces, and those to come. */
#include "tests/runtime/control_kit.h"
#include <stdio.h>
#include <stdlib.h>

START_TEST(the_log_begins_where_it_is_asked_to_and_says_where_it_ends)
{
    struct sgc_heap *heap = control_start(NULL);
    int fd = control_connect("socket");
    for (unsigned i = 0; i < 100; i++)
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    unsigned n_pieces = 0, n_events = 0;
    json_int_t next = 0;
    for (unsigned round = 0; round < 2; round++) {
        char request[96];
        snprintf(request, sizeof(request), "{\"command\":\"log\",\"from\":%lld}", (long long)next);
        control_say(fd, request);
        for (bool more = true; more;) {
            char *line = control_hear(fd);
            json_t *answer = json_loads(line, 0, NULL);
            json_t *items = json_object_get(answer, "items");
            more = items != NULL;
            n_pieces += more;
            n_events += (unsigned)json_array_size(items);
            if (!more)
                next = control_number(answer, "result.next");
            json_decref(answer);
            free(line);
        }
        if (round == 0) {
            ck_assert_uint_ge(n_events, 300);
            ck_assert_uint_ge(n_pieces, 2);
            ck_assert_int_ge(next, n_events);
            n_events = 0;
        }
    }
    ck_assert_uint_eq(n_events, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control log");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, the_log_begins_where_it_is_asked_to_and_says_where_it_ends);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
