/* strategies.h - which strategies there are, what a program's heaps need, and which of the strategies have that. Called by compare and tune. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_STRATEGIES_H
#define SLABGC_TOOLS_GCCTL_STRATEGIES_H

#include <slabgc/plugin.h>

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GCCTL_MAX_STRATEGIES 32
#define GCCTL_MAX_HEAPS 16

struct gcctl_strategy {
    char name[64];
    uint32_t capabilities;          /* SGC_NEED_* and SGC_CAP_* */
    const struct sgc_param *params; /* constant for the life of the process */
    uint32_t n_params;
};

struct gcctl_strategies {
    struct gcctl_strategy all[GCCTL_MAX_STRATEGIES];
    size_t n;
};

/* Those that can be found, refused ones left out with a message when `list` names them. list: "a,b", or NULL for all; one that is not there is an error with
 * a suggestion. Returns 0 or an exit status, all said. */
int gcctl_strategies_load(struct gcctl_strategies *out, const char *list);
/* The same from what was found already (all, copied to out): only those of the list. */
int gcctl_strategies_choose(const struct gcctl_strategies *all, const char *list, struct gcctl_strategies *out);
const struct gcctl_strategy *gcctl_strategies_find(const struct gcctl_strategies *strategies, const char *name);

/* A heap that a program opened. */
struct gcctl_heap_found {
    char name[64], strategy[64];
    uint32_t needs; /* SGC_NEED_* */
};
/* The heaps of a run's report, each name once, needs of all its lives together; returns how many. */
size_t gcctl_heaps_found(const json_t *heaps, struct gcctl_heap_found out[GCCTL_MAX_HEAPS]);

/* "cycles, weak": names of the bits of `needs` that `has` lacks; "" when none. */
char *gcctl_missing(char *out, size_t out_bytes, uint32_t needs, uint32_t has);
/* The same as a JSON array. */
json_t *gcctl_missing_json(uint32_t needs, uint32_t has);
/* Needs of the heaps that all lack something on this strategy; 0: one of them could have it. */
uint32_t gcctl_needs_unmet(const struct gcctl_heap_found *heaps, size_t n, const struct gcctl_strategy *strategy);
/* All needs of these heaps together. */
uint32_t gcctl_needs_of(const struct gcctl_heap_found *heaps, size_t n);

#endif
