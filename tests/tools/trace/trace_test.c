/* trace_test.c - recordings as the library writes and reads them: the order of tickets, objects by place, cut and
 * damaged files, lifetimes. */
#include "tests/support/expect.h"
#include "tests/support/scratch.h"
#include "tests/tools/trace/artificial.h"
#include "tools/trace/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[SUPPORT_PATH_BYTES], path[SUPPORT_PATH_BYTES], other[SUPPORT_PATH_BYTES];
static struct artificial out;
static struct sgc_error error;

static void setup(void)
{
    support_scratch_create(directory);
    support_scratch_path(path, directory, "recording");
    support_scratch_path(other, directory, "other");
}
static void teardown(void)
{
    support_scratch_destroy(directory);
}

/* A random recording: objects come and go on four threads; what the events say is left in a log. */
struct logged {
    uint8_t op;
    uint32_t thread;
    uint64_t object, number, value;
};
static struct logged *logged;
static size_t n_logged;

static void log_event(struct logged event)
{
    if (!(n_logged & (n_logged - 1))) /* room doubles */
        logged = realloc(logged, (2 * n_logged + 1) * sizeof(*logged));
    logged[n_logged++] = event;
}

static void make_random(uint64_t seed, unsigned n_events, size_t chunk_bytes, bool whole)
{
    enum { PLACES = 64 };
    uint64_t at[PLACES] = {0}, n_objects = 0; /* 1 + number of the object that lives there */
    free(logged);
    logged = NULL;
    n_logged = 0;
    artificial_begin(&out, path, 0);
    out.chunk_bytes = chunk_bytes;
    artificial_cache(&out, 0, "node", 32, 4, NULL);
    artificial_cache(&out, 1, "tail", 16, 0, "\"flags\":0,\"tail_element_bytes\":8,\"tail_refs\":true");
    for (unsigned i = 0; i < n_events; i++) {
        const uint32_t thread = (uint32_t)(support_random(&seed) % 4 + 1);
        const uint64_t slot = support_random(&seed) % PLACES, place = 0x7f0000000000 / 16 + slot * 3;
        const uint64_t target = support_random(&seed) % PLACES, target_place = 0x7f0000000000 / 16 + target * 3;
        if (!at[slot]) {
            const bool tail = support_random(&seed) % 2;
            if (tail)
                ARTIFICIAL(&out, thread, NEW_N, 1, place, slot * 1000);
            else
                ARTIFICIAL(&out, thread, NEW, 0, place);
            log_event((struct logged){tail ? SGC_RECORD_NEW_N : SGC_RECORD_NEW, thread, n_objects,
                                      tail ? slot * 1000 : 0, 0});
            at[slot] = ++n_objects;
        } else if (support_random(&seed) % 3 == 0) {
            ARTIFICIAL(&out, thread, DEATH, place);
            log_event((struct logged){SGC_RECORD_DEATH, thread, at[slot] - 1, 0, 0});
            at[slot] = 0;
        } else {
            ARTIFICIAL(&out, thread, STORE, place, i % 4, at[target] ? target_place : i % 2);
            log_event(
                (struct logged){SGC_RECORD_STORE, thread, at[slot] - 1, i % 4, at[target] ? at[target] + 1 : i % 2});
        }
    }
    artificial_end(&out, whole);
}

static void check_is_log(struct trace *trace, size_t least, size_t most, bool cut)
{
    struct trace_cursor *cursor = trace_begin(trace, &error);
    struct trace_event event;
    size_t n = 0;
    int more;
    ck_assert_ptr_nonnull(cursor);
    for (; (more = trace_next(cursor, &event, &error)) > 0; n++) {
        const struct logged *expected = &logged[n]; /* one assertion for all: each is a message to libcheck */
        if (n >= n_logged || event.ticket != n || event.op != expected->op || event.thread != expected->thread ||
            event.object != expected->object || event.number != expected->number || event.value != expected->value)
            ck_abort_msg("event %zu is another one", n);
    }
    ck_assert_msg(more == 0, "%s", error.message);
    ck_assert_uint_ge(n, least);
    ck_assert_uint_le(n, most);
    ck_assert_int_eq(trace_cut(cursor), cut);
    trace_end(cursor);
}

START_TEST(events_of_several_threads_come_in_the_order_of_tickets_with_objects_numbered)
{
    make_random(support_seed("order", 1), 20000, 1024, true);
    struct trace *trace = trace_open(path, &error);
    ck_assert_msg(trace != NULL, "%s", error.message);
    const struct trace_info *info = trace_info(trace);
    ck_assert(info->replayable && !info->cut_off);
    ck_assert_str_eq(info->program, "test");
    ck_assert_str_eq(info->reason, "stopped");
    ck_assert_uint_eq(info->waited_ns, 7);
    ck_assert_uint_eq(info->n_events, n_logged);
    ck_assert_uint_eq(info->n_heaps, 1);
    ck_assert_str_eq(info->caches[1].name, "tail");
    ck_assert(info->caches[1].tail_refs);
    ck_assert_uint_eq(info->caches[0].runs[0].n, 4);
    check_is_log(trace, n_logged, n_logged, false);
    check_is_log(trace, n_logged, n_logged, false); /* again from the first */
    trace_close(trace);
}
END_TEST

static void copy(const char *from, uint8_t **bytes, size_t *n)
{
    struct stat stat_;
    ck_assert_int_eq(stat(from, &stat_), 0);
    *n = (size_t)stat_.st_size;
    *bytes = malloc(*n + 1);
    FILE *file = fopen(from, "r");
    ck_assert_uint_eq(fread(*bytes, 1, *n, file), *n);
    fclose(file);
}

static void put(const char *to, const uint8_t *bytes, size_t n)
{
    FILE *file = fopen(to, "w");
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

START_TEST(a_file_that_was_cut_off_anywhere_is_read_up_to_there)
{
    uint64_t seed = support_seed("cut", 2);
    uint8_t *bytes;
    size_t n, last = 0;
    make_random(seed, 400000, 4096, true);
    copy(path, &bytes, &n);
    for (unsigned i = 0; i < 12; i++) {
        const size_t keep = n * (i + 1) / 13 + support_random(&seed) % (n / 13);
        put(other, bytes, keep);
        struct trace *trace = trace_open(other, &error);
        if (!trace) {
            ck_assert_int_eq(error.code, -EBADMSG);
            ck_assert_ptr_nonnull(strstr(error.message, "ends before its begin"));
            continue;
        }
        ck_assert(trace_info(trace)->cut_off);
        ck_assert_uint_ge(trace_info(trace)->n_events, last); /* more bytes, not fewer events */
        last = (size_t)trace_info(trace)->n_events;
        check_is_log(trace, 0, n_logged - 1, true);
        trace_close(trace);
    }
    ck_assert_uint_gt(last, n_logged / 2);
    free(bytes);
}
END_TEST

START_TEST(a_recording_without_end_is_whole_but_for_that)
{
    make_random(3, 1000, 4096, false);
    struct trace *trace = trace_open(path, &error);
    ck_assert_ptr_nonnull(trace);
    ck_assert(trace_info(trace)->cut_off);
    check_is_log(trace, n_logged, n_logged, true);
    trace_close(trace);
}
END_TEST

START_TEST(reading_stops_at_the_first_missing_ticket)
{
    artificial_begin(&out, path, 0);
    artificial_cache(&out, 0, "node", 32, 4, NULL);
    for (unsigned i = 0; i < 10; i++) {
        if (i == 6)
            out.ticket++;
        ARTIFICIAL(&out, 1, NEW, 0, 100 + i);
    }
    artificial_end(&out, true);
    struct trace *trace = trace_open(path, &error);
    struct trace_cursor *cursor = trace_begin(trace, &error);
    struct trace_event event;
    for (unsigned i = 0; i < 6; i++)
        ck_assert_int_eq(trace_next(cursor, &event, &error), 1);
    ck_assert_int_eq(trace_next(cursor, &event, &error), 0);
    ck_assert(trace_cut(cursor));
    ck_assert_uint_eq(trace_objects(cursor), 6);
    trace_end(cursor);
    trace_close(trace);
}
END_TEST

START_TEST(what_is_no_recording_is_said)
{
    static const struct {
        const char *bytes, *message;
        size_t n;
    } files[] = {
        {"", "no recording", 0},
        {"#!/bin/sh\nexit\n", "no recording", 15},
        {"SGCTRACE", "within its header", 8},
        {"SGCTRACE\2\0\0\0\20\0\0\0", "version 2", 16},
        {"SGCTRACE\1\0\0\0\20\0\0\0", "before its begin", 16},
        {"SGCTRACE\1\0\0\0\20\0\0\0some bytes", "bad data at offset 16", 26},
        {"SGCTRACE\1\0\0\0\377\377\0\0", "header of", 16},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        put(path, (const uint8_t *)files[i].bytes, files[i].n);
        ck_assert_ptr_null(trace_open(path, &error));
        ck_assert_int_eq(error.code, -EBADMSG);
        ck_assert_msg(strstr(error.message, files[i].message) != NULL, "%s", error.message);
    }
    ck_assert_ptr_null(trace_open("/nonexistent/recording", &error));
    ck_assert_int_eq(error.code, -ENOENT);
    ck_assert_ptr_null(trace_open("/dev/zero", &error));
    ck_assert_int_eq(error.code, -EBADMSG);
}
END_TEST

START_TEST(bad_definitions_are_refused_with_their_offset)
{
    static const char *const caches[] = {
        "{\"cache\":70000,\"heap\":0,\"name\":\"a\",\"size_bytes\":8,\"flags\":0}",
        "{\"cache\":0,\"heap\":1,\"name\":\"a\",\"size_bytes\":8,\"flags\":0}",
        "{\"cache\":0,\"heap\":0,\"name\":\"a b\",\"size_bytes\":8,\"flags\":0}",
        "{\"cache\":0,\"heap\":0,\"name\":\"a\",\"size_bytes\":-8,\"flags\":0}",
        "{\"cache\":0,\"heap\":0,\"name\":\"a\",\"size_bytes\":8,\"align_bytes\":24,\"flags\":0}",
        "{\"cache\":0,\"heap\":0,\"name\":\"a\",\"size_bytes\":8,\"align_bytes\":8,\"flags\":0,\"refs\":[[8,1]]}",
        "{\"cache\":0,\"heap\":0,\"name\":\"a\",\"size_bytes\":8,\"align_bytes\":8,\"flags\":0,\"refs\":[[4,1]]}",
        "{\"cache\":0,\"heap\":0,\"name\":\"a\",\"size_bytes\":8,\"align_bytes\":8,\"flags\":0,\"refs\":[[0]]}",
        "{\"cache\":0,",
        "[]",
    };
    for (size_t i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
        artificial_begin(&out, path, 0);
        artificial_define(&out, SGC_RECORDING_CACHE, caches[i]);
        artificial_end(&out, true);
        ck_assert_ptr_null(trace_open(path, &error));
        ck_assert_int_eq(error.code, -EBADMSG);
        ck_assert_msg(strstr(error.message, "bad definition at offset ") != NULL, "%s", error.message);
    }
}
END_TEST

/* Reads whatever can be read. */
static void exhaust(const char *file)
{
    struct trace *trace = trace_open(file, &error);
    struct trace_event event;
    if (!trace)
        return;
    struct trace_cursor *cursor = trace_begin(trace, &error);
    while (cursor && trace_next(cursor, &event, &error) > 0)
        ;
    trace_end(cursor);
    trace_analysis_free(trace_analyze(trace, &error));
    trace_close(trace);
}

START_TEST(damaged_bytes_never_crash_nor_hang_the_reader)
{
    uint64_t seed = support_seed("damage", 0);
    uint8_t *bytes;
    size_t n;
    make_random(seed, 600, 700, true);
    copy(path, &bytes, &n);
    for (unsigned i = 0; i < 300; i++) { /* of the file: mostly zstd's checks find it */
        uint8_t *damaged = malloc(n);
        memcpy(damaged, bytes, n);
        for (unsigned k = 0; k <= i % 4; k++)
            damaged[support_random(&seed) % n] = (uint8_t)support_random(&seed);
        put(other, damaged, n);
        exhaust(other);
        free(damaged);
    }
    free(bytes);
}
END_TEST

START_TEST(damaged_messages_never_crash_nor_hang_the_reader)
{
    uint64_t seed = support_seed("messages", 0);
    for (unsigned i = 0; i < 400; i++) { /* behind zstd: the events themselves */
        artificial_begin(&out, path, 0);
        artificial_cache(&out, 0, "node", 32, 4, NULL);
        for (uint32_t chunk = 0; chunk < 3; chunk++) {
            uint8_t message[512];
            struct sgc_recording_chunk head = {
                .message = {sizeof(head) + (uint32_t)(support_random(&seed) % 200), SGC_RECORDING_CHUNK},
                .thread = (uint32_t)(support_random(&seed) % 3),
                .n_events = (uint32_t)(support_random(&seed) % 100),
                .first_ticket = support_random(&seed) % 8 ? chunk * 50 : support_random(&seed),
                .time_ns = support_random(&seed),
            };
            memcpy(message, &head, sizeof(head));
            for (size_t at = sizeof(head); at < sizeof(message); at++)
                message[at] = (uint8_t)(support_random(&seed) % 3 ? support_random(&seed) % (SGC_N_RECORD_OPS + 2)
                                                                  : support_random(&seed));
            ck_assert_int_eq(trace_writer_append(out.writer, message, head.message.bytes), 0);
        }
        artificial_end(&out, true);
        exhaust(path);
    }
}
END_TEST

START_TEST(the_writer_refuses_what_is_no_message)
{
    artificial_begin(&out, path, 0);
    struct sgc_recording_message head = {12, SGC_RECORDING_CHUNK};
    ck_assert_int_eq(trace_writer_append(out.writer, &head, sizeof(head)), -EBADMSG);
    head = (struct sgc_recording_message){8, 99};
    ck_assert_int_eq(trace_writer_append(out.writer, &head, sizeof(head)), -EBADMSG);
    ck_assert_int_eq(trace_writer_append(out.writer, &head, 4), -EBADMSG);
    artificial_end(&out, true);
}
END_TEST

START_TEST(lifetimes_and_live_bytes_are_those_of_the_events)
{
    artificial_begin(&out, path, 0);
    artificial_cache(&out, 0, "node", 32, 4, NULL);
    artificial_cache(&out, 1, "tail", 16, 0, "\"flags\":0,\"tail_element_bytes\":8");
    ARTIFICIAL(&out, 1, NEW, 0, 100);
    ARTIFICIAL(&out, 1, NEW_N, 1, 200, 3); /* 40 bytes */
    ARTIFICIAL(&out, 2, NEW, 0, 300);
    ARTIFICIAL(&out, 1, DEATH, 200); /* after 2 events, 40 + 32 bytes */
    ARTIFICIAL(&out, 1, DEATH, 100); /* after 4 events, 32 + 40 + 32 bytes */
    ARTIFICIAL(&out, 1, NEW, 0, 100);
    artificial_end(&out, true);
    struct trace *trace = trace_open(path, &error);
    ck_assert_ptr_nonnull(trace);
    struct trace_analysis *analysis = trace_analyze(trace, &error);
    ck_assert_ptr_nonnull(analysis);
    ck_assert_uint_eq(analysis->n_events, 6);
    ck_assert_uint_eq(analysis->n_objects, 4);
    ck_assert_uint_eq(analysis->ops[SGC_RECORD_NEW], 3);
    ck_assert_uint_eq(analysis->ops[SGC_RECORD_DEATH], 2);
    ck_assert_uint_eq(analysis->peak_live, 3);
    ck_assert_uint_eq(analysis->peak_bytes, 104);
    ck_assert_uint_eq(analysis->n_points, 6);
    ck_assert_uint_eq(analysis->points[5].live_bytes, 64);
    const struct trace_lives *nodes = &analysis->caches[0], *tails = &analysis->caches[1];
    ck_assert_uint_eq(nodes->n_made, 3);
    ck_assert_uint_eq(nodes->n_ended, 1);
    ck_assert_uint_eq(nodes->by_events[3], 1);
    ck_assert_uint_eq(nodes->by_bytes[7], 1);
    ck_assert_uint_eq(tails->n_ended, 1);
    ck_assert_uint_eq(tails->by_events[2], 1);
    ck_assert_uint_eq(tails->by_bytes[7], 1);
    trace_analysis_free(analysis);
    trace_close(trace);
}
END_TEST

START_TEST(a_recording_of_too_many_chunks_is_refused)
{
    artificial_begin(&out, path, 0);
    artificial_cache(&out, 0, "node", 32, 4, NULL);
    for (uint32_t thread = 1; thread <= 3; thread++)
        ARTIFICIAL(&out, thread, NEW, 0, 100 * thread);
    artificial_end(&out, true);
    trace_max_chunks = 2;
    ck_assert_ptr_null(trace_open(path, &error));
    ck_assert_int_eq(error.code, -EBADMSG);
    ck_assert_msg(strstr(error.message, "more than 2 chunks"), "%s", error.message);
    trace_max_chunks = 3;
    struct trace *trace = trace_open(path, &error);
    ck_assert_msg(trace != NULL, "%s", error.message);
    trace_close(trace);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tcase = tcase_create("trace");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, events_of_several_threads_come_in_the_order_of_tickets_with_objects_numbered);
    tcase_add_test(tcase, a_file_that_was_cut_off_anywhere_is_read_up_to_there);
    tcase_add_test(tcase, a_recording_without_end_is_whole_but_for_that);
    tcase_add_test(tcase, reading_stops_at_the_first_missing_ticket);
    tcase_add_test(tcase, what_is_no_recording_is_said);
    tcase_add_test(tcase, bad_definitions_are_refused_with_their_offset);
    tcase_add_test(tcase, damaged_bytes_never_crash_nor_hang_the_reader);
    tcase_add_test(tcase, damaged_messages_never_crash_nor_hang_the_reader);
    tcase_add_test(tcase, the_writer_refuses_what_is_no_message);
    tcase_add_test(tcase, a_recording_of_too_many_chunks_is_refused);
    tcase_add_test(tcase, lifetimes_and_live_bytes_are_those_of_the_events);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
