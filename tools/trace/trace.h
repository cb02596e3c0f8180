/* trace.h - reading and writing recordings (<slabgc/recording.h>): definitions, events in the order of tickets, objects
 * numbered. Used by slabgc-replay and gcctl. Nothing here trusts the file: whatever its bytes are, a call gives an
 * error with the offset, never a crash, an endless loop or an allocation that the file's size does not justify. One
 * thread uses a struct trace (and its cursors) at a time. Memory: an index of 40 bytes a chunk and one chunk a thread,
 * at most 64 MiB of decompressed frames; 16 bytes for each place that an object was made at. */
#ifndef SLABGC_TOOLS_TRACE_TRACE_H
#define SLABGC_TOOLS_TRACE_TRACE_H

#include <slabgc/error.h>
#include <slabgc/recording.h>
#include <slabgc/type.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_MAX_HEAPS 4096
#define TRACE_MAX_CACHES 65536
#define TRACE_MAX_THREADS 65536
#define TRACE_NAME_BYTES 64

struct trace_heap {
    bool defined;
    char name[TRACE_NAME_BYTES], strategy[TRACE_NAME_BYTES];
    uint32_t needs;
    uint64_t memory_limit_bytes;
    bool finalizer_thread;
};

struct trace_cache {
    bool defined;
    char name[TRACE_NAME_BYTES];
    uint32_t heap;
    uint32_t size_bytes, align_bytes, flags; /* as in struct sgc_type, checked for sense */
    uint32_t n_runs;
    struct sgc_ref_run runs[SGC_TYPE_MAX_REF_RUNS];
    uint32_t tail_element_bytes;
    bool tail_refs, traced, finalized, constructed, bare;
};

struct trace_thread {
    bool defined, ended;
    char name[TRACE_NAME_BYTES];
    uint64_t n_events;
};

/* What the whole file says. Indices of heaps, caches and threads are those of its events. */
struct trace_info {
    char program[256], version[32]; /* of core that recorded */
    int64_t pid;
    bool replayable; /* else sampled: objects and events are missing */
    uint64_t sample;
    const struct trace_heap *heaps;
    const struct trace_cache *caches;
    const struct trace_thread *threads;
    uint32_t n_heaps, n_caches, n_threads;
    uint64_t n_events; /* in chunks; those behind a missing ticket included */
    uint64_t n_chunks;
    uint64_t file_bytes, event_bytes; /* event_bytes: before compression, headers of chunks included */
    bool cut_off;                     /* no SGC_RECORDING_END, or the last frame is not whole */
    uint64_t cut_at;                  /* then: bytes of the file that could be used */
    uint64_t waited_ns;               /* of SGC_RECORDING_END: how long the program was slowed */
    double seconds;
    char reason[64]; /* why the recording ended */
};

struct trace;
/* Reads the file once, checks it and indexes its chunks. NULL: error filled; code -ENOENT and its like (cannot be
 * opened), -EBADMSG (no recording, or bad data; the offset is named), -ENOMEM. */
struct trace *trace_open(const char *path, struct sgc_error *error);
extern uint32_t trace_max_chunks; /* more are bad data, too; tests lower it */
void trace_close(struct trace *trace);
const struct trace_info *trace_info(const struct trace *trace);

/* Numbers of objects count the events NEW, NEW_N, BARE_NEW and EPHEMERON from 0. */
#define TRACE_NULL UINT64_C(0)
#define TRACE_IMMEDIATE UINT64_C(1)
#define TRACE_OBJECT UINT64_C(2) /* plus the object's number */
#define TRACE_UNKNOWN UINT64_MAX /* a place at which no event made an object */

struct trace_event {
    uint8_t op; /* enum sgc_record_op, without GAP and TIME */
    uint32_t thread;
    uint32_t index;           /* cache (NEW, NEW_N, BARE_NEW) or heap (EPHEMERON, COLLECT, ACCOUNT, CLOSE) */
    uint64_t ticket, time_ns; /* time of the last SGC_RECORD_TIME before it */
    uint64_t
        object; /* number of the object, the field's owner or the ephemeron; TRACE_UNKNOWN; 0 where there is none */
    uint64_t
        number; /* elements of tail, offset in words, handle, kind of collection, holds more than one, bytes (signed) */
    uint64_t value, other; /* values. other: EXCHANGE's old value. EPHEMERON: key in value, value in other */
    uint64_t file_at;      /* offset of the event's chunk in the decompressed stream, for messages */
};

struct trace_cursor;
/* The events in the order of tickets, from the first. NULL: error filled. */
struct trace_cursor *trace_begin(struct trace *trace, struct sgc_error *error);
/* 1: *event; 0: no more (see trace_cut); a negative errno: error filled. */
int trace_next(struct trace_cursor *cursor, struct trace_event *event, struct sgc_error *error);
uint64_t trace_objects(const struct trace_cursor *cursor); /* made so far */
/* After trace_next returned 0: true when events lie behind a missing ticket, or the file was cut off. */
bool trace_cut(const struct trace_cursor *cursor);
void trace_end(struct trace_cursor *cursor);

const char *trace_op_name(uint8_t op); /* "new"; "?" when there is none */
bool trace_op_makes(uint8_t op);       /* its object is a new one */

/* ---- writing */
struct trace_writer;
/* Writes to fd, which stays the caller's, from its present position: the file's header first. level: zstd's. NULL:
 * errno. */
struct trace_writer *trace_writer_create(int fd, int level);
/* Appends a message as received, header included; frames end about every MiB. 0; -EBADMSG: no message (nothing is
 * written); or the file's negative errno. */
int trace_writer_append(struct trace_writer *writer, const void *message, size_t bytes);
/* Puts what was appended into the file as whole frames. 0 or a negative errno. */
int trace_writer_flush(struct trace_writer *writer);
uint64_t trace_writer_bytes(const struct trace_writer *writer); /* written to the file so far */
void trace_writer_destroy(struct trace_writer *writer);         /* flush first */

/* ---- analysis (lives.c): one pass over a whole recording */
#define TRACE_LIFE_BUCKETS 64             /* bucket b: values v with 2^(b-1) <= v < 2^b; bucket 0: v = 0 */
struct trace_lives {                      /* of one cache */
    uint64_t n_made, n_ended, bytes_made; /* bytes without rounding to slots */
    uint64_t peak, peak_bytes;            /* most alive at one time */
    /* From NEW to DEATH or FREE, as the recording's strategy reclaimed them */
    uint64_t by_ns[TRACE_LIFE_BUCKETS], by_bytes[TRACE_LIFE_BUCKETS],
        by_events[TRACE_LIFE_BUCKETS]; /* by_bytes: allocated meanwhile in all caches */
};
struct trace_point {
    uint64_t ticket, time_ns, live, live_bytes; /* time since the first event */
};
#define TRACE_POINTS 512
struct trace_analysis {
    uint64_t n_events, n_objects;
    uint64_t duration_ns; /* first to last event */
    uint64_t ops[SGC_N_RECORD_OPS];
    struct trace_lives *caches;              /* n_caches of trace_info */
    struct trace_point points[TRACE_POINTS]; /* live bytes over time, evenly spread over the events */
    uint32_t n_points;
    uint64_t peak_live, peak_bytes;
    bool cut;
};
/* NULL: error filled. 24 bytes for each object of the recording. */
struct trace_analysis *trace_analyze(struct trace *trace, struct sgc_error *error);
void trace_analysis_free(struct trace_analysis *analysis);

#endif
