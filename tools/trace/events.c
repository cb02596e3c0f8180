/* events.c - the events of a recording in the order of tickets: decodes the threads' chunks, merges them, and resolves
 * places to objects. Called by tools. Tickets are consecutive, so the next event is the one whose thread has the ticket
 * that is due; a heap of the threads' next tickets finds it, and most of the time it is the same thread again. A
 * thread's chunks stand in the file in the order of their tickets. Invariant: each read of a chunk's bytes is bounded
 * by its end; each event consumes a byte at least. */
#include "tools/trace/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_NONE UINT32_MAX

/* A thread's stream. */
struct stream {
    uint32_t thread, chunk; /* index of the chunk in bytes; CHUNK_NONE: at its end */
    uint8_t *bytes;
    uint32_t size, at, n_left; /* n_left: events of the chunk not yet decoded */
    uint64_t ticket;           /* of the next event */
    uint64_t began_ns, time_ns;
    uint64_t place, handle; /* named last in the chunk */
};

struct trace_cursor {
    struct trace *trace;
    struct trace_places *places;
    struct stream *streams; /* one for each thread */
    uint32_t *heap,
        n_heap; /* streams that have events, least ticket first; heap[0] may be out of order while it is used */
    uint64_t ticket, n_objects;
    bool cut;
};

static int stream_fail(const struct trace_cursor *cursor, const struct stream *stream, const char *what,
                       struct sgc_error *error)
{
    return trace_fail(error, -EBADMSG, "bad event at offset %llu of the stream (thread %u, ticket %llu): %s",
                      (unsigned long long)(cursor->trace->chunks[stream->chunk].at + stream->at), stream->thread,
                      (unsigned long long)stream->ticket, what);
}

/* A varint. The end of the chunk, and more than 64 bits, set *bad. */
static inline uint64_t stream_number(struct stream *stream, bool *bad)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64 && stream->at < stream->size; shift += 7) {
        const uint8_t byte = stream->bytes[stream->at++];
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *bad |= shift == 63 && byte > 1;
            return number;
        }
    }
    *bad = true;
    return 0;
}

static inline uint64_t zigzag(uint64_t number)
{
    return (number >> 1) ^ (0 - (number & 1));
}

static inline uint64_t stream_place(struct stream *stream, bool *bad)
{
    return stream->place += zigzag(stream_number(stream, bad));
}

static uint64_t cursor_value(struct trace_cursor *cursor, struct stream *stream, bool *bad)
{
    const uint64_t number = stream_number(stream, bad);
    if (number < 2)
        return number;
    stream->place += zigzag(number - 2);
    const uint64_t object = trace_places_find(cursor->places, stream->place);
    return object == TRACE_UNKNOWN ? TRACE_UNKNOWN : TRACE_OBJECT + object;
}

/* Loads the stream's chunk and reads up to its first event. */
static int stream_load(struct trace_cursor *cursor, struct stream *stream, struct sgc_error *error)
{
    const struct trace_chunk *chunk = &cursor->trace->chunks[stream->chunk];
    struct sgc_recording_chunk head;
    uint8_t *bytes = realloc(stream->bytes, chunk->bytes);
    if (!bytes)
        return trace_fail(error, -ENOMEM, "no memory for a chunk");
    stream->bytes = bytes;
    const int code = trace_frames_read(cursor->trace->frames, chunk->at, bytes, chunk->bytes, error);
    if (code)
        return code;
    memcpy(&head, bytes, sizeof(head));
    stream->size = chunk->bytes;
    stream->at = sizeof(head);
    stream->n_left = chunk->n_events;
    stream->began_ns = stream->time_ns = head.time_ns;
    stream->place = stream->handle = 0;
    if (chunk->first_ticket < stream->ticket)
        return stream_fail(cursor, stream, "a chunk of the thread begins before its last one ended", error);
    stream->ticket = chunk->first_ticket;
    return 0;
}

/* GAP and TIME before the next event, or the thread's next chunk. */
static int stream_advance(struct trace_cursor *cursor, struct stream *stream, struct sgc_error *error)
{
    bool bad = false;
    if (stream->n_left == 0) {
        stream->chunk = cursor->trace->chunks[stream->chunk].next;
        if (stream->chunk == CHUNK_NONE)
            return 0;
        const int code = stream_load(cursor, stream, error);
        if (code)
            return code;
    }
    while (stream->at < stream->size && stream->bytes[stream->at] <= SGC_RECORD_TIME && stream->bytes[stream->at]) {
        const uint8_t op = stream->bytes[stream->at++];
        const uint64_t number = stream_number(stream, &bad);
        if (op == SGC_RECORD_TIME)
            stream->time_ns = stream->began_ns + number;
        else if (number > UINT64_MAX / 4 || (stream->ticket += number) > UINT64_MAX / 2)
            bad = true;
    }
    return bad || stream->ticket > UINT64_MAX / 2 ? stream_fail(cursor, stream, "a number that cannot be", error) : 0;
}

/* heap[i] sinks to where it belongs. */
static void cursor_sink(struct trace_cursor *cursor, uint32_t i)
{
    uint32_t *heap = cursor->heap;
    const uint32_t stream = heap[i];
    for (uint32_t child; (child = 2 * i + 1) < cursor->n_heap; i = child) {
        if (child + 1 < cursor->n_heap && cursor->streams[heap[child + 1]].ticket < cursor->streams[heap[child]].ticket)
            child++;
        if (cursor->streams[stream].ticket <= cursor->streams[heap[child]].ticket)
            break;
        heap[i] = heap[child];
    }
    heap[i] = stream;
}

struct trace_cursor *trace_begin(struct trace *trace, struct sgc_error *error)
{
    struct sgc_error dropped;
    error = error ? error : &dropped;
    struct trace_cursor *cursor = calloc(1, sizeof(*cursor));
    const uint32_t n = trace->n_first;
    if (cursor) {
        cursor->trace = trace;
        cursor->places = trace_places_create();
        cursor->streams = calloc(n + 1, sizeof(*cursor->streams));
        cursor->heap = calloc(n + 1, sizeof(*cursor->heap));
    }
    if (!cursor || !cursor->places || !cursor->streams || !cursor->heap) {
        trace_fail(error, -ENOMEM, "no memory to read events");
        trace_end(cursor);
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct stream *stream = &cursor->streams[i];
        *stream = (struct stream){.thread = i, .chunk = trace->first[i]};
        if (stream->chunk == CHUNK_NONE)
            continue;
        if (stream_load(cursor, stream, error) || stream_advance(cursor, stream, error)) {
            cursor->streams[i].chunk = CHUNK_NONE;
            trace_end(cursor);
            return NULL;
        }
        cursor->heap[cursor->n_heap++] = i;
    }
    for (uint32_t i = cursor->n_heap / 2; i-- > 0;)
        cursor_sink(cursor, i);
    return cursor;
}

bool trace_op_makes(uint8_t op)
{
    return op == SGC_RECORD_NEW || op == SGC_RECORD_NEW_N || op == SGC_RECORD_BARE_NEW || op == SGC_RECORD_EPHEMERON;
}

/* An object is made at the place that follows. 0 or an error. */
static int cursor_make(struct trace_cursor *cursor, struct stream *stream, struct trace_event *event, bool *bad,
                       struct sgc_error *error)
{
    const uint64_t place = stream_place(stream, bad);
    event->object = cursor->n_objects;
    if (*bad)
        return 0;
    if (trace_places_set(cursor->places, place, cursor->n_objects))
        return trace_fail(error, -ENOMEM, "no memory for objects");
    cursor->n_objects++;
    return 0;
}

static inline uint64_t cursor_object(struct trace_cursor *cursor, struct stream *stream, bool *bad)
{
    return trace_places_find(cursor->places, stream_place(stream, bad));
}

/* The numbers of one event. NULL, or what is wrong. */
static const char *cursor_decode(struct trace_cursor *cursor, struct stream *stream, struct trace_event *event,
                                 struct sgc_error *error)
{
    const struct trace_info *info = &cursor->trace->definitions.info;
    bool bad = false;
    uint64_t index = 0;
    int code = 0;
    switch (event->op) {
    case SGC_RECORD_NEW:
    case SGC_RECORD_NEW_N:
    case SGC_RECORD_BARE_NEW:
        index = stream_number(stream, &bad);
        if (index >= info->n_caches || !info->caches[index].defined)
            return "a cache that was not defined";
        code = cursor_make(cursor, stream, event, &bad, error);
        if (event->op == SGC_RECORD_NEW_N)
            event->number = stream_number(stream, &bad);
        break;
    case SGC_RECORD_HOLD:
    case SGC_RECORD_DROP:
    case SGC_RECORD_FREE:
    case SGC_RECORD_DEATH:
    case SGC_RECORD_FINALIZE:
    case SGC_RECORD_FINALIZED:
        event->object = cursor_object(cursor, stream, &bad);
        break;
    case SGC_RECORD_HOLDS:
        event->object = cursor_object(cursor, stream, &bad);
        event->number = stream_number(stream, &bad);
        break;
    case SGC_RECORD_STORE:
    case SGC_RECORD_EXCHANGE:
        event->object = cursor_object(cursor, stream, &bad);
        event->number = stream_number(stream, &bad);
        event->value = cursor_value(cursor, stream, &bad);
        if (event->op == SGC_RECORD_EXCHANGE)
            event->other = cursor_value(cursor, stream, &bad);
        break;
    case SGC_RECORD_ENTER:
    case SGC_RECORD_LEAVE:
        break;
    case SGC_RECORD_WEAK_NEW:
        event->number = stream->handle += zigzag(stream_number(stream, &bad));
        event->object = cursor_object(cursor, stream, &bad);
        break;
    case SGC_RECORD_WEAK_GET:
        event->number = stream->handle += zigzag(stream_number(stream, &bad));
        event->value = cursor_value(cursor, stream, &bad);
        break;
    case SGC_RECORD_WEAK_FREE:
        event->number = stream->handle += zigzag(stream_number(stream, &bad));
        break;
    case SGC_RECORD_EPHEMERON:
    case SGC_RECORD_COLLECT:
    case SGC_RECORD_ACCOUNT:
    case SGC_RECORD_CLOSE:
        index = stream_number(stream, &bad);
        if (index >= info->n_heaps || !info->heaps[index].defined)
            return "a heap that was not defined";
        if (event->op == SGC_RECORD_EPHEMERON) {
            code = cursor_make(cursor, stream, event, &bad, error);
            event->value = cursor_value(cursor, stream, &bad);
            event->other = cursor_value(cursor, stream, &bad);
        } else if (event->op != SGC_RECORD_CLOSE) {
            event->number = stream_number(stream, &bad);
            event->number = event->op == SGC_RECORD_ACCOUNT ? zigzag(event->number) : event->number;
        }
        break;
    default:
        return "no event has this number";
    }
    event->index = (uint32_t)index;
    return bad ? "a number that goes on beyond the chunk's end or beyond 64 bits" : code ? error->message : NULL;
}

int trace_next(struct trace_cursor *cursor, struct trace_event *event, struct sgc_error *error)
{
    struct sgc_error dropped;
    error = error ? error : &dropped;
    if (!cursor->n_heap || cursor->streams[cursor->heap[0]].ticket != cursor->ticket) {
        struct stream *stream = cursor->n_heap ? &cursor->streams[cursor->heap[0]] : NULL;
        if (stream && stream->ticket < cursor->ticket)
            return stream_fail(cursor, stream, "two events have this ticket", error);
        cursor->cut = stream || cursor->trace->definitions.info.cut_off;
        return 0;
    }
    struct stream *stream = &cursor->streams[cursor->heap[0]];
    if (stream->at >= stream->size)
        return stream_fail(cursor, stream, "the chunk ends before its events do", error);
    *event = (struct trace_event){
        .op = stream->bytes[stream->at],
        .thread = stream->thread,
        .ticket = stream->ticket,
        .time_ns = stream->time_ns,
        .file_at = cursor->trace->chunks[stream->chunk].at,
    };
    stream->at++;
    error->code = 0;
    const char *wrong = cursor_decode(cursor, stream, event, error);
    if (wrong)
        return error->code == -ENOMEM ? error->code : stream_fail(cursor, stream, wrong, error);
    stream->n_left--;
    stream->ticket++;
    cursor->ticket++;
    const int code = stream_advance(cursor, stream, error);
    if (code)
        return code;
    if (stream->chunk == CHUNK_NONE) {
        free(stream->bytes);
        stream->bytes = NULL;
        cursor->heap[0] = cursor->heap[--cursor->n_heap];
    }
    if (cursor->n_heap > 1)
        cursor_sink(cursor, 0);
    return 1;
}

uint64_t trace_objects(const struct trace_cursor *cursor)
{
    return cursor->n_objects;
}

bool trace_cut(const struct trace_cursor *cursor)
{
    return cursor->cut;
}

void trace_end(struct trace_cursor *cursor)
{
    if (!cursor)
        return;
    for (uint32_t i = 0; cursor->streams && i < cursor->trace->n_first; i++)
        free(cursor->streams[i].bytes);
    trace_places_destroy(cursor->places);
    free(cursor->streams);
    free(cursor->heap);
    free(cursor);
}

const char *trace_op_name(uint8_t op)
{
    static const char *const names[SGC_N_RECORD_OPS] = {
        [SGC_RECORD_GAP] = "gap",
        [SGC_RECORD_TIME] = "time",
        [SGC_RECORD_NEW] = "new",
        [SGC_RECORD_NEW_N] = "new_n",
        [SGC_RECORD_HOLD] = "hold",
        [SGC_RECORD_DROP] = "drop",
        [SGC_RECORD_STORE] = "store",
        [SGC_RECORD_EXCHANGE] = "exchange",
        [SGC_RECORD_ENTER] = "enter",
        [SGC_RECORD_LEAVE] = "leave",
        [SGC_RECORD_WEAK_NEW] = "weak_new",
        [SGC_RECORD_WEAK_GET] = "weak_get",
        [SGC_RECORD_WEAK_FREE] = "weak_free",
        [SGC_RECORD_EPHEMERON] = "ephemeron",
        [SGC_RECORD_FREE] = "free",
        [SGC_RECORD_DEATH] = "death",
        [SGC_RECORD_FINALIZE] = "finalize",
        [SGC_RECORD_FINALIZED] = "finalized",
        [SGC_RECORD_COLLECT] = "collect",
        [SGC_RECORD_ACCOUNT] = "account",
        [SGC_RECORD_BARE_NEW] = "bare_new",
        [SGC_RECORD_CLOSE] = "close",
        [SGC_RECORD_HOLDS] = "holds",
    };
    return op < SGC_N_RECORD_OPS && names[op] ? names[op] : "?";
}
