/* call.h - core's own calls at rest, kept apart from stops.
 * Each call of slabgc by a thread at rest is a short section of its own (contract, clause 2). It needs no grace
 *   period to wait for it, as its operands are held; only a stop must
 * not overlap it. So it sets a word of its own in the thread's context, `busy`, and looks at the stop flag: no
 *   library call, no line that another thread
 * writes. Inside a section, or inside another call, it is part of that one.
 *
 * Argument. Begin: store busy = 1 (S1), then load the flag (L1). Stop (heap/stop.c): store the flag (S2), membarrier,
 *   then read every thread's busy and depth.
 * The membarrier puts a full fence into each running thread. If S1 comes before that fence, the stop reads busy = 1
 *   and waits until it is 0; if after, L1
 * comes after it too and sees S2, and the thread takes busy back and waits. The end's release store pairs with the
 *   stop's acquire load: what the call did is visible to the
 * stopper; the stop's end stores the flag with release, which pairs with L1's acquire. Where membarrier is missing
 *   the flag has SGC_STOP_FENCED
 * set for ever, so that every begin takes the slow way round, through a full fence of its own. */
#ifndef SLABGC_CORE_CACHE_CALL_H
#define SLABGC_CORE_CACHE_CALL_H

#include "core/base/check.h"
#include <slabgc/context.h>
#include <slabgc/testpoint.h>

#define SGC_STOP_NOW 1u    /* a stop wants to begin, or is there */
#define SGC_STOP_FENCED 2u /* entries must fence for themselves */
#define SGC_STOP_RECORDING 4u /* a recording runs: every call takes its slow path, where it is recorded */

extern SGC_INTERNAL uint32_t sgc_stop_flag; /* atomic */
extern void (*sgc_call_wait)(
    struct sgc_context *context); /* set once by the heap layer, before a flag can be: heap/stop.c */

/* The fast paths' form: the thread was found at rest. False: a stop is near, nothing is begun, take the slow path. */
static inline bool sgc_call_try(struct sgc_context *context)
{
    if (SGC_TEST_MUTANT("check-first")) {
        if (__atomic_load_n(&sgc_stop_flag, __ATOMIC_ACQUIRE))
            return false;
        SGC_TEST_POINT("call: half in");
    }
    __atomic_store_n(&context->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the other half is the stop's membarrier */
    SGC_TEST_POINT("call: half in");
    if (sgc_unlikely(__atomic_load_n(&sgc_stop_flag, __ATOMIC_ACQUIRE)) && !SGC_TEST_MUTANT("no-stop-check") &&
        !SGC_TEST_MUTANT("check-first")) {
        __atomic_store_n(&context->busy, 0, __ATOMIC_RELEASE);
        return false;
    }
    return true;
}

/* True: this is the outermost call, and sgc_call_end is due. The thread is attached. */
static inline bool sgc_call_begin(struct sgc_context *context)
{
    if (context->depth | context->busy)
        return false;
    if (sgc_unlikely(!sgc_call_try(context))) {
        __atomic_store_n(&context->busy, 1, __ATOMIC_RELAXED);
        sgc_call_wait(context);
    }
    return true;
}

static inline void sgc_call_end(struct sgc_context *context)
{
    __atomic_store_n(&context->busy, 0, __ATOMIC_RELEASE); /* pairs with the acquire in heap/stall.c */
}

#endif
