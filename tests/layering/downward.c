/* downward.c - includes what its dependencies declare: builds. */
#include "core/base/check.h"
#include "core/os/clock.h"

#include <slabgc/error.h>

uint64_t layering_downward(void)
{
    SGC_CHECK(sgc_os_now_ns() > 0);
    return sizeof(struct sgc_error);
}
