/* artificial.h - recordings made up by a test: definitions and events of several threads, written by tools/trace's
 * writer. Depends on libcheck; fails the test when the file system refuses. Tickets are given in the order of the
 * calls. */
#ifndef SLABGC_TESTS_TOOLS_TRACE_ARTIFICIAL_H
#define SLABGC_TESTS_TOOLS_TRACE_ARTIFICIAL_H

#include <slabgc/recording.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARTIFICIAL_THREADS 8
#define ARTIFICIAL_EVENT_BYTES 64

struct artificial_thread {
    uint8_t chunk[SGC_RECORDING_MESSAGE_BYTES];
    size_t n;
    uint32_t n_events;
    uint64_t first_ticket, next_ticket, place, handle;
};
struct artificial {
    struct trace_writer *writer;
    int fd;
    uint64_t ticket, time_ns;
    size_t chunk_bytes; /* a chunk is written when it has so many; small ones test more */
    struct artificial_thread threads[ARTIFICIAL_THREADS];
};

/* Creates the file: BEGIN, heap 0 "artificial" with these needs (enum SGC_NEED_*). */
void artificial_begin(struct artificial *out, const char *path, uint32_t needs);
/* Another definition, as JSON. */
void artificial_define(struct artificial *out, uint32_t kind, const char *json);
/* An object: bytes, references at offset 0. */
void artificial_cache(struct artificial *out, unsigned index, const char *name, unsigned size_bytes, unsigned n_refs,
                      const char *more);
/* An event; operands in the order of the format: places for objects; values: 0, 1, or a place. */
void artificial_event(struct artificial *out, uint32_t thread, enum sgc_record_op op, uint64_t a, uint64_t b,
                      uint64_t c, uint64_t d);
#define ARTIFICIAL(out, thread, op, ...) ARTIFICIAL_(out, thread, op, ##__VA_ARGS__, 0, 0, 0, 0, 0)
#define ARTIFICIAL_(out, thread, op, a, b, c, d, ...) artificial_event(out, thread, SGC_RECORD_##op, a, b, c, d)
/* Writes the chunks; END too when the recording is whole. */
void artificial_end(struct artificial *out, bool whole);

#endif
