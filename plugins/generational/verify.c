/* verify.c - checks the strategy's invariants: what the next minor collection would miss.
 * Called by sgc_heap_verify, at a stop. Borrows the two private state bits, zero otherwise; allocates nothing.
 * Checked, while no collection but a full one is due: (1) every old object takes the slow path or is logged; (2) every
 * young object that an old one refers to is found from the remembered set; (3) no young object takes the slow path. */
#include "plugins/generational/generational.h"

#include <errno.h>
#include <inttypes.h>

enum {
    LOGGED = SGC_STATE_PRIVATE,    /* this object is in the remembered set */
    REACHED = SGC_STATE_PRIVATE_2, /* a field in the remembered set refers to this object */
};

struct verify {
    const struct sgc_host *host;
    struct sgc_error *error;
    void *owner; /* being visited */
    int result;
};

static uint8_t *verify_state(const struct verify *verify, const void *object)
{
    return sgc_state_byte(&verify->host->counts, object);
}

static void verify_note_entry(void *arg, uintptr_t entry)
{
    struct verify *verify = arg;
    if (!(entry & 1)) {
        *verify_state(verify, (void *)entry) |= LOGGED;
        return;
    }
    void *value = *(void **)(entry - 1);
    if (sgc_is_object(value))
        *verify_state(verify, value) |= REACHED;
}

static void verify_field(void *arg, void **place)
{
    struct verify *verify = arg;
    const void *value = *place;
    if (verify->result || !sgc_is_object(value) || verify->host->is_marked(value) ||
        *verify_state(verify, value) & REACHED || verify->host->type_of(value)->flags & SGC_TYPE_MANUAL)
        return;
    verify->result =
        verify->host->fail(verify->error, -EUCLEAN,
                           "generational: old object 0x%" PRIxPTR " (%s) refers to young object 0x%" PRIxPTR
                           " (%s) at offset %td, and is not remembered: it was written without the store family",
                           (uintptr_t)verify->owner, verify->host->type_of(verify->owner)->name, (uintptr_t)value,
                           verify->host->type_of(value)->name, (char *)place - (char *)verify->owner);
}

static void verify_object(void *arg, void *object)
{
    struct verify *verify = arg;
    const uint8_t state = *verify_state(verify, object);
    const bool armed = state & SGC_STATE_STORE, logged = state & LOGGED, old = verify->host->is_marked(object);
    if (verify->result || logged)
        return;
    if (old == armed) {
        verify->owner = object;
        if (old)
            verify->host->visit_references(object, verify_field, verify);
        return;
    }
    verify->result = verify->host->fail(
        verify->error, -EUCLEAN, "generational: %s object 0x%" PRIxPTR " (%s) has state 0x%02x: %s",
        old ? "old" : "young", (uintptr_t)object, verify->host->type_of(object)->name, state,
        old ? "stores into it go unseen, and it is not remembered" : "it takes the barrier of old ones");
}

static void verify_clear(void *arg, void *object)
{
    *verify_state(arg, object) &= (uint8_t) ~(LOGGED | REACHED);
}

int sgc_generational_verify(void *self_, struct sgc_error *error)
{
    const struct generational *self = self_;
    if (self->remembered.lost)
        return 0; /* the next collection is full and needs none of this */
    struct verify verify = {.host = self->host, .error = error};
    sgc_remember_visit(&self->remembered, verify_note_entry, &verify);
    verify.host->walk(self->heap, verify_object, &verify);
    verify.host->walk(self->heap, verify_clear, &verify);
    return verify.result;
}
