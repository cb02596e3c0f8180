/* pool.h - memory that ends together: everything of one config.
 * The caller orders accesses; nothing is freed alone. */
#ifndef SLABGC_CORE_RUNTIME_POOL_H
#define SLABGC_CORE_RUNTIME_POOL_H

#include <stddef.h>

struct sgc_pool_chunk;
struct sgc_pool {
    struct sgc_pool_chunk *chunks; /* newest first; NULL: nothing yet (zero is a valid pool) */
};

/* Zeroed bytes, aligned to 16. NULL with errno ENOMEM. */
void *sgc_pool_alloc(struct sgc_pool *pool, size_t bytes);
/* A NUL-terminated copy of n bytes. NULL with errno ENOMEM. */
char *sgc_pool_strndup(struct sgc_pool *pool, const char *text, size_t n);
/* Frees everything; the pool is empty and may be used again. */
void sgc_pool_fini(struct sgc_pool *pool);

#endif
