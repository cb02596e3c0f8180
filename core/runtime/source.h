/* source.h - a text that config was read from, and places in it: what errors point at and what values remember. */
#ifndef SLABGC_CORE_RUNTIME_SOURCE_H
#define SLABGC_CORE_RUNTIME_SOURCE_H

#include <slabgc/error.h>
#include <stddef.h>
#include <stdint.h>

/* Rising precedence. */
enum sgc_source_kind { SGC_SOURCE_BUILT_IN, SGC_SOURCE_FILE, SGC_SOURCE_ENVIRONMENT, SGC_SOURCE_LIVE };

struct sgc_source {
    enum sgc_source_kind kind;
    const char *name; /* path as opened, "$SLABGC", "built-in", "gcctl" */
    const char *text; /* n_bytes bytes; NUL behind them */
    size_t n_bytes;
    struct sgc_source *next; /* read after this one */
};

struct sgc_place {
    const struct sgc_source *source;
    uint32_t line, column; /* from 1; column in bytes */
};

#define SGC_ORIGIN_BYTES 512
/* Where a value came from, for people: "/etc/slabgc/slabgc.conf:3", "$SLABGC", "default". */
void sgc_place_origin(const struct sgc_place *place, char out[SGC_ORIGIN_BYTES]);

/* Fills error with
 *     FILE:LINE:COLUMN: <message>
 *        3 | strategy = generatinal
 *          |            ^
 * and returns code. Of a long line the part around the column is shown; bytes that are no text are shown as '?'. */
int sgc_place_error(const struct sgc_place *place, struct sgc_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
