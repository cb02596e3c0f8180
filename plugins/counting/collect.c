/* collect.c - a cycle collection, and what else a full collection puts right; the strategies' common invariants.
 * Called by the strategies' collect and verify ops, at a stop.
 * Minor: young candidates, each within its budget, and so many of them that the stop is short; the old ones too once
 *   there are enough of them. Full: everything
 *   that waits, then all candidates, again and again until nothing more dies. Then the live set is exact, and no
 *   candidate is left.
 * Where the OS refuses the memory for the map nothing is collected and the candidates stay: later, never lost.
 * Source of the thresholds' shape: CPython's full collections wait until a quarter of the long-lived objects is new;
 * PHP's collector raises the number of roots that start it when it finds little. */
#include "plugins/counting/cycles.h"

#include <errno.h>

#define RECOVER_BATCH 256
#define VAIN_SHARE 8 /* a minor collection that ends less than this part of what it visits was in vain */

void sgc_counting_decrement_stopped(struct sgc_counting *counting, void *object)
{
    if (sgc_garbage_is(&counting->map, object)) /* garbage.c waits for its count to become 0 */
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

static void recover_candidate(struct recovery *recovery, void *object, uint8_t *state)
{
    struct sgc_counting *counting = recovery->counting;
    if (!(*state & SGC_COUNTING_CANDIDATE) && (!recovery->all || sgc_counting_is_acyclic(counting, object)))
        return;
    *state = (uint8_t)((*state & ~SGC_COUNTING_OLD) | SGC_COUNTING_CANDIDATE);
    if (!sgc_page_set_add(counting->host, &counting->young.pages, sgc_page_of(object)))
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
        return; /* on its way out */
    if (count != 0)
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

struct look {
    uint64_t n_visited;
    bool more;
};

static struct look counting_cycles(struct sgc_counting *counting, bool budgeted, bool with_old)
{
    struct sgc_trial trial = {.counting = counting};
    if (sgc_trial_run(&trial, budgeted, with_old)) {
        sgc_garbage_end(&trial);
        if (with_old)
            counting->old_limit = trial.map->n / 100 * counting->limits.old_growth_pct;
    }
    const struct look look = {trial.n_visited, trial.more && !trial.refused};
    counting->host->count_visited(counting->heap, trial.n_visited);
    sgc_trial_fini(&trial);
    sgc_cascade_run(counting, &counting->cascade, UINT64_MAX);
    return look;
}

/* Old candidates are looked at when enough were made old that still are there. */
static bool counting_old_due(struct sgc_counting *counting)
{
    const uint64_t limit = counting->old_limit > counting->limits.old_candidate_threshold
                               ? counting->old_limit
                               : counting->limits.old_candidate_threshold;
    if (counting->old.n < limit)
        return false;
    counting->old.n = sgc_candidates_count(counting, &counting->old, true);
    return counting->old.n >= limit;
}

/* Looks that found next to nothing dead double the number of candidates that ask for the next; one that was worth it
 * halves it again. */
static void counting_adapt(struct sgc_counting *counting, bool in_vain)
{
    const struct sgc_counting_limits *limits = &counting->limits;
    counting->threshold = in_vain ? counting->threshold * 2 : counting->threshold / 2;
    if (counting->threshold > limits->candidate_threshold_max)
        counting->threshold = limits->candidate_threshold_max;
    if (counting->threshold < limits->candidate_threshold)
        counting->threshold = limits->candidate_threshold;
}

/* Young candidates, a bounded number of objects at a time, as long as that is worth it. */
static void counting_collect_minor(struct sgc_counting *counting)
{
    const bool old_due = counting_old_due(counting);
    struct look look;
    bool in_vain;
    do {
        const uint64_t n_died = counting->n_died;
        look = counting_cycles(counting, !old_due, old_due);
        in_vain = counting->n_died - n_died < look.n_visited / VAIN_SHARE;
    } while (look.more && !in_vain);
    in_vain |= look.n_visited == 0 && counting->n_noted > 0; /* all of them ended by their counts */
    counting_adapt(counting, in_vain);
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
    sgc_candidates_gather(counting); /* with the threshold of now */
    counting->n_noted = 0;
    counting->stopped = false;
}

/* ---- verify */

struct census {
    struct sgc_counting *counting;
    uint64_t n_at_zero;
    const void *odd; /* a candidate whose page is in no set */
};

struct census_page {
    uintptr_t page;
    bool found;
};

static void census_cell(void *arg, void **place)
{
    struct census_page *at = arg;
    const struct sgc_counting_cell *cell = *place;
    at->found |= cell && sgc_page_set_has(&cell->young.pages, at->page);
}

/* Old candidates' pages are in the old set; those of others in any. */
static bool census_is_on_a_page(struct sgc_counting *counting, const void *object, uint8_t state)
{
    struct census_page at = {.page = sgc_page_of(object)};
    at.found = sgc_page_set_has(&counting->old.pages, at.page);
    if (at.found || (state & SGC_COUNTING_OLD))
        return at.found;
    at.found = sgc_page_set_has(&counting->young.pages, at.page);
    counting->host->visit_thread_cells(counting->heap, census_cell, &at);
    return at.found;
}

static void census_object(void *arg, void *object)
{
    struct census *census = arg;
    struct sgc_counting *counting = census->counting;
    const uint8_t state = sgc_counting_state(counting, object);
    const uint8_t count = *sgc_count_byte(&counting->host->counts, object);
    if (count == 0)
        census->n_at_zero += !(state & counting->pinned_state);
    else if (count != SGC_COUNT_DEAD && (state & SGC_COUNTING_CANDIDATE) && !census->odd &&
             !census_is_on_a_page(counting, object, state))
        census->odd = object;
}

int sgc_counting_verify(struct sgc_counting *counting, struct sgc_error *error)
{
    const struct sgc_host *host = counting->host;
    struct census census = {.counting = counting};
    host->walk(counting->heap, census_object, &census);
    if (!counting->lost && census.odd)
        return host->fail(error, -EUCLEAN, "candidates: the page of object %p is in no set", census.odd);
    if (!counting->pending && census.n_at_zero)
        return host->fail(error, -EUCLEAN, "counts: %llu objects without a claim wait on no list",
                          (unsigned long long)census.n_at_zero);
    return 0;
}
