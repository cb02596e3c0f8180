/* measure.h - instructions of one operation of each path, exactly: the counted program under callgrind. */
#ifndef SLABGC_TESTS_COUNTS_MEASURE_H
#define SLABGC_TESTS_COUNTS_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNTS_MAX_PATHS 128
#define COUNTS_NAME_BYTES 64
#define COUNTS_VALUE_BYTES 24
#define COUNTS_ERROR_BYTES 4096

struct counts_path {
    char name[COUNTS_NAME_BYTES];
    uint64_t n_operations, instructions; /* these operations took so many */
    char *functions;                     /* that took them, as callgrind names them: "\nNAME\nNAME\n" */
};

/* What one measurement found, and what it holds for. */
struct counts_table {
    char compiler[COUNTS_NAME_BYTES]; /* "gcc-12.2" */
    char platform[COUNTS_NAME_BYTES]; /* "x86_64 glibc-2.36" */
    size_t n;
    struct counts_path paths[COUNTS_MAX_PATHS];
};

struct counts_options {
    const char *config;          /* text of the config file; NULL: there is none */
    const char *const *patterns; /* of names of paths; NULL ends them. NULL: all paths */
    bool blind;                  /* counted.c */
};

/* Runs the counted program as options (NULL: none) say. The program: $COUNTS_PROGRAM, else where a Bazel target has it
 * as data; plug-ins: $COUNTS_PLUGIN_PATH, or as data. Nothing else of the environment comes through. False: error has a
 * message for a person. */
bool counts_measure(const struct counts_options *options, struct counts_table *table, char error[COUNTS_ERROR_BYTES]);
void counts_table_fini(struct counts_table *table);

/* Only compiler and platform: does not measure. */
bool counts_about(struct counts_table *table, char error[COUNTS_ERROR_BYTES]);

/* NULL: no such path. */
const struct counts_path *counts_find(const struct counts_table *table, const char *name);

/* Instructions of one operation as text: a decimal number without rest. */
void counts_print(const struct counts_path *path, char text[COUNTS_VALUE_BYTES]);

/* The file of the counted program. */
const char *counts_program(void);

#endif
