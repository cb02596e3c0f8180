/* ini.c - a config file's text, read by libinih through a line reader of our own.
 * Called by config.c. libinih decides what a line is and calls ini_handle for each pair; the reader in front of it
 * decides what it sees (DESIGN.md, Grammar, says why), knows the line number, and notices lines that led to no call.
 * Invariant: between two calls of the reader libinih has worked on one line, `line`; `awaited` says that this line must
 *   lead to a call of the handler.
 * Locks: none. libinih has no state of its own but constants that a program may change; what that could spoil is
 * noticed as a syntax error. */
#include "core/runtime/config.h"

#include "core/base/panic.h"
#include "core/os/meta.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#define N_SECTIONS 1024 /* headers in one file */

struct ini_file {
    struct sgc_config *config;
    const struct sgc_source *source;
    struct sgc_error *error;
    int code;                    /* of the first error; libinih gets no further line then */
    const char *at;              /* rest of the text */
    uint32_t number;             /* of the line, from 1 */
    const char *start;           /* of the line in the text */
    const char *line, *line_end; /* its bytes, without indentation, comment and white space at the end */
    const char *rest;            /* of a pair: what libinih has not been given yet; NULL: nothing */
    bool awaited;                /* the line given last must lead to a call of the handler */
    bool in_pair, has_key;       /* a pair is under way; its first piece came back */
    unsigned n_sections;
    const struct sgc_config_section *sections[N_SECTIONS]; /* the last one is current */
    char key[SGC_CONFIG_LINE_BYTES + 1], value[SGC_CONFIG_LINE_BYTES + 1];
};

static const char wanted[] = "\"key = value\", \"[section]\" or a comment is wanted";

static struct sgc_place ini_place(const struct ini_file *file, const char *at)
{
    return (struct sgc_place){file->source, file->number, (uint32_t)(at - file->start) + 1};
}

static bool ini_fail(struct ini_file *file, const char *at, const char *message)
{
    struct sgc_place place = ini_place(file, at);
    file->code = sgc_place_error(&place, file->error, -EINVAL, "%s", message);
    return false;
}

static bool ini_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* ---- the reader */

static bool ini_check_bytes(struct ini_file *file, const char *end)
{
    if (end - file->start > SGC_CONFIG_LINE_BYTES)
        return ini_fail(file, file->start + SGC_CONFIG_LINE_BYTES, "a line has at most 4096 bytes");
    for (const char *at = file->start; at < end; at++) {
        bool in_line_end = *at == '\r' && at + 1 == end;
        if (*at == '\0')
            return ini_fail(file, at, "a NUL byte: is this a text file?");
        if (((unsigned char)*at < 0x20 && *at != '\t' && !in_line_end) || *at == 0x7f)
            return ini_fail(file, at, "a control character");
    }
    return true;
}

/* Takes the next line of the text; false at its end, or after an error. */
static bool ini_next_line(struct ini_file *file)
{
    const char *text_end = file->source->text + file->source->n_bytes;
    if (file->at == text_end)
        return false;
    const char *newline = memchr(file->at, '\n', (size_t)(text_end - file->at));
    const char *begin = file->at, *end = newline ? newline : text_end;
    file->start = begin;
    file->number++;
    if (!ini_check_bytes(file, end))
        return false;
    file->at = newline ? newline + 1 : text_end;
    if (file->number == 1 && end - begin >= 3 && memcmp(begin, "\xef\xbb\xbf", 3) == 0)
        begin += 3;
    for (const char *at = begin; at < end; at++)
        if ((*at == '#' || *at == ';') && (at == begin || ini_is_space(at[-1])))
            end = at;
    while (begin < end && ini_is_space(*begin))
        begin++;
    while (end > begin && ini_is_space(end[-1]))
        end--;
    file->line = begin;
    file->line_end = end;
    return true;
}

/* A header: remembered here, and given to libinih as "[number]". */
static bool ini_give_section(struct ini_file *file, char *out, size_t out_bytes)
{
    const char *title = file->line + 1, *close = file->line_end - 1;
    if (close < title || *close != ']') {
        const char *first = memchr(title, ']', (size_t)(file->line_end - title));
        return first ? ini_fail(file, first + 1, "text behind the section's ]")
                     : ini_fail(file, file->line_end, "the section's ] is missing");
    }
    while (title < close && ini_is_space(*title))
        title++;
    while (close > title && ini_is_space(close[-1]))
        close--;
    if (file->n_sections == N_SECTIONS)
        return ini_fail(file, title, "more than 1024 sections");
    struct sgc_place place = ini_place(file, title);
    file->code = sgc_config_add_section(file->config, title, (size_t)(close - title), &place,
                                        &file->sections[file->n_sections], file->error);
    if (file->code)
        return false;
    snprintf(out, out_bytes, "[%u]\n", file->n_sections++);
    return true;
}

/* Where a piece of a pair may end that begins at `at` and has `room`: not beside white space, which libinih removes,
 * nor before what begins a comment there. */
static const char *ini_piece_end(const struct ini_file *file, const char *at, size_t room)
{
    if ((size_t)(file->line_end - at) <= room)
        return file->line_end;
    const char *end = at + room;
    while (end > at && (ini_is_space(end[-1]) || ini_is_space(*end) || *end == ';' || *end == '#'))
        end--;
    return end;
}

/* The next piece of a pair; all but the first are continuation lines, which begin with a space. */
static bool ini_give_piece(struct ini_file *file, const char *at, char *out, size_t out_bytes)
{
    bool first = at == file->line;
    const char *end = ini_piece_end(file, at, out_bytes - 3); /* space, newline, NUL */
    bool whole = end == file->line_end;
    if (end == at)
        return ini_fail(file, at, "white space without an end");
    if (first && !whole && strcspn(at, "=:") >= (size_t)(end - at))
        return ini_fail(file, at, wanted);
    snprintf(out, out_bytes, "%s%.*s\n", first ? "" : " ", (int)(end - at), at);
    file->rest = whole ? NULL : end;
    file->awaited = true;
    return true;
}

/* The pair that libinih has seen in whole. */
static bool ini_finish_pair(struct ini_file *file)
{
    if (!file->in_pair)
        return true;
    file->in_pair = false;
    if (file->key[0] == '\0')
        return ini_fail(file, file->line, "the key is missing");
    if (file->n_sections == 0)
        return ini_fail(file, file->line, "a key before the first section; [heap] is the usual one");
    const char *value = file->line + strcspn(file->line, "=:") + 1;
    while (value < file->line_end && ini_is_space(*value))
        value++;
    struct sgc_place key_place = ini_place(file, file->line), value_place = ini_place(file, value);
    file->code = sgc_config_add_value(file->config, file->sections[file->n_sections - 1], file->key, &key_place,
                                      file->value, &value_place, file->error);
    return file->code == 0;
}

/* libinih's source of lines, with the contract of fgets. */
static char *ini_read(char *out, int out_bytes, void *arg)
{
    struct ini_file *file = arg;
    bool given = false;
    if (file->code)
        return NULL;
    if (file->awaited) {
        ini_fail(file, file->line, wanted);
    } else if (file->rest) {
        given = ini_give_piece(file, file->rest, out, (size_t)out_bytes);
    } else if (ini_finish_pair(file) && ini_next_line(file)) {
        given = true;
        if (file->line == file->line_end) {
            strcpy(out, "\n");
        } else if (*file->line == '[') {
            given = ini_give_section(file, out, (size_t)out_bytes);
        } else {
            file->in_pair = true;
            file->has_key = false;
            given = ini_give_piece(file, file->line, out, (size_t)out_bytes);
        }
    }
    return given ? out : NULL;
}

/* ---- the handler */

/* libinih found a pair, or the continuation of one; it cuts the key of a continuation at some 50 bytes. Returns
 * non-zero: errors are kept in the file. */
static int ini_handle(void *arg, const char *section, const char *key, const char *value)
{
    struct ini_file *file = arg;
    (void)section;
    size_t length = file->has_key ? strlen(file->value) : 0;
    if (!file->has_key)
        snprintf(file->key, sizeof(file->key), "%s", key);
    else if (strncmp(key, file->key, strlen(key)) != 0)
        ini_fail(file, file->line, "this line is too long for libinih as this program has set it");
    snprintf(file->value + length, sizeof(file->value) - length, "%s", value);
    file->has_key = true;
    file->awaited = false;
    return 1;
}

int sgc_ini_parse(struct sgc_config *config, const struct sgc_source *source, struct sgc_error *error)
{
    struct ini_file *file = sgc_meta_alloc(sizeof(*file));
    if (!file)
        return sgc_config_no_memory(error);
    file->config = config;
    file->source = source;
    file->error = error;
    file->at = source->text;
    int status = ini_parse_stream(ini_read, file, ini_handle, file);
    /* The reader returned NULL and noticed what the last line led to, unless libinih gave up before. */
    if (file->code == 0 && (status != 0 || file->at != source->text + source->n_bytes))
        file->code = sgc_error_set(error, status == -2 ? -ENOMEM : -EINVAL, "%s: libinih cannot read it (%d)",
                                   source->name, status);
    int code = file->code;
    sgc_meta_free(file, sizeof(*file));
    return code;
}
