/* tune_propose.c - new points: samples that cover a strategy's parameters (Latin hypercube: McKay, Beckman & Conover
 * 1979), and children of good points. Both leave some parameters at the defaults': a value that does not matter shall
 * not change. */
#include "tools/gcctl/tune_search.h"

#include <math.h>
#include <stdlib.h>

#define KEEP_SHARE 0.35     /* of parameters that a sample leaves alone */
#define CROSS_SHARE 0.15    /* of children that mix two points */
#define STRATEGY_SHARE 0.08 /* of children that change a heap's strategy */
#define FRESH_SHARE 0.08    /* of children that are samples again */
#define TRIES 16            /* for a child that was not measured yet */

bool tune_propose_strata(struct tune_search *search, size_t n, uint32_t **out)
{
    uint32_t *strata = malloc((search->space->n_params * n + 1) * sizeof(*strata));
    *out = strata;
    if (!strata)
        return false;
    for (size_t p = 0; p < search->space->n_params; p++) {
        uint32_t *permutation = strata + p * n;
        for (size_t i = 0; i < n; i++) {
            const size_t j = tune_random_below(&search->random, i + 1);
            permutation[i] = permutation[j];
            permutation[j] = (uint32_t)i;
        }
    }
    return true;
}

void tune_propose_sample(struct tune_search *search, const struct tune_point *arm, size_t i, size_t n,
                         const uint32_t *strata, struct tune_point *out)
{
    *out = *arm;
    for (size_t p = 0; p < search->space->n_params; p++) {
        const double keep = tune_random_unit(&search->random), within = tune_random_unit(&search->random);
        if (tune_param_active(search->space, arm, p) && keep >= KEEP_SHARE)
            out->values[p] =
                tune_param_value(&search->space->params[p], ((double)strata[p * n + i] + within) / (double)n);
    }
    tune_point_clean(search->space, out);
}

/* Reflects at both ends of the scale. */
static double reflect(double unit)
{
    unit = fabs(fmod(unit, 2));
    return fmin(unit > 1 ? 2 - unit : unit, 0.999999);
}

static size_t count_active(const struct tune_space *space, const struct tune_point *point)
{
    size_t n = 0;
    for (size_t p = 0; p < space->n_params; p++)
        n += tune_param_active(space, point, p);
    return n;
}

/* Moves some values by a step, takes some back to the defaults'. */
static void mutate_values(struct tune_search *search, double step, struct tune_point *point)
{
    const struct tune_space *space = search->space;
    const size_t n = count_active(space, point);
    if (n == 0)
        return;
    const size_t sure = tune_random_below(&search->random, n); /* this one moves in any case */
    for (size_t p = 0, active = 0; p < space->n_params; p++) {
        const struct tune_param *param = &space->params[p];
        if (!tune_param_active(space, point, p))
            continue;
        const double chance = tune_random_unit(&search->random), move = tune_random_normal(&search->random);
        if (active++ == sure || chance < 1.0 / (double)n) {
            const double unit = param->scale == TUNE_SWITCH ? (point->values[p] ? 0.25 : 0.75)
                                                            : tune_param_unit(param, point->values[p]) + step * move;
            point->values[p] = tune_param_value(param, reflect(unit));
        } else if (chance > 1 - 0.5 / (double)n) {
            point->values[p] = param->base;
        }
    }
}

static void mutate_strategy(struct tune_search *search, struct tune_point *point)
{
    const struct tune_space *space = search->space;
    const size_t h = tune_random_below(&search->random, space->n_heaps);
    const struct tune_heap *heap = &space->heaps[h];
    point->strategies[h] = heap->allowed[tune_random_below(&search->random, heap->n_allowed)];
}

static void cross(struct tune_search *search, const struct tune_point *other, struct tune_point *point)
{
    for (size_t p = 0; p < search->space->n_params; p++)
        if (tune_random_unit(&search->random) < 0.5 && tune_param_active(search->space, point, p) &&
            tune_param_active(search->space, other, p))
            point->values[p] = other->values[p];
}

/* The best mostly, the second and third sometimes. */
static size_t choose_parent(struct tune_search *search, const size_t *best, size_t n)
{
    const double at = tune_random_unit(&search->random);
    return best[at < 0.6 || n < 2 ? 0 : at < 0.9 || n < 3 ? 1 : 2];
}

static void propose(struct tune_search *search, const size_t *best, size_t n, double step, struct tune_point *out)
{
    const double kind = tune_random_unit(&search->random);
    *out = search->evals[choose_parent(search, best, n)].point;
    if (kind < FRESH_SHARE) {
        const uint32_t zeros[TUNE_MAX_PARAMS] = {0};
        const struct tune_point arm = *out;
        tune_propose_sample(search, &arm, 0, 1, zeros, out);
    } else if (kind < FRESH_SHARE + STRATEGY_SHARE) {
        mutate_strategy(search, out);
    } else if (kind < FRESH_SHARE + STRATEGY_SHARE + CROSS_SHARE) {
        cross(search, &search->evals[choose_parent(search, best, n)].point, out);
    } else {
        mutate_values(search, step, out);
    }
    tune_point_clean(search->space, out);
}

bool tune_propose_child(struct tune_search *search, size_t goal, double step, struct tune_point *out)
{
    size_t best[3];
    const size_t n = tune_best(search, goal, 3, best);
    for (int i = 0; i < TRIES && n; i++) {
        bool known = false;
        propose(search, best, n, step, out);
        for (size_t e = 0; e < search->n_evals && !known; e++)
            known = tune_point_equal(search->space, &search->evals[e].point, out);
        if (!known)
            return true;
    }
    return false;
}
