/* remember.c - the remembered set: chunks of entries, each filled by one thread without atomics.
 * Called by the store ops (log), by collections and by verification (visit, clear).
 * Invariant: every entry logged since the last clear is in a chunk of set->chunks, or set->lost is set. A thread's cell
 * points to the chunk it fills, which is in set->chunks already, so nothing has to be sealed: a thread that dies, or
 * does not exist in a forked child, leaves its entries where collections look. Lock: set->lock (rank STRATEGY) for the
 * two lists, once per chunk. */
#include "plugins/generational/remember.h"

#include <errno.h>

/* Kept for reuse at a clear: 64 * 4 KiB; a program that logs more pays one host->alloc for 510 entries. */
#define SPARE_CHUNKS 64

_Static_assert(sizeof(struct remember_chunk) == REMEMBER_CHUNK_BYTES, "a chunk is one page");

int sgc_remember_init(struct remember_set *set, const struct sgc_host *host, struct sgc_heap *heap)
{
    *set = (struct remember_set){.host = host, .heap = heap, .lock = host->lock_create()};
    return set->lock ? 0 : -ENOMEM;
}

static void remember_free_list(struct remember_set *set, struct remember_chunk *chunk)
{
    while (chunk) {
        struct remember_chunk *next = chunk->next;
        set->host->free(chunk, sizeof(*chunk));
        chunk = next;
    }
}

void sgc_remember_fini(struct remember_set *set)
{
    remember_free_list(set, set->chunks);
    remember_free_list(set, set->spare);
    set->host->lock_destroy(set->lock);
}

/* An empty chunk in set->chunks; NULL without memory. */
static struct remember_chunk *remember_chunk_take(struct remember_set *set)
{
    const struct sgc_host *host = set->host;
    host->lock(set->lock);
    struct remember_chunk *chunk = set->spare;
    if (chunk) {
        set->spare = chunk->next;
        set->n_spare--;
    }
    host->unlock(set->lock);
    if (!chunk)
        chunk = host->alloc(sizeof(*chunk));
    if (!chunk)
        return NULL;
    host->lock(set->lock);
    chunk->next = set->chunks;
    set->chunks = chunk;
    __atomic_store_n(&set->n_chunks, set->n_chunks + 1, __ATOMIC_RELAXED); /* read without the lock */
    host->unlock(set->lock);
    return chunk;
}

void sgc_remember_log(struct remember_set *set, uintptr_t entry)
{
    void **cell = set->host->thread_cell(set->heap);
    struct remember_chunk *chunk = *cell;
    if (__builtin_expect(!chunk || chunk->n == REMEMBER_CHUNK_ENTRIES, 0)) {
        chunk = remember_chunk_take(set);
        if (!chunk) {
            __atomic_store_n(&set->lost, 1, __ATOMIC_RELAXED); /* the stop orders it before the collection's read */
            return;
        }
        *cell = chunk;
    }
    chunk->entries[chunk->n] = entry;
    __atomic_store_n(&chunk->n, chunk->n + 1, __ATOMIC_RELEASE); /* entry before count, for a fork in between */
}

void sgc_remember_visit(const struct remember_set *set, void (*visit)(void *arg, uintptr_t entry), void *arg)
{
    for (const struct remember_chunk *chunk = set->chunks; chunk; chunk = chunk->next)
        for (uint64_t i = 0; i < chunk->n; i++)
            visit(arg, chunk->entries[i]);
}

static void remember_reset_cell(void *arg, void **cell)
{
    (void)arg;
    *cell = NULL;
}

void sgc_remember_clear(struct remember_set *set)
{
    set->host->visit_thread_cells(set->heap, remember_reset_cell, NULL);
    while (set->chunks) {
        struct remember_chunk *chunk = set->chunks;
        set->chunks = chunk->next;
        if (set->n_spare == SPARE_CHUNKS) {
            set->host->free(chunk, sizeof(*chunk));
            continue;
        }
        chunk->n = 0;
        chunk->next = set->spare;
        set->spare = chunk;
        set->n_spare++;
    }
    set->n_chunks = 0;
    set->lost = 0;
}
