/* tune_metric.h - what tune measures, wants (objectives) and must keep (constraints). Every metric is better when it is smaller. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_TUNE_METRIC_H
#define SLABGC_TOOLS_GCCTL_TUNE_METRIC_H

#include "tools/gcctl/run.h"

enum tune_metric {
    TUNE_TIME,        /* wall clock */
    TUNE_CPU,         /* user + system */
    TUNE_P50_PAUSE,
    TUNE_P99_PAUSE,
    TUNE_MAX_PAUSE,
    TUNE_PEAK_MEMORY, /* the process's largest resident set */
    TUNE_PEAK_HEAP,   /* what the heaps held at most */
    TUNE_N_METRICS
};

extern const char *const tune_metric_names[TUNE_N_METRICS + 1]; /* NULL at the end */
bool tune_metric_is_time(enum tune_metric metric);               /* nanoseconds; else bytes */
char *tune_ratio_text(double ratio, char out[32]); /* "0.87x" */
/* "1.5ms", "64MiB" */
char *tune_metric_text(enum tune_metric metric, double value, char out[32]);

/* Natural logarithm of value / reference; both are taken to be at least what matters (pauses: 10us, times: 1ms, memory:
 * 64KiB), so that nothing is infinitely better. */
double tune_log_ratio(enum tune_metric metric, double value, double reference);

void tune_metrics_of(const struct gcctl_run *run, double out[TUNE_N_METRICS]);

/* Objectives, in the order given. */
struct tune_objectives {
    enum tune_metric metrics[TUNE_N_METRICS];
    size_t n;
};
#define TUNE_MESSAGE_BYTES 400
/* "time,p99_pause". 0; or -EINVAL, and message says what, where (column from 1) and what it could be. */
int tune_objectives_parse(const char *text, struct tune_objectives *out, char message[TUNE_MESSAGE_BYTES]);

/* metric <= at_most; or <= share of the defaults' own value, when it is given as "110%". */
struct tune_constraint {
    enum tune_metric metric;
    double at_most; /* ns, bytes; NAN until the defaults are known where share is set */
    double share;   /* 1.1; 0: absolute */
    const char *text;
};
#define TUNE_MAX_CONSTRAINTS 16
/* "peak_memory<=512MiB", "p99_pause<=2ms", "time<=110%". As above. out->text is `text`. */
int tune_constraint_parse(const char *text, struct tune_constraint *out, char message[TUNE_MESSAGE_BYTES]);

#endif
