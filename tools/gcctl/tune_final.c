/* tune_final.c - from the best points to an answer. See tune_search.h.
 * What was chosen because it looked good looks better than it is, so nothing that chose it counts here: each winner
 * runs again, in turns with the defaults, and is judged by the ratios of those pairs alone. The risk that noise is
 * taken for a gain, over all winners and objectives together, is FAMILY_RISK (Bonferroni). */
#include "tools/gcctl/tune_search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FAMILY_RISK 0.02
#define LOSS_RISK 0.025  /* that noise is taken for a loss: for each objective */
#define LEAST_GAIN 0.005 /* what is less is the same, however sure */
#define INTERVAL_TAIL 0.025
#define SCORE_SLACK 0.6 /* standard errors that a simpler point may lose */
#define OBJECTIVE_SLACK 1.5
enum { SIMPLIFY_RUNS = 2, LEAST_ROUNDS = 4, STOPPED_ROUNDS = 3, MOST_ROUNDS = 15 };

/* ---- simplify: values go back while that costs nothing */

/* Only runs made here count: those that led to the choice are lucky ones. */
struct simplify {
    struct tune_search *search;
    size_t goal, *choice, fresh; /* fresh: the choice's runs from this one on */
    int64_t until_ns;
};

/* Runs it until n runs from `from` on are there. False: time is up. */
static bool run_fresh(struct simplify *simplify, size_t eval, size_t from, size_t n)
{
    struct tune_search *search = simplify->search;
    while (search->evals[eval].n_runs < from + n)
        if (search->spent_ns >= simplify->until_ns || !tune_run_once(search, eval))
            return false;
    return true;
}

/* Medians of the runs from `from` on; returns how many were good. */
static size_t fresh_ratios(const struct tune_eval *eval, size_t from, double out[TUNE_N_METRICS])
{
    double ratios[64];
    size_t n = 0;
    for (int m = 0; m < TUNE_N_METRICS; m++) {
        n = 0;
        for (size_t r = from; r < eval->n_runs && n < 64; r++)
            if (!eval->runs[r].failed && !eval->runs[r].timed_out)
                ratios[n++] = eval->runs[r].ratios[m];
        out[m] = tune_median(ratios, n);
    }
    return n;
}

static void remember_undo(struct tune_search *search, const double *without, const double *with, uint8_t param)
{
    struct tune_undo *undo = &search->undo[param];
    undo->known = true;
    for (int m = 0; m < TUNE_N_METRICS; m++)
        undo->ratios[m] = without[m] - with[m];
}

/* Is it as good without? The score may be worse by a part of its standard error, each objective by somewhat more of its
 * own: an objective that noise hides must not hide what the others lose. */
static bool as_good(const struct simplify *simplify, const double *without, size_t n_without, const double *with,
                    size_t n_with, size_t n_values)
{
    const struct tune_search *search = simplify->search;
    const double runs = sqrt(1 / (double)n_without + 1 / (double)n_with);
    const double bonus = 0.001 * (double)n_values;
    for (size_t j = 0; j < search->objectives.n; j++) {
        const enum tune_metric metric = search->objectives.metrics[j];
        if (without[metric] - with[metric] > OBJECTIVE_SLACK * search->noise[metric] * runs + bonus)
            return false;
    }
    return tune_score_of(search, without, n_without, simplify->goal) -
               tune_score_of(search, with, n_with, simplify->goal) <=
           SCORE_SLACK * tune_score_noise(search, simplify->goal) * runs + bonus;
}

/* Takes these values back in the choice, and keeps it so when that is as good. False: time is up. */
static bool simplify_try(struct simplify *simplify, const uint8_t *set, size_t n, bool *taken)
{
    struct tune_search *search = simplify->search;
    struct tune_point point = search->evals[*simplify->choice].point;
    double without[TUNE_N_METRICS], with[TUNE_N_METRICS];
    for (size_t i = 0; i < n; i++)
        point.values[set[i]] = search->space->params[set[i]].base;
    const size_t index = tune_find_or_add(search, &point, TUNE_SIMPLIFY);
    if (index == TUNE_NONE)
        return false;
    const size_t from = search->evals[index].n_runs;
    if (!run_fresh(simplify, index, from, SIMPLIFY_RUNS))
        return false;
    const struct tune_eval *test = &search->evals[index], *choice = &search->evals[*simplify->choice];
    const size_t n_without = fresh_ratios(test, from, without), n_with = fresh_ratios(choice, simplify->fresh, with);
    *taken = n_without && n_with && test->violation <= choice->violation &&
             as_good(simplify, without, n_without, with, n_with, n);
    if (n == 1 && n_without && n_with)
        remember_undo(search, without, with, set[0]);
    if (*taken) {
        *simplify->choice = index;
        simplify->fresh = from;
    }
    return true;
}

/* All of the set, else each half: as in Zeller's delta debugging (1999). */
static bool simplify_set(struct simplify *simplify, const uint8_t *set, size_t n)
{
    bool taken;
    if (n == 0)
        return true;
    if (!simplify_try(simplify, set, n, &taken))
        return false;
    if (taken || n == 1)
        return true;
    return simplify_set(simplify, set, n / 2) && simplify_set(simplify, set + n / 2, n - n / 2);
}

void tune_simplify(struct tune_search *search, size_t goal, size_t *choice, int64_t until_ns)
{
    uint8_t changed[TUNE_MAX_PARAMS];
    struct simplify simplify = {search, goal, choice, search->evals[*choice].n_runs, until_ns};
    const size_t n = tune_point_changed(search->space, &search->evals[*choice].point, changed);
    if (n > 0 && run_fresh(&simplify, *choice, simplify.fresh, SIMPLIFY_RUNS + 1))
        simplify_set(&simplify, changed, n);
}

/* ---- measuring again */

struct rounds {
    size_t evals[TUNE_MAX_FINALS + 1], n_evals; /* evals[0]: the defaults */
    size_t first[TUNE_MAX_FINALS + 1];          /* of each one's runs, the first of these rounds */
    size_t n;                                   /* rounds that are complete */
};

/* What a run costs now: the machine may have become slower since the search began. */
static double recent_cost_ns(const struct tune_search *search)
{
    const struct tune_eval *defaults = &search->evals[0];
    double sum = 0;
    size_t n = 0;
    for (size_t r = defaults->n_runs; r-- > 0 && n < 5; n++)
        sum += (double)defaults->runs[r].cost_ns;
    return n && sum > 0 ? sum / (double)n : (double)search->run_ns;
}

/* How many winners, and how many rounds: all winners if there is time for `pairs` rounds, else the first ones. */
static size_t plan_rounds(const struct tune_search *search, struct rounds *rounds)
{
    const size_t most = search->pairs > MOST_ROUNDS ? search->pairs : MOST_ROUNDS;
    const double left = (double)(search->budget_ns - search->spent_ns) / recent_cost_ns(search);
    double n;
    if (tune_stopped(search)) {
        rounds->n_evals = rounds->n_evals > 2 ? 2 : rounds->n_evals;
        return STOPPED_ROUNDS;
    }
    while ((n = left / (double)rounds->n_evals) < (double)search->pairs && rounds->n_evals > 2)
        rounds->n_evals--;
    return (size_t)fmin(fmax(n, LEAST_ROUNDS), (double)most);
}

static void run_rounds(struct tune_search *search, struct rounds *rounds, size_t wanted)
{
    for (size_t i = 0; i < rounds->n_evals; i++)
        rounds->first[i] = search->evals[rounds->evals[i]].n_runs;
    while (rounds->n < wanted && !(tune_stopped(search) && rounds->n >= STOPPED_ROUNDS)) {
        for (size_t i = 0; i < rounds->n_evals; i++)
            if (!tune_run_plain(search, rounds->evals[(rounds->n + i) % rounds->n_evals]))
                return;
        if (++rounds->n >= LEAST_ROUNDS && search->spent_ns > search->budget_ns)
            return;
    }
}

/* ---- judging */

/* Logarithms of the winner's ratios to the defaults, pair by pair; returns how many pairs. */
static size_t pair_ratios(const struct tune_search *search, const struct rounds *rounds, size_t i, size_t metric,
                          double *out)
{
    size_t n = 0;
    for (size_t r = 0; r < rounds->n; r++) {
        const struct tune_run *defaults = &search->evals[0].runs[rounds->first[0] + r],
                              *run = &search->evals[rounds->evals[i]].runs[rounds->first[i] + r];
        if (!defaults->failed && !defaults->timed_out && !run->failed && !run->timed_out)
            out[n++] = tune_log_ratio((enum tune_metric)metric, run->values[metric], defaults->values[metric]);
    }
    return n;
}

static bool is_loss(const double *ratios, size_t n)
{
    double negative[4096];
    for (size_t i = 0; i < n; i++)
        negative[i] = -ratios[i];
    return tune_p_below_zero(negative, n) < LOSS_RISK && tune_median(negative, n) < -LEAST_GAIN;
}

static bool is_gain(const double *ratios, size_t n, double risk)
{
    return tune_p_below_zero(ratios, n) < risk && tune_median(ratios, n) < -LEAST_GAIN;
}

static void judge_objective(struct tune_final *final, size_t j, const double *ratios, size_t n, double risk)
{
    const double mean = tune_mean(ratios, n);
    const double half =
        n > 1 ? tune_t_critical(INTERVAL_TAIL, n - 1) * tune_deviation(ratios, n) / sqrt((double)n) : INFINITY;
    final->objectives[j].median = exp(tune_median(ratios, n));
    final->objectives[j].low = exp(mean - half);
    final->objectives[j].high = exp(mean + half);
    final->objectives[j].verdict = is_gain(ratios, n, risk) ? TUNE_BETTER : is_loss(ratios, n) ? TUNE_WORSE : TUNE_SAME;
}

static void judge(struct tune_search *search, const struct rounds *rounds, size_t i)
{
    struct tune_final *final = &search->finals[search->n_finals++];
    const size_t n_objectives = search->objectives.n;
    const double risk = FAMILY_RISK / (double)((rounds->n_evals - 1) * (n_objectives + 1));
    static double ratios[4096], sums[4096];
    size_t n = 0;
    *final = (struct tune_final){.eval = rounds->evals[i]};
    memset(sums, 0, sizeof(sums));
    for (size_t j = 0; j < n_objectives; j++) {
        n = pair_ratios(search, rounds, i, search->objectives.metrics[j], ratios);
        judge_objective(final, j, ratios, n, risk);
        for (size_t r = 0; r < n; r++)
            sums[r] += ratios[r] / (double)n_objectives;
    }
    final->pairs = n;
    final->score = exp(tune_median(sums, n));
    final->gains = is_gain(sums, n, risk);
    final->feasible = search->evals[final->eval].violation <= 0 && n > 0;
    search->evals[final->eval].finalist = true;
}

/* Is it worse than may be, in an objective that no constraint limits? */
static bool loses_much(const struct tune_search *search, const struct tune_final *final)
{
    for (size_t j = 0; j < search->objectives.n; j++)
        if (final->objectives[j].median > TUNE_TOLERATED_LOSS &&
            !tune_is_constrained(search, search->objectives.metrics[j]))
            return true;
    return false;
}

/* What speaks for a winner: 3 it keeps a constraint that the defaults break, 2 better in something and worse in
 * nothing, 1 better on the whole and hardly worse in anything, 0 nothing. */
static int merit(const struct tune_search *search, const struct tune_final *final)
{
    bool better = false, worse = false;
    if (!final->feasible)
        return 0;
    if (search->evals[0].violation > 0)
        return 3;
    if (loses_much(search, final))
        return 0;
    for (size_t j = 0; j < search->objectives.n; j++) {
        better |= final->objectives[j].verdict == TUNE_BETTER;
        worse |= final->objectives[j].verdict == TUNE_WORSE;
    }
    return better && !worse ? 2 : final->gains ? 1 : 0;
}

/* Did a winner gain in something, at a price that is too high? */
static bool has_trade(const struct tune_search *search)
{
    for (size_t i = 0; i < search->n_finals; i++)
        for (size_t j = 0; j < search->objectives.n; j++)
            if (search->finals[i].feasible && search->finals[i].objectives[j].verdict == TUNE_BETTER)
                return true;
    return false;
}

static void list_objectives(const struct tune_search *search, const struct tune_final *final, enum tune_verdict verdict,
                            char *out, size_t out_bytes)
{
    size_t length = 0;
    snprintf(out, out_bytes, "nothing");
    for (size_t j = 0; j < search->objectives.n && length < out_bytes; j++)
        if (final->objectives[j].verdict == verdict)
            length += (size_t)snprintf(out + length, out_bytes - length, "%s%s (%.2fx)", length ? ", " : "",
                                       tune_metric_names[search->objectives.metrics[j]], final->objectives[j].median);
}

static void explain_choice(struct tune_search *search, const struct tune_final *final, int merits)
{
    char better[150], worse[150];
    list_objectives(search, final, TUNE_BETTER, better, sizeof(better));
    list_objectives(search, final, TUNE_WORSE, worse, sizeof(worse));
    if (merits == 3)
        snprintf(search->reason, sizeof(search->reason),
                 "it meets the constraints, which the defaults do not; better in %s, worse in %s", better, worse);
    else
        snprintf(search->reason, sizeof(search->reason), "%sbetter in %s, worse in %s",
                 merits == 1 ? "a trade, better on the whole: " : "", better, worse);
}

static void explain_keeping(struct tune_search *search, const struct rounds *rounds)
{
    const char *reason = "nothing beat the defaults by more than the noise";
    if (search->evals[0].violation > 0)
        reason = "the defaults do not meet the constraints, and nothing that was tried does";
    else if (rounds->n_evals < 2 && !search->aborted)
        reason = "the search found nothing that looked better than the defaults";
    else if (rounds->n < STOPPED_ROUNDS)
        reason = "it ended before anything could be measured again";
    else if (has_trade(search))
        reason = "what beat them in one objective loses too much in another; name fewer objectives, or say by a "
                 "constraint what may be lost";
    snprintf(search->reason, sizeof(search->reason), "%s", reason);
}

/* The score, a little worse for each changed value: of two that are as good, the simpler. */
static double standing(const struct tune_search *search, const struct tune_final *final)
{
    return final->score * (1 + 0.005 * (double)search->evals[final->eval].n_changed);
}

void tune_finish(struct tune_search *search, const size_t *choices, size_t n_choices)
{
    struct rounds rounds = {.n_evals = 1};
    int best_merit = 0;
    for (size_t i = 0; i < n_choices; i++)
        if (search->evals[choices[i]].violation < 1) /* not what failed, or is far from meeting a constraint */
            rounds.evals[rounds.n_evals++] = choices[i];
    if (rounds.n_evals > 1) {
        const size_t wanted = plan_rounds(search, &rounds);
        run_rounds(search, &rounds, wanted > 4096 ? 4096 : wanted);
    }
    for (size_t i = 1; i < rounds.n_evals && rounds.n >= STOPPED_ROUNDS; i++)
        judge(search, &rounds, i);
    for (size_t i = 0; i < search->n_finals; i++) {
        const struct tune_final *final = &search->finals[i];
        const int merits = merit(search, final);
        if (merits > best_merit || (merits == best_merit && merits > 0 &&
                                    standing(search, final) < standing(search, &search->finals[search->chosen]))) {
            best_merit = merits;
            search->chosen = (int)i;
        }
    }
    if (search->chosen >= 0)
        explain_choice(search, &search->finals[search->chosen], best_merit);
    else
        explain_keeping(search, &rounds);
}
