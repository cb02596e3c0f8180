/* generational.h - the strategy's record of one heap, shared by its files. See DESIGN.md of this folder. */
#ifndef SLABGC_PLUGINS_GENERATIONAL_GENERATIONAL_H
#define SLABGC_PLUGINS_GENERATIONAL_GENERATIONAL_H

#include "plugins/generational/remember.h"

/* Owners beyond this are remembered field by field. Rereading a remembered owner costs a minor collection about 2 ns a
 * field, a logged field its store and the collection about 30 ns: 4 KiB bounds the cost of one entry by about 1 us. */
#define BIG_OWNER_BYTES 4096

struct generational {
    const struct sgc_host *host;
    struct sgc_heap *heap;
    struct remember_set remembered;
    bool all_young; /* adopted objects are unmarked outside fresh slabs: the next collection must be full; at a stop */
};

/* store.c: the ops of the same names; see plugin.h. */
void sgc_generational_store(void *self, void *owner, void **field, void *value);
void *sgc_generational_exchange(void *self, void *owner, void **field, void *value);
bool sgc_generational_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired);

/* verify.c */
int sgc_generational_verify(void *self, struct sgc_error *error);

#endif
