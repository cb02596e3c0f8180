/* end.h - the straight end of an object: its only holder lets go, its slot goes into the thread's window, nobody else
 * hears of it.
 * Called by hold.c (a drop at rest) and decrement.c (drops that waited for a section's end), inside a call or section.
 *
 * Which objects: those whose state byte is their cache's end_state: the strategy's ops->end_state where an end needs no
 * more than the slot, 0 where it does (constructor, finalizer, debug checks, ephemerons). An end_state that is not 0
 * contains SGC_STATE_COUNTED, and the callers ask for counted objects alone, so 0 is no such object's state.
 *
 * Argument. The caller owns a claim, and the count says that it is the only one. The acquire load pairs with the
 * acq_rel decrements of former owners: what they did to the object happened before, their writes of the state byte too,
 * so the state that is read after the count is theirs or newer. With that state
 *   - no weak reference and no ephemeron names the object (SGC_STATE_WATCHED), so none can raise its count;
 *   - no field of it ever got a reference, no record of the strategy's names it, and no other thread can have a
 *     reference that it read in a section: that is what the strategy promises with end_state (plugin.h).
 * Hence from the load of the count to the end nobody else reads or writes count, state or object, and plain stores do.
 * The state byte may stay: sgc_new writes that of the slot which it hands out. The slot's entry comes after the count
 * of 0 and before the window counts it (core/cache/fork.c and stop.c read windows at any instruction). */
#ifndef SLABGC_CORE_HEAP_END_H
#define SLABGC_CORE_HEAP_END_H

#include "core/heap/heap.h"

/* object: an allocated one; count, state: its bytes, read in this order, count by an acquire load. True: it is gone.
 * False: nothing was done. */
static inline bool sgc_end_try(const struct sgc_context *context, void *object, uint8_t count, uint8_t state)
{
    const struct sgc_class *class_ = sgc_slab_of(object)->class_;
    if (sgc_unlikely(count != 1 || state != class_->cache->end_state))
        return false;
    struct sgc_window *window = &context->fronts[class_->index]->window;
    const uint64_t word = window->word;
    if (sgc_unlikely((uint8_t)word >= window->limit))
        return false; /* the window is full, or the thread has none yet */
    __atomic_store_n(sgc_count_byte(&sgc_counts, object), 0, __ATOMIC_RELAXED);
    __atomic_store_n(&window->slots[(uint8_t)word], object, __ATOMIC_RELAXED);
    __atomic_store_n(&window->word, word + 1, __ATOMIC_RELEASE);
    return true;
}

#endif
