/* class.c - size classes: their slot sizes, their numbers, making and finding them.
 * Called by make.c, by allocation of variable-size types, and by whoever visits all classes of a cache.
 * Size classes: multiples of 16 up to 128, then four steps to a doubling up to 4 KiB (a slot is at most 25% larger
 *   than the object), then the sizes of which 14, 12, 10, ... 2 fit a slab, so that little of the slab is left over.
 * Invariant: an index belongs to at most one class; index 0 to none. A class lives as long as its cache.
 * Lock: registry (CACHES) for indexes and for making classes; a class pointer in a cache is published by a release
 *   store. */
#include "core/cache/internal.h"
#include "core/os/meta.h"

#include <errno.h>

#define KEEP_EMPTY 2       /* slabs in the depot: bridges a batch that ends at a slab's edge */
#define KEEP_CONSTRUCTED 8 /* the same where a slab costs as many ctors as it has slots */
#define LARGEST_SLOT_BYTES (SGC_SLAB_BYTES / 2)

static uint64_t index_used[SGC_MAX_CLASSES / 64] = {1}; /* index 0 is no class's */

static const uint16_t coarse_bytes[] = {4672, 5456, 6544, 8192, 9360, 10912, 13104, 16384, 21840, 32768};
#define N_LINEAR 8 /* 16 .. 128 */
#define N_FINE 20  /* 160 .. 4096 */
_Static_assert(N_LINEAR + N_FINE + sizeof(coarse_bytes) / sizeof(coarse_bytes[0]) == SGC_N_SIZE_CLASSES,
               "number of size classes");
_Static_assert(SGC_N_SIZE_CLASSES <= SGC_CLASSES_PER_CACHE, "they fit a cache");

uint32_t sgc_size_class_bytes(unsigned n)
{
    if (n < N_LINEAR)
        return (n + 1) * SGC_GRANULE_BYTES;
    if (n < N_LINEAR + N_FINE)
        return (5 + (n - N_LINEAR) % 4) * (32u << (n - N_LINEAR) / 4);
    return coarse_bytes[n - N_LINEAR - N_FINE];
}

unsigned sgc_size_class_of(size_t bytes)
{
    if (bytes <= 128)
        return bytes ? (unsigned)(bytes - 1) / SGC_GRANULE_BYTES : 0;
    if (bytes <= 4096) {
        const unsigned doubling = 63 - (unsigned)__builtin_clzll(bytes - 1); /* 7: 129..256 */
        return N_LINEAR + (doubling - 7) * 4 + (unsigned)((bytes - 1) >> (doubling - 2)) - 4;
    }
    unsigned n = 0;
    while (coarse_bytes[n] < bytes)
        n++;
    return N_LINEAR + N_FINE + n;
}

static int index_take(uint32_t *out)
{
    for (unsigned i = 0; i < SGC_ARRAY_LEN(index_used); i++) {
        if (index_used[i] == UINT64_MAX)
            continue;
        const unsigned bit = sgc_ctz64(~index_used[i]);
        index_used[i] |= UINT64_C(1) << bit;
        *out = i * 64 + bit;
        return 0;
    }
    return -ENOSPC;
}

struct sgc_class *sgc_class_create(struct sgc_cache *cache, uint32_t slot_bytes, uint32_t object_bytes)
{
    sgc_lock_assert_held(&sgc_caches_lock);
    struct sgc_class *class_ = sgc_meta_alloc(sizeof(*class_));
    if (!class_)
        return NULL;
    if (index_take(&class_->index) < 0) {
        sgc_meta_free(class_, sizeof(*class_));
        errno = ENOSPC;
        return NULL;
    }
    class_->cache = cache;
    class_->slot_bytes = slot_bytes;
    class_->object_bytes = object_bytes;
    if (slot_bytes) {
        class_->n_slots = sgc_slab_slot_mask(slot_bytes, class_->slot_mask);
        for (unsigned i = 0; i < SGC_SLAB_WORDS; i++)
            class_->slot_words |= (uint64_t)(class_->slot_mask[i] != 0) << i;
        class_->window_slots = min_u32(SGC_WINDOW_SLOTS, class_->n_slots);
    }
    class_->n_keep = cache->type->ctor ? KEEP_CONSTRUCTED : KEEP_EMPTY;
    sgc_lock_init(&class_->lock, SGC_RANK_CACHE, cache->name);
    sgc_list_init(&class_->all);
    sgc_list_init(&class_->partial);
    sgc_list_init(&class_->fronts);
    sgc_list_init(&class_->idle_fronts);
    sgc_list_init(&class_->fresh);
    return class_;
}

static void class_free_fronts(struct sgc_list *fronts)
{
    SGC_LIST_FOR_EACH_SAFE (at, fronts) {
        struct sgc_front *front = SGC_LIST_ENTRY(at, struct sgc_front, link);
        sgc_list_remove(&front->link);
        sgc_meta_free(front, sizeof(*front));
    }
}

void sgc_class_destroy(struct sgc_class *class_)
{
    sgc_lock_assert_held(&sgc_caches_lock);
    SGC_DCHECK(sgc_list_empty(&class_->all));
    sgc_fronts_forget_locked(class_);
    class_free_fronts(&class_->fronts);
    class_free_fronts(&class_->idle_fronts);
    sgc_lock_fini(&class_->lock);
    index_used[class_->index / 64] &= ~(UINT64_C(1) << (class_->index % 64));
    sgc_meta_free(class_, sizeof(*class_));
}

/* Makes size class n of a variable-size cache unless another thread was faster. */
static SGC_COLD struct sgc_class *class_make(struct sgc_cache *cache, unsigned n)
{
    SGC_GUARD(&sgc_caches_lock);
    struct sgc_class **place = &cache->classes[n - cache->first_size_class];
    if (!*place) {
        const uint32_t align = cache->type->align_bytes ? cache->type->align_bytes : SGC_GRANULE_BYTES;
        const uint32_t slot_bytes =
            (uint32_t)sgc_round_up(sgc_size_class_bytes(n), align < SGC_GRANULE_BYTES ? SGC_GRANULE_BYTES : align);
        struct sgc_class *class_ =
            sgc_class_create(cache, slot_bytes, slot_bytes - (uint32_t)sgc_cache_redzone_bytes(cache));
        if (class_)
            __atomic_store_n(place, class_, __ATOMIC_RELEASE); /* pairs with the acquire in sgc_class_for */
        else
            errno = ENOMEM;
        return class_;
    }
    return *place;
}

struct sgc_class *sgc_class_for(struct sgc_cache *cache, size_t n, size_t *bytes)
{
    const struct sgc_type *type = cache->type;
    size_t tail_bytes, object_bytes;
    *bytes = 0;
    if (!cache->variable) {
        *bytes = type->size_bytes;
        return cache->classes[0]->slot_bytes ? cache->classes[0] : NULL;
    }
    if (__builtin_mul_overflow(n, (size_t)type->tail_element_bytes, &tail_bytes) ||
        __builtin_add_overflow(tail_bytes, (size_t)type->size_bytes, &object_bytes) || object_bytes > PTRDIFF_MAX) {
        errno = EOVERFLOW;
        return NULL;
    }
    const size_t slot_bytes = object_bytes + sgc_cache_redzone_bytes(cache);
    if (slot_bytes > LARGEST_SLOT_BYTES) {
        *bytes = object_bytes;
        return NULL;
    }
    const unsigned size_class = sgc_size_class_of(sgc_round_up(slot_bytes, type->align_bytes ? type->align_bytes : 1));
    struct sgc_class *class_ = __atomic_load_n(&cache->classes[size_class - cache->first_size_class], __ATOMIC_ACQUIRE);
    if (sgc_unlikely(!class_))
        class_ = class_make(cache, size_class);
    if (class_)
        *bytes = object_bytes;
    return class_;
}

struct sgc_class *sgc_class_large(struct sgc_cache *cache)
{
    struct sgc_class *class_ = __atomic_load_n(&cache->large, __ATOMIC_ACQUIRE);
    if (sgc_likely(class_ != NULL))
        return class_;
    SGC_GUARD(&sgc_caches_lock);
    if (!cache->large) {
        class_ = sgc_class_create(cache, 0, 0);
        if (!class_) {
            errno = ENOMEM;
            return NULL;
        }
        __atomic_store_n(&cache->large, class_, __ATOMIC_RELEASE); /* pairs with the acquire above */
    }
    return cache->large;
}

void sgc_cache_each_class(struct sgc_cache *cache, void (*visit)(struct sgc_class *class_, void *arg), void *arg)
{
    for (unsigned i = 0; i < SGC_CLASSES_PER_CACHE; i++) {
        struct sgc_class *class_ = __atomic_load_n(&cache->classes[i], __ATOMIC_ACQUIRE);
        if (class_)
            visit(class_, arg);
    }
    struct sgc_class *large = __atomic_load_n(&cache->large, __ATOMIC_ACQUIRE);
    if (large && large != cache->classes[0])
        visit(large, arg);
}
