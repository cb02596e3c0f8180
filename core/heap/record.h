/* record.h - the recorder as the rest of this layer sees it: what a recording changes, and where it is told of events.
 * Included by the files whose slow paths record, by fork.c and by core/runtime (control_record.c). The format is
 * <slabgc/recording.h>; the design, with the argument for the order of tickets, is RECORDING.md.
 *
 * Off, a recording costs no instruction on a fast path: what the fast paths test anyway is made to fail while one runs
 *   sgc_stop_flag      SGC_STOP_RECORDING: calls at rest and outermost sections take the slow way in (stop.c)
 *   sgc_region_hide    sgc_arena_covers_plainly is false: hold, drop and store go to their recorded forms
 *   store_mask         contains a bit that each object of a recorded heap has: sgc_set leaves the inline path
 *   sgc_cache          special, new_index, end_state, mixed, managed_manual: allocations and ends take the general path
 *   sgc_weak.heap      NULL in handles of recorded heaps
 *   the host's table   reclaim and trace_sweep lead to their recorded forms
 * All of it changes at a stop, so a call or section sees one state from begin to end. */
#ifndef SLABGC_CORE_HEAP_RECORD_H
#define SLABGC_CORE_HEAP_RECORD_H

#include "core/heap/heap.h"

/* Bits of sgc_recording, which changes at stops alone. A sampled recording has the first one. */
#define SGC_RECORDING_OBJECTS 1 /* objects begin and end */
#define SGC_RECORDING_ALL 2     /* everything: the recording can be replayed */
extern SGC_INTERNAL uint8_t sgc_recording;

/* In a call, a section or a stop. */
static inline bool sgc_recording_all(void)
{
    return sgc_unlikely(__atomic_load_n(&sgc_recording, __ATOMIC_RELAXED) & SGC_RECORDING_ALL);
}

/* ---- the recording itself. At rest, no lock of core held; any thread. */
struct sgc_record_options {
    int fd;                /* SOCK_SEQPACKET; the recorder's from here on, even on failure */
    uint64_t sample;       /* 0 or 1: replayable; else about one object in so many */
    uint64_t budget_bytes; /* of buffers; 0: the default */
    const char *heap;      /* only the heap of this name, open now or later; NULL: all */
};
struct sgc_record_totals {
    uint64_t n_events, n_bytes, waited_ns;
};
/* 0, or a negative errno with error filled: EBUSY one runs, EINVAL no such socket, ENOMEM, EPIPE the reader left.
 * Heaps that are open get a full collection, and their objects are written, at one stop. */
int sgc_record_start(const struct sgc_record_options *options, struct sgc_error *error);
/* Ends it and returns when its reader has everything. ENOENT: none runs; EPIPE: it was cut off before (error says why).
 */
int sgc_record_stop(struct sgc_record_totals *out, struct sgc_error *error);
bool sgc_record_is_running(void);

/* ---- events. In a call or section of the calling thread, or at its stop. The objects are valid operands. */
void *sgc_record_made(struct sgc_cache *cache, void *object); /* returns the object */
void sgc_record_hold(void *object);
void sgc_record_drop(void *object);
void sgc_record_enter(struct sgc_context *context); /* the outermost one, and sgc_recording_all */
void sgc_record_leave(struct sgc_context *context); /* at rest: the section has ended */
uint64_t sgc_record_take_handle(void);              /* a number for a weak handle */
void sgc_record_weak_new(struct sgc_weak *weak);
void sgc_record_weak_get(struct sgc_weak *weak, void *value);
void sgc_record_weak_free(struct sgc_weak *weak);
void sgc_record_ephemeron(struct sgc_heap *heap, void *ephemeron, void *key, void *value);
void sgc_record_free(void *object);
void sgc_record_deaths(void *const *objects, size_t n);
/* found: queued before the recording began. Returns the recording's number; 0: there is no event. */
uint32_t sgc_record_finalize(void *object, bool found);
bool sgc_record_finalized(uint32_t generation,
                          void *object); /* generation: what the former returned; false: no event */
void sgc_record_collect(struct sgc_heap *heap, enum sgc_collect_kind kind); /* any state; attached or not */
void sgc_record_account(struct sgc_heap *heap, int64_t bytes);              /* the same */
void sgc_record_bare_new(struct sgc_cache *cache, void *object);

/* A store into owner's field: from begin to end no other thread's store into the same field is recorded or done. The
 * event comes between the two, in any place: nobody else sees the field meanwhile but by reading it. begin: false: the
 * store is not recorded, and end is not called. */
struct sgc_record_store {
    struct sgc_record_thread *thread;
    struct sgc_lock *lock;
};
/* One thread alone (sgc_solo): its stores are in its own order. The second records and then has the strategy store,
 * whose deaths come after the event: a call at its end, so that nothing is kept over it. */
void sgc_record_stored_alone(void *owner, void **field, void *value);
void sgc_record_then_store(struct sgc_heap *heap, void *owner, void **field, void *value);
bool sgc_record_store_begin(struct sgc_record_store *store, const struct sgc_heap *heap, void **field);
void sgc_record_stored(struct sgc_record_store *store, void *owner, void **field, void *value);
void sgc_record_exchanged(struct sgc_record_store *store, void *owner, void **field, void *value, void *old);
void sgc_record_store_end(struct sgc_record_store *store);

/* hold.c: the drop after a finalizer of which sgc_record_finalize returned this. */
void sgc_drop_finalized(void *object, uint32_t generation);

/* ---- heaps, caches, threads that come and go while a recording runs */
void sgc_record_heap_opened(struct sgc_heap *heap);  /* at the stop that lists it */
void sgc_record_heap_closes(struct sgc_heap *heap);  /* at the stop that takes it out */
void sgc_record_cache_made(struct sgc_cache *cache); /* in the section of the link, before its paths are set */
void sgc_record_thread_ends(struct sgc_thread *thread);
/* State bits of new objects besides the strategy's. */
uint8_t sgc_record_state(const struct sgc_cache *cache, const struct sgc_strategy_ops *ops);
uint8_t sgc_record_store_mask(void); /* 0: none */

/* ---- fork.c */
void sgc_record_before_fork_fields(void); /* in rank order */
void sgc_record_before_fork_queue(void);
void sgc_record_after_fork_queue(int in_child);
void sgc_record_after_fork_fields(int in_child);
void sgc_record_after_fork_child(void); /* at the fork's stop, locks given back: the recording is the parent's */

#endif
