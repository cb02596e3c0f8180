/* tune_fake.h - strategies and programs that exist on paper only, for the tests of tune. */
#ifndef SLABGC_TESTS_TOOLS_GCCTL_TUNE_FAKE_H
#define SLABGC_TESTS_TOOLS_GCCTL_TUNE_FAKE_H

#include "tools/gcctl/tune_search.h"

/* Strategies: "plain" (no parameters, no cycles), "young" (size, growth, eager), "count" (threshold, budget, wait, hard). */
extern const struct gcctl_strategies fake_strategies;
enum { FAKE_PLAIN, FAKE_YOUNG, FAKE_COUNT };

/* A space with these heaps, all on `strategy`, that need cycles. */
void fake_space(struct tune_space *space, size_t n_heaps, const char *strategy);
/* The parameter's index; fails the test when there is none. */
size_t fake_param(const struct tune_space *space, const char *strategy, const char *key);
/* Of a point. */
uint64_t fake_value(const struct tune_space *space, const struct tune_point *point, const char *strategy,
                    const char *key);

#endif
