/* open.c - opens a recording: one pass over its messages that checks them, keeps the definitions, and indexes the
 * chunks. Called by tools; events.c reads the chunks afterwards. Messages may lie across frames. */
#include "tools/trace/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_NONE UINT32_MAX

/* 700 MB of index: a terabyte of full chunks. A few KiB may decompress to any number of small ones. */
uint32_t trace_max_chunks = 1u << 24;

/* The pass: gathers bytes until a message is whole. */
struct scan {
    struct trace *trace;
    uint64_t at; /* stream offset of message[0] */
    size_t have;
    uint8_t message[SGC_RECORDING_MESSAGE_BYTES];
};

static int scan_chunk_add(struct trace *trace, const struct trace_chunk *chunk, struct sgc_error *error)
{
    const uint32_t thread = chunk->thread, n_threads = trace->definitions.info.n_threads;
    if (trace->n_first < n_threads) {
        uint32_t *first = realloc(trace->first, n_threads * sizeof(*first));
        trace->first = first ? first : trace->first;
        uint32_t *last = first ? realloc(trace->last, n_threads * sizeof(*last)) : NULL;
        trace->last = last ? last : trace->last;
        if (!last)
            return trace_fail(error, -ENOMEM, "no memory for the index");
        for (; trace->n_first < n_threads; trace->n_first++)
            first[trace->n_first] = last[trace->n_first] = CHUNK_NONE;
    }
    if (trace->n_chunks >= trace_max_chunks)
        return trace_fail(error, -EBADMSG, "more than %u chunks, up to offset %llu of the stream", trace_max_chunks,
                          (unsigned long long)chunk->at);
    if (trace->n_chunks == trace->capacity) {
        const uint32_t capacity = trace->capacity ? 2 * trace->capacity : 256;
        struct trace_chunk *chunks = realloc(trace->chunks, capacity * sizeof(*chunks));
        if (!chunks)
            return trace_fail(error, -ENOMEM, "no memory for the index");
        trace->chunks = chunks;
        trace->capacity = capacity;
    }
    if (trace->last[thread] == CHUNK_NONE)
        trace->first[thread] = trace->n_chunks;
    else
        trace->chunks[trace->last[thread]].next = trace->n_chunks;
    trace->last[thread] = trace->n_chunks;
    trace->chunks[trace->n_chunks++] = *chunk;
    return 0;
}

static int scan_chunk(struct scan *scan, size_t bytes, struct sgc_error *error)
{
    struct trace *trace = scan->trace;
    struct trace_info *info = &trace->definitions.info;
    struct sgc_recording_chunk head;
    if (bytes < sizeof(head))
        return trace_fail(error, -EBADMSG, "a chunk without its header at offset %llu of the stream",
                          (unsigned long long)scan->at);
    memcpy(&head, scan->message, sizeof(head));
    if (!trace->definitions.begun)
        return trace_fail(error, -EBADMSG, "a chunk before the recording's begin");
    if (head.n_events > bytes - sizeof(head))
        return trace_fail(error, -EBADMSG, "the chunk at offset %llu of the stream says %u events and has %zu bytes",
                          (unsigned long long)scan->at, head.n_events, bytes - sizeof(head));
    struct trace_thread *thread = trace_define_thread(&trace->definitions, head.thread, scan->at, error);
    if (!thread)
        return error->code;
    thread->n_events += head.n_events;
    info->n_events += head.n_events;
    info->n_chunks++;
    info->event_bytes += bytes;
    const struct trace_chunk chunk = {scan->at,      head.first_ticket, (uint32_t)bytes,
                                      head.n_events, head.thread,       CHUNK_NONE};
    return head.n_events ? scan_chunk_add(trace, &chunk, error) : 0;
}

/* The length that the header of the message says, checked; 0: not there yet, or error. */
static size_t scan_length(struct scan *scan, struct sgc_error *error)
{
    struct sgc_recording_message head;
    if (scan->have < sizeof(head))
        return 0;
    memcpy(&head, scan->message, sizeof(head));
    if (head.bytes < sizeof(head) || head.bytes > SGC_RECORDING_MESSAGE_BYTES || head.kind < SGC_RECORDING_BEGIN ||
        head.kind > SGC_RECORDING_END) {
        trace_fail(error, -EBADMSG, "no message at offset %llu of the stream (kind %u, %u bytes)",
                   (unsigned long long)scan->at, head.kind, head.bytes);
        return 0;
    }
    return head.bytes;
}

static int scan_sink(void *arg, const uint8_t *bytes, size_t n, struct sgc_error *error)
{
    struct scan *scan = arg;
    error->code = 0;
    while (n) {
        const size_t length = scan_length(scan, error);
        const size_t wanted = (length ? length : sizeof(struct sgc_recording_message)) - scan->have;
        if (error->code)
            return error->code;
        const size_t part = wanted < n ? wanted : n;
        memcpy(scan->message + scan->have, bytes, part);
        scan->have += part;
        bytes += part;
        n -= part;
        if (scan->have != scan_length(scan, error))
            continue;
        struct sgc_recording_message head;
        memcpy(&head, scan->message, sizeof(head));
        const int code = head.kind == SGC_RECORDING_CHUNK ? scan_chunk(scan, scan->have, error)
                                                          : trace_define(&scan->trace->definitions, head.kind,
                                                                         (const char *)scan->message + sizeof(head),
                                                                         scan->have - sizeof(head), scan->at, error);
        if (code)
            return code;
        scan->at += scan->have;
        scan->have = 0;
    }
    return error->code;
}

/* The header of the file; returns where the frames begin, or 0. */
static uint64_t open_header(int fd, struct sgc_error *error)
{
    struct sgc_recording_file head;
    const ssize_t got = pread(fd, &head, sizeof(head), 0);
    if (got < 0)
        trace_fail(error, -errno, "cannot read: %s", strerror(errno));
    else if ((size_t)got < sizeof(head.magic) || head.magic != SGC_RECORDING_MAGIC)
        trace_fail(error, -EBADMSG, "this is no recording of slabgc (its first 8 bytes are not \"SGCTRACE\")");
    else if ((size_t)got < sizeof(head))
        trace_fail(error, -EBADMSG, "the recording ends within its header");
    else if (head.version != SGC_RECORDING_VERSION)
        trace_fail(error, -EBADMSG, "version %u of the format; this program reads version %d", head.version,
                   SGC_RECORDING_VERSION);
    else if (head.header_bytes < sizeof(head) || head.header_bytes > 4096)
        trace_fail(error, -EBADMSG, "a header of %u bytes", head.header_bytes);
    else
        return head.header_bytes;
    return 0;
}

struct trace *trace_open(const char *path, struct sgc_error *error)
{
    struct sgc_error dropped;
    struct stat stat;
    error = error ? error : &dropped;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat)) {
        trace_fail(error, -errno, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    const uint64_t offset = S_ISREG(stat.st_mode) ? open_header(fd, error) : 0;
    if (!S_ISREG(stat.st_mode))
        trace_fail(error, -EBADMSG, "no regular file");
    struct trace *trace = offset ? calloc(1, sizeof(*trace)) : NULL;
    struct scan *scan = trace ? malloc(sizeof(*scan)) : NULL;
    if (!scan) {
        if (offset)
            trace_fail(error, -ENOMEM, "no memory to read the file");
        close(fd);
        free(trace);
        return NULL;
    }
    scan->trace = trace;
    scan->at = scan->have = 0;
    trace->frames = trace_frames_open(fd, offset, scan_sink, scan, error);
    const bool within = scan->have != 0;
    free(scan);
    if (trace->frames && !trace->definitions.begun)
        trace_fail(error, -EBADMSG, "the recording ends before its begin");
    if (!trace->frames || !trace->definitions.begun) {
        trace_close(trace);
        return NULL;
    }
    struct trace_info *info = &trace->definitions.info;
    info->heaps = trace->definitions.heaps;
    info->caches = trace->definitions.caches;
    info->threads = trace->definitions.threads;
    info->file_bytes = (uint64_t)stat.st_size;
    info->cut_off = within || trace_frames_cut(trace->frames) || !trace->definitions.ended;
    info->cut_at = trace_frames_used(trace->frames);
    return trace;
}

const struct trace_info *trace_info(const struct trace *trace)
{
    return &trace->definitions.info;
}

void trace_close(struct trace *trace)
{
    if (!trace)
        return;
    trace_frames_close(trace->frames);
    trace_definitions_fini(&trace->definitions);
    free(trace->chunks);
    free(trace->first);
    free(trace->last);
    free(trace);
}
