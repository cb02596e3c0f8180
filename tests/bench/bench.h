/* bench.h - workloads, backends, and what a run of one on the other reports.
 * Each run is a process of its own: the program executes itself (or a backend's own program) with --run, and the child
 * sends its figures through a pipe. Adding a workload or a backend adds a row to a table (workloads.c, backends.c). */
#ifndef SLABGC_TESTS_BENCH_BENCH_H
#define SLABGC_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_MAX_FIGURES 6
#define BENCH_MAX_BACKENDS 12 /* of one workload */
#define BENCH_MESSAGE_BYTES 512
#define BENCH_SECTION_OPS                                                                                              \
    128 /* operations between an enter and its leave, where a workload measures inside sections                        \
         */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BENCH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BENCH_SANITIZED 1
#endif
#endif
#ifndef BENCH_SANITIZED
#define BENCH_SANITIZED 0
#endif

enum bench_kind { BENCH_MALLOC, BENCH_BOEHM, BENCH_SLABGC };

/* Who manages the memory. */
struct bench_backend {
    const char *name;
    enum bench_kind kind;
    const char *strategy; /* BENCH_SLABGC: the heap's */
    bool sections;        /* BENCH_SLABGC: operations on the heap stand in sections where the workload can choose */
    bool rwlock;          /* BENCH_SLABGC: readers take a lock instead of a section */
    const char *preload;  /* name of a library for LD_PRELOAD, as the loader searches it; NULL: none */
    const char *proof;    /* a symbol that this library alone defines: without it the run is skipped */
    const char *program;  /* file beside this program that runs the workload; NULL: this program */
};

struct bench_params {
    unsigned depth;     /* of the largest long-lived tree */
    uint64_t n_objects; /* in the graph that `mark` builds */
    unsigned loop_ms;   /* a calibrated loop lasts so long */
};

struct bench_run;

/* unit: "s" (the whole workload once) or "ns" (one operation). backends: names; the first is the reference of ratios.
 */
struct bench_workload {
    const char *name, *group, *unit, *what;
    const char *backends[BENCH_MAX_BACKENDS + 1];
    void (*run)(struct bench_run *run);
};

enum bench_state { BENCH_OK, BENCH_SKIPPED, BENCH_FAILED };

struct bench_figure {
    char name[24];
    double value;
};

/* One run: what it was asked and what came out. */
struct bench_run {
    const struct bench_workload *workload;
    const struct bench_backend *backend;
    struct bench_params params;
    enum bench_state state;
    double value;       /* wall time, in the workload's unit */
    double cpu;         /* CPU time of all threads of the process while the clock ran, in the same unit */
    double control[2];  /* ns per addition of the control loop, before and after */
    uint64_t checksum;  /* of the answer, equal for all backends; 0: the workload has none */
    uint64_t rss_bytes; /* peak of the process, by getrusage */
    size_t n_figures;
    struct bench_figure figures[BENCH_MAX_FIGURES];
    char message[BENCH_MESSAGE_BYTES]; /* of a run that was skipped or failed */
};

/* backends.c */
extern const struct bench_backend bench_backends[];
extern const size_t bench_n_backends;
const struct bench_backend *bench_backend_find(const char *name); /* NULL: none */

/* workloads.c */
extern const struct bench_workload bench_workloads[];
extern const size_t bench_n_workloads;

/* child.c: what a workload calls. */
struct bench_timer {
    uint64_t wall_ns, cpu_ns; /* so far */
    uint64_t wall_began_ns, cpu_began_ns;
};
void bench_timer_start(struct bench_timer *timer);
void bench_timer_stop(struct bench_timer *timer);
/* The run's result: seconds when n_operations is 0, else nanoseconds by operation. */
void bench_finish(struct bench_run *run, const struct bench_timer *timer, uint64_t n_operations);
/* Calls body(arg, n) with growing n until it lasts params.loop_ms, and finishes with that call. n is a multiple of
 * BENCH_SECTION_OPS. */
void bench_loop(struct bench_run *run, void (*body)(void *arg, uint64_t n), void *arg);
void bench_figure_add(struct bench_run *run, const char *name, double value);
void bench_skip(struct bench_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bench_fail(struct bench_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The main function of a child: argv as bench_spawn makes it. Returns the exit status. */
int bench_child(int argc, char **argv, const struct bench_workload *workloads, size_t n_workloads);

/* run.c: runs run->workload on run->backend in a process of its own and fills in the results. config: text for $SLABGC
 * or NULL. */
void bench_spawn(struct bench_run *run, const char *config);
/* The directory of this program's file. */
void bench_directory(char *path, size_t size);

/* report.c: runs of one workload, n_repetitions for each of n_backends, backend by backend. */
struct bench_series {
    const struct bench_workload *workload;
    size_t n_backends, n_repetitions;
    struct bench_run *runs;
};
/* Of one backend's good runs. */
struct bench_summary {
    size_t n;                   /* good runs; 0: the rest is 0 too */
    double median, least, most; /* of their values */
    double cpu;                 /* median */
    uint64_t rss_bytes;         /* the most */
    size_t n_figures;
    struct bench_figure figures[BENCH_MAX_FIGURES]; /* medians */
};

/* Marks runs whose checksum differs from that of the series' first good run as failed. */
void bench_check(struct bench_series *series);
void bench_summarize(const struct bench_run *runs, size_t n, struct bench_summary *summary);
/* Of the workload's first backend: false when it did not run. */
bool bench_reference(const struct bench_series *series, struct bench_summary *summary);
double bench_median(double *values, size_t n);                                              /* sorts them; n > 0 */
void bench_range(const struct bench_series *series, size_t n, double *least, double *most); /* of the control loop */
void bench_print_table(const struct bench_series *series);
void bench_print_control(const struct bench_series *series, size_t n);

/* json.c: all series as one document. config: as for bench_spawn. */
void bench_print_json(const struct bench_series *series, size_t n, const struct bench_params *params,
                      const char *config);

/* A value that the compiler must produce, and memory that it may not know. */
static inline void bench_use(void *value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

/* xorshift64*: state is not 0. */
static inline uint64_t bench_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

#endif
