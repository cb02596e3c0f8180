/* internal.h - what the files of tools/trace share. Nobody else includes it. */
#ifndef SLABGC_TOOLS_TRACE_INTERNAL_H
#define SLABGC_TOOLS_TRACE_INTERNAL_H

#include "tools/trace/trace.h"

/* Fills error and returns code. */
int trace_fail(struct sgc_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- frames.c: a zstd file as one stream of bytes that can be read anywhere */
struct trace_frames;
typedef int trace_sink_fn(void *arg, const uint8_t *bytes, size_t n, struct sgc_error *error);
/* Indexes the frames of fd (its own from now on) from offset on, handing all bytes to sink as they come; non-zero from
 * sink ends it and is returned in *code. NULL: error filled, fd is closed. cut: the last frame is not whole. */
struct trace_frames *trace_frames_open(int fd, uint64_t offset, trace_sink_fn *sink, void *arg,
                                       struct sgc_error *error);
bool trace_frames_cut(const struct trace_frames *frames);
uint64_t trace_frames_used(const struct trace_frames *frames); /* file offset behind the last whole frame */
/* Copies n bytes at the stream's offset; they are there. 0 or a negative errno, error filled. */
int trace_frames_read(struct trace_frames *frames, uint64_t at, void *out, size_t n, struct sgc_error *error);
void trace_frames_close(struct trace_frames *frames);

/* ---- definitions.c: the messages that are JSON. Growing arrays; indices are bounded. */
struct trace_definitions {
    struct trace_info info; /* its arrays are these */
    struct trace_heap *heaps;
    struct trace_cache *caches;
    struct trace_thread *threads;
    bool begun, ended;
};
/* at: offset of the message in the stream. */
int trace_define(struct trace_definitions *definitions, uint32_t kind, const char *json, size_t n, uint64_t at,
                 struct sgc_error *error);
/* The thread's entry, made when it is new; NULL: error filled. */
struct trace_thread *trace_define_thread(struct trace_definitions *definitions, uint64_t index, uint64_t at,
                                         struct sgc_error *error);
void trace_definitions_fini(struct trace_definitions *definitions);

/* ---- open.c */
struct trace_chunk { /* in the order of the file; chained by thread */
    uint64_t at, first_ticket;
    uint32_t bytes, n_events, thread, next; /* next chunk of the thread, UINT32_MAX: none */
};
struct trace {
    struct trace_frames *frames;
    struct trace_definitions definitions;
    struct trace_chunk *chunks;
    uint32_t n_chunks, capacity;
    uint32_t *first, *last; /* of each thread; as long as definitions.threads */
    uint32_t n_first;
};

/* ---- places.c: place -> number of the object made last at it */
struct trace_places;
struct trace_places *trace_places_create(void);
/* The number, or TRACE_UNKNOWN. */
uint64_t trace_places_find(const struct trace_places *places, uint64_t place);
int trace_places_set(struct trace_places *places, uint64_t place, uint64_t number); /* 0, -ENOMEM */
void trace_places_destroy(struct trace_places *places);

#endif
