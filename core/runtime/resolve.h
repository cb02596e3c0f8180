/* resolve.h - config and a program's options for one heap, as core/heap wants them. */
#ifndef SLABGC_CORE_RUNTIME_RESOLVE_H
#define SLABGC_CORE_RUNTIME_RESOLVE_H

#include "core/runtime/params.h"
#include "core/runtime/runtime.h"

struct sgc_resolved {
    struct sgc_heap_setup setup; /* params points to params.values */
    struct sgc_params params;
};

/* Fills *out for a heap that plugin serves. 0; or -EINVAL as a place error (a parameter, limits that contradict each
 * other). */
int sgc_resolve(const struct sgc_config *config, const char *heap, const struct sgc_heap_options *options,
                const struct sgc_strategy_plugin *plugin, struct sgc_resolved *out, struct sgc_error *error);

#endif
