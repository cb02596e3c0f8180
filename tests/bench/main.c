/* main.c - bench: runs workloads on backends, each repetition in a process of its own, and reports side by side.
 *
 *     bazel run -c opt //tests/bench -- --bench binary-trees --depth 18
 *
 * Table or JSON on stdout, messages on stderr. Exits with 0 when all that ran succeeded (skipped is no failure), 1 when
 * a run failed or its answer differs, 2 when the command line is wrong. README.md says how to read the figures. */
#include "tests/bench/bench.h"
#include "tests/support/strategies.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_DEPTH 24
#define MAX_OBJECTS 100000000

struct options {
    const char *bench, *backend; /* patterns with commas; NULL: all */
    const char *config;
    size_t n_repetitions;
    struct bench_params params;
    bool json, list;
};

static const struct option long_options[] = {{"bench", required_argument, NULL, 'b'},
                                             {"backend", required_argument, NULL, 'k'},
                                             {"repetitions", required_argument, NULL, 'r'},
                                             {"depth", required_argument, NULL, 'd'},
                                             {"objects", required_argument, NULL, 'o'},
                                             {"loop-ms", required_argument, NULL, 'm'},
                                             {"config", required_argument, NULL, 'c'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"list", no_argument, NULL, 'l'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static _Noreturn void usage(FILE *to, int status)
{
    fputs("usage: bench [--bench NAME[,...]] [--backend NAME[,...]] [--repetitions N] [--depth N] [--objects N]\n"
          "             [--loop-ms N] [--config KEY=VALUE[,...]] [--json] [--list]\n"
          "  --bench        workloads to run: names, groups (micro, programs) or patterns; default: all\n"
          "  --backend      backends to run them on: names or patterns; default: all that a workload has\n"
          "  --repetitions  runs of each pair, in turn over the backends (default 5)\n"
          "  --depth        of binary-trees (default 16)\n"
          "  --objects      in the graph of mark (default 1000000)\n"
          "  --loop-ms      how long a loop over one operation lasts (default 200)\n"
          "  --config       $SLABGC of the runs; without it the environment's configuration is ignored\n"
          "  --json         one JSON document instead of tables\n"
          "  --list         only show what there is\n",
          to);
    exit(status);
}

static unsigned long number(const char *option, const char *text, unsigned long least, unsigned long most)
{
    char *end;
    errno = 0;
    const unsigned long value = strtoul(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno && value >= least && value <= most)
        return value;
    fprintf(stderr, "bench: --%s %s: a number from %lu to %lu is wanted\n", option, text, least, most);
    exit(2);
}

static void parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.n_repetitions = 5, .params = {.depth = 16, .n_objects = 1000000, .loop_ms = 200}};
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (c) {
        case 'b':
            options->bench = optarg;
            break;
        case 'k':
            options->backend = optarg;
            break;
        case 'r':
            options->n_repetitions = number("repetitions", optarg, 1, 1000);
            break;
        case 'd':
            options->params.depth = (unsigned)number("depth", optarg, 4, MAX_DEPTH);
            break;
        case 'o':
            options->params.n_objects = number("objects", optarg, 1, MAX_OBJECTS);
            break;
        case 'm':
            options->params.loop_ms = (unsigned)number("loop-ms", optarg, 1, 60000);
            break;
        case 'c':
            options->config = optarg;
            break;
        case 'j':
            options->json = true;
            break;
        case 'l':
            options->list = true;
            break;
        default:
            usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
        }
    }
    if (optind != argc)
        usage(stderr, 2);
}

/* True when an item of the list matches the name or (unless NULL) the group. */
static bool selected(const char *list, const char *name, const char *group)
{
    char items[1024];
    if (!list)
        return true;
    snprintf(items, sizeof(items), "%s", list);
    for (char *at = NULL, *item = strtok_r(items, ",", &at); item; item = strtok_r(NULL, ",", &at)) {
        if (fnmatch(item, name, 0) == 0 || (group && strcmp(item, group) == 0))
            return true;
    }
    return false;
}

static void show_list(void)
{
    for (size_t i = 0; i < bench_n_workloads; i++) {
        const struct bench_workload *workload = &bench_workloads[i];
        printf("%s (%s, %s): %s\n   ", workload->name, workload->group, workload->unit, workload->what);
        for (const char *const *name = workload->backends; *name; name++)
            printf(" %s", *name);
        printf("\n");
    }
}

/* The series of one workload, without results: false when no backend of it was chosen. */
static bool prepare(struct bench_series *series, const struct bench_workload *workload, const struct options *options)
{
    *series = (struct bench_series){.workload = workload, .n_repetitions = options->n_repetitions};
    series->runs = calloc(BENCH_MAX_BACKENDS * options->n_repetitions, sizeof(*series->runs));
    if (!series->runs) {
        fprintf(stderr, "bench: no memory\n");
        exit(1);
    }
    for (const char *const *name = workload->backends; *name; name++) {
        if (!selected(options->backend, *name, NULL))
            continue;
        for (size_t i = 0; i < options->n_repetitions; i++) {
            series->runs[series->n_backends * options->n_repetitions + i] = (struct bench_run){
                .workload = workload, .backend = bench_backend_find(*name), .params = options->params};
        }
        series->n_backends++;
    }
    if (series->n_backends == 0)
        free(series->runs);
    return series->n_backends > 0;
}

/* Each repetition begins with another backend, so that none has the same place in every round. Returns failures. */
static size_t play(struct bench_series *series, const char *config)
{
    size_t n_failed = 0;
    for (size_t i = 0; i < series->n_repetitions; i++) {
        for (size_t k = 0; k < series->n_backends; k++) {
            const size_t backend = (i + k) % series->n_backends;
            struct bench_run *run = &series->runs[backend * series->n_repetitions + i];
            if (isatty(STDERR_FILENO))
                fprintf(stderr, "\r\033[K%s on %s, %zu of %zu\r", run->workload->name, run->backend->name, i + 1,
                        series->n_repetitions);
            bench_spawn(run, config);
        }
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    bench_check(series);
    for (size_t i = 0; i < series->n_backends * series->n_repetitions; i++) {
        const struct bench_run *run = &series->runs[i];
        n_failed += run->state == BENCH_FAILED;
        if (run->state == BENCH_FAILED)
            fprintf(stderr, "bench: %s on %s failed: %s\n", run->workload->name, run->backend->name, run->message);
    }
    return n_failed;
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

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--run") == 0)
        return bench_child(argc, argv, bench_workloads, bench_n_workloads);
    struct options options;
    parse(&options, argc, argv);
    if (options.list) {
        show_list();
        return 0;
    }
    find_runfiles();
#ifdef SGC_DEBUG
    fprintf(stderr, "bench: built with debug checks, the figures say nothing of a release\n");
#endif
    struct bench_series series[bench_n_workloads];
    size_t n = 0, n_failed = 0;
    for (size_t i = 0; i < bench_n_workloads; i++) {
        if (!selected(options.bench, bench_workloads[i].name, bench_workloads[i].group) ||
            !prepare(&series[n], &bench_workloads[i], &options))
            continue;
        n_failed += play(&series[n], options.config);
        if (!options.json)
            bench_print_table(&series[n]);
        n++;
    }
    if (n == 0)
        fprintf(stderr, "bench: nothing has these names; --list shows what there is\n");
    else if (options.json)
        bench_print_json(series, n, &options.params, options.config);
    else
        bench_print_control(series, n);
    for (size_t i = 0; i < n; i++)
        free(series[i].runs);
    return n == 0 ? 2 : n_failed > 0;
}
