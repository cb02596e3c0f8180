/* writer.c - appends messages to a recording's file, compressed in frames of about a MiB.
 * Called by gcctl record and by tests. Frames end between messages and are written whole, so that a file that is cut
 * off anywhere loses what its last frame holds at most. */
#include "tools/trace/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define WRITER_FRAME_BYTES (1u << 20)

struct trace_writer {
    int fd;
    int level;
    ZSTD_CCtx *context;
    uint8_t *plain, *packed;
    size_t n, packed_bytes;
    uint64_t written;
};

static int writer_put(struct trace_writer *writer, const void *bytes, size_t n)
{
    for (const char *at = bytes; n;) {
        const ssize_t part = write(writer->fd, at, n);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -errno;
        at += part;
        n -= (size_t)part;
        writer->written += (uint64_t)part;
    }
    return 0;
}

struct trace_writer *trace_writer_create(int fd, int level)
{
    const struct sgc_recording_file head = {SGC_RECORDING_MAGIC, SGC_RECORDING_VERSION, sizeof(head)};
    struct trace_writer *writer = calloc(1, sizeof(*writer));
    int code = -ENOMEM;
    if (!writer)
        goto fail;
    writer->fd = fd;
    writer->level = level;
    writer->packed_bytes = ZSTD_compressBound(WRITER_FRAME_BYTES);
    writer->context = ZSTD_createCCtx();
    writer->plain = malloc(WRITER_FRAME_BYTES);
    writer->packed = malloc(writer->packed_bytes);
    if (!writer->context || !writer->plain || !writer->packed)
        goto fail;
    ZSTD_CCtx_setParameter(writer->context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(writer->context, ZSTD_c_checksumFlag, 1);
    code = writer_put(writer, &head, sizeof(head));
    if (!code)
        return writer;
fail:
    trace_writer_destroy(writer);
    errno = -code;
    return NULL;
}

int trace_writer_flush(struct trace_writer *writer)
{
    if (!writer->n)
        return 0;
    const size_t n = ZSTD_compress2(writer->context, writer->packed, writer->packed_bytes, writer->plain, writer->n);
    if (ZSTD_isError(n))
        return -ENOMEM;
    writer->n = 0;
    return writer_put(writer, writer->packed, n);
}

int trace_writer_append(struct trace_writer *writer, const void *message, size_t bytes)
{
    struct sgc_recording_message head;
    if (bytes < sizeof(head) || bytes > SGC_RECORDING_MESSAGE_BYTES)
        return -EBADMSG;
    memcpy(&head, message, sizeof(head));
    if (head.bytes != bytes || head.kind < SGC_RECORDING_BEGIN || head.kind > SGC_RECORDING_END)
        return -EBADMSG;
    if (writer->n + bytes > WRITER_FRAME_BYTES) {
        const int code = trace_writer_flush(writer);
        if (code)
            return code;
    }
    memcpy(writer->plain + writer->n, message, bytes);
    writer->n += bytes;
    return 0;
}

uint64_t trace_writer_bytes(const struct trace_writer *writer)
{
    return writer->written;
}

void trace_writer_destroy(struct trace_writer *writer)
{
    if (!writer)
        return;
    ZSTD_freeCCtx(writer->context);
    free(writer->plain);
    free(writer->packed);
    free(writer);
}
