/* golden.h - golden.txt: what each path should take, one column for each compiler. */
#ifndef SLABGC_TESTS_COUNTS_GOLDEN_H
#define SLABGC_TESTS_COUNTS_GOLDEN_H

#include "tests/counts/measure.h"

#include <stdio.h>

#define GOLDEN_MAX_COMPILERS 4

struct golden_row {
    char name[COUNTS_NAME_BYTES];
    char values[GOLDEN_MAX_COMPILERS][COUNTS_VALUE_BYTES]; /* as counts_print has them; "-": none */
};

struct golden {
    char platform[COUNTS_NAME_BYTES];
    size_t n_compilers, n_rows;
    char compilers[GOLDEN_MAX_COMPILERS][COUNTS_NAME_BYTES];
    struct golden_row rows[COUNTS_MAX_PATHS];
};

/* False: error has a message that begins with file and line. */
bool golden_read(struct golden *golden, const char *path, char error[COUNTS_ERROR_BYTES]);
/* Replaces the file as a whole, or leaves it. */
bool golden_write(const struct golden *golden, const char *path, char error[COUNTS_ERROR_BYTES]);

/* Are there values for where the table was made? If not, prints what there is values for. */
bool golden_applies(const struct golden *golden, const struct counts_table *table, FILE *out);

/* Each path of the table must have its value to the last digit, and each row its path. Prints a line for each that has
 * not: name, expected, found, percentage, what to do. Returns how many. The golden values apply. */
size_t golden_compare(const struct golden *golden, const struct counts_table *table, FILE *out);

/* The table becomes its compiler's column (a new one at need), its paths the rows in its order; other compilers'
 * values of these paths stay. Prints what changes. False: another platform's file, or no room for a column. */
bool golden_update(struct golden *golden, const struct counts_table *table, FILE *out, char error[COUNTS_ERROR_BYTES]);

#endif
