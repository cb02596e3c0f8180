/* tune_pareto.c - which points no other one beats in everything. See tune_search.h. */
#include "tools/gcctl/tune_search.h"

bool tune_dominates(const struct tune_objectives *objectives, const double *a, const double *b)
{
    bool better = false;
    for (size_t j = 0; j < objectives->n; j++) {
        const enum tune_metric metric = objectives->metrics[j];
        if (!(a[metric] <= b[metric]))
            return false;
        better |= a[metric] < b[metric];
    }
    return better;
}

static bool is_candidate(const struct tune_eval *eval)
{
    return eval->n_good >= 2 && eval->violation <= 0;
}

void tune_mark_pareto(struct tune_search *search)
{
    for (size_t i = 0; i < search->n_evals; i++) {
        struct tune_eval *eval = &search->evals[i];
        eval->pareto = is_candidate(eval);
        for (size_t k = 0; k < search->n_evals && eval->pareto; k++)
            if (k != i && is_candidate(&search->evals[k]) &&
                tune_dominates(&search->objectives, search->evals[k].ratios, eval->ratios))
                eval->pareto = false;
    }
}
