/* meta.h - allocator of core's own records (descriptors, tables, queues): never the program's malloc, so that slabgc
 * can be it. Size classes over mapped chunks under one lock (rank META, a leaf). Not for fast paths. Any thread; never
 * collects. */
#ifndef SLABGC_CORE_OS_META_H
#define SLABGC_CORE_OS_META_H

#include <stddef.h>

/* Zeroed, aligned to 16 (64 from 64 bytes on). NULL with errno ENOMEM when the OS refuses. 0 bytes: a record of its
 * own. */
void *sgc_meta_alloc(size_t bytes);
/* bytes as allocated; NULL is a no-op. Panics (SGC_DEBUG) on a wrong size, a record freed before, or an overflow. */
void sgc_meta_free(void *at, size_t bytes);
/* Grows or shrinks, keeps the content up to the smaller size, new part zeroed; NULL: nothing changed. at may be NULL.
 */
void *sgc_meta_realloc(void *at, size_t old_bytes, size_t new_bytes);
size_t sgc_meta_bytes(void); /* bytes handed out now: tests check for leaks by it */
/* For pthread_atfork handlers; see sgc_lock_before_fork. */
void sgc_meta_before_fork(void);
void sgc_meta_after_fork(int in_child);

#endif
