/* thread.h - threads as core needs them: start and join with signals blocked, names, exit hooks, membarrier presence.
 */
#ifndef SLABGC_CORE_OS_THREAD_H
#define SLABGC_CORE_OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SGC_OS_THREAD_NAME_BYTES 16

/* Starts a joinable thread with all signals blocked (but those that report a fault of its own instruction, which
 * would kill the process) and the given name (at most 15 bytes are kept). 0 or a negative errno; *out is set on
 * success only. Passes fault gates. */
int sgc_os_thread_start(pthread_t *out, const char *name, void *(*main)(void *), void *arg);
/* The same with a stack of so many bytes (0: the system's default). */
int sgc_os_thread_start_sized(pthread_t *out, const char *name, void *(*main)(void *), void *arg, size_t stack_bytes);
void sgc_os_thread_join(pthread_t thread);
int64_t sgc_os_thread_id(void);                              /* gettid() */
void sgc_os_thread_name(char out[SGC_OS_THREAD_NAME_BYTES]); /* of the calling thread */
/* Private expedited membarrier works here (seccomp may forbid it). Asks the kernel each time. Passes a fault gate. */
bool sgc_os_has_membarrier(void);
/* Puts a full fence into every running thread of the process. False: refused, none was. Only after sgc_os_has_membarrier() was true. */
bool sgc_os_membarrier(void);
/* Key whose destructor runs at a thread's exit when its value is not NULL. 0 or a negative errno. Passes a fault gate.
 */
int sgc_os_exit_key_create(pthread_key_t *out, void (*at_exit)(void *));

#endif
