/* heap.c - the life of a heap: create, reconfigure, close; the list of open heaps.
 * Called by core/runtime (create, reconfigure) and by programs (close).
 * A heap is in sgc_heaps (lock THREADS; changes at stops) from the end of create to the start of close; whoever finds
 * it there may use it until the end of its section, as close frees it only after a second stop. Its index into the
 * threads' cells and its name are free again after that stop. */
#include "core/heap/heap.h"
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/os/meta.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *heap_names[SGC_MAX_HEAPS]; /* by index; NULL: free; lock THREADS */

static uint32_t heap_kinds(const struct sgc_strategy_plugin *plugin)
{
    uint32_t kinds = SGC_KIND_BIT(SGC_KIND_COUNT) | SGC_KIND_BIT(SGC_KIND_STATE) | SGC_KIND_BIT(SGC_KIND_EXCESS);
    if (plugin->metadata & SGC_METADATA_MARK)
        kinds |= SGC_KIND_BIT(SGC_KIND_MARK);
    if (plugin->metadata & SGC_METADATA_PRIVATE_0)
        kinds |= SGC_KIND_BIT(SGC_KIND_PRIVATE_0);
    if (plugin->metadata & SGC_METADATA_PRIVATE_1)
        kinds |= SGC_KIND_BIT(SGC_KIND_PRIVATE_1);
    return kinds;
}

/* Takes an index and refuses a name that is open already, or about to be. name: the heap's own copy. */
static int heap_register_index(const char *name, unsigned *index, struct sgc_error *error)
{
    SGC_GUARD(&sgc_threads_lock);
    unsigned free = SGC_MAX_HEAPS;
    for (unsigned i = SGC_MAX_HEAPS; i-- > 0;) {
        if (!heap_names[i])
            free = i;
        else if (strcmp(heap_names[i], name) == 0)
            return sgc_error_set(error, -EEXIST, "heap %s is open already in this process; choose another name", name);
    }
    if (free < SGC_MAX_HEAPS) {
        heap_names[free] = name;
        *index = free;
        return 0;
    }
    return sgc_error_set(error, -EMFILE, "heap %s: %d heaps are open, which is the most a process may have", name,
                         SGC_MAX_HEAPS);
}

static void heap_release_index(unsigned index)
{
    SGC_GUARD(&sgc_threads_lock);
    heap_names[index] = NULL;
}

void sgc_heap_names_after_fork_child(void)
{
    SGC_GUARD(&sgc_threads_lock);
    memset(heap_names, 0, sizeof(heap_names));
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        const struct sgc_heap *heap = SGC_LIST_ENTRY(link, struct sgc_heap, link);
        heap_names[heap->index] = heap->name;
    }
}

/* The union of all open heaps' masks goes into every context. At a stop. */
static void store_mask_publish(void)
{
    uint8_t mask = SGC_STATE_STORE;
    SGC_LIST_FOR_EACH (link, &sgc_heaps)
        mask |= SGC_LIST_ENTRY(link, struct sgc_heap, link)->ops->store_mask;
    mask |= sgc_record_store_mask();
    sgc_store_mask = mask;
    SGC_LIST_FOR_EACH (link, &sgc_threads)
        SGC_LIST_ENTRY(link, struct sgc_thread, link)->context->store_mask = mask;
}

void sgc_heap_publish_masks(void)
{
    SGC_GUARD(&sgc_threads_lock);
    store_mask_publish();
}

static void heap_limits(struct sgc_heap *heap, const struct sgc_heap_setup *setup)
{
    __atomic_store_n(&heap->budget.soft_bytes, setup->soft_limit_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->budget.hard_bytes, setup->hard_limit_bytes, __ATOMIC_RELAXED);
    /* read by the grace thread at rest */
    __atomic_store_n(&heap->stall_report_ns, setup->stall_report_ns, __ATOMIC_RELAXED);
}

static void heap_init(struct sgc_heap *heap, const struct sgc_heap_setup *setup)
{
    snprintf(heap->name, sizeof(heap->name), "%s", setup->name);
    heap->setup = *setup;
    heap->setup.name = heap->name;
    heap->setup.params = heap->params;
    heap->plugin = setup->plugin;
    heap->ops = setup->plugin->ops;
    if (setup->plugin->n_params)
        memcpy(heap->params, setup->params, setup->plugin->n_params * sizeof(uint64_t));
    heap->needs = setup->needs;
    heap->kinds = heap_kinds(setup->plugin);
    heap_limits(heap, setup);
    sgc_lock_init(&heap->lock, SGC_RANK_HEAP, "heap");
    sgc_lock_init(&heap->stats_lock, SGC_RANK_STATS, "heap statistics");
    sgc_list_init(&heap->link);
    sgc_list_init(&heap->caches);
    sgc_list_init(&heap->shrinkers);
    heap->pacer.full_trigger_bytes = UINT64_MAX;
}

static void heap_link(struct sgc_heap *heap)
{
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    sgc_lock_acquire(&sgc_threads_lock);
    sgc_list_push_back(&sgc_heaps, &heap->link);
    store_mask_publish();
    sgc_record_heap_opened(heap);
    sgc_lock_release(&sgc_threads_lock);
    sgc_stop_end(&stop);
}

/* At a stop. From here on no thread that exits finds the heap, so its cells go first; and the strategy is told of no
 * grace period any more, as counts are worthless now. */
static void heap_unlink(struct sgc_heap *heap)
{
    sgc_strategy_release_cells(heap);
    sgc_heap_forget_grace(heap);
    SGC_GUARD(&sgc_threads_lock);
    sgc_list_remove(&heap->link);
}

static void heap_free(struct sgc_heap *heap)
{
    heap_release_index(heap->index);
    sgc_lock_fini(&heap->lock);
    sgc_lock_fini(&heap->stats_lock);
    sgc_meta_free(heap, sizeof(*heap));
}

struct sgc_heap *sgc_heap_create(const struct sgc_heap_setup *setup, struct sgc_error *error)
{
    if (sgc_context_.depth != 0)
        sgc_panic("sgc_heap_open: called inside a section");
    if (setup->plugin->n_params > SGC_MAX_PARAMS) {
        sgc_error_set(error, -EINVAL, "strategy %s declares %u parameters, the most is %d", setup->plugin->name,
                      setup->plugin->n_params, SGC_MAX_PARAMS);
        return NULL;
    }
    if (sgc_process_init(error) < 0)
        return NULL;
    if (sgc_thread_attach() < 0) {
        sgc_error_set(error, -ENOMEM, "heap %s: no memory to attach this thread", setup->name);
        return NULL;
    }
    struct sgc_heap *heap = sgc_meta_alloc(sizeof(*heap));
    if (!heap) {
        sgc_error_set(error, -ENOMEM, "heap %s: no memory for its record", setup->name);
        return NULL;
    }
    heap_init(heap, setup);
    if (heap_register_index(heap->name, &heap->index, error) < 0)
        goto fail_record;
    if (sgc_weak_table_init(&heap->weak) < 0 || sgc_finalizer_queue_init(&heap->finalizers) < 0) {
        sgc_error_set(error, -ENOMEM, "heap %s: no memory for its tables", heap->name);
        goto fail_tables;
    }
    int rc = heap->ops->open(sgc_host_get(), heap, heap->params, &heap->self, error);
    if (rc < 0) {
        sgc_error_prefix(error, "heap %s: strategy %s failed to start", heap->name, heap->plugin->name);
        goto fail_tables;
    }
    if (setup->finalizer_thread && (rc = sgc_finalizer_thread_start(heap)) < 0) {
        sgc_error_set(error, rc, "heap %s: no thread for finalizers: %s", heap->name, strerror(-rc));
        goto fail_strategy;
    }
    heap_link(heap);
    return heap;

fail_strategy:
    heap->ops->close(heap->self);
fail_tables:
    sgc_finalizer_queue_fini(heap);
    sgc_weak_table_fini(heap);
    heap_release_index(heap->index);
fail_record:
    sgc_lock_fini(&heap->lock);
    sgc_lock_fini(&heap->stats_lock);
    sgc_meta_free(heap, sizeof(*heap));
    return NULL;
}

/* The control server's thread comes here: attaching it would end solo mode for the sake of a few numbers. */
static void reconfigure_stop_begin(struct sgc_stop *stop, struct sgc_heap *heap)
{
    if (sgc_context_.thread) {
        sgc_stop_begin(stop, heap);
    } else {
        sgc_stop_lock();
        sgc_stop_begin_locked(stop, heap);
    }
}

void sgc_heap_reconfigure(struct sgc_heap *heap, const struct sgc_heap_setup *setup)
{
    struct sgc_stop stop;
    reconfigure_stop_begin(&stop, heap);
    heap_limits(heap, setup);
    for (uint32_t i = 0; i < heap->plugin->n_params; i++) {
        if (heap->plugin->params[i].live)
            heap->params[i] = setup->params[i];
    }
    heap->ops->configure(heap->self, heap->params);
    sgc_stop_end(&stop);
}

/* The last collection, and who still holds what. Counts become holds alone, and are worthless afterwards. At a stop. */
struct leak_list {
    size_t n_held, length;
    char text[SGC_ERROR_MESSAGE_BYTES / 2];
};

static void leak_visit(void *arg, void *object)
{
    struct leak_list *leaks = arg;
    const struct sgc_cache *cache = sgc_object_cache(object);
    const uint64_t count = sgc_counts.value(object);
    if (count == 0 || count == UINT64_MAX || (cache->type->flags & SGC_TYPE_IMMORTAL))
        return;
    leaks->n_held++;
    if (leaks->length + 96 < sizeof(leaks->text))
        leaks->length += (size_t)snprintf(leaks->text + leaks->length, sizeof(leaks->text) - leaks->length,
                                          "\n  %.40s %p: %llu hold%s", cache->name, object, (unsigned long long)count,
                                          count == 1 ? "" : "s");
}

static void heap_list_leaks(struct sgc_heap *heap, struct leak_list *leaks)
{
    sgc_collect_stopped(heap, SGC_COLLECT_FULL);
    sgc_finalizer_queue_forget(heap);
    if (heap->plugin->capabilities & SGC_CAP_COUNTS_REFERENCES)
        sgc_counts_remove_references(heap);
    sgc_heap_walk_stopped(heap, true, leak_visit, leaks);
}

static void heap_detach_cells(struct sgc_heap *heap)
{
    SGC_GUARD(&sgc_threads_lock);
    SGC_LIST_FOR_EACH (link, &sgc_threads)
        SGC_LIST_ENTRY(link, struct sgc_thread, link)->cells[heap->index] = NULL;
}

int sgc_heap_close(struct sgc_heap *heap, struct sgc_error *error)
{
    if (sgc_context_.depth != 0)
        sgc_panic("sgc_heap_close: called inside a section");
    if (!heap)
        return 0;
    if (heap->setup.closing)
        heap->setup.closing(heap->setup.cache_config_arg, heap);
    if (!sgc_context_.thread)
        sgc_section_attach();
    sgc_finalizer_thread_stop(heap);
    struct leak_list leaks = {0};
    struct sgc_stop stop;
    sgc_stop_begin(&stop, heap);
    heap_list_leaks(heap, &leaks);
    sgc_record_heap_closes(heap);
    heap_unlink(heap);
    sgc_stop_end(&stop);
    sgc_grace_forget_heap(heap);

    sgc_stop_begin(&stop, heap); /* every section that found the heap in the list has ended */
    sgc_strategy_release_cells(heap);
    heap->ops->quiesce(heap->self);
    heap_detach_cells(heap);
    sgc_heap_publish_masks();
    sgc_stop_end(&stop);

    heap->ops->close(heap->self);
    sgc_trace_destroy(heap);
    sgc_finalizer_queue_fini(heap);
    sgc_weak_table_fini(heap);
    sgc_shrinkers_fini(heap);
    SGC_LIST_FOR_EACH_SAFE (link, &heap->caches)
        sgc_cache_unmake(SGC_LIST_ENTRY(link, struct sgc_cache, heap_link));
    int rc = 0;
    if (leaks.n_held) {
        rc = sgc_error_set(error, -EBUSY, "heap %s closed with %zu object%s still held:%s", heap->name, leaks.n_held,
                           leaks.n_held == 1 ? "" : "s", leaks.text);
        sgc_warn("heap %s closed with %zu object%s still held:%s", heap->name, leaks.n_held,
                 leaks.n_held == 1 ? "" : "s", leaks.text);
    }
    heap_free(heap);
    return rc;
}

int sgc_heap_for_each(int (*visit)(void *arg, struct sgc_heap *heap), void *arg)
{
    int rc = 0;
    SGC_GUARD(&sgc_threads_lock);
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        rc = visit(arg, SGC_LIST_ENTRY(link, struct sgc_heap, link));
        if (rc != 0)
            break;
    }
    return rc;
}

const char *sgc_heap_name(const struct sgc_heap *heap)
{
    return heap->name;
}

const char *sgc_heap_strategy(const struct sgc_heap *heap)
{
    return sgc_heap_plugin(heap)->name;
}

uint32_t sgc_heap_capabilities(const struct sgc_heap *heap)
{
    return sgc_heap_plugin(heap)->capabilities & 0xffff;
}
