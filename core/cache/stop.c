/* stop.c - a cache while nobody else uses it: at a stop, or when it is about to go.
 * Called by the heap layer's collections, walks, verification and destruction, by the thread that made the stop.
 * The caller guarantees that no other thread is inside any call of this layer on this cache, but for the inline paths
 *   of a bare cache (slabgc/cache.h): so fronts of all threads may be touched, but not the windows that other threads
 *   have of bare caches. Those are read, by a snapshot that the window's word vouches for: it counts the slots handed
 *   out, so no change leaves it as it was, and each change is one store of it. (What sets the count back is no inline
 *   path, and kept away.)
 * Locks: the class's is taken where lists change, to be seen by threads that come later, and because shared functions
 *   want it. */
#include "core/cache/internal.h"

/* Slabs with free slots that a front keeps when there are several fronts; the rest is for whoever needs it */
#define SHARE_PARTIAL 4

/* A window slot back to its slab, whoever owns that. */
static void slot_return(struct sgc_class *class_, void *object)
{
    struct sgc_slab *slab = sgc_slab_of(object);
    const unsigned granule = sgc_slab_granule(object);
    uint64_t *words = sgc_slab_words(slab, SGC_KIND_FREE);
    sgc_window_check(class_, object); /* before any of them is looked at */
    slab_add_free(slab, words, granule / 64, UINT64_C(1) << (granule % 64));
    sgc_asan_poison_mask(slab, granule / 64, UINT64_C(1) << (granule % 64));
    slab->n_free++;
    if (slab->listed == SLAB_FULL)
        sgc_slab_list(slab, slab_owner(slab));
}

static void front_empty_window(struct sgc_front *front)
{
    for (unsigned i = 0; i < front->n; i++)
        slot_return(front->class_, front->window.slots[i]);
    front->n_returned += front->n;
    window_grow(front, -(int)front->n);
}

static void each_front_locked(struct sgc_class *class_, void (*visit)(struct sgc_front *front, void *arg), void *arg)
{
    SGC_LIST_FOR_EACH (at, &class_->fronts)
        visit(SGC_LIST_ENTRY(at, struct sgc_front, link), arg);
    SGC_LIST_FOR_EACH (at, &class_->idle_fronts)
        visit(SGC_LIST_ENTRY(at, struct sgc_front, link), arg);
}

static void front_flush_stopped(struct sgc_front *front, void *surplus)
{
    (void)surplus;
    if (front->user == &sgc_context_ || front->idle || !sgc_cache_is_loose(front->class_->cache))
        front_empty_window(front);
}

static void front_drain_stopped(struct sgc_front *front, void *surplus)
{
    sgc_remote_drain(front->class_, front, surplus);
}

/* Slabs without live slots leave, but for what a reservation or the next refill of the front may need. */
static void front_trim(struct sgc_front *front, void *surplus)
{
    if (front->reserved_until > sgc_front_n_popped_shared(front))
        return;
    SGC_LIST_FOR_EACH_SAFE (at, &front->partial) {
        struct sgc_slab *slab = SGC_LIST_ENTRY(at, struct sgc_slab, partial);
        const bool only = !front->current && front->n_partial == 1 && !front->idle;
        if (only || slab->n_free < slab->n_slots || slab->n_owed)
            continue;
        sgc_slab_unlist(slab, front);
        sgc_depot_put_locked(slab, surplus);
    }
}

/* After a fork: what the bitmaps say is right. */
static void class_recount(struct sgc_class *class_)
{
    uint64_t n_used = 0;
    SGC_LIST_FOR_EACH (at, &class_->all) {
        const struct sgc_slab *slab = SGC_LIST_ENTRY(at, struct sgc_slab, all);
        n_used += slab->n_slots - slab->n_free;
    }
    class_->n_returned += sgc_class_n_out(class_) - n_used;
    class_->inexact = 0;
}

static void class_flush(struct sgc_class *class_, void *unused)
{
    (void)unused;
    struct slab_surplus surplus = {NULL};
    sgc_class_lock(class_);
    each_front_locked(class_, front_flush_stopped, NULL);
    /* Twice: a slab passed on by one drain is taken over by the next. */
    for (unsigned round = 0; round < 2; round++) {
        sgc_remote_drain(class_, NULL, &surplus);
        each_front_locked(class_, front_drain_stopped, &surplus);
    }
    if (sgc_unlikely(class_->inexact))
        class_recount(class_);
    sgc_class_unlock(class_);
    sgc_depot_release(&surplus);
}

void sgc_cache_flush(struct sgc_cache *cache)
{
    sgc_cache_each_class(cache, class_flush, NULL);
}

static void front_share(struct sgc_front *front, void *unused)
{
    (void)unused;
    struct sgc_class *class_ = front->class_;
    if (front->reserved_until > sgc_front_n_popped_shared(front))
        return;
    while (front->n_partial > SHARE_PARTIAL) {
        struct sgc_slab *slab = SGC_LIST_ENTRY(front->partial.prev, struct sgc_slab, partial);
        sgc_slab_unlist(slab, front);
        slab_set_owner(slab, NULL);
        sgc_slab_list(slab, NULL);
    }
    SGC_DCHECK(front->class_ == class_);
}

static void class_relist(struct sgc_class *class_, void *unused)
{
    class_flush(class_, unused);
    struct slab_surplus surplus = {NULL};
    sgc_class_lock(class_);
    each_front_locked(class_, front_trim, &surplus);
    if (class_->fronts.next != class_->fronts.prev) /* two fronts at least */
        each_front_locked(class_, front_share, NULL);
    sgc_class_unlock(class_);
    sgc_depot_release(&surplus);
}

void sgc_cache_relist(struct sgc_cache *cache)
{
    sgc_cache_each_class(cache, class_relist, NULL);
}

#define SNAPSHOT_TRIES 100 /* a thread that never rests makes any answer a guess */

/* Takes slots of the slab that wait in the window out of the words. */
static void window_subtract(const struct sgc_front *front, const struct sgc_slab *slab, uint64_t out[SGC_SLAB_WORDS])
{
    void *slots[SGC_WINDOW_SLOTS];
    unsigned n = 0;
    uint64_t word = __atomic_load_n(&front->window.word, __ATOMIC_ACQUIRE); /* pairs with the free's release of the word */
    for (unsigned tries = 0; tries < SNAPSHOT_TRIES; tries++) {
        n = (uint8_t)word;
        for (unsigned i = 0; i < n; i++)
            slots[i] = __atomic_load_n(&front->window.slots[i], __ATOMIC_RELAXED);
        /* Pairs with the free's release of the slot: whoever saw a slot of later sees the word that made room for it. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        const uint64_t now = __atomic_load_n(&front->window.word, __ATOMIC_RELAXED);
        if (now == word)
            break;
        word = now;
    }
    for (unsigned i = 0; i < n; i++)
        if (sgc_arena_covers(slots[i]) && sgc_slab_of(slots[i]) == slab)
            out[sgc_slab_granule(slots[i]) / 64] &= ~(UINT64_C(1) << (sgc_slab_granule(slots[i]) % 64));
}

static void windows_subtract(const struct sgc_slab *slab, uint64_t out[SGC_SLAB_WORDS])
{
    SGC_LIST_FOR_EACH (at, &slab->class_->fronts)
        window_subtract(SGC_LIST_ENTRY(at, struct sgc_front, link), slab, out);
}

void sgc_slab_used_words(const struct sgc_slab *slab, uint64_t out[SGC_SLAB_WORDS])
{
    if (slab->slot_bytes == 0) {
        memset(out, 0, SGC_SLAB_WORDS * sizeof(*out));
        out[0] = 1;
        return;
    }
    const uint64_t *free_words = sgc_slab_words(slab, SGC_KIND_FREE),
                   *remote_words = sgc_slab_words(slab, SGC_KIND_REMOTE);
    for (unsigned i = 0; i < SGC_SLAB_WORDS; i++)
        out[i] = slab->class_->slot_mask[i] & ~(word_load(&free_words[i]) | word_load(&remote_words[i]));
    if (sgc_cache_is_loose(slab->class_->cache))
        windows_subtract(slab, out);
}

static void class_take_fresh(struct sgc_class *class_, void *list)
{
    struct sgc_slab **first = list;
    sgc_class_lock(class_);
    SGC_LIST_FOR_EACH_SAFE (at, &class_->fresh) {
        struct sgc_slab *slab = SGC_LIST_ENTRY(at, struct sgc_slab, fresh_link);
        sgc_list_remove(&slab->fresh_link);
        slab->fresh = 0;
        slab->fresh_next = *first;
        *first = slab;
    }
    sgc_class_unlock(class_);
}

struct sgc_slab *sgc_cache_take_fresh(struct sgc_cache *cache)
{
    struct sgc_slab *first = NULL;
    sgc_cache_each_class(cache, class_take_fresh, &first);
    return first;
}

struct visit_slabs {
    void (*visit)(void *arg, struct sgc_slab *slab);
    void *arg;
};

static void class_visit_slabs(struct sgc_class *class_, void *arg)
{
    const struct visit_slabs *visit = arg;
    SGC_LIST_FOR_EACH_SAFE (at, &class_->all)
        visit->visit(visit->arg, SGC_LIST_ENTRY(at, struct sgc_slab, all));
}

void sgc_cache_visit_slabs(struct sgc_cache *cache, void (*visit)(void *arg, struct sgc_slab *slab), void *arg)
{
    struct visit_slabs both = {visit, arg};
    sgc_cache_each_class(cache, class_visit_slabs, &both);
}
