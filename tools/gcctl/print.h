/* print.h - how gcctl prints: tables, units, colours, messages, JSON. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_PRINT_H
#define SLABGC_TOOLS_GCCTL_PRINT_H

#include "tools/gcctl/command.h"

#include <stdio.h>

/* ---- messages to stderr: "gcctl: ..." and a newline; returns status, so that a command may end by `return gcctl_error(EX_..., ...)` */
int gcctl_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gcctl_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the writing of a file that a command was told to make (out may be stdout, path NULL then): status, or EX_IOERR and a message
 * when not all of it could be written. What is in part is removed, where it is a regular file. */
int gcctl_output_end(FILE *out, const char *path, int status);

/* ---- units as config writes them; each returns out */
#define GCCTL_UNIT_BYTES 32
char *gcctl_bytes(char out[GCCTL_UNIT_BYTES], double bytes);      /* "64MiB", "1.5KiB" */
char *gcctl_duration(char out[GCCTL_UNIT_BYTES], double ns);      /* "1.5ms" */
char *gcctl_count(char out[GCCTL_UNIT_BYTES], double n);          /* "12.3k" from 10000 on */
/* Reads what config writes: 0, or -EINVAL. */
int gcctl_parse_bytes(const char *text, int64_t *bytes);
int gcctl_parse_duration(const char *text, int64_t *ns);

/* ---- tables (libsmartcols) */
struct gcctl_table;
enum { GCCTL_RIGHT = 1, GCCTL_WRAP = 2 };
struct gcctl_table *gcctl_table_create(const struct gcctl_call *call);
void gcctl_table_column(struct gcctl_table *table, const char *title, int flags);
void gcctl_table_row(struct gcctl_table *table, const char *const *cells); /* copied; as many as columns; NULL: empty */
void gcctl_table_print(struct gcctl_table *table); /* to stdout, and frees it */

/* ---- JSON: prints value (stolen) and a newline to stdout; returns 0, or EX_IOERR with a message */
int gcctl_print_json(json_t *value);

/* "; did you mean \"NAME\"?", or "" when no candidate is near; static storage. candidates: NULL at the end. */
const char *gcctl_suggest(const char *word, const char *const *candidates);

#endif
