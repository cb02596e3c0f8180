/* run_setting.c - see run_setting.h.
 * A bare key means [heap]: "strategy" and "heap.strategy" are one. A piece without '=' goes on with the list before it,
 * and goes when that goes. */
#include "tools/gcctl/run_setting.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct key {
    const char *at;
    size_t length;
};

static struct key key_of(const char *piece)
{
    piece += strspn(piece, " ");
    size_t length = strcspn(piece, "=,");
    while (length > 0 && piece[length - 1] == ' ')
        length--;
    if (length > 5 && !strncmp(piece, "heap.", 5) && !memchr(piece + 5, '.', length - 5))
        return (struct key){piece + 5, length - 5};
    return (struct key){piece, length};
}

static bool key_is_set(struct key key, const char *const *settings)
{
    static const struct key report = {"control.report", sizeof("control.report") - 1};
    for (size_t i = 0; settings && settings[i]; i++) {
        const struct key other = key_of(settings[i]);
        if (other.length == key.length && !memcmp(other.at, key.at, key.length))
            return true;
    }
    return key.length == report.length && !memcmp(key.at, report.at, key.length);
}

static void compose_add(FILE *out, const char *piece, size_t length, bool *any)
{
    fprintf(out, "%s%.*s", *any ? "," : "", (int)length, piece);
    *any = true;
}

char *gcctl_run_compose(const char *inherited, const char *const *settings, const char *report)
{
    char *text = NULL;
    size_t bytes;
    bool any = false, dropped = false;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return NULL;
    for (const char *at = inherited; at && *at;) {
        const size_t length = strcspn(at, ",");
        if (memchr(at, '=', length))
            dropped = key_is_set(key_of(at), settings);
        if (!dropped && length > 0)
            compose_add(out, at, length, &any);
        at += length + (at[length] == ',');
    }
    for (size_t i = 0; settings && settings[i]; i++)
        compose_add(out, settings[i], strlen(settings[i]), &any);
    fprintf(out, "%scontrol.report=%s", any ? "," : "", report);
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}
