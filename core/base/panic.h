/* panic.h - the end of a process that misused slabgc, and the filling of `struct sgc_error`.
 * A panic writes "slabgc: panic: <message>\n" to stderr in one write, then aborts; it allocates nothing and takes no
 * lock. */
#ifndef SLABGC_CORE_BASE_PANIC_H
#define SLABGC_CORE_BASE_PANIC_H

#include <slabgc/error.h>
#include <stdarg.h>

/* Ends the process with SIGABRT. Any context, any thread. */
_Noreturn void sgc_panic(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* Fills *error (may be NULL) with code (a negative errno) and the formatted message; returns code, so that callers
 * can `return sgc_error_set(...)`. A message too long is cut at a UTF-8 boundary and ends in "...". Any context. */
int sgc_error_set(struct sgc_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* Puts the formatted text and ": " in front of a message already there. Returns error->code (or code 0 for NULL). */
int sgc_error_prefix(struct sgc_error *error, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* One warning line on stderr, "slabgc: <message>\n", in one write. Any context; allocates nothing. */
void sgc_warn(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

#endif
