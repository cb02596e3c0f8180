/* options.h - the command line of bench. */
#ifndef SLABGC_TESTS_BENCH_OPTIONS_H
#define SLABGC_TESTS_BENCH_OPTIONS_H

#include "tests/bench/bench.h"

struct bench_options {
    const char *bench, *backend, *peer; /* patterns with commas; NULL: all */
    const char *config;
    size_t n_repetitions;
    struct bench_params params;
    size_t n_counted; /* count instructions of so many workloads at most */
    bool json, list, report;
    const char *input, *output, *svg, *markdown; /* of a report: files, or NULL */
};

/* Reads the command line; ends the process with status 0 after --help, with 2 and a message when it is wrong. */
void bench_options_parse(struct bench_options *options, int argc, char **argv);
bool bench_selects_workload(const struct bench_options *options, const struct bench_workload *workload);
bool bench_selects_backend(const struct bench_options *options, const struct bench_backend *backend);

#endif
