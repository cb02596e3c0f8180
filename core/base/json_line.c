/* json_line.c - the writer of json_line.h.
 * Called in the child of a snapshot. Invariant: n <= room; while cut, nothing more is written. Locks: none; no
 * allocation, no locale. */
#include "core/base/json_line.h"

#include <string.h>

static void json_put(struct sgc_json *json, const char *bytes, size_t n)
{
    if (json->cut || n > json->room - json->n) {
        json->cut = true;
        return;
    }
    memcpy(json->text + json->n, bytes, n);
    json->n += n;
}

static void json_put_char(struct sgc_json *json, char c)
{
    json_put(json, &c, 1);
}

/* Before each value or key. */
static void json_separate(struct sgc_json *json)
{
    if (json->follows)
        json_put_char(json, ',');
    json->follows = true;
}

void sgc_json_open(struct sgc_json *json, char bracket)
{
    json_separate(json);
    json_put_char(json, bracket);
    json->follows = false;
}

void sgc_json_close(struct sgc_json *json, char bracket)
{
    json_put_char(json, bracket);
    json->follows = true;
}

void sgc_json_key(struct sgc_json *json, const char *key)
{
    sgc_json_text(json, key);
    json_put_char(json, ':');
    json->follows = false;
}

void sgc_json_raw(struct sgc_json *json, const char *value)
{
    json_separate(json);
    json_put(json, value, strlen(value));
}

/* Length of the UTF-8 sequence that begins at text, 0: none does. */
static unsigned utf8_length(const unsigned char *text)
{
    static const struct {
        unsigned char mask, lead, second_least, second_most;
    } forms[] = {{0x80, 0x00, 0, 0},       {0xff, 0xe0, 0xa0, 0xbf}, {0xff, 0xed, 0x80, 0x9f},
                 {0xf0, 0xe0, 0x80, 0xbf}, {0xff, 0xf0, 0x90, 0xbf}, {0xff, 0xf4, 0x80, 0x8f},
                 {0xfc, 0xf0, 0x80, 0xbf}, {0xe0, 0xc0, 0x80, 0xbf}};
    static const unsigned char lengths[] = {1, 3, 3, 3, 4, 4, 4, 2};
    for (unsigned i = 0; i < sizeof(lengths); i++) {
        if ((text[0] & forms[i].mask) != forms[i].lead)
            continue;
        if (lengths[i] > 1 && (text[0] < 0xc2 || text[1] < forms[i].second_least || text[1] > forms[i].second_most))
            return 0;
        for (unsigned at = 2; at < lengths[i]; at++)
            if ((text[at] & 0xc0) != 0x80)
                return 0;
        return lengths[i];
    }
    return 0;
}

static void json_put_escaped(struct sgc_json *json, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        json_put_char(json, '\\');
        json_put_char(json, (char)c);
    } else if (c == '\n') {
        json_put(json, "\\n", 2);
    } else {
        const char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
        json_put(json, escape, sizeof(escape));
    }
}

void sgc_json_text(struct sgc_json *json, const char *text)
{
    if (!text) {
        sgc_json_raw(json, "null");
        return;
    }
    json_separate(json);
    json_put_char(json, '"');
    while (*text) {
        const unsigned length = utf8_length((const unsigned char *)text);
        if (length == 0)
            json_put(json, "\xef\xbf\xbd", 3);
        else if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
            json_put_escaped(json, (unsigned char)*text);
        else
            json_put(json, text, length);
        text += length ? length : 1;
    }
    json_put_char(json, '"');
}

static void json_put_number(struct sgc_json *json, uint64_t value, unsigned base)
{
    char digits[20];
    unsigned at = sizeof(digits);
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    json_put(json, digits + at, sizeof(digits) - at);
}

void sgc_json_u64(struct sgc_json *json, uint64_t value)
{
    json_separate(json);
    json_put_number(json, value < INT64_MAX ? value : INT64_MAX, 10);
}

void sgc_json_bool(struct sgc_json *json, bool value)
{
    sgc_json_raw(json, value ? "true" : "false");
}

void sgc_json_address(struct sgc_json *json, const void *address)
{
    json_separate(json);
    json_put(json, "\"0x", 3);
    json_put_number(json, (uintptr_t)address, 16);
    json_put_char(json, '"');
}

void sgc_json_bits(struct sgc_json *json, const uint64_t *words, size_t n_bits)
{
    json_separate(json);
    json_put_char(json, '"');
    for (size_t bit = 0; bit < n_bits; bit += 4)
        json_put_char(json, "0123456789abcdef"[words[bit / 64] >> (bit % 64) & 15]);
    json_put_char(json, '"');
}

void sgc_json_end_line(struct sgc_json *json)
{
    json_put_char(json, '\n');
    json->follows = false;
}
