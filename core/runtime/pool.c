/* pool.c - see pool.h. Called by the files of core/runtime.
 * Invariant: chunks list every allocation of the pool; used_bytes <= bytes in each.
 * Locks: none of its own. */
#include "core/runtime/pool.h"

#include "core/base/bits.h"
#include "core/os/meta.h"

#include <string.h>

#define CHUNK_BYTES ((size_t)8192) /* a usual config fits into one or two */

struct sgc_pool_chunk {
    struct sgc_pool_chunk *next;
    size_t bytes, used_bytes; /* of the chunk with this header */
};
#define HEADER_BYTES sgc_round_up(sizeof(struct sgc_pool_chunk), 16)

void *sgc_pool_alloc(struct sgc_pool *pool, size_t bytes)
{
    size_t rounded = sgc_round_up(bytes ? bytes : 1, 16);
    struct sgc_pool_chunk *chunk = pool->chunks;
    if (!chunk || chunk->bytes - chunk->used_bytes < rounded) {
        size_t chunk_bytes = HEADER_BYTES + rounded > CHUNK_BYTES ? HEADER_BYTES + rounded : CHUNK_BYTES;
        chunk = sgc_meta_alloc(chunk_bytes);
        if (!chunk)
            return NULL;
        chunk->bytes = chunk_bytes;
        chunk->used_bytes = HEADER_BYTES;
        chunk->next = pool->chunks;
        pool->chunks = chunk;
    }
    void *at = (char *)chunk + chunk->used_bytes;
    chunk->used_bytes += rounded;
    return at;
}

char *sgc_pool_strndup(struct sgc_pool *pool, const char *text, size_t n)
{
    char *copy = sgc_pool_alloc(pool, n + 1);
    if (copy)
        memcpy(copy, text, n); /* the rest is zero */
    return copy;
}

void sgc_pool_fini(struct sgc_pool *pool)
{
    while (pool->chunks) {
        struct sgc_pool_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        sgc_meta_free(chunk, chunk->bytes);
    }
}
