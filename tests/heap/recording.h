/* recording.h - reads a recording for the tests: a thread drains the socket, a decoder puts the events in the order of
 * their tickets. Written against <slabgc/recording.h> alone; everything that breaks the format fails the test. */
#ifndef SLABGC_TESTS_HEAP_RECORDING_H
#define SLABGC_TESTS_HEAP_RECORDING_H

#include "core/heap/record.h"
#include "core/heap/record_stream.h"
#include "tests/heap/support.h"

#include <poll.h>
#include <semaphore.h>
#include <slabgc/recording.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define READER_NS UINT64_C(100000000000) /* a reader that is a thread of the test's may wait long for a processor */

struct event {
    enum sgc_record_op op;
    uint32_t thread;
    uint64_t index;              /* of the cache, the heap or the handle */
    uint64_t object;             /* address; 0: none */
    uint64_t value, old, number; /* value, old: an address, 0: NULL, 1: an immediate */
    int64_t offset;              /* words */
    uint64_t time_ns;
};

struct recording {
    int reader, writer; /* writer: the core's */
    uint8_t *bytes;     /* all messages */
    size_t n_bytes, capacity;
    size_t n_chunks;
    pthread_t thread;
    sem_t begun; /* the first message came */
    struct event *events;
    size_t n_events;
    char text[SGC_RECORDING_END + 1][65536]; /* by kind: the messages of JSON, one a line */
    bool ended;
};

static inline void *recording_drain(void *arg)
{
    struct recording *recording = arg;
    for (;;) {
        if (recording->capacity - recording->n_bytes < SGC_RECORDING_MESSAGE_BYTES) {
            recording->capacity = (recording->capacity + SGC_RECORDING_MESSAGE_BYTES) * 2;
            recording->bytes = realloc(recording->bytes, recording->capacity);
        }
        const ssize_t n =
            recv(recording->reader, recording->bytes + recording->n_bytes, SGC_RECORDING_MESSAGE_BYTES, 0);
        if (n <= 0)
            return NULL;
        if (recording->n_bytes == 0)
            sem_post(&recording->begun);
        recording->n_bytes += (size_t)n;
    }
}

static inline void recording_pair(struct recording *recording)
{
    int fds[2];
    if (sgc_record_reader_ns != READER_NS) /* a recording may run, whose writer reads it */
        sgc_record_reader_ns = READER_NS;
    memset(recording, 0, sizeof(*recording));
    ck_assert_int_eq(sem_init(&recording->begun, 0, 0), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    recording->reader = fds[0];
    recording->writer = fds[1];
}

static inline struct recording *recording_begin(const struct sgc_record_options *options)
{
    struct recording *recording = malloc(sizeof(*recording));
    struct sgc_record_options with = options ? *options : (struct sgc_record_options){0};
    struct sgc_error error = {0};
    recording_pair(recording);
    with.fd = recording->writer;
    ck_assert_int_eq(pthread_create(&recording->thread, NULL, recording_drain, recording), 0);
    ck_assert_msg(sgc_record_start(&with, &error) == 0, "%s", error.message);
    return recording;
}

/* Until the first message went through both threads, the writer's and the drain's: they started, and wait in system
 * calls. For a test that forks: gcc 12's ASan takes no lock of its malloc along, and a thread that starts calls it; a
 * child forked then waits for it forever. */
static inline void recording_wait(struct recording *recording)
{
    while (sem_wait(&recording->begun))
        continue;
}

/* ---- decoding */

/* check's own assertions make a system call each: too slow for millions of events. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("not so: %s", #condition);                                                                    \
    } while (0)

struct decoder {
    const uint8_t *at, *end;
    uint64_t place, handle;
};

static inline uint64_t decode_number(struct decoder *decoder)
{
    uint64_t number = 0;
    for (unsigned shift = 0;; shift += 7) {
        REQUIRE(decoder->at < decoder->end && shift < 64);
        const uint8_t byte = *decoder->at++;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return number;
    }
}

static inline uint64_t decode_zigzag(uint64_t number)
{
    return (number >> 1) ^ -(number & 1);
}

static inline uint64_t decode_place(struct decoder *decoder)
{
    decoder->place += decode_zigzag(decode_number(decoder));
    return decoder->place << 4;
}

static inline uint64_t decode_value(struct decoder *decoder)
{
    const uint64_t number = decode_number(decoder);
    if (number < 2)
        return number;
    decoder->place += decode_zigzag(number - 2);
    return decoder->place << 4;
}

static inline uint64_t decode_handle(struct decoder *decoder)
{
    decoder->handle += decode_zigzag(decode_number(decoder));
    return decoder->handle;
}

static inline void decode_event(struct decoder *decoder, struct event *event)
{
    switch (event->op) {
    case SGC_RECORD_NEW:
    case SGC_RECORD_NEW_N:
    case SGC_RECORD_BARE_NEW:
        event->index = decode_number(decoder);
        event->object = decode_place(decoder);
        if (event->op == SGC_RECORD_NEW_N)
            event->number = decode_number(decoder);
        break;
    case SGC_RECORD_HOLDS:
        event->object = decode_place(decoder);
        event->number = decode_number(decoder);
        break;
    case SGC_RECORD_HOLD:
    case SGC_RECORD_DROP:
    case SGC_RECORD_FREE:
    case SGC_RECORD_DEATH:
    case SGC_RECORD_FINALIZE:
    case SGC_RECORD_FINALIZED:
        event->object = decode_place(decoder);
        break;
    case SGC_RECORD_STORE:
    case SGC_RECORD_EXCHANGE:
        event->object = decode_place(decoder);
        event->offset = (int64_t)decode_number(decoder);
        event->value = decode_value(decoder);
        if (event->op == SGC_RECORD_EXCHANGE)
            event->old = decode_value(decoder);
        break;
    case SGC_RECORD_ENTER:
    case SGC_RECORD_LEAVE:
        break;
    case SGC_RECORD_WEAK_NEW:
        event->index = decode_handle(decoder);
        event->object = decode_place(decoder);
        break;
    case SGC_RECORD_WEAK_GET:
        event->index = decode_handle(decoder);
        event->value = decode_value(decoder);
        break;
    case SGC_RECORD_WEAK_FREE:
        event->index = decode_handle(decoder);
        break;
    case SGC_RECORD_EPHEMERON:
        event->index = decode_number(decoder);
        event->object = decode_place(decoder);
        event->value = decode_value(decoder);
        event->old = decode_value(decoder);
        break;
    case SGC_RECORD_COLLECT:
        event->index = decode_number(decoder);
        event->number = decode_number(decoder);
        break;
    case SGC_RECORD_ACCOUNT:
        event->index = decode_number(decoder);
        event->number = decode_zigzag(decode_number(decoder));
        break;
    case SGC_RECORD_CLOSE:
        event->index = decode_number(decoder);
        break;
    default:
        ck_abort_msg("no event %d", event->op);
    }
}

/* Only sets the events that fit n_events; the first pass of the two finds how many there are. */
static inline uint64_t decode_chunk(struct recording *recording, const struct sgc_recording_chunk *chunk)
{
    struct decoder decoder = {.at = (const uint8_t *)(chunk + 1), .end = (const uint8_t *)chunk + chunk->message.bytes};
    uint64_t ticket = chunk->first_ticket, time_ns = chunk->time_ns;
    uint32_t n = 0;
    while (decoder.at < decoder.end) {
        struct event event = {.op = *decoder.at++, .thread = chunk->thread};
        if (event.op == SGC_RECORD_GAP) {
            ticket += decode_number(&decoder);
            continue;
        }
        if (event.op == SGC_RECORD_TIME) {
            time_ns = chunk->time_ns + decode_number(&decoder);
            continue;
        }
        decode_event(&decoder, &event);
        event.time_ns = time_ns;
        if (ticket < recording->n_events) {
            REQUIRE(recording->events[ticket].op == 0);
            recording->events[ticket] = event;
        }
        ticket++;
        n++;
    }
    REQUIRE(n == chunk->n_events);
    return ticket;
}

static inline size_t decode_pass(struct recording *recording)
{
    uint64_t n_events = 0, n;
    memset(recording->text, 0, sizeof(recording->text));
    recording->n_chunks = 0;
    for (size_t at = 0; at < recording->n_bytes;) {
        uint8_t copy[SGC_RECORDING_MESSAGE_BYTES] __attribute__((aligned(16)));
        const struct sgc_recording_message *message = (const struct sgc_recording_message *)copy;
        memcpy(copy, recording->bytes + at, sizeof(*message));
        REQUIRE(message->bytes <= recording->n_bytes - at && message->bytes <= sizeof(copy));
        memcpy(copy, recording->bytes + at, message->bytes);
        at += message->bytes;
        REQUIRE(!recording->ended);
        if (message->kind == SGC_RECORDING_CHUNK) {
            n = decode_chunk(recording, (const struct sgc_recording_chunk *)copy);
            n_events = n > n_events ? n : n_events;
            recording->n_chunks++;
            continue;
        }
        REQUIRE(message->kind >= SGC_RECORDING_BEGIN && message->kind <= SGC_RECORDING_END);
        char *text = recording->text[message->kind];
        const size_t used = strlen(text), length = message->bytes - sizeof(*message);
        if (used + length + 2 < sizeof(recording->text[0])) {
            memcpy(text + used, message + 1, length);
            text[used + length] = '\n';
        }
        recording->ended = message->kind == SGC_RECORDING_END;
    }
    return n_events;
}

/* The core's end is closed: what was read becomes events, and each ticket has one. */
static inline void recording_decode(struct recording *recording)
{
    ck_assert_int_eq(pthread_join(recording->thread, NULL), 0);
    recording->n_events = 0;
    const size_t n = decode_pass(recording);
    recording->ended = false;
    recording->n_events = n;
    recording->events = calloc(n + 1, sizeof(*recording->events));
    decode_pass(recording);
    for (size_t i = 0; i < n; i++)
        REQUIRE(recording->events[i].op != 0);
}

static inline struct sgc_record_totals recording_end(struct recording *recording)
{
    struct sgc_record_totals totals = {0};
    struct sgc_error error = {0};
    ck_assert_msg(sgc_record_stop(&totals, &error) == 0, "%s", error.message);
    recording_decode(recording);
    ck_assert_uint_eq(totals.n_events, recording->n_events);
    ck_assert_uint_eq(totals.n_bytes, recording->n_bytes);
    ck_assert(recording->ended);
    return totals;
}

static inline void recording_free(struct recording *recording)
{
    close(recording->reader);
    free(recording->bytes);
    free(recording->events);
    free(recording);
}

/* ---- expectations: "new:1 a", "store a 0 b", ... with names for addresses */

struct names {
    struct {
        char name[16];
        uint64_t address;
    } of[64];
    size_t n;
};

static inline void name_it(struct names *names, const char *name, const void *object)
{
    ck_assert_uint_lt(names->n, 64);
    snprintf(names->of[names->n].name, sizeof(names->of[0].name), "%s", name);
    names->of[names->n++].address = (uintptr_t)object;
}

/* The name given last, as addresses are used again. */
static inline const char *name_of(const struct names *names, uint64_t address)
{
    for (size_t i = names->n; i-- > 0;)
        if (names->of[i].address == address)
            return names->of[i].name;
    return address == 0 ? "NULL" : address == 1 ? "immediate" : "?";
}

static inline void event_text(const struct names *names, const struct event *e, char *out, size_t n)
{
    const char *object = name_of(names, e->object), *value = name_of(names, e->value), *old = name_of(names, e->old);
    const unsigned long long index = e->index, number = e->number;
    switch (e->op) {
#define PLAIN(op_, text_)                                                                                              \
    case op_:                                                                                                          \
        snprintf(out, n, text_ " %s", object);                                                                         \
        return
        PLAIN(SGC_RECORD_HOLD, "hold");
        PLAIN(SGC_RECORD_DROP, "drop");
        PLAIN(SGC_RECORD_FREE, "free");
        PLAIN(SGC_RECORD_DEATH, "death");
        PLAIN(SGC_RECORD_FINALIZE, "finalize");
        PLAIN(SGC_RECORD_FINALIZED, "finalized");
#undef PLAIN
    case SGC_RECORD_NEW:
        snprintf(out, n, "new:%llu %s", index, object);
        return;
    case SGC_RECORD_BARE_NEW:
        snprintf(out, n, "bare:%llu %s", index, object);
        return;
    case SGC_RECORD_NEW_N:
        snprintf(out, n, "new:%llu %s*%llu", index, object, number);
        return;
    case SGC_RECORD_HOLDS:
        snprintf(out, n, "holds %s+%llu", object, number);
        return;
    case SGC_RECORD_STORE:
        snprintf(out, n, "store %s.%lld=%s", object, (long long)e->offset, value);
        return;
    case SGC_RECORD_EXCHANGE:
        snprintf(out, n, "exchange %s.%lld=%s was %s", object, (long long)e->offset, value, old);
        return;
    case SGC_RECORD_ENTER:
        snprintf(out, n, "enter");
        return;
    case SGC_RECORD_LEAVE:
        snprintf(out, n, "leave");
        return;
    case SGC_RECORD_WEAK_NEW:
        snprintf(out, n, "weak %llu of %s", index, object);
        return;
    case SGC_RECORD_WEAK_GET:
        snprintf(out, n, "weak %llu gives %s", index, value);
        return;
    case SGC_RECORD_WEAK_FREE:
        snprintf(out, n, "weak %llu ends", index);
        return;
    case SGC_RECORD_EPHEMERON:
        snprintf(out, n, "ephemeron:%llu %s key %s value %s", index, object, value, old);
        return;
    case SGC_RECORD_COLLECT:
        snprintf(out, n, "collect:%llu %s", index, number == SGC_COLLECT_FULL ? "full" : "minor");
        return;
    case SGC_RECORD_ACCOUNT:
        snprintf(out, n, "account:%llu %lld", index, (long long)number);
        return;
    case SGC_RECORD_CLOSE:
        snprintf(out, n, "close:%llu", index);
        return;
    default:
        snprintf(out, n, "op %d", e->op);
    }
}

/* All events from the first on, as text, with "; " between them. */
static inline void expect_events(const struct recording *recording, const struct names *names, const char *expected)
{
    static char text[65536];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < recording->n_events && used + 256 < sizeof(text); i++) {
        char one[200];
        event_text(names, &recording->events[i], one, sizeof(one));
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "; " : "", one);
    }
    ck_assert_str_eq(text, expected);
}

#endif
