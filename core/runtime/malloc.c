/* malloc.c - sgc_malloc_heap: one thread at a time opens the heap that shows malloc's caches.
 * Called by programs and tools, at rest. Config has no say in it: strategy none, no limits.
 * Locks: in a turn (runtime.h). */
#include "core/runtime/runtime.h"

struct sgc_heap *sgc_malloc_heap(struct sgc_error *error)
{
    sgc_runtime_begin("sgc_malloc_heap");
    struct sgc_heap *heap = sgc_heap_open_malloc(error);
    sgc_runtime_end();
    return heap;
}
