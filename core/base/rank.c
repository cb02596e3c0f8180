/* rank.c - ranked mutexes.
 * Called by every layer above base.
 * Invariant (SGC_DEBUG): `held` lists exactly the locks that this thread acquired and has not released, oldest first;
 *   a lock acquired by sgc_lock_acquire ranked above all that were in the list then. Hence no cycle of waiting threads.
 * Locks: none of its own; the list is the thread's. Without SGC_DEBUG each call is the pthread call alone. */
#include "core/base/rank.h"

#include "core/base/check.h"
#include "core/base/sanitize.h"

#include <errno.h>

/* ThreadSanitizer does not learn from pthread_mutex_init that a locked mutex is free again. The child's thread is the
 * one that took it, so there it may unlock. */
#ifdef SGC_TSAN
#define RANK_TSAN 1
#else
#define RANK_TSAN 0
#endif

/* Its address is the thread, also in the child. */
static __thread char fork_self __attribute__((tls_model("initial-exec")));

/* The calling thread forks, and took the lock for that. */
static inline bool lock_is_forks(const struct sgc_lock *lock)
{
    return __atomic_load_n(&lock->forker, __ATOMIC_RELAXED) == &fork_self; /* only this thread ever wrote that */
}

#ifdef SGC_DEBUG

#define HELD_MAX 16 /* more than there are ranks between RUNTIME and META: rising order cannot need more */

static __thread struct {
    const struct sgc_lock *locks[HELD_MAX];
    unsigned n_locks;
    unsigned n_fork;                               /* locks taken by before_fork and not yet given back */
    enum sgc_rank fork_rank;                       /* the highest of them */
} held __attribute__((tls_model("initial-exec"))); /* the other model allocates, in a library that is malloc */

static const struct sgc_lock *held_highest(void)
{
    const struct sgc_lock *highest = NULL;
    for (unsigned i = 0; i < held.n_locks; i++)
        if (!highest || held.locks[i]->rank > highest->rank)
            highest = held.locks[i];
    return highest;
}

static void held_check_order(const struct sgc_lock *lock)
{
    const struct sgc_lock *highest = held_highest();
    if (sgc_unlikely(highest && highest->rank >= lock->rank))
        sgc_panic("lock order: took %s (rank %d) while holding %s (rank %d)", lock->name, (int)lock->rank,
                  highest->name, (int)highest->rank);
}

static void held_add(const struct sgc_lock *lock)
{
    if (sgc_unlikely(held.n_locks == HELD_MAX))
        sgc_panic("lock order: took %s (rank %d) while holding %d locks", lock->name, (int)lock->rank, HELD_MAX);
    held.locks[held.n_locks++] = lock;
}

static bool held_remove(const struct sgc_lock *lock)
{
    for (unsigned i = held.n_locks; i-- > 0;) {
        if (held.locks[i] != lock)
            continue;
        for (held.n_locks--; i < held.n_locks; i++)
            held.locks[i] = held.locks[i + 1];
        return true;
    }
    return false;
}

static void held_release(const struct sgc_lock *lock)
{
    if (sgc_unlikely(!held_remove(lock)))
        sgc_panic("lock order: released %s (rank %d), which this thread does not hold", lock->name, (int)lock->rank);
}

static void held_fork_add(const struct sgc_lock *lock)
{
    sgc_lock_assert_none_held("fork");
    if (sgc_unlikely(held.n_fork && held.fork_rank > lock->rank))
        sgc_panic("lock order: fork took %s (rank %d) after a lock of rank %d", lock->name, (int)lock->rank,
                  (int)held.fork_rank);
    held.n_fork++;
    held.fork_rank = lock->rank;
}

static void held_fork_check(const struct sgc_lock *lock)
{
    if (sgc_unlikely(held.n_fork == 0))
        sgc_panic("lock order: after_fork of %s (rank %d) without before_fork", lock->name, (int)lock->rank);
}

static void held_fork_remove(const struct sgc_lock *lock)
{
    held_fork_check(lock);
    held.n_fork--;
}

#else

static inline void held_check_order(const struct sgc_lock *lock)
{
    (void)lock;
}
static inline void held_add(const struct sgc_lock *lock)
{
    (void)lock;
}
static inline void held_remove(const struct sgc_lock *lock)
{
    (void)lock;
}
static inline void held_release(const struct sgc_lock *lock)
{
    (void)lock;
}
static inline void held_fork_add(const struct sgc_lock *lock)
{
    (void)lock;
}
static inline void held_fork_check(const struct sgc_lock *lock)
{
    (void)lock;
}
static inline void held_fork_remove(const struct sgc_lock *lock)
{
    (void)lock;
}

#endif

void sgc_lock_init(struct sgc_lock *lock, enum sgc_rank rank, const char *name)
{
    pthread_mutex_init(&lock->mutex, NULL); /* cannot fail for a default mutex in glibc */
    lock->rank = rank;
    lock->name = name;
    lock->forker = NULL;
    lock->fork_depth = 0;
}

void sgc_lock_fini(struct sgc_lock *lock)
{
    int error = pthread_mutex_destroy(&lock->mutex);
    if (sgc_unlikely(error == EBUSY))
        sgc_panic("lock order: %s (rank %d) destroyed while held", lock->name, (int)lock->rank);
}

void sgc_lock_acquire(struct sgc_lock *lock)
{
    if (sgc_unlikely(lock_is_forks(lock)))
        return;
    held_check_order(lock); /* before it blocks, so that a deadlock becomes a panic */
    pthread_mutex_lock(&lock->mutex);
    held_add(lock);
}

int sgc_lock_try(struct sgc_lock *lock)
{
    if (sgc_unlikely(lock_is_forks(lock)))
        return 1;
    if (pthread_mutex_trylock(&lock->mutex))
        return 0;
    held_add(lock);
    return 1;
}

void sgc_lock_release(struct sgc_lock *lock)
{
    if (sgc_unlikely(lock_is_forks(lock)))
        return;
    held_release(lock);
    pthread_mutex_unlock(&lock->mutex);
}

void sgc_lock_before_fork(struct sgc_lock *lock)
{
    if (lock_is_forks(lock)) {
        lock->fork_depth++;
        return;
    }
    held_fork_add(lock);
    pthread_mutex_lock(&lock->mutex);
    __atomic_store_n(&lock->forker, &fork_self, __ATOMIC_RELAXED);
    lock->fork_depth = 1;
}

void sgc_lock_after_fork(struct sgc_lock *lock, int in_child)
{
    if (!lock_is_forks(lock)) {
        held_fork_check(lock);
        return;
    }
    if (--lock->fork_depth > 0)
        return;
    held_fork_remove(lock);
    __atomic_store_n(&lock->forker, NULL, __ATOMIC_RELAXED);
    if (in_child && !RANK_TSAN)
        pthread_mutex_init(&lock->mutex, NULL);
    else
        pthread_mutex_unlock(&lock->mutex);
}

unsigned sgc_lock_fork_depth(const struct sgc_lock *lock)
{
    return lock_is_forks(lock) ? lock->fork_depth : 0;
}

void sgc_lock_reinit_after_fork(struct sgc_lock *lock)
{
    (void)held_remove(lock);
    pthread_mutex_init(&lock->mutex, NULL);
}

void sgc_lock_assert_none_held(const char *what)
{
#ifdef SGC_DEBUG
    const struct sgc_lock *highest = held_highest();
    if (sgc_unlikely(highest != NULL))
        sgc_panic("lock order: %s while holding %s (rank %d)", what, highest->name, (int)highest->rank);
#else
    (void)what;
#endif
}

void sgc_lock_assert_held(const struct sgc_lock *lock)
{
#ifdef SGC_DEBUG
    for (unsigned i = 0; i < held.n_locks; i++)
        if (held.locks[i] == lock)
            return;
    if (lock_is_forks(lock))
        return;
    sgc_panic("lock order: %s (rank %d) is not held by this thread", lock->name, (int)lock->rank);
#else
    (void)lock;
#endif
}
