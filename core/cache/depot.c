/* depot.c - slabs on their way between fronts, their class and the arena.
 * Called by front.c when a front has no free slots left (acquire) or a slab without live slots (retire), by stop.c
 *   and shrink.
 * Order in which a front is served: the class's shared slabs, slabs of idle fronts, the depot, slabs that others
 *   freed wholly in fronts which do not look (remote.c), and only then a new slab.
 * Invariant: every slab of the class is on class->all from before its first slot is taken until after its last is
 *   free; `listed` says on which other list it is; an unowned slab is partial or in the depot, or full and waiting
 *   for its first remote free.
 * Lock: the class's, for all lists of the class, unowned slabs and idle fronts. Ctors, dtors and the arena are called
 *   without it. */
#include "core/cache/internal.h"

#include <errno.h>

#define PARTIAL_LOOKS 4 /* slabs compared when the fullest is wanted: a full search would cost more than it packs */
#define IDLE_LOOKS 8    /* idle fronts looked at before a new slab is made; exhausted ones go to the end */

void sgc_class_lock(struct sgc_class *class_)
{
    sgc_lock_acquire(&class_->lock);
    if (sgc_unlikely(class_->n_torn))
        sgc_fork_reap_locked(class_);
}

void sgc_class_unlock(struct sgc_class *class_)
{
    sgc_lock_release(&class_->lock);
}

void sgc_slab_list(struct sgc_slab *slab, struct sgc_front *front)
{
    SGC_DCHECK(slab->listed == SLAB_FULL);
    slab->listed = SLAB_PARTIAL;
    sgc_list_push_back(front ? &front->partial : &slab->class_->partial, &slab->partial);
    if (front)
        front->n_partial++;
}

void sgc_slab_unlist(struct sgc_slab *slab, struct sgc_front *front)
{
    SGC_DCHECK(slab->listed == SLAB_PARTIAL);
    slab->listed = SLAB_FULL;
    sgc_list_remove(&slab->partial);
    if (front)
        front->n_partial--;
}

/* The fullest of the first few: new slots come from slabs that are least likely to empty. */
static struct sgc_slab *partial_choose(struct sgc_list *partial)
{
    struct sgc_slab *best = NULL;
    unsigned looks = 0;
    SGC_LIST_FOR_EACH (at, partial) {
        struct sgc_slab *slab = SGC_LIST_ENTRY(at, struct sgc_slab, partial);
        if (!best || slab->n_free < best->n_free)
            best = slab;
        if (++looks == PARTIAL_LOOKS)
            break;
    }
    return best;
}

struct sgc_slab *sgc_front_choose(struct sgc_front *front)
{
    struct sgc_slab *slab = partial_choose(&front->partial);
    if (slab)
        sgc_slab_unlist(slab, front);
    return slab;
}

/* ---- making and destroying ---- */

static int slab_construct(struct sgc_slab *slab)
{
    const struct sgc_class *class_ = slab->class_;
    const struct sgc_type *type = class_->cache->type;
    if (!type->ctor)
        return 0;
    for (unsigned i = 0; i < slab->n_slots; i++) {
        if (type->ctor(sgc_slab_start(slab) + (size_t)i * slab->slot_bytes) == 0)
            continue;
        while (type->dtor && i-- > 0)
            type->dtor(sgc_slab_start(slab) + (size_t)i * slab->slot_bytes);
        return -ENOMEM;
    }
    slab->constructed = 1;
    return 0;
}

/* ---- memory from the arena ---- */

struct reclaim {
    const struct sgc_class *wanting; /* the class that is out of memory: its front keeps what it has */
    size_t n_slabs;
};

static void class_reclaim(struct sgc_class *class_, void *arg)
{
    struct reclaim *reclaim = arg;
    if (class_->slot_bytes == 0)
        return;
    struct sgc_front *front = sgc_context_.fronts ? sgc_front_of(class_) : &sgc_front_none;
    const uint32_t before = class_->n_slabs;
    if (front != &sgc_front_none && class_ != reclaim->wanting && front->reserved_until <= sgc_front_n_popped(front))
        sgc_front_shrink(front);
    sgc_depot_shrink(class_);
    reclaim->n_slabs += before > class_->n_slabs ? before - class_->n_slabs : 0;
}

/* What other classes of the budget keep in stock serves the one in need. False: nothing was found. */
static SGC_COLD bool budget_reclaim(const struct sgc_class *wanting)
{
    struct reclaim reclaim = {.wanting = wanting};
    SGC_GUARD(&sgc_caches_lock);
    SGC_LIST_FOR_EACH (at, &sgc_caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(at, struct sgc_cache, link);
        if (cache->budget == wanting->cache->budget)
            sgc_cache_each_class(cache, class_reclaim, &reclaim);
    }
    return reclaim.n_slabs > 0;
}

struct sgc_slab *sgc_depot_run_alloc(const struct sgc_class *class_, size_t n_slabs, bool *reads_zero)
{
    const struct sgc_cache *cache = class_->cache;
    const uint32_t kinds = cache->kinds | (sgc_context_.soft_limit ? SGC_RUN_SOFT : 0);
    struct sgc_slab *run = sgc_slab_run_alloc(n_slabs, kinds, cache->budget, reads_zero);
    if (sgc_unlikely(!run) && budget_reclaim(class_))
        run = sgc_slab_run_alloc(n_slabs, kinds, cache->budget, reads_zero);
    if (sgc_unlikely(!run))
        errno = ENOMEM;
    return run;
}

/* A slab with all slots free, owned by front and on no list. NULL: the OS, the budget or a ctor refuses. */
static struct sgc_slab *slab_make(struct sgc_front *front)
{
    struct sgc_class *class_ = front->class_;
    struct sgc_slab *slab = sgc_depot_run_alloc(class_, 1, NULL);
    if (!slab)
        return NULL;
    slab->slot_bytes = class_->slot_bytes;
    slab->n_slots = slab->n_free = class_->n_slots;
    slab->free_words = class_->slot_words;
    slab_set_owner(slab, front);
    memcpy(sgc_slab_words(slab, SGC_KIND_FREE), class_->slot_mask, sizeof(class_->slot_mask));
    __atomic_store_n(&slab->class_, class_, __ATOMIC_RELEASE); /* pairs with sgc_slot_check, for wild pointers */
    if (slab_construct(slab) < 0) {
        sgc_slab_run_free(slab, class_->cache->budget);
        errno = ENOMEM;
        return NULL;
    }
    sgc_debug_slab_made(slab);
    sgc_class_lock(class_);
    sgc_list_push_back(&class_->all, &slab->all);
    __atomic_store_n(&class_->n_slabs, class_->n_slabs + 1, __ATOMIC_RELAXED);
    sgc_class_unlock(class_);
    return slab;
}

void sgc_slab_destroy(struct sgc_slab *slab)
{
    const struct sgc_cache *cache = slab->class_->cache;
    SGC_ASAN_UNPOISON(sgc_slab_start(slab), slab->n_slabs * SGC_SLAB_BYTES);
    for (unsigned i = 0; slab->constructed && cache->type->dtor && i < slab->n_slots; i++)
        cache->type->dtor(sgc_slab_start(slab) + (size_t)i * slab->slot_bytes);
    sgc_slab_run_free(slab, cache->budget);
}

void sgc_depot_mark_fresh(struct sgc_slab *slab)
{
    struct sgc_class *class_ = slab->class_;
    sgc_class_lock(class_);
    slab->fresh = 1;
    sgc_list_push_back(&class_->fresh, &slab->fresh_link);
    sgc_class_unlock(class_);
}

/* ---- giving back ---- */

void sgc_depot_put_locked(struct sgc_slab *slab, struct slab_surplus *surplus)
{
    struct sgc_class *class_ = slab->class_;
    SGC_DCHECK(slab->listed == SLAB_FULL && slab->n_free == slab->n_slots && slab->n_owed == 0);
    slab_set_owner(slab, NULL);
    if (class_->n_empty < class_->n_keep) {
        slab->listed = SLAB_DEPOT;
        slab->remote_next = class_->empty;
        class_->empty = slab;
        class_->n_empty++;
        return;
    }
    sgc_list_remove(&slab->all);
    sgc_list_remove(&slab->fresh_link);
    slab->fresh = 0;
    __atomic_store_n(&class_->n_slabs, class_->n_slabs - 1, __ATOMIC_RELAXED);
    slab->remote_next = surplus->first;
    surplus->first = slab;
}

static struct sgc_slab *depot_take_locked(struct sgc_class *class_)
{
    struct sgc_slab *slab = class_->empty;
    if (!slab)
        return NULL;
    class_->empty = slab->remote_next;
    class_->n_empty--;
    slab->listed = SLAB_FULL;
    return slab;
}

void sgc_depot_release(struct slab_surplus *surplus)
{
    while (surplus->first) {
        struct sgc_slab *slab = surplus->first;
        surplus->first = slab->remote_next;
        sgc_slab_destroy(slab);
    }
}

/* One slab without live slots stays with a front that has no other free slots: the next refill needs it. */
void sgc_depot_retire(struct sgc_front *front, struct sgc_slab *slab)
{
    const bool only = !front->current && front->n_partial == 1;
    if (only || front->reserved_until > sgc_front_n_popped(front))
        return;
    struct slab_surplus surplus = {NULL};
    sgc_slab_unlist(slab, front);
    sgc_class_lock(slab->class_);
    sgc_depot_put_locked(slab, &surplus);
    sgc_class_unlock(front->class_);
    sgc_depot_release(&surplus);
}

/* ---- serving a front ---- */

static struct sgc_slab *idle_take_locked(struct sgc_class *class_, struct slab_surplus *surplus)
{
    unsigned looks = 0;
    SGC_LIST_FOR_EACH_SAFE (at, &class_->idle_fronts) {
        struct sgc_front *front = SGC_LIST_ENTRY(at, struct sgc_front, link);
        if (looks++ == IDLE_LOOKS)
            return NULL;
        sgc_remote_drain(class_, front, surplus);
        struct sgc_slab *slab = sgc_front_choose(front);
        if (slab)
            return slab;
        sgc_list_remove(&front->link);
        sgc_list_push_back(&class_->idle_fronts, &front->link);
    }
    return NULL;
}

static struct sgc_slab *shared_take_locked(struct sgc_class *class_, struct slab_surplus *surplus)
{
    sgc_remote_drain(class_, NULL, surplus);
    struct sgc_slab *slab = partial_choose(&class_->partial);
    if (slab)
        sgc_slab_unlist(slab, NULL);
    return slab;
}

/* Slabs of which others freed every slot, in fronts whose threads have not refilled since. */
static struct sgc_slab *steal_locked(struct sgc_class *class_, struct slab_surplus *surplus)
{
    SGC_LIST_FOR_EACH (at, &class_->fronts) {
        struct sgc_front *front = SGC_LIST_ENTRY(at, struct sgc_front, link);
        if (__atomic_load_n(&front->n_whole, __ATOMIC_RELAXED) <= 0)
            continue;
        sgc_remote_steal_locked(class_, front, surplus);
        struct sgc_slab *slab = depot_take_locked(class_);
        if (slab)
            return slab;
    }
    return NULL;
}

struct sgc_slab *sgc_depot_acquire(struct sgc_front *front, bool may_grow)
{
    struct sgc_class *class_ = front->class_;
    struct slab_surplus surplus = {NULL};
    sgc_class_lock(class_);
    struct sgc_slab *slab = shared_take_locked(class_, &surplus);
    if (!slab)
        slab = idle_take_locked(class_, &surplus);
    if (!slab)
        slab = depot_take_locked(class_);
    if (!slab)
        slab = steal_locked(class_, &surplus);
    if (slab)
        slab_set_owner(slab, front);
    sgc_class_unlock(class_);
    sgc_depot_release(&surplus);
    if (!slab && may_grow)
        slab = slab_make(front);
    if (slab)
        sgc_slab_list(slab, front);
    return slab;
}

/* ---- shrinking ---- */

void sgc_depot_give_up_locked(struct sgc_front *front, struct slab_surplus *surplus)
{
    SGC_LIST_FOR_EACH_SAFE (at, &front->partial) {
        struct sgc_slab *slab = SGC_LIST_ENTRY(at, struct sgc_slab, partial);
        if (slab->n_free < slab->n_slots || slab->n_owed)
            continue;
        sgc_slab_unlist(slab, front);
        sgc_depot_put_locked(slab, surplus);
    }
}

size_t sgc_depot_shrink(struct sgc_class *class_)
{
    struct slab_surplus surplus = {NULL};
    sgc_class_lock(class_);
    const uint32_t before = class_->n_slabs, keep = class_->n_keep;
    class_->n_keep = 0;
    sgc_remote_drain(class_, NULL, &surplus);
    SGC_LIST_FOR_EACH (at, &class_->idle_fronts) {
        struct sgc_front *front = SGC_LIST_ENTRY(at, struct sgc_front, link);
        sgc_remote_drain(class_, front, &surplus);
        sgc_depot_give_up_locked(front, &surplus);
    }
    SGC_LIST_FOR_EACH (at, &class_->fronts) {
        struct sgc_front *front = SGC_LIST_ENTRY(at, struct sgc_front, link);
        if (__atomic_load_n(&front->remote_head, __ATOMIC_RELAXED))
            sgc_remote_steal_locked(class_, front, &surplus);
    }
    for (struct sgc_slab *slab; (slab = depot_take_locked(class_)) != NULL;)
        sgc_depot_put_locked(slab, &surplus);
    class_->n_keep = keep;
    const size_t n = before - class_->n_slabs;
    sgc_class_unlock(class_);
    sgc_depot_release(&surplus);
    return n;
}
