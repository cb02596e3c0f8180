/* library.c - loading a shared object by descriptor.
 * Called by runtime's loader, which keeps the descriptor and never unloads.
 * Invariant: what is loaded is what fd refers to, whatever its path names by now: the dynamic linker is given the
 *   descriptor's name under /proc.
 * Locks: none. The dynamic linker allocates by malloc. */
#include "core/os/library.h"

#include "core/base/panic.h"
#include "core/os/fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

int sgc_os_file_identity(int fd, const char *path, uint64_t *device, uint64_t *inode, struct sgc_error *error)
{
    struct stat st;
    errno = EIO; /* what an injected fault reports */
    if (sgc_os_fault_here("fstat") || fstat(fd, &st))
        return sgc_error_set(error, -errno, "%s: cannot examine: %s", path, strerrordesc_np(errno));
    *device = st.st_dev;
    *inode = st.st_ino;
    return 0;
}

void *sgc_os_library_open(int fd, const char *path, struct sgc_error *error)
{
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    const char *reason = "injected fault";
    if (!sgc_os_fault_here("dlopen")) {
        void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (handle)
            return handle;
        reason = dlerror();
        if (!reason)
            reason = "no reason given";
        if (strncmp(reason, name, strlen(name)) == 0 && strncmp(reason + strlen(name), ": ", 2) == 0)
            reason += strlen(name) + 2; /* the name means nothing to a person */
    }
    sgc_error_set(error, -ENOEXEC, "%s: cannot be loaded: %s", path, reason);
    return NULL;
}

const void *sgc_os_library_symbol(void *handle, const char *symbol)
{
    return dlsym(handle, symbol);
}

bool sgc_os_library_directory(const void *address, const char *below, char out[PATH_MAX])
{
    Dl_info info;
    struct link_map *map = NULL;
    char file[PATH_MAX];
    struct stat st;
    if (getauxval(AT_SECURE) || !dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) || !map || !map->l_name[0])
        return false;
    if (sgc_os_fault_here("realpath") || !realpath(map->l_name, file))
        return false;
    char *slash = strrchr(file, '/');
    if (!slash || snprintf(out, PATH_MAX, "%.*s/%s", (int)(slash - file), file, below) >= PATH_MAX)
        return false;
    return !sgc_os_fault_here("stat") && stat(out, &st) == 0 && S_ISDIR(st.st_mode);
}
