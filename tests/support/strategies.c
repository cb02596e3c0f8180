/* strategies.c - see strategies.h.
 * Runfiles hold links to the plug-ins; core checks the directory of the file it opens, so the path gets the places
 * that the links name. */
#include "tests/support/strategies.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STRATEGIES "none,refcount,generational,rcu,marksweep"
#define PATH_BYTES 16384

/* Places below the working directory of a Bazel test, %s: the strategy's name. */
static const char *const places[] = {"plugins/%s/%s.so", "tests/support/%s/%s.so"};

static void path_add(char *path, const char *directory)
{
    size_t length = strlen(path);
    snprintf(path + length, PATH_BYTES - length, "%s%s", length ? ":" : "", directory);
}

static void path_find(char *path, const char *strategy)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char place[PATH_MAX], real[PATH_MAX];
        snprintf(place, sizeof(place), places[i], strategy, strategy);
        if (realpath(place, real))
            path_add(path, dirname(real));
    }
}

void support_strategies_init(void)
{
    unsetenv("SLABGC");
    unsetenv("SLABGC_CONFIG");
    if (getenv("SLABGC_PLUGIN_PATH"))
        return;
    static char path[PATH_BYTES];
    const char *names[SUPPORT_MAX_STRATEGIES];
    size_t n = support_strategies(names);
    path[0] = '\0';
    for (size_t i = 0; i < n; i++)
        path_find(path, names[i]);
    if (path[0])
        setenv("SLABGC_PLUGIN_PATH", path, 1);
}

size_t support_strategies(const char *names[])
{
    static char list[1024];
    const char *chosen = getenv("SLABGC_TEST_STRATEGIES");
    snprintf(list, sizeof(list), "%s", chosen ? chosen : DEFAULT_STRATEGIES);
    size_t n = 0;
    for (char *at = NULL, *name = strtok_r(list, ", ", &at); name && n < SUPPORT_MAX_STRATEGIES;
         name = strtok_r(NULL, ", ", &at))
        names[n++] = name;
    return n;
}
