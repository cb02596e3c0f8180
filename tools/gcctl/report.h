/* report.h - what a report is made of, and the parts that make it: collecting (report_collect.c, report_trace.c) and
 * writing (report_page.c, report_*.c). One thread. All texts in it come from processes and files: they reach the page
 * through gcctl_chart_text alone. */
#ifndef SLABGC_TOOLS_GCCTL_REPORT_H
#define SLABGC_TOOLS_GCCTL_REPORT_H

#include "tools/gcctl/chart.h"
#include "tools/gcctl/cmd_map.h"
#include "tools/gcctl/samples.h"

struct gcctl_report {
    json_t *hello;                /* of the process, or NULL */
    struct gcctl_samples samples; /* figures over time; empty without a process */
    json_t *heaps;                /* final HEAP.., or NULL: the last sample's */
    json_t *values;               /* result of `get`, or NULL */
    struct gcctl_map map;
    bool has_map;
    /* of a recording */
    char recording[512]; /* its path, for people; "": none */
    char recorded[512];  /* what it says of itself */
    struct gcctl_lifetime_row *lifetimes;
    size_t n_lifetimes;
    double *point_seconds, *point_bytes; /* live bytes over time */
    size_t n_points;
    char no_recording[256]; /* why lifetimes are missing though they were asked for; "": they were not */
    json_t *tune;           /* TUNE-RESULT.md, or NULL */
    char how[512];          /* the command that made it */
};

void gcctl_report_init(struct gcctl_report *report);
void gcctl_report_fini(struct gcctl_report *report);

/* ---- collecting: 0 or an exit status with a message */
struct gcctl_report_options {
    int64_t for_ns;           /* how long to watch a process, or at most a program */
    const volatile int *stop; /* a signal handler sets it */
    bool without_recording;
};
int gcctl_report_process(struct gcctl_report *report, struct gcctl_client *client,
                         const struct gcctl_report_options *options);
/* Runs the program, watches it to its end, and once more to record it. */
int gcctl_report_program(struct gcctl_report *report, char *const *program, const struct gcctl_report_options *options);
int gcctl_report_recording(struct gcctl_report *report, const char *path);
int gcctl_report_tune(struct gcctl_report *report, const char *path);

/* ---- writing */
void gcctl_report_write(FILE *out, const struct gcctl_report *report);

/* Parts of the page. */
extern const char gcctl_report_style[], gcctl_report_script[];
void gcctl_report_section(FILE *out, const char *id, const char *title, const char *explanation);
void gcctl_report_section_end(FILE *out);
/* A figure with a title and legend: names of series 0 to n - 1, classes f0.. unless classes says otherwise; ended by
 * gcctl_report_figure_end. */
void gcctl_report_figure(FILE *out, const char *title, const char *const *legend, const char *const *classes);
void gcctl_report_figure_end(FILE *out);
void gcctl_report_missing(FILE *out, const char *why, const char *command); /* command: how to get it; may be NULL */
/* A table behind <details>, or open. cells: escaped by the call; right: columns from that one on are figures. */
void gcctl_report_table(FILE *out, const char *summary, const char *const *titles, size_t n_columns, size_t right);
void gcctl_report_row(FILE *out, const char *const *cells, size_t n_columns, size_t right);
void gcctl_report_table_end(FILE *out, const char *summary);
void gcctl_report_copy(FILE *out, const char *id, const char *text); /* a block of text with a copy button */

void gcctl_report_heaps(FILE *out, const struct gcctl_report *report); /* report_heaps.c */
void gcctl_report_pauses(FILE *out, const struct gcctl_report *report);
void gcctl_report_occupancy(FILE *out, const struct gcctl_report *report); /* report_caches.c */
void gcctl_report_lifetimes(FILE *out, const struct gcctl_report *report);
void gcctl_report_tuning(FILE *out, const struct gcctl_report *report); /* report_tune.c */
void gcctl_report_config(FILE *out, const struct gcctl_report *report);

#endif
