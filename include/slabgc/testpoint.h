/* testpoint.h - places in core and plug-ins where a test may hold a thread, and steps that it may leave out.
 * For tests alone: a build without SGC_TEST_HOOKS has neither, and its code is the same as if they were not written. A
 * plug-in needs no symbol of core for them: both functions are weak references, which the test program defines and
 * exports. */
#ifndef SLABGC_TESTPOINT_H
#define SLABGC_TESTPOINT_H

#ifdef SGC_TEST_HOOKS
#ifdef __cplusplus
extern "C" {
#endif
/* The calling thread has come to this point. Any thread, any state, also with locks held. */
__attribute__((weak, visibility("default"))) void sgc_test_point(const char *point);
/* Non-zero: the step of this name is to be left out. */
__attribute__((weak, visibility("default"))) int sgc_test_mutant(const char *mutant);
#ifdef __cplusplus
}
#endif
#define SGC_TEST_POINT(point) (sgc_test_point ? sgc_test_point(point) : (void)0)
#define SGC_TEST_MUTANT(mutant) (sgc_test_mutant && sgc_test_mutant(mutant))
#else
#define SGC_TEST_POINT(point) ((void)0)
#define SGC_TEST_MUTANT(mutant) 0
#endif

#endif
