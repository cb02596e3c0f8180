/* record_stream.h - what the files of the recorder share: buffers and the writer, threads' chunks, encoding.
 * record.c starts and ends; record_event.c has the events; record_found.c writes what a recording finds;
 * record_text.c describes heaps, caches and threads; record_queue.c brings buffers to the reader. */
#ifndef SLABGC_CORE_HEAP_RECORD_STREAM_H
#define SLABGC_CORE_HEAP_RECORD_STREAM_H

#include "core/heap/record.h"
#include <slabgc/recording.h>
#include <string.h>

/* ---- record_queue.c. Lock: rank RECORD. */
struct sgc_record_buffer {
    struct sgc_record_buffer *next;
    uint32_t n_bytes;    /* of data; the message's */
    uint32_t room_bytes; /* of data */
    uint8_t data[];      /* begins with a struct sgc_recording_message */
};
/* Starts the writer. 0 or a negative errno with error filled. fd becomes the queue's on success. */
int sgc_record_queue_open(int fd, uint64_t budget_bytes, struct sgc_error *error);
/* A buffer for a chunk; waits while the budget is spent. NULL: the recording failed. */
struct sgc_record_buffer *sgc_record_buffer_take(void);
void sgc_record_buffer_send(struct sgc_record_buffer *buffer);
void sgc_record_buffer_send_locked(struct sgc_record_buffer *buffer);
void sgc_record_message_send(enum sgc_recording_kind kind, const char *text, size_t n_bytes);
bool sgc_record_queue_failed(void);  /* any thread */
bool sgc_record_queue_is_full(void); /* somebody waits for a buffer */
void sgc_record_queue_fail(const char *why);
/* Everything queued goes out, the writer ends, the descriptor is closed. Returns NULL or why it was cut off. */
const char *sgc_record_queue_close(struct sgc_record_totals *totals);
void sgc_record_queue_totals(struct sgc_record_totals *totals);
bool sgc_record_queue_is_open(void);
extern struct sgc_lock sgc_record_queue_lock;
extern uint64_t sgc_record_reader_ns;         /* how long a reader may take nothing: 10 s, less in tests */
void sgc_record_queue_after_fork_child(void); /* closed, and its lists freed */

/* ---- a thread's stream. Written by its thread in calls and sections, by others while it is at rest and kept there. */
struct sgc_record_thread {
    struct sgc_list link;              /* sgc_record_threads; lock RECORD */
    const struct sgc_context *context; /* NULL: thread 0 */
    int64_t tid;
    char name[16];
    uint32_t index;
    uint32_t flush; /* atomic: somebody wants to see what is there */
    struct sgc_record_buffer *buffer;
    uint8_t *at, *limit;  /* in the buffer: an event has room below limit; both NULL: none */
    uint64_t next_ticket; /* what the next event of the chunk has unless a gap says otherwise */
    uint64_t last_place, last_handle;
    uint64_t began_ns;
    uint32_t n_events;
};
extern struct sgc_list sgc_record_threads;
#define SGC_RECORD_EVENT_BYTES 96 /* the most an event takes, with a gap and a time before it */

/* Room for an event; waits, and sends the full chunk. False: the recording failed. */
bool sgc_record_room_slow(struct sgc_record_thread *thread);
static inline bool sgc_record_room(struct sgc_record_thread *thread)
{
    if (sgc_likely(thread->at < thread->limit && !__atomic_load_n(&thread->flush, __ATOMIC_RELAXED)))
        return true;
    return sgc_record_room_slow(thread);
}
void sgc_record_flush(struct sgc_record_thread *thread);        /* sends what there is */
void sgc_record_flush_locked(struct sgc_record_thread *thread); /* lock RECORD is held */

/* ---- encoding. There is room; `at` is where the next byte goes, in a local variable: bytes may alias anything. */
static inline uint8_t *sgc_record_put(uint8_t *at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *at++ = (uint8_t)(number | 0x80);
    *at++ = (uint8_t)number;
    return at;
}
/* The same for numbers whose length nobody can foresee: without a branch on it up to 28 bits. Writes 4 bytes, of which
 * those beyond the number are overwritten by what comes next. */
static inline uint8_t *sgc_record_put_any(uint8_t *at, uint64_t number)
{
    if (sgc_unlikely(number >> 28))
        return sgc_record_put(at, number);
    const uint32_t n = (uint32_t)number;
    const unsigned more = (unsigned)(31 - __builtin_clz(n | 1)) * 37 >> 8; /* a seventh: bytes behind the first */
    const uint32_t halves = (n & 0x3fff) + ((n & 0xfffc000) << 2);
    const uint32_t spread = (halves & 0x7f007f) + ((halves & 0x3f803f80) << 1);
    const uint32_t bytes = spread | 0x808080u >> (24 - 8 * more); /* each but the last says that one follows */
    memcpy(at, &bytes, sizeof(bytes));
    return at + 1 + more;
}
static inline uint64_t sgc_record_zigzag(uint64_t difference)
{
    return (difference << 1) ^ (uint64_t)((int64_t)difference >> 63);
}
static inline uint8_t *sgc_record_put_place(struct sgc_record_thread *thread, uint8_t *at, const void *object)
{
    const uint64_t place = (uintptr_t)object >> SGC_GRANULE_SHIFT, last = thread->last_place;
    thread->last_place = place;
    return sgc_record_put_any(at, sgc_record_zigzag(place - last));
}
static inline uint8_t *sgc_record_put_value(struct sgc_record_thread *thread, uint8_t *at, const void *value)
{
    if (!sgc_is_object(value)) {
        *at++ = value ? 1 : 0;
        return at;
    }
    const uint64_t place = (uintptr_t)value >> SGC_GRANULE_SHIFT, last = thread->last_place;
    thread->last_place = place;
    return sgc_record_put_any(at, 2 + sgc_record_zigzag(place - last));
}
/* Nearly all events are stores. */
static inline __attribute__((always_inline)) uint8_t *sgc_record_put_store(struct sgc_record_thread *thread,
                                                                           uint8_t *at, const void *owner,
                                                                           void *const *field, const void *value)
{
    at = sgc_record_put_place(thread, at, owner);
    at = sgc_record_put(at, (uint64_t)((const char *)field - (const char *)owner) / sizeof(void *));
    return sgc_record_put_value(thread, at, value);
}
/* Takes the next ticket and writes the op; returns where its numbers go. The end of them becomes thread->at. */
uint8_t *sgc_record_op(struct sgc_record_thread *thread, enum sgc_record_op op);
uint64_t sgc_record_n_tickets(void);
void sgc_record_reset_tickets(void);
uint8_t *sgc_record_put_handle(struct sgc_record_thread *stream, uint8_t *at, const struct sgc_weak *weak);
void sgc_record_closed(struct sgc_heap *heap);
bool sgc_record_finalizing(void *object, bool found);
bool sgc_record_finalizing_done(void *object);

/* Is the object of a sample? Always, in a replayable recording. */
bool sgc_record_samples(const void *object);

/* ---- record_text.c: messages of a JSON object each */
void sgc_record_describe_begin(uint64_t sample);
void sgc_record_describe_heap(const struct sgc_heap *heap);
void sgc_record_describe_cache(const struct sgc_cache *cache);
void sgc_record_describe_thread(const struct sgc_record_thread *thread, bool ended);
/* at the stop that ends it, after everything else */
void sgc_record_describe_end(const char *reason, uint64_t n_events, uint64_t began_ns);

/* ---- record_found.c: the heaps' objects as thread 0; at the stop */
bool sgc_record_found(bool all); /* false: the recording failed */
void sgc_record_weak_handles(struct sgc_heap *heap, void (*visit)(void *arg, struct sgc_weak *weak), void *arg);

/* record.c */
void sgc_record_look(void); /* the writer: threads at rest send what they have */
void sgc_record_cut(void);  /* the writer: the recording failed, and ends */
bool sgc_record_concerns(const struct sgc_heap *heap);
extern SGC_INTERNAL uint64_t sgc_record_sample;
#endif
