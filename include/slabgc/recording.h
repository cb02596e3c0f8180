/* recording.h - the format of recordings: what core writes (core/heap/record*.c) and tools read (tools/trace).
 *
 * A recording is a sequence of messages. Live, each is one packet of a SOCK_SEQPACKET socket whose writing end a client hands to the process by the
 * control command `record`. In a file they stand one behind the other behind a struct sgc_recording_file, compressed by zstd in frames that end every MiB or so: a file
 * that was cut off is read up to there.
 *
 * Order. Each event has a ticket from one counter of the process; tickets of a recording are consecutive from 0. A chunk holds events of one thread; its first
 * ticket stands in its header, the following are one higher each unless SGC_RECORD_GAP says otherwise. The order of tickets is one that could have been:
 *   - events of one thread have rising tickets; a new object's ticket comes before its address is known to anybody, a drop's, free's or death's before its effect;
 *   - stores into one field have the order of their effects (a lock striped by field is held over store and ticket).
 * So an address names the object made last at it, whoever asks in the order of tickets. All tickets below some T are in the file when each chunk below is:
 * a reader stops at the first ticket that is missing.
 *
 * Numbers in events are LEB128 varints; signed ones zigzag. A place is an address in granules (address >> 4), as the signed difference to the place that the
 * thread's chunk named last (0 at the chunk's begin). */
#ifndef SLABGC_RECORDING_H
#define SLABGC_RECORDING_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SGC_RECORDING_MAGIC UINT64_C(0x4543415254434753) /* "SGCTRACE" in memory order */
#define SGC_RECORDING_VERSION 1
#define SGC_RECORDING_MESSAGE_BYTES 65536 /* the most, header included */

/* At the begin of a file, uncompressed; all integers little-endian. */
struct sgc_recording_file {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes; /* of this struct */
};

enum sgc_recording_kind {
    SGC_RECORDING_BEGIN = 1, /* JSON: {"slabgc","program","pid","mode":"replayable"|"sampled","sample":N,"time_ns"} */
    SGC_RECORDING_HEAP,      /* JSON: {"heap":INDEX,"name","strategy","needs":BITS,"memory_limit_bytes","finalizer_thread":bool}; before its first event */
    SGC_RECORDING_CACHE,     /* JSON: {"cache":INDEX,"heap":INDEX,"name","size_bytes","align_bytes","flags":BITS,"refs":[[OFFSET,N]..],
                              *        "tail_element_bytes","tail_refs":bool,"traced":bool (has a trace callback),"finalized":bool,"constructed":bool,"bare":bool} */
    SGC_RECORDING_THREAD,    /* JSON: {"thread":INDEX,"tid","name","ended":bool} */
    SGC_RECORDING_CHUNK,     /* struct sgc_recording_chunk, then its events */
    SGC_RECORDING_END        /* JSON: {"events","bytes","waited_ns","seconds","reason","live":{HEAP NAME: objects}}; absent when it was cut off */
};

struct sgc_recording_message {
    uint32_t bytes; /* of the whole message, this header included */
    uint32_t kind;  /* enum sgc_recording_kind */
};

struct sgc_recording_chunk {
    struct sgc_recording_message message;
    uint32_t thread;       /* index; 0: the state that was found when the recording began (its tickets come first) */
    uint32_t n_events;     /* without SGC_RECORD_GAP and SGC_RECORD_TIME, which have no ticket */
    uint64_t first_ticket;
    uint64_t time_ns;      /* CLOCK_MONOTONIC at the first event */
};

/* An event: one byte of op, then its numbers. */
enum sgc_record_op {
    SGC_RECORD_GAP = 1,   /* tickets to leave out before the next event */
    SGC_RECORD_TIME,      /* ns since the chunk's time_ns; at least every 256 events of a chunk */
    SGC_RECORD_NEW,       /* cache index, place: one hold */
    SGC_RECORD_NEW_N,     /* cache index, place, elements of tail */
    SGC_RECORD_HOLD,      /* place; also root cells, which are holds */
    SGC_RECORD_DROP,      /* place */
    SGC_RECORD_STORE,     /* owner's place, field's offset in words of 8 bytes, value; also each store of store_bulk, and a compare that stored */
    SGC_RECORD_EXCHANGE,  /* owner's place, offset, value, old value: whose claim is now a hold */
    SGC_RECORD_ENTER,     /* the outermost; none */
    SGC_RECORD_LEAVE,     /* the outermost; none */
    SGC_RECORD_WEAK_NEW,  /* handle's number (signed difference to the thread's chunk's last handle; handles count from 1), place */
    SGC_RECORD_WEAK_GET,  /* handle's number, value: NULL, or the object, with one hold more */
    SGC_RECORD_WEAK_FREE, /* handle's number */
    SGC_RECORD_EPHEMERON, /* heap index, place of the ephemeron (one hold), key, value */
    SGC_RECORD_FREE,      /* place: sgc_cache_free */
    SGC_RECORD_DEATH,     /* place: reclaimed by the strategy of the recording; no claim about other strategies */
    SGC_RECORD_FINALIZE,  /* place: its finalizer runs now on this thread, held by one hold that no event made ... */
    SGC_RECORD_FINALIZED, /* place: ... and that went away with this one */
    SGC_RECORD_COLLECT,   /* heap index, enum sgc_collect_kind: asked for by the program */
    SGC_RECORD_ACCOUNT,   /* heap index, signed bytes */
    SGC_RECORD_BARE_NEW,  /* cache index, place: sgc_cache_alloc */
    SGC_RECORD_CLOSE,     /* heap index: the heap closes here */
    SGC_RECORD_HOLDS,     /* place, holds more than one: only in thread 0 */
    SGC_N_RECORD_OPS
};
/* A value: 0 NULL, 1 an immediate, else 2 + the zigzag number of its place. */

#ifdef __cplusplus
}
#endif
#endif
