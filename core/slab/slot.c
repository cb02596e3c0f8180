/* slot.c - geometry of slots: which granules of a slab are starts of slots.
 * Called by core/cache when it makes a class. A slab starts at a multiple of 64 KiB, so slots of a size that is a
 *   multiple of an alignment have it. */
#include "core/base/check.h"
#include "core/slab/slab.h"

#include <string.h>

unsigned sgc_slab_slot_mask(uint32_t slot_bytes, uint64_t out[SGC_SLAB_WORDS])
{
    SGC_DCHECK(slot_bytes > 0 && slot_bytes % SGC_GRANULE_BYTES == 0 && slot_bytes <= SGC_SLAB_BYTES);
    memset(out, 0, SGC_SLAB_WORDS * sizeof(*out));
    const unsigned step = slot_bytes / SGC_GRANULE_BYTES;
    const unsigned n_slots = (unsigned)(SGC_SLAB_BYTES / slot_bytes);
    for (unsigned i = 0; i < n_slots; i++)
        out[i * step / 64] |= UINT64_C(1) << (i * step % 64);
    return n_slots;
}
