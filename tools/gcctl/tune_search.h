/* tune_search.h - the search: which points are measured when, what is kept, what may be said of it at the end (TUNING.md). It measures through a
 * function, knows no clock but what measurements cost, and no chance but its seed: the same measurements give the same search.
 *
 * Lower is better throughout; figures of a run are compared as logarithms of ratios to the defaults' (median of their last runs). One thread. */
#ifndef SLABGC_TOOLS_GCCTL_TUNE_SEARCH_H
#define SLABGC_TOOLS_GCCTL_TUNE_SEARCH_H

#include "tools/gcctl/tune_metric.h"
#include "tools/gcctl/tune_space.h"
#include "tools/gcctl/tune_stats.h"

/* ---- measuring */

struct tune_measure {
    bool failed, timed_out;
    double values[TUNE_N_METRICS]; /* of a run that ended well */
    int64_t cost_ns;               /* of the budget */
};
/* Runs the program at this point, at most limit_ns (0: none) long. defaults: the program's own config, nothing set. Returns 0; 1 when
 * the run was given up because of `stop`; a negative errno ends all measuring: what is known counts. */
typedef int tune_measure_fn(void *arg, const struct tune_point *point, bool defaults, int64_t limit_ns,
                            struct tune_measure *out);

struct tune_run {
    bool failed, timed_out;
    double values[TUNE_N_METRICS], ratios[TUNE_N_METRICS]; /* ratios: logarithms */
    int64_t at_ns, cost_ns;                                /* budget used before, and by it */
};

/* ---- points that were measured */

enum tune_origin { TUNE_DEFAULTS, TUNE_STRATEGY, TUNE_SAMPLE, TUNE_REFINE, TUNE_SIMPLIFY };
extern const char *const tune_origin_names[];

struct tune_eval {
    struct tune_point point;
    enum tune_origin origin;
    struct tune_run *runs;
    size_t n_runs, n_good;          /* n_good: neither failed nor timed out */
    double values[TUNE_N_METRICS];  /* medians of good runs; NAN when there are none */
    double ratios[TUNE_N_METRICS];  /* logarithms */
    double violation;               /* 0: it ran and meets the constraints; else by how much it does not */
    size_t n_changed;
    bool pareto, finalist;
};

/* What is looked for. Goal 0: better on the whole, and hardly worse in anything; goal 1 + j: objective j above all. */
#define TUNE_MAX_GOALS (1 + TUNE_N_METRICS)
#define TUNE_MAX_FINALS (TUNE_MAX_GOALS + 1) /* goal 0 has two: simplified, and as it was */

enum tune_verdict { TUNE_SAME, TUNE_BETTER, TUNE_WORSE };
extern const char *const tune_verdict_names[];

struct tune_final {
    size_t eval;  /* index */
    size_t pairs; /* rounds with the defaults beside it */
    struct {
        double median, low, high; /* ratios; low to high: the 95% interval of the mean */
        enum tune_verdict verdict;
    } objectives[TUNE_N_METRICS]; /* in the objectives' order */
    double score;                 /* geometric mean of the objectives' ratios */
    bool gains;                   /* the score is below 1 beyond the noise */
    bool feasible;
};

/* What taking one value back to the defaults' did, found while the choice was simplified. */
struct tune_undo {
    bool known;
    double ratios[TUNE_N_METRICS]; /* logarithms: without it against with it */
};

enum tune_phase { TUNE_PHASE_DEFAULTS, TUNE_PHASE_SAMPLE, TUNE_PHASE_REFINE, TUNE_PHASE_SIMPLIFY, TUNE_PHASE_FINAL };
extern const char *const tune_phase_names[];
enum tune_end { TUNE_END_BUDGET, TUNE_END_SETTLED, TUNE_END_INTERRUPTED };
extern const char *const tune_end_names[];

struct tune_search {
    /* given */
    const struct tune_space *space;
    struct tune_objectives objectives;
    struct tune_constraint constraints[TUNE_MAX_CONSTRAINTS];
    size_t n_constraints;
    int64_t budget_ns;
    uint64_t seed;
    size_t pairs; /* rounds of the end phase: at least so many */
    tune_measure_fn *measure;
    void (*progress)(void *arg, const struct tune_search *search); /* before each measurement; may be NULL */
    void *arg;
    const volatile sig_atomic_t *stop; /* non-zero: go to the end phase, which is short then; may be NULL */

    /* found; evals[0]: the defaults */
    struct tune_eval *evals;
    size_t n_evals, n_runs;
    int64_t spent_ns, run_ns; /* run_ns: what one run of the defaults costs */
    enum tune_phase phase;
    enum tune_end end;
    bool aborted; /* the measuring function ended it */
    struct tune_final finals[TUNE_MAX_FINALS];
    size_t n_finals;
    int chosen; /* index in finals; -1: keep the defaults */
    char reason[400];
    double noise[TUNE_N_METRICS]; /* deviation of the defaults' logarithms */
    struct tune_undo undo[TUNE_MAX_PARAMS];

    /* own */
    struct tune_random random;
    size_t since_defaults; /* runs since the defaults ran */
};

/* Runs it all. 0; -EINVAL: the defaults do not run; -ETIME: the budget is too small for any answer; -ENOMEM. */
int tune_search_run(struct tune_search *search);
void tune_search_fini(struct tune_search *search);

/* ---- between the search's files */

#define TUNE_NONE ((size_t)-1)
/* What is chosen may be worse than the defaults by this in an objective that no constraint limits. */
#define TUNE_TOLERATED_LOSS 1.1
bool tune_is_constrained(const struct tune_search *search, enum tune_metric metric);
size_t tune_goals(const struct tune_search *search);
/* A point's standing for a goal, with a malus for what few runs may hide: lower is better. */
double tune_score(const struct tune_search *search, const struct tune_eval *eval, size_t goal);
/* The same of medians of n runs, without the malus. */
double tune_score_of(const struct tune_search *search, const double ratios[TUNE_N_METRICS], size_t n, size_t goal);
/* Deviation of the score of one run. */
double tune_score_noise(const struct tune_search *search, size_t goal);
/* Is a better than b for the goal? Feasible ones first, then what violates less. */
bool tune_better(const struct tune_search *search, const struct tune_eval *a, const struct tune_eval *b, size_t goal);
/* The k best points for the goal, best first; returns how many. */
size_t tune_best(const struct tune_search *search, size_t goal, size_t k, size_t *out);

/* The point's index: measured before, or new (not yet measured). TUNE_NONE: no memory. */
size_t tune_find_or_add(struct tune_search *search, const struct tune_point *point, enum tune_origin origin);
/* One run of it, and of the defaults when it is their turn. False: no more measuring. */
bool tune_run_once(struct tune_search *search, size_t eval);
/* One run; its figures' logarithms of ratios are to the defaults' last runs. */
bool tune_run_plain(struct tune_search *search, size_t eval);
bool tune_stopped(const struct tune_search *search);
void tune_update(struct tune_search *search, struct tune_eval *eval);

/* tune_propose.c: new points. */
void tune_propose_sample(struct tune_search *search, const struct tune_point *arm, size_t i, size_t n,
                         const uint32_t *strata, struct tune_point *out);
bool tune_propose_strata(struct tune_search *search, size_t n, uint32_t **out); /* a permutation of 0 to n - 1 for each parameter */
bool tune_propose_child(struct tune_search *search, size_t goal, double step, struct tune_point *out);

/* tune_final.c: from points to an answer. */
void tune_simplify(struct tune_search *search, size_t goal, size_t *choice, int64_t until_ns);
void tune_finish(struct tune_search *search, const size_t *choices, size_t n_choices);

/* tune_pareto.c */
/* a is at least as good in all objectives and better in one. */
bool tune_dominates(const struct tune_objectives *objectives, const double *a, const double *b);
/* Marks the points that no other one dominates: those measured at least twice that meet the constraints, and the defaults among them. */
void tune_mark_pareto(struct tune_search *search);

#endif
