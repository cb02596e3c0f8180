/* walk.c - visiting every object of a heap, at a stop. An object is a used slot: allocated, not yet reclaimed.
 * Called by programs (sgc_heap_walk), by strategies through the host, by collect.c, switch.c, heap.c and verify.c.
 * Each slab's bitmap is copied before its objects are visited, so that a visit may reclaim the object it is given.
 * Locks: none; at a stop, all windows flushed. */
#include "core/heap/section.h"
#include "core/heap/trace.h"

struct walk {
    void (*visit)(void *arg, void *object);
    void *arg;
};

static void walk_slab(void *arg, struct sgc_slab *slab)
{
    const struct walk *walk = arg;
    uint64_t used[SGC_SLAB_WORDS];
    const unsigned n_words = slab->slot_bytes ? SGC_SLAB_WORDS : 1;
    sgc_slab_used_words(slab, used);
    for (unsigned word = 0; word < n_words; word++)
        for (uint64_t left = used[word]; left; left &= left - 1)
            walk->visit(walk->arg, sgc_slab_object(slab, word, sgc_ctz64(left)));
}

void sgc_heap_walk_stopped(struct sgc_heap *heap, bool include_manual, void (*visit)(void *arg, void *object),
                           void *arg)
{
    struct walk walk = {.visit = visit, .arg = arg};
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        if (include_manual || !cache->managed_manual)
            sgc_cache_visit_slabs(cache, walk_slab, &walk);
    }
}

/* The program's walk: says more of each object, and may end early. */
struct walk_public {
    sgc_walk_fn *visit;
    void *arg;
    struct sgc_cache *cache; /* NULL: all */
    int rc;
};

static void walk_public_object(void *arg, void *object)
{
    struct walk_public *walk = arg;
    struct sgc_cache *cache = sgc_object_cache(object);
    if (walk->rc != 0 || (walk->cache && walk->cache != cache))
        return;
    walk->rc = walk->visit(walk->arg, cache, object, sgc_object_bytes(object), sgc_counts.value(object));
}

int sgc_heap_walk(struct sgc_heap *heap, struct sgc_cache *cache, sgc_walk_fn *visit, void *arg)
{
    struct walk_public walk = {.visit = visit, .arg = arg, .cache = cache};
    struct sgc_stop stop;
    if (sgc_unlikely(sgc_context_.depth != 0))
        sgc_panic("sgc_heap_walk: called inside a section");
    if (!sgc_context_.thread)
        sgc_section_attach();
    sgc_stop_begin(&stop, heap);
    sgc_heap_flush(heap);
    sgc_heap_walk_stopped(heap, true, walk_public_object, &walk);
    sgc_stop_end(&stop);
    return walk.rc;
}
