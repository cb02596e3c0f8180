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
 * debug=), ENOMEM. Context: at rest (panics in a section); may block; reads files; stops all threads for each heap that
 * changes.
 */
SGC_API int sgc_config_reload(struct sgc_error *error);

/* Calls visit for each value in effect: section ("heap.words"), key, value and origin ("/etc/slabgc/slabgc.conf:3",
 * "$SLABGC", "program", "sgc_heap_switch", "default"): what config says of heaps, strategies, caches and plug-ins; for
 * each open heap and each loaded strategy also what it does not say. Non-zero from visit ends it and is returned; else
 * 0, or a negative errno when config cannot be read. The texts are valid for the call; visit may call slabgc. At rest
 * (panics in a section); may block. */
typedef int sgc_config_visit_fn(void *arg, const char *section, const char *key, const char *value, const char *origin);
SGC_API int sgc_config_for_each(sgc_config_visit_fn *visit, void *arg);

#ifdef __cplusplus
}
#endif
#endif
