/* stores.c - the store family of both counting strategies.
 * Called by core's slow path (every store: SGC_STATE_STORE is always set), in a section, operands checked.
 * Order: the owner is used and the new value known to sections from now on, then the new value is counted up, the field
 * exchanged, the old value's claim given up. So the field never holds a reference without a claim, and the claim that
 * goes is that of the very value which left the field, whoever else writes it. sgc_set has one writer per field at a
 * time, so where readers lock (readers_unlocked is off) a load and a store exchange the field.
 * Marks of state bytes are read by whoever drops the last claim, after an acquire load of the count: the claims of
 * those who made them went before. host->decrement_later ends in ops->decrement: at the end of the section under
 * refcount (SGC_STATE_DEFER), at once under rcu. */
#include "plugins/counting/counting.h"
#include <slabgc/testpoint.h>

/* A reference goes into a field of this object: it is not what it was when it was new. */
static void stores_use(struct sgc_counting *counting, void *owner, const void *value)
{
    uint8_t *byte = sgc_state_byte(&counting->host->counts, owner);
    uint8_t state = __atomic_load_n(byte, __ATOMIC_RELAXED);
    /* of a candidate the bit means something else */
    while (sgc_is_object(value) && !(state & (SGC_COUNTING_USED | SGC_COUNTING_CANDIDATE))) {
        if (*counting->host->counts.solo) {
            __atomic_store_n(byte, (uint8_t)(state | SGC_COUNTING_USED), __ATOMIC_RELAXED);
            return;
        }
        if (__atomic_compare_exchange_n(byte, &state, (uint8_t)(state | SGC_COUNTING_USED), true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return;
    }
}

static void stores_count_up(struct sgc_counting *counting, void *value)
{
    const struct sgc_counts *counts = &counting->host->counts;
    if (!sgc_counting_counts(counting, value))
        return;
    if (sgc_counting_state(counting, value) & counting->unshared_state)
        __atomic_fetch_and(sgc_state_byte(counts, value), (uint8_t)~counting->unshared_state, __ATOMIC_RELAXED);
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
    void *old;
    stores_use(counting, owner, value);
    stores_count_up(counting, value);
    if (counting->readers_unlocked) {
        old = __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL); /* releases to sgc_get's acquire */
    } else {
        old = __atomic_load_n(field, __ATOMIC_RELAXED);
        __atomic_store_n(field, value, __ATOMIC_RELEASE);
    }
    stores_count_down(counting, old);
}

void *sgc_counting_exchange(void *self, void *owner, void **field, void *value)
{
    struct sgc_counting *counting = self;
    stores_use(counting, owner, value);
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
    stores_use(counting, owner, desired);
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
