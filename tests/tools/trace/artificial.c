/* artificial.c - see artificial.h. */
#include "tests/tools/trace/artificial.h"
#include "tools/trace/trace.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void message(struct artificial *out, uint32_t kind, const void *body, size_t n)
{
    uint8_t bytes[SGC_RECORDING_MESSAGE_BYTES];
    const struct sgc_recording_message head = {(uint32_t)(sizeof(head) + n), kind};
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), body, n);
    if (trace_writer_append(out->writer, bytes, sizeof(head) + n))
        ck_abort_msg("a message cannot be written");
}

void artificial_define(struct artificial *out, uint32_t kind, const char *json)
{
    message(out, kind, json, strlen(json));
}

void artificial_begin(struct artificial *out, const char *path, uint32_t needs)
{
    char json[256];
    memset(out, 0, sizeof(*out));
    out->chunk_bytes = 4096;
    out->time_ns = 1000000;
    out->fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    ck_assert_int_ge(out->fd, 0);
    out->writer = trace_writer_create(out->fd, 1);
    ck_assert_ptr_nonnull(out->writer);
    artificial_define(
        out, SGC_RECORDING_BEGIN,
        "{\"slabgc\":\"0\",\"program\":\"test\",\"pid\":1,\"mode\":\"replayable\",\"sample\":0,\"time_ns\":0}");
    snprintf(json, sizeof(json),
             "{\"heap\":0,\"name\":\"artificial\",\"strategy\":\"rcu\",\"needs\":%u,\"memory_limit_bytes\":0,"
             "\"finalizer_thread\":false}",
             needs);
    artificial_define(out, SGC_RECORDING_HEAP, json);
}

void artificial_cache(struct artificial *out, unsigned index, const char *name, unsigned size_bytes, unsigned n_refs,
                      const char *more)
{
    char json[1024], refs[32] = "";
    if (n_refs)
        snprintf(refs, sizeof(refs), "[0,%u]", n_refs);
    snprintf(json, sizeof(json),
             "{\"cache\":%u,\"heap\":0,\"name\":\"%s\",\"size_bytes\":%u,\"align_bytes\":8,\"refs\":[%s]%s%s}", index,
             name, size_bytes, refs, more ? "," : ",\"flags\":0", more ? more : "");
    artificial_define(out, SGC_RECORDING_CACHE, json);
}

static void number(struct artificial_thread *thread, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        thread->chunk[thread->n++] = (uint8_t)(n | 0x80);
    thread->chunk[thread->n++] = (uint8_t)n;
}

static uint64_t zigzag(uint64_t n)
{
    return n << 1 ^ (uint64_t)((int64_t)n >> 63);
}

static void place(struct artificial_thread *thread, uint64_t at)
{
    number(thread, zigzag(at - thread->place));
    thread->place = at;
}

static void value(struct artificial_thread *thread, uint64_t at)
{
    if (at < 2) {
        number(thread, at);
        return;
    }
    number(thread, 2 + zigzag(at - thread->place));
    thread->place = at;
}

static void flush(struct artificial *out, uint32_t index)
{
    struct artificial_thread *thread = &out->threads[index];
    if (!thread->n)
        return;
    struct sgc_recording_chunk head = {
        .message = {(uint32_t)thread->n, SGC_RECORDING_CHUNK},
        .thread = index,
        .n_events = thread->n_events,
        .first_ticket = thread->first_ticket,
        .time_ns = out->time_ns,
    };
    memcpy(thread->chunk, &head, sizeof(head));
    if (trace_writer_append(out->writer, thread->chunk, thread->n))
        ck_abort_msg("a chunk cannot be written");
    thread->n = 0;
}

void artificial_event(struct artificial *out, uint32_t index, enum sgc_record_op op, uint64_t a, uint64_t b, uint64_t c,
                      uint64_t d)
{
    struct artificial_thread *thread = &out->threads[index];
    const uint64_t ticket = out->ticket++;
    if (!thread->n) {
        thread->n = sizeof(struct sgc_recording_chunk);
        thread->n_events = 0;
        thread->first_ticket = thread->next_ticket = ticket;
        thread->place = thread->handle = 0;
    }
    if (ticket != thread->next_ticket) {
        thread->chunk[thread->n++] = SGC_RECORD_GAP;
        number(thread, ticket - thread->next_ticket);
    }
    if (thread->n_events % 256 == 255) {
        thread->chunk[thread->n++] = SGC_RECORD_TIME;
        number(thread, ticket);
    }
    thread->next_ticket = ticket + 1;
    thread->chunk[thread->n++] = (uint8_t)op;
    thread->n_events++;
    switch (op) {
    case SGC_RECORD_NEW:
    case SGC_RECORD_BARE_NEW:
    case SGC_RECORD_NEW_N:
        number(thread, a);
        place(thread, b);
        if (op == SGC_RECORD_NEW_N)
            number(thread, c);
        break;
    case SGC_RECORD_STORE:
    case SGC_RECORD_EXCHANGE:
        place(thread, a);
        number(thread, b);
        value(thread, c);
        if (op == SGC_RECORD_EXCHANGE)
            value(thread, d);
        break;
    case SGC_RECORD_WEAK_NEW:
    case SGC_RECORD_WEAK_GET:
    case SGC_RECORD_WEAK_FREE:
        number(thread, zigzag(a - thread->handle));
        thread->handle = a;
        if (op == SGC_RECORD_WEAK_NEW)
            place(thread, b);
        else if (op == SGC_RECORD_WEAK_GET)
            value(thread, b);
        break;
    case SGC_RECORD_EPHEMERON:
        number(thread, a);
        place(thread, b);
        value(thread, c);
        value(thread, d);
        break;
    case SGC_RECORD_COLLECT:
        number(thread, a);
        number(thread, b);
        break;
    case SGC_RECORD_ACCOUNT:
        number(thread, a);
        number(thread, zigzag(b));
        break;
    case SGC_RECORD_CLOSE:
        number(thread, a);
        break;
    case SGC_RECORD_HOLDS:
        place(thread, a);
        number(thread, b);
        break;
    case SGC_RECORD_ENTER:
    case SGC_RECORD_LEAVE:
        break;
    default:
        place(thread, a);
    }
    if (thread->n + 2 * ARTIFICIAL_EVENT_BYTES > out->chunk_bytes)
        flush(out, index);
}

void artificial_end(struct artificial *out, bool whole)
{
    for (uint32_t i = 0; i < ARTIFICIAL_THREADS; i++)
        flush(out, i);
    if (whole)
        artificial_define(
            out, SGC_RECORDING_END,
            "{\"events\":0,\"bytes\":0,\"waited_ns\":7,\"seconds\":1.5,\"reason\":\"stopped\",\"live\":{}}");
    ck_assert_int_eq(trace_writer_flush(out->writer), 0);
    trace_writer_destroy(out->writer);
    close(out->fd);
}
