/* section.h - sections, inline for core's own use.
 * A program's section is two things: a word of the thread's context, `depth`, that keeps stops away exactly as `busy`
 * does for core's own calls (core/cache/call.h has the argument), and a liburcu-bp read-side section (one flavour in
 * the process), which grace periods wait for. Both write the thread's own lines only: no line that another thread reads
 * in its own section.
 * The order on entry: depth, flag, then liburcu; on leaving: liburcu, then depth. So a stop, too, is a grace period: it
 * waits for every depth. */
#ifndef SLABGC_CORE_HEAP_SECTION_H
#define SLABGC_CORE_HEAP_SECTION_H

#include "core/base/check.h"
#include "core/base/sanitize.h"
#include "core/cache/call.h"
#include "core/heap/heap.h"
#ifndef _LGPL_SOURCE
#define _LGPL_SOURCE /* inline read side; MIT is compatible with it */
#endif
#include <urcu/urcu-bp.h>

/* Two addresses for TSan, which sees neither membarrier nor liburcu: sections release to `rest`, a stop or grace period
 * acquires it; a stop's end releases to `resume`, sections acquire it. Sections are not ordered among themselves, so
 * races between them stay visible. */
extern char sgc_tsan_rest, sgc_tsan_resume;

/* Bits of context->rest_pending. */
#define SGC_REST_DEFERRED 1 /* decrements wait for the end of the section or call */
#define SGC_REST_RECORDED 4 /* the section's begin was recorded, so its end is */
#define SGC_REST_COLLECT 2  /* a collection fell due inside the section; it runs when the thread is at rest again */

void sgc_section_wait_for_stop(struct sgc_context *context); /* stop.c */
void sgc_section_rested(struct sgc_context *context);        /* collect.c: what rest_pending asks for at rest */
void sgc_section_attach(void);                               /* thread.c: attaches or panics */

/* Outermost entry; context->depth is 0. n_sections moves first: a watcher sees one number for one section, and who
 * reads the new number (acquire) knows the old section to be over. */
static inline void sgc_section_begin(struct sgc_context *context)
{
    if (sgc_unlikely(!context->thread))
        sgc_section_attach();
    __atomic_store_n(&context->n_sections, context->n_sections + 1, __ATOMIC_RELEASE);
    if (SGC_TEST_MUTANT("check-first")) {
        if (__atomic_load_n(&sgc_stop_flag, __ATOMIC_ACQUIRE))
            sgc_section_wait_for_stop(context);
        SGC_TEST_POINT("section: half in");
    }
    __atomic_store_n(&context->depth, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the other half is the stop's membarrier */
    SGC_TEST_POINT("section: half in");
    if (sgc_unlikely(__atomic_load_n(&sgc_stop_flag, __ATOMIC_ACQUIRE)) && /* pairs with the flag's stores in stop.c */
        !SGC_TEST_MUTANT("no-stop-check") && !SGC_TEST_MUTANT("check-first"))
        sgc_section_wait_for_stop(context);
    urcu_bp_read_lock();
    SGC_TSAN_ACQUIRE(&sgc_tsan_resume);
}

/* Outermost leave; context->depth is 1. */
static inline void sgc_section_end(struct sgc_context *context)
{
    if (sgc_unlikely(context->rest_pending & SGC_REST_DEFERRED))
        sgc_deferred_apply(context->thread);
    SGC_TSAN_RELEASE(&sgc_tsan_rest);
    urcu_bp_read_unlock();
    __atomic_store_n(&context->depth, 0, __ATOMIC_RELEASE); /* pairs with the acquire in stall.c */
    if (sgc_unlikely(context->rest_pending))
        sgc_section_rested(context);
}

/* A core call is a short section at rest, and part of the section elsewhere. outermost_: it began at rest. */
#define SGC_SHORT_SECTION_BEGIN(context_)                                                                              \
    struct sgc_context *const context_ = &sgc_context_;                                                                \
    if (sgc_unlikely(!context_->thread))                                                                               \
        sgc_section_attach();                                                                                          \
    const bool outermost_ = sgc_call_begin(context_)
#define SGC_SHORT_SECTION_END(context_)                                                                                \
    do {                                                                                                               \
        if (outermost_) {                                                                                              \
            if (sgc_unlikely(context_->rest_pending & SGC_REST_DEFERRED))                                              \
                sgc_deferred_apply(context_->thread);                                                                  \
            sgc_call_end(context_);                                                                                    \
        }                                                                                                              \
    } while (0)

#endif
