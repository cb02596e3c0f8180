/* source.c - error messages that show the line.
 * Called by everything in core/runtime that judges config.
 * Invariant: a place lies within its source's text, or just behind a line's end.
 * Locks: none; sources are constant once read. */
#include "core/runtime/source.h"

#include "core/base/panic.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_BEFORE 60   /* bytes of a long line shown before the column, */
#define SHOWN_AFTER 40    /* and from it on: with the frame, some 110 columns */
#define MESSAGE_BYTES 640 /* leaves room for a path of 160 bytes and both lines in SGC_ERROR_MESSAGE_BYTES */

void sgc_place_origin(const struct sgc_place *place, char out[SGC_ORIGIN_BYTES])
{
    switch (place->source->kind) {
    case SGC_SOURCE_BUILT_IN:
        snprintf(out, SGC_ORIGIN_BYTES, "default");
        break;
    case SGC_SOURCE_FILE:
        snprintf(out, SGC_ORIGIN_BYTES, "%.480s:%u", place->source->name, place->line);
        break;
    case SGC_SOURCE_ENVIRONMENT:
    case SGC_SOURCE_LIVE:
        snprintf(out, SGC_ORIGIN_BYTES, "%.480s", place->source->name);
        break;
    }
}

static const char *source_line(const struct sgc_source *source, uint32_t line, size_t *length)
{
    const char *at = source->text, *end = source->text + source->n_bytes;
    while (--line > 0) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            break;
        at = newline + 1;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    *length = (size_t)((newline ? newline : end) - at);
    if (*length && at[*length - 1] == '\r')
        --*length;
    return at;
}

static bool byte_continues(char byte) /* a UTF-8 sequence */
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* The part of the line around byte `at`, and under it the caret. */
static void place_show(const char *line, size_t length, size_t at, char *shown, char *caret)
{
    size_t begin = at > SHOWN_BEFORE ? at - SHOWN_BEFORE : 0, n = 0;
    size_t end = length > at && length - at > SHOWN_AFTER ? at + SHOWN_AFTER : length;
    while (begin > 0 && byte_continues(line[begin]))
        begin--;
    while (end < length && byte_continues(line[end]))
        end++;
    const char *dots = begin > 0 ? "..." : "";
    shown += sprintf(shown, "%s", dots);
    caret += sprintf(caret, "%.*s", (int)strlen(dots), "   ");
    for (size_t i = begin; i < end; i++, n++) {
        unsigned char byte = (unsigned char)line[i];
        *shown++ = (byte < 0x20 && byte != '\t') || byte == 0x7f ? '?' : (char)byte;
        if (i < at && !byte_continues(line[i]))
            *caret++ = byte == '\t' ? '\t' : ' ';
    }
    for (size_t i = end; i < at; i++)
        *caret++ = ' ';
    strcpy(shown, end < length ? "..." : "");
    strcpy(caret, "^");
}

int sgc_place_error(const struct sgc_place *place, struct sgc_error *error, int code, const char *format, ...)
{
    char message[MESSAGE_BYTES], shown[2 * (SHOWN_BEFORE + SHOWN_AFTER)], caret[2 * (SHOWN_BEFORE + SHOWN_AFTER)];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    size_t length;
    const char *line = source_line(place->source, place->line, &length);
    size_t at = place->column - 1 < length ? place->column - 1 : length;
    place_show(line, length, at, shown, caret);
    return sgc_error_set(error, code, "%s:%u:%u: %s\n%5u | %s\n      | %s", place->source->name, place->line,
                         place->column, message, place->line, shown, caret);
}
