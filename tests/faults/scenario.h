/* scenario.h - what a fault test runs: a program in three parts, of which the middle one meets failing system calls.
 * Each run is a process of its own, so that what happens once in a process (reserving addresses, reading config,
 * loading a plug-in) can be made to fail as well. */
#ifndef SLABGC_TESTS_FAULTS_SCENARIO_H
#define SLABGC_TESTS_FAULTS_SCENARIO_H

#include <slabgc/slabgc.h>

#include <stdio.h>
#include <stdlib.h>

#define FAULTS_HELD 2048

/* The state that the three parts share. */
struct faults {
    const char *strategy, *other; /* other: to switch to; NULL: none */
    uint32_t capabilities;
    struct sgc_heap *heap;                    /* NULL: not open */
    struct sgc_cache *nodes, *blobs, *finals; /* NULL where the strategy cannot, or the creation failed */
    void *held[FAULTS_HELD];
    size_t n_held;
    struct sgc_weak *weak[64];
    size_t n_weak;
    uint64_t n_refused; /* clean errors met */
};

struct faults_scenario {
    const char *name;
    void (*prepare)(struct faults *faults); /* nothing fails */
    void (*act)(struct faults *faults);     /* calls fail: clean errors, never less */
    bool keeps_open;                        /* false: the runner drops everything and closes the heap */
};
extern const struct faults_scenario faults_scenarios[]; /* ended by one without a name */

/* In the child: an expectation. */
#define FAULTS_CHECK(condition)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

struct faults_node {
    uint64_t label;
    struct faults_node *left, *right;
    uint64_t rest[3];
};
struct faults_blob {
    uint64_t n;
    char bytes[];
};

/* Opens the heap and makes its caches; whatever fails leaves NULL behind, after a check that the error is clean. */
void faults_open(struct faults *faults);
/* Drops all that is held, destroys weak handles. */
void faults_release(struct faults *faults);

#endif
