/* fork.c - caches in a forked child. Called by the heap layer's fork handlers; fork() does not stop threads.
 * Before: the registry and every class are locked, so lists that need a lock are whole. The other threads' fronts are
 *   as they were at some instruction: the order of writes in front.c makes sure that each slot is found in the
 *   window, in `away`, or in its slab (or in two of them, which is why bits are or-ed here), but for the slots of one
 *   word that are on their way into or out of a REMOTE word: those are lost to the child, as is a slab that was on
 *   its way from or to the arena.
 * In the child such a front is torn: it goes to idle_fronts as it is, and whoever locks the class next puts it in
 *   order. A slab that another thread was announcing may have n_owed > 0 for ever: it stays in use and never leaves
 *   the class, at most one per dead thread. So do the slabs of a stack that a dead thread had taken and was taking
 *   over (remote.c): what others freed in them before the fork is not used again.
 * Counters of torn fronts may be off by a window; n_live is made exact again at the next flush of a stop
 *   (sgc_class_recount). */
#include "core/cache/internal.h"
#include "core/os/meta.h"

static void cache_each_class_locked(void (*visit)(struct sgc_class *class_, void *arg), void *arg)
{
    SGC_LIST_FOR_EACH (at, &sgc_caches)
        sgc_cache_each_class(SGC_LIST_ENTRY(at, struct sgc_cache, link), visit, arg);
}

static void class_before_fork(struct sgc_class *class_, void *unused)
{
    (void)unused;
    sgc_lock_before_fork(&class_->lock);
}

void sgc_cache_before_fork(void)
{
    sgc_lock_before_fork(&sgc_caches_lock);
    if (sgc_lock_fork_depth(&sgc_caches_lock) == 1)
        cache_each_class_locked(class_before_fork, NULL);
}

static void class_tear(struct sgc_class *class_)
{
    SGC_LIST_FOR_EACH_SAFE (at, &class_->fronts) {
        struct sgc_front *front = SGC_LIST_ENTRY(at, struct sgc_front, link);
        if (front->user == &sgc_context_)
            continue;
        sgc_list_remove(&front->link);
        sgc_list_push_back(&class_->idle_fronts, &front->link);
        front->idle = 1;
        front->torn = 1;
        class_->n_torn++;
        class_->inexact = 1;
    }
}

static void class_after_fork(struct sgc_class *class_, void *in_child)
{
    if (*(int *)in_child)
        class_tear(class_);
    sgc_lock_after_fork(&class_->lock, *(int *)in_child);
}

void sgc_cache_after_fork(int in_child)
{
    if (sgc_lock_fork_depth(&sgc_caches_lock) == 1) {
        cache_each_class_locked(class_after_fork, &in_child);
        if (in_child)
            sgc_fronts_after_fork_locked();
    }
    sgc_lock_after_fork(&sgc_caches_lock, in_child);
}

static void memory_before_fork(void)
{
    sgc_cache_before_fork();
    sgc_region_before_fork();
    sgc_meta_before_fork();
}

static void memory_after_fork(int in_child)
{
    sgc_meta_after_fork(in_child);
    sgc_region_after_fork(in_child);
    sgc_cache_after_fork(in_child);
}

static void memory_after_fork_parent(void)
{
    memory_after_fork(0);
}

static void memory_after_fork_child(void)
{
    memory_after_fork(1);
}

int sgc_cache_fork_install(void)
{
    static uint32_t installed; /* atomic; set before the call, which may allocate by a malloc that asks for this */
    if (__atomic_exchange_n(&installed, 1, __ATOMIC_ACQ_REL))
        return 0;
    const int error = pthread_atfork(memory_before_fork, memory_after_fork_parent, memory_after_fork_child);
    if (error)
        __atomic_store_n(&installed, 0, __ATOMIC_RELEASE);
    return -error;
}

/* A slot that the dead thread had at hand. In its own slab: the bit. Elsewhere: a remote free, unless it arrived. */
static void slot_recover(struct sgc_front *front, void *object)
{
    struct sgc_slab *slab = sgc_slab_of(object);
    const unsigned granule = sgc_slab_granule(object);
    const uint64_t bit = UINT64_C(1) << (granule % 64);
    uint64_t *free_word = sgc_slab_words(slab, SGC_KIND_FREE) + granule / 64;
    if (slab->class_ != front->class_)
        return;
    sgc_asan_poison_mask(slab, granule / 64, bit);
    if (slab_owner(slab) == front)
        word_store(free_word, *free_word | bit);
    else if (!((word_load(free_word) | word_load(sgc_slab_words(slab, SGC_KIND_REMOTE) + granule / 64)) & bit))
        (void)sgc_remote_announce(slab, granule / 64, bit);
}

static void front_recover_slots(struct sgc_front *front)
{
    for (unsigned i = 0; i < front->n_away; i++)
        if (front->away[i])
            slot_recover(front, front->away[i]);
    for (unsigned i = 0; i < front->n; i++)
        slot_recover(front, front->window.slots[i]);
    front->n_returned += front->n;
    window_grow(front, -(int)front->n);
    front->n_away = 0;
}

/* Lists of a torn front may be cut anywhere: made anew from the slabs it owns. */
static void front_relist(struct sgc_front *front)
{
    front->current = NULL;
    front->n_partial = 0;
    front->reserved_until = 0;
    sgc_list_init(&front->partial);
    SGC_LIST_FOR_EACH (at, &front->class_->all) {
        struct sgc_slab *slab = SGC_LIST_ENTRY(at, struct sgc_slab, all);
        if (slab_owner(slab) != front)
            continue;
        slab->n_free = 0;
        slab->free_words = 0;
        for (unsigned i = 0; i < SGC_SLAB_WORDS; i++) {
            uint64_t *free_word = sgc_slab_words(slab, SGC_KIND_FREE) + i;
            word_store(free_word, *free_word & ~word_load(sgc_slab_words(slab, SGC_KIND_REMOTE) +
                                                          i)); /* a take-over was cut short */
            slab->n_free += sgc_popcount64(*free_word);
            slab->free_words |= (uint64_t)(*free_word != 0) << i;
        }
        sgc_list_init(&slab->partial);
        slab->listed = SLAB_FULL;
        if (slab->n_free)
            sgc_slab_list(slab, front);
    }
}

void sgc_fork_reap_locked(struct sgc_class *class_)
{
    class_->n_torn = 0;
    SGC_LIST_FOR_EACH (at, &class_->idle_fronts) {
        struct sgc_front *front = SGC_LIST_ENTRY(at, struct sgc_front, link);
        if (!front->torn)
            continue;
        front->torn = 0;
        front->user = NULL;
        front_recover_slots(front);
        front_relist(front);
    }
}
