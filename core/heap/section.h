/* section.h - the section itself, inline for core's own short sections.
 * A section is a liburcu-bp read-side section (one flavour in the process), checked against the stop flag on entry. The entry writes the
 * thread's own urcu counter and context only: no line that another thread reads in its own section.
 *
 * Argument. Entry: store urcu counter (S1), then load the stop flag (L1). Stop: store the flag (S2), then wait for a grace period, whose membarrier
 * (or the reader's full fence where membarrier is missing) puts a full fence into every thread. If L1 missed S2, S1 precedes that fence, so the grace
 * period sees the section and waits for it. If L1 saw S2, the thread leaves at once and waits for the stop's end. Either way no section overlaps a stop. */
#ifndef SLABGC_CORE_HEAP_SECTION_H
#define SLABGC_CORE_HEAP_SECTION_H

#include "core/base/check.h"
#include "core/base/sanitize.h"
#include "core/heap/heap.h"
#ifndef _LGPL_SOURCE
#define _LGPL_SOURCE /* inline read side; MIT is compatible with it */
#endif
#include <urcu/urcu-bp.h>

/* Two addresses for TSan, which sees neither membarrier nor liburcu: sections release to `rest`, a stop or grace period acquires it; a stop's end releases to
 * `resume`, sections acquire it. Sections are not ordered among themselves, so races between them stay visible. */
extern char sgc_tsan_rest, sgc_tsan_resume;

void sgc_section_wait_for_stop(struct sgc_context *context); /* stop.c */
void sgc_section_attach(void);                               /* thread.c: attaches or panics */

/* Outermost entry; context->depth is 0. */
static inline void sgc_section_begin(struct sgc_context *context)
{
    if (sgc_unlikely(!context->thread))
        sgc_section_attach();
    __atomic_store_n(&context->n_sections, context->n_sections + 1, __ATOMIC_RELAXED); /* before depth: a watcher sees one number for one section */
    __atomic_store_n(&context->depth, 1, __ATOMIC_RELAXED);
    urcu_bp_read_lock();
#ifndef SGC_MUTATE_NO_STOP_CHECK
    if (sgc_unlikely(__atomic_load_n(&sgc_stop_flag, __ATOMIC_ACQUIRE))) /* pairs with the flag's stores in stop.c */
        sgc_section_wait_for_stop(context);
#endif
    SGC_TSAN_ACQUIRE(&sgc_tsan_resume);
}

/* Outermost leave; context->depth is 1. */
static inline void sgc_section_end(struct sgc_context *context)
{
    if (sgc_unlikely(context->rest_pending))
        sgc_deferred_apply(context->thread);
    SGC_TSAN_RELEASE(&sgc_tsan_rest);
    urcu_bp_read_unlock();
    __atomic_store_n(&context->depth, 0, __ATOMIC_RELAXED);
}

/* A core call at rest is a short section of its own; within a section it is part of that one. */
#define SGC_SHORT_SECTION_BEGIN(context_)                                                                              \
    struct sgc_context *const context_ = &sgc_context_;                                                                \
    const bool outermost_ = context_->depth == 0;                                                                      \
    if (outermost_)                                                                                                    \
    sgc_section_begin(context_)
#define SGC_SHORT_SECTION_END(context_)                                                                                \
    do {                                                                                                               \
        if (outermost_)                                                                                                \
            sgc_section_end(context_);                                                                                 \
    } while (0)

#endif
