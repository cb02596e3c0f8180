/* run.h - runs a program under a config and measures it: time, CPU, memory, pauses, output. What compare, tune, report and demo call a run. One thread; blocks until the program
 * ends or the limit is over. */
#ifndef SLABGC_TOOLS_GCCTL_RUN_H
#define SLABGC_TOOLS_GCCTL_RUN_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gcctl_run_config {
    char *const *program;        /* argv, NULL at the end */
    const char *const *settings; /* "heap.words.strategy=rcu", ... NULL at the end; they beat the environment's own $SLABGC, which goes first */
    const char *config_file;     /* $SLABGC_CONFIG for the program; NULL: inherited */
    int64_t limit_ns;            /* 0: none; a program over it is killed: timed_out */
    bool keep_output;            /* stdout is kept in a temporary file, for comparing; else to /dev/null */
    bool json_output;            /* stdout is JSON: the first value goes to run->output (keep_output is implied) */
    const volatile sig_atomic_t *cancel; /* may be NULL; when it becomes non-zero the program is ended: cancelled */
};

struct gcctl_run {
    bool cancelled;
    bool timed_out, failed; /* failed: it did not exit with 0; status and the end of its stderr say why */
    int status;             /* as wait */
    char stderr_end[2048];
    uint64_t wall_ns, user_ns, system_ns, peak_rss_bytes;
    uint8_t output_digest[32]; /* of stdout */
    uint64_t output_bytes;
    json_t *output; /* of json_output; NULL: there was none; owned */
    json_t *heaps; /* array of HEAP (core/runtime/CONTROL.md) from the control report; owned */
    /* all heaps together */
    uint64_t pause_p50_ns, pause_p99_ns, pause_max_ns, n_pauses, peak_heap_bytes;
};

/* 0 and *out (also when the program failed), or a negative errno when it could not be started (message printed). */
int gcctl_run(const struct gcctl_run_config *config, struct gcctl_run *out);
void gcctl_run_fini(struct gcctl_run *run);
/* Prints why a run has no figures to use and returns true; false when it has: it ended well and slabgc heaps reported. what: the run's name in the message. */
bool gcctl_run_unusable(const struct gcctl_run *run, const char *what);
/* In a signal handler: ends the program that is running, if any, and removes its files. The caller ends the process. */
void gcctl_run_abandon(void);
/* From here on SIGTERM and SIGHUP (unless it is ignored, as under nohup), and SIGINT when asked, end the program that is running, remove its files, and end gcctl with status 128 + signal. */
void gcctl_run_catch(bool sigint);

/* Median, least and most of n values; sorts them. */
struct gcctl_spread {
    double median, least, most;
};
struct gcctl_spread gcctl_spread_of(double *values, size_t n);

#endif
