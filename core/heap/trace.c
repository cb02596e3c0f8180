/* trace.c - the tracing engine: marks what can be reached, over bits outside the objects, single-threaded at a stop.
 * Called by strategies through the host: begin, roots, object and fields in any order, finish, sweep (sweep.c). See
 * TRACING.md. Invariants: an object is marked when it was found, and its fields were pushed then or will be found by
 * the rescan that follows an overflow. After finish no marked object refers to an unmarked one of its heap, but for a
 * broken or keyless ephemeron's parts. Locks: none of its own; the stop. Words and bytes are read and written plainly:
 * all other threads are at rest. Sources: Cher, Hosking & Vitek 2004 (queue, in mark_stack.h); Demers et al., POPL 1990
 * (sticky marks); Boehm (overflow and rescan); Hayes 1997, and Jones, Hosking & Moss 2023, 12.2 (ephemerons by key). */
#include "core/heap/trace.h"

#include "core/heap/weak_table.h"
#include "core/os/meta.h"

static struct sgc_trace engine;

/* ---- visiting */

static void trace_push_place(void *visitor, void **place)
{
    struct sgc_trace *trace = visitor;
    if (sgc_is_object(*place))
        sgc_mark_stack_push(&trace->stack, *place);
}

/* A key that cannot be found dead: marked, or none of this trace's business. */
static bool trace_key_lives(const struct sgc_trace *trace, const void *key)
{
    if (!sgc_is_object(key))
        return key != NULL;
    return !sgc_trace_cache_of(trace->heap, key) || sgc_trace_marked(key);
}

/* The value waits for the key: on the pending list until finish looks at it, afterwards for trace_watch. */
static void trace_ephemeron(struct sgc_trace *trace, struct sgc_ephemeron *ephemeron)
{
    if (trace_key_lives(trace, ephemeron->key)) {
        trace_push_place(trace, &ephemeron->value);
    } else if (!trace->watching && !ephemeron->next_pending) {
        ephemeron->next_pending = trace->pending ? trace->pending : ephemeron;
        trace->pending = ephemeron;
    }
}

static void trace_watch_one(void *arg, void *ephemeron, void *value)
{
    struct sgc_trace *trace = arg;
    if (sgc_trace_marked(ephemeron) && sgc_is_object(value))
        sgc_mark_stack_push(&trace->stack, value);
}

static SGC_NOINLINE void trace_scan_special(struct sgc_trace *trace, const struct sgc_type *type, void *object)
{
    if (type == &sgc_ephemeron_type)
        trace_ephemeron(trace, object);
    else
        sgc_object_visit(object, trace_push_place, trace);
}

/* Pushes what the object refers to. Types described by data alone stay inside this function. */
static inline void trace_scan(struct sgc_trace *trace, const struct sgc_cache *cache, void *object)
{
    const struct sgc_type *type = cache->type;
    if (sgc_unlikely(type->trace || type->tail_refs)) {
        trace_scan_special(trace, type, object);
        return;
    }
    for (uint32_t i = 0; i < type->n_ref_runs; i++) {
        void *const *place = (void *const *)((const char *)object + type->ref_runs[i].offset_bytes);
        for (uint32_t n = type->ref_runs[i].n; n > 0; n--, place++)
            if (sgc_is_object(*place))
                sgc_mark_stack_push(&trace->stack, *place);
    }
}

/* Marks an object and pushes its fields, unless it was marked or is not ours. */
static inline void trace_visit(struct sgc_trace *trace, struct sgc_heap *heap, void *object)
{
    const struct sgc_cache *cache = sgc_trace_cache_of(heap, object);
    if (sgc_unlikely(!cache))
        return;
    uint64_t *word = sgc_mark_word(object);
    const uint64_t bit = sgc_mark_bit(object);
    if (*word & bit)
        return;
    *word |= bit;
    trace->n_visited++;
    trace_scan(trace, cache, object);
    if (sgc_unlikely(trace->watching) && (*sgc_state_byte(&sgc_counts, object) & SGC_STATE_WATCHED))
        sgc_ephemerons_of(object, trace_watch_one, trace);
}

static void trace_drain(struct sgc_trace *trace)
{
    struct sgc_heap *heap = trace->heap;
    void *object;
    while ((object = sgc_mark_stack_next(&trace->stack)))
        trace_visit(trace, heap, object);
}

/* ---- overflow: what was dropped is an unmarked child of a marked object */

static void trace_push_unmarked(void *visitor, void **place)
{
    struct sgc_trace *trace = visitor;
    if (sgc_is_object(*place) && sgc_trace_cache_of(trace->heap, *place) && !sgc_trace_marked(*place))
        sgc_mark_stack_push(&trace->stack, *place);
}

static void trace_rescan_slab(void *arg, struct sgc_slab *slab)
{
    struct sgc_trace *trace = arg;
    const uint64_t *marks = sgc_slab_words(slab, SGC_KIND_MARK);
    for (unsigned word = 0; word < (slab->slot_bytes ? SGC_SLAB_WORDS : 1); word++) {
        for (uint64_t left = marks[word]; left; left &= left - 1) {
            void *object = sgc_slab_object(slab, word, sgc_ctz64(left));
            trace->n_visited++;
            if (sgc_object_is_ephemeron(object))
                trace_ephemeron(trace, object);
            else
                sgc_object_visit(object, trace_push_unmarked, trace);
        }
        trace_drain(trace);
    }
}

/* Each round marks at least one object or ends: the stack is empty when it begins, and only unmarked objects are
 * pushed. */
static SGC_COLD void trace_recover(struct sgc_trace *trace)
{
    do {
        trace->stack.overflowed = false;
        SGC_LIST_FOR_EACH (link, &trace->heap->caches) {
            struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
            if (!cache->managed_manual && cache->has_references)
                sgc_cache_visit_slabs(cache, trace_rescan_slab, trace);
        }
    } while (trace->stack.overflowed);
}

/* Until nothing reachable is unmarked. The first call looks at each pending ephemeron once: its key is marked now, or
 * trace_watch_one meets the key when it is marked later. So ephemerons take time linear in their number, however they
 * are chained. */
static void trace_complete(struct sgc_trace *trace)
{
    trace_drain(trace);
    if (sgc_unlikely(trace->stack.overflowed))
        trace_recover(trace);
    trace->watching = trace->heap->weak.n_ephemerons > 0;
    while (trace->pending) {
        struct sgc_ephemeron *ephemeron = trace->pending;
        trace->pending = ephemeron->next_pending == ephemeron ? NULL : ephemeron->next_pending;
        ephemeron->next_pending = NULL;
        if (trace_key_lives(trace, ephemeron->key))
            trace_push_place(trace, &ephemeron->value);
    }
    trace_drain(trace);
    if (sgc_unlikely(trace->stack.overflowed))
        trace_recover(trace);
}

/* ---- slabs */

static void trace_clear_slab(void *arg, struct sgc_slab *slab)
{
    (void)arg;
    uint64_t *marks = sgc_slab_words(slab, SGC_KIND_MARK);
    for (unsigned word = 0; word < (slab->slot_bytes ? SGC_SLAB_WORDS : 1); word++)
        marks[word] = 0;
}

static void trace_visit_slabs(struct sgc_trace *trace, void (*visit)(void *arg, struct sgc_slab *slab), void *arg)
{
    SGC_LIST_FOR_EACH (link, &trace->heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        if (!cache->managed_manual)
            sgc_cache_visit_slabs(cache, visit, arg);
    }
}

void sgc_trace_visit_swept(struct sgc_trace *trace, void (*visit)(void *arg, struct sgc_slab *slab), void *arg)
{
    if (!trace->keep_marks) {
        trace_visit_slabs(trace, visit, arg);
        return;
    }
    for (struct sgc_slab *slab = trace->fresh, *next; slab; slab = next) {
        next = slab->fresh_next; /* a large object's slab may be gone after the visit */
        visit(arg, slab);
    }
}

bool sgc_trace_dead_words(const struct sgc_slab *slab, uint64_t out[SGC_SLAB_WORDS])
{
    const uint64_t *marks = sgc_slab_words(slab, SGC_KIND_MARK);
    uint64_t any = 0;
    sgc_slab_used_words(slab, out);
    for (unsigned word = 0; word < SGC_SLAB_WORDS; word++)
        any |= out[word] &= ~marks[word];
    return any;
}

/* ---- begin and roots */

struct sgc_trace *sgc_trace_begin(struct sgc_heap *heap, bool keep_marks)
{
    struct sgc_trace *trace = &engine;
    SGC_CHECK(!trace->heap); /* every trace ends in trace_sweep */
    SGC_DCHECK(sgc_stop_is_mine());
    sgc_mark_stack_init(&trace->stack);
    trace->heap = heap;
    trace->keep_marks = keep_marks;
    trace->watching = false;
    trace->pending = NULL;
    trace->n_visited = 0;
    trace->fresh = NULL;
    heap->trace = trace;
    if (!keep_marks) {
        trace_visit_slabs(trace, trace_clear_slab, NULL);
        return trace;
    }
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        if (cache->managed_manual)
            continue;
        for (struct sgc_slab *slab = sgc_cache_take_fresh(cache), *next; slab; slab = next) {
            next = slab->fresh_next;
            slab->fresh_next = trace->fresh;
            trace->fresh = slab;
        }
    }
    return trace;
}

/* Count bytes are read 64 at a time: most are 0, those of free slots and of granules inside slots always. */
static void trace_roots_slab(void *arg, struct sgc_slab *slab)
{
    struct sgc_trace *trace = arg;
    const uint64_t *counts = (const uint64_t *)sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(slab));
    const size_t n_words = slab->slot_bytes ? SGC_SLAB_GRANULES / 8 : 1;
    for (size_t i = 0; i < n_words; i++) {
        if (sgc_likely(counts[i] == 0))
            continue;
        for (uint64_t left = counts[i]; left;) {
            const unsigned byte = sgc_ctz64(left) / 8;
            left &= ~(UINT64_C(0xff) << (byte * 8));
            trace_visit(trace, trace->heap, sgc_slab_start(slab) + (i * 8 + byte) * SGC_GRANULE_BYTES);
        }
    }
    trace_drain(trace);
}

void sgc_trace_roots(struct sgc_trace *trace, enum sgc_roots which)
{
    if (which == SGC_ROOTS_ALL) {
        trace_visit_slabs(trace, trace_roots_slab, trace);
        return;
    }
    SGC_CHECK(trace->keep_marks); /* fresh roots alone are enough only where old objects are marked */
    for (struct sgc_slab *slab = trace->fresh; slab; slab = slab->fresh_next)
        trace_roots_slab(trace, slab);
}

void sgc_trace_object(struct sgc_trace *trace, void *object)
{
    if (!sgc_is_object(object))
        return;
    trace_visit(trace, trace->heap, object);
    if (sgc_mark_stack_is_deep(&trace->stack))
        trace_drain(trace);
}

void sgc_trace_fields(struct sgc_trace *trace, void *object)
{
    trace->n_visited++;
    trace_scan(trace, sgc_object_cache(object), object);
    if (sgc_mark_stack_is_deep(&trace->stack))
        trace_drain(trace);
}

bool sgc_is_marked(const void *object)
{
    const struct sgc_cache *cache = sgc_object_cache(object);
    if (cache->managed_manual || !(cache->kinds & SGC_KIND_BIT(SGC_KIND_MARK)))
        return true; /* nobody will find it unmarked and dead */
    return sgc_trace_marked(object);
}

/* ---- finish: finalizers, weak references */

/* Dead objects whose finalizer never ran, gathered from the slabs to be swept. */
struct trace_finalizable {
    struct sgc_trace *trace;
    void **objects; /* NULL: count only, or mark each */
    size_t n, capacity;
    bool mark; /* no memory to put them in order: all live on until the next collection */
};

static void trace_gather_slab(void *arg, struct sgc_slab *slab)
{
    struct trace_finalizable *found = arg;
    uint64_t dead[SGC_SLAB_WORDS];
    if (!slab->class_->cache->type->finalize || !sgc_trace_dead_words(slab, dead))
        return;
    for (unsigned word = 0; word < SGC_SLAB_WORDS; word++) {
        for (uint64_t left = dead[word]; left; left &= left - 1) {
            void *object = sgc_slab_object(slab, word, sgc_ctz64(left));
            if (*sgc_state_byte(&sgc_counts, object) & SGC_STATE_FINALIZED)
                continue;
            if (found->objects && found->n < found->capacity)
                found->objects[found->n] = object;
            found->n++;
            if (found->mark)
                trace_visit(found->trace, found->trace->heap, object);
        }
    }
}

static bool trace_is_dead(void *arg, void *object)
{
    struct sgc_trace *trace = arg;
    return sgc_trace_cache_of(trace->heap, object) && !sgc_trace_marked(object);
}

/* One round: of the dead finalizable objects those that no other one leads to are queued, and live on with all that
 * they reach. False: there were none. A further round is needed only where a value was reachable through an ephemeron
 * whose key the round found dead. */
static bool trace_finalize_round(struct sgc_trace *trace)
{
    struct trace_finalizable found = {.trace = trace};
    sgc_trace_visit_swept(trace, trace_gather_slab, &found);
    if (found.n == 0)
        return false;
    const size_t capacity = found.capacity = found.n;
    size_t n_selected = 0;
    found.n = 0;
    found.objects = sgc_meta_alloc(capacity * sizeof(*found.objects));
    if (found.objects) {
        sgc_trace_visit_swept(trace, trace_gather_slab, &found);
        n_selected = sgc_select_finalizable(trace->heap, found.objects, found.n, trace_is_dead, trace);
    }
    if (n_selected == 0) {
        found.mark = true;
        sgc_trace_visit_swept(trace, trace_gather_slab, &found);
    }
    for (size_t i = 0; i < n_selected; i++)
        sgc_bury(found.objects[i]);
    for (size_t i = 0; i < n_selected; i++)
        trace_visit(trace, trace->heap, found.objects[i]);
    sgc_meta_free(found.objects, capacity * sizeof(*found.objects));
    trace_complete(trace);
    return true;
}

static bool trace_has_finalizers(const struct sgc_heap *heap)
{
    SGC_LIST_FOR_EACH (link, &heap->caches) {
        const struct sgc_cache *cache = SGC_LIST_ENTRY(link, struct sgc_cache, heap_link);
        if (cache->type->finalize && !cache->managed_manual)
            return true;
    }
    return false;
}

/* Any state byte of the slab with the bit? Bytes of free slots may give a false yes. */
static bool trace_slab_has_state(const struct sgc_slab *slab, uint8_t bit)
{
    const uint64_t *states = (const uint64_t *)sgc_byte_at(SGC_KIND_STATE, sgc_slab_start(slab));
    uint64_t any = 0;
    for (size_t i = 0; i < (slab->slot_bytes ? SGC_SLAB_GRANULES / 8 : 1); i++)
        any |= states[i];
    return any & (bit * UINT64_C(0x0101010101010101));
}

static void trace_bury_slab(void *arg, struct sgc_slab *slab)
{
    struct sgc_trace *trace = arg;
    uint64_t dead[SGC_SLAB_WORDS];
    const bool ephemerons = slab->class_->cache->type == &sgc_ephemeron_type;
    if (!ephemerons && !trace_slab_has_state(slab, SGC_STATE_WATCHED))
        return;
    if (!sgc_trace_dead_words(slab, dead))
        return;
    for (unsigned word = 0; word < SGC_SLAB_WORDS; word++) {
        for (uint64_t left = dead[word]; left; left &= left - 1) {
            void *object = sgc_slab_object(slab, word, sgc_ctz64(left));
            if (ephemerons || (*sgc_state_byte(&sgc_counts, object) & SGC_STATE_WATCHED))
                sgc_weak_bury(trace->heap, object);
        }
    }
}

void sgc_trace_finish(struct sgc_trace *trace)
{
    struct sgc_heap *heap = trace->heap;
    trace_complete(trace);
    if (trace_has_finalizers(heap))
        while (trace_finalize_round(trace))
            ;
    if (heap->weak.n_entries > 0)
        sgc_trace_visit_swept(trace, trace_bury_slab, trace);
    heap->stats.n_visited += trace->n_visited;
    heap->stats.last_visited += trace->n_visited;
}

void sgc_trace_destroy(struct sgc_heap *heap)
{
    SGC_CHECK(!heap->trace); /* a heap closes at a stop, and a trace is over before its stop is */
}
