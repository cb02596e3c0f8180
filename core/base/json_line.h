/* json_line.h - JSON text into a buffer of fixed size, for places where nothing may be allocated: the child of a
 * snapshot. Commas are put by themselves. What no longer fits is left out and `cut` is set, for ever unless the writer
 * is taken back to a mark: so a caller writes an item, looks, and sends what stood before it.
 *
 *     struct sgc_json json = sgc_json_on(buffer, sizeof(buffer));
 *     sgc_json_open(&json, '{');
 *     sgc_json_member_text(&json, "name", name);
 *     sgc_json_close(&json, '}'); */
#ifndef SLABGC_CORE_BASE_JSON_LINE_H
#define SLABGC_CORE_BASE_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sgc_json {
    char *text; /* not terminated */
    size_t n, room;
    bool follows; /* a value was written at this level: a comma comes before the next */
    bool cut;     /* text did not fit */
};

static inline struct sgc_json sgc_json_on(char *buffer, size_t bytes)
{
    return (struct sgc_json){.text = buffer, .room = bytes};
}

void sgc_json_open(struct sgc_json *json, char bracket);     /* '{' or '[' */
void sgc_json_close(struct sgc_json *json, char bracket);    /* '}' or ']' */
void sgc_json_key(struct sgc_json *json, const char *key);   /* plain ASCII; the value follows */
void sgc_json_raw(struct sgc_json *json, const char *value); /* a value that is JSON text already */
/* A string; bytes that are no UTF-8 become U+FFFD. NULL: null. */
void sgc_json_text(struct sgc_json *json, const char *text);
void sgc_json_u64(struct sgc_json *json, uint64_t value); /* values beyond 2^63 - 1 are shown as that */
void sgc_json_bool(struct sgc_json *json, bool value);
void sgc_json_address(struct sgc_json *json, const void *address); /* "0x7f..." */
/* A string of hex digits: bit i of words[i / 64], the lowest first, 4 to a digit, whose lowest bit is the first. */
void sgc_json_bits(struct sgc_json *json, const uint64_t *words, size_t n_bits);
void sgc_json_end_line(struct sgc_json *json); /* the newline */

static inline void sgc_json_member_text(struct sgc_json *json, const char *key, const char *value)
{
    sgc_json_key(json, key);
    sgc_json_text(json, value);
}
static inline void sgc_json_member_u64(struct sgc_json *json, const char *key, uint64_t value)
{
    sgc_json_key(json, key);
    sgc_json_u64(json, value);
}
static inline void sgc_json_member_bool(struct sgc_json *json, const char *key, bool value)
{
    sgc_json_key(json, key);
    sgc_json_bool(json, value);
}
static inline void sgc_json_member_address(struct sgc_json *json, const char *key, const void *value)
{
    sgc_json_key(json, key);
    sgc_json_address(json, value);
}

#endif
