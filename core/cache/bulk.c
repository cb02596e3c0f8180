/* bulk.c - the bare object cache: many objects in one call, all or none.
 * Called by programs. What the inline paths serve (fixed size, no debug) moves between the window and the caller's
 *   array a window's worth at a time, and frees are checked when their slots leave the window, as single ones are
 *   (alloc.c). Other caches go object by object.
 * Each call keeps stops away while it lasts (call.h). No lock of its own. */
#include "core/cache/internal.h"

#include <errno.h>

/* ---- through the window ---- */

/* Pops k slots: those freed last come first, as from single calls. */
static void window_pop_many(struct sgc_front *front, void **out, unsigned k)
{
    const unsigned n = front->n;
    for (unsigned i = 0; i < k; i++)
        out[i] = front->window.slots[n - 1 - i];
    __atomic_store_n(&front->window.word, front->window.word + (uint64_t)k * (SGC_WINDOW_POPPED - 1), __ATOMIC_RELAXED);
}

/* Pushes k slots, for which there is room. */
static void window_push_many(struct sgc_front *front, void *const *objects, unsigned k)
{
    const unsigned n = front->n;
    for (unsigned i = 0; i < k; i++)
        __atomic_store_n(&front->window.slots[n + i], objects[i], __ATOMIC_RELAXED);
    window_grow(front, (int)k); /* for others' reads: entries before count */
}

static unsigned lesser(size_t a, unsigned b)
{
    return a < b ? (unsigned)a : b;
}

/* Slots to fill an empty window with when n are still wanted: half of it as for single calls, more where more go at
 * once. */
static unsigned fill_target(const struct sgc_class *class_, size_t n)
{
    const unsigned half = (class_->window_slots + 1) / 2;
    return n > half ? lesser(n, class_->window_slots) : half;
}

static void window_free(struct sgc_front *front, void *const *objects, size_t n)
{
    while (n) {
        if (front->n >= front->window.limit)
            sgc_front_flush(front, (front->n + 1) / 2);
        const unsigned k = lesser(n, front->window.limit - front->n);
        window_push_many(front, objects, k);
        objects += k;
        n -= k;
    }
}

static size_t window_alloc(struct sgc_front *front, void **out, size_t n)
{
    size_t n_made = 0;
    while (n_made < n) {
        if (front->n == 0 && !sgc_front_fill(front, fill_target(front->class_, n - n_made)))
            break;
        const unsigned k = lesser(n - n_made, front->n);
        window_pop_many(front, out + n_made, k);
        n_made += k;
    }
    if (n_made == n)
        return n;
    for (size_t i = 0; i < n_made; i++)
        sgc_slot_free(out[i]);
    errno = ENOMEM;
    return 0;
}

/* The calling thread's front where the window serves the cache; NULL: it does not, or there is no memory for it. */
static struct sgc_front *bulk_front(const struct sgc_cache *cache)
{
    if (__atomic_load_n(&cache->head.window, __ATOMIC_RELAXED) == 0)
        return NULL;
    struct sgc_front *front = sgc_front_get(cache->classes[0]);
    return front && front->window.limit ? front : NULL;
}

/* ---- object by object ---- */

static size_t bulk_undo(struct sgc_cache *cache, void **objects, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (cache->debug)
            sgc_debug_on_free(cache, objects[i], NULL);
        sgc_slot_free(objects[i]);
    }
    errno = ENOMEM;
    return 0;
}

static size_t bulk_alloc(struct sgc_cache *cache, void **out, size_t n, const void *site)
{
    struct sgc_class *class_ = cache->classes[0];
    for (size_t i = 0; i < n; i++) {
        out[i] = sgc_cache_take(class_);
        if (sgc_unlikely(!out[i]))
            return bulk_undo(cache, out, i);
        if (cache->debug)
            sgc_debug_on_alloc(cache, out[i], class_->object_bytes, site);
    }
    return n;
}

static void bulk_free(struct sgc_cache *cache, void *const *objects, size_t n, const void *site)
{
    for (size_t i = 0; i < n; i++) {
        if (!objects[i])
            continue;
        sgc_cache_finish_managed(cache, objects[i]);
        if (cache->debug)
            sgc_debug_on_free(cache, objects[i], site);
        sgc_slot_free(objects[i]);
    }
}

static void bulk_made(struct sgc_cache *cache, void **objects, size_t n)
{
    if (cache->managed_manual == SGC_CACHE_MANUAL_RECORDED)
        for (size_t i = 0; i < n; i++)
            sgc_cache_bare_made(cache, objects[i]);
}

/* ---- calls ---- */

size_t sgc_cache_alloc_bulk(struct sgc_cache *cache, void **out, size_t n)
{
    bool outermost;
    if (sgc_unlikely(!cache->managed_manual))
        sgc_cache_panic_managed(cache, "sgc_cache_alloc_bulk", "sgc_new");
    if (!sgc_cache_enter(&outermost))
        return 0;
    struct sgc_front *front = bulk_front(cache);
    const size_t n_made = front ? window_alloc(front, out, n) : bulk_alloc(cache, out, n, __builtin_return_address(0));
    if (sgc_unlikely(!front))
        bulk_made(cache, out, n_made);
    sgc_cache_leave(outermost);
    return n_made;
}

void sgc_cache_free_bulk(struct sgc_cache *cache, void *const *objects, size_t n)
{
    bool outermost;
    if (sgc_unlikely(!cache->managed_manual))
        sgc_cache_panic_managed(cache, "sgc_cache_free_bulk", "sgc_drop");
    if (!sgc_cache_enter(&outermost))
        sgc_panic(
            "sgc_cache_free_bulk: no memory to attach this thread; call sgc_thread_attach first to be told instead");
    struct sgc_front *front = bulk_front(cache);
    if (front) {
        for (size_t i = 0, end; i < n; i = end + 1) { /* from NULL to NULL */
            for (end = i; end < n && objects[end]; end++)
                continue;
            window_free(front, objects + i, end - i);
        }
    } else {
        for (size_t i = 0; i < n; i++)
            if (objects[i])
                sgc_cache_check_free(cache, objects[i], "sgc_cache_free_bulk");
        bulk_free(cache, objects, n, __builtin_return_address(0));
    }
    sgc_cache_leave(outermost);
}
