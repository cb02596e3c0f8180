/* hold.c - holds: claims from outside the heap, and the thread's hold stack.
 * Called by programs. sgc_hold and sgc_drop are fast paths: one count, inside a section (the program's, or a short one of their own). */
#include "core/heap/section.h"
#include "core/os/meta.h"
#include <errno.h>
#include <string.h>

static SGC_COLD void hold_foreign(const void *object, const char *call)
{
    sgc_panic("%s: foreign pointer %p: not an object of any heap", call, object);
}

void *sgc_hold(void *object)
{
    if (sgc_unlikely(!sgc_is_object(object)))
        return object;
    if (sgc_unlikely(!sgc_arena_covers(object)))
        hold_foreign(object, "sgc_hold");
    SGC_SHORT_SECTION_BEGIN(context);
    sgc_count_increment(&sgc_counts, object, sgc_solo);
    SGC_SHORT_SECTION_END(context);
    return object;
}

/* A drop that somebody must hear of: counting strategies and manual types. */
static SGC_NOINLINE void drop_counted(void *object, bool outermost)
{
    if (outermost)
        sgc_decrement_now(object);
    else
        sgc_decrement_later(object);
}

void sgc_drop(void *object)
{
    if (sgc_unlikely(!sgc_is_object(object)))
        return;
    if (sgc_unlikely(!sgc_arena_covers(object)))
        hold_foreign(object, "sgc_drop");
    SGC_SHORT_SECTION_BEGIN(context);
    if (__atomic_load_n(sgc_state_byte(&sgc_counts, object), __ATOMIC_RELAXED) & SGC_STATE_COUNTED)
        drop_counted(object, outermost_);
    else
        sgc_count_decrement(&sgc_counts, object, sgc_solo);
    SGC_SHORT_SECTION_END(context);
}

static SGC_NOINLINE bool hold_stack_grow(struct sgc_context *context)
{
    const size_t n = (size_t)(context->hold_limit - context->hold_base);
    void **bigger = sgc_meta_alloc(n * 2 * sizeof(void *));
    if (!bigger)
        return false;
    memcpy(bigger, context->hold_base, n * sizeof(void *));
    void **old = context->hold_base;
    context->hold_base = bigger;
    context->hold_top = bigger + n;
    context->hold_limit = bigger + n * 2;
    sgc_meta_free(old, n * sizeof(void *));
    return true;
}

void *sgc_push(void *object)
{
    struct sgc_context *context = &sgc_context_;
    if (sgc_unlikely(!context->thread) && sgc_thread_attach() < 0)
        goto refused;
    if (sgc_unlikely(context->hold_top == context->hold_limit) && !hold_stack_grow(context))
        goto refused;
    *context->hold_top = object;
    __atomic_signal_fence(__ATOMIC_RELEASE); /* entry before top: see fork.c */
    context->hold_top++;
    return object;
refused:
    errno = ENOMEM;
    return NULL;
}

size_t sgc_mark(void)
{
    return (size_t)(sgc_context_.hold_top - sgc_context_.hold_base);
}

void sgc_unwind(size_t mark)
{
    struct sgc_context *context = &sgc_context_;
    const size_t height = sgc_mark();
    if (sgc_unlikely(mark > height))
        sgc_panic("sgc_unwind: mark %zu is above the hold stack's height %zu", mark, height);
    while (sgc_mark() > mark) {
        context->hold_top--;
        sgc_drop(*context->hold_top);
    }
}
