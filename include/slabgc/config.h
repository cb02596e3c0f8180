/* config.h - reading config again while the program runs, and showing where values came from. */
#ifndef SLABGC_CONFIG_H
#define SLABGC_CONFIG_H

#include <slabgc/context.h>
#include <slabgc/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads all config sources again; applies every live-settable change, or none: 0, or a negative errno with file:line:column in error. What cannot change in a
 * live heap (its strategy) is an error that says so. At rest; may block. */
SGC_API int sgc_config_reload(struct sgc_error *error);

/* Calls visit for each effective value: section ("heap.words"), key, value and origin ("slabgc.conf:3", "$SLABGC", "default"). Any thread at rest. */
typedef int sgc_config_visit_fn(void *arg, const char *section, const char *key, const char *value, const char *origin);
SGC_API int sgc_config_for_each(sgc_config_visit_fn *visit, void *arg);

#ifdef __cplusplus
}
#endif
#endif
