/* meta.c - allocator of core's own records.
 * Called by every layer above, never on a fast path.
 * A record of up to CLASS_BYTES_MAX is a block of a size class, cut from a chunk and kept on its class's list when
 * free; chunks are never given back, for such records are few and come and go with heaps and threads. A larger record
 * is a mapping of its own, given back at once: tables and mark stacks that grew.
 * Invariant: a block is on exactly one of: its class's free list, the uncut rest of a chunk, its owner's hands.
 *   n_bytes is the sum of the sizes asked for and not freed.
 * With SGC_DEBUG a seal behind each record holds its size: a wrong size at free, a second free and an overflow panic.
 * Lock: meta.lock (rank META, a leaf; it is held over mmap, so that a fault there leaves nothing half done). */
#include "core/os/meta.h"

#include "core/base/bits.h"
#include "core/base/check.h"
#include "core/base/rank.h"
#include "core/base/sanitize.h"
#include "core/os/pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)256 << 10)
#define CLASS_BYTES_MAX ((size_t)16 << 10) /* 16 blocks of the largest class to a chunk */
#define LINE_BYTES 64                      /* a cache line: records from this size on share none */

#ifdef SGC_DEBUG
struct meta_seal {
    uint64_t bytes;
    uint64_t magic;
};
#define SEAL_MAGIC UINT64_C(0x6c61657361746d73)
#define SEAL_BYTES sizeof(struct meta_seal)
#else
#define SEAL_BYTES ((size_t)0)
#endif

/* 16, 32, 48, then 64, 128, 192, 256, 384, 512, 768, ...: from 128 on two classes to a doubling. */
static const uint16_t class_bytes[] = {16,   32,   48,   64,   128,  192,  256,  384,   512,  768,
                                       1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384};

struct meta_block {
    struct meta_block *next;
};

static struct {
    struct sgc_lock lock;
    struct meta_block *free[SGC_ARRAY_LEN(class_bytes)];
    char *chunk_at, *chunk_end; /* the uncut rest of the newest chunk; an older chunk's rest is forgotten */
    atomic_size_t n_bytes;      /* without the lock */
} meta = {.lock = SGC_LOCK_INIT(SGC_RANK_META, "meta")};

static size_t meta_class(size_t block_bytes)
{
    size_t class = 0;
    while (class_bytes[class] < block_bytes)
        class ++;
    return class;
}

/* What a record takes: size, seal, and at least one block link. */
static size_t meta_block_bytes(size_t bytes)
{
    return sgc_round_up(bytes ? bytes : 1, 16) + SEAL_BYTES;
}

static void meta_seal(char *at, size_t bytes)
{
#ifdef SGC_DEBUG
    struct meta_seal seal = {.bytes = bytes, .magic = SEAL_MAGIC ^ (uintptr_t)at};
    memcpy(at + meta_block_bytes(bytes) - SEAL_BYTES, &seal, sizeof(seal));
    SGC_ASAN_POISON(at + meta_block_bytes(bytes) - SEAL_BYTES, SEAL_BYTES);
#else
    (void)at, (void)bytes;
#endif
}

static void meta_break_seal(char *at, size_t bytes)
{
#ifdef SGC_DEBUG
    char *place = at + meta_block_bytes(bytes) - SEAL_BYTES;
    struct meta_seal seal;
    SGC_ASAN_UNPOISON(place, SEAL_BYTES);
    memcpy(&seal, place, sizeof(seal));
    if (sgc_unlikely(seal.magic != (SEAL_MAGIC ^ (uintptr_t)at) || seal.bytes != bytes))
        sgc_panic("meta: free of %zu bytes at %p: not a record of that size, freed before, or overrun", bytes,
                  (void *)at);
    memset(place, 0, sizeof(seal));
#else
    (void)at, (void)bytes;
#endif
}

/* Under the lock. */
static void *meta_cut_chunk(size_t block_bytes)
{
    char *at = meta.chunk_at;
    if (block_bytes >= LINE_BYTES)
        at = (char *)sgc_round_up((uintptr_t)at, LINE_BYTES);
    if (!at || at + block_bytes > meta.chunk_end) {
        at = sgc_os_map(CHUNK_BYTES);
        if (!at)
            return NULL;
        meta.chunk_end = at + CHUNK_BYTES;
    }
    meta.chunk_at = at + block_bytes;
    return at;
}

static void *meta_alloc_block(size_t bytes)
{
    size_t class = meta_class(meta_block_bytes(bytes));
    sgc_lock_acquire(&meta.lock);
    struct meta_block *block = meta.free[class];
    if (block) {
        SGC_ASAN_UNPOISON(block, class_bytes[class]);
        meta.free[class] = block->next;
    } else {
        block = meta_cut_chunk(class_bytes[class]);
    }
    sgc_lock_release(&meta.lock);
    if (block)
        memset(block, 0, class_bytes[class]);
    return block;
}

static void meta_free_block(struct meta_block *block, size_t bytes)
{
    size_t class = meta_class(meta_block_bytes(bytes));
    sgc_lock_acquire(&meta.lock);
    block->next = meta.free[class];
    meta.free[class] = block;
    SGC_ASAN_POISON(block, class_bytes[class]);
    sgc_lock_release(&meta.lock);
}

static bool meta_is_mapping(size_t bytes)
{
    return meta_block_bytes(bytes) > CLASS_BYTES_MAX;
}

static size_t meta_mapping_bytes(size_t bytes)
{
    return sgc_round_up(meta_block_bytes(bytes), sgc_os_page_bytes());
}

void *sgc_meta_alloc(size_t bytes)
{
    void *at = NULL;
    if (bytes < PTRDIFF_MAX - CHUNK_BYTES)
        at = meta_is_mapping(bytes) ? sgc_os_map(meta_mapping_bytes(bytes)) : meta_alloc_block(bytes);
    if (!at) {
        errno = ENOMEM;
        return NULL;
    }
    meta_seal(at, bytes);
    atomic_fetch_add_explicit(&meta.n_bytes, bytes, memory_order_relaxed);
    return at;
}

void sgc_meta_free(void *at, size_t bytes)
{
    if (!at)
        return;
    meta_break_seal(at, bytes);
    atomic_fetch_sub_explicit(&meta.n_bytes, bytes, memory_order_relaxed);
    if (meta_is_mapping(bytes))
        sgc_os_unmap(at, meta_mapping_bytes(bytes));
    else
        meta_free_block(at, bytes);
}

void *sgc_meta_realloc(void *at, size_t old_bytes, size_t new_bytes)
{
    void *grown = sgc_meta_alloc(new_bytes);
    if (!grown)
        return NULL;
    if (at)
        memcpy(grown, at, old_bytes < new_bytes ? old_bytes : new_bytes);
    sgc_meta_free(at, old_bytes);
    return grown;
}

size_t sgc_meta_bytes(void)
{
    return atomic_load_explicit(&meta.n_bytes, memory_order_relaxed);
}

void sgc_meta_before_fork(void)
{
    sgc_lock_before_fork(&meta.lock);
}

void sgc_meta_after_fork(int in_child)
{
    sgc_lock_after_fork(&meta.lock, in_child);
}
