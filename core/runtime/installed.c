/* installed.c - where plug-ins are installed.
 * Called by config.c.
 * Invariant: libslabgc.so finds those of its own installation, wherever that was moved to: LIBRARY'S
 * DIRECTORY/slabgc/plugins. A program that links libslabgc.a has no such place: it goes by the directory that the
 * installer wrote into the archive, in installed_lib behind its mark (bazel/install.sh looks for that). Locks: none. */
#include "core/os/library.h"
#include "core/runtime/config.h"

#include <stdio.h>
#include <string.h>

#define INSTALLED_MARK "slabgc-installed-lib="
#define INSTALLED_BYTES 1024

static const char installed_lib[INSTALLED_BYTES] = INSTALLED_MARK "/usr/lib";

bool sgc_installed_plugins(char *out)
{
    const char *place = installed_lib;
    __asm__("" : "+r"(place)); /* read what the file says, not what the compiler saw */
    if (sgc_os_library_directory(installed_lib, "slabgc/plugins", out))
        return true;
    return snprintf(out, PATH_MAX, "%s/slabgc/plugins", place + strlen(INSTALLED_MARK)) < PATH_MAX;
}
