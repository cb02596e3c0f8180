/* version.c - version of core. Called by programs, and by control's hello. Any thread, any state; no lock. */
#include <slabgc/config.h>
#include <slabgc/version.h>

const char *sgc_version(void)
{
    return SGC_VERSION;
}
