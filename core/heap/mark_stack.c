/* mark_stack.c - growing and shrinking of the tracing engine's stack.
 * Called by the inline functions of mark_stack.h when a segment is full or empty.
 * Invariant: every segment below the uppermost is full. Locks: none (one thread, at a stop); sgc_meta takes its own. */
#include "core/heap/mark_stack.h"

#include "core/os/meta.h"

void sgc_mark_stack_init(struct sgc_mark_stack *stack)
{
    stack->segment = &stack->first;
    stack->top = stack->first.entries;
    stack->limit = stack->first.entries + SGC_MARK_SEGMENT_ENTRIES;
    stack->overflowed = false;
}

void sgc_mark_stack_trim(struct sgc_mark_stack *stack)
{
    SGC_DCHECK(stack->segment == &stack->first && stack->top == stack->first.entries);
    sgc_meta_free(stack->spare, sizeof(*stack->spare));
    stack->spare = NULL;
}

SGC_NOINLINE bool sgc_mark_stack_push_slow(struct sgc_mark_stack *stack, void *object)
{
    struct sgc_mark_segment *segment = stack->spare;
    if (!segment)
        segment = sgc_meta_alloc(sizeof(*segment));
    if (!segment) {
        stack->overflowed = true;
        return false;
    }
    stack->spare = NULL;
    segment->below = stack->segment;
    stack->segment = segment;
    stack->top = segment->entries;
    stack->limit = segment->entries + SGC_MARK_SEGMENT_ENTRIES;
    *stack->top++ = object;
    return true;
}

SGC_NOINLINE void *sgc_mark_stack_pop_slow(struct sgc_mark_stack *stack)
{
    struct sgc_mark_segment *empty = stack->segment;
    if (empty == &stack->first)
        return NULL;
    stack->segment = empty->below;
    stack->limit = stack->top = stack->segment->entries + SGC_MARK_SEGMENT_ENTRIES;
    if (stack->spare)
        sgc_meta_free(empty, sizeof(*empty));
    else
        stack->spare = empty;
    return *--stack->top;
}
