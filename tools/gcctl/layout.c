/* layout.c - where programs, plug-ins and data lie: installed, or in a build tree.
 * Called by commands that start programs, and by those that look for plug-ins.
 * Invariant: what was installed with this gcctl goes before anything of a build tree. Locks: none, one thread. */
#include "tools/gcctl/layout.h"

#include "tools/gcctl/print.h"

#include <dirent.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* Where a build tree has what is installed as lib/slabgc/NAME. */
static const struct {
    const char *name, *built;
} programs[] = {
    {"slabgc-replay", "tools/replay/slabgc-replay"},
    {"slabgc-conformance", "tests/conformance/conformance"},
    {"slabgc-wordgraph", "tools/wordgraph/wordgraph"},
};

/* The directory `levels` above this program, or "". */
static void layout_above(unsigned levels, char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    for (unsigned i = 0; i < levels; i++) {
        char *slash = strrchr(out, '/');
        if (!slash) {
            out[0] = '\0';
            return;
        }
        *slash = '\0';
    }
}

static bool layout_try(char path[PATH_MAX], const char *directory, const char *between, const char *name, int mode)
{
    if (!directory || !*directory)
        return false;
    return snprintf(path, PATH_MAX, "%s/%s%s", directory, between, name) < PATH_MAX && access(path, mode) == 0;
}

/* The same path in each root that a build tree may have: Bazel's runfiles, then beside this program. */
static bool layout_built(char path[PATH_MAX], const char *built, int mode)
{
    char root[PATH_MAX];
    if (layout_try(path, getenv("RUNFILES_DIR"), "slabgc/", built, mode) ||
        layout_try(path, getenv("TEST_SRCDIR"), "slabgc/", built, mode))
        return true;
    layout_above(0, root);
    if (strlen(root) + 16 < PATH_MAX && layout_try(path, strcat(root, ".runfiles"), "slabgc/", built, mode))
        return true;
    layout_above(3, root); /* bazel-bin of bazel-bin/tools/gcctl/gcctl */
    return layout_try(path, root, "", built, mode);
}

bool gcctl_layout_program(const char *name, char path[PATH_MAX])
{
    char prefix[PATH_MAX];
    layout_above(2, prefix);
    if (layout_try(path, getenv("SLABGC_LIBEXEC"), "", name, X_OK) ||
        layout_try(path, prefix, "lib/slabgc/", name, X_OK))
        return true;
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        if (strcmp(programs[i].name, name) == 0 && layout_built(path, programs[i].built, X_OK))
            return true;
    gcctl_error(EX_UNAVAILABLE,
                "%s is not there: neither in %s/lib/slabgc, nor in a build tree; $SLABGC_LIBEXEC may say where", name,
                prefix);
    return false;
}

bool gcctl_layout_data(const char *name, char path[PATH_MAX])
{
    char prefix[PATH_MAX], built[PATH_MAX];
    layout_above(2, prefix);
    if (layout_try(path, prefix, "share/slabgc/", name, R_OK))
        return true;
    if (snprintf(built, sizeof(built), "tools/gcctl/%s", name) < PATH_MAX && layout_built(path, built, R_OK))
        return true;
    gcctl_error(EX_UNAVAILABLE, "%s is not there: neither in %s/share/slabgc, nor in a build tree", name, prefix);
    return false;
}

/* ---- plug-ins */

static void layout_add(char **list, const char *directory)
{
    char *longer = NULL;
    if (asprintf(&longer, "%s%s%s", *list ? *list : "", *list && **list ? ":" : "", directory) < 0)
        return;
    free(*list);
    *list = longer;
}

/* Adds the folder of each plug-in of a build tree: plugins/NAME/NAME.so. Runfiles are links, and core checks the folder
 * of the file itself. */
static void layout_add_built(char **list)
{
    char directory[PATH_MAX];
    if (!layout_built(directory, "plugins", R_OK | X_OK))
        return;
    DIR *plugins = opendir(directory);
    for (struct dirent *entry; plugins && (entry = readdir(plugins));) {
        char path[PATH_MAX + 520], real[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s/%s.so", directory, entry->d_name, entry->d_name);
        if (realpath(path, real))
            layout_add(list, dirname(real));
    }
    if (plugins)
        closedir(plugins);
}

void gcctl_layout_plugins(void)
{
    static bool done;
    char prefix[PATH_MAX], directory[PATH_MAX + 32];
    struct stat found;
    if (done)
        return;
    done = true;
    const char *given = getenv("SLABGC_PLUGIN_PATH");
    char *list = given ? strdup(given) : NULL;
    layout_above(2, prefix);
    snprintf(directory, sizeof(directory), "%s/lib/slabgc/plugins", prefix);
    if (*prefix && stat(directory, &found) == 0 && S_ISDIR(found.st_mode))
        layout_add(&list, directory);
    else
        layout_add_built(&list);
    if (list && *list)
        setenv("SLABGC_PLUGIN_PATH", list, 1);
    free(list);
}
