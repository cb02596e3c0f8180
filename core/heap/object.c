/* object.c - what core knows of an object by its address: size, type, heap, identity, where its references are.
 * Called by every file of this layer, by strategies through the host, and by programs.
 * Nothing is stored per object: the slab's descriptor leads to class, cache, type.
 * Locks: none; an object's slab outlives it. */
#include "core/heap/heap.h"
#include "core/heap/weak_table.h"

size_t sgc_object_bytes(const void *object)
{
    const struct sgc_slab *slab = sgc_slab_head(sgc_slab_of(object));
    return slab->slot_bytes ? slab->class_->object_bytes : slab->large_bytes;
}

bool sgc_object_is_ephemeron(const void *object)
{
    return sgc_object_cache(object)->type == &sgc_ephemeron_type;
}

/* The tail's whole capacity: elements that the program does not use are NULL. */
static void object_visit_tail(const struct sgc_type *type, void *object, sgc_visit_fn *visit, void *visitor)
{
    void **place = (void **)((char *)object + type->size_bytes);
    void **end = place + (sgc_object_bytes(object) - type->size_bytes) / sizeof(void *);
    for (; place < end; place++)
        visit(visitor, place);
}

void sgc_object_visit(void *object, sgc_visit_fn *visit, void *visitor)
{
    const struct sgc_type *type = sgc_object_cache(object)->type;
    for (uint32_t i = 0; i < type->n_ref_runs; i++) {
        void **place = (void **)((char *)object + type->ref_runs[i].offset_bytes);
        for (uint32_t n = type->ref_runs[i].n; n > 0; n--)
            visit(visitor, place++);
    }
    if (type->tail_refs)
        object_visit_tail(type, object, visit, visitor);
    if (type->trace) /* the ephemerons' own type enumerates the value here */
        type->trace(object, visit, visitor);
}

uint64_t sgc_id(const void *object)
{
    if (!sgc_is_object(object))
        return 0;
    return (((uintptr_t)object - sgc_arena.base) >> SGC_GRANULE_SHIFT) + 1;
}

size_t sgc_size(const void *object)
{
    return sgc_object_bytes(object);
}

const struct sgc_type *sgc_type_of(const void *object)
{
    return sgc_object_cache(object)->type;
}

struct sgc_heap *sgc_heap_of(const void *object)
{
    return sgc_object_heap(object);
}
