/* rewrite.c - writes golden.txt anew: bazel run //tests/counts:rewrite [-- FILE]
 * Measures twice and writes nothing when the two do not agree to the last instruction. FILE: default, the one in the
 * source tree that Bazel was run in. Says what changed. */
#include "tests/counts/golden.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct counts_table table, again;
static struct golden golden;
static char error[COUNTS_ERROR_BYTES];

static void die(const char *what)
{
    fprintf(stderr, "rewrite: %s\n", what);
    exit(EXIT_FAILURE);
}

static void measure_twice(void)
{
    bool same = true;
    if (!counts_measure(NULL, &table, error) || !counts_measure(NULL, &again, error))
        die(error);
    for (size_t i = 0; i < table.n; i++) {
        if (table.paths[i].instructions == again.paths[i].instructions)
            continue;
        fprintf(stderr, "%s: two measurements differ by %lld instructions in %llu operations\n", table.paths[i].name,
                (long long)(again.paths[i].instructions - table.paths[i].instructions),
                (unsigned long long)table.paths[i].n_operations);
        same = false;
    }
    if (!same)
        die("nothing is written: a path whose count is left to chance is no guard");
}

int main(int argc, char **argv)
{
    char path[PATH_MAX];
    const char *tree = getenv("BUILD_WORKSPACE_DIRECTORY");
    if (argc > 2 || (argc < 2 && !tree))
        die("usage: bazel run //tests/counts:rewrite [-- FILE]");
    if (argc == 2)
        snprintf(path, sizeof(path), "%s", argv[1]);
    else
        snprintf(path, sizeof(path), "%s/tests/counts/golden.txt", tree);
    if (access(path, F_OK) == 0 && !golden_read(&golden, path, error))
        die(error);
    measure_twice();
    if (!golden_update(&golden, &table, stdout, error) || !golden_write(&golden, path, error))
        die(error);
    printf("%s: %zu paths of %s on %s\n", path, table.n, table.compiler, table.platform);
    return EXIT_SUCCESS;
}
