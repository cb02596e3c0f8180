/* make.c - making and unmaking caches, and the registry of all caches of the process.
 * Called by the heap layer (sgc_cache_create, sgc_cache_destroy, heap_close).
 * Invariant: a cache is in the registry exactly while it has classes; classes[0] is never NULL.
 * Lock: registry (CACHES), below every class's lock; dtors run under it in unmake, as they must not call slabgc. */
#include "core/cache/internal.h"
#include "core/cache/type.h"
#include "core/os/meta.h"

#include <errno.h>

#define REDZONE_BYTES 16

struct sgc_lock sgc_caches_lock = SGC_LOCK_INIT(SGC_RANK_CACHES, "caches");
struct sgc_list sgc_caches = {&sgc_caches, &sgc_caches};

size_t sgc_cache_redzone_bytes(const struct sgc_cache *cache)
{
    return cache->debug & SGC_DEBUG_REDZONE ? REDZONE_BYTES : 0;
}

/* The class that serves every object of a fixed-size type, or a variable-size one's objects without a tail. Registry
 * lock held. */
static int cache_make_first_class(struct sgc_cache *cache)
{
    const struct sgc_type *type = cache->type;
    const size_t align = type->align_bytes > SGC_GRANULE_BYTES ? type->align_bytes : SGC_GRANULE_BYTES;
    size_t slot_bytes = sgc_round_up((type->size_bytes ? type->size_bytes : 1) + sgc_cache_redzone_bytes(cache), align);
    struct sgc_class *class_;
    if (slot_bytes > SGC_SLAB_BYTES / 2) {
        class_ = cache->large = sgc_class_create(cache, 0, 0);
    } else if (cache->variable) {
        cache->first_size_class = sgc_size_class_of(slot_bytes);
        slot_bytes = sgc_round_up(sgc_size_class_bytes(cache->first_size_class), align);
        class_ = sgc_class_create(cache, (uint32_t)slot_bytes, (uint32_t)(slot_bytes - sgc_cache_redzone_bytes(cache)));
    } else {
        class_ = sgc_class_create(cache, (uint32_t)slot_bytes,
                                  cache->debug & SGC_DEBUG_REDZONE ? type->size_bytes : (uint32_t)slot_bytes);
    }
    if (!class_)
        return -errno;
    cache->classes[0] = class_;
    sgc_list_push_back(&sgc_caches, &cache->link);
    return 0;
}

void sgc_cache_head_update(struct sgc_cache *cache)
{
    const struct sgc_class *class_ = cache->classes[0];
    const bool plain = cache->managed_manual && !__atomic_load_n(&cache->mixed, __ATOMIC_RELAXED) && !cache->variable &&
                       !cache->debug && class_->slot_bytes != 0;
    __atomic_store_n(&cache->head.window, plain ? class_->index : 0, __ATOMIC_RELAXED);
}

struct sgc_cache *sgc_cache_make(struct sgc_heap *heap, const struct sgc_type *type,
                                 const struct sgc_cache_config *config, struct sgc_budget *budget, uint32_t kinds,
                                 struct sgc_error *error)
{
    struct sgc_cache *cache;
    if (sgc_type_check(type, sizeof(cache->name), error) < 0 || sgc_arena_init(error) < 0)
        return NULL;
    cache = sgc_meta_alloc(sizeof(*cache));
    if (!cache) {
        sgc_error_set(error, -ENOMEM, "no memory for cache %s", sgc_type_cache_name(type));
        return NULL;
    }
    strcpy(cache->name, sgc_type_cache_name(type)); /* its length is checked */
    cache->type = type;
    cache->heap = heap;
    cache->budget = budget;
    cache->debug = config ? config->debug : 0;
    cache->kinds = kinds | (cache->debug ? SGC_KIND_BIT(SGC_KIND_TRACK) : 0) |
                   (cache->debug & SGC_DEBUG_TRACK ? SGC_KIND_BIT(SGC_KIND_SITE) : 0);
    cache->variable = type->tail_element_bytes != 0;
    cache->has_references =
        !(type->flags & (SGC_TYPE_LEAF | SGC_TYPE_MANUAL)) && (type->n_ref_runs || type->trace || type->tail_refs);
    sgc_list_init(&cache->heap_link);
    sgc_list_init(&cache->link);
    sgc_lock_acquire(&sgc_caches_lock);
    const int rc = cache_make_first_class(cache);
    sgc_lock_release(&sgc_caches_lock);
    if (rc < 0) {
        if (rc == -ENOSPC)
            sgc_error_set(error, -ENOMEM, "cache %s: the process has %u size classes already, the most there can be",
                          cache->name, SGC_MAX_CLASSES - 1);
        else
            sgc_error_set(error, -ENOMEM, "no memory for cache %s", cache->name);
        sgc_meta_free(cache, sizeof(*cache));
        return NULL;
    }
    return cache;
}

static void class_unmake(struct sgc_class *class_, void *unused)
{
    (void)unused;
    SGC_LIST_FOR_EACH_SAFE (at, &class_->all) {
        struct sgc_slab *slab = SGC_LIST_ENTRY(at, struct sgc_slab, all);
        sgc_list_remove(&slab->all);
        sgc_slab_destroy(slab);
    }
    sgc_class_destroy(class_);
}

void sgc_cache_unmake(struct sgc_cache *cache)
{
    sgc_lock_acquire(&sgc_caches_lock);
    sgc_cache_each_class(cache, class_unmake, NULL);
    sgc_list_remove(&cache->link);
    sgc_lock_release(&sgc_caches_lock);
    sgc_meta_free(cache, sizeof(*cache));
}

const char *sgc_cache_name(const struct sgc_cache *cache)
{
    return cache->name;
}

struct sgc_heap *sgc_cache_heap(const struct sgc_cache *cache)
{
    return cache->heap;
}
