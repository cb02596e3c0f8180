/* garbage.c - the end of what trial.c found dead: candidates settle, finalizers are queued, dead groups let go of
 * each other and of the rest, slots go back.
 * Called by collect.c at a stop, after a trial that was not refused. Allocates nothing that it cannot do without.
 *
 * A claim that goes from garbage, as the map tells, is one of garbage's own, and its count of 0 no event. All its
 * claims are internal: references from garbage, and values of ephemerons whose key or whose self is garbage. Burying
 * breaks the latter, so that in the end every count is 0; that is checked, object by object, by the claim. What
 * survives and loses a claim here is noted as a candidate or, at 0, goes to the heap's cascade, which the caller runs.
 */
#include "plugins/counting/cycles.h"

#define GARBAGE_BATCH 64

static bool garbage_is(const struct sgc_node *node)
{
    return !(node->flags & SGC_NODE_LIVE);
}

bool sgc_garbage_is(const struct sgc_node_map *map, const void *object)
{
    const uint32_t index = sgc_node_map_find(map, object);
    return index != SGC_NODE_NONE && garbage_is(&map->nodes[index]);
}

/* Every candidate that was walked from is a node and settles now, or is old. So nothing is left on the pages; what is
 * noted from here on is on pages anew. */
static void garbage_settle(struct sgc_trial *trial)
{
    struct sgc_counting *counting = trial->counting;
    if (!trial->more && !trial->keeps_young)
        sgc_page_set_fini(counting->host, &counting->young.pages);
    if (trial->with_old) {
        sgc_page_set_fini(counting->host, &counting->old.pages);
        counting->old.n = 0;
    }
    for (uint32_t i = 0; i < trial->map->n; i++)
        sgc_candidate_settle(counting, trial->map->nodes[i].object);
}

/* A claim of this file's keeps each while others are buried: one may be the key of an ephemeron whose value another one
 * is, which would end by its count before it is in the queue. */
static void garbage_bury_selected(struct sgc_trial *trial)
{
    const struct sgc_host *host = trial->counting->host;
    for (size_t i = 0; i < trial->n_selected; i++)
        sgc_count_increment(&host->counts, trial->finalizable[i], true);
    for (size_t i = 0; i < trial->n_selected; i++) {
        if (!host->bury(trial->finalizable[i]))
            host->panic("object %p was selected for its finalizer and has none", trial->finalizable[i]);
    }
    for (size_t i = 0; i < trial->n_selected; i++)
        sgc_count_decrement(&host->counts, trial->finalizable[i], true); /* the queue has one */
}

/* Weak references before finalizers, finalizers' objects before the rest. */
static void garbage_bury(struct sgc_trial *trial)
{
    const struct sgc_host *host = trial->counting->host;
    garbage_bury_selected(trial);
    for (uint32_t i = 0; i < trial->map->n; i++) {
        const struct sgc_node *node = &trial->map->nodes[i];
        if (garbage_is(node) && host->bury(node->object))
            host->panic("object %p is garbage, but its finalizer never ran", node->object);
    }
}

static void garbage_release_child(void *arg, void **place)
{
    struct sgc_counting *counting = arg;
    void *child = *place;
    if (sgc_counting_counts(counting, child))
        sgc_counting_decrement_stopped(counting, child);
}

static void garbage_release_children(struct sgc_trial *trial)
{
    struct sgc_counting *counting = trial->counting;
    for (uint32_t i = 0; i < trial->map->n; i++) {
        if (!garbage_is(&trial->map->nodes[i]))
            continue;
        counting->host->visit_references(trial->map->nodes[i].object, garbage_release_child, counting);
        trial->n_visited++;
    }
}

static void garbage_reclaim(struct sgc_trial *trial)
{
    struct sgc_counting *counting = trial->counting;
    const struct sgc_host *host = counting->host;
    void *batch[GARBAGE_BATCH];
    size_t n = 0;
    for (uint32_t i = 0; i < trial->map->n; i++) {
        const struct sgc_node *node = &trial->map->nodes[i];
        if (!garbage_is(node))
            continue;
        if (!sgc_count_claim_dead(&host->counts, node->object))
            host->panic("object %p is garbage, but not all claims on it went", node->object);
        batch[n++] = node->object;
        counting->n_died++;
        if (n == GARBAGE_BATCH) {
            host->reclaim(counting->heap, batch, n);
            n = 0;
        }
    }
    if (n)
        host->reclaim(counting->heap, batch, n);
}

void sgc_garbage_end(struct sgc_trial *trial)
{
    garbage_settle(trial);
    garbage_bury(trial);
    garbage_release_children(trial);
    garbage_reclaim(trial);
}
