/* bench.h - workloads, backends, and what a run of one on the other reports.
 * Each run is a process of its own: the program executes itself (or a backend's own program) with --run, and the child
 * sends its figures through a pipe. Adding a workload or a backend adds a row to a table (workloads.c, backends.c). */
#ifndef SLABGC_TESTS_BENCH_BENCH_H
#define SLABGC_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_MAX_FIGURES 12
#define BENCH_MAX_BACKENDS 12 /* of one workload */
#define BENCH_MESSAGE_BYTES 512
#define BENCH_PARAMETERS_BYTES 160
/* Operations between an enter and its leave, where a workload measures inside sections. */
#define BENCH_SECTION_OPS 128

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

/* Ours; somebody else's; and somebody else's that "the best peer" is chosen from. */
enum bench_role { BENCH_OWN, BENCH_PEER, BENCH_RIVAL };

/* Who manages the memory. */
struct bench_backend {
    const char *name;
    enum bench_kind kind;
    enum bench_role role;
    const char *strategy; /* BENCH_SLABGC: the heap's */
    bool sections;        /* BENCH_SLABGC: operations on the heap stand in sections where the workload can choose */
    bool rwlock;          /* BENCH_SLABGC: readers take a lock instead of a section */
    const char *preload; /* a library for LD_PRELOAD: its name as the loader searches it, or a file of this workspace */
    const char *program; /* file beside this program that runs the workload; NULL: this program */
};

struct bench_params {
    unsigned depth;         /* of the largest long-lived tree */
    uint64_t n_objects;     /* in the graph that `mark` builds */
    unsigned loop_ms;       /* a calibrated loop lasts so long; 0: as long as the workload says */
    uint64_t max_live;      /* no cache workload but `phase` keeps more objects alive */
    uint64_t phase_bytes;   /* what `phase` grows to */
    unsigned phase_idle_ms; /* how long it waits for memory to go back */
    uint64_t n_operations;  /* a loop does so many and is not calibrated: for counting instructions; 0: calibrate */
};

struct bench_run;

/* unit: "s" (the whole workload once) or "ns" (one operation). backends: names; the first is the reference of `ratio`.
 */
struct bench_workload {
    const char *name;
    const char *groups; /* words */
    const char *unit, *what;
    const char *backends[BENCH_MAX_BACKENDS + 1];
    void (*run)(struct bench_run *run);
    unsigned loop_ms;         /* of a calibrated loop, unless the command line says otherwise; 0: 200 */
    unsigned max_repetitions; /* 0: any number; for what takes long and varies little */
    uint64_t n_counted;       /* operations to count instructions of; 0: they cannot be counted (threads, clocks) */
    unsigned size_bytes;      /* the rest is for workloads of group `cache`: of an object, 0: of several sizes */
    unsigned live;            /* objects that stay alive */
    unsigned variant;         /* the workload's own enumeration */
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
    double value;          /* wall time, in the workload's unit */
    double cpu;            /* CPU time of all threads of the process while the clock ran, in the same unit */
    double control[2];     /* ns per addition of the control loop, before and after */
    uint64_t n_operations; /* that `value` is the mean of; 0: it is no mean */
    uint64_t checksum;     /* of the answer, equal for all backends; 0: the workload has none */
    uint64_t rss_bytes;    /* peak of the process, less what the workload mapped for itself */
    char parameters[BENCH_PARAMETERS_BYTES]; /* "key=value key=value ...", what really ran; equal for all backends */
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

/* child.c: what a workload says of its run. */
void bench_figure_add(struct bench_run *run, const char *name, double value);
/* Appends "key=value": a value is a word without spaces. */
void bench_parameter_add(struct bench_run *run, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void bench_skip(struct bench_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bench_fail(struct bench_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For bodies, which have no way back: the run fails with this message and its process ends. Any thread. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The main function of a child: argv as bench_spawn makes it. Returns the exit status. */
int bench_child(int argc, char **argv, const struct bench_workload *workloads, size_t n_workloads);

/* clock.c: time. */
struct bench_timer {
    uint64_t wall_ns, cpu_ns; /* so far */
    uint64_t wall_began_ns, cpu_began_ns;
};
uint64_t bench_now_ns(void); /* a clock that never goes back */
void bench_timer_start(struct bench_timer *timer);
void bench_timer_stop(struct bench_timer *timer);
/* The run's result: seconds when n_operations is 0, else nanoseconds by operation. */
void bench_finish(struct bench_run *run, const struct bench_timer *timer, uint64_t n_operations);
unsigned bench_loop_ms(const struct bench_run *run); /* how long a loop is to last */
/* Calls body(arg, n) with growing n until it lasts as long as the run is to, and finishes with that call. n is a
 * multiple of granule. Adds the parameter loop-ms. */
typedef void bench_body(void *arg, uint64_t n);
void bench_loop_by(struct bench_run *run, uint64_t granule, bench_body *body, void *arg);
void bench_loop(struct bench_run *run, bench_body *body, void *arg); /* by BENCH_SECTION_OPS */
/* Nanoseconds by addition, each of which needs the one before: a fixed number of cycles, so that what varies is the
 * machine. */
double bench_control(uint64_t n_additions);
/* Nanoseconds for a cache line to another thread and back; 0: no thread. */
double bench_line_ns(void);

/* memory.c: a workload's own memory, which is never the backend's. */
/* Zeroed, and resident from now on to the end of the process; dies when there is none. */
void *bench_map(size_t bytes);
uint64_t bench_mapped_bytes(void);    /* by bench_map, so far */
uint64_t bench_resident_bytes(void);  /* of the process now, less bench_mapped_bytes; 0: the kernel does not say */
uint64_t bench_peak_bytes(void);      /* the same of its peak */
uint64_t bench_available_bytes(void); /* on the machine, without swapping; UINT64_MAX: the kernel does not say */

/* params.c: options of a run as one word, for the command line of its process. */
#define BENCH_PARAMS_TEXT_BYTES 160
void bench_params_write(const struct bench_params *params, char text[BENCH_PARAMS_TEXT_BYTES]);
bool bench_params_read(struct bench_params *params, const char *text);

/* run.c: runs run->workload on run->backend in a process of its own and fills in the results. config: text for $SLABGC
 * or NULL. wrapper: a command to run it under, NULL at its end, or NULL. */
void bench_spawn(struct bench_run *run, const char *config, const char *const *wrapper);
/* The directory of this program's file. */
void bench_directory(char *path, size_t size);

/* callgrind.c: instructions by operation, of a run with the same workload, backend and parameters; 0, and a message on
 * stderr, when it fails. Only for workloads with n_counted. */
double bench_count_instructions(const struct bench_run *like, const char *config);
bool bench_can_count(void); /* false: there is no valgrind */

/* summary.c: runs of one workload, n_repetitions for each of n_backends, backend by backend. */
struct bench_series {
    const struct bench_workload *workload;
    size_t n_backends, n_repetitions;
    struct bench_run *runs;
    double instructions[BENCH_MAX_BACKENDS]; /* by operation, for each backend; 0: not counted */
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
/* What a backend's values are divided by another's: medians, and the least and greatest quotient of runs of the same
 * repetition, which always enclose it. */
struct bench_ratio {
    double median, least, most; /* 0: one of them did not run */
};

/* Marks runs whose checksum or parameters differ from those of the series' first good run as failed. */
void bench_check(struct bench_series *series);
void bench_summarize(const struct bench_run *runs, size_t n, struct bench_summary *summary);
/* The backend's place in the series, or SIZE_MAX. */
size_t bench_place(const struct bench_series *series, const char *backend);
/* Of backend k of the series; SIZE_MAX: an empty one. */
void bench_summarize_backend(const struct bench_series *series, size_t k, struct bench_summary *summary);
/* The rival with the least median, with the least CPU time, with the least peak of memory; SIZE_MAX: none ran. */
size_t bench_best_time(const struct bench_series *series);
size_t bench_best_cpu(const struct bench_series *series);
size_t bench_best_memory(const struct bench_series *series);
struct bench_ratio bench_ratio(const struct bench_series *series, size_t k, size_t by);
double bench_median(double *values, size_t n);                                              /* sorts them; n > 0 */
void bench_range(const struct bench_series *series, size_t n, double *least, double *most); /* of the control loop */

/* table.c: text for a person. */
void bench_print_table(const struct bench_series *series);
void bench_print_control(const struct bench_series *series, size_t n);

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
