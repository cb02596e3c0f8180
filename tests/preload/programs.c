/* programs.c - the programs: python3, sqlite3, gcc; redis-server is in redis.c.
 * Each does the same work whatever serves its malloc, and says what came out of it. */
#include "tests/preload/programs.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void path_in(char out[PATH_MAX], const char *directory, const char *name)
{
    snprintf(out, PATH_MAX, "%s/%s", directory, name);
}

/* Dicts, strings, objects, JSON, threads, fork, subprocesses. */
static void python_run(const char *preload, enum size size, const char *directory, struct measure *out)
{
    char program[PATH_MAX], output[PATH_MAX];
    data_path("tests/preload/program.py", program);
    path_in(output, directory, "output");
    char *argv[] = {"/usr/bin/python3", program, size == SIZE_LONG ? "300" : "20", NULL};
    const double began = clock_s();
    if (!spawn_run(argv, preload, NULL, output, out))
        return;
    out->wall_s = clock_s() - began;
    answer_add_file(out, output);
}

/* A table in memory with two indexes; built, changed, read by both. */
static void sqlite_write(FILE *sql, unsigned n_rows)
{
    fprintf(sql,
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL);\n"
            "BEGIN;\n"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)\n"
            "  INSERT INTO t SELECT i, i * 2654435761 %% 1000003, printf('%%x-%%d-%%s', i * 40503 %% 65521, i,\n"
            "    substr('abcdefghijklmnopqrstuvwxyz0123456789', i %% 30, i %% 7)), i / 7.0 FROM n;\n"
            "COMMIT;\n"
            "CREATE INDEX t_b ON t(b);\n"
            "CREATE INDEX t_a ON t(a, c);\n"
            "UPDATE t SET b = b || '+' WHERE a %% 5 = 0;\n"
            "DELETE FROM t WHERE a %% 11 = 3;\n"
            "SELECT count(*), sum(a), sum(length(b)), round(sum(c), 3) FROM t;\n"
            "SELECT count(*), min(b), max(b) FROM t WHERE b BETWEEN '8' AND 'a';\n"
            "SELECT a %% 10, count(*), max(b) FROM t GROUP BY a %% 10 ORDER BY 1;\n"
            "SELECT length(group_concat(b)) FROM (SELECT b FROM t ORDER BY c DESC LIMIT 20000);\n"
            "PRAGMA integrity_check;\n",
            n_rows);
}

static void sqlite_run(const char *preload, enum size size, const char *directory, struct measure *out)
{
    char input[PATH_MAX], output[PATH_MAX];
    path_in(input, directory, "input.sql");
    path_in(output, directory, "output");
    FILE *sql = fopen(input, "w");
    if (!sql) {
        measure_fail(out, "%s: %s", input, strerror(errno));
        return;
    }
    sqlite_write(sql, size == SIZE_LONG ? 1000000 : 50000);
    fclose(sql);
    char *argv[] = {"/usr/bin/sqlite3", ":memory:", NULL};
    const double began = clock_s();
    if (!spawn_run(argv, preload, input, output, out))
        return;
    out->wall_s = clock_s() - began;
    answer_add_file(out, output);
}

/* Functions with loops, branches, calls of each other and tables: enough for every pass of -O2 to have work. */
static void source_write(FILE *source, unsigned n_functions)
{
    fputs("typedef unsigned long u64;\nstruct node { struct node *next; u64 key, value[4]; };\n"
          "extern u64 outside(u64, struct node *);\n",
          source);
    for (unsigned i = 0; i < n_functions; i++) {
        fprintf(source,
                "static const u64 table_%u[16] = {%u, %u, %u, %u, 0x%xul, %u, %u};\n"
                "u64 function_%u(struct node *at, u64 x, int n)\n{\n    u64 sum = %u;\n"
                "    for (int i = 0; i < n; i++) {\n"
                "        switch ((x >> i) & 7) {\n",
                i, i, i * 3, i ^ 77, i * i, i * 2654435761u, i + 9, i % 13, i, i);
        for (unsigned k = 0; k < 7; k++)
            fprintf(source, "        case %u: sum += table_%u[i & 15] * %uul ^ (at ? at->value[%u] : x + %u); break;\n",
                    k, i, i * 7 + k, k % 4, k * i);
        fprintf(source,
                "        default: sum = outside(sum, at); break;\n        }\n"
                "        while (at && at->key < sum %% %u) {\n"
                "            for (int j = 0; j < 4; j++)\n                at->value[j] += sum * j + table_%u[j];\n"
                "            at = at->next;\n        }\n    }\n",
                i % 97 + 3, i);
        if (i > 2)
            fprintf(source,
                    "    if (sum & 64)\n        sum ^= function_%u(at, sum, n - 1) + function_%u(at, x, n / 2);\n",
                    i - 1, i / 2);
        fputs("    return sum;\n}\n", source);
    }
}

static void gcc_run(const char *preload, enum size size, const char *directory, struct measure *out)
{
    char input[PATH_MAX], output[PATH_MAX], here[PATH_MAX] = "";
    path_in(input, directory, "input.c");
    path_in(output, directory, "output.o");
    FILE *source = fopen(input, "w");
    if (!source) {
        measure_fail(out, "%s: %s", input, strerror(errno));
        return;
    }
    source_write(source, size == SIZE_LONG ? 120 : 10);
    fclose(source);
    if (chdir(directory) != 0 || !getcwd(here, sizeof(here))) /* as gcc sees it: /tmp may be a link */
        measure_fail(out, "%s: %s", directory, strerror(errno));
    char map[PATH_MAX + 32];
    snprintf(map, sizeof(map), "-fdebug-prefix-map=%s=.", here);
    char *argv[] = {"/usr/bin/gcc", "-O2",     "-g", map,        "-gno-record-gcc-switches",
                    "-c",           "input.c", "-o", "output.o", NULL};
    const double began = clock_s();
    if (!spawn_run(argv, preload, NULL, NULL, out))
        return;
    out->wall_s = clock_s() - began;
    answer_add_digest(out, output);
}

const struct program programs[] = {
    {"python3", {"/usr/bin/python3"}, python_run},
    {"redis", {"/usr/bin/redis-server", "/usr/bin/redis-benchmark"}, redis_run},
    {"sqlite3", {"/usr/bin/sqlite3"}, sqlite_run},
    {"gcc", {"/usr/bin/gcc"}, gcc_run},
    {NULL, {NULL}, NULL},
};

const char *program_lacks(const struct program *program)
{
    for (size_t i = 0; i < 3 && program->needs[i]; i++)
        if (access(program->needs[i], X_OK) != 0)
            return program->needs[i];
    return NULL;
}

void data_path(const char *name, char out[PATH_MAX])
{
    char here[PATH_MAX], path[2 * PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", here, sizeof(here) - 1);
    here[n > 0 ? n : 0] = '\0';
    snprintf(path, sizeof(path), "%s.runfiles/slabgc/%s", here, name);
    if (!realpath(path, out) && !realpath(name, out)) /* as a test it stands at the top of its runfiles */
        snprintf(out, PATH_MAX, "%s", name);
}

static void directory_remove(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char name[PATH_MAX + 256];
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(name);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

void program_run(const struct program *program, const char *preload, enum size size, struct measure *out)
{
    /* Short: it holds a socket. */
    char directory[64] = "/tmp/slabgc-preload-XXXXXX", before[PATH_MAX];
    memset(out, 0, sizeof(*out));
    if (!mkdtemp(directory) || !getcwd(before, sizeof(before))) {
        measure_fail(out, "%s: %s", directory, strerror(errno));
        return;
    }
    program->run(preload, size, directory, out);
    if (chdir(before) != 0)
        measure_fail(out, "%s: %s", before, strerror(errno));
    directory_remove(directory);
}
