/* stores.c - the store family of both counting strategies.
 * Called by core's slow path (every store: SGC_STATE_STORE is always set), in a section, operands checked.
 * Order: count the new value up, exchange the field, give up the old value's claim. So the field never holds a
 * reference without a claim, and the claim that goes is that of the very value which left the field, whoever else
 * writes it.
 * host->decrement_later ends in ops->decrement: at the end of the section under refcount (SGC_STATE_DEFER), at once
 * under rcu. */
#include "plugins/counting/counting.h"
#include <slabgc/testpoint.h>

static void stores_count_up(struct sgc_counting *counting, void *value)
{
    const struct sgc_counts *counts = &counting->host->counts;
    if (sgc_counting_counts(counting, value))
        sgc_count_increment(counts, value, *counts->solo);
}

static void stores_count_down(struct sgc_counting *counting, void *value)
{
    if (sgc_counting_counts(counting, value))
        counting->host->decrement_later(value);
}

void sgc_counting_store(void *self, void *owner, void **field, void *value)
{
    struct sgc_counting *counting = self;
    (void)owner;
    stores_count_up(counting, value);
    void *old = __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL); /* releases to sgc_get's acquire */
    stores_count_down(counting, old);
}

void *sgc_counting_exchange(void *self, void *owner, void **field, void *value)
{
    struct sgc_counting *counting = self;
    (void)owner;
    if (!SGC_TEST_MUTANT("publish-first"))
        stores_count_up(counting, value);
    void *old = __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL); /* releases to sgc_get's acquire */
    SGC_TEST_POINT("store: published");
    if (SGC_TEST_MUTANT("publish-first"))
        stores_count_up(counting, value);
    /* The field's claim is the caller's hold now. A field has none on an object of a manual type: that hold is new. */
    if (sgc_is_object(old) && !sgc_counting_counts(counting, old))
        sgc_count_increment(&counting->host->counts, old, *counting->host->counts.solo);
    return old;
}

bool sgc_counting_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired)
{
    struct sgc_counting *counting = self;
    (void)owner;
    if (!SGC_TEST_MUTANT("publish-first"))
        stores_count_up(counting, desired);
    const bool stored =
        __atomic_compare_exchange_n(field, &(void *){expected}, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    SGC_TEST_POINT("store: published");
    if (SGC_TEST_MUTANT("publish-first"))
        stores_count_up(counting, desired);
    stores_count_down(counting, stored ? expected : desired);
    return stored;
}
