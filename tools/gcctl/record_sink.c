/* record_sink.c - see record_sink.h.
 * Two threads and a ring of N_SLOTS messages. Invariant: slots from `taken` to `put` are full; the receiver alone moves
 * put, the writer alone taken. Lock: sink->lock for both and the flags; nothing blocks under it but the condition. */
#include "tools/gcctl/record_sink.h"

#include "tools/trace/trace.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define N_SLOTS 256 /* 16 MiB: a second of a program that makes 4 M events in it */

struct slot {
    size_t bytes;
    uint8_t message[SGC_RECORDING_MESSAGE_BYTES];
};
struct gcctl_sink {
    int socket, event;
    struct trace_writer *writer;
    pthread_t receiver, compressor;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t put, taken;
    bool over; /* no more messages come */
    struct gcctl_sink_totals totals;
    struct slot slots[N_SLOTS];
};

/* A message of the recorder, or nothing more: false. What is none is left out; the writer would refuse it. */
static bool sink_receive(struct gcctl_sink *sink, struct slot *slot)
{
    for (;;) {
        const ssize_t n = recv(sink->socket, slot->message, sizeof(slot->message), 0);
        if (n < 0 && errno == EINTR)
            continue;
        slot->bytes = n > 0 ? (size_t)n : 0;
        return n > 0;
    }
}

static void *sink_receiver(void *arg)
{
    struct gcctl_sink *sink = arg;
    bool more = true;
    while (more) {
        pthread_mutex_lock(&sink->lock);
        while (sink->put - sink->taken == N_SLOTS)
            pthread_cond_wait(&sink->changed, &sink->lock);
        pthread_mutex_unlock(&sink->lock);
        more = sink_receive(sink, &sink->slots[sink->put % N_SLOTS]);
        pthread_mutex_lock(&sink->lock);
        sink->put += more;
        sink->over = !more;
        pthread_cond_broadcast(&sink->changed);
        pthread_mutex_unlock(&sink->lock);
    }
    return NULL;
}

static void sink_end(struct gcctl_sink_totals *totals, const char *json, size_t n)
{
    while (n && (json[n - 1] == '\0' || json[n - 1] == '\n'))
        n--;
    json_t *end = json_loadb(json, n, 0, NULL);
    const char *reason = json_string_value(json_object_get(end, "reason"));
    totals->ended = true;
    totals->waited_ns = (uint64_t)json_integer_value(json_object_get(end, "waited_ns"));
    totals->seconds = json_number_value(json_object_get(end, "seconds"));
    snprintf(totals->reason, sizeof(totals->reason), "%s", reason ? reason : "");
    json_decref(end);
}

static void sink_write(struct gcctl_sink *sink, const struct slot *slot)
{
    struct gcctl_sink_totals *totals = &sink->totals;
    struct sgc_recording_chunk chunk;
    if (totals->code)
        return; /* goes on receiving, so that the program does not wait for ever */
    const int code = trace_writer_append(sink->writer, slot->message, slot->bytes);
    if (code) {
        totals->code = code;
        shutdown(sink->socket, SHUT_RDWR); /* the recorder ends */
        return;
    }
    totals->event_bytes += slot->bytes;
    memcpy(&chunk.message, slot->message, sizeof(chunk.message));
    if (chunk.message.kind == SGC_RECORDING_CHUNK && slot->bytes >= sizeof(chunk)) {
        memcpy(&chunk, slot->message, sizeof(chunk));
        totals->n_events += chunk.n_events;
    } else if (chunk.message.kind == SGC_RECORDING_END) {
        sink_end(totals, (const char *)slot->message + sizeof(chunk.message), slot->bytes - sizeof(chunk.message));
    }
}

static void *sink_compressor(void *arg)
{
    struct gcctl_sink *sink = arg;
    for (;;) {
        pthread_mutex_lock(&sink->lock);
        while (sink->put == sink->taken && !sink->over)
            pthread_cond_wait(&sink->changed, &sink->lock);
        const bool empty = sink->put == sink->taken;
        pthread_mutex_unlock(&sink->lock);
        if (empty)
            break;
        sink_write(sink, &sink->slots[sink->taken % N_SLOTS]);
        pthread_mutex_lock(&sink->lock);
        sink->taken++;
        pthread_cond_broadcast(&sink->changed);
        pthread_mutex_unlock(&sink->lock);
    }
    if (!sink->totals.code)
        sink->totals.code = trace_writer_flush(sink->writer);
    eventfd_write(sink->event, 1);
    return NULL;
}

struct gcctl_sink *gcctl_sink_start(int socket, int file, int level)
{
    struct gcctl_sink *sink = calloc(1, sizeof(*sink));
    if (!sink)
        return NULL;
    sink->socket = socket;
    pthread_mutex_init(&sink->lock, NULL);
    pthread_cond_init(&sink->changed, NULL);
    sink->event = eventfd(0, EFD_CLOEXEC);
    sink->writer = sink->event < 0 ? NULL : trace_writer_create(file, level);
    int code = sink->writer ? pthread_create(&sink->receiver, NULL, sink_receiver, sink) : errno;
    if (code)
        goto fail;
    code = pthread_create(&sink->compressor, NULL, sink_compressor, sink);
    if (!code)
        return sink;
    shutdown(socket, SHUT_RDWR);
    pthread_join(sink->receiver, NULL);
fail:
    trace_writer_destroy(sink->writer);
    if (sink->event >= 0)
        close(sink->event);
    free(sink);
    errno = code;
    return NULL;
}

int gcctl_sink_fd(const struct gcctl_sink *sink)
{
    return sink->event;
}

void gcctl_sink_finish(struct gcctl_sink *sink, struct gcctl_sink_totals *out)
{
    pthread_join(sink->receiver, NULL);
    pthread_join(sink->compressor, NULL);
    *out = sink->totals;
    out->file_bytes = trace_writer_bytes(sink->writer);
    trace_writer_destroy(sink->writer);
    close(sink->event);
    pthread_mutex_destroy(&sink->lock);
    pthread_cond_destroy(&sink->changed);
    free(sink);
}
