/* json.c - all series as one JSON document on stdout. Called by main.c. input.c reads what is written here. */
#include "tests/bench/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Every value is kept by the object that it goes into; without memory the document would be incomplete. */
static void put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) {
        fprintf(stderr, "bench: no memory for the document, or '%s' has a value that JSON has not\n", key);
        exit(1);
    }
}

static void append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0) {
        fprintf(stderr, "bench: no memory for the document\n");
        exit(1);
    }
}

static json_t *figures_of(const struct bench_figure *figures, size_t n)
{
    json_t *object = json_object();
    for (size_t i = 0; i < n; i++)
        put(object, figures[i].name, json_real(figures[i].value));
    return object;
}

/* "key=value key=value" */
static json_t *parameters_of(const char *text)
{
    char copy[BENCH_PARAMETERS_BYTES];
    json_t *object = json_object();
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *at = NULL, *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
        char *value = strchr(word, '=');
        if (!value)
            continue;
        *value++ = '\0';
        put(object, word, json_string(value));
    }
    return object;
}

static json_t *run_of(const struct bench_run *run, size_t repetition)
{
    char checksum[24];
    json_t *object = json_object();
    put(object, "repetition", json_integer((json_int_t)repetition));
    if (run->state != BENCH_OK) {
        put(object, run->state == BENCH_SKIPPED ? "skipped" : "failed", json_string(run->message));
        return object;
    }
    snprintf(checksum, sizeof(checksum), "%" PRIu64, run->checksum);
    put(object, "value", json_real(run->value));
    put(object, "cpu", json_real(run->cpu));
    put(object, "operations", json_integer((json_int_t)run->n_operations));
    put(object, "rss_bytes", json_integer((json_int_t)run->rss_bytes));
    put(object, "checksum", json_string(checksum)); /* beyond what every reader's numbers can hold */
    put(object, "control_ns", json_pack("[f,f]", run->control[0], run->control[1]));
    put(object, "figures", figures_of(run->figures, run->n_figures));
    return object;
}

static json_t *ratios_of(const struct bench_series *series, size_t backend)
{
    json_t *object = json_object();
    for (size_t k = 0; k < series->n_backends; k++) {
        const struct bench_backend *by = series->runs[k * series->n_repetitions].backend;
        const struct bench_ratio ratio = bench_ratio(series, backend, k);
        if (by->role != BENCH_OWN && ratio.median > 0)
            put(object, by->name,
                json_pack("{s:f,s:f,s:f}", "median", ratio.median, "min", ratio.least, "max", ratio.most));
    }
    return object;
}

static void put_summary(json_t *object, const struct bench_series *series, size_t backend)
{
    const size_t best_time = bench_best_time(series);
    struct bench_summary summary, cpu, memory;
    bench_summarize_backend(series, backend, &summary);
    if (summary.n == 0)
        return;
    put(object, "median", json_real(summary.median));
    put(object, "min", json_real(summary.least));
    put(object, "max", json_real(summary.most));
    put(object, "cpu", json_real(summary.cpu));
    put(object, "rss_bytes", json_integer((json_int_t)summary.rss_bytes));
    if (series->instructions[backend] > 0)
        put(object, "instructions", json_real(series->instructions[backend]));
    put(object, "ratio_to", ratios_of(series, backend));
    if (best_time != SIZE_MAX) {
        put(object, "best_peer", json_string(series->runs[best_time * series->n_repetitions].backend->name));
        put(object, "best_ratio", json_real(bench_ratio(series, backend, best_time).median));
        bench_summarize_backend(series, bench_best_cpu(series), &cpu);
        bench_summarize_backend(series, bench_best_memory(series), &memory);
        put(object, "best_cpu_ratio", json_real(cpu.cpu > 0 ? summary.cpu / cpu.cpu : 0));
        put(object, "best_rss_ratio",
            json_real(memory.rss_bytes ? (double)summary.rss_bytes / (double)memory.rss_bytes : 0));
    }
    put(object, "figures", figures_of(summary.figures, summary.n_figures));
}

static json_t *result_of(const struct bench_series *series, size_t backend)
{
    static const char *const roles[] = {[BENCH_OWN] = "own", [BENCH_PEER] = "peer", [BENCH_RIVAL] = "rival"};
    const struct bench_run *runs = &series->runs[backend * series->n_repetitions];
    json_t *object = json_object(), *array = json_array();
    const char *parameters = "";
    for (size_t i = 0; i < series->n_repetitions; i++) {
        append(array, run_of(&runs[i], i + 1));
        parameters = runs[i].state == BENCH_OK ? runs[i].parameters : parameters;
    }
    put(object, "bench", json_string(series->workload->name));
    put(object, "what", json_string(series->workload->what));
    put(object, "unit", json_string(series->workload->unit));
    put(object, "backend", json_string(runs[0].backend->name));
    put(object, "role", json_string(roles[runs[0].backend->role]));
    put(object, "parameters", parameters_of(parameters));
    put_summary(object, series, backend);
    put(object, "runs", array);
    return object;
}

static json_t *parameters_of_all(const struct bench_results *results)
{
    const struct bench_params *params = &results->params;
    size_t n_repetitions = 0;
    for (size_t s = 0; s < results->n; s++)
        n_repetitions =
            results->series[s].n_repetitions > n_repetitions ? results->series[s].n_repetitions : n_repetitions;
    return json_pack("{s:i,s:I,s:i,s:I,s:I,s:i,s:I,s:s}", "depth", (int)params->depth, "objects",
                     (json_int_t)params->n_objects, "loop_ms", (int)params->loop_ms, "live",
                     (json_int_t)params->max_live, "phase_bytes", (json_int_t)params->phase_bytes, "phase_idle_ms",
                     (int)params->phase_idle_ms, "repetitions", (json_int_t)n_repetitions, "config", results->config);
}

void bench_print_json(const struct bench_results *results)
{
    double least, most;
    json_t *document = json_object(), *array = json_array();
    bench_range(results->series, results->n, &least, &most);
    for (size_t s = 0; s < results->n; s++) {
        for (size_t k = 0; k < results->series[s].n_backends; k++)
            append(array, result_of(&results->series[s], k));
    }
    put(document, "format", json_string(BENCH_FORMAT));
    put(document, "parameters", parameters_of_all(results));
    put(document, "control",
        json_pack("{s:f,s:f,s:f}", "min_ns", least, "max_ns", most, "ratio", least > 0 ? most / least : 0));
    put(document, "results", array);
    if (json_dumpf(document, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) != 0)
        fprintf(stderr, "bench: the document cannot be written to stdout\n");
    putchar('\n');
    json_decref(document);
}
