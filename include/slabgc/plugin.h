/* plugin.h - the strategy plug-in ABI. A plug-in is a shared object that exports one constant, `sgc_strategy_plugin`, includes
 * <slabgc/...> alone and has no undefined symbol of core: it reaches core only through the `const struct sgc_host *` it is handed.
 *
 * Division of labour. Core owns memory, holds, sections, stops, grace periods, tracing, weak references, finalizers, pacing, statistics, walking. The
 * strategy decides what a store and a decrement mean, and what a collection does. The inline paths never call a plug-in: they test the
 * owner's state byte (SGC_STATE_*), and on a hit core's slow path checks the operands and calls an op.
 *
 * Compatibility: same major, plug-in's minor <= core's. Later minors append to the structs; struct_bytes says how much is there. */
#ifndef SLABGC_PLUGIN_H
#define SLABGC_PLUGIN_H

#include <slabgc/count.h>
#include <slabgc/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SGC_PLUGIN_MAGIC UINT64_C(0x4e4c504347424c53) /* "SLBGCPLN" in memory order */
#define SGC_ABI_MAJOR 1
#define SGC_ABI_MINOR 0
#define SGC_PLUGIN_SYMBOL "sgc_strategy_plugin"

/* Capabilities: the SGC_NEED_* bits it meets, and these. */
#define SGC_CAP_COUNTS_REFERENCES (1u << 16) /* an object's count is holds + incoming reference fields; otherwise holds alone */
#define SGC_CAP_MARKS (1u << 17)             /* uses core's mark bits (the tracing engine) */

/* Kinds of metadata per granule beside count and state, committed for this strategy's heaps. */
#define SGC_METADATA_MARK (1u << 0)      /* one bit: core's tracing engine */
#define SGC_METADATA_PRIVATE_0 (1u << 1) /* one byte each, the strategy's own; zero in a fresh slab, untouched by core afterwards */
#define SGC_METADATA_PRIVATE_1 (1u << 2)

/* A parameter: declared here once; config, reload, `gcctl set`, help and the tuner derive from it. */
enum sgc_param_type { SGC_PARAM_COUNT, SGC_PARAM_BYTES, SGC_PARAM_DURATION_NS, SGC_PARAM_PERCENT, SGC_PARAM_BOOL };
struct sgc_param {
    const char *key; /* [a-z0-9_]+ */
    enum sgc_param_type type;
    uint64_t minimum, maximum, default_value; /* bytes, nanoseconds, per cent, 0/1 */
    uint32_t live;   /* non-zero: may change while the heap lives */
    const char *help; /* one sentence */
};

struct sgc_trace;
struct sgc_strategy_ops;

/* When core's pacer should collect. Bytes count slots handed out since the last collection of that kind. */
struct sgc_pace {
    uint64_t minor_bytes;     /* a minor collection after so many; 0: never */
    uint64_t full_growth_pct; /* a full one when the heap outgrew what lived after the last full one by this; 0: never */
    uint64_t full_min_bytes;  /* but not before so many */
};

enum sgc_roots { SGC_ROOTS_ALL, SGC_ROOTS_FRESH /* only objects in slabs allocated from since the last sweep */ };

/* Services of core. Contexts: [any] any thread in a section; [stop] inside collect, quiesce, adopt or verify, all threads at rest. None blocks unless it says so. */
struct sgc_host {
    uint32_t struct_bytes;
    uint16_t abi_major, abi_minor;
    struct sgc_counts counts; /* for the inline functions of count.h: counts and state bytes of every object */

    /* Memory for the strategy's own records: zeroed; NULL when the OS refuses. [any] */
    void *(*alloc)(size_t bytes);
    void (*free)(void *at, size_t bytes);

    /* Private metadata: byte of the object at p is bias[p >> 4]. which: 0 or 1, as declared in metadata. */
    uint8_t *(*private_bias)(unsigned which);

    /* Objects. [any] visit_references enumerates the place of every reference field, trace callbacks and tails included (also places that hold
     * NULL or immediates); for an ephemeron the value's place. ephemeron_parts: true and the parts when object is an ephemeron. */
    struct sgc_heap *(*heap_of)(const void *object);
    const struct sgc_type *(*type_of)(const void *object);
    size_t (*size_of)(const void *object);
    void (*visit_references)(void *object, sgc_visit_fn *visit, void *visitor);
    bool (*ephemeron_parts)(void *object, void **key, void **value);
    /* Calls visit for each ephemeron whose key is this object (SGC_STATE_WATCHED is set on such keys). [stop] */
    void (*visit_ephemerons_of)(void *key, void (*visit)(void *arg, void *ephemeron, void *value), void *arg);
    /* Calls visit for every object that is allocated and not reclaimed, manual types left out; visit may reclaim that object. [stop] */
    void (*walk)(struct sgc_heap *heap, void (*visit)(void *arg, void *object), void *arg);

    /* Death, for strategies that find it object by object. bury: clears weak references and ephemerons that name the object (under
     * SGC_CAP_COUNTS_REFERENCES it calls ops->decrement for their values); queues its finalizer if it has one that never ran, giving the
     * object one count for the queue: then true, and it lives on (a claimed object with count 1, another with one more). A buried ephemeron is out of
     * its key's list: the value, if it still has one, is the strategy's to release. reclaim: frees the slots of n buried objects. [any] */
    bool (*bury)(void *object);
    void (*reclaim)(struct sgc_heap *heap, void *const *objects, size_t n);
    /* Of n dead objects with finalizers that never ran, moves to the front those to queue now: the ones reachable from no other dead
     * finalizable object outside their own cycle; returns how many. is_dead tells whether a reached object is in the dead set. [stop] */
    size_t (*select_finalizable)(struct sgc_heap *heap, void **objects, size_t n, bool (*is_dead)(void *arg, void *object), void *arg);

    /* Decrements: at the end of the thread's section when the object's state has SGC_STATE_DEFER, else now; each ends in ops->decrement. [any] */
    void (*decrement_later)(void *object);

    /* A cell of the strategy's per thread and heap, zero at first. [any] for the calling thread; all threads' at a [stop]. */
    void **(*thread_cell)(struct sgc_heap *heap);
    void (*visit_thread_cells)(struct sgc_heap *heap, void (*visit)(void *arg, void **cell), void *arg);

    /* The tracing engine. [stop] begin: clears all marks first unless keep_marks (sticky: what is marked is old). roots: marks held objects. object: marks it
     * and queues it. fields: queues what a marked object refers to. finish: drains, then ephemerons, finalizers (with what they reach), weak
     * references, in that order. sweep: reclaims what is unmarked - everywhere, or after keep_marks in fresh slabs only - and in the
     * slabs it visits clears and sets the given state bits of all survivors. Failure to grow the mark stack costs time, never correctness. */
    struct sgc_trace *(*trace_begin)(struct sgc_heap *heap, bool keep_marks);
    void (*trace_roots)(struct sgc_trace *trace, enum sgc_roots which);
    void (*trace_object)(struct sgc_trace *trace, void *object);
    void (*trace_fields)(struct sgc_trace *trace, void *object);
    void (*trace_finish)(struct sgc_trace *trace);
    void (*trace_sweep)(struct sgc_trace *trace, uint8_t clear_state, uint8_t set_state);
    bool (*is_marked)(const void *object);

    /* Pacing. [any] */
    void (*set_pace)(struct sgc_heap *heap, const struct sgc_pace *pace);
    /* Asks for a collection at the next allocation at rest. */
    void (*request_collection)(struct sgc_heap *heap, enum sgc_collect_kind kind);

    /* Grace periods. stamp: a sequence number such that grace_done() >= it proves that every section running now has ended; orders all earlier
     * stores of the caller before it (full fence). request: starts one if needed; when done reaches the stamp, core's grace-period thread
     * calls ops->grace_elapsed of the heap in a section of its own. wait: at rest; blocks until done or the deadline; 0 or -ETIMEDOUT, then stalled sections
     * have been named. */
    uint64_t (*grace_stamp)(void);
    uint64_t (*grace_done)(void);
    void (*grace_request)(struct sgc_heap *heap, uint64_t stamp);
    int (*grace_wait)(uint64_t stamp, uint64_t timeout_ns);

    /* Locks for the strategy's shared records: a leaf-like mutex of rank STRATEGY; hold briefly, never around a call that blocks. [any] */
    void *(*lock_create)(void);
    void (*lock_destroy)(void *lock);
    void (*lock)(void *lock);
    void (*unlock)(void *lock);

    /* Statistics and messages. count_visited: objects that this collection examined. retired: change of bytes that wait for a grace period. */
    void (*count_visited)(struct sgc_heap *heap, uint64_t n);
    void (*count_retired)(struct sgc_heap *heap, int64_t bytes);
    /* Fills an error for ops->open and ops->verify; returns code. */
    int (*fail)(struct sgc_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
    void (*panic)(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
};

/* What a strategy does. `self` is what open returned. Never NULL: what means nothing to a strategy points to a sgc_op_* stub below. */
struct sgc_strategy_ops {
    uint32_t struct_bytes;
    uint8_t new_state;      /* state byte of a new object: which barriers and decrements it takes */
    uint8_t store_mask;     /* state bits whose presence sends a store to the slow path: SGC_STATE_STORE, _STORE_2, both or none */
    /* Ends and decrements that core need not tell the strategy of; 0: it hears of all. end_state: an object with this state byte that loses its only
     * claim at rest is ended by core at once. The strategy promises of such an object that no reference to another was ever stored into it,
     * that no record of the strategy's names it, and that no other thread can have read a reference to it (without concurrent-readers the
     * program's locks see to that). Contains SGC_STATE_COUNTED and _DEFER. quiet_mask: a decrement of an object with one of these bits that leaves
     * it a claim changes the count, nothing else. */
    uint8_t end_state;
    uint8_t quiet_mask;

    /* Life. open: params has one value for each entry of the table. Returns 0 and *self, or a negative errno with error filled. configure: live parameters changed (called at
     * a stop). close: frees self; the objects are gone. At rest. */
    int (*open)(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **self, struct sgc_error *error);
    void (*configure)(void *self, const uint64_t *params);
    void (*close)(void *self);

    /* Stores that took the slow path. In a section; operands checked (owner an object of this heap, values of this heap, NULL or immediates). Must do, in this order: count the
     * new value up, capture the old, store (release), then count down or retire the old. exchange returns the old value whose claim becomes the caller's hold.
     * A reference to an object of a manual type carries no claim (its state byte is not new_state): exchange makes the hold. */
    void (*store)(void *self, void *owner, void **field, void *value);
    void *(*exchange)(void *self, void *owner, void **field, void *value);
    bool (*compare_exchange)(void *self, void *owner, void **field, void *expected, void *desired);

    /* One claim on an object with SGC_STATE_COUNTED goes away (drop, store, section's end). In a section. */
    void (*decrement)(void *self, void *object);

    /* Slow path of an allocation at rest, outside any section: may wait a bounded time (back-pressure), may request a collection. */
    void (*before_alloc)(void *self);

    /* A collection, at a stop: all threads at rest, no slot in any thread's window. FULL: afterwards the live set is exact. */
    void (*collect)(void *self, enum sgc_collect_kind kind);
    /* A requested grace period ended. Core's grace-period thread, in a section: do a bounded piece of work; true: there is more, call again. */
    bool (*grace_elapsed)(void *self);
    /* The thread behind this cell ends: move what the cell holds to shared records. In a section of that thread. */
    void (*thread_detach)(void *self, void **cell);

    /* Switching, at a stop, right after a FULL collection. quiesce: forget every record of objects (buffers, remembered set, retired). adopt: take over a heap whose live
     * objects have the right counts and new_state as state byte, unmarked and with private bytes of 0; 0 or a negative errno with error filled (then the old strategy adopts again). */
    void (*quiesce)(void *self);
    int (*adopt)(void *self, struct sgc_error *error);
    /* Checks the strategy's own invariants, at a stop. 0 or -EUCLEAN with error filled. */
    int (*verify)(void *self, struct sgc_error *error);
};

struct sgc_strategy_plugin {
    uint64_t magic;         /* SGC_PLUGIN_MAGIC */
    uint32_t struct_bytes;  /* sizeof(struct sgc_strategy_plugin) */
    uint16_t abi_major, abi_minor;
    const char *name;       /* [a-z0-9_-]+, as the file is called */
    const char *version, *license, *description;
    uint32_t capabilities;  /* SGC_NEED_* and SGC_CAP_* */
    uint32_t metadata;      /* SGC_METADATA_* */
    const struct sgc_param *params;
    uint32_t n_params;
    uint32_t reserved;
    const struct sgc_strategy_ops *ops;
};

/* In the plug-in: const struct sgc_strategy_plugin sgc_strategy_plugin SGC_PLUGIN_EXPORT = {...}; */
#define SGC_PLUGIN_EXPORT __attribute__((visibility("default")))

/* Stubs for ops that mean nothing to a strategy. Trivial where doing nothing is right; trapping where core never calls them for that strategy. */
static inline void sgc_op_configure_nothing(void *self, const uint64_t *params)
{
    (void)self, (void)params;
}
static inline void sgc_op_before_alloc_nothing(void *self)
{
    (void)self;
}
static inline bool sgc_op_grace_elapsed_never(void *self)
{
    (void)self;
    __builtin_trap();
}
static inline void sgc_op_decrement_never(void *self, void *object)
{
    (void)self, (void)object;
    __builtin_trap();
}
static inline void sgc_op_thread_detach_nothing(void *self, void **cell)
{
    (void)self, (void)cell;
}
static inline void sgc_op_quiesce_nothing(void *self)
{
    (void)self;
}
static inline int sgc_op_adopt_nothing(void *self, struct sgc_error *error)
{
    (void)self, (void)error;
    return 0;
}
static inline int sgc_op_verify_nothing(void *self, struct sgc_error *error)
{
    (void)self, (void)error;
    return 0;
}
/* Plain atomic forms of the store ops, for strategies whose counts do not follow references (the exchange's hold is added here). */
static inline void sgc_op_store_plain(void *self, void *owner, void **field, void *value)
{
    (void)self, (void)owner;
    __atomic_store_n(field, value, __ATOMIC_RELEASE);
}

#ifdef __cplusplus
}
#endif
#endif
