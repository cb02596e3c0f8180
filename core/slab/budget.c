/* budget.c - see budget.h.
 * Invariant: used_bytes is the sum of the runs charged and not returned, and never passed a limit that held when it
 *   was charged. */
#include "core/slab/budget.h"

#include "core/base/check.h"

static bool budget_refuses(const uint64_t *limit_bytes, uint64_t used_bytes)
{
    const uint64_t limit = __atomic_load_n(limit_bytes, __ATOMIC_RELAXED);
    return limit && used_bytes > limit;
}

static void budget_raise_peak(struct sgc_budget *budget, uint64_t used_bytes)
{
    uint64_t peak = __atomic_load_n(&budget->peak_bytes, __ATOMIC_RELAXED);
    while (used_bytes > peak)
        if (__atomic_compare_exchange_n(&budget->peak_bytes, &peak, used_bytes, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return;
}

bool sgc_budget_charge(struct sgc_budget *budget, uint64_t bytes, bool soft)
{
    if (!budget)
        return true;
    uint64_t used = __atomic_load_n(&budget->used_bytes, __ATOMIC_RELAXED);
    do {
        if (budget_refuses(&budget->hard_bytes, used + bytes) ||
            (soft && budget_refuses(&budget->soft_bytes, used + bytes)))
            return false;
    } while (!__atomic_compare_exchange_n(&budget->used_bytes, &used, used + bytes, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    budget_raise_peak(budget, used + bytes);
    return true;
}

void sgc_budget_return(struct sgc_budget *budget, uint64_t bytes)
{
    if (budget) {
        const uint64_t before = __atomic_fetch_sub(&budget->used_bytes, bytes, __ATOMIC_RELAXED);
        SGC_DCHECK(before >= bytes);
        (void)before;
    }
}
