/* print.c - how gcctl prints: messages, units, tables, JSON.
 * Called by all commands. Invariant: data goes to stdout, messages to stderr. Locks: none, one thread. */
#include "tools/gcctl/print.h"

#include <errno.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- messages */

/* Names in a message may be of somebody else's process: what would move the terminal's cursor is shown as '?'. */
static void print_message(const char *format, va_list arguments)
{
    char *text = NULL;
    fflush(stdout);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    for (char *at = text; at && *at; at++)
        if (((unsigned char)*at < ' ' && *at != '\n' && *at != '\t') || *at == '\177')
            *at = '?';
    fprintf(stderr, "gcctl: %s\n", text ? text : "out of memory");
    free(text);
}

int gcctl_error(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message(format, arguments);
    va_end(arguments);
    return status;
}

void gcctl_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message(format, arguments);
    va_end(arguments);
}

int gcctl_output_end(FILE *out, const char *path, int status)
{
    struct stat made;
    const bool failed = fflush(out) || ferror(out);
    const int code = errno;
    const bool remove = (failed || status) && out != stdout && !fstat(fileno(out), &made) && S_ISREG(made.st_mode);
    if (out != stdout)
        fclose(out);
    if (remove)
        unlink(path);
    return failed ? gcctl_error(EX_IOERR, "%s: cannot write: %s", path ? path : "stdout", strerror(code)) : status;
}

/* ---- units */

struct print_unit {
    const char *name;
    double factor;
};

static const struct print_unit byte_units[] = {
    {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776}, {NULL, 0}};
static const struct print_unit duration_units[] = {{"ns", 1},  {"us", 1e3},   {"ms", 1e6},
                                                   {"s", 1e9}, {"min", 6e10}, {NULL, 0}};
static const struct print_unit count_units[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {NULL, 0}};

/* Three digits at most behind the first unit, without zeros at the end: "1.5", "12.3", "123". */
static char *print_scaled(char out[GCCTL_UNIT_BYTES], double value, const struct print_unit *units)
{
    const char *sign = value < 0 ? "-" : "";
    value = fabs(value);
    /* What would round up to the next unit's 1 is shown there: 1023.9 KiB is 1MiB. */
    while (units[1].name && value >= units[1].factor * (1 - 0.0005))
        units++;
    double scaled = value / units->factor;
    int decimals = units->factor == 1 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
    char digits[GCCTL_UNIT_BYTES];
    snprintf(digits, sizeof(digits), "%.*f", decimals, scaled);
    if (decimals) {
        size_t length = strlen(digits);
        while (digits[length - 1] == '0')
            digits[--length] = '\0';
        if (digits[length - 1] == '.')
            digits[length - 1] = '\0';
    }
    snprintf(out, GCCTL_UNIT_BYTES, "%s%.20s%s", sign, digits, units->name);
    return out;
}

char *gcctl_bytes(char out[GCCTL_UNIT_BYTES], double bytes)
{
    return print_scaled(out, bytes, byte_units);
}

char *gcctl_duration(char out[GCCTL_UNIT_BYTES], double ns)
{
    return print_scaled(out, ns, duration_units);
}

char *gcctl_count(char out[GCCTL_UNIT_BYTES], double n)
{
    if (fabs(n) >= 10000)
        return print_scaled(out, n, count_units);
    snprintf(out, GCCTL_UNIT_BYTES, "%.0f", n);
    return out;
}

/* Digits with '_' between them, a point and more digits if the unit makes it whole, and a unit; a bare 0. */
static int print_parse(const char *text, const struct print_unit *units, int64_t *out)
{
    char digits[64];
    size_t n = 0, at = 0;
    bool point = false;
    for (; (text[at] >= '0' && text[at] <= '9') || (at && (text[at] == '_' || (text[at] == '.' && !point))); at++) {
        point |= text[at] == '.';
        if (text[at] == '_')
            continue;
        if (n + 1 >= sizeof(digits))
            return -EINVAL;
        digits[n++] = text[at];
    }
    digits[n] = '\0';
    if (n == 0 || digits[n - 1] == '.')
        return -EINVAL;
    const char *unit = text + at + strspn(text + at, " ");
    double number = strtod(digits, NULL);
    if (*unit == '\0' && number == 0) {
        *out = 0;
        return 0;
    }
    for (; units->name; units++) {
        long double value = (long double)number * (long double)units->factor;
        if (strcmp(unit, units->name) != 0)
            continue;
        if (value >= 9223372036854775807.0L)
            return -EINVAL;
        *out = point ? (int64_t)(value + 0.5L) : (int64_t)(strtoull(digits, NULL, 10) * (uint64_t)units->factor);
        return 0;
    }
    return -EINVAL;
}

int gcctl_parse_bytes(const char *text, int64_t *bytes)
{
    return print_parse(text, byte_units, bytes);
}

int gcctl_parse_duration(const char *text, int64_t *ns)
{
    size_t length = strlen(text);
    char minutes[64];
    /* "5m": what people write beside config's "5min". */
    if (length > 1 && length < 60 && text[length - 1] == 'm') {
        snprintf(minutes, sizeof(minutes), "%sin", text);
        return print_parse(minutes, duration_units, ns);
    }
    return print_parse(text, duration_units, ns);
}

/* ---- tables */

struct gcctl_table {
    struct libscols_table *lines;
    size_t n_columns;
    bool color;
};

static void print_no_memory(void)
{
    exit(gcctl_error(EX_OSERR, "out of memory"));
}

struct gcctl_table *gcctl_table_create(const struct gcctl_call *call)
{
    struct gcctl_table *table = calloc(1, sizeof(*table));
    if (!table || !(table->lines = scols_new_table()))
        print_no_memory();
    table->color = call->color;
    if (!isatty(STDOUT_FILENO))
        scols_table_set_termforce(table->lines, SCOLS_TERMFORCE_NEVER);
    scols_table_enable_colors(table->lines, call->color);
    return table;
}

void gcctl_table_column(struct gcctl_table *table, const char *title, int flags)
{
    int scols = (flags & GCCTL_RIGHT ? SCOLS_FL_RIGHT : 0) | (flags & GCCTL_WRAP ? SCOLS_FL_WRAP : 0);
    struct libscols_column *column = scols_table_new_column(table->lines, title, 0, scols);
    if (!column)
        print_no_memory();
    if (table->color)
        scols_cell_set_color(scols_column_get_header(column), "bold");
    table->n_columns++;
}

void gcctl_table_row(struct gcctl_table *table, const char *const *cells)
{
    struct libscols_line *line = scols_table_new_line(table->lines, NULL);
    if (!line)
        print_no_memory();
    for (size_t i = 0; i < table->n_columns; i++)
        if (cells[i] && scols_line_set_data(line, i, cells[i]))
            print_no_memory();
}

void gcctl_table_print(struct gcctl_table *table)
{
    if (scols_table_get_nlines(table->lines))
        scols_print_table(table->lines);
    scols_unref_table(table->lines);
    free(table);
}

/* ---- JSON */

int gcctl_print_json(json_t *value)
{
    if (!value)
        return gcctl_error(EX_DATAERR, "a name is not in UTF-8, and JSON cannot have it");
    int code = json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    if (code || fputc('\n', stdout) == EOF || fflush(stdout))
        return gcctl_error(EX_IOERR, "cannot write to stdout: %s", strerror(errno));
    return 0;
}
