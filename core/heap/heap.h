/* heap.h - the heap layer's own types: heaps, threads, sections, stops, grace periods, and the functions that its files
 * share.
 * Included by core/heap and core/runtime. The public side is include/slabgc/; the strategies' side is
 * include/slabgc/plugin.h.
 *
 * Who may touch what
 *   a running section      its own thread's records; counts, state bytes and fields by atomics; weak table and
 *                          finalizer queue under their locks
 *   the stopper            everything of every heap: all other threads are at rest and kept there (stop.c has the
 *                          argument)
 *   the grace thread       is an attached thread like any other; works in sections of its own
 * Lock order: core/base/rank.h. No lock is held while a stop or a grace period is waited for, except STOP itself. */
#ifndef SLABGC_CORE_HEAP_HEAP_H
#define SLABGC_CORE_HEAP_HEAP_H

#include "core/base/check.h"
#include "core/base/rank.h"
#include "core/cache/cache.h"
#include <slabgc/plugin.h>
#include <slabgc/slabgc.h>

#define SGC_MAX_HEAPS 256
#define SGC_MAX_PARAMS 32
#define SGC_HEAP_NAME_BYTES 64

/* How core/runtime resolved a heap's config; strings are copied by create. */
struct sgc_heap_setup {
    const char *name;
    const struct sgc_strategy_plugin *plugin; /* outlives the heap */
    const uint64_t *params;                   /* one per entry of the plug-in's table */
    uint32_t needs;
    bool finalizer_thread;
    uint64_t soft_limit_bytes, hard_limit_bytes; /* 0: none */
    uint64_t stall_report_ns;                    /* name a section that delays a stop or grace period for longer */
    /* Config of a cache by name; 0, or a negative errno with error filled. NULL: defaults. */
    int (*cache_config)(void *arg, const char *heap, const char *cache, struct sgc_cache_config *out,
                        struct sgc_error *error);
    /* The heap closes: called once, first of all, at rest with no lock held; whoever keeps it in a list takes it out.
     * NULL: nobody does. */
    void (*closing)(void *arg, struct sgc_heap *heap);
    void *cache_config_arg; /* of both */
};

/* One weak handle; linked by object in the heap's weak table. */
struct sgc_weak {
    void *object;                  /* NULL once cleared; table lock. An immediate: itself, for ever */
    struct sgc_heap *heap;         /* NULL: names no object of a heap */
    struct sgc_weak *next, **link; /* list of the same object, and the place that points here; table lock */
    struct sgc_heap *recorded;     /* while a recording runs: the heap, and `heap` is NULL (record.h) */
    uint64_t number;               /* its name in the recording */
};

/* An ephemeron object's slot. Never enumerated as reference fields except value on death: see sgc_object_visit. */
struct sgc_ephemeron {
    void *key, *value;                         /* NULL once broken; table lock, or the stopper */
    struct sgc_ephemeron *next_of_key, **link; /* list of one key in the weak table, and the place that points here */
    /* trace.c: key not marked yet; the list's end points to itself; NULL: not on it */
    struct sgc_ephemeron *next_pending;
};

struct sgc_weak_entry; /* weak.c */
struct sgc_weak_table {
    struct sgc_lock lock; /* rank WEAK */
    struct sgc_weak_entry **buckets;
    size_t n_buckets, n_entries;
    size_t n_ephemerons; /* with a key in the table */
};

/* Finalizers that wait. Capacity for every live finalizable object is reserved when it is made, so that queueing never
 * allocates. */
struct sgc_finalizer_queue {
    struct sgc_lock lock; /* rank FINALIZER */
    void **objects;       /* ring */
    size_t capacity, head, n;
    size_t n_reserved; /* finalizable objects alive */
    pthread_cond_t wake;
    pthread_t thread;
    bool has_thread, stopping;
    bool lost_thread; /* a forked child: the thread it had is to be started again */
    size_t n_found;   /* of those that wait now, the oldest ones: queued before the recording began */
};

struct sgc_pacer {
    struct sgc_pace pace;        /* atomic; written under the heap lock */
    uint64_t since_minor_bytes;  /* atomic: slots handed to windows and external bytes since the last collection */
    uint64_t live_bytes;         /* after the last collection; stopper */
    uint64_t full_trigger_bytes; /* live + since_minor beyond this: full */
    uint32_t requested;          /* atomic: 0 none, 1 minor, 2 full */
};

struct sgc_shrinker {
    struct sgc_list link;
    sgc_shrink_fn *shrink;
    void *arg;
    uint64_t pass;        /* last round of sgc_shrinkers_run that came by; heap lock, as all here */
    pthread_t runner;     /* the thread inside shrink, while running */
    bool running, doomed; /* doomed: unregistered; kept only while it runs */
    bool runner_frees;    /* unregistered from inside shrink: nobody waits */
    pthread_cond_t idle;
};

struct sgc_heap {
    char name[SGC_HEAP_NAME_BYTES];
    unsigned index;                           /* into sgc_thread.cells */
    struct sgc_list link;                     /* all heaps; lock THREADS */
    const struct sgc_strategy_plugin *plugin; /* changes at a stop only; atomic for readers at rest: sgc_heap_plugin */
    const struct sgc_strategy_ops *ops;
    void *self;
    uint64_t params[SGC_MAX_PARAMS];
    uint32_t needs, kinds;
    uint64_t stall_report_ns;
    struct sgc_heap_setup setup; /* cache_config callback */
    struct sgc_budget budget;
    struct sgc_lock lock; /* rank HEAP: caches, shrinkers, pace */
    struct sgc_list caches, shrinkers;
    uint64_t shrinker_pass;       /* rounds of sgc_shrinkers_run */
    struct sgc_cache *ephemerons; /* created on first use */
    struct sgc_pacer pacer;
    struct sgc_weak_table weak;
    struct sgc_finalizer_queue finalizers;
    struct sgc_trace *trace; /* engine's scratch while a trace runs */
    /* atomic: deferred decrements found no memory; the next collection is full and recounts candidates */
    bool lost_decrements;
    bool first_full;       /* after fork: the next collection is full */
    uint64_t grace_wanted; /* atomic: highest stamp requested and not yet reported to the strategy */
    /* atomic: threads inside ops->before_alloc, which runs at rest; by the parity of n_switches when they began */
    uint32_t n_rest_calls[2];
    uint32_t n_switches; /* changes at a stop */
    /* atomic: the grace thread is about to call, or calls, grace_elapsed for that request */
    bool grace_pending;
    int64_t external_bytes, retired_bytes; /* atomic */
    uint32_t record_index; /* its name in the recording; 0: none runs, or not of this heap; changes at stops */
    /* rank STATS: histograms and collection counters, so that readers get whole figures */
    struct sgc_lock stats_lock;
    /* collections' part: written by the stopper; counters by atomics where others write */
    struct sgc_stats stats;
};

enum sgc_watcher {
    SGC_WATCHER_STOP,
    SGC_WATCHER_GRACE, /* the grace thread */
    SGC_WATCHER_WAIT,  /* sgc_grace_wait */
    SGC_N_WATCHERS
};

/* One per attached thread. */
struct sgc_thread {
    struct sgc_context *context; /* the thread's TLS */
    struct sgc_list link;        /* lock THREADS */
    int64_t tid;
    char name[16];
    void *cells[SGC_MAX_HEAPS]; /* the strategies' */
    void **deferred;            /* decrements that wait for the section's end: entry before count */
    struct sgc_heap *due_heap;  /* SGC_REST_COLLECT: whose collection fell due in this section */
    uint32_t n_deferred, deferred_capacity;
    /* number of the section it was in when the watcher looked first; lock THREADS */
    uint64_t watched_section[SGC_N_WATCHERS];
    uint64_t reported_section; /* stalled section already reported; lock THREADS */
    size_t record_elements;           /* of sgc_new_n that makes an object now, plus 1 (alloc.c) */
    struct sgc_record_thread *record; /* its stream while a recording runs (record_event.c); NULL: none yet */
};

/* For readers at rest, whom a switch may overtake; a plug-in outlives every heap. */
static inline const struct sgc_strategy_plugin *sgc_heap_plugin(const struct sgc_heap *heap)
{
    return __atomic_load_n(&heap->plugin, __ATOMIC_ACQUIRE);
}

/* ---- heap.c, switch.c: life of a heap (called by core/runtime) */
struct sgc_heap *sgc_heap_create(const struct sgc_heap_setup *setup, struct sgc_error *error);
int sgc_heap_switch_strategy(struct sgc_heap *heap, const struct sgc_strategy_plugin *plugin, const uint64_t *params,
                             struct sgc_error *error);
/* Live changes, at a stop: limits, stall report, parameters marked live. Cannot fail. */
void sgc_heap_reconfigure(struct sgc_heap *heap, const struct sgc_heap_setup *setup);
/* Calls visit for each open heap under lock THREADS; non-zero ends it. */
void sgc_heap_names_after_fork_child(void); /* heaps that other threads were opening or closing are nobody's here */
int sgc_heap_for_each(int (*visit)(void *arg, struct sgc_heap *heap), void *arg);
void sgc_heap_publish_masks(void); /* at a stop: the open heaps' store masks into every thread's context */
/* At a stop after a full collection: holds + references <-> holds alone. */
void sgc_counts_add_references(struct sgc_heap *heap);
void sgc_counts_remove_references(struct sgc_heap *heap);
void sgc_strategy_release_cells(struct sgc_heap *heap); /* at a stop: every thread's cell goes back to the strategy */
/* at a stop: takes back what the strategy requested of the grace thread */
void sgc_heap_forget_grace(struct sgc_heap *heap);
extern const struct sgc_strategy_plugin sgc_strategy_none; /* none.c: the built-in object cache */

/* ---- section.c, stop.c, thread.c */
extern SGC_INTERNAL uint8_t sgc_solo; /* one attached thread; changes at stops only */
extern struct sgc_lock sgc_threads_lock;
extern struct sgc_list sgc_threads, sgc_heaps; /* lock THREADS; sgc_heaps changes at a stop only */

/* Of a wait for sections. */
struct sgc_waited {
    uint64_t n_stalls;   /* sections named as too long */
    int64_t slowest_tid; /* of the thread that was the last to leave its section; 0: none was met in one */
};
struct sgc_stop {
    uint64_t began_ns, stopped_ns;
    struct sgc_waited waited;
};
/* Brings all threads to rest and keeps them there; takes lock STOP. The caller is at rest. heap: whose stall limit and
 * name to use in reports; may be NULL. */
void sgc_stop_begin(struct sgc_stop *stop, struct sgc_heap *heap);
/* Ends it; returns the length of the stop in ns. */
uint64_t sgc_stop_end(struct sgc_stop *stop);
bool sgc_stop_is_mine(void); /* the calling thread is the stopper */
/* Waits until no section that runs now is left (polling, naming stalls after limit_ns); deadline_ns (absolute, 0:
 * none): -ETIMEDOUT. *waited begins as zero. */
int sgc_sections_wait(unsigned watcher, const char *who, uint64_t limit_ns, uint64_t deadline_ns,
                      struct sgc_waited *waited);
/* The two halves, for a watcher that waits otherwise: notes the sections that run now (returns how many); names those
 * that still run (returns how many are new). */
unsigned sgc_sections_note(unsigned watcher);
uint64_t sgc_sections_report(unsigned watcher, const char *who, uint64_t waited_ns);

/* ---- grace.c */
uint64_t sgc_grace_stamp(void);
uint64_t sgc_grace_done(void);
void sgc_grace_request(struct sgc_heap *heap, uint64_t stamp);
int sgc_grace_wait(uint64_t stamp, uint64_t timeout_ns);
void sgc_grace_after_stop(void);                   /* a stop is a grace period */
void sgc_grace_forget_heap(struct sgc_heap *heap); /* close: returns when the grace thread has left the heap */

/* ---- count.c */
extern SGC_INTERNAL struct sgc_counts sgc_counts;
/* One more claim unless there is none: true; false: count is 0 or the object is dead. For weak references of counting
 * strategies. */
bool sgc_count_increment_unless_zero(void *object);

/* ---- decrement.c: what a decrement of a counted object does */
/* Of an object of a manual type: its last claim went without memory to end it. A bare object in its cache has a count
 * of 0, too, and the state byte that the slot had before. */
#define SGC_STATE_MANUAL_LOST SGC_STATE_PRIVATE
/* dispatch to the strategy, or free a manual object; in a section or at a stop */
void sgc_decrement_now(void *object);
void sgc_decrement_later(void *object);             /* the host service */
void sgc_deferred_apply(struct sgc_thread *thread); /* end of the outermost section or call, still inside it */

/* ---- alloc.c, pacer.c, collect.c */
void sgc_pacer_allocated(struct sgc_heap *heap, uint64_t bytes);
int sgc_pacer_poll(const struct sgc_heap *heap); /* -1: nothing due; else enum sgc_collect_kind */
void sgc_pacer_collected(struct sgc_heap *heap, enum sgc_collect_kind kind); /* at the stop's end */
void sgc_pacer_set(struct sgc_heap *heap, const struct sgc_pace *pace);
void sgc_pacer_request(struct sgc_heap *heap, enum sgc_collect_kind kind);
enum sgc_reason { SGC_REASON_PACE, SGC_REASON_EXPLICIT, SGC_REASON_EMERGENCY, SGC_REASON_CLOSE };
void sgc_collect(struct sgc_heap *heap, enum sgc_collect_kind kind, enum sgc_reason reason);
/* The part of a collection inside the stop. */
void sgc_collect_stopped(struct sgc_heap *heap, enum sgc_collect_kind kind);
/* Flushes every window of the heap: afterwards used words are exact. At a stop. */
void sgc_heap_flush(struct sgc_heap *heap);

/* ---- caches.c */
bool sgc_cache_is_special(const struct sgc_cache *cache); /* a new object needs more than inline zeroing */
/* What the fast paths of alloc.c and end.h read of a cache: when it is made, and at a stop when the strategy changes. */
void sgc_cache_set_paths(struct sgc_cache *cache);

/* ---- malloc_heap.c: its figures and caches are those of core/cache/malloc.h; otherwise it is empty */
struct sgc_heap *sgc_heap_open_malloc(struct sgc_error *error); /* the one there is, or a new one; in a turn */
bool sgc_heap_is_malloc(const struct sgc_heap *heap);

/* ---- object.c: what core knows of an object by its address */
static inline struct sgc_cache *sgc_object_cache(const void *object)
{
    return sgc_slab_head(sgc_slab_of(object))->class_->cache;
}
static inline struct sgc_heap *sgc_object_heap(const void *object)
{
    return sgc_object_cache(object)->heap;
}
size_t sgc_object_bytes(const void *object); /* usable bytes: the class's, or the large object's */
/* Enumerates reference places: declared runs, tail, trace callback; for an ephemeron its value. */
void sgc_object_visit(void *object, sgc_visit_fn *visit, void *visitor);
bool sgc_object_is_ephemeron(const void *object);

/* ---- death.c: bury and reclaim (host services, also used by sweep) */
bool sgc_bury(void *object);
void sgc_reclaim(struct sgc_heap *heap, void *const *objects, size_t n);
void sgc_object_end_managed(void *object); /* freed by hand: the hook of sgc_cache_free */

/* ---- trace.c, mark_stack.c, sweep.c (host services) */
struct sgc_trace *sgc_trace_begin(struct sgc_heap *heap, bool keep_marks);
void sgc_trace_roots(struct sgc_trace *trace, enum sgc_roots which);
void sgc_trace_object(struct sgc_trace *trace, void *object);
void sgc_trace_fields(struct sgc_trace *trace, void *object);
void sgc_trace_finish(struct sgc_trace *trace);
void sgc_trace_sweep(struct sgc_trace *trace, uint8_t clear_state, uint8_t set_state);
bool sgc_is_marked(const void *object);
void sgc_trace_destroy(struct sgc_heap *heap); /* heap closes: frees the engine's scratch */

/* ---- weak.c, ephemeron.c: the table is keyed by object */
int sgc_weak_table_init(struct sgc_weak_table *table); /* 0 or -ENOMEM */
void sgc_weak_table_fini(struct sgc_heap *heap); /* frees the table and entries; handles still alive are cleared */
/* The object dies or is queued for its finalizer: clears its weak references, breaks ephemerons with this key (their
 * values are decremented under SGC_CAP_COUNTS_REFERENCES), takes a dying ephemeron out of its key's list. Cheap when
 * SGC_STATE_WATCHED is off and it is no ephemeron. */
void sgc_weak_bury(struct sgc_heap *heap, void *object);
/* At a stop: each ephemeron whose key this is. visit may break none of them. */
void sgc_ephemerons_of(void *key, void (*visit)(void *arg, void *ephemeron, void *value), void *arg);

/* ---- finalize.c, finalize_order.c */
int sgc_finalizer_queue_init(struct sgc_finalizer_queue *queue);
int sgc_finalizer_thread_start(struct sgc_heap *heap); /* 0 or a negative errno */
void sgc_finalizer_queue_fini(struct sgc_heap *heap);  /* joins the thread; waiting objects are forgotten */
int sgc_finalizer_reserve(struct sgc_heap *heap);      /* a finalizable object is made: 0 or -ENOMEM */
/* the next n of them need no memory, as far as other threads make none: 0 or -ENOMEM */
int sgc_finalizer_make_room(struct sgc_heap *heap, size_t n);
void sgc_finalizer_unreserve(struct sgc_heap *heap);   /* it was reclaimed */
void sgc_finalizer_thread_stop(struct sgc_heap *heap); /* joins it if there is one; finalizers that wait stay queued */
/* its thread does not exist any more: another is started on the next wake */
void sgc_finalizer_after_fork_child(struct sgc_heap *heap);
/* at a stop, at close: takes the queue's claim off each waiting object, runs nothing */
void sgc_finalizer_queue_forget(struct sgc_heap *heap);
/* the heap's finalizer thread looks at the queue; any state, no lock held */
void sgc_finalizer_wake(struct sgc_heap *heap);
/* Queues a dead object (capacity is reserved): sets SGC_STATE_FINALIZED, gives it one count for the queue. */
void sgc_finalizer_enqueue(struct sgc_heap *heap, void *object);
size_t sgc_select_finalizable(struct sgc_heap *heap, void **objects, size_t n, bool (*is_dead)(void *arg, void *object),
                              void *arg);

/* ---- shrinker.c: asks each shrinker in turn until wanted bytes came back; returns what they said. At rest. */
size_t sgc_shrinkers_run(struct sgc_heap *heap, size_t wanted_bytes);
void sgc_shrinkers_fini(struct sgc_heap *heap);
void sgc_shrinkers_after_fork_child(struct sgc_heap *heap);

/* ---- walk.c, verify.c */
/* Every live object of the heap at a stop after sgc_heap_flush. include_manual: also of caches whose objects the
 * strategy does not own. */
void sgc_heap_walk_stopped(struct sgc_heap *heap, bool include_manual, void (*visit)(void *arg, void *object),
                           void *arg);
int sgc_heap_verify_stopped(struct sgc_heap *heap, struct sgc_error *error);

/* ---- host.c */
void sgc_host_init(void);
extern struct sgc_host sgc_host_table; /* while a recording runs reclaim and trace_sweep are its own (record.c) */
const struct sgc_host *sgc_host_get(void);
/* fork.c: the locks that strategies made through the host, and the one that guards their list. */
void sgc_strategy_locks_before_fork(void);
void sgc_strategy_locks_after_fork(int in_child);

/* ---- fork.c */
int sgc_fork_install(void); /* once per process: 0 or a negative errno */

#endif
