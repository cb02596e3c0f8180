/* hold.c - holds: claims from outside the heap, and the thread's hold stack.
 * While a recording runs sgc_arena_covers_plainly is false and all calls take their recorded forms.
 * Called by programs. sgc_hold and sgc_drop are fast paths: one count, inside a section (the program's, or a short one
 * of their own). */
#include "core/heap/end.h"
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/os/meta.h"
#include <errno.h>
#include <string.h>

static SGC_COLD void hold_foreign(const void *object, const char *call)
{
    sgc_panic("%s: foreign pointer %p: not an object of any heap", call, object);
}

/* In the call that a general path began: a recording runs, or the object is none. Ends the call, so that the path that
 * comes here keeps nothing for later. */
static SGC_NOINLINE void *hold_recorded(struct sgc_context *context, void *object, bool outermost_)
{
    if (sgc_unlikely(!sgc_arena_covers(object)))
        hold_foreign(object, "sgc_hold");
    sgc_record_hold(object);
    sgc_count_increment(&sgc_counts, object, sgc_solo);
    SGC_SHORT_SECTION_END(context);
    return object;
}

/* The fast paths below make no call, so they save no register: whatever is not plain comes here as a whole. What is
 * plain is asked inside the section: a recording may have begun while it waited. */
static inline __attribute__((always_inline)) void *hold_in_call(struct sgc_context *context, void *object,
                                                                const bool outermost_)
{
    if (sgc_unlikely(!sgc_arena_covers_plainly(object)))
        return hold_recorded(context, object, outermost_);
    sgc_count_increment(&sgc_counts, object, sgc_solo);
    SGC_SHORT_SECTION_END(context);
    return object;
}

static SGC_NOINLINE void *hold_general(void *object)
{
    struct sgc_context *const context = &sgc_context_;
    if (sgc_unlikely(!context->thread))
        sgc_section_attach();
    return sgc_call_begin(context) ? hold_in_call(context, object, true) : hold_in_call(context, object, false);
}

static inline __attribute__((always_inline)) void drop_entered(void *object, bool outermost)
{
    if (!(__atomic_load_n(sgc_state_byte(&sgc_counts, object), __ATOMIC_RELAXED) & SGC_STATE_COUNTED))
        sgc_count_decrement(&sgc_counts, object, sgc_solo);
    else if (outermost)
        sgc_decrement_now(object); /* counting strategies and manual types hear of it */
    else
        sgc_decrement_later(object);
}

void sgc_drop_finalized(void *object, uint32_t generation)
{
    SGC_SHORT_SECTION_BEGIN(context);
    if (sgc_recording_all() && !sgc_record_finalized(generation, object))
        sgc_record_drop(object);
    drop_entered(object, outermost_);
    SGC_SHORT_SECTION_END(context);
}

static SGC_NOINLINE void drop_recorded(struct sgc_context *context, void *object, bool outermost_)
{
    if (sgc_unlikely(!sgc_arena_covers(object)))
        hold_foreign(object, "sgc_drop");
    sgc_record_drop(object);
    drop_entered(object, outermost_);
    SGC_SHORT_SECTION_END(context);
}

static inline __attribute__((always_inline)) void drop_in_call(struct sgc_context *context, void *object,
                                                               const bool outermost_)
{
    if (sgc_unlikely(!sgc_arena_covers_plainly(object))) {
        drop_recorded(context, object, outermost_);
        return;
    }
    drop_entered(object, outermost_);
    SGC_SHORT_SECTION_END(context);
}

/* In a section and at rest apart, so that neither asks again which it is. */
static SGC_NOINLINE void drop_general(void *object)
{
    struct sgc_context *const context = &sgc_context_;
    if (sgc_unlikely(!context->thread))
        sgc_section_attach();
    if (sgc_call_begin(context))
        drop_in_call(context, object, true);
    else
        drop_in_call(context, object, false);
}

/* Solo, and the low bits have room: the count moves by plain instructions. False: nothing was done. */
static inline bool hold_increment_solo(void *object)
{
    uint8_t *byte = sgc_count_byte(&sgc_counts, object);
    const uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
    if (sgc_unlikely(!sgc_solo || (old & 0x7f) >= SGC_COUNT_LOW_MAX))
        return false;
    __atomic_store_n(byte, (uint8_t)(old + 1), __ATOMIC_RELAXED);
    return true;
}

static inline bool hold_decrement_solo(uint8_t *byte, uint8_t old)
{
    if (sgc_unlikely(!sgc_solo || (uint8_t)((old & 0x7f) - 1) >= SGC_COUNT_LOW_MAX)) /* empty or dead, too */
        return false;
    __atomic_store_n(byte, (uint8_t)(old - 1), __ATOMIC_RELAXED);
    return true;
}

/* A counted object, at rest. False: nothing was done. */
static inline bool drop_counted(const struct sgc_context *context, void *object, uint8_t *byte, uint8_t count,
                                uint8_t state)
{
    if (count == 1)
        return sgc_end_try(context, object, count, state);
    return (state & sgc_object_cache(object)->quiet_mask) && hold_decrement_solo(byte, count); /* a claim is left */
}

void *sgc_hold(void *object)
{
    struct sgc_context *context = &sgc_context_;
    if (sgc_unlikely(!sgc_is_object(object)))
        return object;
    const bool outermost = !(context->depth | context->busy);
    if (sgc_unlikely(!sgc_arena_covers_plainly(object) || !context->thread || (outermost && !sgc_call_try(context))))
        return hold_general(object);
    const bool done = hold_increment_solo(object);
    if (outermost)
        sgc_call_end(context);
    return sgc_likely(done) ? object : hold_general(object);
}

void sgc_drop(void *object)
{
    struct sgc_context *context = &sgc_context_;
    if (sgc_likely(sgc_arena_covers_plainly(object) && !(context->depth | context->busy) && context->thread &&
                   sgc_call_try(context))) {
        uint8_t *byte = sgc_count_byte(&sgc_counts, object);
        const uint8_t count = __atomic_load_n(byte, __ATOMIC_ACQUIRE); /* before the state: see end.h */
        const uint8_t state = __atomic_load_n(sgc_state_byte(&sgc_counts, object), __ATOMIC_RELAXED);
        const bool done = sgc_likely(state & SGC_STATE_COUNTED) ? drop_counted(context, object, byte, count, state)
                                                                : hold_decrement_solo(byte, count);
        sgc_call_end(context);
        if (sgc_likely(done))
            return;
    }
    if (sgc_is_object(object)) /* NULL and immediates are in no arena */
        drop_general(object);
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
