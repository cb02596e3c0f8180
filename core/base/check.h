/* check.h - compile-time and run-time checks used by all of core.
 * SGC_CHECK stays on in production (cheap); SGC_DCHECK is compiled in with -DSGC_DEBUG (bazel -c dbg and the
 * sanitizer configs). */
#ifndef SLABGC_CORE_BASE_CHECK_H
#define SLABGC_CORE_BASE_CHECK_H

#include "core/base/panic.h"

#include <stdbool.h>
#include <stddef.h>

#define sgc_likely(x) __builtin_expect(!!(x), 1)
#define sgc_unlikely(x) __builtin_expect(!!(x), 0)
#define SGC_NOINLINE __attribute__((noinline))
#define SGC_COLD __attribute__((cold, noinline))
/* Of extern variables on fast paths: defined in core, too, which -fvisibility does not say of declarations. Position
 * independent code goes through an address in a register else. */
#define SGC_INTERNAL __attribute__((visibility("hidden")))
#define SGC_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define SGC_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* text apart from cond, so that macros in it are shown as written, also through SGC_DCHECK. */
#define SGC_CHECK_(cond, text)                                                                                         \
    do {                                                                                                               \
        if (sgc_unlikely(!(cond)))                                                                                     \
            sgc_panic("check failed: %s (%s:%d)", text, __FILE__, __LINE__);                                           \
    } while (0)

#define SGC_CHECK(cond) SGC_CHECK_(cond, #cond)

#ifdef SGC_DEBUG
#define SGC_DCHECK(cond) SGC_CHECK_(cond, #cond)
#else
#define SGC_DCHECK(cond)                                                                                               \
    do {                                                                                                               \
        (void)sizeof(cond);                                                                                            \
    } while (0)
#endif

#endif
