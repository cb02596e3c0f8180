/* programs.h - unmodified real programs under a malloc of choice: what they answer, how long they take, how much
 * memory. Used by programs_test.c (the answers) and compare.c (the figures). Knows nothing of slabgc: a malloc is a
 * library for LD_PRELOAD. One thread; starts and waits for its children. */
#ifndef SLABGC_TESTS_PRELOAD_PROGRAMS_H
#define SLABGC_TESTS_PRELOAD_PROGRAMS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define ANSWER_BYTES 4096

struct measure {
    double wall_s, cpu_s;      /* of the program and its own children */
    uint64_t rss_bytes;        /* largest resident set of one of its processes */
    char answer[ANSWER_BYTES]; /* must not depend on the malloc */
    char fault[ANSWER_BYTES];  /* why it failed; empty: it did not */
};

enum size { SIZE_SHORT, SIZE_LONG };

struct program {
    const char *name;
    const char *needs[3]; /* files without which it cannot run */
    /* Runs it in directory, which is the run's own. preload: a library, or NULL. */
    void (*run)(const char *preload, enum size size, const char *directory, struct measure *out);
};

/* Ends with a row without a name. */
extern const struct program programs[];

/* The first file that the program lacks, or NULL. */
const char *program_lacks(const struct program *program);
/* In an empty directory of its own under /tmp, which is removed. */
void program_run(const struct program *program, const char *preload, enum size size, struct measure *out);
/* A file of the workspace, by its path there, as an absolute path. */
void data_path(const char *name, char out[PATH_MAX]);

/* ---- spawn.c ---- */
/* Starts argv[0] with LD_PRELOAD and PYTHONMALLOC=malloc, stdin from a file (NULL: empty), stdout to a file (NULL:
 * away). Returns its process, or -1. */
pid_t spawn(char *const argv[], const char *preload, const char *input, const char *output);
/* Waits for it; adds its CPU time, raises rss_bytes. False: it failed, and fault says how. what: its name. */
bool spawn_wait(pid_t process, const char *what, struct measure *out);
bool spawn_run(char *const argv[], const char *preload, const char *input, const char *output, struct measure *out);
double clock_s(void);
__attribute__((format(printf, 2, 3))) void measure_fail(struct measure *out, const char *format, ...);
/* Appends a file's text, or (digest) a number that stands for its bytes, to the answer. */
void answer_add_file(struct measure *out, const char *path);
void answer_add_digest(struct measure *out, const char *path);
__attribute__((format(printf, 2, 3))) void answer_add(struct measure *out, const char *format, ...);

/* ---- redis.c ---- */
void redis_run(const char *preload, enum size size, const char *directory, struct measure *out);

#endif
