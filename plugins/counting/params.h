/* params.h - the parameters that both counting strategies have, in the order of struct sgc_counting_limits.
 * Defaults: 4096 candidates ask for a collection of some milliseconds at the most, and cost a thread 64 KiB of set.
 * Looking at old candidates when they are half of what the last look visited keeps those looks within a small
 * multiple of what the program allocates. Pacing by bytes is the backstop for dead cycles of few, large objects. */
#ifndef SLABGC_PLUGINS_COUNTING_PARAMS_H
#define SLABGC_PLUGINS_COUNTING_PARAMS_H

#include <slabgc/plugin.h>

#define SGC_COUNTING_PARAM_(key_, type_, minimum_, maximum_, default_, help_)                                          \
    {                                                                                                                  \
        key_, type_, minimum_, maximum_, default_, 1, help_                                                            \
    }
#define SGC_COUNTING_MANY_ (UINT64_C(1) << 28)
#define SGC_COUNTING_ALL_BYTES_ (UINT64_C(1) << 48)

/* clang-format off */
#define SGC_COUNTING_PARAMS \
    SGC_COUNTING_PARAM_("candidate_threshold", SGC_PARAM_COUNT, 1, SGC_COUNTING_MANY_, 4096, \
        "Young candidates of one thread that ask for a minor collection."), \
    SGC_COUNTING_PARAM_("old_candidate_threshold", SGC_PARAM_COUNT, 1, SGC_COUNTING_MANY_, 4096, \
        "Old candidates that make a minor collection look at all of them."), \
    SGC_COUNTING_PARAM_("old_growth", SGC_PARAM_PERCENT, 0, 10000, 50, \
        "Old candidates wait until they are this share of the objects that the last look at them visited."), \
    SGC_COUNTING_PARAM_("visit_budget", SGC_PARAM_COUNT, 1, SGC_COUNTING_MANY_, 2048, \
        "Objects that a minor collection visits for one candidate before it calls it old."), \
    SGC_COUNTING_PARAM_("young_size", SGC_PARAM_BYTES, 0, SGC_COUNTING_ALL_BYTES_, 0, \
        "Bytes allocated that make a minor collection due, whatever the candidates; 0: never."), \
    SGC_COUNTING_PARAM_("full_growth", SGC_PARAM_PERCENT, 0, 100000, 300, \
        "Bytes allocated, as a share of those that the last full collection left, that make the next due; 0: never."), \
    SGC_COUNTING_PARAM_("full_min", SGC_PARAM_BYTES, 0, SGC_COUNTING_ALL_BYTES_, UINT64_C(64) << 20, \
        "No full collection is due in a heap smaller than this."), \
    SGC_COUNTING_PARAM_("candidate_threshold_max", SGC_PARAM_COUNT, 1, SGC_COUNTING_MANY_, 1 << 20, \
        "To this the candidate threshold grows while minor collections find next to nothing dead.")
/* clang-format on */

#endif
