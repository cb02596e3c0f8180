/* params.h - a plug-in's parameters as config sets them. No state, no lock. */
#ifndef SLABGC_CORE_RUNTIME_PARAMS_H
#define SLABGC_CORE_RUNTIME_PARAMS_H

#include "core/heap/heap.h"
#include "core/runtime/config.h"

/* One value for each entry of the plug-in's table, and where it came from (NULL: the table's default). */
struct sgc_params {
    uint64_t values[SGC_MAX_PARAMS];
    const struct sgc_config_entry *entries[SGC_MAX_PARAMS];
};

/* Reads all sections [strategy.NAME] of the plug-in: 0 and *out; or -EINVAL with the first unknown key, bad unit or
 * value out of bounds, as a place error; *out is then undefined. Also values that a later source overrides are judged.
 */
int sgc_params_resolve(const struct sgc_config *config, const struct sgc_strategy_plugin *plugin,
                       struct sgc_params *out, struct sgc_error *error);

#endif
