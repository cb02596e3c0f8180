/* select.h - which strategy serves a heap. Called in a turn (runtime.h). */
#ifndef SLABGC_CORE_RUNTIME_SELECT_H
#define SLABGC_CORE_RUNTIME_SELECT_H

#include "core/runtime/config.h"
#include <slabgc/plugin.h>

/* Chooses and loads: config's strategy for the heap, else `wanted` (the program's, may be NULL), else the first of
 * default_strategies that is found and meets the needs. 0 and *out; -ENOTSUP: the chosen one lacks a need (message:
 * place, each missing capability, alternatives); or as sgc_loader_get, with the place of the config line. */
int sgc_select(const struct sgc_config *config, const char *heap, const char *wanted, uint32_t needs,
               const struct sgc_strategy_plugin **out, struct sgc_error *error);

/* Loads the named strategy for the heap and checks that it meets the needs; entry: the config line that named it, or
 * NULL. */
int sgc_select_named(const struct sgc_config *config, const char *heap, const char *name, uint32_t needs,
                     const struct sgc_config_entry *entry, const struct sgc_strategy_plugin **out,
                     struct sgc_error *error);

#endif
