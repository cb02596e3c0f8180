/* pages.h - address space and pages: reserve, commit, discard, release. All sizes in bytes, multiples of
 * sgc_os_page_bytes(). May block in the kernel; never collects; any thread; no lock.
 * Failure: NULL with errno, or a negative errno; nothing changed (decommit excepted, see there). */
#ifndef SLABGC_CORE_OS_PAGES_H
#define SLABGC_CORE_OS_PAGES_H

#include <stddef.h>

size_t sgc_os_page_bytes(void);
/* Reserves address space without memory (PROT_NONE), aligned to alignment_bytes (a power of two). NULL: refused. */
void *sgc_os_reserve(size_t bytes, size_t alignment_bytes);
/* Gives a whole reservation back. The caller has undone its SGC_ASAN_POISON there: it knows where, and marks for a
 * terabyte cannot be swept. */
void sgc_os_unreserve(void *at, size_t bytes);
/* Makes a part of a reservation readable and writable; fresh pages read as zero. */
int sgc_os_commit(void *at, size_t bytes);
/* Makes a part of a reservation readable: reads as zero, takes no memory (the shared zero page). */
int sgc_os_commit_readonly(void *at, size_t bytes);
/* Gives the pages back; they stay committed and read as zero afterwards. */
int sgc_os_discard(void *at, size_t bytes);
/* Gives pages back and makes the part unreadable again. On failure it is still committed, but its content may read as
 * zero already: call it only on what nobody needs. */
int sgc_os_decommit(void *at, size_t bytes);
/* Fresh private read-write pages outside any reservation. NULL: refused. */
void *sgc_os_map(size_t bytes);
void sgc_os_unmap(void *at, size_t bytes);

#endif
