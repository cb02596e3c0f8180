/* tune_fake.c - see tune_fake.h. */
#include "tests/tools/gcctl/tune_fake.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const struct sgc_param young_params[] = {
    {"size", SGC_PARAM_BYTES, 64 << 10, UINT64_C(1) << 40, 8 << 20, 1, "Bytes between minor collections."},
    {"growth", SGC_PARAM_PERCENT, 10, 10000, 100, 1, "Growth between full collections."},
    {"eager", SGC_PARAM_BOOL, 0, 1, 0, 1, "Sweeps at once."},
};
static const struct sgc_param count_params[] = {
    {"threshold", SGC_PARAM_COUNT, 1, 1 << 28, 4096, 1, "Candidates between collections."},
    {"budget", SGC_PARAM_BYTES, 0, UINT64_C(1) << 48, 0, 1, "Bytes between collections; 0: never."},
    {"wait", SGC_PARAM_DURATION_NS, 0, UINT64_C(60000000000), 10000000, 1, "The longest wait."},
    {"share", SGC_PARAM_PERCENT, 0, 100, 50, 1, "Of something."},
};

const struct gcctl_strategies fake_strategies = {
    .all = {{"plain", SGC_NEED_PROMPT, NULL, 0},
            {"young", SGC_NEED_REFERENCES | SGC_NEED_CYCLES, young_params, 3},
            {"count", SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_PROMPT, count_params, 4}},
    .n = 3,
};

void fake_space(struct tune_space *space, size_t n_heaps, const char *strategy)
{
    struct gcctl_heap_found heaps[GCCTL_MAX_HEAPS];
    for (size_t i = 0; i < n_heaps; i++) {
        heaps[i] = (struct gcctl_heap_found){.needs = SGC_NEED_CYCLES};
        snprintf(heaps[i].name, sizeof(heaps[i].name), "heap%zu", i);
        snprintf(heaps[i].strategy, sizeof(heaps[i].strategy), "%s", strategy);
    }
    ck_assert_int_eq(tune_space_init(space, &fake_strategies, NULL, heaps, n_heaps, UINT64_C(16) << 30), 0);
}

size_t fake_param(const struct tune_space *space, const char *strategy, const char *key)
{
    for (size_t i = 0; i < space->n_params; i++)
        if (!strcmp(space->strategies.all[space->params[i].strategy].name, strategy) &&
            !strcmp(space->params[i].declared->key, key))
            return i;
    ck_abort_msg("no parameter %s of %s", key, strategy);
    return 0;
}

uint64_t fake_value(const struct tune_space *space, const struct tune_point *point, const char *strategy,
                    const char *key)
{
    return point->values[fake_param(space, strategy, key)];
}
