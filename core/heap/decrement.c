/* decrement.c - what happens when a claim on a counted object goes away, and decrements that wait for the end of a
 * section.
 * Called by hold.c and store.c, by strategies through the host, and at the end of outermost sections.
 *
 * Own-section validity (contract, clause 3): under a strategy that sets SGC_STATE_DEFER a decrement made inside a
 * program's section only joins the thread's list; the end of the section applies the list, still inside the section, so
 * that no stop comes between. What the deaths found there release joins the same list, as it does in a call at rest: a
 * long chain of objects unwinds in a loop, not in a recursion.
 * The list is the thread's own; entry before count, so that a forked child finds it whole.
 * No memory to grow the list: the count goes down at once, but a count of zero is not acted upon; the heap notes that,
 * and its next collection is a full one that offers each object to the strategy again (collect.c). Late, never lost. */
#include "core/heap/end.h"
#include "core/heap/section.h"
#include "core/os/meta.h"
#include <string.h>

/* A call at rest is no liburcu section, but a strategy whose readers take no lock counts on one: until it has put a
 * retired object where its grace period finds it, no grace period that began meanwhile may end. */
static SGC_NOINLINE void decrement_in_read_side(struct sgc_heap *heap, void *object)
{
    urcu_bp_read_lock();
    heap->ops->decrement(heap->self, object);
    SGC_TSAN_RELEASE(&sgc_tsan_rest);
    urcu_bp_read_unlock();
}

void sgc_decrement_now(void *object)
{
    struct sgc_cache *cache = sgc_object_cache(object);
    struct sgc_heap *heap = cache->heap;
    if (sgc_unlikely(cache->managed_manual))
        sgc_strategy_none.ops->decrement(NULL, object);
    else if (sgc_context_.depth == 0 && (heap->plugin->capabilities & SGC_NEED_CONCURRENT_READERS))
        decrement_in_read_side(heap, object);
    else
        heap->ops->decrement(heap->self, object);
}

static SGC_COLD void decrement_without_memory(void *object)
{
    const struct sgc_cache *cache = sgc_object_cache(object);
    struct sgc_heap *heap = cache->heap;
    if (sgc_count_decrement(&sgc_counts, object, sgc_solo) && cache->managed_manual)
        __atomic_fetch_or(sgc_state_byte(&sgc_counts, object), SGC_STATE_MANUAL_LOST, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->lost_decrements, true, __ATOMIC_RELEASE); /* pairs with the exchange in collect.c */
    sgc_pacer_request(heap, SGC_COLLECT_FULL);
}

static SGC_NOINLINE bool deferred_grow(struct sgc_thread *thread)
{
    const uint32_t capacity = thread->deferred_capacity * 2;
    void **bigger = sgc_meta_alloc(capacity * sizeof(void *));
    if (!bigger)
        return false;
    memcpy(bigger, thread->deferred, thread->n_deferred * sizeof(void *));
    void **old = thread->deferred;
    const uint32_t old_capacity = thread->deferred_capacity;
    thread->deferred = bigger;
    thread->deferred_capacity = capacity;
    sgc_meta_free(old, old_capacity * sizeof(void *));
    return true;
}

static void deferred_push(struct sgc_context *context, void *object)
{
    struct sgc_thread *thread = context->thread;
    if (sgc_unlikely(thread->n_deferred == thread->deferred_capacity) && !deferred_grow(thread)) {
        decrement_without_memory(object);
        return;
    }
    thread->deferred[thread->n_deferred] = object;
    __atomic_signal_fence(__ATOMIC_RELEASE); /* entry before count: see fork.c */
    thread->n_deferred++;
    context->rest_pending |= SGC_REST_DEFERRED;
}

void sgc_decrement_later(void *object)
{
    struct sgc_context *context = &sgc_context_;
    const uint8_t state = __atomic_load_n(sgc_state_byte(&sgc_counts, object), __ATOMIC_RELAXED);
    if ((state & SGC_STATE_DEFER) && (context->depth | context->busy) && !SGC_TEST_MUTANT("no-defer")) {
        deferred_push(context, object);
        return;
    }
    sgc_decrement_now(object);
}

void sgc_deferred_apply(struct sgc_thread *thread)
{
    while (thread->n_deferred > 0) {
        thread->n_deferred--;
        __atomic_signal_fence(__ATOMIC_ACQUIRE);
        void *object = thread->deferred[thread->n_deferred];
        const uint8_t count = __atomic_load_n(sgc_count_byte(&sgc_counts, object), __ATOMIC_ACQUIRE); /* see end.h */
        const uint8_t state = __atomic_load_n(sgc_state_byte(&sgc_counts, object), __ATOMIC_RELAXED);
        if (!sgc_end_try(thread->context, object, count, state))
            sgc_decrement_now(object);
    }
    thread->context->rest_pending &= (uint8_t)~SGC_REST_DEFERRED;
}
