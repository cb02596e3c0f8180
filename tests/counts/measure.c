/* measure.c - see measure.h. Called by the tests of this folder and by rewrite.c.
 * What makes the numbers exact: callgrind counts in functions body_* alone, thread by thread; each value is the
 * difference of two runs that differ by so many operations (counted.h); the program starts with an environment that is
 * always the same, has nothing of the C library whose instructions depend on the processor, on addresses or on time
 * (steady.c), and does its work when core's own thread does none (stall.c). */
#include "tests/counts/measure.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 32
#define LINE_BYTES 4096
#define FUNCTION_BYTES 96
#define MAX_FUNCTIONS 1024
#define SET_BYTES (PATH_MAX + 64)

static bool fail(char error[COUNTS_ERROR_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(char error[COUNTS_ERROR_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, COUNTS_ERROR_BYTES, format, args);
    va_end(args);
    return false;
}

const char *counts_program(void)
{
    const char *chosen = getenv("COUNTS_PROGRAM");
    return chosen ? chosen : "tests/counts/opt/counted";
}

/* Runfiles are links; core looks at the directory in which a plug-in really lies. */
static void plugin_path(char *out, size_t size)
{
    static const char *const names[] = {"refcount", "generational", "rcu"};
    const char *chosen = getenv("COUNTS_PLUGIN_PATH");
    int length = snprintf(out, size, "SLABGC_PLUGIN_PATH=%s", chosen ? chosen : "");
    for (size_t i = 0; !chosen && i < sizeof(names) / sizeof(names[0]); i++) {
        char link[64], real[PATH_MAX];
        snprintf(link, sizeof(link), "tests/counts/opt/%s.so", names[i]);
        if (realpath(link, real))
            length += snprintf(out + length, size - (size_t)length, ":%s", dirname(real));
    }
}

/* ---- running it */

/* A measurement's own directory: config, the program's output, callgrind's files by process. */
struct scratch {
    char path[PATH_MAX - 64];
};

static void scratch_file(const struct scratch *scratch, const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", scratch->path, name);
}

static void scratch_remove(const struct scratch *scratch)
{
    char file[PATH_MAX + NAME_MAX];
    DIR *directory = opendir(scratch->path);
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        snprintf(file, sizeof(file), "%s/%s", scratch->path, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(file);
    }
    if (directory)
        closedir(directory);
    rmdir(scratch->path);
}

static bool scratch_make(struct scratch *scratch, const char *config, char error[COUNTS_ERROR_BYTES])
{
    char file[PATH_MAX];
    const char *parent = getenv("TEST_TMPDIR");
    snprintf(scratch->path, sizeof(scratch->path), "%s/counts-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(scratch->path))
        return fail(error, "%s: %s", scratch->path, strerror(errno));
    scratch_file(scratch, "config", file);
    FILE *out = config ? fopen(file, "w") : NULL;
    if (config && (!out || fputs(config, out) < 0 || fclose(out) != 0))
        return fail(error, "%s: %s", file, strerror(errno));
    return true;
}

static void exec_child(const struct scratch *scratch, char **argv, bool config)
{
    static char plugins[8 * PATH_MAX], config_file[SET_BYTES];
    char output[PATH_MAX], messages[PATH_MAX], file[PATH_MAX];
    scratch_file(scratch, "output", output);
    scratch_file(scratch, "messages", messages);
    scratch_file(scratch, "config", file);
    plugin_path(plugins, sizeof(plugins));
    snprintf(config_file, sizeof(config_file), "SLABGC_CONFIG=%s", file);
    char *environment[] = {"LC_ALL=C", "LD_BIND_NOW=1", plugins, config ? config_file : NULL, NULL};
    if (!freopen(output, "w", stdout) || !freopen(messages, "w", stderr))
        _exit(127);
    execvpe(argv[0], argv, environment);
    fprintf(stderr, "%s: %s; bazel/setup installs what is needed\n", argv[0], strerror(errno));
    fflush(stderr);
    _exit(127);
}

static bool run(const struct scratch *scratch, char **argv, bool config, char error[COUNTS_ERROR_BYTES])
{
    int status = -1;
    char file[PATH_MAX], messages[COUNTS_ERROR_BYTES / 2] = "";
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0)
        exec_child(scratch, argv, config);
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
        return true;
    scratch_file(scratch, "messages", file);
    FILE *in = fopen(file, "r");
    if (in) {
        messages[fread(messages, 1, sizeof(messages) - 1, in)] = '\0';
        fclose(in);
    }
    return fail(error, "%s ended with status 0x%x: %s", argv[0], (unsigned)status, messages);
}

static bool run_callgrind(const struct scratch *scratch, const struct counts_options *options,
                          char error[COUNTS_ERROR_BYTES])
{
    char out[PATH_MAX + 32], *argv[MAX_ARGS];
    size_t n = 0;
    snprintf(out, sizeof(out), "--callgrind-out-file=%s/%%p", scratch->path);
    argv[n++] = "valgrind";
    argv[n++] = "--tool=callgrind";
    argv[n++] = "--quiet";
    argv[n++] = "--command-line-only=yes";
    argv[n++] = "--collect-atstart=no";
    argv[n++] = "--toggle-collect=body_*";
    argv[n++] = "--compress-strings=no";
    argv[n++] = out;
    argv[n++] = (char *)(uintptr_t)counts_program();
    if (options->blind)
        argv[n++] = "--blind";
    for (const char *const *pattern = options->patterns; pattern && *pattern && n < MAX_ARGS - 1; pattern++)
        argv[n++] = (char *)(uintptr_t)*pattern;
    argv[n] = NULL;
    return run(scratch, argv, options->config != NULL, error);
}

/* ---- reading what came out */

/* One process: instructions of all functions and of each. */
struct profile {
    uint64_t instructions;
    size_t n;
    struct {
        char name[FUNCTION_BYTES];
        uint64_t self; /* less what it calls */
    } functions[MAX_FUNCTIONS];
};

/* NULL: too many. */
static uint64_t *profile_self(struct profile *profile, const char *name)
{
    size_t i = 0;
    while (i < profile->n && strcmp(profile->functions[i].name, name) != 0)
        i++;
    if (i == MAX_FUNCTIONS)
        return NULL;
    if (i == profile->n) {
        snprintf(profile->functions[i].name, FUNCTION_BYTES, "%s", name);
        profile->functions[i].self = 0;
        profile->n++;
    }
    return &profile->functions[i].self;
}

/* Costs are lines "POSITION INSTRUCTIONS"; the one behind a line "calls=" is the called function's. */
static bool profile_read(struct profile *profile, FILE *in)
{
    char line[LINE_BYTES];
    uint64_t cost, none = 0, *self = &none;
    bool found = false, called = false;
    while (self && fgets(line, sizeof(line), in)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "fn=", 3) == 0)
            self = profile_self(profile, line + 3);
        else if (strncmp(line, "calls=", 6) == 0)
            called = true;
        else if (sscanf(line, "totals: %" SCNu64, &profile->instructions) == 1)
            found = true;
        else if (sscanf(line, "%*[0-9+*-] %" SCNu64, &cost) == 1) {
            *self += called ? 0 : cost;
            called = false;
        }
    }
    return found && self;
}

static bool read_profile(const struct scratch *scratch, long pid, struct profile *profile,
                         char error[COUNTS_ERROR_BYTES])
{
    char name[32], file[PATH_MAX];
    memset(profile, 0, sizeof(*profile));
    snprintf(name, sizeof(name), "%ld", pid);
    scratch_file(scratch, name, file);
    FILE *in = fopen(file, "r");
    if (!in)
        return fail(error, "%s: %s", file, strerror(errno));
    const bool good = profile_read(profile, in);
    fclose(in);
    return good || fail(error, "%s: not what callgrind writes, or too many functions", file);
}

/* What the second run has more of. */
static bool set_path(struct counts_path *path, struct profile *once, struct profile *twice)
{
    size_t length = 1;
    path->instructions = twice->instructions - once->instructions;
    path->functions = malloc(twice->n * (FUNCTION_BYTES + 1) + 2);
    if (!path->functions)
        return false;
    strcpy(path->functions, "\n");
    for (size_t i = 0; i < twice->n; i++) {
        const uint64_t *before = profile_self(once, twice->functions[i].name);
        if (before && twice->functions[i].self > *before)
            length += (size_t)sprintf(path->functions + length, "%s\n", twice->functions[i].name);
    }
    return true;
}

/* A line of the counted program's; two are a path's. */
static bool read_run(const struct scratch *scratch, const char *line, struct counts_table *table,
                     char error[COUNTS_ERROR_BYTES])
{
    static struct profile once, twice;
    long pid;
    unsigned multiple;
    uint64_t n_operations;
    char name[COUNTS_NAME_BYTES];
    if (sscanf(line, "%ld %63s %" SCNu64 " %u", &pid, name, &n_operations, &multiple) != 4 ||
        table->n == COUNTS_MAX_PATHS)
        return fail(error, "counted: unexpected output: %s", line);
    if (multiple == 1)
        return read_profile(scratch, pid, &once, error);
    if (!read_profile(scratch, pid, &twice, error))
        return false;
    struct counts_path *path = &table->paths[table->n++];
    strcpy(path->name, name);
    path->n_operations = n_operations;
    return set_path(path, &once, &twice) || fail(error, "no memory");
}

static bool read_all(const struct scratch *scratch, struct counts_table *table, char error[COUNTS_ERROR_BYTES])
{
    char file[PATH_MAX], line[LINE_BYTES];
    bool good = true;
    scratch_file(scratch, "output", file);
    FILE *in = fopen(file, "r");
    if (!in)
        return fail(error, "%s: %s", file, strerror(errno));
    while (good && fgets(line, sizeof(line), in))
        good = read_run(scratch, line, table, error);
    fclose(in);
    return good && (table->n > 0 || fail(error, "counted: no path has such a name"));
}

static bool read_about(const struct scratch *scratch, struct counts_table *table, char error[COUNTS_ERROR_BYTES])
{
    char file[PATH_MAX];
    scratch_file(scratch, "output", file);
    FILE *in = fopen(file, "r");
    const bool good = in && fscanf(in, "%63s %63[^\n]", table->compiler, table->platform) == 2;
    if (in)
        fclose(in);
    return good || fail(error, "counted --about: unexpected output");
}

/* ---- */

static bool about(const struct scratch *scratch, struct counts_table *table, char error[COUNTS_ERROR_BYTES])
{
    char *argv[] = {(char *)(uintptr_t)counts_program(), "--about", NULL};
    return run(scratch, argv, false, error) && read_about(scratch, table, error);
}

bool counts_about(struct counts_table *table, char error[COUNTS_ERROR_BYTES])
{
    struct scratch scratch;
    memset(table, 0, sizeof(*table));
    const bool good = scratch_make(&scratch, NULL, error) && about(&scratch, table, error);
    scratch_remove(&scratch);
    return good;
}

bool counts_measure(const struct counts_options *options, struct counts_table *table, char error[COUNTS_ERROR_BYTES])
{
    static const struct counts_options none;
    struct scratch scratch;
    options = options ? options : &none;
    memset(table, 0, sizeof(*table));
    const bool good = scratch_make(&scratch, options->config, error) && about(&scratch, table, error) &&
                      run_callgrind(&scratch, options, error) && read_all(&scratch, table, error);
    scratch_remove(&scratch);
    if (!good)
        counts_table_fini(table);
    return good;
}

void counts_table_fini(struct counts_table *table)
{
    for (size_t i = 0; i < table->n; i++)
        free(table->paths[i].functions);
    table->n = 0;
}

const struct counts_path *counts_find(const struct counts_table *table, const char *name)
{
    for (size_t i = 0; i < table->n; i++)
        if (strcmp(table->paths[i].name, name) == 0)
            return &table->paths[i];
    return NULL;
}

void counts_print(const struct counts_path *path, char text[COUNTS_VALUE_BYTES])
{
    uint64_t rest = path->instructions % path->n_operations, unit = path->n_operations / 10;
    int length = snprintf(text, COUNTS_VALUE_BYTES, "%" PRIu64 ".", path->instructions / path->n_operations);
    for (; unit > 0 && length < COUNTS_VALUE_BYTES - 1; rest %= unit, unit /= 10)
        text[length++] = (char)('0' + rest / unit);
    text[length] = '\0';
}
