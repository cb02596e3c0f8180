/* upward.c - names core/os without depending on it: must not build. */
#include "core/os/clock.h"

uint64_t layering_upward(void)
{
    return sgc_os_now_ns();
}
