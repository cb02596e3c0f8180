/* tune_search.c - see tune_search.h: points and runs, and the order of the phases:
 *   defaults   some runs, for the noise and the limit of other runs
 *   sample     each choice of strategies as it is, then a Latin hypercube in its parameters; more for the better half
 *   refine     generations: good points run again, their children run once; until time is up or nothing gets better
 *   simplify   changed values go back to the defaults' while that costs nothing (tune_final.c)
 *   final      the winners beside the defaults, in turns (tune_final.c)
 * Invariant: evals[0] is the defaults; every point stands once. Locks: none. */
#include "tools/gcctl/tune_search.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const tune_origin_names[] = {"defaults", "strategy", "sample", "refine", "simplify"};
const char *const tune_verdict_names[] = {"same", "better", "worse"};
const char *const tune_phase_names[] = {"defaults", "sample", "refine", "simplify", "measure again"};
const char *const tune_end_names[] = {"budget", "settled", "interrupted"};

enum {
    LEAST_RUNS = 20,    /* that a budget must allow */
    REFERENCE_RUNS = 5, /* the defaults' last runs that others are compared with */
    DEFAULTS_EVERY = 5, /* runs of others between two of the defaults */
    TRUSTED_RUNS = 3,   /* good points are run so often while refining */
    PATIENCE = 8        /* generations without progress that end the refining */
};
#define NOISE_FLOOR 0.001 /* nothing is more exact than 0.1% */
#define OTHER_GOALS 0.2   /* weight of all other objectives in an objective's goal */
#define WORSE_WEIGHT 3.0  /* goal 0: a loss */
#define BEYOND_WEIGHT 10.0
#define MOST_GAIN 1.386 /* log 4 */
#define LOUD_NOISE 0.3  /* at this deviation an objective has half its weight in goal 0 */

/* ---- standing */

size_t tune_goals(const struct tune_search *search)
{
    return search->objectives.n > 1 ? search->objectives.n + 1 : 1;
}

/* In goal 0 an objective's share falls with its noise, lest the luckiest pause be the best point. */
static double calm(const struct tune_search *search, size_t objective)
{
    const double noise = search->noise[search->objectives.metrics[objective]] / LOUD_NOISE;
    return 1 / (1 + noise * noise);
}

static double goal_weight(const struct tune_search *search, size_t goal, size_t objective)
{
    const double n = (double)search->objectives.n;
    if (goal == 0) {
        double sum = 0;
        for (size_t j = 0; j < search->objectives.n; j++)
            sum += calm(search, j);
        return calm(search, objective) / sum;
    }
    return objective + 1 == goal ? 1 - OTHER_GOALS : OTHER_GOALS / (n - 1);
}

double tune_score_noise(const struct tune_search *search, size_t goal)
{
    double sum = 0;
    for (size_t j = 0; j < search->objectives.n; j++) {
        const double part = goal_weight(search, goal, j) * search->noise[search->objectives.metrics[j]];
        sum += part * part;
    }
    return sqrt(sum);
}

bool tune_is_constrained(const struct tune_search *search, enum tune_metric metric)
{
    for (size_t i = 0; i < search->n_constraints; i++)
        if (search->constraints[i].metric == metric)
            return true;
    return false;
}

/* What one objective adds to goal 0: gains count up to a factor of four, since pauses that vanish must not buy
 * everything; losses count three times, and beyond what a choice may lose, unless a constraint says what that is, ten
 * times. */
static double balance(const struct tune_search *search, enum tune_metric metric, double ratio)
{
    const double tolerated = tune_is_constrained(search, metric) ? INFINITY : log(TUNE_TOLERATED_LOSS);
    if (ratio <= 0)
        return fmax(ratio, -MOST_GAIN);
    return WORSE_WEIGHT * fmin(ratio, tolerated) + (ratio > tolerated ? BEYOND_WEIGHT * (ratio - tolerated) : 0);
}

/* Less what chance gives n runs: else the weights of losses would multiply noise. */
static double beyond_chance(const struct tune_search *search, enum tune_metric metric, double ratio, size_t n)
{
    const double error = search->noise[metric] / sqrt((double)n);
    return ratio > 0 ? fmax(ratio - error, 0) : fmin(ratio + error, 0);
}

double tune_score_of(const struct tune_search *search, const double ratios[TUNE_N_METRICS], size_t n, size_t goal)
{
    double score = 0;
    for (size_t j = 0; j < search->objectives.n; j++) {
        const enum tune_metric metric = search->objectives.metrics[j];
        double part = ratios[metric];
        if (goal == 0 && search->objectives.n > 1)
            part = balance(search, metric, beyond_chance(search, metric, part, n));
        score += goal_weight(search, goal, j) * part;
    }
    return score;
}

double tune_score(const struct tune_search *search, const struct tune_eval *eval, size_t goal)
{
    if (!eval->n_good)
        return INFINITY;
    return tune_score_of(search, eval->ratios, eval->n_good, goal) +
           tune_score_noise(search, goal) / sqrt((double)eval->n_good) + 0.001 * (double)eval->n_changed;
}

bool tune_better(const struct tune_search *search, const struct tune_eval *a, const struct tune_eval *b, size_t goal)
{
    if (a->violation != b->violation)
        return a->violation < b->violation;
    return tune_score(search, a, goal) < tune_score(search, b, goal);
}

size_t tune_best(const struct tune_search *search, size_t goal, size_t k, size_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < search->n_evals; i++) {
        size_t at = n;
        if (!search->evals[i].n_runs)
            continue;
        while (at > 0 && tune_better(search, &search->evals[i], &search->evals[out[at - 1]], goal))
            at--;
        if (at == k)
            continue;
        n += n < k;
        memmove(out + at + 1, out + at, (n - 1 - at) * sizeof(*out));
        out[at] = i;
    }
    return n;
}

/* ---- points and runs */

size_t tune_find_or_add(struct tune_search *search, const struct tune_point *point, enum tune_origin origin)
{
    uint8_t changed[TUNE_MAX_PARAMS];
    for (size_t i = 0; i < search->n_evals; i++)
        if (tune_point_equal(search->space, &search->evals[i].point, point))
            return i;
    struct tune_eval *more = realloc(search->evals, (search->n_evals + 1) * sizeof(*more));
    if (!more)
        return TUNE_NONE;
    search->evals = more;
    more[search->n_evals] = (struct tune_eval){.point = *point, .origin = origin};
    more[search->n_evals].n_changed = tune_point_changed(search->space, point, changed);
    return search->n_evals++;
}

static double constraint_limit(const struct tune_search *search, const struct tune_constraint *constraint)
{
    return constraint->share > 0 ? constraint->share * search->evals[0].values[constraint->metric]
                                 : constraint->at_most;
}

void tune_update(struct tune_search *search, struct tune_eval *eval)
{
    double values[512], ratios[512];
    for (int m = 0; m < TUNE_N_METRICS; m++) {
        size_t n = 0;
        for (size_t r = eval->n_runs > 512 ? eval->n_runs - 512 : 0; r < eval->n_runs; r++) {
            if (eval->runs[r].failed || eval->runs[r].timed_out)
                continue;
            values[n] = eval->runs[r].values[m];
            ratios[n++] = eval->runs[r].ratios[m];
        }
        eval->values[m] = tune_median(values, n);
        eval->ratios[m] = tune_median(ratios, n);
        eval->n_good = n;
    }
    eval->violation = 0;
    for (size_t i = 0; i < search->n_constraints && eval->n_good; i++) {
        const struct tune_constraint *constraint = &search->constraints[i];
        const double over = log(eval->values[constraint->metric] / constraint_limit(search, constraint));
        eval->violation += over > 0 ? over : 0;
    }
    for (size_t r = 0; r < eval->n_runs; r++) /* one bad run is one too many */
        eval->violation += eval->runs[r].failed ? 1e6 : eval->runs[r].timed_out ? 1e3 : 0;
}

/* The defaults' last runs, to which a run of now is compared: what changes on the machine changes for both. */
static void reference_of(const struct tune_search *search, double out[TUNE_N_METRICS])
{
    const struct tune_eval *defaults = &search->evals[0];
    double values[REFERENCE_RUNS];
    for (int m = 0; m < TUNE_N_METRICS; m++) {
        size_t n = 0;
        for (size_t r = defaults->n_runs; r-- > 0 && n < REFERENCE_RUNS;)
            if (!defaults->runs[r].failed && !defaults->runs[r].timed_out)
                values[n++] = defaults->runs[r].values[m];
        out[m] = tune_median(values, n);
    }
}

static void update_noise(struct tune_search *search)
{
    const struct tune_eval *defaults = &search->evals[0];
    double logs[512];
    for (int m = 0; m < TUNE_N_METRICS; m++) {
        size_t n = 0;
        for (size_t r = defaults->n_runs > 512 ? defaults->n_runs - 512 : 0; r < defaults->n_runs; r++)
            if (!defaults->runs[r].failed && !defaults->runs[r].timed_out)
                logs[n++] = tune_log_ratio((enum tune_metric)m, defaults->runs[r].values[m], defaults->values[m]);
        search->noise[m] = fmax(tune_noise(logs, n), NOISE_FLOOR);
    }
}

/* A run so long cannot be good: three times the defaults' median where time counts, ten times where it does not, and
 * half more than a constraint on time; but a fifth more than their longest in any case. */
static int64_t limit_of(const struct tune_search *search)
{
    const struct tune_eval *defaults = &search->evals[0];
    double costs[512], longest = 0, factor = 10;
    size_t n = 0;
    for (size_t r = defaults->n_runs > 512 ? defaults->n_runs - 512 : 0; r < defaults->n_runs; r++) {
        costs[n++] = (double)defaults->runs[r].cost_ns;
        longest = fmax(longest, costs[n - 1]);
    }
    const double median = tune_median(costs, n), beside = fmax(median - defaults->values[TUNE_TIME], 0);
    for (size_t j = 0; j < search->objectives.n; j++)
        if (search->objectives.metrics[j] == TUNE_TIME || search->objectives.metrics[j] == TUNE_CPU)
            factor = 3;
    double limit = fmax(factor * median, 1.2 * longest);
    for (size_t i = 0; i < search->n_constraints; i++) {
        const double at_most = constraint_limit(search, &search->constraints[i]);
        if (search->constraints[i].metric == TUNE_TIME)
            limit = fmin(limit, fmax(1.5 * at_most + beside, 1.2 * longest));
    }
    return (int64_t)limit + 50000000;
}

bool tune_stopped(const struct tune_search *search)
{
    return search->aborted || (search->stop && *search->stop);
}

bool tune_run_plain(struct tune_search *search, size_t index)
{
    struct tune_eval *eval = &search->evals[index];
    struct tune_measure measure = {.failed = false};
    double reference[TUNE_N_METRICS];
    if (search->progress)
        search->progress(search->arg, search);
    if (search->aborted)
        return false;
    const int code = search->measure(search->arg, &eval->point, index == 0, index ? limit_of(search) : 0, &measure);
    if (code) {
        search->aborted = code < 0;
        return false;
    }
    struct tune_run *runs = realloc(eval->runs, (eval->n_runs + 1) * sizeof(*runs));
    if (!runs) {
        search->aborted = true;
        return false;
    }
    eval->runs = runs;
    struct tune_run *run = &runs[eval->n_runs++];
    *run = (struct tune_run){.failed = measure.failed,
                             .timed_out = measure.timed_out,
                             .at_ns = search->spent_ns,
                             .cost_ns = measure.cost_ns};
    memcpy(run->values, measure.values, sizeof(run->values));
    search->spent_ns += measure.cost_ns;
    search->n_runs++;
    reference_of(search, reference);
    for (int m = 0; m < TUNE_N_METRICS && !run->failed && !run->timed_out; m++)
        run->ratios[m] = tune_log_ratio((enum tune_metric)m, run->values[m], reference[m]);
    search->since_defaults = index ? search->since_defaults + 1 : 0;
    tune_update(search, eval);
    if (index == 0)
        update_noise(search);
    return true;
}

bool tune_run_once(struct tune_search *search, size_t index)
{
    if (search->since_defaults >= DEFAULTS_EVERY && !tune_run_plain(search, 0))
        return false;
    return tune_run_plain(search, index) && !tune_stopped(search);
}

/* ---- phases */

static int phase_defaults(struct tune_search *search)
{
    struct tune_point base;
    tune_space_base(search->space, &base);
    if (tune_find_or_add(search, &base, TUNE_DEFAULTS) == TUNE_NONE)
        return -ENOMEM;
    for (size_t i = 0; i < 5; i++) {
        if (!tune_run_plain(search, 0))
            return 0;
        if (!search->evals[0].n_good)
            return -EINVAL;
        search->run_ns = search->spent_ns / (int64_t)search->n_runs;
        if (search->run_ns * LEAST_RUNS > search->budget_ns)
            return -ETIME;
        if (i >= 2 && search->run_ns * 40 > search->budget_ns)
            break; /* few runs: not too many of them for this; more come among the others */
        if (tune_stopped(search))
            break;
    }
    return 0;
}

/* Measures n samples of an arm. */
static bool sample_arm(struct tune_search *search, const struct tune_point *arm, size_t n, int64_t until_ns)
{
    uint32_t *strata;
    bool more = tune_propose_strata(search, n, &strata);
    for (size_t i = 0; i < n && more && search->spent_ns < until_ns; i++) {
        struct tune_point point;
        tune_propose_sample(search, arm, i, n, strata, &point);
        const size_t index = tune_find_or_add(search, &point, TUNE_SAMPLE);
        more = index != TUNE_NONE && (search->evals[index].n_runs || tune_run_once(search, index));
    }
    free(strata);
    return more;
}

/* Does the arm hold a good point: among the best of any goal? */
static bool arm_is_good(const struct tune_search *search, const struct tune_point *arm, size_t k)
{
    size_t best[TUNE_MAX_ARMS];
    for (size_t goal = 0; goal < tune_goals(search); goal++) {
        const size_t n = tune_best(search, goal, k, best);
        for (size_t i = 0; i < n; i++)
            if (!memcmp(search->evals[best[i]].point.strategies, arm->strategies, search->space->n_heaps))
                return true;
    }
    return false;
}

static bool phase_sample(struct tune_search *search, int64_t until_ns)
{
    struct tune_point arms[TUNE_MAX_ARMS];
    const size_t n_arms = tune_space_arms(search->space, arms);
    const double runs = 0.4 * (double)(until_ns - search->spent_ns) / (double)search->run_ns;
    const size_t per_arm = (size_t)fmin(fmax(runs / (double)n_arms / 2, 1), 10);
    for (size_t i = 1; i < n_arms && search->spent_ns < until_ns; i++) {
        const size_t index = tune_find_or_add(search, &arms[i], TUNE_STRATEGY);
        if (index == TUNE_NONE || !tune_run_once(search, index))
            return false;
    }
    for (size_t i = 0; i < n_arms; i++)
        if (!sample_arm(search, &arms[i], per_arm, until_ns))
            return false;
    for (size_t i = 0; i < n_arms; i++)
        if (arm_is_good(search, &arms[i], 3) && !sample_arm(search, &arms[i], 2 * per_arm, until_ns))
            return false;
    return true;
}

/* Runs again the best points of each goal that are not trusted yet. */
static bool refine_again(struct tune_search *search)
{
    size_t best[2];
    for (size_t goal = 0; goal < tune_goals(search); goal++) {
        const size_t n = tune_best(search, goal, 2, best);
        for (size_t i = 0; i < n; i++)
            if (search->evals[best[i]].n_runs < TRUSTED_RUNS && !tune_run_once(search, best[i]))
                return false;
    }
    return true;
}

static bool refine_children(struct tune_search *search, size_t generation)
{
    const size_t goals = tune_goals(search), children = goals > 2 ? goals : 4;
    const double step = fmax(0.25 * pow(0.93, (double)generation), 0.05);
    for (size_t i = 0; i < children; i++) {
        struct tune_point point;
        if (!tune_propose_child(search, i % goals, step, &point))
            continue; /* nothing new near it */
        const size_t index = tune_find_or_add(search, &point, TUNE_REFINE);
        if (index == TUNE_NONE || !tune_run_once(search, index))
            return false;
    }
    return true;
}

static bool phase_refine(struct tune_search *search, int64_t until_ns)
{
    double best_score[TUNE_MAX_GOALS];
    size_t quiet = 0, best;
    for (size_t goal = 0; goal < TUNE_MAX_GOALS; goal++)
        best_score[goal] = INFINITY;
    for (size_t generation = 0; search->spent_ns < until_ns; generation++) {
        const size_t runs_before = search->n_runs;
        if (!refine_again(search) || !refine_children(search, generation))
            return false;
        quiet++;
        for (size_t goal = 0; goal < tune_goals(search); goal++) {
            tune_best(search, goal, 1, &best);
            const double score = tune_score(search, &search->evals[best], goal);
            if (score < best_score[goal] - fmax(0.003, tune_score_noise(search, goal) / 4)) {
                best_score[goal] = score;
                quiet = 0;
            }
        }
        if (quiet >= PATIENCE || search->n_runs == runs_before) {
            search->end = TUNE_END_SETTLED;
            return true;
        }
    }
    return true;
}

static void choices_add(size_t *choices, size_t *n, size_t eval)
{
    for (size_t i = 0; i < *n; i++)
        if (choices[i] == eval)
            return;
    if (eval != 0)
        choices[(*n)++] = eval;
}

/* Winners in the order in which they are dropped last: goal 0's, simplified and as it was, since simplifying is a
 * gamble where noise is loud; then the other goals'. */
static void phase_end(struct tune_search *search, int64_t simplify_until_ns)
{
    size_t choices[TUNE_MAX_FINALS], n_choices = 0;
    for (size_t goal = 0; goal < tune_goals(search); goal++) {
        size_t best, simpler;
        if (!tune_best(search, goal, 1, &best))
            break;
        simpler = best;
        search->phase = TUNE_PHASE_SIMPLIFY;
        if (!tune_stopped(search))
            tune_simplify(search, goal, &simpler, simplify_until_ns);
        choices_add(choices, &n_choices, simpler);
        if (goal == 0)
            choices_add(choices, &n_choices, best);
    }
    search->phase = TUNE_PHASE_FINAL;
    tune_finish(search, choices, n_choices);
}

int tune_search_run(struct tune_search *search)
{
    search->random.state = search->seed;
    search->chosen = -1;
    const int code = phase_defaults(search);
    if (code)
        return code;
    if (!search->evals[0].n_good)
        return -EINVAL;
    const int64_t final_ns =
        (int64_t)fmin((double)search->pairs * (double)(tune_goals(search) + 2) * (double)search->run_ns * 1.1,
                      0.4 * (double)search->budget_ns);
    const int64_t simplify_ns = (int64_t)fmin(30.0 * (double)search->run_ns, 0.15 * (double)search->budget_ns);
    const int64_t search_until_ns = search->budget_ns - final_ns - simplify_ns;
    search->end = TUNE_END_BUDGET;
    search->phase = TUNE_PHASE_SAMPLE;
    if (!tune_stopped(search) && phase_sample(search, search_until_ns)) {
        search->phase = TUNE_PHASE_REFINE;
        phase_refine(search, search_until_ns);
    }
    phase_end(search, search->budget_ns - final_ns);
    if (tune_stopped(search))
        search->end = TUNE_END_INTERRUPTED;
    tune_mark_pareto(search);
    return 0;
}

void tune_search_fini(struct tune_search *search)
{
    for (size_t i = 0; i < search->n_evals; i++)
        free(search->evals[i].runs);
    free(search->evals);
    search->evals = NULL;
    search->n_evals = 0;
}
