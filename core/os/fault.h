/* fault.h - fault injection: every system call that core makes passes a numbered gate that a test can make fail.
 * Called by core/os alone (sgc_os_fault_here) and by tests (the rest). One load and a predicted branch when off; never
 * on an allocation's fast path. */
#ifndef SLABGC_CORE_OS_FAULT_H
#define SLABGC_CORE_OS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* True when this passage is the one to fail. `call` names the system call (a string constant). Any thread. */
bool sgc_os_fault_here(const char *call);
/* The same, and errno is error then: for calls that say why by errno. */
bool sgc_os_fault_fail(const char *call, int error);

/* Test side. arm(k): passage number k from now (1-based) fails; with `forever`, all from k on; 0: none, only counts.
 * disarm: none fails from now on; the count goes on. Passages of all threads are counted together. */
void sgc_os_fault_arm(uint64_t k, bool forever);
void sgc_os_fault_disarm(void);
uint64_t sgc_os_fault_n_passed(void);      /* gates passed since arm() */
bool sgc_os_fault_fired(void);             /* since arm() */
const char *sgc_os_fault_fired_call(void); /* name of the first call that was made to fail since arm(), or NULL */

#endif
