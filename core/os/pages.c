/* pages.c - mmap, mprotect, madvise and munmap, each behind a fault gate.
 * Called by meta.c (chunks) and by slab (regions and side metadata).
 * Invariant: a reservation is one range that core owns from reserve to unreserve; inside it only protections change,
 *   so that no other mapping of the process can ever land there. Reservations are MAP_NORESERVE: the kernel charges
 *   memory when it is touched, and neighbours with equal protection stay one mapping (vm.max_map_count is scarce).
 * Locks: none; the kernel's. */
#include "core/os/pages.h"

#include "core/base/bits.h"
#include "core/base/check.h"
#include "core/base/sanitize.h"
#include "core/os/fault.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

size_t sgc_os_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE); /* glibc answers from the auxiliary vector: no system call */
}

static void *pages_map(size_t bytes, int protection, int flags)
{
    void *at = MAP_FAILED;
    if (!sgc_os_fault_here("mmap"))
        at = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (at != MAP_FAILED)
        return at;
    errno = ENOMEM; /* also for EAGAIN (locked memory) and EINVAL (valgrind, beyond its address space) */
    return NULL;
}

/* A munmap that would split a mapping can fail at vm.max_map_count; then the range stays, but without memory. */
static void pages_unmap(void *at, size_t bytes)
{
    if (bytes == 0 || munmap(at, bytes) == 0)
        return;
    SGC_CHECK(errno == ENOMEM);
    madvise(at, bytes, MADV_DONTNEED);
    mprotect(at, bytes, PROT_NONE);
}

static int pages_protect(void *at, size_t bytes, int protection)
{
    SGC_DCHECK(((uintptr_t)at | bytes) % sgc_os_page_bytes() == 0);
    if (sgc_os_fault_here("mprotect"))
        return -ENOMEM;
    return mprotect(at, bytes, protection) ? -errno : 0;
}

void *sgc_os_reserve(size_t bytes, size_t alignment_bytes)
{
    size_t page_bytes = sgc_os_page_bytes();
    SGC_DCHECK(sgc_is_pow2(alignment_bytes) && bytes % page_bytes == 0);
    size_t slack = alignment_bytes > page_bytes ? alignment_bytes - page_bytes : 0;
    if (bytes > PTRDIFF_MAX - slack) {
        errno = ENOMEM;
        return NULL;
    }
    char *at = pages_map(bytes + slack, PROT_NONE, MAP_NORESERVE);
    if (!at)
        return NULL;
    char *aligned = (char *)sgc_round_up((uintptr_t)at, alignment_bytes);
    size_t before = (size_t)(aligned - at);
    pages_unmap(at, before);
    pages_unmap(aligned + bytes, slack - before);
    return aligned;
}

void sgc_os_unreserve(void *at, size_t bytes)
{
    pages_unmap(at, bytes);
}

int sgc_os_commit(void *at, size_t bytes)
{
    return pages_protect(at, bytes, PROT_READ | PROT_WRITE);
}

int sgc_os_commit_readonly(void *at, size_t bytes)
{
    return pages_protect(at, bytes, PROT_READ);
}

int sgc_os_discard(void *at, size_t bytes)
{
    SGC_DCHECK(((uintptr_t)at | bytes) % sgc_os_page_bytes() == 0);
    if (sgc_os_fault_here("madvise"))
        return -ENOMEM;
    return madvise(at, bytes, MADV_DONTNEED) ? -errno : 0;
}

int sgc_os_decommit(void *at, size_t bytes)
{
    int error = sgc_os_discard(at, bytes);
    return error ? error : pages_protect(at, bytes, PROT_NONE);
}

void *sgc_os_map(size_t bytes)
{
    void *at = pages_map(bytes, PROT_READ | PROT_WRITE, 0);
    if (at)
        SGC_LSAN_ROOT(at, bytes);
    return at;
}

void sgc_os_unmap(void *at, size_t bytes)
{
    SGC_LSAN_UNROOT(at, bytes);
    SGC_ASAN_UNPOISON(at, bytes); /* whoever maps there next must not inherit it */
    pages_unmap(at, bytes);
}
