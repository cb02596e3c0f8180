/* loader.h - from a strategy's name or path to a checked plug-in. Called in a turn (runtime.h). */
#ifndef SLABGC_CORE_RUNTIME_LOADER_H
#define SLABGC_CORE_RUNTIME_LOADER_H

#include "core/runtime/config.h"
#include <slabgc/plugin.h>

/* Finds, checks and loads; a plug-in that is loaded already is checked again, not loaded again. Built-in strategies go
 * by their names. *out stays valid for the life of the process. -ENOENT: no such strategy, what there is instead;
 * -ENOEXEC: the file is refused; -EPERM: somebody else could have written it; other negative errno: it cannot be read.
 * Reads files, runs constructors of plug-ins. */
int sgc_loader_get(const struct sgc_config *config, const char *name, const struct sgc_strategy_plugin **out,
                   struct sgc_error *error);

/* Calls visit for each plug-in that passed its checks at least once, built-in ones first; non-zero ends it. */
int sgc_loader_for_each(int (*visit)(void *arg, const struct sgc_strategy_plugin *plugin), void *arg);

#endif
