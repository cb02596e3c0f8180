/* effective.c - values in effect, of files or of processes, and where two of them differ.
 * Called by cmd_config.c. Invariant: core's own parser reads the files. Locks: none, one thread. */
#include "tools/gcctl/effective.h"

#include "tools/gcctl/client.h"
#include "tools/gcctl/figures.h"
#include "tools/gcctl/layout.h"
#include "tools/gcctl/print.h"

#include <errno.h>
#include <limits.h>
#include <slabgc/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- config */

static int effective_add(void *arg, const char *section, const char *key, const char *value, const char *origin)
{
    json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "section", section, "key", key, "value", value, "origin", origin);
    return row ? json_array_append_new(arg, row) : 0; /* no UTF-8: cannot be shown */
}

/* The rows of a section together, sections in the order in which they come first. */
static json_t *effective_by_section(json_t *rows)
{
    json_t *sections = json_object(), *out = json_array(), *row, *of_section;
    const char *section;
    size_t i;
    json_array_foreach (rows, i, row) {
        section = gcctl_figure_text(row, "section");
        if (!json_object_get(sections, section))
            json_object_set_new(sections, section, json_array());
        json_array_append(json_object_get(sections, section), row);
    }
    json_object_foreach (sections, section, of_section)
        json_array_extend(out, of_section);
    json_decref(sections);
    json_decref(rows);
    return out;
}

static int effective_load(void *arg, const struct sgc_plugin_info *info)
{
    (void)arg;
    (void)info;
    return 0;
}

json_t *gcctl_effective_config(const char *file, bool all, int *status)
{
    struct sgc_error error = {0};
    char path[PATH_MAX];
    if (file && !realpath(file, path)) {
        *status = gcctl_error(EX_NOINPUT, "%s: %s", file, strerror(errno));
        return NULL;
    }
    gcctl_layout_plugins();
    if (file) {
        setenv("SLABGC_CONFIG", path, 1);
        unsetenv("SLABGC");
    }
    int code = sgc_config_reload(&error);
    if (code == 0 && all)
        code = sgc_plugin_for_each(effective_load, NULL, &error);
    if (code) {
        *status = gcctl_error(EX_CONFIG, "%s", error.message);
        return NULL;
    }
    json_t *values = json_array();
    code = sgc_config_for_each(effective_add, values);
    if (code == 0)
        return effective_by_section(values);
    json_decref(values);
    *status = gcctl_error(EX_CONFIG, "config cannot be shown: %s", strerror(abs(code)));
    return NULL;
}

/* ---- processes */

json_t *gcctl_effective_process(const struct gcctl_call *call, const char *process, int *status)
{
    struct gcctl_client *client = gcctl_connect(call, process, status);
    if (!client)
        return NULL;
    json_t *result = gcctl_request(client, "get", NULL, NULL, NULL, status);
    gcctl_disconnect(client);
    if (!result)
        return NULL;
    json_t *values = json_object_get(result, "values");
    json_incref(values);
    json_decref(result);
    if (!json_is_array(values)) {
        json_decref(values);
        *status = gcctl_error(EX_UNAVAILABLE, "the process's answer has no values");
        return NULL;
    }
    return values;
}

json_t *gcctl_effective_of(const struct gcctl_call *call, const char *word, int *status)
{
    /* A path is a file unless it is a socket; a bare word is one when there is such a file. */
    const char *dot = strrchr(word, '.');
    const bool is_socket = dot && strcmp(dot, ".sock") == 0;
    if (!is_socket && (strchr(word, '/') || access(word, F_OK) == 0))
        return gcctl_effective_config(word, false, status);
    json_t *values = gcctl_effective_process(call, word, status);
    if (!values && *status == EX_UNAVAILABLE)
        gcctl_note_no_file(word);
    return values;
}

/* ---- differences */

static json_t *effective_find(json_t *values, const char *section, const char *key)
{
    json_t *row;
    size_t i;
    json_array_foreach (values, i, row)
        if (strcmp(gcctl_figure_text(row, "section"), section) == 0 && strcmp(gcctl_figure_text(row, "key"), key) == 0)
            return row;
    return NULL;
}

/* The row that holds for the key on this side, or NULL: the default does. */
static json_t *effective_lookup(json_t *values, const char *section, const char *key)
{
    json_t *row = effective_find(values, section, key);
    return !row && strncmp(section, "heap.", 5) == 0 ? effective_find(values, "heap", key) : row;
}

static bool effective_is_default(json_t *row)
{
    return strcmp(gcctl_figure_text(row, "origin"), "default") == 0;
}

/* The same number in two units is the same value. */
static bool effective_same_value(const char *left, const char *right)
{
    int64_t a, b;
    if (strcmp(left, right) == 0)
        return true;
    return (gcctl_parse_bytes(left, &a) == 0 && gcctl_parse_bytes(right, &b) == 0 && a == b) ||
           (gcctl_parse_duration(left, &a) == 0 && gcctl_parse_duration(right, &b) == 0 && a == b);
}

static bool effective_same(json_t *left, json_t *right)
{
    if (left && right && effective_is_default(left) && effective_is_default(right))
        return true; /* one default in other words: a share of a limit, and what it comes to */
    if (left && right)
        return effective_same_value(gcctl_figure_text(left, "value"), gcctl_figure_text(right, "value"));
    json_t *row = left ? left : right;
    const char *def = json_string_value(json_object_get(row, "default"));
    return !row || effective_is_default(row) || (def && effective_same_value(gcctl_figure_text(row, "value"), def));
}

static json_t *effective_side(json_t *row)
{
    if (!row)
        return json_null();
    return json_pack("{s:s, s:s}", "value", gcctl_figure_text(row, "value"), "origin",
                     gcctl_figure_text(row, "origin"));
}

static void effective_compare(json_t *rows, json_t *left, json_t *right, json_t *seen, json_t *out)
{
    json_t *row;
    size_t i;
    json_array_foreach (rows, i, row) {
        char name[512];
        const char *section = gcctl_figure_text(row, "section"), *key = gcctl_figure_text(row, "key");
        snprintf(name, sizeof(name), "%s.%s", section, key);
        if (json_object_get(seen, name))
            continue;
        json_object_set_new(seen, name, json_true());
        json_t *a = effective_lookup(left, section, key), *b = effective_lookup(right, section, key);
        if (!effective_same(a, b))
            json_array_append_new(out, json_pack("{s:s, s:s, s:o, s:o}", "section", section, "key", key, "left",
                                                 effective_side(a), "right", effective_side(b)));
    }
}

json_t *gcctl_effective_diff(json_t *left, json_t *right)
{
    json_t *out = json_array(), *seen = json_object();
    effective_compare(left, left, right, seen, out);
    effective_compare(right, left, right, seen, out);
    json_decref(seen);
    return out;
}
