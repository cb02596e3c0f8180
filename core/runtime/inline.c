/* inline.c - $SLABGC: config in one line, "strategy=rcu,heap.words.memory_limit=1GiB,strategy.rcu.retired_soft=4MiB".
 * Called by config.c.
 * Invariant: places point into the variable's text, which counts as one line; so control characters are refused first.
 * Locks: none. */
#include "core/runtime/config.h"

#include "core/runtime/schema.h"

#include <errno.h>
#include <string.h>

struct inline_piece { /* "key=value" within the text; value NULL: no '=' */
    const char *key, *key_end, *value, *value_end;
};

static struct sgc_place inline_place(const struct sgc_source *source, const char *at)
{
    return (struct sgc_place){source, 1, (uint32_t)(at - source->text) + 1};
}

static int inline_check_bytes(const struct sgc_source *source, struct sgc_error *error)
{
    for (const char *at = source->text; *at; at++) {
        struct sgc_place place = inline_place(source, at);
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return sgc_place_error(&place, error, -EINVAL, "a control character");
        if (at - source->text >= SGC_CONFIG_LINE_BYTES)
            return sgc_place_error(&place, error, -EINVAL, "it has at most %d bytes", SGC_CONFIG_LINE_BYTES);
    }
    return 0;
}

static const char *inline_skip(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    return at;
}

static const char *inline_trim(const char *begin, const char *end)
{
    while (end > begin && end[-1] == ' ')
        end--;
    return end;
}

/* The piece from `at` to the next comma; returns where the next one begins, NULL behind the last. */
static const char *inline_next(const char *at, struct inline_piece *piece)
{
    const char *end = strchrnul(at, ','), *equals = memchr(at, '=', (size_t)(end - at));
    piece->key = inline_skip(at, end);
    piece->key_end = inline_trim(piece->key, equals ? equals : end);
    piece->value = equals ? inline_skip(equals + 1, end) : NULL;
    piece->value_end = equals ? inline_trim(piece->value, end) : NULL;
    return *end ? end + 1 : NULL;
}

/* The part of a key before its last dot names the section; a bare key means [heap]. */
static const char *inline_split(const struct inline_piece *piece, const char **title, size_t *title_length)
{
    const char *dot = memrchr(piece->key, '.', (size_t)(piece->key_end - piece->key));
    *title = dot ? piece->key : "heap";
    *title_length = dot ? (size_t)(dot - piece->key) : strlen("heap");
    return dot ? dot + 1 : piece->key;
}

/* Pieces without '=' that follow are more items of a list: *at and the value's end move behind them. */
static void inline_extend(struct inline_piece *piece, const char **at)
{
    while (*at) {
        struct inline_piece more;
        const char *next = inline_next(*at, &more);
        if (more.value || more.key == more.key_end)
            return;
        piece->value_end = more.key_end;
        *at = next;
    }
}

/* Adds the piece; *at: what follows it. */
static int inline_add(struct sgc_config *config, const struct sgc_source *source, struct inline_piece *piece,
                      const char **at, struct sgc_error *error)
{
    const struct sgc_config_section *section;
    const char *title;
    size_t title_length;
    const char *key = inline_split(piece, &title, &title_length);
    struct sgc_place place = inline_place(source, piece->key), key_place = inline_place(source, key);
    if (key == piece->key_end)
        return sgc_place_error(&place, error, -EINVAL, "the key is missing");
    int code = sgc_config_add_section(config, title, title_length, &place, &section, error);
    if (code)
        return code;
    char *key_copy = sgc_pool_strndup(&config->pool, key, (size_t)(piece->key_end - key));
    if (!key_copy)
        return sgc_config_no_memory(error);
    if (sgc_schema_is_list(section->kind, key_copy))
        inline_extend(piece, at);
    struct sgc_place value_place = inline_place(source, piece->value);
    char *value = sgc_pool_strndup(&config->pool, piece->value, (size_t)(piece->value_end - piece->value));
    if (!value)
        return sgc_config_no_memory(error);
    return sgc_config_add_value(config, section, key_copy, &key_place, value, &value_place, error);
}

int sgc_inline_parse(struct sgc_config *config, const struct sgc_source *source, struct sgc_error *error)
{
    int code = inline_check_bytes(source, error);
    for (const char *at = source->text; at && code == 0;) {
        struct inline_piece piece;
        at = inline_next(at, &piece);
        struct sgc_place place = inline_place(source, piece.key);
        if (piece.value)
            code = inline_add(config, source, &piece, &at, error);
        else if (piece.key != piece.key_end) /* else an empty piece: a comma at the end, say */
            code = sgc_place_error(&place, error, -EINVAL, "\"key=value\" is wanted");
    }
    return code;
}
