/* plugin.c - reaches past the public headers: must not build. */
#include "core/os/clock.h"

__attribute__((visibility("default"))) uint64_t layering_plugin(void)
{
    return sgc_os_now_ns();
}
