/* temporary.c - see temporary.h. */
#include "tools/gcctl/temporary.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int gcctl_temporary_folder(char *path, size_t path_bytes)
{
    const char *parent = getenv("TMPDIR");
    /* A socket's path has 107 bytes; what stands in $SLABGC has no comma, and demo's words no blank. */
    if (!parent || *parent != '/' || strlen(parent) > 60 || strpbrk(parent, ", \t\n#;"))
        parent = "/tmp";
    snprintf(path, path_bytes, "%s/slabgc-XXXXXX", parent);
    return mkdtemp(path) ? 0 : -1;
}

void gcctl_temporary_guard(void (*handler)(int signal))
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = handler};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction before;
        if (signals[i] != SIGHUP || sigaction(SIGHUP, NULL, &before) || before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

void gcctl_temporary_remove(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(path);
}
