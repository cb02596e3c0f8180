/* events_test.c - the ring of recent events. */
#include "core/stats/events.h"

#include "core/os/clock.h"
#include "core/os/thread.h"
#include "tests/support/expect.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sgc_event out[2 * SGC_EVENTS];

START_TEST(an_event_comes_back_as_it_was_recorded)
{
    uint64_t next = 0, lost = 7, before_ns = sgc_os_now_ns();
    sgc_event_record(SGC_EVENT_STALL, "words", 1, UINT64_MAX, 3, 4);
    ck_assert_uint_eq(sgc_events_read(&next, out, 10, &lost), 1);
    ck_assert_uint_eq(next, 1);
    ck_assert_uint_eq(lost, 0);
    ck_assert_uint_eq(out[0].sequence, 0);
    ck_assert_uint_ge(out[0].timestamp_ns, before_ns);
    ck_assert_uint_eq(out[0].kind, SGC_EVENT_STALL);
    ck_assert_uint_eq(out[0].thread_id, (uint32_t)sgc_os_thread_id());
    ck_assert_str_eq(out[0].name, "words");
    ck_assert_uint_eq(out[0].n[0], 1);
    ck_assert_uint_eq(out[0].n[1], UINT64_MAX);
    ck_assert_uint_eq(out[0].n[2], 3);
    ck_assert_uint_eq(out[0].n[3], 4);
    ck_assert_uint_eq(sgc_events_read(&next, out, 10, &lost), 0);
}
END_TEST

START_TEST(a_name_is_cut_at_63_bytes_and_may_be_absent)
{
    char name[100];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    sgc_event_record(SGC_EVENT_RELOAD, NULL, 0, 0, 0, 0);
    sgc_event_record(SGC_EVENT_STOP, name, 0, 0, 0, 0);
    uint64_t next = 0;
    ck_assert_uint_eq(sgc_events_read(&next, out, 10, NULL), 2);
    ck_assert_str_eq(out[0].name, "");
    ck_assert_uint_eq(strlen(out[1].name), SGC_EVENT_NAME_BYTES - 1);
}
END_TEST

START_TEST(the_newest_overwrite_the_oldest_and_the_reader_counts_what_it_missed)
{
    for (uint64_t i = 0; i < SGC_EVENTS + 100; i++)
        sgc_event_record(SGC_EVENT_STOP, "heap", i, 0, 0, 0);
    uint64_t next = 0, lost;
    ck_assert_uint_eq(sgc_events_read(&next, out, 2 * SGC_EVENTS, &lost), SGC_EVENTS);
    ck_assert_uint_eq(lost, 100);
    for (uint64_t i = 0; i < SGC_EVENTS; i++) {
        ck_assert_uint_eq(out[i].sequence, 100 + i);
        ck_assert_uint_eq(out[i].n[0], 100 + i);
    }
}
END_TEST

START_TEST(a_reader_takes_events_in_portions)
{
    for (uint64_t i = 0; i < 10; i++)
        sgc_event_record(SGC_EVENT_STOP, "heap", i, 0, 0, 0);
    uint64_t next = 0;
    ck_assert_uint_eq(sgc_events_read(&next, out, 4, NULL), 4);
    ck_assert_uint_eq(sgc_events_read(&next, out, 4, NULL), 4);
    ck_assert_uint_eq(out[0].n[0], 4);
    ck_assert_uint_eq(sgc_events_read(&next, out, 4, NULL), 2);
    ck_assert_uint_eq(next, 10);
}
END_TEST

START_TEST(every_kind_has_a_name)
{
    for (uint32_t kind = 1; kind < SGC_N_EVENT_KINDS; kind++)
        ck_assert_str_ne(sgc_event_kind_name(kind), "?");
    ck_assert_str_eq(sgc_event_kind_name(SGC_EVENT_COLLECT_BEGIN), "collection begin");
    for (uint32_t kind = 1; kind < SGC_N_EVENT_KINDS; kind++)
        ck_assert_ptr_nonnull(sgc_event_value_name(kind, 0));
    ck_assert_str_eq(sgc_event_value_name(SGC_EVENT_COLLECT_END, 1), "pause_ns");
    ck_assert_ptr_null(sgc_event_value_name(SGC_EVENT_COLLECT_END, 3));
    ck_assert_ptr_null(sgc_event_value_name(SGC_EVENT_COLLECT_END, 4));
    ck_assert_ptr_null(sgc_event_value_name(0, 0));
    ck_assert_str_eq(sgc_event_kind_name(0), "?");
    ck_assert_str_eq(sgc_event_kind_name(UINT32_MAX), "?");
}
END_TEST

/* Writers fill all four numbers and the name from one number, so that a torn copy shows. */
enum { N_WRITERS = 3, N_EACH = 20000, N_LAST = 64 };
static atomic_uint n_done;

static void write_as(uint64_t who, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t number = who << 32 | i;
        char name[32];
        snprintf(name, sizeof(name), "%lx", number);
        sgc_event_record(SGC_EVENT_STOP, name, number, ~number, number * 3, number ^ 0x55);
    }
}

static void *write_events(void *arg)
{
    write_as((uint64_t)(uintptr_t)arg, N_EACH);
    atomic_fetch_add(&n_done, 1);
    return NULL;
}

START_TEST(copies_are_whole_and_in_order_beside_writers)
{
    pthread_t writers[N_WRITERS];
    for (uintptr_t i = 0; i < N_WRITERS; i++)
        ck_assert_int_eq(pthread_create(&writers[i], NULL, write_events, (void *)(i + 1)), 0);
    uint64_t next = 0, n_seen = 0, n_lost = 0, last[N_WRITERS + 1] = {0}, sequence = 0;
    bool more = true;
    while (more) {
        more = atomic_load(&n_done) < N_WRITERS;
        if (!more) /* an event that its writer gave up is awaited until so many newer ones are there */
            write_as(0, N_LAST);
        uint64_t lost;
        size_t n;
        while ((n = sgc_events_read(&next, out, 64, &lost)) > 0 || lost > 0) {
            n_seen += n;
            n_lost += lost;
            for (size_t i = 0; i < n; i++) {
                uint64_t number = out[i].n[0], who = number >> 32;
                char name[32];
                snprintf(name, sizeof(name), "%lx", number);
                ck_assert_uint_eq(out[i].n[1], ~number);
                ck_assert_uint_eq(out[i].n[2], number * 3);
                ck_assert_uint_eq(out[i].n[3], number ^ 0x55);
                ck_assert_str_eq(out[i].name, name);
                ck_assert_uint_ge(out[i].sequence, sequence);
                ck_assert_uint_ge(number & UINT32_MAX, last[who]);
                sequence = out[i].sequence + 1;
                last[who] = (number & UINT32_MAX) + 1;
            }
        }
    }
    for (unsigned i = 0; i < N_WRITERS; i++)
        pthread_join(writers[i], NULL);
    ck_assert_uint_eq(n_seen + n_lost, N_WRITERS * N_EACH + N_LAST);
    ck_assert_uint_gt(n_seen, 0);
}
END_TEST

START_TEST(a_child_of_fork_goes_on_with_the_ring)
{
    sgc_event_record(SGC_EVENT_STOP, "parent", 1, 0, 0, 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        sgc_events_after_fork(1);
        sgc_event_record(SGC_EVENT_STOP, "child", 2, 0, 0, 0);
        uint64_t next = 0, lost;
        bool good = sgc_events_read(&next, out, 10, &lost) == 2 && lost == 0 && strcmp(out[1].name, "child") == 0;
        _exit(good ? 0 : 1);
    }
    sgc_events_after_fork(0);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* The child: what threads of the parent left half done is lost, all else is whole, and the ring takes events again. */
static bool child_finds_whole_events(void)
{
    sgc_events_after_fork(1);
    uint64_t next = 0, lost;
    size_t n = sgc_events_read(&next, out, 2 * SGC_EVENTS, &lost);
    for (size_t i = 0; i < n; i++)
        if (out[i].n[1] != ~out[i].n[0] || out[i].n[2] != out[i].n[0] * 3)
            return false;
    uint64_t n_begun = next;
    sgc_event_record(SGC_EVENT_STOP, "child", 0, 0, 0, 0);
    return n + lost == n_begun && sgc_events_read(&next, out, 1, &lost) == 1 && lost == 0;
}

START_TEST(a_child_of_fork_loses_what_others_were_writing)
{
    pthread_t writers[2];
    for (uintptr_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&writers[i], NULL, write_events, (void *)(i + 1)), 0);
    unsigned n_forks = 0;
    do {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            _exit(child_finds_whole_events() ? 0 : 1);
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    } while (atomic_load(&n_done) < 2 && ++n_forks < 50);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(writers[i], NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("events");
    TCase *tc = tcase_create("events");
    tcase_add_test(tc, an_event_comes_back_as_it_was_recorded);
    tcase_add_test(tc, a_name_is_cut_at_63_bytes_and_may_be_absent);
    tcase_add_test(tc, the_newest_overwrite_the_oldest_and_the_reader_counts_what_it_missed);
    tcase_add_test(tc, a_reader_takes_events_in_portions);
    tcase_add_test(tc, every_kind_has_a_name);
    tcase_add_test(tc, copies_are_whole_and_in_order_beside_writers);
    tcase_add_test(tc, a_child_of_fork_goes_on_with_the_ring);
    tcase_add_test(tc, a_child_of_fork_loses_what_others_were_writing);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
