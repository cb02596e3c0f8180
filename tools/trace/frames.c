/* frames.c - a file of zstd frames as one stream of bytes that can be read anywhere.
 * Called by open.c (one pass that indexes frames) and events.c (reads chunks here and there). A few decompressed frames
 * are kept, the one used longest ago goes first. The writer ends a frame about every MiB; one that holds more than
 * FRAME_MAX_BYTES is refused, so that a small file cannot ask for much memory. */
#include "tools/trace/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define FRAME_MAX_BYTES (UINT64_C(16) << 20)
#define CACHE_MAX_BYTES (UINT64_C(64) << 20)
#define CACHE_MAX_FRAMES 64
#define INPUT_BYTES 65536
#define WINDOW_LOG_MAX 25

struct frame {
    uint64_t file_at, at; /* where it begins, in the file and in the stream */
    uint32_t bytes;       /* decompressed */
};
struct cached {
    uint64_t frame, used; /* used: clock of the last use */
    uint8_t *bytes;
};
struct trace_frames {
    int fd;
    ZSTD_DCtx *context;
    struct frame *frames;
    uint64_t n_frames, capacity, n_cached, max_cached, clock, used_bytes;
    struct cached cached[CACHE_MAX_FRAMES];
    bool cut;
    uint8_t input[INPUT_BYTES];
};

static int frames_add(struct trace_frames *frames, struct frame frame)
{
    if (frames->n_frames == frames->capacity) {
        const uint64_t capacity = frames->capacity ? 2 * frames->capacity : 64;
        struct frame *more = realloc(frames->frames, capacity * sizeof(*more));
        if (!more)
            return -ENOMEM;
        frames->frames = more;
        frames->capacity = capacity;
    }
    frames->frames[frames->n_frames++] = frame;
    return 0;
}

static ssize_t frames_pread(int fd, void *out, size_t n, uint64_t at)
{
    ssize_t got;
    do
        got = pread(fd, out, n, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got;
}

/* One pass over the file from file_at on. */
static int frames_index(struct trace_frames *frames, uint64_t file_at, trace_sink_fn *sink, void *arg,
                        struct sgc_error *error)
{
    static const size_t out_bytes = 131072;
    uint8_t *out = malloc(out_bytes);
    struct frame frame = {.file_at = file_at};
    size_t left = 0; /* what zstd still wants of this frame; 0: between frames */
    int code = out ? 0 : trace_fail(error, -ENOMEM, "no memory to decompress");
    while (!code) {
        const ssize_t got = frames_pread(frames->fd, frames->input, sizeof(frames->input), file_at);
        if (got <= 0) {
            code = got < 0 ? trace_fail(error, -errno, "cannot read at offset %llu: %s", (unsigned long long)file_at,
                                        strerror(errno))
                           : 0;
            break;
        }
        ZSTD_inBuffer in = {frames->input, (size_t)got, 0};
        bool more = true;
        while (!code && (more || in.pos < in.size)) {
            ZSTD_outBuffer to = {out, out_bytes, 0};
            left = ZSTD_decompressStream(frames->context, &to, &in);
            if (ZSTD_isError(left)) {
                code = trace_fail(error, -EBADMSG, "bad data at offset %llu of the file: %s",
                                  (unsigned long long)(file_at + in.pos), ZSTD_getErrorName(left));
                break;
            }
            more = to.pos == to.size; /* zstd may keep output that did not fit */
            frame.bytes += (uint32_t)to.pos;
            if (frame.bytes > FRAME_MAX_BYTES)
                code = trace_fail(error, -EBADMSG, "the frame at offset %llu of the file holds more than %llu bytes",
                                  (unsigned long long)frame.file_at, (unsigned long long)FRAME_MAX_BYTES);
            else if (to.pos)
                code = sink(arg, out, to.pos, error);
            if (!code && left == 0) {
                more = false;
                code = frames_add(frames, frame) ? trace_fail(error, -ENOMEM, "no memory for the index") : 0;
                frames->used_bytes = file_at + in.pos;
                frame = (struct frame){file_at + in.pos, frame.at + frame.bytes, 0};
            }
        }
        file_at += (uint64_t)got;
    }
    if (!code && frame.file_at != file_at) {
        frames->cut = true;
        code = frames_add(frames, frame) ? trace_fail(error, -ENOMEM, "no memory for the index") : 0;
    }
    free(out);
    return code;
}

struct trace_frames *trace_frames_open(int fd, uint64_t offset, trace_sink_fn *sink, void *arg, struct sgc_error *error)
{
    struct trace_frames *frames = calloc(1, sizeof(*frames));
    if (!frames) {
        close(fd);
        trace_fail(error, -ENOMEM, "no memory to read the file");
        return NULL;
    }
    frames->fd = fd;
    frames->used_bytes = offset;
    frames->context = ZSTD_createDCtx();
    if (!frames->context) {
        trace_fail(error, -ENOMEM, "no memory to decompress");
        goto fail;
    }
    ZSTD_DCtx_setParameter(frames->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    if (frames_index(frames, offset, sink, arg, error))
        goto fail;
    uint64_t largest = 1;
    for (uint64_t i = 0; i < frames->n_frames; i++)
        largest = frames->frames[i].bytes > largest ? frames->frames[i].bytes : largest;
    frames->max_cached = CACHE_MAX_BYTES / largest < CACHE_MAX_FRAMES ? CACHE_MAX_BYTES / largest : CACHE_MAX_FRAMES;
    return frames;
fail:
    trace_frames_close(frames);
    return NULL;
}

bool trace_frames_cut(const struct trace_frames *frames)
{
    return frames->cut;
}

uint64_t trace_frames_used(const struct trace_frames *frames)
{
    return frames->used_bytes;
}

static int frames_decompress(struct trace_frames *frames, const struct frame *frame, uint8_t *out,
                             struct sgc_error *error)
{
    uint64_t file_at = frame->file_at;
    ZSTD_outBuffer to = {out, frame->bytes, 0};
    ZSTD_DCtx_reset(frames->context, ZSTD_reset_session_only);
    while (to.pos < to.size) {
        const ssize_t got = frames_pread(frames->fd, frames->input, sizeof(frames->input), file_at);
        ZSTD_inBuffer in = {frames->input, got > 0 ? (size_t)got : 0, 0};
        size_t left = 1;
        while (got > 0 && to.pos < to.size && (in.pos < in.size || left == 1)) {
            const size_t before = to.pos + in.pos;
            left = ZSTD_decompressStream(frames->context, &to, &in);
            if (ZSTD_isError(left) || left == 0 || before == to.pos + in.pos)
                break;
        }
        if (got <= 0 || ZSTD_isError(left) || (left == 0 && to.pos < to.size))
            return trace_fail(error, -EBADMSG, "the file changed while it was read (offset %llu)",
                              (unsigned long long)frame->file_at);
        file_at += (uint64_t)got;
    }
    return 0;
}

/* The frame's bytes, decompressed. */
static const uint8_t *frames_get(struct trace_frames *frames, uint64_t i, struct sgc_error *error)
{
    struct cached *oldest = NULL;
    frames->clock++;
    for (uint64_t slot = 0; slot < frames->n_cached; slot++) {
        struct cached *cached = &frames->cached[slot];
        if (cached->frame == i) {
            cached->used = frames->clock;
            return cached->bytes;
        }
        if (!oldest || cached->used < oldest->used)
            oldest = cached;
    }
    if (frames->n_cached < frames->max_cached) {
        oldest = &frames->cached[frames->n_cached++];
        *oldest = (struct cached){.bytes = NULL};
    }
    oldest->frame = UINT64_MAX;
    uint8_t *bytes = realloc(oldest->bytes, frames->frames[i].bytes + 1u);
    if (!bytes) {
        trace_fail(error, -ENOMEM, "no memory to decompress");
        return NULL;
    }
    oldest->bytes = bytes;
    if (frames_decompress(frames, &frames->frames[i], bytes, error))
        return NULL;
    oldest->frame = i;
    oldest->used = frames->clock;
    return bytes;
}

int trace_frames_read(struct trace_frames *frames, uint64_t at, void *out, size_t n, struct sgc_error *error)
{
    uint64_t low = 0, high = frames->n_frames; /* the last frame that begins at or before `at` */
    while (high - low > 1) {
        const uint64_t middle = low + (high - low) / 2;
        if (frames->frames[middle].at <= at)
            low = middle;
        else
            high = middle;
    }
    for (uint8_t *to = out; n; low++) {
        if (low >= frames->n_frames)
            return trace_fail(error, -EBADMSG, "the stream ends before offset %llu", (unsigned long long)at);
        const struct frame *frame = &frames->frames[low];
        const uint64_t from = at - frame->at, there = frame->bytes > from ? frame->bytes - from : 0;
        const size_t part = there < n ? (size_t)there : n;
        if (!part)
            continue;
        const uint8_t *bytes = frames_get(frames, low, error);
        if (!bytes)
            return error->code;
        memcpy(to, bytes + from, part);
        to += part;
        at += part;
        n -= part;
    }
    return 0;
}

void trace_frames_close(struct trace_frames *frames)
{
    if (!frames)
        return;
    for (uint64_t i = 0; i < frames->n_cached; i++)
        free(frames->cached[i].bytes);
    ZSTD_freeDCtx(frames->context);
    close(frames->fd);
    free(frames->frames);
    free(frames);
}
