/* json.c - the report as one JSON document on stdout. Called by main.c. */
#include "tests/bench/bench.h"

#include <inttypes.h>
#include <stdio.h>

static void print_text(const char *text)
{
    putchar('"');
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '"' || *at == '\\')
            printf("\\%c", *at);
        else if (*at < 0x20)
            printf("\\u%04x", *at);
        else
            putchar(*at);
    }
    putchar('"');
}

static void print_runs(const struct bench_run *runs, size_t n)
{
    printf("\"runs\": [");
    for (size_t i = 0; i < n; i++) {
        const struct bench_run *run = &runs[i];
        printf("%s{\"repetition\": %zu, ", i ? ", " : "", i + 1);
        if (run->state == BENCH_OK) {
            printf("\"value\": %.9g, \"cpu\": %.9g, \"rss_bytes\": %" PRIu64 ", \"checksum\": \"%" PRIu64
                   "\", \"control_ns\": [%.6g, %.6g]}",
                   run->value, run->cpu, run->rss_bytes, run->checksum, run->control[0], run->control[1]);
        } else {
            printf("\"%s\": ", run->state == BENCH_SKIPPED ? "skipped" : "failed");
            print_text(run->message);
            putchar('}');
        }
    }
    putchar(']');
}

static void print_backend(const struct bench_series *series, size_t backend, const struct bench_summary *reference)
{
    const struct bench_run *runs = &series->runs[backend * series->n_repetitions];
    struct bench_summary summary;
    bench_summarize(runs, series->n_repetitions, &summary);
    printf("    {\"bench\": \"%s\", \"backend\": \"%s\", \"unit\": \"%s\", ", series->workload->name,
           runs[0].backend->name, series->workload->unit);
    if (summary.n > 0) {
        printf("\"median\": %.9g, \"min\": %.9g, \"max\": %.9g, \"cpu\": %.9g, \"rss_bytes\": %" PRIu64 ", ",
               summary.median, summary.least, summary.most, summary.cpu, summary.rss_bytes);
        if (reference->n > 0)
            printf("\"ratio\": %.6g, ", summary.median / reference->median);
        if (reference->cpu > 0)
            printf("\"cpu_ratio\": %.6g, ", summary.cpu / reference->cpu);
        printf("\"figures\": {");
        for (size_t k = 0; k < summary.n_figures; k++)
            printf("%s\"%s\": %.9g", k ? ", " : "", summary.figures[k].name, summary.figures[k].value);
        printf("}, ");
    }
    print_runs(runs, series->n_repetitions);
    putchar('}');
}

void bench_print_json(const struct bench_series *series, size_t n, const struct bench_params *params,
                      const char *config)
{
    double least, most;
    bench_range(series, n, &least, &most);
    printf("{\n  \"parameters\": {\"depth\": %u, \"objects\": %" PRIu64 ", \"loop_ms\": %u, \"repetitions\": %zu, "
           "\"config\": ",
           params->depth, params->n_objects, params->loop_ms, n ? series->n_repetitions : 0);
    print_text(config ? config : "");
    printf("},\n  \"control\": {\"min_ns\": %.6g, \"max_ns\": %.6g, \"ratio\": %.6g},\n  \"results\": [\n", least, most,
           least > 0 ? most / least : 0);
    for (size_t s = 0; s < n; s++) {
        struct bench_summary reference;
        bench_reference(&series[s], &reference);
        for (size_t i = 0; i < series[s].n_backends; i++) {
            print_backend(&series[s], i, &reference);
            printf("%s\n", s + 1 == n && i + 1 == series[s].n_backends ? "" : ",");
        }
    }
    printf("  ]\n}\n");
}
