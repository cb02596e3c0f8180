/* search.h - where plug-ins lie: directories in order, files by name, what is at hand. Called in a turn (runtime.h). */
#ifndef SLABGC_CORE_RUNTIME_SEARCH_H
#define SLABGC_CORE_RUNTIME_SEARCH_H

#include "core/runtime/config.h"
#include <limits.h>
#include <slabgc/plugin.h>

/* The strategies that are part of core: the one of that name, or NULL; the i-th, NULL behind the last. */
const struct sgc_strategy_plugin *sgc_search_built_in(const char *name);
const struct sgc_strategy_plugin *sgc_search_built_in_at(size_t i);

/* Opens the file of a plug-in, an absolute path or a name to look up. Returns its descriptor and the path it was found
 * at; -ENOENT: there is none, the message proposes what there is; another negative errno: a file or directory that
 * cannot be opened. */
int sgc_search_open(const struct sgc_config *config, const char *name, char path[PATH_MAX], struct sgc_error *error);

/* Names of all strategies that sgc_search_open or sgc_search_built_in would find, each once, in pool's memory. */
struct sgc_search_names {
    const char **names;
    size_t n;
};
int sgc_search_list(const struct sgc_config *config, struct sgc_pool *pool, struct sgc_search_names *out,
                    struct sgc_error *error);

/* Checks that every strategy that config names by `strategy` or as [strategy.NAME] can be found; for the latter it is
 * enough that a `strategy` of config, or `wanted` (what the program asks for; may be NULL), is a path to such a file.
 * 0, or a place error. */
int sgc_search_check_config(const struct sgc_config *config, const char *wanted, struct sgc_error *error);

/* The strategy's name in a file's path, "/x/rcu.so": its first byte and its length. */
const char *sgc_search_name_in_path(const char *path, size_t *length);

#endif
