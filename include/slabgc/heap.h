/* heap.h - heaps: a graph of objects with one strategy, one memory limit, one set of statistics. */
#ifndef SLABGC_HEAP_H
#define SLABGC_HEAP_H

#include <slabgc/error.h>
#include <slabgc/stats.h>
#include <slabgc/type.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sgc_heap;
struct sgc_cache;

/* What a program needs of its strategy, and what a strategy offers (same bits, as capabilities). A heap never opens on a strategy that lacks a need. */
#define SGC_NEED_REFERENCES (1u << 0)         /* objects refer to each other; implied by a type with reference fields that is not manual */
#define SGC_NEED_CYCLES (1u << 1)             /* dead cycles are reclaimed without the program's help */
#define SGC_NEED_CONCURRENT_READERS (1u << 2) /* readers in sections need no lock against writers */
#define SGC_NEED_PROMPT (1u << 3)             /* an acyclic death is noticed at the last drop or the section's end */
#define SGC_NEED_WEAK (1u << 4)               /* weak references and ephemerons */
#define SGC_NEED_FINALIZERS (1u << 5)         /* implied by a type with finalize */

struct sgc_heap_options {
    uint32_t needs;            /* SGC_NEED_*, or-ed */
    const char *strategy;      /* preferred; config overrides it; NULL: the first of the default list that meets the needs */
    uint64_t memory_limit_bytes; /* 0: none; config overrides it */
    uint8_t finalizer_thread;  /* non-zero: core runs finalizers on a thread of its own; else the program calls sgc_finalizers_run */
};

/* Opens a heap: resolves its config, loads its strategy, checks the needs. name: [A-Za-z0-9_-]+, unique in the process among
 * open heaps. options may be NULL. Returns NULL and fills error (EINVAL config or name, ENOENT no such strategy, ENOEXEC plug-in refused,
 * ENOTSUP a need is missing, ENOMEM). Context: at rest; may block; reads files. */
SGC_API struct sgc_heap *sgc_heap_open(const char *name, const struct sgc_heap_options *options, struct sgc_error *error);

/* Closes a heap: every object ends without finalizers; dtors run. Objects still held are listed as leaks in the message and on stderr, and
 * the call returns -EBUSY having closed the heap all the same; 0 otherwise. No other thread may use the heap. At rest; panics in a section. */
SGC_API int sgc_heap_close(struct sgc_heap *heap, struct sgc_error *error);

SGC_API const char *sgc_heap_name(const struct sgc_heap *heap);
SGC_API const char *sgc_heap_strategy(const struct sgc_heap *heap);
SGC_API uint32_t sgc_heap_capabilities(const struct sgc_heap *heap); /* SGC_NEED_* bits the current strategy offers */

enum sgc_collect_kind {
    SGC_COLLECT_MINOR, /* what the strategy can do cheaply: young objects, young candidates */
    SGC_COLLECT_FULL   /* afterwards the live set is exact: everything dead is reclaimed or in the finalizer queue */
};
/* Collects now. At rest (panics in a section); stops all threads for its duration. */
SGC_API void sgc_heap_collect(struct sgc_heap *heap, enum sgc_collect_kind kind);

/* Calls visit for each live object (all that are allocated and not yet reclaimed) at a stop; visit must not call slabgc; non-zero ends the walk and is
 * returned. cache: NULL for all. At rest. */
typedef int sgc_walk_fn(void *arg, struct sgc_cache *cache, void *object, size_t bytes, uint64_t count);
SGC_API int sgc_heap_walk(struct sgc_heap *heap, struct sgc_cache *cache, sgc_walk_fn *visit, void *arg);

/* Checks every invariant of the heap and its strategy at a stop. 0, or -EUCLEAN with the first violation named in error. At rest. */
SGC_API int sgc_heap_verify(struct sgc_heap *heap, struct sgc_error *error);

/* Moves the live heap to another strategy, after a full collection, at a stop. Refused like an open (-ENOTSUP, ...); then nothing changed. At rest. */
SGC_API int sgc_heap_switch(struct sgc_heap *heap, const char *strategy, struct sgc_error *error);

/* Folds all counters. Any thread, any state; never stops anybody; figures of running threads may be some allocations old. */
SGC_API void sgc_heap_stats(struct sgc_heap *heap, struct sgc_stats *out);

/* Tells the pacer of bytes outside slabgc that objects of this heap answer for (negative: given back). Any state. */
SGC_API void sgc_account(struct sgc_heap *heap, int64_t bytes);

/* Under memory pressure, before an allocation at rest fails, calls shrink(arg, bytes wanted); it returns bytes it gave back (drops objects, say), runs at rest,
 * may call slabgc. 0, or -ENOMEM. At rest. */
typedef size_t sgc_shrink_fn(void *arg, size_t wanted_bytes);
SGC_API int sgc_shrinker_register(struct sgc_heap *heap, sgc_shrink_fn *shrink, void *arg);
SGC_API void sgc_shrinker_unregister(struct sgc_heap *heap, sgc_shrink_fn *shrink, void *arg);

/* Runs the finalizers that wait, at most max of them (0: all that waited at the call); returns how many ran. At rest. */
SGC_API size_t sgc_finalizers_run(struct sgc_heap *heap, size_t max);

#ifdef __cplusplus
}
#endif
#endif
