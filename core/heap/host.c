/* host.c - the services that a strategy gets: one constant table over core's own functions.
 * Called by plug-ins through `const struct sgc_host *`; plugin.h says in which context. The lock service ranks
 * STRATEGY, so a strategy may allocate and ask for grace periods under its lock, but not bury: the weak table ranks
 * above it, while sections that hold the weak table's lock may call ops->decrement. */
#include "core/heap/heap.h"
#include "core/heap/section.h"
#include "core/os/meta.h"
#include <errno.h>
#include <stdio.h>

static uint8_t *host_private_bias(unsigned which)
{
    return sgc_arena.byte_bias[which == 0 ? SGC_KIND_PRIVATE_0 : SGC_KIND_PRIVATE_1];
}

static struct sgc_heap *host_heap_of(const void *object)
{
    return sgc_object_heap(object);
}

static const struct sgc_type *host_type_of(const void *object)
{
    return sgc_object_cache(object)->type;
}

static bool host_ephemeron_parts(void *object, void **key, void **value)
{
    if (!sgc_object_is_ephemeron(object))
        return false;
    const struct sgc_ephemeron *ephemeron = object;
    *key = ephemeron->key;
    *value = ephemeron->value;
    return true;
}

static void host_walk(struct sgc_heap *heap, void (*visit)(void *arg, void *object), void *arg)
{
    sgc_heap_walk_stopped(heap, false, visit, arg);
}

static void **host_thread_cell(struct sgc_heap *heap)
{
    return &sgc_context_.thread->cells[heap->index];
}

static void host_visit_thread_cells(struct sgc_heap *heap, void (*visit)(void *arg, void **cell), void *arg)
{
    SGC_LIST_FOR_EACH (link, &sgc_threads) /* at a stop the list is still */
        visit(arg, &SGC_LIST_ENTRY(link, struct sgc_thread, link)->cells[heap->index]);
}

/* A strategy's lock; all of them are listed for fork. */
struct host_mutex {
    struct sgc_lock lock;
    struct sgc_list link;
};
static struct sgc_list host_mutexes = {&host_mutexes, &host_mutexes};
static struct sgc_lock host_mutexes_lock = SGC_LOCK_INIT(SGC_RANK_MUTEXES, "strategies' locks");

static void *host_lock_create(void)
{
    struct host_mutex *mutex = sgc_meta_alloc(sizeof(*mutex));
    if (!mutex)
        return NULL;
    sgc_lock_init(&mutex->lock, SGC_RANK_STRATEGY, "strategy");
    SGC_GUARD(&host_mutexes_lock);
    sgc_list_push_back(&host_mutexes, &mutex->link);
    return mutex;
}

static void host_lock_destroy(void *at)
{
    struct host_mutex *mutex = at;
    if (!mutex)
        return;
    sgc_lock_acquire(&host_mutexes_lock);
    sgc_list_remove(&mutex->link);
    sgc_lock_release(&host_mutexes_lock);
    sgc_lock_fini(&mutex->lock);
    sgc_meta_free(mutex, sizeof(*mutex));
}

static void host_lock(void *mutex)
{
    sgc_lock_acquire(&((struct host_mutex *)mutex)->lock);
}

static void host_unlock(void *mutex)
{
    sgc_lock_release(&((struct host_mutex *)mutex)->lock);
}

void sgc_strategy_locks_before_fork(void)
{
    sgc_lock_before_fork(&host_mutexes_lock);
    SGC_LIST_FOR_EACH (link, &host_mutexes)
        sgc_lock_before_fork(&SGC_LIST_ENTRY(link, struct host_mutex, link)->lock);
}

void sgc_strategy_locks_after_fork(int in_child)
{
    SGC_LIST_FOR_EACH (link, &host_mutexes)
        sgc_lock_after_fork(&SGC_LIST_ENTRY(link, struct host_mutex, link)->lock, in_child);
    sgc_lock_after_fork(&host_mutexes_lock, in_child);
}

static void host_count_visited(struct sgc_heap *heap, uint64_t n)
{
    __atomic_fetch_add(&heap->stats.n_visited, n, __ATOMIC_RELAXED);
    __atomic_fetch_add(&heap->stats.last_visited, n, __ATOMIC_RELAXED);
}

static void host_count_retired(struct sgc_heap *heap, int64_t bytes)
{
    __atomic_fetch_add(&heap->retired_bytes, bytes, __ATOMIC_RELAXED);
}

static int host_fail(struct sgc_error *error, int code, const char *format, ...)
{
    char message[SGC_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return sgc_error_set(error, code, "%s", message);
}

static __attribute__((noreturn)) void host_panic(const char *format, ...)
{
    char message[SGC_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    sgc_panic("%s", message);
}

struct sgc_host sgc_host_table = {
    .struct_bytes = sizeof(struct sgc_host),
    .abi_major = SGC_ABI_MAJOR,
    .abi_minor = SGC_ABI_MINOR,
    .alloc = sgc_meta_alloc,
    .free = sgc_meta_free,
    .private_bias = host_private_bias,
    .heap_of = host_heap_of,
    .type_of = host_type_of,
    .size_of = sgc_object_bytes,
    .visit_references = sgc_object_visit,
    .ephemeron_parts = host_ephemeron_parts,
    .visit_ephemerons_of = sgc_ephemerons_of,
    .walk = host_walk,
    .bury = sgc_bury,
    .reclaim = sgc_reclaim,
    .select_finalizable = sgc_select_finalizable,
    .decrement_later = sgc_decrement_later,
    .thread_cell = host_thread_cell,
    .visit_thread_cells = host_visit_thread_cells,
    .trace_begin = sgc_trace_begin,
    .trace_roots = sgc_trace_roots,
    .trace_object = sgc_trace_object,
    .trace_fields = sgc_trace_fields,
    .trace_finish = sgc_trace_finish,
    .trace_sweep = sgc_trace_sweep,
    .is_marked = sgc_is_marked,
    .set_pace = sgc_pacer_set,
    .request_collection = sgc_pacer_request,
    .grace_stamp = sgc_grace_stamp,
    .grace_done = sgc_grace_done,
    .grace_request = sgc_grace_request,
    .grace_wait = sgc_grace_wait,
    .lock_create = host_lock_create,
    .lock_destroy = host_lock_destroy,
    .lock = host_lock,
    .unlock = host_unlock,
    .count_visited = host_count_visited,
    .count_retired = host_count_retired,
    .fail = host_fail,
    .panic = host_panic,
};

/* Once, when the arena is reserved and the biases are known (thread.c). */
void sgc_host_init(void)
{
    sgc_host_table.counts = sgc_counts;
}

const struct sgc_host *sgc_host_get(void)
{
    return &sgc_host_table;
}
