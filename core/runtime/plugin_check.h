/* plugin_check.h - is the constant that a plug-in exports one that this core can work with? No state, no lock, any
 * thread. */
#ifndef SLABGC_CORE_RUNTIME_PLUGIN_CHECK_H
#define SLABGC_CORE_RUNTIME_PLUGIN_CHECK_H

#include <slabgc/plugin.h>

/* Checks every field. path: in front of the message; name: what the plug-in must call itself. 0, or -ENOEXEC with the
 * first field that is wrong, what was found and what was wanted. */
int sgc_plugin_check(const char *path, const char *name, const struct sgc_strategy_plugin *plugin,
                     struct sgc_error *error);

/* What capabilities and needs are called; needs first. NULL behind the last. */
struct sgc_capability {
    uint32_t bit;
    const char *name;
};
const struct sgc_capability *sgc_capability_at(size_t i);

/* Names of SGC_NEED_* bits, "cycles, weak", in out; "nothing" for none. */
const char *sgc_needs_list(uint32_t needs, char *out, size_t out_bytes);
#define SGC_NEEDS_ALL                                                                                                  \
    (SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_CONCURRENT_READERS | SGC_NEED_PROMPT | SGC_NEED_WEAK |           \
     SGC_NEED_FINALIZERS)

#endif
