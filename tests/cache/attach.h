/* attach.h - what tests of the cache layer need of the layer above: attaching threads. Linked into every test of this
 *   folder; a test of the heap
 * layer or higher must not link it, as core/heap defines the same functions. */
#ifndef SLABGC_TESTS_CACHE_ATTACH_H
#define SLABGC_TESTS_CACHE_ATTACH_H

#include "core/cache/cache.h"

/* The calling thread gives its fronts back, as at its exit; the next call of the cache attaches it again. */
void attach_end(void);

/* A bare cache: strategy none. Fails the test when it is refused. */
struct sgc_cache *attach_cache(const struct sgc_type *type, uint32_t debug, struct sgc_budget *budget);

/* Fails the test unless nobody has touched an invariant; the cache must have no other user. Flushes it. */
void attach_verify(struct sgc_cache *cache);

#endif
