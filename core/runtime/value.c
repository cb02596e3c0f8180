/* value.c - numbers with units: reading and writing.
 * Called by schema.c (core's keys), params.c (a plug-in's keys), show.c.
 * Invariant: parse(format(v)) == v for every value of every type.
 * Locks: none. */
#include "core/runtime/value.h"

#include "core/base/check.h"
#include "core/base/suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct value_unit {
    const char *name;
    uint64_t factor;
};

/* Rising factors: format takes the last one that divides. */
static const struct value_unit byte_units[] = {{"B", 1},
                                               {"KiB", UINT64_C(1) << 10},
                                               {"MiB", UINT64_C(1) << 20},
                                               {"GiB", UINT64_C(1) << 30},
                                               {"TiB", UINT64_C(1) << 40}};
static const struct value_unit duration_units[] = {
    {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"min", UINT64_C(60000000000)}};
static const struct value_unit percent_units[] = {{"%", 1}};

static const struct value_kind {
    const char *what; /* "bytes take B, KiB, ..." */
    const struct value_unit *units;
    size_t n_units; /* 0: a bare number */
} kinds[] = {
    [SGC_PARAM_COUNT] = {"a count", NULL, 0},
    [SGC_PARAM_BYTES] = {"a number of bytes", byte_units, SGC_ARRAY_LEN(byte_units)},
    [SGC_PARAM_DURATION_NS] = {"a duration", duration_units, SGC_ARRAY_LEN(duration_units)},
    [SGC_PARAM_PERCENT] = {"a percentage", percent_units, SGC_ARRAY_LEN(percent_units)},
};

int sgc_value_fault(struct sgc_value_fault *fault, size_t offset, const char *format, ...)
{
    va_list args;
    fault->offset = offset;
    va_start(args, format);
    vsnprintf(fault->message, sizeof(fault->message), format, args);
    va_end(args);
    return -EINVAL;
}

static bool value_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "B, KiB, MiB, GiB or TiB" */
static const char *value_unit_list(const struct value_kind *kind, char *out, size_t out_bytes)
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < kind->n_units; i++) {
        const char *separator = i == 0 ? "" : i + 1 == kind->n_units ? " or " : ", ";
        length += (size_t)snprintf(out + length, out_bytes - length, "%s%s", separator, kind->units[i].name);
    }
    return out;
}

/* The unit that was probably meant: the same letters in another case, "MB" for "MiB", else a near one. */
static const char *value_nearest_unit(const struct value_kind *kind, const char *word)
{
    const char *names[8];
    for (size_t i = 0; i < kind->n_units; i++) {
        names[i] = kind->units[i].name;
        size_t length = strlen(word);
        bool decimal = kind->units == byte_units && i > 0 && length > 0 && length <= 2 &&
                       strncasecmp(word, names[i], 1) == 0 && (length == 1 || word[1] == 'B' || word[1] == 'b');
        if (decimal || strcasecmp(word, names[i]) == 0)
            return names[i];
    }
    return sgc_suggest(word, names, kind->n_units);
}

static int value_unit_fault(const struct value_kind *kind, const char *text, size_t offset,
                            struct sgc_value_fault *fault)
{
    char list[64];
    const char *word = text + offset;
    value_unit_list(kind, list, sizeof(list));
    if (word[0] == '.' || word[0] == ',')
        return sgc_value_fault(fault, offset, "\"%s\" is not a whole number; use a smaller unit", text);
    if (kind->n_units == 0)
        return sgc_value_fault(fault, offset, "\"%s\": a count takes no unit, \"%s\" is too much", text, word);
    if (word[0] == '\0')
        return sgc_value_fault(fault, offset, "\"%s\" has no unit; %s takes %s", text, kind->what, list);
    const char *nearest = value_nearest_unit(kind, word);
    if (nearest)
        return sgc_value_fault(fault, offset, "unknown unit \"%s\"; did you mean \"%s\"?", word, nearest);
    return sgc_value_fault(fault, offset, "unknown unit \"%s\"; %s takes %s", word, kind->what, list);
}

/* Reads digits with '_' between them; returns how many bytes, 0 when text does not begin with a digit. */
static size_t value_read_digits(const char *text, uint64_t *out, bool *overflow)
{
    size_t at = 0;
    uint64_t value = 0;
    *overflow = false;
    while (value_is_digit(text[at]) || (at > 0 && text[at] == '_' && value_is_digit(text[at + 1]))) {
        if (text[at] != '_') {
            *overflow |= __builtin_mul_overflow(value, 10, &value);
            *overflow |= __builtin_add_overflow(value, (uint64_t)(text[at] - '0'), &value);
        }
        at++;
    }
    *out = value;
    return at;
}

static int value_parse_number(const struct value_kind *kind, const char *text, uint64_t *out,
                              struct sgc_value_fault *fault)
{
    uint64_t number, factor = 0;
    bool overflow;
    size_t n_digits = value_read_digits(text, &number, &overflow);
    if (n_digits == 0)
        return sgc_value_fault(fault, 0, "\"%s\" is not %s", text, kind->what);
    size_t at = n_digits + strspn(text + n_digits, " \t");
    const char *unit = text + at;
    for (size_t i = 0; i < kind->n_units; i++)
        if (strcmp(unit, kind->units[i].name) == 0)
            factor = kind->units[i].factor;
    if (unit[0] == '\0' && (kind->n_units == 0 || (number == 0 && !overflow)))
        factor = 1;
    if (factor == 0)
        return value_unit_fault(kind, text, unit[0] ? at : n_digits, fault);
    if (overflow || __builtin_mul_overflow(number, factor, &number))
        return sgc_value_fault(fault, 0, "\"%s\" is too large for 64 bits", text);
    *out = number;
    return 0;
}

static int value_parse_bool(const char *text, uint64_t *out, struct sgc_value_fault *fault)
{
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes"};
    for (size_t i = 0; i < SGC_ARRAY_LEN(words); i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2;
            return 0;
        }
    const char *nearest = sgc_suggest(text, words, SGC_ARRAY_LEN(words));
    if (nearest)
        return sgc_value_fault(fault, 0, "\"%s\" is not a switch; did you mean \"%s\"?", text, nearest);
    return sgc_value_fault(fault, 0, "\"%s\" is not a switch: on, off, true, false, yes or no", text);
}

int sgc_value_parse(enum sgc_param_type type, const char *text, uint64_t *out, struct sgc_value_fault *fault)
{
    if (type == SGC_PARAM_BOOL)
        return value_parse_bool(text, out, fault);
    return value_parse_number(&kinds[type], text, out, fault);
}

void sgc_value_format(enum sgc_param_type type, uint64_t value, char out[SGC_VALUE_BYTES])
{
    if (type == SGC_PARAM_BOOL) {
        snprintf(out, SGC_VALUE_BYTES, "%s", value ? "on" : "off");
        return;
    }
    const struct value_kind *kind = &kinds[type];
    struct value_unit unit = {"", 1};
    for (size_t i = 0; i < kind->n_units && (value || i == 0); i++)
        if (value % kind->units[i].factor == 0)
            unit = kind->units[i];
    snprintf(out, SGC_VALUE_BYTES, "%" PRIu64 "%s", value / unit.factor, unit.name);
}
