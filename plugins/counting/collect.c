/* collect.c - a cycle collection, and what else a full collection puts right; the strategies' common invariants.
 * Called by the strategies' collect and verify ops, at a stop.
 * Minor: young candidates, each within its budget; the old ones too once there are enough of them. Full: everything
 *   that waits, then all candidates, again and again until nothing more dies. Then the live set is exact, and no
 *   candidate is left.
 * Where the OS refuses the memory for the map nothing is collected and the candidates stay: later, never lost.
 * Source of the thresholds' shape: CPython's full collections wait until a quarter of the long-lived objects is new. */
#include "plugins/counting/cycles.h"

#include <errno.h>

#define RECOVER_BATCH 256

void sgc_counting_decrement_stopped(struct sgc_counting *counting, void *object)
{
    if (sgc_counting_state(counting, object) & SGC_COUNTING_BURIED)
        /* garbage: garbage.c waits for its count to become 0 */
        sgc_count_decrement(&counting->host->counts, object, true);
    else if (sgc_counting_release(counting, &counting->young, object))
        sgc_cascade_add(counting, &counting->cascade, object);
}

/* ---- objects that no list leads to */

struct recovery {
    struct sgc_counting *counting;
    bool all;     /* every object that may be part of a cycle becomes a candidate */
    bool refused; /* a candidate found no place */
    size_t n;
    void *at_zero[RECOVER_BATCH];
};

/* Buried, and in no set whose owner would reclaim it. */
static void recover_dead(struct sgc_counting *counting, void *object)
{
    if (!(sgc_counting_state(counting, object) & SGC_COUNTING_BURIED) ||
        sgc_candidate_set_has(&counting->young, object) || sgc_candidate_set_has(&counting->old, object))
        return;
    counting->postponed_bytes -= counting->host->size_of(object);
    counting->host->reclaim(counting->heap, &object, 1);
    counting->n_died++;
}

static void recover_candidate(struct recovery *recovery, void *object, uint8_t *state)
{
    struct sgc_counting *counting = recovery->counting;
    if (!(*state & SGC_COUNTING_CANDIDATE) && (!recovery->all || sgc_counting_is_acyclic(counting, object)))
        return;
    *state |= SGC_COUNTING_CANDIDATE;
    if (!sgc_candidate_set_has(&counting->old, object) &&
        !sgc_candidate_set_add(counting->host, &counting->young, object))
        recovery->refused = true;
}

static void recover_visit(void *arg, void *object)
{
    struct recovery *recovery = arg;
    struct sgc_counting *counting = recovery->counting;
    const uint8_t count = *sgc_count_byte(&counting->host->counts, object);
    uint8_t *state = sgc_state_byte(&counting->host->counts, object);
    *state &= (uint8_t)~counting->pinned_state; /* after drain nothing pins it */
    if (count == SGC_COUNT_DEAD)
        recover_dead(counting, object);
    else if (count != 0)
        recover_candidate(recovery, object, state);
    else if (recovery->n < RECOVER_BATCH)
        recovery->at_zero[recovery->n++] = object;
}

/* A batch at a time and so in bounded memory: each round ends what it found, at the least, even if the OS refuses all
 * else. */
static void counting_recover(struct sgc_counting *counting)
{
    struct recovery recovery = {.counting = counting, .all = counting->unknown};
    if (!counting->lost && !counting->pending && !counting->unknown)
        return;
    do {
        recovery.n = 0;
        recovery.refused = false;
        counting->pending = false;
        counting->host->walk(counting->heap, recover_visit, &recovery);
        for (size_t i = 0; i < recovery.n; i++)
            sgc_cascade_add(counting, &counting->cascade, recovery.at_zero[i]);
        sgc_cascade_run(counting, &counting->cascade, UINT64_MAX);
    } while (recovery.n > 0);
    counting->lost = recovery.refused;
    counting->unknown = recovery.all && recovery.refused;
}

/* ---- collections */

static void counting_cycles(struct sgc_counting *counting, bool budgeted, bool with_old)
{
    struct sgc_trial trial = {.counting = counting};
    if (sgc_trial_run(&trial, budgeted, with_old)) {
        sgc_garbage_end(&trial);
        if (with_old)
            counting->old_limit = trial.map->n / 100 * counting->limits.old_growth_pct;
    }
    counting->host->count_visited(counting->heap, trial.n_visited);
    sgc_trial_fini(&trial);
    sgc_cascade_run(counting, &counting->cascade, UINT64_MAX);
}

static void counting_collect_minor(struct sgc_counting *counting)
{
    const uint64_t limit = counting->old_limit > counting->limits.old_candidate_threshold
                               ? counting->old_limit
                               : counting->limits.old_candidate_threshold;
    const bool old_due = counting->old.n >= limit;
    counting_cycles(counting, !old_due, old_due);
}

static void counting_collect_full(struct sgc_counting *counting)
{
    uint64_t n_died;
    do {
        n_died = counting->n_died;
        counting->drain(counting);
        counting_recover(counting);
        counting_cycles(counting, false, true);
    } while (counting->n_died != n_died);
}

void sgc_counting_collect(struct sgc_counting *counting, enum sgc_collect_kind kind)
{
    counting->stopped = true;
    counting->cascade.own = &counting->young;
    counting->n_died = 0;
    sgc_candidates_gather(counting);
    if (kind == SGC_COLLECT_FULL)
        counting_collect_full(counting);
    else
        counting_collect_minor(counting);
    counting->stopped = false;
}

/* ---- verify */

struct census {
    struct sgc_counting *counting;
    uint64_t n_candidates, n_in_sets, n_at_zero;
    void *odd; /* a set's entry that is no candidate */
};

static void census_set(struct census *census, const struct sgc_candidate_set *set)
{
    for (size_t i = 0; i < sgc_candidate_set_slots(set); i++) {
        void *object = sgc_candidate_set_at(set, i);
        if (!object)
            continue;
        census->n_in_sets++;
        if (!(sgc_counting_state(census->counting, object) & SGC_COUNTING_CANDIDATE))
            census->odd = object;
    }
}

static void census_cell(void *arg, void **place)
{
    struct sgc_counting_cell *cell = *place;
    if (cell)
        census_set(arg, &cell->young);
}

static void census_object(void *arg, void *object)
{
    struct census *census = arg;
    const uint8_t state = sgc_counting_state(census->counting, object);
    if (state & SGC_COUNTING_CANDIDATE)
        census->n_candidates++;
    if (sgc_count_is_zero(&census->counting->host->counts, object) && !(state & census->counting->pinned_state))
        census->n_at_zero++;
}

int sgc_counting_verify(struct sgc_counting *counting, uint64_t n_elsewhere, struct sgc_error *error)
{
    const struct sgc_host *host = counting->host;
    struct census census = {.counting = counting, .n_in_sets = n_elsewhere};
    census_set(&census, &counting->young);
    census_set(&census, &counting->old);
    host->visit_thread_cells(counting->heap, census_cell, &census);
    host->walk(counting->heap, census_object, &census);
    if (census.odd)
        return host->fail(error, -EUCLEAN, "candidate set: entry %p is not marked as a candidate", census.odd);
    if (!counting->lost && census.n_candidates != census.n_in_sets)
        return host->fail(error, -EUCLEAN, "candidates: %llu objects are marked, %llu are in sets",
                          (unsigned long long)census.n_candidates, (unsigned long long)census.n_in_sets);
    if (!counting->pending && census.n_at_zero)
        return host->fail(error, -EUCLEAN, "counts: %llu objects without a claim wait on no list",
                          (unsigned long long)census.n_at_zero);
    return 0;
}
