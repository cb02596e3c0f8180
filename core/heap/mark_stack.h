/* mark_stack.h - what the tracing engine still has to look at: a stack of references, in segments.
 * Used by trace.c alone, at a stop, by one thread.
 * Invariant: what was pushed and not dropped pops exactly once; `overflowed` tells that something was dropped, for want
 *   of memory. The first segment is part of the stack: a trace works, if slowly, where the OS refuses every byte.
 * Source: Boehm's collector (drop on overflow; trace.c rescans). */
#ifndef SLABGC_CORE_HEAP_MARK_STACK_H
#define SLABGC_CORE_HEAP_MARK_STACK_H

#include "core/base/check.h"
#include "core/slab/slab.h"

#define SGC_MARK_SEGMENT_ENTRIES 16383 /* with its link 128 KiB: a mapping of its own, given back when it is empty */

struct sgc_mark_segment {
    struct sgc_mark_segment *below;
    void *entries[SGC_MARK_SEGMENT_ENTRIES];
};

struct sgc_mark_stack {
    void **top, **limit;              /* next free entry and end of the uppermost segment */
    struct sgc_mark_segment *segment; /* the uppermost */
    struct sgc_mark_segment *spare;   /* one kept, so that a stack that swings around a segment's end maps nothing */
    bool overflowed;                  /* an entry was dropped since the flag was cleared */
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

/* The newest, or NULL. */
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

#endif
