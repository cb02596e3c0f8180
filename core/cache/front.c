/* front.c - one thread's share of a class: the window of slots at hand, and the slabs behind it.
 * Called by the allocation paths of this layer and of the heap layer. No lock on any path of this file but adoption.
 * The window is a stack: what was freed last is handed out first. Refill and flush move half a window, so that
 *   neither a run of allocations nor a run of frees nor their alternation takes the slow path more than once in n/2
 *   calls.
 * Invariants: a slot of the window has its FREE and REMOTE bits clear, as live slots have; `current` has free slots;
 *   slabs of the partial list have free slots and this front as owner; all other slabs of this owner are full, as far
 *   as it knows.
 * Fork: another thread of the process may be anywhere in here when the program forks, and the child reads what it
 *   left (fork.c). So a slot enters the window before its FREE bit is cleared, and leaves it after the bit is set;
 *   slots on their way to other owners' slabs are in `away`. */
#include "core/cache/internal.h"
#include "core/os/meta.h"

#include <errno.h>
#include <slabgc/section.h>

_Noreturn void sgc_panic_double_free(const struct sgc_slab *slab, unsigned word, uint64_t mask)
{
    sgc_panic("double free of object %p in cache %s", slab_object(slab, word, sgc_ctz64(mask)),
              slab->class_->cache->name);
}

/* ---- the front of the calling thread ---- */

static struct sgc_front *front_adopt(struct sgc_class *class_)
{
    struct sgc_front *front = NULL;
    sgc_class_lock(class_);
    if (!sgc_list_empty(&class_->idle_fronts)) {
        front = SGC_LIST_ENTRY(class_->idle_fronts.next, struct sgc_front, link);
        sgc_list_remove(&front->link);
        sgc_list_push_back(&class_->fronts, &front->link);
        front->idle = 0;
        front->user = &sgc_context_;
    }
    sgc_class_unlock(class_);
    return front;
}

static struct sgc_front *front_make(struct sgc_class *class_)
{
    struct sgc_front *front = sgc_meta_alloc(sizeof(*front));
    if (!front)
        return NULL;
    front->class_ = class_;
    front->period = SGC_FRONT_PERIOD_MOST;
    window_begin_period(front);
    front->window.limit = class_->cache->debug || CACHE_ASAN ? 0 : class_->window_slots;
    front->user = &sgc_context_;
    sgc_list_init(&front->partial);
    sgc_class_lock(class_);
    sgc_list_push_back(&class_->fronts, &front->link);
    sgc_class_unlock(class_);
    return front;
}

struct sgc_front *sgc_front_obtain(struct sgc_class *class_)
{
    struct sgc_front *front = front_adopt(class_);
    return front ? front : front_make(class_);
}

static SGC_NOINLINE struct sgc_front *front_get_slow(struct sgc_class *class_)
{
    if (!sgc_context_.fronts && sgc_thread_attach() < 0)
        return NULL;
    struct sgc_front *front = sgc_front_obtain(class_);
    if (front)
        sgc_context_.fronts[class_->index] = front;
    return front;
}

struct sgc_front *sgc_front_get(struct sgc_class *class_)
{
    struct sgc_front **fronts = sgc_context_.fronts;
    if (sgc_likely(fronts && fronts[class_->index] != &sgc_front_none))
        return fronts[class_->index];
    return front_get_slow(class_);
}

void sgc_front_idle(struct sgc_front *front)
{
    struct sgc_class *class_ = front->class_;
    struct slab_surplus surplus = {NULL};
    sgc_front_flush(front, front->n);
    sgc_front_drain(front);
    front->reserved_until = 0;
    if (front->current) {
        front->current->listed = SLAB_FULL;
        sgc_slab_list(front->current, front);
        front->current = NULL;
    }
    sgc_class_lock(class_);
    sgc_depot_give_up_locked(front, &surplus);
    sgc_list_remove(&front->link);
    sgc_list_push_front(&class_->idle_fronts, &front->link);
    front->idle = 1;
    front->user = NULL;
    sgc_class_unlock(class_);
    sgc_depot_release(&surplus);
}

/* ---- from slabs to the window ---- */

struct word_mask {
    unsigned word;
    uint64_t mask;
};

/* Writes the first n free slots of the slab, which has as many, below `end`, so that the lowest address is nearest to
 * it; their bits go to taken. Returns the number of words. */
static unsigned slab_read_free(struct sgc_slab *slab, void **end, unsigned n, struct word_mask taken[SGC_SLAB_WORDS])
{
    const uint64_t *words = sgc_slab_words(slab, SGC_KIND_FREE);
    void **const begin = end - n;
    unsigned n_words = 0;
    for (uint64_t left_words = slab->free_words; end > begin; left_words &= left_words - 1) {
        const unsigned word = sgc_ctz64(left_words);
        const uint64_t bits = words[word];
        char *const start = slab_object(slab, word, 0);
        uint64_t left = bits;
        do {
            *--end = start + ((size_t)sgc_ctz64(left) << SGC_GRANULE_SHIFT);
            left &= left - 1;
        } while (left && end > begin);
        taken[n_words++] = (struct word_mask){word, bits & ~left};
    }
    return n_words;
}

/* Moves up to n slots of slab into the window. */
static void window_take(struct sgc_front *front, struct sgc_slab *slab, unsigned n)
{
    struct word_mask taken[SGC_SLAB_WORDS];
    uint64_t *words = sgc_slab_words(slab, SGC_KIND_FREE);
    n = min_u32(n, slab->n_free);
    const unsigned n_words = slab_read_free(slab, front->window.slots + front->n + n, n, taken);
    window_grow(front, (int)n); /* for fork.c: before the bits are cleared */
    counter_add(&front->n_taken, n);
    for (unsigned i = 0; i < n_words; i++) {
        slab_remove_free(slab, words, taken[i].word, taken[i].mask);
        sgc_asan_unpoison_mask(slab, taken[i].word, taken[i].mask);
    }
    slab->n_free -= n;
    slab_keep_pages(slab);
}

/* Makes a slab with free slots current: an owned one, one that others freed into, one of the class's, a new one. */
static bool front_advance(struct sgc_front *front, bool may_acquire)
{
    struct sgc_slab *slab = sgc_front_choose(front);
    if (!slab) {
        sgc_front_drain(front);
        slab = sgc_front_choose(front);
    }
    if (!slab && may_acquire && sgc_depot_acquire(front, true))
        slab = sgc_front_choose(front);
    if (!slab)
        return false;
    slab->listed = SLAB_CURRENT;
    front->current = slab;
    return true;
}

static void front_leave_current(struct sgc_front *front)
{
    front->current->listed = SLAB_FULL;
    front->current = NULL;
}

#define PURGE_PERIOD 16 /* refills and flushes from one look at the clock to the next */

static inline void front_count_slow(struct sgc_front *front)
{
    if (sgc_unlikely(++front->n_slow % PURGE_PERIOD == 0))
        sgc_front_purge_some(front);
}

bool sgc_front_fill(struct sgc_front *front, unsigned n)
{
    front_count_slow(front);
    while (front->n < n) {
        if (!front->current && !front_advance(front, front->n == 0))
            break;
        struct sgc_slab *slab = front->current;
        if (sgc_unlikely(!slab->fresh))
            sgc_depot_mark_fresh(slab);
        window_take(front, slab, n - front->n);
        if (slab->n_free == 0)
            front_leave_current(front); /* before any of its slots is handed out: see theft in remote.c */
    }
    return front->n > 0;
}

void *sgc_front_refill(struct sgc_class *class_)
{
    if (sgc_unlikely(class_->slot_bytes == 0))
        return sgc_large_alloc(class_->cache, class_->cache->type->size_bytes);
    struct sgc_front *front = sgc_front_get(class_);
    if (sgc_unlikely(!front || !sgc_front_fill(front, (class_->window_slots + 1) / 2))) {
        errno = ENOMEM;
        return NULL;
    }
    return sgc_front_pop(front);
}

void sgc_front_drain(struct sgc_front *front)
{
    sgc_remote_drain(front->class_, front, NULL);
}

static size_t front_n_free(const struct sgc_front *front, size_t enough)
{
    size_t n = front->n + (front->current ? front->current->n_free : 0);
    SGC_LIST_FOR_EACH (at, &front->partial) {
        if (n >= enough)
            break;
        n += SGC_LIST_ENTRY(at, struct sgc_slab, partial)->n_free;
    }
    return n;
}

int sgc_front_reserve(struct sgc_class *class_, size_t n)
{
    if (class_->slot_bytes == 0)
        return n == 0 ? 0 : -ENOMEM; /* a large object's memory cannot be set aside before it is made */
    struct sgc_front *front = sgc_front_get(class_);
    if (!front)
        return -ENOMEM;
    const uint64_t reserved_before = front->reserved_until;
    front->reserved_until = sgc_front_n_popped(front) + n; /* from here on no slab leaves the front */
    sgc_front_drain(front);
    size_t n_free = front_n_free(front, n);
    while (n_free < n) {
        struct sgc_slab *slab = sgc_depot_acquire(front, true);
        if (!slab) {
            front->reserved_until = reserved_before;
            return -ENOMEM;
        }
        n_free += slab->n_free;
    }
    return 0;
}

/* ---- from the window, or past it, to slabs ---- */

/* What finds a slot's slab and bits, in registers: a store to a bitmap word might else have changed the arena, as far
 * as the compiler knows. */
struct arena_view {
    uintptr_t base;
    size_t top_granules;
    struct sgc_slab *slabs;
    uint64_t *free_words;
    const uint64_t *remote_words;
};

static inline struct arena_view arena_view(void)
{
    return (struct arena_view){sgc_arena.base, __atomic_load_n(&sgc_arena.top_granules, __ATOMIC_RELAXED),
                               sgc_arena.slabs, sgc_arena.bit_words[SGC_KIND_FREE],
                               sgc_arena.bit_words[SGC_KIND_REMOTE]};
}

/* Slots of one bitmap word. */
struct slot_group {
    struct sgc_slab *slab;
    size_t word; /* of the whole arena */
    uint64_t mask;
    unsigned n;
};

static SGC_COLD SGC_NOINLINE void window_panic(const struct sgc_class *class_, const void *object)
{
    const char *const call = class_->cache->managed_manual ? "sgc_cache_free, some calls ago (debug=check says which)"
                                                           : "sgc_free, some calls ago"; /* malloc.c's caches */
    const struct sgc_slab *slab = sgc_slot_locate(object, call);
    if (slab->class_ != class_)
        sgc_panic("%s: object %p belongs to cache %s, not to %s", call, object, slab->class_->cache->name,
                  class_->cache->name);
    sgc_panic_double_free(slab, sgc_slab_granule(object) / 64, UINT64_C(1) << (sgc_slab_granule(object) % 64));
}

void sgc_window_check(const struct sgc_class *class_, const void *object)
{
    const size_t granule = sgc_granule_number(object);
    const bool valid = granule < __atomic_load_n(&sgc_arena.top_granules, __ATOMIC_RELAXED) &&
                       sgc_slab_of(object)->class_ == class_ &&
                       (class_->slot_mask[granule / 64 % SGC_SLAB_WORDS] &
                        ~(word_load(&sgc_arena.bit_words[SGC_KIND_FREE][granule / 64]) |
                          word_load(&sgc_arena.bit_words[SGC_KIND_REMOTE][granule / 64]))) >>
                               (granule % 64) &
                           1;
    if (!valid)
        window_panic(class_, object);
}

/* The first of n slots of the class's window and those behind it that lie in the same word. Here frees of the bare
 * cache are checked: each must begin a slot of the class. One that is there twice was freed twice. */
static inline struct slot_group slots_group(const struct arena_view *arena, const struct sgc_class *class_,
                                            void *const *slots, unsigned n)
{
    size_t granule = sgc_granule_from(arena->base, slots[0]);
    if (sgc_unlikely(granule >= arena->top_granules))
        window_panic(class_, slots[0]);
    struct slot_group group = {&arena->slabs[granule / SGC_SLAB_GRANULES], granule / 64, UINT64_C(1) << (granule % 64),
                               1};
    if (sgc_unlikely(group.slab->class_ != class_))
        window_panic(class_, slots[0]);
    for (; group.n < n; group.n++) {
        granule = sgc_granule_from(arena->base, slots[group.n]);
        if (granule / 64 != group.word)
            break;
        const uint64_t bit = UINT64_C(1) << (granule % 64);
        if (sgc_unlikely(group.mask & bit))
            sgc_panic_double_free(group.slab, group.word % SGC_SLAB_WORDS, bit);
        group.mask |= bit;
    }
    if (sgc_unlikely(group.mask & ~class_->slot_mask[group.word % SGC_SLAB_WORDS]))
        for (unsigned i = 0; i < group.n; i++)
            sgc_window_check(class_, slots[i]);
    return group;
}

/* The group's slab is the front's. True: no slot of it is live any more; the caller retires it once no slot of it is in
 * the window. */
static inline bool local_free(const struct arena_view *arena, struct sgc_front *front, const struct slot_group *group)
{
    struct sgc_slab *slab = group->slab;
    const uint64_t old = arena->free_words[group->word];
    const uint64_t taken = old | word_load(&arena->remote_words[group->word]);
    if (sgc_unlikely(taken & group->mask))
        sgc_panic_double_free(slab, group->word % SGC_SLAB_WORDS, taken & group->mask);
    sgc_asan_poison_mask(slab, group->word % SGC_SLAB_WORDS, group->mask);
    word_store(&arena->free_words[group->word], old | group->mask);
    slab->free_words |= UINT64_C(1) << (group->word % SGC_SLAB_WORDS);
    slab->touched = 1;
    const uint32_t n_free = slab->n_free += group->n;
    if (sgc_unlikely(slab->listed == SLAB_FULL))
        sgc_slab_list(slab, front);
    return sgc_unlikely(n_free == slab->n_slots) && slab->listed == SLAB_PARTIAL && slab->n_owed == 0;
}

void sgc_front_free_mask(struct sgc_front *front, struct sgc_slab *slab, unsigned word, uint64_t mask)
{
    struct sgc_class *class_ = slab->class_; /* the slab may be gone when its last slots are free */
    const struct arena_view arena = arena_view();
    const struct slot_group group = {slab, sgc_slab_number(slab) * SGC_SLAB_WORDS + word, mask, mask_count(mask)};
    if (front && slab_owner(slab) == front) {
        if (local_free(&arena, front, &group))
            sgc_depot_retire(front, slab);
    } else {
        sgc_remote_free(slab, word, mask);
    }
    if (front)
        counter_add(&front->n_returned, group.n);
    else
        __atomic_fetch_add(&class_->n_returned, group.n, __ATOMIC_RELAXED);
}

/* Slots of other owners' slabs, neighbours of one word together. */
static SGC_NOINLINE void flush_away(struct sgc_front *front)
{
    const struct arena_view arena = arena_view();
    for (unsigned i = 0; i < front->n_away;) {
        const struct slot_group group = slots_group(&arena, front->class_, front->away + i, front->n_away - i);
        memset(front->away + i, 0, group.n * sizeof(front->away[0]));
        __atomic_signal_fence(__ATOMIC_SEQ_CST); /* for fork.c: not here any more before it may be elsewhere */
        sgc_remote_free(group.slab, group.word % SGC_SLAB_WORDS, group.mask);
        i += group.n;
    }
    front->n_away = 0;
}

void sgc_front_flush(struct sgc_front *front, unsigned n)
{
    struct sgc_slab *whole[SGC_WINDOW_SLOTS];
    const struct arena_view arena = arena_view();
    const struct sgc_class *const class_ = front->class_;
    unsigned n_whole = 0, n_away = 0;
    for (unsigned i = 0; i < n;) {
        const struct slot_group group = slots_group(&arena, class_, front->window.slots + i, n - i);
        if (sgc_unlikely(slab_owner(group.slab) != front)) {
            memcpy(front->away + n_away, front->window.slots + i, group.n * sizeof(front->window.slots[0]));
            n_away += group.n;
        } else if (local_free(&arena, front, &group)) {
            whole[n_whole++] = group.slab;
        }
        i += group.n;
    }
    front->n_away = n_away;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* for fork.c: each slot is in the window, in `away` or in its slab */
    memmove(front->window.slots, front->window.slots + n, (front->n - n) * sizeof(front->window.slots[0]));
    window_grow(front, -(int)n);
    counter_add(&front->n_returned, n);
    if (sgc_unlikely(n_away))
        flush_away(front);
    for (unsigned i = 0; i < n_whole; i++)
        sgc_depot_retire(front, whole[i]);
    front_count_slow(front);
}

static SGC_NOINLINE void slot_free_slow(struct sgc_class *class_, struct sgc_slab *slab, void *object)
{
    struct sgc_front *front = sgc_front_get(class_);
    const unsigned granule = sgc_slab_granule(object);
    if (!front || front->window.limit == 0) {
        sgc_front_free_mask(front, slab, granule / 64, UINT64_C(1) << (granule % 64));
        return;
    }
    if (front->n >= front->window.limit)
        sgc_front_flush(front, (front->n + 1) / 2);
    window_push(front, object);
}

void sgc_slot_free(void *object)
{
    struct sgc_slab *slab = sgc_slab_of(object);
    struct sgc_class *class_ = slab->class_;
    if (sgc_unlikely(!class_))
        sgc_panic("sgc_slot_free: foreign pointer %p", object);
    if (sgc_unlikely(slab->slot_bytes == 0)) {
        sgc_large_free(slab);
        return;
    }
    const unsigned granule = sgc_slab_granule(object);
    const uint64_t bit = UINT64_C(1) << (granule % 64);
    const uint64_t taken = word_load(sgc_slab_words(slab, SGC_KIND_FREE) + granule / 64) |
                           word_load(sgc_slab_words(slab, SGC_KIND_REMOTE) + granule / 64);
    if (sgc_unlikely(taken & bit))
        sgc_panic_double_free(slab, granule / 64, bit);
    struct sgc_front *front = sgc_likely(sgc_context_.fronts != NULL) ? sgc_front_of(class_) : &sgc_front_none;
    const uint32_t n = front->n;
    if (sgc_unlikely(n >= front->window.limit)) {
        slot_free_slow(class_, slab, object);
        return;
    }
    window_push(front, object);
}

void sgc_slab_free_mask(struct sgc_slab *slab, unsigned word, uint64_t mask)
{
    if (mask == 0)
        return;
    if (slab->slot_bytes == 0) {
        sgc_large_free(slab);
        return;
    }
    struct sgc_class *class_ = slab->class_;
    if (class_->cache->debug)
        sgc_debug_free_mask(slab, word, mask);
    struct sgc_front *front = sgc_context_.fronts ? sgc_front_of(class_) : &sgc_front_none;
    sgc_front_free_mask(front == &sgc_front_none ? NULL : front, slab, word, mask);
}

void sgc_front_shrink(struct sgc_front *front)
{
    struct slab_surplus surplus = {NULL};
    struct sgc_class *class_ = front->class_;
    front->reserved_until = 0;
    sgc_front_flush(front, front->n);
    sgc_front_drain(front);
    if (front->current) {
        struct sgc_slab *slab = front->current;
        front_leave_current(front);
        sgc_slab_list(slab, front);
    }
    sgc_class_lock(class_);
    SGC_LIST_FOR_EACH_SAFE (at, &front->partial) {
        struct sgc_slab *slab = SGC_LIST_ENTRY(at, struct sgc_slab, partial);
        if (slab->n_free < slab->n_slots || slab->n_owed)
            continue;
        sgc_slab_unlist(slab, front);
        sgc_depot_put_locked(slab, &surplus);
    }
    sgc_class_unlock(class_);
    sgc_depot_release(&surplus);
}
