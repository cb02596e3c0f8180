/* panic.c - last words and error messages.
 * Called by every layer, on any thread, in any context, also with locks held and from a forked child.
 * Invariant: nothing here allocates or locks; a line leaves in one write(2), so that lines of threads do not mix.
 * The write to stderr is the one system call outside core/os: it must work when core/os is what broke. */
#include "core/base/panic.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 2048 /* prefix, message and newline; an error's message (1024) fits with room for its context */

static const char ellipsis[] = "...";

/* Cuts text, a full buffer of size bytes, so that it ends in "..." and no UTF-8 sequence is torn. */
static void panic_cut(char *text, size_t size)
{
    size_t end = size - sizeof(ellipsis);
    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    memcpy(text + end, ellipsis, sizeof(ellipsis));
}

/* vsnprintf that marks a cut; returns the length of the text. */
static size_t panic_format(char *out, size_t size, const char *format, va_list args)
{
    int length = vsnprintf(out, size, format, args);
    if (length < 0) {
        snprintf(out, size, "(message could not be formatted)");
    } else if ((size_t)length >= size) {
        panic_cut(out, size);
    } else {
        return (size_t)length;
    }
    return strlen(out);
}

static void panic_write_line(const char *prefix, const char *format, va_list args)
{
    char line[LINE_BYTES];
    size_t length = strlen(prefix);
    memcpy(line, prefix, length);
    length += panic_format(line + length, sizeof(line) - length - 1, format, args);
    line[length++] = '\n';
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line, length);
    } while (written < 0 && errno == EINTR);
}

void sgc_panic(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    panic_write_line("slabgc: panic: ", format, args);
    va_end(args);
    abort();
}

void sgc_warn(const char *format, ...)
{
    int saved_errno = errno;
    va_list args;
    va_start(args, format);
    panic_write_line("slabgc: ", format, args);
    va_end(args);
    errno = saved_errno;
}

int sgc_error_set(struct sgc_error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    /* Formatted aside first: an argument may be the old message. */
    char message[SGC_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    size_t length = panic_format(message, sizeof(message), format, args);
    va_end(args);
    memcpy(error->message, message, length + 1);
    error->code = code;
    return code;
}

int sgc_error_prefix(struct sgc_error *error, const char *format, ...)
{
    if (!error)
        return 0;
    char message[2 * SGC_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    size_t length = panic_format(message, SGC_ERROR_MESSAGE_BYTES, format, args);
    va_end(args);
    snprintf(message + length, sizeof(message) - length, ": %s", error->message);
    bool too_long = strlen(message) >= SGC_ERROR_MESSAGE_BYTES;
    if (too_long)
        panic_cut(message, SGC_ERROR_MESSAGE_BYTES);
    memcpy(error->message, message, strlen(message) + 1);
    return error->code;
}
