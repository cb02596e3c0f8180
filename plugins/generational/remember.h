/* remember.h - the remembered set: which old places may refer to young objects since the last collection.
 * See DESIGN.md of this folder, "Remembered set". */
#ifndef SLABGC_PLUGINS_GENERATIONAL_REMEMBER_H
#define SLABGC_PLUGINS_GENERATIONAL_REMEMBER_H

#include <slabgc/plugin.h>

#define REMEMBER_CHUNK_BYTES 4096
#define REMEMBER_CHUNK_ENTRIES ((REMEMBER_CHUNK_BYTES - 2 * sizeof(void *)) / sizeof(uintptr_t))

/* A run of entries, filled by one thread: an owner (even), or the place of one field of a big owner (its address | 1).
 */
struct remember_chunk {
    struct remember_chunk *next; /* set->chunks or set->spare; set->lock */
    uint64_t n;                  /* entries; its thread, entry before count: the chunk is valid at every instruction */
    uintptr_t entries[REMEMBER_CHUNK_ENTRIES];
};

struct remember_set {
    const struct sgc_host *host;
    struct sgc_heap *heap;
    void *lock;
    struct remember_chunk *chunks; /* every chunk that may hold entries, whoever fills or filled it; lock, or a stop */
    struct remember_chunk *spare;  /* empty ones; lock, or a stop */
    uint32_t n_spare;              /* their number; lock, or a stop */
    uint32_t n_chunks;             /* of chunks; lock or a stop, read as a figure without */
    uint8_t lost;                  /* atomic: an entry found no memory, the set is incomplete; cleared at a stop */
};

/* Beyond this many chunks (512 KiB, about 65,000 entries) the set is long: no single fields any more. Whole owners are few,
 * each logged once; fields may be logged as often as they are stored to. */
#define REMEMBER_LONG_CHUNKS 128

/* 0 or -ENOMEM. At rest. */
int sgc_remember_init(struct remember_set *set, const struct sgc_host *host, struct sgc_heap *heap);
/* Frees all memory; needs no stop, because no thread uses the heap any more. At rest. */
void sgc_remember_fini(struct remember_set *set);

/* Appends an entry to the calling thread's chunk; without memory for a chunk sets `lost`. In a section; never blocks.
 */
void sgc_remember_log(struct remember_set *set, uintptr_t entry);

static inline bool sgc_remember_is_long(const struct remember_set *set)
{
    return __atomic_load_n(&set->n_chunks, __ATOMIC_RELAXED) >= REMEMBER_LONG_CHUNKS;
}

/* Calls visit for every entry, duplicates included. At a stop. */
void sgc_remember_visit(const struct remember_set *set, void (*visit)(void *arg, uintptr_t entry), void *arg);
/* Forgets all entries and takes every thread's chunk back; keeps a few for reuse. Clears `lost`. At a stop. */
void sgc_remember_clear(struct remember_set *set);

#endif
