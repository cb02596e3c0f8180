/* switch.c - moving a live heap to another strategy; converting counts between the two meanings.
 * Called by core/runtime (sgc_heap_switch's back half) and by heap.c (close: who holds what).
 * The conversion rests on one identity: count = holds + incoming references. After a full collection every object is
 * live, so one walk over all reference fields adds or takes away exactly the incoming part. References held by an
 * object of a manual type carry no claim on any strategy.
 * All of it happens at one stop; a failure before adopt leaves the heap as it was. */
#include "core/heap/heap.h"
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/os/clock.h"
#include "core/stats/events.h"
#include <errno.h>
#include <string.h>

static bool reference_counts(const void *target)
{
    return sgc_is_object(target) && sgc_arena_contains(target) && !sgc_object_cache(target)->managed_manual;
}

static void place_add(void *unused, void **place)
{
    (void)unused;
    if (reference_counts(*place))
        sgc_count_increment(&sgc_counts, *place, true);
}

static void place_remove(void *unused, void **place)
{
    (void)unused;
    if (reference_counts(*place))
        sgc_count_decrement(&sgc_counts, *place, true);
}

static void object_add(void *unused, void *object)
{
    (void)unused;
    sgc_object_visit(object, place_add, NULL);
}

static void object_remove(void *unused, void *object)
{
    (void)unused;
    sgc_object_visit(object, place_remove, NULL);
}

void sgc_counts_add_references(struct sgc_heap *heap)
{
    sgc_heap_walk_stopped(heap, false, object_add, NULL);
}

void sgc_counts_remove_references(struct sgc_heap *heap)
{
    sgc_heap_walk_stopped(heap, false, object_remove, NULL);
}

void sgc_strategy_release_cells(struct sgc_heap *heap)
{
    SGC_LIST_FOR_EACH (link, &sgc_threads) {
        void **cell = &SGC_LIST_ENTRY(link, struct sgc_thread, link)->cells[heap->index];
        if (*cell)
            heap->ops->thread_detach(heap->self, cell);
        *cell = NULL;
    }
}

void sgc_heap_forget_grace(struct sgc_heap *heap)
{
    __atomic_store_n(&heap->grace_wanted, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->grace_pending, false, __ATOMIC_RELAXED);
}

/* Metadata kinds that the next strategy needs, for every slab there is. */
struct add_kinds {
    uint32_t kinds;
    int rc;
};

static void slab_add_kinds(void *arg, struct sgc_slab *slab)
{
    struct add_kinds *add = arg;
    if (add->rc == 0)
        add->rc = sgc_slab_run_add_kinds(slab, add->kinds);
}

/* 0 or -ENOMEM. What a cache's kinds name, all of its slabs have: they change when every slab has been served. Kinds
 * stay once committed. */
static int heap_add_kinds(struct sgc_heap *heap, uint32_t kinds)
{
    struct add_kinds add = {.kinds = kinds};
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        if (!cache->managed_manual)
            sgc_cache_visit_slabs(cache, slab_add_kinds, &add);
    }
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        if (add.rc == 0 && !cache->managed_manual)
            cache->kinds |= kinds;
    }
    return add.rc;
}

static void object_set_state(void *arg, void *object)
{
    const uint8_t *new_state = arg;
    uint8_t *state = sgc_state_byte(&sgc_counts, object);
    *state = (uint8_t)((*state & (SGC_STATE_WATCHED | SGC_STATE_FINALIZED)) | *new_state);
}

/* Marks and private bytes, of all slots: the next strategy finds both as in a fresh slab. A large object has those of
 * its first granule. */
static void slab_clear_metadata(void *unused, struct sgc_slab *slab)
{
    const size_t n_granules = slab->slot_bytes ? SGC_SLAB_GRANULES : 1;
    (void)unused;
    if (slab->kinds & SGC_KIND_BIT(SGC_KIND_MARK))
        memset(sgc_slab_words(slab, SGC_KIND_MARK), 0, SGC_SLAB_WORDS * sizeof(uint64_t));
    for (unsigned kind = SGC_KIND_PRIVATE_0; kind <= SGC_KIND_PRIVATE_1; kind++)
        if (slab->kinds & SGC_KIND_BIT(kind))
            memset(sgc_byte_at(kind, sgc_slab_start(slab)), 0, n_granules);
}

static void heap_install(struct sgc_heap *heap, const struct sgc_strategy_plugin *plugin, void *self)
{
    const uint32_t was = heap->plugin->capabilities & SGC_CAP_COUNTS_REFERENCES,
                   is = plugin->capabilities & SGC_CAP_COUNTS_REFERENCES;
    if (was && !is)
        sgc_counts_remove_references(heap);
    if (!was && is)
        sgc_counts_add_references(heap);
    __atomic_store_n(&heap->plugin, plugin, __ATOMIC_RELEASE); /* its name may be read at rest */
    heap->ops = plugin->ops;
    heap->self = self;
    uint8_t new_state = plugin->ops->new_state;
    sgc_heap_walk_stopped(heap, false, object_set_state, &new_state);
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        if (cache->managed_manual)
            continue;
        sgc_cache_visit_slabs(cache, slab_clear_metadata, NULL);
        sgc_cache_set_paths(cache);
    }
    __atomic_store_n(&heap->pacer.requested, 0, __ATOMIC_RELAXED);
    sgc_heap_forget_grace(heap);
}

static uint32_t plugin_kinds(const struct sgc_strategy_plugin *plugin)
{
    return (plugin->metadata & SGC_METADATA_MARK ? SGC_KIND_BIT(SGC_KIND_MARK) : 0) |
           (plugin->metadata & SGC_METADATA_PRIVATE_0 ? SGC_KIND_BIT(SGC_KIND_PRIVATE_0) : 0) |
           (plugin->metadata & SGC_METADATA_PRIVATE_1 ? SGC_KIND_BIT(SGC_KIND_PRIVATE_1) : 0);
}

static int check_plugin(const struct sgc_heap *heap, const struct sgc_strategy_plugin *plugin, struct sgc_error *error)
{
    if (sgc_heap_plugin(heap) == &sgc_strategy_none || plugin == &sgc_strategy_none)
        return sgc_error_set(
            error, -ENOTSUP,
            "heap %s: strategy none cannot be switched to or from: its objects' lifetimes are the program's",
            heap->name);
    if (plugin->n_params > SGC_MAX_PARAMS)
        return sgc_error_set(error, -EINVAL, "strategy %s declares %u parameters, the most is %d", plugin->name,
                             plugin->n_params, SGC_MAX_PARAMS);
    return 0;
}

/* At a stop: what the heap's types imply may have grown until then. The first need that is not met, by name. */
static int check_needs(const struct sgc_heap *heap, const struct sgc_strategy_plugin *plugin, struct sgc_error *error)
{
    static const char *const names[] = {"references", "cycles", "concurrent-readers", "prompt", "weak", "finalizers"};
    const uint32_t missing = heap->needs & ~plugin->capabilities;
    for (unsigned i = 0; i < SGC_ARRAY_LEN(names); i++)
        if (missing & (1u << i))
            return sgc_error_set(error, -ENOTSUP, "heap %s needs %s, which strategy %s does not offer", heap->name,
                                 names[i], plugin->name);
    return 0;
}

/* A heap on its way from one strategy to another. */
struct switching {
    struct sgc_heap *heap;
    const struct sgc_strategy_plugin *from, *to;
    void *from_self, *to_self;
    struct sgc_error *error;
};

/* At a stop. Failure: the heap is as it was. */
static int switch_stopped(struct switching *at)
{
    struct sgc_heap *heap = at->heap;
    at->from = heap->plugin;
    at->from_self = heap->self;
    int rc = check_needs(heap, at->to, at->error);
    if (rc < 0)
        return rc;
    if (heap->record_index)
        return sgc_error_set(at->error, -EBUSY,
                             "heap %s is being recorded, and a recording is of one strategy; stop the recording first",
                             heap->name);
    rc = heap_add_kinds(heap, plugin_kinds(at->to));
    if (rc < 0)
        return sgc_error_set(at->error, rc, "heap %s: no memory for the metadata of strategy %s", heap->name,
                             at->to->name);
    sgc_collect_stopped(heap, SGC_COLLECT_FULL);
    sgc_strategy_release_cells(heap);
    heap->ops->quiesce(heap->self);
    heap_install(heap, at->to, at->to_self);
    rc = at->to->ops->adopt(at->to_self, at->error);
    if (rc == 0)
        return 0;
    sgc_error_prefix(at->error, "heap %s: strategy %s did not adopt it", heap->name, at->to->name);
    sgc_strategy_release_cells(heap);
    at->to->ops->quiesce(at->to_self);
    heap_install(heap, at->from, at->from_self);
    SGC_CHECK(at->from->ops->adopt(at->from_self, NULL) == 0); /* it ran this heap a moment ago */
    return rc;
}

/* Threads that entered the old strategy's before_alloc before the stop; those that come now count on the other parity.
 * Each waits a bounded time there. */
static void switch_await_rest_calls(struct sgc_heap *heap, uint32_t parity)
{
    while (__atomic_load_n(&heap->n_rest_calls[parity], __ATOMIC_ACQUIRE)) /* pairs with alloc_pay */
        sgc_os_sleep_ns(50000);
}

/* Opens the next strategy beside the old one, which keeps running the heap. It says in open at which pace it wants to
 * collect. */
static int switch_open(struct switching *at, const uint64_t *params, struct sgc_pace *old_pace)
{
    const struct sgc_pace none = {0};
    struct sgc_heap *heap = at->heap;
    sgc_lock_acquire(&heap->lock);
    *old_pace = heap->pacer.pace;
    sgc_lock_release(&heap->lock);
    sgc_pacer_set(heap, &none);
    const int rc = at->to->ops->open(sgc_host_get(), heap, params, &at->to_self, at->error);
    if (rc < 0) {
        sgc_pacer_set(heap, old_pace);
        sgc_error_prefix(at->error, "heap %s: strategy %s failed to start", heap->name, at->to->name);
    }
    return rc;
}

int sgc_heap_switch_strategy(struct sgc_heap *heap, const struct sgc_strategy_plugin *plugin, const uint64_t *params,
                             struct sgc_error *error)
{
    struct switching at = {.heap = heap, .to = plugin, .error = error};
    struct sgc_pace old_pace;
    struct sgc_stop stop;
    if (sgc_context_.depth != 0)
        sgc_panic("sgc_heap_switch: called inside a section");
    int rc = check_plugin(heap, plugin, error);
    if (rc == 0)
        rc = switch_open(&at, params, &old_pace);
    if (rc < 0)
        return rc;
    sgc_stop_begin(&stop, heap);
    rc = switch_stopped(&at);
    if (rc < 0) {
        sgc_pacer_set(heap, &old_pace);
        sgc_stop_end(&stop);
        plugin->ops->close(at.to_self);
        return rc;
    }
    if (plugin->n_params)
        memcpy(heap->params, params, plugin->n_params * sizeof(uint64_t));
    __atomic_store_n(&heap->kinds, heap->kinds | plugin_kinds(plugin), __ATOMIC_RELAXED); /* read at rest by sgc_cache_create */
    const uint32_t parity = heap->n_switches++ & 1;
    sgc_heap_publish_masks();
    sgc_event_record(SGC_EVENT_SWITCH, plugin->name, sgc_os_now_ns() - stop.began_ns, 0, 0, 0);
    sgc_stop_end(&stop);
    sgc_finalizer_wake(heap);
    switch_await_rest_calls(heap, parity);
    at.from->ops->close(at.from_self);
    return 0;
}
