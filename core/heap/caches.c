/* caches.c - the caches of a heap: created by programs, named in config, listed by heap_link under the heap's lock.
 * Called by programs and by ephemeron.c (its internal cache). What the type implies is checked against the heap's
 * strategy here. */
#include "core/heap/heap.h"
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/heap/weak_table.h"
#include <errno.h>
#include <string.h>

static bool type_has_references(const struct sgc_type *type)
{
    if (type->flags & (SGC_TYPE_LEAF | SGC_TYPE_MANUAL))
        return false;
    return type->n_ref_runs > 0 || type->trace || type->tail_refs;
}

static uint32_t type_needs(const struct sgc_type *type)
{
    return (type_has_references(type) ? SGC_NEED_REFERENCES : 0) | (type->finalize ? SGC_NEED_FINALIZERS : 0);
}

/* In a section: the strategy stays. */
static int type_check_needs(const struct sgc_heap *heap, const struct sgc_type *type, struct sgc_error *error)
{
    const uint32_t offered = heap->plugin->capabilities;
    if (type_has_references(type) && !(offered & SGC_NEED_REFERENCES))
        return sgc_error_set(error, -ENOTSUP,
                             "type %s has reference fields, but strategy %s of heap %s does not follow references "
                             "(missing: references); choose another strategy, or "
                             "flag the type SGC_TYPE_MANUAL",
                             type->name, heap->plugin->name, heap->name);
    if (type->finalize && !(offered & SGC_NEED_FINALIZERS))
        return sgc_error_set(error, -ENOTSUP,
                             "type %s has a finalizer, but strategy %s of heap %s runs none (missing: finalizers)",
                             type->name, heap->plugin->name, heap->name);
    return 0;
}

#define ZERO_INLINE_BYTES 256 /* beyond this memset clears a new object faster than the loop of the fast path */

bool sgc_cache_is_special(const struct sgc_cache *cache)
{
    const struct sgc_type *type = cache->type;
    return type->ctor || type->finalize || cache->debug || (type->flags & SGC_TYPE_IMMORTAL) ||
           cache->classes[0]->object_bytes > ZERO_INLINE_BYTES || cache->record_index;
}

/* An object ends without more ado when nothing of it has to be put in order, told or unlinked. */
static bool cache_ends_plainly(const struct sgc_cache *cache)
{
    const struct sgc_type *type = cache->type;
    return !type->ctor && !type->finalize && !cache->debug && !(type->flags & SGC_TYPE_IMMORTAL) &&
           type != &sgc_ephemeron_type && !cache->record_index;
}

void sgc_cache_set_paths(struct sgc_cache *cache)
{
    const struct sgc_strategy_ops *ops = cache->managed_manual ? sgc_strategy_none.ops : cache->heap->ops;
    /* A manual cache is special until its first managed object (alloc.c), which costs bare calls their fast path. */
    const bool unmixed = cache->managed_manual && !(cache->mixed & SGC_CACHE_MIXED);
    cache->special = unmixed || sgc_cache_is_special(cache);
    cache->new_state = ops->new_state | sgc_record_state(cache, ops);
    cache->quiet_mask = ops->quiet_mask;
    cache->end_state = cache_ends_plainly(cache) ? ops->end_state : 0;
    cache->zero_bytes = sgc_cache_is_special(cache) ? 0 : (uint16_t)cache->classes[0]->object_bytes;
    cache->new_index = cache->special ? 0 : cache->classes[0]->index;
}

/* What core/heap adds to a cache of core/cache. In one section with the link: a switch comes before or after both. */
static void cache_adopt(struct sgc_heap *heap, struct sgc_cache *cache)
{
    const struct sgc_type *type = cache->type;
    cache->kinds |= heap->kinds;
    cache->managed_manual = (type->flags & SGC_TYPE_MANUAL) || heap->plugin == &sgc_strategy_none;
    cache->has_references = type_has_references(type);
    sgc_record_cache_made(cache);
    sgc_cache_set_paths(cache);
    sgc_cache_head_update(cache);
}

static bool cache_name_taken(const struct sgc_heap *heap, const char *name)
{
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        if (strcmp(SGC_LIST_ENTRY(link, struct sgc_cache, heap_link)->name, name) == 0)
            return true;
    }
    return false;
}

/* The list changes in a section or at a stop, under the heap lock: still for whoever is at a stop or has the lock. */
static int cache_link(struct sgc_heap *heap, struct sgc_cache *cache, struct sgc_error *error)
{
    SGC_SECTION;
    SGC_GUARD(&heap->lock);
    const int rc = type_check_needs(heap, cache->type, error);
    if (rc < 0)
        return rc;
    if (cache_name_taken(heap, cache->name))
        return sgc_error_set(error, -EEXIST, "heap %s has a cache named %s already", heap->name, cache->name);
    cache_adopt(heap, cache);
    __atomic_fetch_or(&heap->needs, type_needs(cache->type), __ATOMIC_RELAXED); /* read at rest by a switch */
    sgc_list_push_back(&heap->caches, &cache->heap_link);
    return 0;
}

struct sgc_cache *sgc_cache_create(struct sgc_heap *heap, const struct sgc_type *type, struct sgc_error *error)
{
    struct sgc_cache_config config = {0};
    if (!type->name) {
        sgc_error_set(error, -EINVAL, "heap %s: a type without a name", heap->name);
        return NULL;
    }
    const char *name = strncmp(type->name, "struct ", 7) == 0 ? type->name + 7 : type->name;
    if (heap->setup.cache_config &&
        heap->setup.cache_config(heap->setup.cache_config_arg, heap->name, name, &config, error) < 0)
        return NULL;
    /* At rest a switch may add kinds meanwhile (switch.c); cache_adopt looks again in the section of the link. */
    const uint32_t kinds = __atomic_load_n(&heap->kinds, __ATOMIC_RELAXED);
    struct sgc_cache *cache = sgc_cache_make(heap, type, &config, &heap->budget, kinds, error);
    if (!cache)
        return NULL;
    if (cache_link(heap, cache, error) < 0) {
        sgc_cache_unmake(cache);
        return NULL;
    }
    return cache;
}

int sgc_cache_destroy(struct sgc_cache *cache, struct sgc_error *error)
{
    if (sgc_context_.depth != 0)
        sgc_panic("sgc_cache_destroy: called inside a section");
    if (!cache)
        return 0;
    struct sgc_heap *heap = cache->heap;
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    sgc_collect_stopped(heap, SGC_COLLECT_FULL);
    char text[SGC_ERROR_MESSAGE_BYTES / 2] = "";
    const size_t n_live = sgc_cache_describe_live(cache, text, sizeof(text), 8);
    if (n_live == 0) {
        SGC_GUARD(&heap->lock); /* a thread at rest may be folding statistics */
        sgc_list_remove(&cache->heap_link);
        if (heap->ephemerons == cache)
            /* read at rest; the next ephemeron makes another cache */
            __atomic_store_n(&heap->ephemerons, NULL, __ATOMIC_RELAXED);
    }
    sgc_stop_end(&stop);
    sgc_finalizer_wake(heap);
    if (n_live)
        return sgc_error_set(error, -EBUSY, "cache %s of heap %s has %zu live object%s:\n%s", cache->name, heap->name,
                             n_live, n_live == 1 ? "" : "s", text);
    sgc_cache_unmake(cache);
    return 0;
}

int sgc_cache_for_each(struct sgc_heap *heap, int (*visit)(void *arg, struct sgc_cache *cache), void *arg)
{
    int rc = 0;
    if (sgc_heap_is_malloc(heap))
        return sgc_malloc_for_each(visit, arg);
    SGC_GUARD(&heap->lock);
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        rc = visit(arg, SGC_LIST_ENTRY(link, struct sgc_cache, heap_link));
        if (rc != 0)
            break;
    }
    return rc;
}
