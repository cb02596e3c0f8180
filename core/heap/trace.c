/* trace.c - the tracing engine: marks what can be reached, over bits beside the objects; one thread, at a stop.
 * Called by strategies through the host: begin, then roots, objects and fields in any order, finish (trace_finish.c),
 *   sweep (sweep.c). The design note is TRACING.md.
 * Invariants: an object is marked when it was found; its fields were pushed then, or wait in a queue, or will be found
 *   by the rescan that follows an overflow. After sgc_trace_complete no marked object refers to an unmarked one of its
 *   heap, but for the value of an ephemeron whose key is unmarked.
 * Locks: none of its own. Words and bytes are read and written plainly: all other threads are at rest.
 * Sources: Cher, Hosking & Vitek, ASPLOS 2004 (queue before stack); Demers et al., POPL 1990 (sticky marks); Boehm
 *   (overflow and rescan); Hayes, OOPSLA 1997, and Jones, Hosking & Moss 2023, 12.2 (ephemerons by key). */
#include "core/heap/trace.h"

#include "core/heap/weak_table.h"

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
    struct sgc_mark_stack *stack = &trace->stack;
    void **top = stack->top, **limit = stack->limit;
    for (uint32_t i = 0; i < type->n_ref_runs; i++) {
        void *const *place = (void *const *)((const char *)object + type->ref_runs[i].offset_bytes);
        for (uint32_t n = type->ref_runs[i].n; n > 0; n--, place++) {
            if (!sgc_is_object(*place))
                continue;
            if (sgc_unlikely(top == limit)) {
                stack->top = top;
                sgc_mark_stack_push_slow(stack, *place);
                top = stack->top, limit = stack->limit;
            } else {
                *top++ = *place;
            }
        }
    }
    stack->top = top;
}

/* What marking reads of the arena, copied so that the compiler may keep it in registers. */
struct trace_view {
    uintptr_t base;
    size_t bytes;
    uint64_t *words;
    const struct sgc_slab *slabs;
    const struct sgc_heap *heap;
};

static inline struct trace_view trace_view(const struct sgc_trace *trace)
{
    return (struct trace_view){sgc_arena.base, sgc_arena.bytes, sgc_arena.bit_words[SGC_KIND_MARK], sgc_arena.slabs,
                               trace->heap};
}

/* Sets the mark; NULL when it was set, or when the object is not ours. */
static inline struct sgc_cache *trace_mark(const struct trace_view *view, void *object)
{
    const uintptr_t offset = (uintptr_t)object - view->base;
    if (sgc_unlikely(offset >= view->bytes))
        return NULL;
    const struct sgc_class *class_ = view->slabs[offset >> SGC_SLAB_SHIFT].class_;
    if (sgc_unlikely(!class_))
        return NULL;
    struct sgc_cache *cache = class_->cache;
    if (sgc_unlikely(cache->heap != view->heap || cache->managed_manual))
        return NULL;
    uint64_t *word = view->words + (offset >> (SGC_GRANULE_SHIFT + 6));
    const uint64_t old = *word, bit = UINT64_C(1) << ((offset >> SGC_GRANULE_SHIFT) & 63);
    if (old & bit)
        return NULL;
    *word = old | bit;
    return cache;
}

/* A marked object's fields, and the values of ephemerons that waited for it. */
static inline void trace_examine(struct sgc_trace *trace, const struct sgc_cache *cache, void *object)
{
    trace->n_visited++;
    trace_scan(trace, cache, object);
    if (sgc_unlikely(trace->watching) && (*sgc_state_byte(&sgc_counts, object) & SGC_STATE_WATCHED))
        sgc_ephemerons_of(object, trace_watch_one, trace);
}

void sgc_trace_visit(struct sgc_trace *trace, void *object)
{
    const struct trace_view view = trace_view(trace);
    const struct sgc_cache *cache = trace_mark(&view, object);
    if (cache)
        trace_examine(trace, cache, object);
}

/* ---- draining. Two queues hide the misses: in the first a reference waits for its mark word, in the second the
 * object, marked by then, for its first line. Half of all references lead to marked objects, whose lines are so never
 * fetched. */

#define QUEUE_ENTRIES 16 /* measured: TRACING.md; a power of two */

struct trace_queue {
    void *entries[QUEUE_ENTRIES];
    unsigned n, next;
};

/* Puts one in; the oldest comes out when the queue is full, else NULL. */
static inline void *queue_exchange(struct trace_queue *queue, void *in)
{
    void **place = &queue->entries[queue->next++ % QUEUE_ENTRIES];
    void *out = *place;
    *place = in;
    if (sgc_likely(queue->n == QUEUE_ENTRIES))
        return out;
    queue->n++;
    return NULL;
}

/* The oldest, or NULL. */
static inline void *queue_take(struct trace_queue *queue)
{
    return queue->n > 0 ? queue->entries[(queue->next - queue->n--) % QUEUE_ENTRIES] : NULL;
}

static void trace_drain(struct sgc_trace *trace)
{
    const struct trace_view view = trace_view(trace);
    struct trace_queue to_mark = {.n = 0}, to_examine = {.n = 0};
    for (;;) {
        void *object = sgc_mark_stack_pop(&trace->stack);
        if (sgc_likely(object != NULL)) {
            __builtin_prefetch(view.words + (((uintptr_t)object - view.base) >> (SGC_GRANULE_SHIFT + 6)), 1);
            object = queue_exchange(&to_mark, object);
            if (sgc_unlikely(!object))
                continue;
        } else {
            object = queue_take(&to_mark);
        }
        if (sgc_likely(object != NULL)) {
            if (!trace_mark(&view, object))
                continue;
            __builtin_prefetch(object);
            object = queue_exchange(&to_examine, object);
            if (sgc_unlikely(!object))
                continue;
        } else if (!(object = queue_take(&to_examine))) {
            return;
        }
        trace_examine(trace, view.slabs[((uintptr_t)object - view.base) >> SGC_SLAB_SHIFT].class_->cache, object);
    }
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

/* The first call looks at each pending ephemeron once: its key is marked now, or trace_watch_one meets the key when it
 * is marked later. So ephemerons take time linear in their number, however they are chained. */
void sgc_trace_complete(struct sgc_trace *trace)
{
    trace_drain(trace);
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
            sgc_trace_visit(trace, sgc_slab_start(slab) + (i * 8 + byte) * SGC_GRANULE_BYTES);
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
    sgc_trace_visit(trace, object);
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

void sgc_trace_destroy(struct sgc_heap *heap)
{
    SGC_CHECK(!heap->trace); /* a heap closes at a stop, and a trace is over before its stop is */
}
