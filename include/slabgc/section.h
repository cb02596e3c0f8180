/* section.h - sections: between the outermost sgc_enter() and sgc_leave() every reference that the thread reads stays valid.
 * A section never blocks on a lock or a thread; it delays collections while it lasts. Sections nest; only the outermost
 * pair counts. They cover every heap of the process. */
#ifndef SLABGC_SECTION_H
#define SLABGC_SECTION_H

#include <slabgc/context.h>

#ifdef __cplusplus
extern "C" {
#endif

SGC_API void sgc_enter_outermost_(void);
SGC_API void sgc_leave_outermost_(void);

/* Begins a section. Context: anywhere; the outermost one waits while a stop lasts, and attaches the thread on its
 * first use of slabgc (aborts with a clear message when the OS has no memory for that; see sgc_thread_attach). Cannot fail. */
static inline void sgc_enter(void)
{
    if (__builtin_expect(sgc_context_.depth != 0, 1))
        __atomic_store_n(&sgc_context_.depth, sgc_context_.depth + 1, __ATOMIC_RELAXED); /* others read it for reports */
    else
        sgc_enter_outermost_();
}

/* Ends a section. The outermost one applies the section's deferred decrements, so objects may be reclaimed here (reset callbacks run); then, at rest, it runs
 * the collection that fell due while the section allocated, if one did. */
static inline void sgc_leave(void)
{
    if (__builtin_expect(sgc_context_.depth > 1, 1))
        __atomic_store_n(&sgc_context_.depth, sgc_context_.depth - 1, __ATOMIC_RELAXED);
    else
        sgc_leave_outermost_();
}

/* Attaches the calling thread explicitly: 0, or -ENOMEM. Otherwise the first use attaches it. At rest. Detached at thread exit. */
SGC_API int sgc_thread_attach(void);

static inline void sgc_section_end_(const char *unused)
{
    (void)unused;
    sgc_leave();
}

/* A section from here to the end of the enclosing scope: SGC_SECTION; */
#define SGC_SECTION                                                                                                    \
    __attribute__((cleanup(sgc_section_end_), unused)) const char SGC_CAT(sgc_section_, __LINE__) = (sgc_enter(), 0)

#ifdef __cplusplus
}
#endif
#endif
