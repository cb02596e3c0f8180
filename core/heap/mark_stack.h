/* mark_stack.h - what the tracing engine still has to look at: a stack of references and a short prefetch queue in
 * front of it. Used by trace.c alone, at a stop, by one thread. The mark is tested and set when a reference leaves the
 * queue, by which time the prefetch that began at its entry has brought in its mark word and the object's first line.
 * Invariant: what was pushed and not dropped comes out of `next` exactly once; `overflowed` tells that something was
 * dropped, for want of memory. Sources: Cher, Hosking & Vitek, ASPLOS 2004 (FIFO in front of the stack); Boehm's
 * collector (drop on overflow and rescan, in trace.c). */
#ifndef SLABGC_CORE_HEAP_MARK_STACK_H
#define SLABGC_CORE_HEAP_MARK_STACK_H

#include "core/base/check.h"
#include "core/slab/slab.h"

#define SGC_MARK_SEGMENT_ENTRIES                                                                                       \
    16383 /* with its link 128 KiB: a mapping of its own, so that a deep trace gives everything back */
#ifndef SGC_MARK_FIFO_ENTRIES
#define SGC_MARK_FIFO_ENTRIES 32 /* measured: see TRACING.md; a power of two, 0: no queue */
#endif

struct sgc_mark_segment {
    struct sgc_mark_segment *below;
    void *entries[SGC_MARK_SEGMENT_ENTRIES];
};

/* The first segment is part of the stack: a trace works, if slowly, where the OS refuses every byte. */
struct sgc_mark_stack {
    void **top, **limit;              /* next free entry and end of the uppermost segment */
    struct sgc_mark_segment *segment; /* the uppermost */
    struct sgc_mark_segment *spare;   /* one kept, so that a stack that swings around a segment's end maps nothing */
    bool overflowed;                  /* an entry was dropped since the flag was cleared */
    uint32_t n_waiting, oldest;       /* the queue: entries in it, place of the oldest */
    void *waiting[SGC_MARK_FIFO_ENTRIES ? SGC_MARK_FIFO_ENTRIES : 1];
    struct sgc_mark_segment first;
};

void sgc_mark_stack_init(struct sgc_mark_stack *stack);
/* Frees the spare segment; the stack must be empty, which it is after a trace. */
void sgc_mark_stack_trim(struct sgc_mark_stack *stack);
bool sgc_mark_stack_push_slow(struct sgc_mark_stack *stack, void *object);
void *sgc_mark_stack_pop_slow(struct sgc_mark_stack *stack);

/* object: not NULL. False: dropped, and overflowed is set. */
static inline bool sgc_mark_stack_push(struct sgc_mark_stack *stack, void *object)
{
    if (sgc_unlikely(stack->top == stack->limit))
        return sgc_mark_stack_push_slow(stack, object);
    *stack->top++ = object;
    return true;
}

/* NULL: the stack is empty (the queue may not be). */
static inline void *sgc_mark_stack_pop(struct sgc_mark_stack *stack)
{
    if (sgc_unlikely(stack->top == stack->segment->entries))
        return sgc_mark_stack_pop_slow(stack);
    return *--stack->top;
}

/* More than a segment is waiting: a good moment to drain. */
static inline bool sgc_mark_stack_is_deep(const struct sgc_mark_stack *stack)
{
    return stack->segment != &stack->first;
}

/* Mark word of the object at p: bit sgc_mark_bit(p) of it. Words of neighbouring slabs are neighbours, so no descriptor
 * is read. */
static inline uint64_t *sgc_mark_word(const void *p)
{
    return sgc_arena.bit_words[SGC_KIND_MARK] + (((uintptr_t)p - sgc_arena.base) >> (SGC_GRANULE_SHIFT + 6));
}
static inline uint64_t sgc_mark_bit(const void *p)
{
    return UINT64_C(1) << ((((uintptr_t)p - sgc_arena.base) >> SGC_GRANULE_SHIFT) & 63);
}

/* The next reference to mark, prefetched some entries ago; NULL: nothing is left. */
static inline void *sgc_mark_stack_next(struct sgc_mark_stack *stack)
{
    if (SGC_MARK_FIFO_ENTRIES == 0)
        return sgc_mark_stack_pop(stack);
    const uint32_t mask = SGC_MARK_FIFO_ENTRIES - 1;
    for (;;) {
        void *in = sgc_mark_stack_pop(stack);
        if (!in)
            break;
        __builtin_prefetch(sgc_mark_word(in), 1);
        __builtin_prefetch(in, 0);
        const uint32_t at = (stack->oldest + stack->n_waiting) & mask;
        if (sgc_likely(stack->n_waiting == SGC_MARK_FIFO_ENTRIES)) {
            void *out = stack->waiting[at];
            stack->waiting[at] = in;
            stack->oldest = (stack->oldest + 1) & mask;
            return out;
        }
        stack->waiting[at] = in;
        stack->n_waiting++;
    }
    if (stack->n_waiting == 0)
        return NULL;
    void *out = stack->waiting[stack->oldest & mask];
    stack->oldest = (stack->oldest + 1) & mask;
    stack->n_waiting--;
    return out;
}

#endif
