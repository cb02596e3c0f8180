/* fault.c - the numbered gate in front of each system call.
 * Called by the other files of core/os before a call that may fail; steered by tests.
 * Invariant: since arm(), each passage got its own number, 1, 2, ...; none has one before the first arm().
 * Locks: none; a passage takes its number by one atomic add, so any thread may pass. */
#include "core/os/fault.h"

#include "core/base/check.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_bool counting;           /* set by the first arm() and never cleared */
static _Atomic uint64_t n_passed;      /* passages since arm() */
static _Atomic uint64_t first_failing; /* number of the passage to fail; 0: none */
static atomic_bool failing_forever;    /* ... and of all after it */
static const char *_Atomic fired_call; /* the first call that failed since arm() */

static SGC_COLD bool fault_count(const char *call)
{
    uint64_t number = atomic_fetch_add(&n_passed, 1) + 1;
    uint64_t first = atomic_load(&first_failing);
    if (first == 0 || number < first || (number > first && !atomic_load(&failing_forever)))
        return false;
    const char *none = NULL;
    atomic_compare_exchange_strong(&fired_call, &none, call);
    return true;
}

bool sgc_os_fault_here(const char *call)
{
    return sgc_unlikely(atomic_load_explicit(&counting, memory_order_relaxed)) && fault_count(call);
}

bool sgc_os_fault_fail(const char *call, int error)
{
    if (!sgc_os_fault_here(call))
        return false;
    errno = error;
    return true;
}

void sgc_os_fault_arm(uint64_t k, bool forever)
{
    atomic_store(&first_failing, 0); /* nothing fails while the rest changes */
    atomic_store(&n_passed, 0);
    atomic_store(&fired_call, NULL);
    atomic_store(&failing_forever, forever);
    atomic_store(&first_failing, k);
    atomic_store(&counting, true);
}

void sgc_os_fault_disarm(void)
{
    atomic_store(&first_failing, 0);
}

uint64_t sgc_os_fault_n_passed(void)
{
    return atomic_load(&n_passed);
}

bool sgc_os_fault_fired(void)
{
    return atomic_load(&fired_call) != NULL;
}

const char *sgc_os_fault_fired_call(void)
{
    return atomic_load(&fired_call);
}
