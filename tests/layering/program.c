/* program.c - reaches past the public headers: must not build. */
#include "core/os/clock.h"

int main(void)
{
    return sgc_os_now_ns() == 0;
}
