/* purge.h - memory of free slabs back to the OS; called by region.c. */
#ifndef SLABGC_CORE_SLAB_PURGE_H
#define SLABGC_CORE_SLAB_PURGE_H

#include <stdint.h>

/* After a run was freed: returns what has cooled for the decay time, and what is too much. The region lock is held. */
void sgc_purge_surplus(uint64_t now_ns);

#endif
