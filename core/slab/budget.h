/* budget.h - charging memory to a heap; called by region.c. No lock: used_bytes moves by compare-and-swap. */
#ifndef SLABGC_CORE_SLAB_BUDGET_H
#define SLABGC_CORE_SLAB_BUDGET_H

#include "core/slab/slab.h"

/* False: a limit would be passed, nothing is charged. budget may be NULL. */
bool sgc_budget_charge(struct sgc_budget *budget, uint64_t bytes, bool soft);
void sgc_budget_return(struct sgc_budget *budget, uint64_t bytes);

#endif
