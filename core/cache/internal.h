/* internal.h - what the files of core/cache share: the life of slabs and fronts. Nobody else includes it.
 * Order of calls: alloc.c, bulk.c -> front.c -> depot.c, remote.c -> slab layer. Locks: registry (CACHES) < class
 *   (CACHE) < region. */
#ifndef SLABGC_CORE_CACHE_INTERNAL_H
#define SLABGC_CORE_CACHE_INTERNAL_H

#include "core/base/check.h"
#include "core/base/sanitize.h"
#include "core/cache/cache.h"

#include <string.h>

/* sgc_slab.listed: where a slab with slots is, for whoever owns it. */
enum slab_listed {
    SLAB_FULL,    /* nowhere: it has no free slot that the owner knows of */
    SLAB_CURRENT, /* front->current */
    SLAB_PARTIAL, /* front->partial; class->partial when it has no owner */
    SLAB_DEPOT    /* class->empty: no owner, every slot free */
};

/* Slabs to release once the class lock is given back; linked by remote_next. */
struct slab_surplus {
    struct sgc_slab *first;
};

/* FREE words have one writer (the owner) and readers that only look for double frees. */
static inline uint64_t word_load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
static inline void word_store(uint64_t *word, uint64_t bits)
{
    __atomic_store_n(word, bits, __ATOMIC_RELAXED);
}
static inline void counter_add(uint64_t *counter, uint64_t n) /* single writer, other readers */
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}
/* Changes the number of slots in the window. A release, for fork.c: entries are written before they count. */
static inline void window_grow(struct sgc_front *front, int n)
{
    __atomic_store_n(&front->window.word, front->window.word + (uint64_t)(int64_t)n, __ATOMIC_RELEASE);
}
/* Sets the count of the window back, so that `period` inline allocations go by until one takes the slow path. The
 * version's release stores pair with the acquire loads in sgc_front_n_popped_shared. */
static inline void window_begin_period(struct sgc_front *front)
{
    const int64_t ahead = ((int64_t)front->window.word >> 8) + front->period;
    __atomic_store_n(&front->period_version, front->period_version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&front->n_popped_before, front->n_popped_before + (uint64_t)ahead, __ATOMIC_RELAXED);
    __atomic_store_n(&front->window.word, front->window.word - (uint64_t)ahead * SGC_WINDOW_POPPED, __ATOMIC_RELAXED);
    __atomic_store_n(&front->period_version, front->period_version + 1, __ATOMIC_RELEASE);
}
/* That many have gone by. */
static inline bool window_period_is_over(const struct sgc_front *front)
{
    return (int64_t)front->window.word >= 0;
}
/* A slot into the window, which has room. Others read windows of bare caches while this goes on: entry before count. */
static inline void window_push(struct sgc_front *front, void *object)
{
    __atomic_store_n(&front->window.slots[front->n], object, __ATOMIC_RELAXED);
    window_grow(front, 1);
}
/* The owner's writes of FREE words: the summary follows. */
static inline void slab_add_free(struct sgc_slab *slab, uint64_t *free_words, unsigned word, uint64_t mask)
{
    word_store(&free_words[word], free_words[word] | mask);
    slab->free_words |= UINT64_C(1) << word;
    slab->touched = 1;
}
static inline void slab_remove_free(struct sgc_slab *slab, uint64_t *free_words, unsigned word, uint64_t mask)
{
    const uint64_t left = free_words[word] & ~mask;
    word_store(&free_words[word], left);
    if (left == 0)
        slab->free_words &= ~(UINT64_C(1) << word);
    slab->touched = 1;
}
/* Some slots of the slab are about to be used again: purge.c knows no more which pages are gone. */
static inline void slab_keep_pages(struct sgc_slab *slab)
{
    if (sgc_unlikely(slab->discarded))
        slab->discarded = 0; /* the mask by page would cost each refill more than discarding some pages twice */
}
static inline struct sgc_front *
slab_owner(const struct sgc_slab *slab) /* pairs with slab_set_owner, and with the class lock */
{
    return __atomic_load_n(&slab->owner, __ATOMIC_ACQUIRE);
}
static inline void slab_set_owner(struct sgc_slab *slab, struct sgc_front *front)
{
    __atomic_store_n(&slab->owner, front, __ATOMIC_RELEASE);
}
static inline unsigned mask_count(uint64_t mask) /* most masks have one bit, and counting may be a call */
{
    return mask & (mask - 1) ? sgc_popcount64(mask) : 1;
}
static inline unsigned min_u32(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* ---- class.c ---- */
#define SGC_N_SIZE_CLASSES 38
/* Registry lock held. NULL with errno ENOMEM, or ENOSPC when all indexes are taken. */
struct sgc_class *sgc_class_create(struct sgc_cache *cache, uint32_t slot_bytes, uint32_t object_bytes);
/* Registry lock held. Its slabs are gone; frees its fronts and clears them from the threads' tables. */
void sgc_class_destroy(struct sgc_class *class_);
/* Number and slot size of a size class; bytes: at most half a slab. */
unsigned sgc_size_class_of(size_t bytes);
uint32_t sgc_size_class_bytes(unsigned n);
/* The class of large objects, made on first use. NULL with errno ENOMEM. */
struct sgc_class *sgc_class_large(struct sgc_cache *cache);
/* Calls visit for each class made so far, the large one included. */
void sgc_cache_each_class(struct sgc_cache *cache, void (*visit)(struct sgc_class *class_, void *arg), void *arg);

/* ---- make.c: the registry of the process; lock rank CACHES ---- */
extern struct sgc_lock sgc_caches_lock;
extern struct sgc_list sgc_caches;
size_t sgc_cache_redzone_bytes(const struct sgc_cache *cache);

/* ---- context.c: tables of fronts; registry lock held ---- */
void sgc_fronts_forget_locked(struct sgc_class *class_);
void sgc_fronts_after_fork_locked(void);

/* ---- alloc.c: what the calls of the bare cache share ---- */
_Noreturn void sgc_cache_panic_managed(const struct sgc_cache *cache, const char *call, const char *use);
/* Begins a slow path: the thread attached, stops kept away. False: no memory to attach it; errno is set. */
bool sgc_cache_enter(bool *outermost);
void sgc_cache_leave(bool outermost);
/* A slot of the calling thread's window, refilled at need. NULL with errno ENOMEM. */
void *sgc_cache_take(struct sgc_class *class_);
/* Everything that a free must be sure of: the object begins a slot of this cache. Panics else; `call` names the call.
 */
struct sgc_slab *sgc_cache_check_free(struct sgc_cache *cache, void *object, const char *call);
/* Where the cache has had managed objects, this one may carry a count and weak references. */
void sgc_cache_finish_managed(struct sgc_cache *cache, void *object);

/* ---- front.c ---- */
/* The calling thread's front, made or adopted at need. NULL: the OS refuses memory. */
struct sgc_front *sgc_front_get(struct sgc_class *class_);
/* A front of the class for the calling thread, adopted or made; the caller keeps it in a table, or gives it back by
 * sgc_front_idle. NULL: the OS refuses memory. */
struct sgc_front *sgc_front_obtain(struct sgc_class *class_);
/* Gives the window back and makes the front adoptable. Class lock not held. */
void sgc_front_idle(struct sgc_front *front);
/* Frees slots of one word past the window. front: the calling thread's, or NULL when it has none. */
void sgc_front_free_mask(struct sgc_front *front, struct sgc_slab *slab, unsigned word, uint64_t mask);
/* The n oldest slots of the window go to their slabs. */
void sgc_front_flush(struct sgc_front *front, unsigned n);
/* Takes over what others freed in the front's slabs. */
void sgc_front_drain(struct sgc_front *front);
/* Fills the window up to n slots. False: it is empty. */
bool sgc_front_fill(struct sgc_front *front, unsigned n);
/* Gives back all that the front has to spare. Class lock not held. */
void sgc_front_shrink(struct sgc_front *front);
/* Panics unless the object, which was in a window of the class, is one that could be freed there. */
void sgc_window_check(const struct sgc_class *class_, const void *object);
_Noreturn void sgc_panic_double_free(const struct sgc_slab *slab, unsigned word, uint64_t mask);

/* ---- purge.c: free pages of partial slabs back to the OS ---- */
/* A period of inline allocations is over: begins the next and purges some. */
void sgc_front_end_period(struct sgc_front *front);
/* Now and then, by the front's thread on a slow path. */
void sgc_front_purge_some(struct sgc_front *front);
/* All of it now; front: the calling thread's or NULL. Class lock not held. Returns the bytes. */
size_t sgc_class_purge(struct sgc_class *class_, struct sgc_front *front);

/* ---- depot.c: slabs between fronts, class and arena ---- */
/* The class's lock; after a fork its fronts are put in order first. */
void sgc_class_lock(struct sgc_class *class_);
void sgc_class_unlock(struct sgc_class *class_);
/* Full -> partial list of front, or of the class (lock held) when NULL; and back. */
void sgc_slab_list(struct sgc_slab *slab, struct sgc_front *front);
void sgc_slab_unlist(struct sgc_slab *slab, struct sgc_front *front);
/* Takes a slab off front's partial list. NULL: it has none. */
struct sgc_slab *sgc_front_choose(struct sgc_front *front);
/* Puts a slab with free slots on front's partial list. NULL: there is none, and may_grow did not help. */
struct sgc_slab *sgc_depot_acquire(struct sgc_front *front, bool may_grow);
/* Takes a slab with all slots free off front's partial list, unless the front should keep it. Class lock not held. */
void sgc_depot_retire(struct sgc_front *front, struct sgc_slab *slab);
/* A slab with all slots free, on no list: into the depot or to the surplus, which release destroys without the lock. */
void sgc_depot_put_locked(struct sgc_slab *slab, struct slab_surplus *surplus);
void sgc_depot_release(struct slab_surplus *surplus);
/* The front's slabs without live slots leave it. Class lock held. */
void sgc_depot_give_up_locked(struct sgc_front *front, struct slab_surplus *surplus);
/* Empties the depot, idle fronts and shared slabs of what has no live slot; slabs released. */
size_t sgc_depot_shrink(struct sgc_class *class_);
/* A run for a class, in the budget of its heap; at need from what other classes keep in stock. NULL with errno ENOMEM.
 * No lock held from CACHES on. */
struct sgc_slab *sgc_depot_run_alloc(const struct sgc_class *class_, size_t n_slabs, bool *reads_zero);
void sgc_depot_mark_fresh(struct sgc_slab *slab);
/* Runs dtors and gives the run back. The slab is on no list. */
void sgc_slab_destroy(struct sgc_slab *slab);

/* ---- stats.c: folds, exact while nobody allocates or frees; class lock held, or no other user ---- */
uint64_t sgc_class_n_live(struct sgc_class *class_);
/* Those and the slots in windows: exact at every stop, as the inline paths only move slots between the two. */
uint64_t sgc_class_n_out(struct sgc_class *class_);

/* ---- remote.c ---- */
void sgc_remote_free(struct sgc_slab *slab, unsigned word, uint64_t mask);
/* The same but for the owner's work that a freeing thread may have to do. True: there is such work. */
bool sgc_remote_announce(struct sgc_slab *slab, unsigned word, uint64_t mask);
/* Takes over the stack of front, or (NULL) the class's, whose lock is held then as for idle fronts. Whole slabs leave
 * for the surplus, or (NULL) by sgc_depot_retire. */
void sgc_remote_drain(struct sgc_class *class_, struct sgc_front *front, struct slab_surplus *surplus);
/* Takes from a front of another thread the slabs of which every slot was freed by others. */
void sgc_remote_steal_locked(struct sgc_class *class_, struct sgc_front *victim, struct slab_surplus *surplus);

/* ---- check.c: as sgc_slot_check, but the slot may be free ---- */
struct sgc_slab *sgc_slot_locate(const void *object, const char *what);

/* ---- large.c ---- */
void sgc_large_free(struct sgc_slab *slab);
/* For a cache without ctor and debug: an object as its memory is found (*reads_zero says how), at a multiple of
 * alignment_bytes (a power of two), with room for spare_bytes behind it. class_: the cache's large one. NULL with errno
 * ENOMEM. */
void *sgc_large_alloc_raw(struct sgc_class *class_, size_t bytes, size_t spare_bytes, size_t alignment_bytes,
                          bool *reads_zero);
/* Changes the size of such an object where it is; the caller owns it. False: no room behind it, nothing changed. */
bool sgc_large_resize(struct sgc_slab *slab, size_t bytes);

/* ---- fork.c: class lock held ---- */
void sgc_fork_reap_locked(struct sgc_class *class_);

/* ---- debug.c ---- */
/* Fills the slots of a new slab with poison. */
void sgc_debug_slab_made(struct sgc_slab *slab);
/* Calls on_free for those slots for which nobody did. */
void sgc_debug_free_mask(struct sgc_slab *slab, unsigned word, uint64_t mask);
/* Who allocated or freed the object last, under debug=track; returns the length, 0 without. */
size_t sgc_debug_site_text(const struct sgc_slab *slab, const void *object, char *out, size_t out_bytes);

#ifdef SGC_ASAN
#define CACHE_ASAN 1
#else
#define CACHE_ASAN 0
#endif
/* AddressSanitizer reports uses of slots that are free in their slab; those in windows are accessible. */
#ifdef SGC_ASAN
void sgc_asan_poison_mask(const struct sgc_slab *slab, unsigned word, uint64_t mask);
void sgc_asan_unpoison_mask(const struct sgc_slab *slab, unsigned word, uint64_t mask);
#else
static inline void sgc_asan_poison_mask(const struct sgc_slab *slab, unsigned word, uint64_t mask)
{
    (void)slab, (void)word, (void)mask;
}
static inline void sgc_asan_unpoison_mask(const struct sgc_slab *slab, unsigned word, uint64_t mask)
{
    (void)slab, (void)word, (void)mask;
}
#endif

static inline void *slab_object(const struct sgc_slab *slab, unsigned word, unsigned bit)
{
    return sgc_slab_start(slab) + ((size_t)(word * 64 + bit) << SGC_GRANULE_SHIFT);
}

#endif
