/* record.c - a recording begins and ends; heaps, caches and forks meanwhile. RECORDING.md has the design.
 * Called by core/runtime (start, stop), by the writer (look, cut), by heap.c, caches.c, switch.c and fork.c.
 * Invariant: outside stops, sgc_recording, the stop flag's bit, sgc_arena.plain_granules, the contexts' masks, the
 * host's table, each cache's paths and each weak handle say the same: whether a recording runs. `paths_on` and
 * `paths_off` are the two changes, each at one stop. Locks: RECORDING around start and stop, not needed by the writer;
 * STOP at the changes. */
#include "core/heap/record.h"
#include "core/heap/record_stream.h"
#include "core/heap/section.h"
#include "core/heap/thread.h"
#include "core/heap/trace.h"
#include "core/heap/weak_table.h"
#include "core/os/clock.h"
#include "core/os/meta.h"
#include "core/os/packet.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_EXIT_NS UINT64_C(1000000000) /* how long an exit waits for threads in sections */

uint8_t sgc_recording;
uint64_t sgc_record_sample;

/* Written at stops, but for the first three. */
static struct {
    struct sgc_lock lock;           /* rank RECORDING */
    bool has_exit_hook, exits;      /* exits: atomic */
    char heap[SGC_HEAP_NAME_BYTES]; /* the only one; "": all */
    uint32_t generation;            /* of the recording that runs, or ran last; from 1 */
    uint32_t n_heaps, n_caches;     /* indices given */
    uint64_t began_ns, n_events;
} recording = {.lock = SGC_LOCK_INIT(SGC_RANK_RECORDING, "recording's start and end")};

bool sgc_record_is_running(void)
{
    return __atomic_load_n(&sgc_recording, __ATOMIC_RELAXED) != 0;
}

bool sgc_record_concerns(const struct sgc_heap *heap)
{
    return !sgc_heap_is_malloc(heap) && (!recording.heap[0] || strcmp(recording.heap, heap->name) == 0);
}

/* ---- what the host's table has meanwhile */

static void reclaim_recorded(struct sgc_heap *heap, void *const *objects, size_t n)
{
    sgc_record_deaths(objects, n);
    sgc_reclaim(heap, objects, n);
}

static void sweep_record_slab(void *unused, struct sgc_slab *slab)
{
    uint64_t dead[SGC_SLAB_WORDS];
    (void)unused;
    if (!slab->class_->cache->record_index || !sgc_trace_dead_words(slab, dead))
        return;
    for (unsigned word = 0; word < (slab->slot_bytes ? SGC_SLAB_WORDS : 1); word++) {
        for (uint64_t left = dead[word]; left; left &= left - 1) {
            void *object = sgc_slab_object(slab, word, sgc_ctz64(left));
            sgc_record_deaths(&object, 1);
        }
    }
}

/* All deaths before any slot is free. */
static void sweep_recorded(struct sgc_trace *trace, uint8_t clear_state, uint8_t set_state)
{
    sgc_trace_visit_swept(trace, sweep_record_slab, NULL);
    sgc_trace_sweep(trace, clear_state, set_state);
}

/* ---- paths; at a stop */

uint8_t sgc_record_state(const struct sgc_cache *cache, const struct sgc_strategy_ops *ops)
{
    /* Counted objects have SGC_STATE_COUNTED for ever. The others get a bit that means nothing without it. */
    return sgc_recording_all() && cache->record_index && !(ops->new_state & SGC_STATE_COUNTED) ? SGC_STATE_DEFER : 0;
}

uint8_t sgc_record_store_mask(void)
{
    return sgc_recording_all() ? SGC_STATE_COUNTED | SGC_STATE_DEFER : 0;
}

struct state_change {
    uint8_t keep, set;
};

static void slab_change_states(void *arg, struct sgc_slab *slab)
{
    const struct state_change *change = arg;
    uint8_t *states = sgc_byte_at(SGC_KIND_STATE, sgc_slab_start(slab));
    const size_t n = slab->slot_bytes ? SGC_SLAB_GRANULES : 1;
    for (size_t i = 0; i < n; i++)
        states[i] = (states[i] & change->keep) | change->set;
}

/* record_index of caches and heaps changes at stops, but calls look at it at rest too (the relaxed loads of sgc_new_n,
 * sgc_heap_collect and sgc_account), and ask again, or do without, inside the call: so it is stored with relaxed order.
 */
static void cache_on(struct sgc_cache *cache)
{
    __atomic_store_n(&cache->record_index, ++recording.n_caches, __ATOMIC_RELAXED);
    struct state_change change = {.keep = 0xff, .set = 0};
    if (!cache->managed_manual)
        change.set = sgc_record_state(cache, cache->heap->ops);
    if (change.set)
        sgc_cache_visit_slabs(cache, slab_change_states, &change);
    sgc_cache_set_paths(cache);
    sgc_record_describe_cache(cache);
}

static void cache_off(struct sgc_cache *cache, uint8_t was_all)
{
    const struct sgc_strategy_ops *ops = cache->heap->ops;
    if (!cache->record_index)
        return;
    __atomic_store_n(&cache->record_index, 0, __ATOMIC_RELAXED);
    struct state_change change = {.keep = (uint8_t)~SGC_STATE_DEFER, .set = 0};
    if (was_all && !cache->managed_manual && !(ops->new_state & (SGC_STATE_COUNTED | SGC_STATE_DEFER)))
        sgc_cache_visit_slabs(cache, slab_change_states, &change);
    if (cache->managed_manual == SGC_CACHE_MANUAL_RECORDED) {
        cache->managed_manual = SGC_CACHE_MANUAL;
        __atomic_fetch_and(&cache->mixed, (uint8_t)~SGC_CACHE_RECORDED, __ATOMIC_RELAXED);
        sgc_cache_head_update(cache);
    }
    sgc_cache_set_paths(cache);
}

static void weak_on(void *unused, struct sgc_weak *weak)
{
    (void)unused;
    sgc_weak_record(weak, true);
}

static void weak_off(void *unused, struct sgc_weak *weak)
{
    (void)unused;
    if (weak->recorded)
        sgc_weak_record(weak, false);
}

static void heap_on(struct sgc_heap *heap)
{
    __atomic_store_n(&heap->record_index, ++recording.n_heaps, __ATOMIC_RELAXED);
    sgc_record_describe_heap(heap);
    SGC_LIST_FOR_EACH (link, &heap->caches)
        cache_on(SGC_LIST_ENTRY(link, struct sgc_cache, heap_link));
    heap->finalizers.n_found = heap->finalizers.n;
    if (sgc_recording_all())
        sgc_record_weak_handles(heap, weak_on, NULL);
}

static void heap_off(struct sgc_heap *heap, uint8_t was_all)
{
    if (!heap->record_index)
        return;
    SGC_LIST_FOR_EACH (link, &heap->caches)
        cache_off(SGC_LIST_ENTRY(link, struct sgc_cache, heap_link), was_all);
    sgc_record_weak_handles(heap, weak_off, NULL);
    heap->finalizers.n_found = 0;
    __atomic_store_n(&heap->record_index, 0, __ATOMIC_RELAXED);
}

/* Whatever does not belong to one heap. */
static void globals_set(uint8_t what)
{
    __atomic_store_n(&sgc_recording, what, __ATOMIC_RELAXED);
    sgc_host_table.reclaim = what ? reclaim_recorded : sgc_reclaim;
    sgc_host_table.trace_sweep = what ? sweep_recorded : sgc_trace_sweep;
    const bool all = what & SGC_RECORDING_ALL;
    sgc_region_hide(all);
    if (all)
        __atomic_fetch_or(&sgc_stop_flag, SGC_STOP_RECORDING, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&sgc_stop_flag, ~SGC_STOP_RECORDING, __ATOMIC_RELAXED);
    sgc_heap_publish_masks();
}

static void paths_on(uint8_t what)
{
    recording.generation++;
    recording.n_heaps = recording.n_caches = 0;
    recording.n_events = 0;
    sgc_record_reset_tickets();
    globals_set(what);
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        struct sgc_heap *heap = SGC_LIST_ENTRY(link, struct sgc_heap, link);
        if (sgc_record_concerns(heap))
            heap_on(heap);
    }
}

static void threads_forget(void)
{
    SGC_LIST_FOR_EACH (link, &sgc_threads)
        SGC_LIST_ENTRY(link, struct sgc_thread, link)->record = NULL;
    SGC_LIST_FOR_EACH_SAFE (link, &sgc_record_threads) {
        struct sgc_record_thread *stream = SGC_LIST_ENTRY(link, struct sgc_record_thread, link);
        sgc_list_remove(&stream->link);
        sgc_meta_free(stream, sizeof(*stream));
    }
}

static void streams_flush(void)
{
    SGC_GUARD(&sgc_record_queue_lock);
    SGC_LIST_FOR_EACH (link, &sgc_record_threads)
        sgc_record_flush_locked(SGC_LIST_ENTRY(link, struct sgc_record_thread, link));
}

static void paths_off(void)
{
    const uint8_t was_all = sgc_recording & SGC_RECORDING_ALL;
    streams_flush();
    recording.n_events = sgc_record_n_tickets();
    globals_set(0);
    SGC_LIST_FOR_EACH (link, &sgc_heaps)
        heap_off(SGC_LIST_ENTRY(link, struct sgc_heap, link), was_all);
    threads_forget();
}

/* ---- start */

static void record_at_exit(void);

/* At a stop, by an attached thread if there is a heap: afterwards all that is there is live. */
static void heaps_collect(void)
{
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        struct sgc_heap *heap = SGC_LIST_ENTRY(link, struct sgc_heap, link);
        if (sgc_record_concerns(heap))
            sgc_collect_stopped(heap, SGC_COLLECT_FULL);
    }
}

static bool heaps_are_open(void)
{
    SGC_GUARD(&sgc_threads_lock);
    return !sgc_list_empty(&sgc_heaps);
}

static bool start_stopped(uint8_t what)
{
    if (sgc_record_queue_failed())
        return false;
    sgc_record_describe_begin(sgc_record_sample);
    if (what & SGC_RECORDING_ALL)
        heaps_collect();
    paths_on(what);
    return sgc_record_found(what & SGC_RECORDING_ALL);
}

static int start_heap(void *unused, struct sgc_heap *heap)
{
    (void)unused;
    sgc_finalizer_wake(heap);
    return 0;
}

static int record_begin(const struct sgc_record_options *options, struct sgc_error *error)
{
    struct sgc_stop stop;
    struct sgc_record_totals totals;
    sgc_record_sample = options->sample ? options->sample : 1;
    memset(recording.heap, 0, sizeof(recording.heap));
    if (options->heap)
        strncpy(recording.heap, options->heap, sizeof(recording.heap) - 1);
    int rc = sgc_record_queue_open(options->fd, options->budget_bytes, error);
    if (rc < 0)
        return rc;
    recording.began_ns = sgc_os_now_ns();
    sgc_stop_lock();
    sgc_stop_begin_locked(&stop, NULL);
    if (sgc_unlikely(!sgc_list_empty(&sgc_heaps) && !sgc_context_.thread)) { /* one was opened meanwhile */
        sgc_stop_end(&stop);
        if (sgc_thread_attach() < 0)
            sgc_record_queue_fail("no memory to attach a thread");
        sgc_stop_lock();
        sgc_stop_begin_locked(&stop, NULL);
    }
    const bool began = start_stopped(SGC_RECORDING_OBJECTS | (sgc_record_sample > 1 ? 0 : SGC_RECORDING_ALL));
    if (!began)
        paths_off();
    sgc_stop_end(&stop);
    (void)sgc_heap_for_each(start_heap, NULL);
    if (began)
        return 0;
    const char *why = sgc_record_queue_close(&totals);
    return sgc_error_set(error, -EPIPE, "recording: it did not begin: %s", why ? why : "its reader left");
}

/* A recording that was cut off leaves its queue for the next command. Lock RECORDING is held. */
static void record_tidy(void)
{
    struct sgc_record_totals totals;
    if (!sgc_record_is_running() && sgc_record_queue_is_open())
        (void)sgc_record_queue_close(&totals);
}

int sgc_record_start(const struct sgc_record_options *options, struct sgc_error *error)
{
    int rc = sgc_process_init(error);
    if (rc == 0 && heaps_are_open() && sgc_thread_attach() < 0)
        rc = sgc_error_set(error, -ENOMEM, "recording: no memory to attach this thread");
    if (rc == 0) {
        SGC_GUARD(&recording.lock);
        record_tidy();
        if (!recording.has_exit_hook)
            recording.has_exit_hook = atexit(record_at_exit) == 0;
        rc = sgc_record_is_running() ? sgc_error_set(error, -EBUSY, "a recording of this process runs already")
                                     : record_begin(options, error);
        if (rc == 0 || rc == -EPIPE) /* the queue had it */
            return rc;
    }
    sgc_os_packet_close(options->fd);
    return rc;
}

/* ---- end */

/* At a stop. */
static void record_end_stopped(const char *reason)
{
    streams_flush();
    sgc_record_describe_end(reason, sgc_record_n_tickets(), recording.began_ns);
    paths_off();
}

int sgc_record_stop(struct sgc_record_totals *out, struct sgc_error *error)
{
    struct sgc_stop stop;
    SGC_GUARD(&recording.lock);
    if (!sgc_record_queue_is_open())
        return sgc_error_set(error, -ENOENT, "no recording of this process runs");
    sgc_stop_lock();
    sgc_stop_begin_locked(&stop, NULL);
    if (sgc_record_is_running()) /* the writer may have ended it */
        record_end_stopped("stopped");
    sgc_stop_end(&stop);
    const char *why = sgc_record_queue_close(out);
    out->n_events = recording.n_events;
    return why ? sgc_error_set(error, -EPIPE, "the recording was cut off: %s", why) : 0;
}

/* An exit does not wait for threads that stay in sections. */
void sgc_record_cut(void)
{
    struct sgc_stop stop;
    while (sgc_stop_begin_until(&stop, sgc_os_now_ns() + RECORD_EXIT_NS) < 0)
        if (__atomic_load_n(&recording.exits, __ATOMIC_RELAXED))
            return;
    if (sgc_record_is_running())
        paths_off();
    sgc_stop_end(&stop);
}

/* Whoever is at rest gives up what he has; the others are asked to, at their next event. */
static void look_at_rest(void)
{
    SGC_GUARD(&sgc_record_queue_lock);
    SGC_LIST_FOR_EACH (link, &sgc_record_threads) {
        struct sgc_record_thread *stream = SGC_LIST_ENTRY(link, struct sgc_record_thread, link);
        if (__atomic_load_n(&stream->context->depth, __ATOMIC_ACQUIRE) == 0 &&
            __atomic_load_n(&stream->context->busy, __ATOMIC_ACQUIRE) == 0) {
            SGC_TSAN_ACQUIRE(&sgc_tsan_rest);
            sgc_record_flush_locked(stream);
        } else {
            __atomic_store_n(&stream->flush, 1, __ATOMIC_RELAXED);
        }
    }
}

void sgc_record_look(void)
{
    if (sgc_record_is_running())
        (void)sgc_stop_at_rest(look_at_rest);
}

/* The process exits: other threads may be in sections, and this one too. Then the recording gets no end, but what there
 * is. */
static void record_at_exit(void)
{
    struct sgc_record_totals totals;
    struct sgc_stop stop;
    __atomic_store_n(&recording.exits, true, __ATOMIC_RELAXED);
    if (!sgc_record_queue_is_open() || sgc_lock_try(&recording.lock) == 0)
        return;
    const bool mine = (sgc_context_.depth | sgc_context_.busy) == 0;
    if (mine && sgc_stop_begin_until(&stop, sgc_os_now_ns() + RECORD_EXIT_NS) == 0) {
        if (sgc_record_is_running())
            record_end_stopped("exit");
        sgc_stop_end(&stop);
    } else {
        (void)sgc_stop_at_rest(look_at_rest);
    }
    (void)sgc_record_queue_close(&totals);
    sgc_lock_release(&recording.lock);
}

/* ---- heaps, caches, finalizers */

void sgc_record_heap_opened(struct sgc_heap *heap)
{
    if (sgc_record_is_running() && sgc_record_concerns(heap))
        heap_on(heap);
}

void sgc_record_heap_closes(struct sgc_heap *heap)
{
    if (!heap->record_index)
        return;
    sgc_record_closed(heap);
    heap_off(heap, sgc_recording & SGC_RECORDING_ALL);
}

void sgc_record_cache_made(struct sgc_cache *cache)
{
    if (!cache->heap->record_index)
        return;
    cache->record_index = __atomic_add_fetch(&recording.n_caches, 1, __ATOMIC_RELAXED);
    if (cache->managed_manual) {
        cache->managed_manual = SGC_CACHE_MANUAL_RECORDED;
        cache->mixed |= SGC_CACHE_RECORDED;
    }
    sgc_record_describe_cache(cache);
}

uint32_t sgc_record_finalize(void *object, bool found)
{
    return sgc_recording_all() && sgc_record_finalizing(object, found) ? recording.generation : 0;
}

bool sgc_record_finalized(uint32_t generation, void *object)
{
    return generation == recording.generation && sgc_record_finalizing_done(object);
}

/* ---- fork */

void sgc_record_before_fork_queue(void)
{
    sgc_lock_before_fork(&sgc_record_queue_lock);
}

void sgc_record_after_fork_queue(int in_child)
{
    sgc_lock_after_fork(&sgc_record_queue_lock, in_child);
}

void sgc_record_after_fork_child(void)
{
    sgc_lock_reinit_after_fork(&recording.lock); /* a thread of the parent's may be waiting for the reader */
    sgc_record_queue_after_fork_child();
    if (sgc_record_is_running())
        paths_off();
}
