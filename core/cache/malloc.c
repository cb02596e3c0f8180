/* malloc.c - the general-purpose front: malloc and free over size-class caches. MALLOC.md has the design.
 * Called by programs, and by libslabgc-malloc.so for every malloc of a process.
 * Fast paths: size -> class number by a table of constants -> the thread's front -> its window; free: address -> class
 *   number by the map of slabs -> window. No lock, no call, nothing that another thread writes but the map's byte of a
 *   slab that changes hands.
 * No call here takes part in stops: the caches belong to no heap's collections, and a thread may allocate while it
 *   holds all others stopped.
 * Locks: below, on slow paths. */
#include "core/cache/malloc.h"

#include "core/cache/internal.h"

#include <errno.h>

static SGC_COLD _Noreturn void panic_not_ours(const char *what, const void *object, const struct sgc_slab *slab)
{
    sgc_panic("%s: object %p belongs to cache %s, not to malloc", what, object, slab->class_->cache->name);
}

/* ---- allocation ---- */

/* Every slot that is ever handed out comes by here, or is borrowed: so the map is right for it. */
static bool front_fill(struct sgc_front *front, unsigned number)
{
    if (!sgc_front_fill(front, (front->class_->window_slots + 1) / 2))
        return false;
    for (unsigned i = 0; i < front->n; i++)
        sgc_malloc_note(front->window.slots[i], number);
    return true;
}

void *sgc_malloc_take(unsigned number)
{
    struct sgc_class *class_ = sgc_malloc_class(number);
    if (sgc_unlikely(!class_))
        return NULL; /* errno is set */
    struct sgc_front *front = sgc_malloc_front(number, class_);
    if (sgc_unlikely(!front))
        return sgc_malloc_borrow(class_);
    if (window_period_is_over(front))
        sgc_front_end_period(front);
    if (front->n == 0 && sgc_unlikely(!front_fill(front, number))) {
        errno = ENOMEM;
        return NULL;
    }
    return sgc_front_pop(front);
}

void *sgc_malloc_large(size_t bytes, size_t alignment_bytes, size_t spare_bytes, bool *reads_zero)
{
    struct sgc_class *class_ = sgc_malloc_class(SGC_MALLOC_LARGE);
    void *object = class_ ? sgc_large_alloc_raw(class_, bytes, spare_bytes, alignment_bytes, reads_zero) : NULL;
    if (object)
        sgc_malloc_note(object, 0); /* its slab may have had slots */
    return object;
}

static SGC_NOINLINE void *malloc_slow(size_t bytes)
{
    bool reads_zero;
    if (bytes <= SGC_MALLOC_SMALL_MAX)
        return sgc_malloc_take(sgc_malloc_number_of(bytes));
    return sgc_malloc_large(bytes, SGC_SLAB_BYTES, 0, &reads_zero);
}

void *sgc_malloc(size_t bytes)
{
    if (sgc_likely(bytes <= SGC_MALLOC_SMALL_MAX)) {
        struct sgc_window *window = &sgc_malloc_thread_.places[sgc_malloc_number_of(bytes)].front->window;
        const uint64_t word = window->word;
        if (sgc_likely((uint8_t)word != 0) && sgc_likely((int64_t)word < 0)) { /* as in sgc_cache_alloc */
            void *object = window->slots[(uint8_t)word - 1];
            __atomic_store_n(&window->word, word + SGC_WINDOW_POPPED - 1, __ATOMIC_RELAXED);
            return object;
        }
    }
    return malloc_slow(bytes);
}

/* ---- free ---- */

static void slot_free(struct sgc_slab *slab, void *object)
{
    struct sgc_class *class_ = slab->class_;
    const unsigned granule = sgc_slab_granule(object);
    const uint64_t bit = UINT64_C(1) << (granule % 64);
    if (sgc_unlikely((word_load(sgc_slab_words(slab, SGC_KIND_FREE) + granule / 64) |
                      word_load(sgc_slab_words(slab, SGC_KIND_REMOTE) + granule / 64)) &
                     bit))
        sgc_panic_double_free(slab, granule / 64, bit);
    struct sgc_front *front = sgc_malloc_front(sgc_malloc_number_of(slab->slot_bytes), class_);
    if (!front || front->window.limit == 0) {
        sgc_front_free_mask(front, slab, granule / 64, bit);
        return;
    }
    if (front->n >= front->window.limit)
        sgc_front_flush(front, (front->n + 1) / 2);
    window_push(front, object);
}

static SGC_NOINLINE void free_slow(void *object)
{
    const int saved_errno = errno;
    struct sgc_slab *slab = sgc_slot_locate(object, "sgc_free");
    if (sgc_unlikely(slab->class_->cache->budget != &sgc_malloc_budget))
        panic_not_ours("sgc_free", object, slab);
    if (slab->slot_bytes)
        slot_free(slab, object);
    else
        sgc_large_free(slab);
    errno = saved_errno;
}

/* Into the window of the class that the map names, if it is the start of a slot there. A slab of nobody, or of another
 * cache, has number 0 or one of the past: then, as for a slot that was free already, front.c finds it when it leaves
 * the window. */
void sgc_free(void *object)
{
    if (!object)
        return; /* before the arena is looked at, which another thread may be making */
    const size_t granule = sgc_granule_number(object);
    if (sgc_likely(granule < __atomic_load_n(&sgc_arena.top_granules, __ATOMIC_RELAXED))) {
        const struct sgc_malloc_place *place = &sgc_malloc_thread_.places[sgc_malloc_number_at(granule)];
        struct sgc_window *window = &place->front->window;
        const uint64_t word = window->word;
        if (sgc_likely((uint8_t)word < window->limit) && sgc_likely(sgc_malloc_is_start(place->class_, granule))) {
            __atomic_store_n(&window->slots[(uint8_t)word], object, __ATOMIC_RELAXED);
            __atomic_store_n(&window->word, word + 1, __ATOMIC_RELEASE); /* for fork.c: entry before count */
            return;
        }
    }
    free_slow(object);
}

struct sgc_slab *sgc_malloc_check(const void *object, const char *what)
{
    struct sgc_slab *slab = sgc_slot_check(object, what);
    if (sgc_unlikely(slab->class_->cache->budget != &sgc_malloc_budget))
        panic_not_ours(what, object, slab);
    return slab;
}
