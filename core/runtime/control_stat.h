/* control_stat.h - a heap's figures as JSON: for the command stat and for reports. */
#ifndef SLABGC_CORE_RUNTIME_CONTROL_STAT_H
#define SLABGC_CORE_RUNTIME_CONTROL_STAT_H

#include "core/heap/heap.h"
#include <jansson.h>

/* What is copied of a heap while it is known to be open; strings are constant or its own copies. */
struct sgc_control_figures {
    char name[SGC_HEAP_NAME_BYTES];
    const struct sgc_strategy_plugin *plugin;
    uint32_t needs;
    uint64_t soft_bytes, hard_bytes;
    struct sgc_stats stats;
};
/* Any thread; the heap stays open meanwhile. */
void sgc_control_figures(struct sgc_heap *heap, struct sgc_control_figures *out);
/* HEAP of CONTROL.md; buckets: histograms with their buckets, else an empty list. NULL: no memory. */
json_t *sgc_control_figures_json(const struct sgc_control_figures *figures, bool buckets);
/* The names of SGC_NEED_* and SGC_CAP_* bits. */
json_t *sgc_control_capabilities(uint32_t bits);

#endif
