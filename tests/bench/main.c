/* main.c - bench: runs workloads on backends, each repetition in a process of its own, and reports side by side.
 *
 *     bazel run -c opt //tests/bench -- --bench binary-trees --depth 18
 *     bazel run -c opt //tests/bench -- report --bench shows --output bench.html
 *
 * Table, JSON or Markdown on stdout, messages on stderr. Exits with 0 when all that ran succeeded (skipped is no
 * failure), 1 when a run failed or its answer differs, 2 when the command line or the input is wrong. README.md says
 * how to read the figures. */
#include "tests/bench/options.h"
#include "tests/bench/report.h"
#include "tests/support/strategies.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What `phase` may take of the memory that is available, in percent: overhead of allocators, the arrays of the
 * workload, and others on the machine need the rest. */
#define PHASE_SHARE_PCT 50
#define LEAST_PHASE_BYTES (UINT64_C(1) << 20)

static void show_list(const struct bench_options *options)
{
    for (size_t i = 0; i < bench_n_workloads; i++) {
        const struct bench_workload *workload = &bench_workloads[i];
        if (!bench_selects_workload(options, workload))
            continue;
        printf("%s (%s; %s): %s\n   ", workload->name, workload->groups, workload->unit, workload->what);
        for (const char *const *name = workload->backends; *name; name++)
            printf(" %s", *name);
        printf("\n");
    }
}

/* The series of one workload, without results: false when no backend of it was chosen. */
static bool prepare(struct bench_series *series, const struct bench_workload *workload,
                    const struct bench_options *options)
{
    const unsigned most = workload->max_repetitions;
    const size_t n = most && most < options->n_repetitions ? most : options->n_repetitions;
    *series = (struct bench_series){.workload = workload, .n_repetitions = n};
    series->runs = calloc(BENCH_MAX_BACKENDS * n, sizeof(*series->runs));
    if (!series->runs) {
        fprintf(stderr, "bench: no memory\n");
        exit(1);
    }
    for (const char *const *name = workload->backends; *name; name++) {
        const struct bench_backend *backend = bench_backend_find(*name);
        if (!bench_selects_backend(options, backend))
            continue;
        for (size_t i = 0; i < n; i++)
            series->runs[series->n_backends * n + i] =
                (struct bench_run){.workload = workload, .backend = backend, .params = options->params};
        series->n_backends++;
    }
    if (series->n_backends == 0)
        free(series->runs);
    return series->n_backends > 0;
}

/* What is going on, for who watches. NULL: nothing any more. */
static void show_progress(const struct bench_run *run, const char *doing, size_t i, size_t n)
{
    if (!isatty(STDERR_FILENO))
        return;
    fputs("\r\033[K", stderr);
    if (run)
        fprintf(stderr, "%s on %s, %s %zu of %zu\r", run->workload->name, run->backend->name, doing, i, n);
}

/* Each repetition begins with another backend, so that none has the same place in every round. Returns failures. */
static size_t play(struct bench_series *series, const char *config)
{
    size_t n_failed = 0;
    for (size_t i = 0; i < series->n_repetitions; i++) {
        for (size_t k = 0; k < series->n_backends; k++) {
            const size_t backend = (i + k) % series->n_backends;
            struct bench_run *run = &series->runs[backend * series->n_repetitions + i];
            show_progress(run, "repetition", i + 1, series->n_repetitions);
            bench_spawn(run, config, NULL);
        }
    }
    show_progress(NULL, NULL, 0, 0);
    bench_check(series);
    for (size_t i = 0; i < series->n_backends * series->n_repetitions; i++) {
        const struct bench_run *run = &series->runs[i];
        n_failed += run->state == BENCH_FAILED;
        if (run->state == BENCH_FAILED)
            fprintf(stderr, "bench: %s on %s failed: %s\n", run->workload->name, run->backend->name, run->message);
    }
    return n_failed;
}

static void count(struct bench_series *series, const char *config)
{
    for (size_t k = 0; k < series->n_backends; k++) {
        const struct bench_run *run = &series->runs[k * series->n_repetitions];
        show_progress(run, "instructions", k + 1, series->n_backends);
        if (run->state == BENCH_OK)
            series->instructions[k] = bench_count_instructions(run, config);
    }
    show_progress(NULL, NULL, 0, 0);
}

/* Bazel's runfiles are the working directory of `bazel run` and of tests; otherwise they lie beside the program. */
static void find_runfiles(void)
{
    char directory[PATH_MAX], runfiles[PATH_MAX + 32];
    bench_directory(directory, sizeof(directory));
    snprintf(runfiles, sizeof(runfiles), "%s/bench.runfiles/slabgc", directory);
    if (access("plugins", F_OK) != 0 && chdir(runfiles) != 0 && !getenv("SLABGC_PLUGIN_PATH"))
        fprintf(stderr, "bench: no plug-ins here or at %s; $SLABGC_PLUGIN_PATH may name their directories\n", runfiles);
    support_strategies_init();
}

static bool has_phase(const struct bench_options *options)
{
    for (size_t i = 0; i < bench_n_workloads; i++) {
        if (strstr(bench_workloads[i].groups, "phase") && bench_selects_workload(options, &bench_workloads[i]))
            return true;
    }
    return false;
}

/* Decided once, so that all backends grow to the same size. */
static void fit_phase(struct bench_options *options)
{
    struct bench_params *params = &options->params;
    const uint64_t most = bench_available_bytes() / 100 * PHASE_SHARE_PCT;
    if (params->phase_bytes <= most || !has_phase(options))
        return;
    const uint64_t fits = most < LEAST_PHASE_BYTES ? LEAST_PHASE_BYTES : most;
    fprintf(stderr, "bench: phase grows to %" PRIu64 " MiB instead of %" PRIu64 ": more is not available\n", fits >> 20,
            params->phase_bytes >> 20);
    params->phase_bytes = fits;
}

/* Runs what the options choose. Returns the number of failures. */
static size_t measure(struct bench_results *results, struct bench_options *options)
{
    size_t n_failed = 0, n_counted = 0, n_left = 0;
    fit_phase(options);
    results->params = options->params;
    snprintf(results->config, sizeof(results->config), "%s", options->config ? options->config : "");
    for (size_t i = 0; i < bench_n_workloads; i++) {
        struct bench_series *series = &results->series[results->n];
        if (!bench_selects_workload(options, &bench_workloads[i]) || !prepare(series, &bench_workloads[i], options))
            continue;
        n_failed += play(series, options->config);
        if (options->n_counted && bench_workloads[i].n_counted) {
            if (n_counted++ < options->n_counted)
                count(series, options->config);
            else
                n_left++;
        }
        if (!options->json && !options->report)
            bench_print_table(series);
        results->n++;
    }
    if (n_left)
        fprintf(stderr, "bench: the instructions of %zu more workloads were not counted; --instructions=%zu would\n",
                n_left, options->n_counted + n_left);
    return n_failed;
}

/* A file that the command line names, seen from where the user is: bazel run changes the working directory. */
static const char *from_user(const char *path)
{
    const char *user = getenv("BUILD_WORKING_DIRECTORY");
    if (!path || path[0] == '/' || strcmp(path, "-") == 0)
        return path;
    char whole[2 * PATH_MAX], here[PATH_MAX];
    snprintf(whole, sizeof(whole), "%s/%s", user ? user : getcwd(here, sizeof(here)) ? here : ".", path);
    return strdup(whole);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--run") == 0)
        return bench_child(argc, argv, bench_workloads, bench_n_workloads);
    struct bench_options options;
    bench_options_parse(&options, argc, argv);
    options.input = from_user(options.input);
    options.output = from_user(options.output);
    options.svg = from_user(options.svg);
    options.markdown = from_user(options.markdown);
    if (options.list) {
        show_list(&options);
        return 0;
    }
    struct bench_results results = {.series = calloc(bench_n_workloads, sizeof(*results.series))};
    size_t n_failed = 0;
    if (options.input) {
        if (!bench_report_possible(&options) || !bench_read_json(&results, options.input))
            return 2;
        return bench_report(&results, &options);
    }
    if (options.n_counted && !bench_can_count()) {
        fprintf(stderr, "bench: --instructions needs valgrind, which is not there; bazel/setup installs it\n");
        return 2;
    }
    if (!bench_report_possible(&options))
        return 2;
    find_runfiles();
#ifdef SGC_DEBUG
    fprintf(stderr, "bench: built with debug checks, the figures say nothing of a release\n");
#endif
    n_failed = measure(&results, &options);
    if (results.n == 0) {
        fprintf(stderr, "bench: none of these workloads runs on these backends; --list shows what there is\n");
        return 2;
    }
    if (options.json)
        bench_print_json(&results);
    else if (!options.report)
        bench_print_control(results.series, results.n);
    else if (bench_report(&results, &options) != 0)
        return 1;
    return n_failed > 0;
}
