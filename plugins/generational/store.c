/* store.c - the store ops: what happens when a program writes into an old object.
 * Called by core for stores that the inline test sent to the slow path, and for every exchange and compare-exchange. In
 * a section. Invariant (R): when no section runs, every old object in which a reference was stored since the last
 * collection is logged, or the stored fields are, or `lost` is set. Steps, in this order: log, publish "logged", store.
 * DESIGN.md has the argument. Counts are holds alone here, so a store moves none; only exchange makes one. No lock but
 * the remembered set's. */
#include "plugins/generational/generational.h"
#include <slabgc/testpoint.h>

/* Before `value` is stored into a field of `owner`. */
static void store_remember(struct generational *self, void *owner, void **field, void *value)
{
    const struct sgc_host *host = self->host;
    uint8_t *state = sgc_state_byte(&host->counts, owner);
    if (!(__atomic_load_n(state, __ATOMIC_RELAXED) & SGC_STATE_STORE) || !sgc_is_object(value) || SGC_TEST_MUTANT("no-remember"))
        return; /* young, or logged already; or no reference arises: the next store asks again */
    if (__builtin_expect(host->size_of(owner) > BIG_OWNER_BYTES, 0) && !sgc_remember_is_long(&self->remembered)) {
        if (!host->is_marked(value))
            sgc_remember_log(&self->remembered, (uintptr_t)field | 1);
        return; /* the bit stays: every store into a big owner is tested */
    }
    sgc_remember_log(&self->remembered, (uintptr_t)owner);
    if (SGC_TEST_MUTANT("plain-state")) {
        const uint8_t read = __atomic_load_n(state, __ATOMIC_RELAXED);
        SGC_TEST_POINT("store: logged");
        __atomic_store_n(state, (uint8_t)(read & ~SGC_STATE_STORE), __ATOMIC_RELEASE);
    }
    SGC_TEST_POINT("store: logged");
    /* Only now may others skip the log: capture before publishing "logged". Release: pairs with the stop alone, which
     * all sections precede. */
    __atomic_fetch_and(state, (uint8_t)~SGC_STATE_STORE, __ATOMIC_RELEASE);
}

void sgc_generational_store(void *self, void *owner, void **field, void *value)
{
    store_remember(self, owner, field, value);
    __atomic_store_n(field, value, __ATOMIC_RELEASE); /* pairs with the acquire of sgc_get */
}

void *sgc_generational_exchange(void *self, void *owner, void **field, void *value)
{
    const struct sgc_counts *counts = &((struct generational *)self)->host->counts;
    store_remember(self, owner, field, value);
    void *old = __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL);
    if (sgc_is_object(old)) /* valid until this section ends, whoever else drops it: nothing is reclaimed meanwhile */
        sgc_count_increment(counts, old, *counts->solo);
    return old;
}

bool sgc_generational_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired)
{
    store_remember(self, owner, field, desired); /* also when it fails: one entry too many does no harm */
    return __atomic_compare_exchange_n(field, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
