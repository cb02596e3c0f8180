/* reload.h - putting another config into effect: every change or none. Called in a turn (runtime.h). */
#ifndef SLABGC_CORE_RUNTIME_RELOAD_H
#define SLABGC_CORE_RUNTIME_RELOAD_H

#include "core/runtime/runtime.h"

/* Called for each open heap whose values change, when they have. */
typedef void sgc_reload_changed_fn(void *arg, const struct sgc_heap *heap);

/* Makes `new`, which is checked and becomes this function's in any case, the current config, and changes open heaps
 * accordingly, each at a stop. dry_run: tells what would change. 0; or -EBUSY for what cannot change, and nothing has;
 * -ENOMEM. */
int sgc_reload_apply(struct sgc_config *new, bool dry_run, sgc_reload_changed_fn *changed, void *arg,
                     struct sgc_error *error);
/* The same with what the sources say now. */
int sgc_reload(bool dry_run, sgc_reload_changed_fn *changed, void *arg, struct sgc_error *error);

#endif
