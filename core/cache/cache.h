/* cache.h - typed caches over slabs: classes, thread fronts (windows), frees from anywhere, debug checks. Used by
 *   core/heap.
 *
 * A cache has one class for a fixed-size type, several (size classes) for a variable-size one, and large objects
 *   beyond half a slab.
 * Each thread has a front per class: a window of up to SGC_WINDOW_SLOTS free slots, the slab it refills from, its
 *   partial slabs.
 * Slots in windows count as neither free in the slab nor live. sgc_cache_flush at a stop empties all windows of a
 *   cache, so that then n_live + n_free == n_slots   (every slab; free = FREE | REMOTE bits)   holds exactly. */
#ifndef SLABGC_CORE_CACHE_CACHE_H
#define SLABGC_CORE_CACHE_CACHE_H

#include "core/base/rank.h"
#include "core/slab/slab.h"
#include <slabgc/cache.h>

/* Inline allocations of a thread from one look at the clock to the next: adapted to one in a few milliseconds. Short
 * enough that a look costs a busy thread nothing that shows, and soon comes after one falls idle. */
#define SGC_FRONT_PERIOD_LEAST 16
#define SGC_FRONT_PERIOD_MOST 4096
_Static_assert(SGC_WINDOW_SLOTS < SGC_WINDOW_POPPED, "the number of slots fits below the count of those handed out");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "sgc_front.n is the lowest byte of its window's word");
#define SGC_MAX_CLASSES 4096 /* per process, all caches together */
#define SGC_CLASSES_PER_CACHE 40

/* CHECK adds nothing of its own: each free is checked at the call, as under any of the others. */
enum sgc_debug { SGC_DEBUG_REDZONE = 1, SGC_DEBUG_POISON = 2, SGC_DEBUG_TRACK = 4, SGC_DEBUG_CHECK = 8 };

/* One thread's share of one class. Only its thread touches it, except: the last line (atomic), the counters (read by
 * others), and everything at a stop. Never unmapped while the class lives: a dead thread's front waits on
 * class->idle_fronts for adoption; then the class lock guards it. */
struct sgc_front {
    union {
        struct sgc_window window; /* first: the inline paths of slabgc/cache.h know no more. limit: 0 for the empty
                                     front and under debug */
        uint8_t n;                /* slots in the window: the lowest byte of its word */
    };
    struct sgc_class *class_;
    struct sgc_slab *current; /* owned slab that the window is filled from; has free slots */
    struct sgc_list partial;  /* other owned slabs with free slots */
    uint32_t n_partial;
    uint8_t idle;                 /* on class->idle_fronts (class lock) */
    uint16_t looked;              /* as a slab's: the pass that looked at its slabs, while it is idle (class lock) */
    uint8_t torn;                 /* left behind by a fork, not yet put in order (class lock; fork.c) */
    uint64_t n_taken, n_returned; /* slots from slabs to the window, and back to slabs: live = sum(taken) - sum(n) -
                                     sum(returned); single writer, relaxed */
    uint64_t reserved_until;      /* slabs are kept until so many were handed out (sgc_front_reserve) */
    uint32_t period_version;      /* odd while the next two change; single writer, atomic */
    uint64_t n_popped_before;     /* what the window's count leaves out; single writer, relaxed */
    uint64_t period_began_ns;
    uint32_t period;                /* SGC_FRONT_PERIOD_* */
    uint64_t purge_began_ns;        /* the last pass of purge.c */
    uint32_t n_to_purge;            /* slabs that it has still to look at */
    uint32_t n_slow;                /* refills and flushes, modulo 2^32 */
    struct sgc_list link;           /* class->fronts or class->idle_fronts (class lock) */
    const struct sgc_context *user; /* of the thread that uses it; NULL: idle (class lock) */
    void *away[SGC_WINDOW_SLOTS];   /* slots on their way to slabs of other owners; entries go to NULL as they leave */
    uint32_t n_away;
    struct sgc_slab *remote_head
        __attribute__((aligned(64))); /* stack of slabs with remote frees: pushed by others, taken whole (remote.c) */
    int32_t n_whole; /* slabs on it of which every slot was freed, less what a walk along it costs (remote.c); a hint;
                        atomic */
} __attribute__((aligned(64)));

struct sgc_class {
    uint32_t index;        /* into sgc_context.fronts; 0 is no class's */
    uint32_t slot_bytes;   /* 0: the class of large objects */
    uint32_t object_bytes; /* usable: slot less redzone; 0 for large objects (see sgc_slab.large_bytes) */
    uint32_t n_slots;
    struct sgc_cache *cache;
    uint32_t window_slots; /* window of its fronts: at most a slab's worth */
    uint32_t n_keep;       /* empty slabs kept in the depot */
    uint64_t slot_words;   /* bit w: word w of slot_mask is not 0 */
    uint64_t slot_mask[SGC_SLAB_WORDS];
    struct sgc_lock lock; /* rank CACHE: lists below, unowned slabs, idle fronts */
    struct sgc_list all, partial, fronts, idle_fronts;
    struct sgc_list fresh;                    /* slabs and large objects allocated from since the last sweep */
    struct sgc_slab *empty;                   /* the depot: a few empty slabs kept, linked by remote_next */
    uint32_t n_empty, n_slabs;                /* n_slabs: read by others, relaxed */
    uint32_t n_torn;                          /* fronts of threads that a fork left behind (fork.c) */
    uint64_t pass_began_ns;                   /* the last pass of purge.c over what nobody owns */
    uint16_t pass;                            /* its number */
    bool passing;                             /* it is not over */
    uint32_t inexact;                         /* their counters may be off by a window: set right at the next flush */
    uint64_t large_live_bytes;                /* large class: object bytes of its live objects */
    uint64_t n_large_taken, n_large_returned; /* atomic */
    uint64_t n_returned;                      /* slots given back by threads without a front; atomic */
    struct sgc_slab *remote_head __attribute__((aligned(64))); /* as a front's, for slabs without an owner */
    int32_t n_whole;
};

/* sgc_cache.managed_manual, unless 0. RECORDED: made while a recording ran, which hears of each bare object: no inline
 * path was ever open. */
#define SGC_CACHE_MANUAL 1
#define SGC_CACHE_MANUAL_RECORDED 2
/* Bits of sgc_cache.mixed. */
#define SGC_CACHE_MIXED 1    /* managed objects were made here too (sgc_cache_mix) */
#define SGC_CACHE_RECORDED 2 /* SGC_CACHE_MANUAL_RECORDED */

struct sgc_cache {
    struct sgc_cache_head head; /* first: sgc_cache_head_update */
    uint8_t mixed;              /* atomic: why sgc_cache_free has to look closer: SGC_CACHE_* below */
    uint8_t
        managed_manual; /* heap layer: type is manual, or the heap's strategy is the built-in one; SGC_CACHE_MANUAL* */
    uint8_t new_state;  /* heap layer: state byte of new objects */
    uint8_t has_references;
    uint8_t variable;
    uint8_t special;    /* heap layer: a new object needs more than zeroing: ctor, finalizer, debug, immortal */
    uint32_t new_index; /* heap layer: classes[0]->index; 0, whose window is always empty, while special; atomic */
    uint32_t kinds;     /* metadata to commit for its slabs */
    uint32_t debug;     /* enum sgc_debug */
    uint32_t
        record_index; /* heap layer: its name in the recording; 0: none runs, or not of this cache; changes at stops */
    const struct sgc_type *type;
    struct sgc_heap *heap; /* opaque here */
    uint16_t zero_bytes;   /* heap layer: of a new object, unless special */
    uint8_t end_state;     /* heap layer: see heap/end.h; 0: none */
    uint8_t quiet_mask;    /* heap layer: the strategy's, or that of objects of manual types */
    struct sgc_budget *budget;
    uint32_t first_size_class; /* variable: classes[i] is size class first_size_class + i; made on first use, atomic */
    struct sgc_class *classes[SGC_CLASSES_PER_CACHE];
    struct sgc_class *large;   /* created on first use; atomic; the same as classes[0] where every object is large */
    struct sgc_list heap_link; /* heap layer: list of the heap's caches */
    struct sgc_list link;      /* registry of the process (lock CACHES) */
    char name[64];
};

/* The front that every slot of sgc_context.fronts points to before its thread used the class: an empty window. */
extern struct sgc_front sgc_front_none;

struct sgc_cache_config { /* from the config sections that match the cache's name */
    uint32_t debug;
};

/* Creates and destroys; checks the type (name, size, alignment, runs inside the object: EINVAL with a message).
 * init/fini of no global state. */
struct sgc_cache *sgc_cache_make(struct sgc_heap *heap, const struct sgc_type *type,
                                 const struct sgc_cache_config *config, struct sgc_budget *budget, uint32_t kinds,
                                 struct sgc_error *error);
/* Frees everything, live or not; runs dtors on constructed slots. No thread uses the cache. */
void sgc_cache_unmake(struct sgc_cache *cache);
/* Text for people: the first leaks (id, size, site), at most max_lines lines. At a stop or with no other user. Returns
 * the number live. */
size_t sgc_cache_describe_live(struct sgc_cache *cache, char *out, size_t out_bytes, unsigned max_lines);

/* Class for a tail of n elements: NULL for a large object (*bytes says how large), and with *bytes = 0 on overflow
 * (errno EOVERFLOW) or when the OS refuses memory for a class not used before (errno ENOMEM). A class of large objects
 * (fixed-size type beyond half a slab) works like others: its window is always empty, refill makes the object. */
struct sgc_class *sgc_class_for(struct sgc_cache *cache, size_t n, size_t *bytes);

/* Sets head.window: the index of classes[0] where the inline paths suffice (fixed size, no debug, not mixed, not
 * managed), else 0. To be called when one of these changed. */
void sgc_cache_head_update(struct sgc_cache *cache);
/* Threads use the windows of a bare cache without regard to stops (slabgc/cache.h): nobody else may change them. */
static inline bool sgc_cache_is_loose(const struct sgc_cache *cache)
{
    return cache->managed_manual;
}
/* A bare cache is about to have its first managed object (sgc_new): from now on sgc_cache_free looks at each object's
 * count. Idempotent, any thread. The heap layer sets the hook that ends a managed object freed by hand: weak references
 * cleared, count and state 0. */
void sgc_cache_mix(struct sgc_cache *cache);
extern void (*sgc_cache_end_managed)(void *object);
extern void (*sgc_cache_bare_made)(struct sgc_cache *cache, void *object); /* of a recorded cache */

/* Thread side. attach: allocates the fronts table of the calling thread, all sgc_front_none: 0 or -ENOMEM. detach:
 * gives every window back, idles the fronts. */
int sgc_fronts_attach(struct sgc_context *context, struct sgc_thread *thread);
void sgc_fronts_detach(struct sgc_context *context);

/* Pops a slot of the calling thread's window. NULL: empty, call sgc_front_refill. Neither zeroed nor checked. */
static inline void *sgc_front_pop(struct sgc_front *front)
{
    const uint64_t word = front->window.word;
    const unsigned n = (uint8_t)word;
    if (__builtin_expect(n == 0, 0))
        return NULL;
    __atomic_store_n(&front->window.word, word + SGC_WINDOW_POPPED - 1,
                     __ATOMIC_RELAXED); /* single writer: a plain store */
    void *slot = front->window.slots[n - 1];
    if (!slot)
        __builtin_unreachable(); /* so that callers test once */
    return slot;
}
/* Slots handed out since the front was made: by its thread, and by others, who may meet the thread at setting its count
 * back (window_begin_period). */
static inline uint64_t sgc_front_n_popped(const struct sgc_front *front)
{
    return front->n_popped_before + (uint64_t)((int64_t)front->window.word >> 8);
}
static inline uint64_t sgc_front_n_popped_shared(const struct sgc_front *front)
{
    for (;;) {
        const uint32_t version = __atomic_load_n(&front->period_version, __ATOMIC_ACQUIRE);
        const uint64_t before = __atomic_load_n(&front->n_popped_before, __ATOMIC_RELAXED);
        const int64_t word = (int64_t)__atomic_load_n(&front->window.word, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (version % 2 == 0 && __atomic_load_n(&front->period_version, __ATOMIC_RELAXED) == version)
            return before + (uint64_t)(word >> 8);
    }
}
static inline struct sgc_front *sgc_front_of(const struct sgc_class *class_)
{
    return sgc_context_.fronts[class_->index];
}
/* Fills the window with up to n slots (creating the front on first use) and pops one. NULL: the OS or budget refuses.
 * Charges whole slabs to the budget. */
void *sgc_front_refill(struct sgc_class *class_);
/* Makes the window (and what is behind it) able to serve n pops without new memory: 0 or -ENOMEM. */
int sgc_front_reserve(struct sgc_class *class_, size_t n);
/* A large object of the given bytes, on its own run. Zero memory. */
void *sgc_large_alloc(struct sgc_cache *cache, size_t bytes);

/* Frees a slot (any class, large too) from any thread: into the calling thread's window if there is room, else to its
 * slab. The caller has checked it. */
void sgc_slot_free(void *object);
/* Frees the masked slots of one word of a slab. At a stop, or from any thread. Under debug it calls sgc_debug_on_free
 * for slots for which nobody did. */
void sgc_slab_free_mask(struct sgc_slab *slab, unsigned word, uint64_t mask);

/* Debug hooks, called when cache->debug != 0: on_alloc checks poison, sets redzone and track; on_free checks redzone,
 * double free (panics), poisons. */
void sgc_debug_on_alloc(struct sgc_cache *cache, void *object, size_t bytes, const void *site);
void sgc_debug_on_free(struct sgc_cache *cache, void *object, const void *site);
/* First violated redzone or poison byte in the cache: 0 or -EUCLEAN. At a stop. */
int sgc_debug_verify(struct sgc_cache *cache, struct sgc_error *error);

/* At a stop (or with no other user). flush: empties all windows into slabs, takes over remote frees. used_words: live
 * slots of a slab after flush. relist: after sgc_slab_free_mask at a stop, puts slabs into the right lists and returns
 * surplus empty ones. fresh: detaches and returns the list (by fresh_next) of slabs allocated from since the last call,
 * flags cleared. */
void sgc_cache_flush(struct sgc_cache *cache);
void sgc_slab_used_words(const struct sgc_slab *slab, uint64_t out[SGC_SLAB_WORDS]);
void sgc_cache_relist(struct sgc_cache *cache);
struct sgc_slab *sgc_cache_take_fresh(struct sgc_cache *cache);
/* Calls visit for every slab (and large run head) of the cache; it may free its slots. At a stop. */
void sgc_cache_visit_slabs(struct sgc_cache *cache, void (*visit)(void *arg, struct sgc_slab *slab), void *arg);
/* Exact only at a stop after flush; else a fold of running counters. */
uint64_t sgc_cache_n_live(struct sgc_cache *cache);
uint64_t sgc_cache_n_allocated(struct sgc_cache *cache);
/* Lists, owners, bitmaps, counters: 0 or -EUCLEAN naming the first violation. At a stop after flush. */
int sgc_cache_verify(struct sgc_cache *cache, struct sgc_error *error);

/* Panics with fixed text unless object is the start of a slot in use by some cache. `what` names the call: "WHAT:
 * foreign pointer 0x...", "WHAT: interior pointer 0x... into cache NAME", "WHAT: object 0x... of cache NAME is free".
 * Returns its slab. */
struct sgc_slab *sgc_slot_check(const void *object, const char *what);

/* Fork: locks of every cache of the process in a fixed order (registry, then classes). In the child the fronts of the
 * other threads are put in order by whoever uses their classes next; nobody calls sgc_fronts_detach for those threads.
 */
void sgc_cache_before_fork(void);
void sgc_cache_after_fork(int in_child);
/* Installs fork handlers for this layer and those below, once: 0 or a negative errno. A layer above that takes these
 * locks in handlers of its own, after its own locks, installs them later: then its handlers run first, and the pairs
 * nest. */
int sgc_cache_fork_install(void);

#endif
