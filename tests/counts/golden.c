/* golden.c - see golden.h. Called by counts_test.c, golden_test.c and rewrite.c.
 * The file: lines of words; '#' begins a comment. "platform WORDS", then "path COMPILER...", then one line for each
 * path: its name, and a value or '-' for each compiler. Values are compared as text: no digit may differ. */
#include "tests/counts/golden.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 512
#define SPACE " \t\n"

static const char head[] =
    "# Instructions of one operation on each fast path, counted by callgrind: see README.md. Written by\n"
    "#     bazel run //tests/counts:rewrite\n"
    "#     bazel run --config=clang //tests/counts:rewrite\n"
    "# each of which replaces its compiler's column. They hold for this platform and these compilers, with -c opt.\n";

static bool fail(char error[COUNTS_ERROR_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(char error[COUNTS_ERROR_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, COUNTS_ERROR_BYTES, format, args);
    va_end(args);
    return false;
}

/* -1: no such compiler. */
static int column_of(const struct golden *golden, const char *compiler)
{
    for (size_t i = 0; i < golden->n_compilers; i++)
        if (strcmp(golden->compilers[i], compiler) == 0)
            return (int)i;
    return -1;
}

static const struct golden_row *row_of(const struct golden *golden, const char *name)
{
    for (size_t i = 0; i < golden->n_rows; i++)
        if (strcmp(golden->rows[i].name, name) == 0)
            return &golden->rows[i];
    return NULL;
}

/* ---- reading and writing */

static bool is_value(const char *word)
{
    char *end;
    strtod(word, &end);
    return strlen(word) < COUNTS_VALUE_BYTES && (strcmp(word, "-") == 0 || (end != word && *end == '\0'));
}

static const char *read_compilers(struct golden *golden, char **at)
{
    for (char *word; (word = strtok_r(NULL, SPACE, at)) != NULL; golden->n_compilers++) {
        if (golden->n_compilers == GOLDEN_MAX_COMPILERS || strlen(word) >= COUNTS_NAME_BYTES)
            return "too many compilers, or too long a name";
        strcpy(golden->compilers[golden->n_compilers], word);
    }
    return NULL;
}

static const char *read_row(struct golden *golden, const char *name, char **at)
{
    if (golden->n_rows == COUNTS_MAX_PATHS || strlen(name) >= COUNTS_NAME_BYTES)
        return "too many paths, or too long a name";
    if (row_of(golden, name))
        return "this path is there already";
    struct golden_row *row = &golden->rows[golden->n_rows++];
    strcpy(row->name, name);
    for (size_t i = 0; i < golden->n_compilers; i++) {
        const char *word = strtok_r(NULL, SPACE, at);
        if (!word || !is_value(word))
            return "a number or '-' is wanted for each compiler";
        strcpy(row->values[i], word);
    }
    return strtok_r(NULL, SPACE, at) ? "more values than compilers" : NULL;
}

/* NULL, or what is wrong. */
static const char *read_line(struct golden *golden, char *line)
{
    char *at, *word;
    line[strcspn(line, "#")] = '\0';
    word = strtok_r(line, SPACE, &at);
    if (!word)
        return NULL;
    if (strcmp(word, "platform") == 0) {
        const char *name = at + strspn(at, SPACE);
        snprintf(golden->platform, sizeof(golden->platform), "%.*s", (int)strcspn(name, "\n"), name);
        return NULL;
    }
    if (strcmp(word, "path") == 0)
        return read_compilers(golden, &at);
    return read_row(golden, word, &at);
}

bool golden_read(struct golden *golden, const char *path, char error[COUNTS_ERROR_BYTES])
{
    char line[LINE_BYTES];
    const char *wrong = NULL;
    FILE *in = fopen(path, "r");
    if (!in)
        return fail(error, "%s: %s", path, strerror(errno));
    memset(golden, 0, sizeof(*golden));
    for (unsigned n = 1; !wrong && fgets(line, sizeof(line), in); n++) {
        wrong = read_line(golden, line);
        if (wrong)
            fail(error, "%s:%u: %s", path, n, wrong);
    }
    fclose(in);
    return !wrong;
}

static void write_text(const struct golden *golden, FILE *out)
{
    int width = 0;
    for (size_t i = 0; i < golden->n_rows; i++)
        width = (int)strlen(golden->rows[i].name) > width ? (int)strlen(golden->rows[i].name) : width;
    fprintf(out, "%splatform %s\n%-*s", head, golden->platform, width, "path");
    for (size_t k = 0; k < golden->n_compilers; k++)
        fprintf(out, "  %12s", golden->compilers[k]);
    for (size_t i = 0; i < golden->n_rows; i++) {
        fprintf(out, "\n%-*s", width, golden->rows[i].name);
        for (size_t k = 0; k < golden->n_compilers; k++)
            fprintf(out, "  %12s", golden->rows[i].values[k]);
    }
    fprintf(out, "\n");
}

bool golden_write(const struct golden *golden, const char *path, char error[COUNTS_ERROR_BYTES])
{
    char beside[4096];
    snprintf(beside, sizeof(beside), "%s.new", path);
    FILE *out = fopen(beside, "w");
    if (!out)
        return fail(error, "%s: %s", beside, strerror(errno));
    write_text(golden, out);
    const bool written = !ferror(out);
    if (fclose(out) != 0 || !written || rename(beside, path) != 0) {
        fail(error, "%s: %s", path, strerror(errno));
        unlink(beside);
        return false;
    }
    return true;
}

/* ---- comparing */

/* What messages tell to do. */
static const char *command(const struct counts_table *table)
{
    return strncmp(table->compiler, "clang", 5) == 0 ? "bazel run --config=clang //tests/counts:rewrite"
                                                     : "bazel run //tests/counts:rewrite";
}

bool golden_applies(const struct golden *golden, const struct counts_table *table, FILE *out)
{
    if (strcmp(golden->platform, table->platform) == 0 && column_of(golden, table->compiler) >= 0)
        return true;
    fprintf(out, "no values for %s on %s: there are some for", table->compiler, table->platform);
    for (size_t i = 0; i < golden->n_compilers; i++)
        fprintf(out, "%s %s", i ? "," : "", golden->compilers[i]);
    fprintf(out, " on %s\n", golden->platform);
    return false;
}

static double percentage(const char *expected, const char *found)
{
    const double base = strtod(expected, NULL);
    return base > 0 ? (strtod(found, NULL) - base) / base * 100 : 0;
}

static bool compare_path(const struct golden *golden, const struct counts_table *table, const struct counts_path *path,
                         FILE *out)
{
    char found[COUNTS_VALUE_BYTES];
    const struct golden_row *row = row_of(golden, path->name);
    const char *expected = row ? row->values[column_of(golden, table->compiler)] : "-";
    counts_print(path, found);
    if (strcmp(expected, found) == 0)
        return true;
    if (strcmp(expected, "-") == 0)
        fprintf(out, "%s (%s): no value expected, found %s instructions; to add it: %s\n", path->name, table->compiler,
                found, command(table));
    else
        fprintf(out, "%s (%s): expected %s instructions, found %s (%+.2f%%); if that is meant: %s\n", path->name,
                table->compiler, expected, found, percentage(expected, found), command(table));
    return false;
}

size_t golden_compare(const struct golden *golden, const struct counts_table *table, FILE *out)
{
    size_t n_different = 0;
    for (size_t i = 0; i < table->n; i++)
        n_different += !compare_path(golden, table, &table->paths[i], out);
    for (size_t i = 0; i < golden->n_rows; i++) {
        if (counts_find(table, golden->rows[i].name))
            continue;
        fprintf(out, "%s: no such path is counted; to remove it: %s\n", golden->rows[i].name, command(table));
        n_different++;
    }
    return n_different;
}

/* ---- new values */

static void print_change(const char *name, const char *old, const char *value, FILE *out)
{
    if (strcmp(old, value) == 0)
        return;
    if (strcmp(old, "-") == 0)
        fprintf(out, "%s: %s\n", name, value);
    else
        fprintf(out, "%s: %s -> %s (%+.2f%%)\n", name, old, value, percentage(old, value));
}

static void update_row(struct golden_row *row, const struct golden *old, const struct counts_path *path, size_t column,
                       FILE *out)
{
    const struct golden_row *before = row_of(old, path->name);
    strcpy(row->name, path->name);
    for (size_t k = 0; k < GOLDEN_MAX_COMPILERS; k++)
        strcpy(row->values[k], before && k < old->n_compilers ? before->values[k] : "-");
    const char *was = before && column < old->n_compilers ? before->values[column] : "-";
    counts_print(path, row->values[column]);
    print_change(path->name, was, row->values[column], out);
}

bool golden_update(struct golden *golden, const struct counts_table *table, FILE *out, char error[COUNTS_ERROR_BYTES])
{
    static struct golden old;
    old = *golden;
    if (golden->platform[0] && strcmp(golden->platform, table->platform) != 0)
        return fail(error, "the values there are of %s, these of %s; begin with an empty file, or stay there",
                    golden->platform, table->platform);
    strcpy(golden->platform, table->platform);
    int column = column_of(golden, table->compiler);
    if (column < 0 && golden->n_compilers == GOLDEN_MAX_COMPILERS)
        return fail(error, "no room for another compiler's column");
    if (column < 0) {
        column = (int)golden->n_compilers++;
        strcpy(golden->compilers[column], table->compiler);
    }
    golden->n_rows = table->n;
    for (size_t i = 0; i < table->n; i++)
        update_row(&golden->rows[i], &old, &table->paths[i], (size_t)column, out);
    for (size_t i = 0; i < old.n_rows; i++)
        if (!counts_find(table, old.rows[i].name))
            fprintf(out, "%s: removed\n", old.rows[i].name);
    return true;
}
