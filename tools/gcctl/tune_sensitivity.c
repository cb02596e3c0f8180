/* tune_sensitivity.c - how much each parameter and the strategy matter for each objective, from all points of a search.
 * The points of the refinement crowd where it is good, so these are hints, not estimates for the whole space.
 * See tune_result.h. */
#include "tools/gcctl/tune_result.h"

#include <math.h>
#include <stdlib.h>

enum { LEAST_POINTS = 8, GROUPS = 5 };

struct data {
    double *x, *y;
    uint32_t *groups;
    size_t n;
};

/* Points that ran and whose strategies use the parameter (-1: all). */
static void data_of(const struct tune_search *search, int param, enum tune_metric metric, struct data *data)
{
    const struct tune_space *space = search->space;
    data->n = 0;
    for (size_t i = 0; i < search->n_evals; i++) {
        const struct tune_eval *eval = &search->evals[i];
        if (!eval->n_good || (param >= 0 && !tune_param_active(space, &eval->point, (size_t)param)))
            continue;
        uint32_t choice = 0;
        for (size_t h = 0; h < space->n_heaps && h < 4; h++)
            choice = choice * GCCTL_MAX_STRATEGIES + eval->point.strategies[h];
        data->x[data->n] =
            param >= 0 ? tune_param_unit(&space->params[param], eval->point.values[param]) : (double)choice;
        data->y[data->n++] = eval->ratios[metric];
    }
}

static bool sensitivity_of(const struct tune_search *search, int param, enum tune_metric metric, struct data *data,
                           struct tune_sensitivity *out)
{
    data_of(search, param, metric, data);
    if (data->n < LEAST_POINTS)
        return false;
    /* The strategies are groups as they are. */
    const size_t n = tune_quantile_groups(data->x, data->n, param < 0 ? data->n : GROUPS, data->groups);
    if (n < 2)
        return false;
    *out = (struct tune_sensitivity){.param = param, .metric = metric, .points = data->n};
    out->explained = tune_explained(data->y, data->groups, data->n, n);
    out->correlation = param < 0 ? NAN : tune_rank_correlation(data->x, data->y, data->n);
    return true;
}

size_t tune_sensitivities(const struct tune_search *search, struct tune_sensitivity **out)
{
    const size_t rows = (search->space->n_params + 1) * search->objectives.n, n_evals = search->n_evals + 1;
    struct data data = {malloc(n_evals * sizeof(double)), malloc(n_evals * sizeof(double)),
                        malloc(n_evals * sizeof(uint32_t)), 0};
    size_t n = 0;
    *out = malloc((rows + 1) * sizeof(**out));
    if (*out && data.x && data.y && data.groups)
        for (int param = -1; param < (int)search->space->n_params; param++)
            for (size_t j = 0; j < search->objectives.n; j++)
                n += sensitivity_of(search, param, search->objectives.metrics[j], &data, *out + n);
    free(data.x);
    free(data.y);
    free(data.groups);
    return n;
}
