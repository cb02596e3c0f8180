/* bare.c - paths of the bare object cache. Called through the table by counted.c. */
#include "tests/counts/counted.h"

#define WAVE 10000
#define BULK 64

/* ---- the scale itself: what the loop costs, and that an instruction more is one more */

COUNTED(loop)
{
    (void)counted;
    for (size_t i = 0; i < n; i++)
        counted_use(NULL);
}

COUNTED(loop_and_one)
{
    (void)counted;
    for (size_t i = 0; i < n; i++) {
        __asm__ volatile("nop");
        counted_use(NULL);
    }
}

/* ---- the cache */

COUNTED(cache_alloc)
{
    struct sgc_cache *cache = counted->cache;
    for (size_t i = 0; i < n; i++)
        counted->objects[i] = sgc_cache_alloc(cache);
}

COUNTED(cache_free)
{
    struct sgc_cache *cache = counted->cache;
    for (size_t i = 0; i < n; i++)
        sgc_cache_free(cache, counted->objects[i]);
}

COUNTED(cache_pair)
{
    struct sgc_cache *cache = counted->cache;
    for (size_t i = 0; i < n; i++) {
        void *object = sgc_cache_alloc(cache);
        counted_use(object);
        sgc_cache_free(cache, object);
    }
}

/* An operation is one object's allocation and free. */
COUNTED(cache_wave)
{
    struct sgc_cache *cache = counted->cache;
    for (size_t done = 0; done < n; done += WAVE) {
        for (size_t i = 0; i < WAVE; i++)
            counted->objects[i] = sgc_cache_alloc(cache);
        for (size_t i = 0; i < WAVE; i++)
            sgc_cache_free(cache, counted->objects[i]);
    }
}

COUNTED(cache_wave_shuffled)
{
    struct sgc_cache *cache = counted->cache;
    for (size_t done = 0; done < n; done += WAVE) {
        for (size_t i = 0; i < WAVE; i++)
            counted->objects[i] = sgc_cache_alloc(cache);
        for (size_t i = 0; i < WAVE; i++)
            sgc_cache_free(cache, counted->objects[counted->order[i]]);
    }
}

/* An operation is BULK objects' allocation and free. */
COUNTED(cache_bulk)
{
    struct sgc_cache *cache = counted->cache;
    for (size_t i = 0; i < n; i++) {
        const size_t n_made = sgc_cache_alloc_bulk(cache, counted->objects, BULK);
        sgc_cache_free_bulk(cache, counted->objects, n_made);
    }
}

static void fill(struct counted *counted)
{
    for (size_t i = 0; i < counted->n_body; i++)
        counted->objects[i] = counted_made(sgc_cache_alloc(counted->cache));
}

/* The second round allocates what the first one did. */
static void empty(struct counted *counted)
{
    for (size_t i = 0; counted->round && i < 2 * counted->path->n_operations; i++)
        sgc_cache_free(counted->cache, counted_made(counted->objects[i]));
}

/* clang-format off */
#define NONE {"none"}
const struct counted_path counted_bare[] = {
    {"loop", NONE, COUNTED_64_BYTES, 1000, .body = body_loop},
    {"loop-and-one", NONE, COUNTED_64_BYTES, 1000, .body = body_loop_and_one},
    {"cache-alloc-64", NONE, COUNTED_64_BYTES, 10000, .prepare = empty, .body = body_cache_alloc},
    {"cache-free-64", NONE, COUNTED_64_BYTES, 10000, .prepare = fill, .body = body_cache_free},
    {"cache-free-remote-64", NONE, COUNTED_64_BYTES, 10000, .prepare = fill, .body = body_cache_free,
     .elsewhere = true},
    {"cache-pair-64", NONE, COUNTED_64_BYTES, 1000, .body = body_cache_pair},
    {"cache-pair-constructed", NONE, COUNTED_CONSTRUCTED, 1000, .body = body_cache_pair},
    {"cache-wave-64", NONE, COUNTED_64_BYTES, WAVE, .body = body_cache_wave},
    {"cache-wave-shuffled-64", NONE, COUNTED_64_BYTES, WAVE, .body = body_cache_wave_shuffled},
    {"cache-bulk-of-64", NONE, COUNTED_64_BYTES, 1000, .body = body_cache_bulk},
};
/* clang-format on */
const size_t counted_n_bare = sizeof(counted_bare) / sizeof(counted_bare[0]);
