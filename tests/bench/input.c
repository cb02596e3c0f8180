/* input.c - reads a document of `bench --json` back into series. Called by main.c.
 * Trusts nothing in it: each value's type and range is checked, and what is wrong is named by its place. Unknown keys
 * are passed over, summaries are computed anew. */
#include "tests/bench/report.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RUNS 1000
#define MAX_RESULTS 100000

/* Where we are, for messages: "results[3].runs[0]". */
struct place {
    const char *file;
    char text[96];
};

static bool refuse(const struct place *place, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(const struct place *place, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "bench: %s: %s", place->file, place->text);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("; a document of 'bench --json' is wanted\n", stderr);
    return false;
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null"};
    return value ? names[json_typeof(value)] : "missing";
}

static void *allocate(size_t n, size_t bytes)
{
    void *memory = calloc(n ? n : 1, bytes);
    if (!memory) {
        fprintf(stderr, "bench: no memory\n");
        exit(1);
    }
    return memory;
}

static bool get_text(const struct place *place, const json_t *object, const char *key, const char **out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || strlen(json_string_value(value)) >= 256)
        return refuse(place, ".%s is %s where a string of less than 256 bytes is wanted", key, type_name(value));
    *out = strdup(json_string_value(value));
    return *out || refuse(place, ".%s: no memory", key);
}

static bool check_number(const struct place *place, const json_t *value, const char *key, double *out)
{
    if (!json_is_number(value) || !isfinite(json_number_value(value)) || json_number_value(value) < 0)
        return refuse(place, ".%s is %s where a number of at least 0 is wanted", key,
                      json_is_number(value) ? "out of range" : type_name(value));
    *out = json_number_value(value);
    return true;
}

static bool get_number(const struct place *place, const json_t *object, const char *key, double *out)
{
    return check_number(place, json_object_get(object, key), key, out);
}

static bool get_bytes(const struct place *place, const json_t *object, const char *key, uint64_t *out)
{
    double value;
    if (!get_number(place, object, key, &value))
        return false;
    if (value >= 0x1p53)
        return refuse(place, ".%s is out of range", key);
    *out = (uint64_t)value;
    return true;
}

static bool get_figures(const struct place *place, const json_t *object, struct bench_run *run)
{
    json_t *figures = json_object_get(object, "figures"), *value;
    const char *key;
    if (!figures)
        return true;
    if (!json_is_object(figures) || json_object_size(figures) > BENCH_MAX_FIGURES)
        return refuse(place, ".figures is %s where an object of at most %d numbers is wanted", type_name(figures),
                      BENCH_MAX_FIGURES);
    json_object_foreach(figures, key, value)
    {
        if (!json_is_number(value) || !isfinite(json_number_value(value)))
            return refuse(place, ".figures has %s where numbers are wanted", type_name(value));
        bench_figure_add(run, key, json_number_value(value));
    }
    return true;
}

static bool read_run(const struct place *place, const json_t *object, struct bench_run *run)
{
    const char *message;
    if (!json_is_object(object))
        return refuse(place, " is %s where an object is wanted", type_name(object));
    for (unsigned i = 0; i < 2; i++) {
        const char *key = i == 0 ? "skipped" : "failed";
        if (!json_object_get(object, key))
            continue;
        if (!get_text(place, object, key, &message))
            return false;
        (i == 0 ? bench_skip : bench_fail)(run, "%s", message);
        return true;
    }
    const json_t *control = json_object_get(object, "control_ns");
    if (json_array_size(control) != 2)
        return refuse(place, ".control_ns is %s where an array of two numbers is wanted", type_name(control));
    return get_number(place, object, "value", &run->value) && get_number(place, object, "cpu", &run->cpu) &&
           get_bytes(place, object, "rss_bytes", &run->rss_bytes) &&
           check_number(place, json_array_get(control, 0), "control_ns[0]", &run->control[0]) &&
           check_number(place, json_array_get(control, 1), "control_ns[1]", &run->control[1]) &&
           get_figures(place, object, run);
}

/* Medians are taken figure by figure, so good runs must have the same ones. */
static bool check_figures(const struct place *place, const struct bench_run *runs, size_t i)
{
    size_t first = 0;
    while (first < i && runs[first].state != BENCH_OK)
        first++;
    bool same = runs[i].state != BENCH_OK || runs[i].n_figures == runs[first].n_figures;
    for (size_t k = 0; same && runs[i].state == BENCH_OK && k < runs[i].n_figures; k++)
        same = strcmp(runs[i].figures[k].name, runs[first].figures[k].name) == 0;
    return same || refuse(place, ".figures has other names than an earlier run has");
}

/* The result's parameters as runs have them, "key=value ...". */
static bool read_parameters(const struct place *place, const json_t *result, char text[BENCH_PARAMETERS_BYTES])
{
    json_t *parameters = json_object_get(result, "parameters"), *value;
    struct bench_run run = {.n_figures = 0};
    const char *key;
    json_object_foreach(parameters, key, value)
    {
        if (!json_is_string(value))
            return refuse(place, ".parameters.%s is %s where a string is wanted", key, type_name(value));
        bench_parameter_add(&run, key, "%s", json_string_value(value));
    }
    memcpy(text, run.parameters, sizeof(run.parameters));
    return true;
}

static bool read_backend(const struct place *place, const json_t *result, struct bench_backend *backend)
{
    static const char *const roles[] = {[BENCH_OWN] = "own", [BENCH_PEER] = "peer", [BENCH_RIVAL] = "rival"};
    const char *role;
    if (!get_text(place, result, "backend", &backend->name) || !get_text(place, result, "role", &role))
        return false;
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(role, roles[i]) == 0) {
            backend->role = (enum bench_role)i;
            return true;
        }
    }
    return refuse(place, ".role is '%s' where own, peer or rival is wanted", role);
}

/* The last series when it is of this workload, or a new one behind it. */
static struct bench_series *series_for(struct bench_results *results, const char *name, size_t n_repetitions)
{
    if (results->n && strcmp(results->series[results->n - 1].workload->name, name) == 0)
        return &results->series[results->n - 1];
    struct bench_series *series = &results->series[results->n++];
    struct bench_workload *workload = allocate(1, sizeof(*workload));
    workload->name = name;
    series->workload = workload;
    series->n_repetitions = n_repetitions;
    series->runs = allocate(BENCH_MAX_BACKENDS * n_repetitions, sizeof(*series->runs));
    return series;
}

static bool read_result(struct place *place, const json_t *result, struct bench_results *results)
{
    const char *name, *what, *unit;
    char parameters[BENCH_PARAMETERS_BYTES];
    struct bench_backend *backend = allocate(1, sizeof(*backend));
    const json_t *runs = json_object_get(result, "runs");
    const size_t n = json_array_size(runs);
    if (!json_is_object(result))
        return refuse(place, " is %s where an object is wanted", type_name(result));
    if (!get_text(place, result, "bench", &name) || !get_text(place, result, "what", &what) ||
        !get_text(place, result, "unit", &unit) || !read_backend(place, result, backend) ||
        !read_parameters(place, result, parameters))
        return false;
    if (strcmp(unit, "ns") != 0 && strcmp(unit, "s") != 0)
        return refuse(place, ".unit is '%s' where ns or s is wanted", unit);
    if (n == 0 || n > MAX_RUNS)
        return refuse(place, ".runs is %s with %zu items where 1 to %d are wanted", type_name(runs), n, MAX_RUNS);
    struct bench_series *series = series_for(results, name, n);
    if (n != series->n_repetitions)
        return refuse(place, ".runs has %zu items where the first backend of %s has %zu", n, name,
                      series->n_repetitions);
    if (series->n_backends == BENCH_MAX_BACKENDS || bench_place(series, backend->name) != SIZE_MAX)
        return refuse(place, " is one more result of %s on %s", name, backend->name);
    struct bench_workload *workload = (struct bench_workload *)series->workload;
    workload->what = what;
    workload->unit = unit;
    double instructions = 0;
    if (json_object_get(result, "instructions") && !get_number(place, result, "instructions", &instructions))
        return false;
    series->instructions[series->n_backends] = instructions;
    struct bench_run *first = &series->runs[series->n_backends++ * n];
    const size_t length = strlen(place->text);
    for (size_t i = 0; i < n; i++) {
        first[i].workload = workload;
        first[i].backend = backend;
        memcpy(first[i].parameters, parameters, sizeof(parameters));
        snprintf(place->text + length, sizeof(place->text) - length, ".runs[%zu]", i);
        if (!read_run(place, json_array_get(runs, i), &first[i]) || !check_figures(place, first, i))
            return false;
    }
    return true;
}

static bool read_document(struct place *place, const json_t *document, struct bench_results *results)
{
    const json_t *format = json_object_get(document, "format"), *array = json_object_get(document, "results");
    if (!json_is_string(format) || strcmp(json_string_value(format), BENCH_FORMAT) != 0)
        return refuse(place, "its format is %s where '" BENCH_FORMAT "' is wanted",
                      json_is_string(format) ? json_string_value(format) : type_name(format));
    const size_t n = json_array_size(array);
    if (n == 0 || n > MAX_RESULTS)
        return refuse(place, "results is %s with %zu items where 1 to %d are wanted", type_name(array), n, MAX_RESULTS);
    const char *config = json_string_value(json_object_get(json_object_get(document, "parameters"), "config"));
    snprintf(results->config, sizeof(results->config), "%s", config ? config : "");
    results->series = allocate(n, sizeof(*results->series));
    for (size_t i = 0; i < n; i++) {
        snprintf(place->text, sizeof(place->text), "results[%zu]", i);
        if (!read_result(place, json_array_get(array, i), results))
            return false;
    }
    return true;
}

bool bench_read_json(struct bench_results *results, const char *path)
{
    json_error_t error;
    struct place place = {.file = strcmp(path, "-") == 0 ? "stdin" : path};
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (!in) {
        fprintf(stderr, "bench: %s: %m; --input wants a file that 'bench --json' wrote\n", path);
        return false;
    }
    json_t *document = json_loadf(in, JSON_REJECT_DUPLICATES, &error);
    if (in != stdin)
        fclose(in);
    if (!document)
        return refuse(&place, "line %d, column %d: %s", error.line, error.column, error.text);
    const bool good = read_document(&place, document, results);
    json_decref(document);
    return good;
}
