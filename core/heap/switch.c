/* switch.c - moving a live heap to another strategy; converting counts between the two meanings.
 * Called by core/runtime (sgc_heap_switch's back half) and by heap.c (close: who holds what).
 * The conversion rests on one identity: count = holds + incoming references. After a full collection every object is live, so one walk over all reference
 * fields adds or takes away exactly the incoming part. References held by an object of a manual type carry no claim on any strategy.
 * All of it happens at one stop; a failure before adopt leaves the heap as it was. */
#include "core/heap/heap.h"
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

/* Metadata kinds that the next strategy needs, for every slab there is. Kinds stay once committed. */
static void slab_add_kinds(void *arg, struct sgc_slab *slab)
{
    int *rc = arg;
    if (*rc == 0)
        *rc = sgc_slab_run_add_kinds(slab, slab->class_->cache->kinds);
}

static int heap_add_kinds(struct sgc_heap *heap, uint32_t kinds)
{
    int rc = 0;
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        cache->kinds |= kinds;
        sgc_cache_visit_slabs(cache, slab_add_kinds, &rc);
    }
    return rc;
}

static void object_set_state(void *arg, void *object)
{
    const uint8_t *new_state = arg;
    uint8_t *state = sgc_state_byte(&sgc_counts, object);
    *state = (uint8_t)((*state & (SGC_STATE_WATCHED | SGC_STATE_FINALIZED)) | *new_state);
}

static void slab_clear_marks(void *unused, struct sgc_slab *slab)
{
    (void)unused;
    if (slab->kinds & SGC_KIND_BIT(SGC_KIND_MARK))
        memset(sgc_slab_words(slab, SGC_KIND_MARK), 0, SGC_SLAB_WORDS * sizeof(uint64_t));
}

static void heap_install(struct sgc_heap *heap, const struct sgc_strategy_plugin *plugin, void *self)
{
    const uint32_t was = heap->plugin->capabilities & SGC_CAP_COUNTS_REFERENCES, is = plugin->capabilities & SGC_CAP_COUNTS_REFERENCES;
    if (was && !is)
        sgc_counts_remove_references(heap);
    if (!was && is)
        sgc_counts_add_references(heap);
    heap->plugin = plugin;
    heap->ops = plugin->ops;
    heap->self = self;
    uint8_t new_state = plugin->ops->new_state;
    sgc_heap_walk_stopped(heap, false, object_set_state, &new_state);
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        sgc_cache_visit_slabs(cache, slab_clear_marks, NULL);
        if (!cache->managed_manual)
            cache->new_state = new_state;
    }
    heap->pacer.requested = 0;
    __atomic_store_n(&heap->grace_wanted, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->grace_pending, false, __ATOMIC_RELAXED);
}

static uint32_t plugin_kinds(const struct sgc_strategy_plugin *plugin)
{
    return (plugin->metadata & SGC_METADATA_MARK ? SGC_KIND_BIT(SGC_KIND_MARK) : 0) |
           (plugin->metadata & SGC_METADATA_PRIVATE_0 ? SGC_KIND_BIT(SGC_KIND_PRIVATE_0) : 0) |
           (plugin->metadata & SGC_METADATA_PRIVATE_1 ? SGC_KIND_BIT(SGC_KIND_PRIVATE_1) : 0);
}

static int check_fits(const struct sgc_heap *heap, const struct sgc_strategy_plugin *plugin, struct sgc_error *error)
{
    if (heap->plugin == &sgc_strategy_none || plugin == &sgc_strategy_none)
        return sgc_error_set(error, -ENOTSUP, "heap %s: strategy none cannot be switched to or from: its objects' lifetimes are the program's", heap->name);
    if (plugin->n_params > SGC_MAX_PARAMS)
        return sgc_error_set(error, -EINVAL, "strategy %s declares %u parameters, the most is %d", plugin->name, plugin->n_params, SGC_MAX_PARAMS);
    return 0;
}

int sgc_heap_switch_strategy(struct sgc_heap *heap, const struct sgc_strategy_plugin *plugin, const uint64_t *params, struct sgc_error *error)
{
    if (sgc_context_.depth != 0)
        sgc_panic("sgc_heap_switch: called inside a section");
    int rc = check_fits(heap, plugin, error);
    if (rc < 0)
        return rc;
    void *self = NULL;
    const struct sgc_pace old_pace = heap->pacer.pace;
    rc = plugin->ops->open(sgc_host_get(), heap, params, &self, error);
    if (rc < 0)
        return sgc_error_prefix(error, "heap %s: strategy %s failed to start", heap->name, plugin->name);

    const struct sgc_strategy_plugin *old_plugin = heap->plugin;
    void *old_self = heap->self;
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    rc = heap_add_kinds(heap, plugin_kinds(plugin));
    if (rc < 0) {
        sgc_error_set(error, rc, "heap %s: no memory for the metadata of strategy %s", heap->name, plugin->name);
        goto refused;
    }
    sgc_collect_stopped(heap, SGC_COLLECT_FULL);
    sgc_strategy_release_cells(heap);
    heap->ops->quiesce(heap->self);
    heap_install(heap, plugin, self);
    rc = plugin->ops->adopt(self, error);
    if (rc < 0) {
        sgc_error_prefix(error, "heap %s: strategy %s did not adopt it", heap->name, plugin->name);
        sgc_strategy_release_cells(heap);
        plugin->ops->quiesce(self);
        heap_install(heap, old_plugin, old_self);
        SGC_CHECK(old_plugin->ops->adopt(old_self, NULL) == 0); /* it ran this heap a moment ago */
        goto refused;
    }
    memcpy(heap->params, params, plugin->n_params * sizeof(uint64_t));
    heap->kinds |= plugin_kinds(plugin);
    sgc_heap_publish_masks();
    sgc_event_record(SGC_EVENT_SWITCH, plugin->name, sgc_os_now_ns() - stop.began_ns, 0, 0, 0);
    sgc_stop_end(&stop);
    while (__atomic_load_n(&heap->n_rest_calls, __ATOMIC_ACQUIRE)) /* pairs with alloc_pay: a bounded wait in the old strategy's before_alloc */
        sgc_os_sleep_ns(50000);
    old_plugin->ops->close(old_self);
    return 0;

refused:
    sgc_stop_end(&stop);
    plugin->ops->close(self);
    sgc_pacer_set(heap, &old_pace);
    return rc;
}
