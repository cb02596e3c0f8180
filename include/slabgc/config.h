/* config.h - reading config again while the program runs, and showing where values came from.
 * Config says which strategy owns each heap, and with what limits and parameters. It is read when the first heap opens,
 * from, each beating those before: /usr/lib/slabgc/slabgc.conf, /etc/slabgc/slabgc.conf,
 * /etc/slabgc/slabgc.conf.d/NAME.conf (sorted), the file $SLABGC_CONFIG, the text $SLABGC ("key=value,..."). */
#ifndef SLABGC_CONFIG_H
#define SLABGC_CONFIG_H

#include <slabgc/context.h>
#include <slabgc/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads all config sources again; applies every live-settable change to every open heap, or none. 0; or a negative
 * errno with file:line:column in error: EINVAL a line that cannot be understood, ENOENT a strategy or file that is not
 * there, EBUSY a value that cannot change while a heap or cache is open (its strategy, a parameter that is not live,
 * debug=) or since the first heap opened ([control]), ENOMEM. Context: at rest (panics in a section); may block; reads files; stops all threads for each heap that
 * changes.
 */
SGC_API int sgc_config_reload(struct sgc_error *error);

/* Calls visit for each value in effect: section ("heap.words"), key, value and origin ("/etc/slabgc/slabgc.conf:3",
 * "$SLABGC", "gcctl" (a live change), "program", "sgc_heap_switch", "default"): what config says of heaps, strategies, caches and plug-ins; for
 * each open heap and each loaded strategy also what it does not say. Non-zero from visit ends it and is returned; else
 * 0, or a negative errno when config cannot be read. The texts are valid for the call; visit may call slabgc. At rest
 * (panics in a section); may block. */
typedef int sgc_config_visit_fn(void *arg, const char *section, const char *key, const char *value, const char *origin);
SGC_API int sgc_config_for_each(sgc_config_visit_fn *visit, void *arg);

/* Reads the file at path on top of the other sources as $SLABGC_CONFIG would be read, and checks it as far as that goes without a heap: sections, keys, values, strategies that
 * can be found, and keys of [strategy.NAME] by loading it. Nothing is applied. 0, or a negative errno with file:line:column in error. At rest; may block; reads files, runs constructors of plug-ins. */
SGC_API int sgc_config_check(const char *path, struct sgc_error *error);

struct sgc_strategy_plugin; /* plugin.h */
struct sgc_plugin_info {
    const char *name, *path; /* path: "" for the built-in one */
    const struct sgc_strategy_plugin *plugin; /* constant for the life of the process; NULL: refused */
    const char *refused;                      /* why; NULL when it was not */
    bool loaded;                              /* before this call */
};
/* Calls visit for each strategy that can be found: the built-in one, then those of the directories of plug-ins, in the order in which a name is looked up; a file that is
 * hidden by one of the same name before it is left out. Loads each. Non-zero from visit ends it and is returned; else 0 or a negative errno (config cannot be read: error filled).
 * The texts are valid for the call. At rest; may block; runs constructors of plug-ins. */
typedef int sgc_plugin_visit_fn(void *arg, const struct sgc_plugin_info *info);
SGC_API int sgc_plugin_for_each(sgc_plugin_visit_fn *visit, void *arg, struct sgc_error *error);

/* "0.4.0": version of core, major.minor.patch. */
SGC_API const char *sgc_version(void);

#ifdef __cplusplus
}
#endif
#endif
