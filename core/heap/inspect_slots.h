/* inspect_slots.h - what inspect_graph.c and inspect_paths.c share. */
#ifndef SLABGC_CORE_HEAP_INSPECT_SLOTS_H
#define SLABGC_CORE_HEAP_INSPECT_SLOTS_H

#include "core/heap/inspect.h"
#include "core/heap/verify.h"

/* The number of the object's slot. False: address is not the start of an object that the heap's strategy owns. */
bool sgc_inspect_slot(const struct sgc_inspect *inspect, const void *address, size_t *slot);
void sgc_inspect_end_search(struct sgc_inspect *inspect); /* frees what a search took */

#endif
