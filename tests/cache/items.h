/* items.h - a bare cache of items of one size, for tests that look at its slabs one by one. */
#ifndef SLABGC_TESTS_CACHE_ITEMS_H
#define SLABGC_TESTS_CACHE_ITEMS_H

#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <pthread.h>

struct item {
    uint64_t words[8];
};
static const struct sgc_type item_type = SGC_TYPE(struct item);
#define PER_SLAB (SGC_SLAB_BYTES / sizeof(struct item))

static struct sgc_cache *cache;
static struct sgc_class *class_;

static inline void setup(void)
{
    cache = attach_cache(&item_type, 0, NULL);
    class_ = cache->classes[0];
}
static inline void teardown(void)
{
    attach_verify(cache);
    sgc_cache_unmake(cache);
}

static inline void in_thread(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, body, arg), 0);
    pthread_join(thread, NULL);
}

#endif
