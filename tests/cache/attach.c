/* attach.c - see attach.h. */
#include "tests/cache/attach.h"

#include "tests/support/expect.h"

#include <slabgc/section.h>

int sgc_thread_attach(void)
{
    if (sgc_context_.fronts)
        return 0;
    if (sgc_arena_init(NULL) < 0)
        return -1;
    return sgc_fronts_attach(&sgc_context_, NULL);
}

void attach_end(void)
{
    sgc_fronts_detach(&sgc_context_);
}

struct sgc_cache *attach_cache(const struct sgc_type *type, uint32_t debug, struct sgc_budget *budget)
{
    struct sgc_error error = {0};
    const struct sgc_cache_config config = {.debug = debug};
    struct sgc_cache *cache = sgc_cache_make(NULL, type, &config, budget, 0, &error);
    ck_assert_msg(cache != NULL, "%s", error.message);
    cache->managed_manual = 1;
    sgc_cache_head_update(cache);
    return cache;
}

void attach_verify(struct sgc_cache *cache)
{
    struct sgc_error error = {0};
    sgc_cache_flush(cache);
    ck_assert_msg(sgc_cache_verify(cache, &error) == 0, "%s", error.message);
    ck_assert_msg(sgc_debug_verify(cache, &error) == 0, "%s", error.message);
    ck_assert_msg(sgc_region_verify(&error) == 0, "%s", error.message);
}
