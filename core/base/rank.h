/* rank.h - every lock of core has a rank; a thread takes locks in rising rank only. Checked with SGC_DEBUG.
 * `struct sgc_lock` is a pthread mutex with a rank; fork handlers walk all locks through the layers that own them. */
#ifndef SLABGC_CORE_BASE_RANK_H
#define SLABGC_CORE_BASE_RANK_H

#include <pthread.h>
#include <stddef.h>

/* Lower number = taken first (outermost). Gaps leave room. */
enum sgc_rank {
    SGC_RANK_RUNTIME = 10,   /* runtime: config, list of open heaps, loader */
    SGC_RANK_CONTROL = 12,   /* runtime: descriptors of the control server, go */
    SGC_RANK_PROCESS = 16,    /* heap: first use in the process */
    SGC_RANK_RECORDING = 18, /* heap: start and end of a recording */
    SGC_RANK_STOP = 20,      /* heap: one stop at a time in the process */
    SGC_RANK_HEAP = 30,      /* heap: caches and settings of one heap */
    SGC_RANK_RECORD_FIELD = 33, /* heap: stripes of fields whose stores are recorded */
    SGC_RANK_MUTEXES = 34,   /* heap: list of the plug-ins' locks */
    SGC_RANK_STRATEGY = 35,  /* what a plug-in locks through the host */
    SGC_RANK_THREADS = 40,   /* heap/cache: list of attached threads */
    SGC_RANK_GRACE = 45,     /* heap: grace-period thread's state */
    SGC_RANK_WEAK = 50,      /* heap: weak table and ephemerons of one heap */
    SGC_RANK_FINALIZER = 55, /* heap: finalizer queue of one heap */
    SGC_RANK_COUNT = 58,     /* heap: stripes of counts that overflowed */
    SGC_RANK_CACHES = 59,    /* cache: registry of caches, classes and fronts' tables of the process */
    SGC_RANK_CACHE = 60,     /* cache: depot, list of slabs of one cache */
    SGC_RANK_REGION = 70,    /* slab: regions, free runs */
    SGC_RANK_TRACK = 75,     /* cache: debug=track tables */
    SGC_RANK_STATS = 80,     /* stats: registry and event ring */
    SGC_RANK_RECORD = 85,    /* heap: a recording's buffers on their way */
    SGC_RANK_META = 90,      /* os: the allocator of core's own records; a leaf */
};

struct sgc_lock {
    pthread_mutex_t mutex;
    enum sgc_rank rank;
    const char *name; /* for the panic text and for people */
    const void *forker;  /* the thread that took it by before_fork; atomic: others only compare it with themselves */
    unsigned fork_depth; /* before_fork less after_fork; the forker's */
};

/* clang-format off */
#define SGC_LOCK_INIT(rank_, name_) {PTHREAD_MUTEX_INITIALIZER, (rank_), (name_), NULL, 0}
/* clang-format on */

void sgc_lock_init(struct sgc_lock *lock, enum sgc_rank rank, const char *name);
void sgc_lock_fini(struct sgc_lock *lock);

/* May block; never collects. Panics (SGC_DEBUG) with
 * "lock order: took <name> (rank r) while holding <name> (rank r)" unless the rank is above every rank held. */
void sgc_lock_acquire(struct sgc_lock *lock);
int sgc_lock_try(struct sgc_lock *lock); /* non-zero: acquired; any order is allowed, as it cannot deadlock */
void sgc_lock_release(struct sgc_lock *lock);

/* For pthread_atfork handlers: any number of locks, in rising rank, equal ranks in the caller's order (its list's).
 * The thread may hold no other lock. after_fork undoes before_fork, in any order; in the child it makes the lock
 * usable again whatever the pthread library thinks of its owner. Pairs nest. Between them the forking thread, other
 * libraries' handlers that is, may acquire and release the lock: that does nothing. after_fork of a lock that was made
 * in between does nothing. */
void sgc_lock_before_fork(struct sgc_lock *lock);
void sgc_lock_after_fork(struct sgc_lock *lock, int in_child);
/* Pairs that the calling thread is inside of. */
unsigned sgc_lock_fork_depth(const struct sgc_lock *lock);

/* In the child of fork(): makes a lock free again that the forking thread, or any other, held by sgc_lock_acquire. */
void sgc_lock_reinit_after_fork(struct sgc_lock *lock);

/* Panics (SGC_DEBUG) when the calling thread holds a ranked lock: called before anything that may block for long. */
void sgc_lock_assert_none_held(const char *what);
/* Panics unless the calling thread holds lock (SGC_DEBUG). */
void sgc_lock_assert_held(const struct sgc_lock *lock);

/* SGC_GUARD(&lock); acquires, and releases at the end of the scope. */
static inline void sgc_lock_guard_release_(struct sgc_lock **lock)
{
    sgc_lock_release(*lock);
}
#define SGC_GUARD_CAT2_(a, b) a##b
#define SGC_GUARD_CAT_(a, b) SGC_GUARD_CAT2_(a, b)
#define SGC_GUARD(lock_)                                                                                               \
    __attribute__((cleanup(sgc_lock_guard_release_), unused)) struct sgc_lock *SGC_GUARD_CAT_(guard_, __LINE__) =      \
        (sgc_lock_acquire(lock_), (lock_))

#endif
