/* report.h - the forms in which series are given away: JSON, and from it or from fresh runs Markdown, SVG and HTML. */
#ifndef SLABGC_TESTS_BENCH_REPORT_H
#define SLABGC_TESTS_BENCH_REPORT_H

#include "tests/bench/options.h"

#include <stdio.h>

#define BENCH_FORMAT "slabgc bench 1" /* of the document; changes when a reader of the old one would be misled */

/* What was asked and what came out. */
struct bench_results {
    struct bench_params params;
    char config[256];
    size_t n; /* series */
    struct bench_series *series;
};

/* json.c: one document on stdout. Dies without memory. */
void bench_print_json(const struct bench_results *results);

/* input.c: reads such a document from a file, or stdin when the path is "-"; false: it is none, stderr says where and
 * what is wanted. The results live as long as the process. */
bool bench_read_json(struct bench_results *results, const char *path);

/* report.c: false, and a message on stderr, when a file that the options name cannot be written: to be asked before
 * minutes of measuring. */
bool bench_report_possible(const struct bench_options *options);
/* Writes all that the options ask for; returns the process's exit status: 0, or 1 when a file cannot be
 * written. */
int bench_report(const struct bench_results *results, const struct bench_options *options);

/* ratios.c: a row of the report: a backend of ours beside the others of its workload. */
struct bench_cell {
    const struct bench_series *series;
    size_t backend;
    size_t best_time; /* the rival's place in the series; SIZE_MAX: none */
    struct bench_summary summary;
    struct bench_ratio ratio;       /* to the rival with the best time */
    double cpu_ratio, memory_ratio; /* to the rivals with the least; 0: there is none */
};
/* The cells of all series; *n: how many. Those of workloads without rivals come with ratio 0. */
struct bench_cell *bench_cells(const struct bench_results *results, size_t *n);
/* A number for a person: three digits that mean something. */
#define BENCH_NUMBER_BYTES 32
const char *bench_number(double value, char text[BENCH_NUMBER_BYTES]);

/* markdown.c */
void bench_write_ratios(FILE *out, const struct bench_results *results);   /* the table of ratios */
void bench_write_markdown(FILE *out, const struct bench_results *results); /* everything */

/* chart.c: one <svg> element, on its own a file. */
void bench_write_chart(FILE *out, const struct bench_results *results);

/* html.c */
void bench_write_html(FILE *out, const struct bench_results *results);
/* Text with <, >, & and quotes written as HTML and SVG want them */
void bench_write_escaped(FILE *out, const char *text);

#endif
