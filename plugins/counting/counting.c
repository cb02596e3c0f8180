/* counting.c - opening and closing what both counting strategies share; thread cells; objects that wait for a full
 * collection.
 * Called by the strategies' own ops. */
#include "plugins/counting/counting.h"

#include <errno.h>

static void counting_set_pace(const struct sgc_counting *counting)
{
    const struct sgc_pace pace = {
        .minor_bytes = counting->limits.minor_bytes,
        .full_growth_pct = counting->limits.full_growth_pct,
        .full_min_bytes = counting->limits.full_min_bytes,
    };
    counting->host->set_pace(counting->heap, &pace);
}

static void counting_take_params(struct sgc_counting *counting, const uint64_t *params)
{
    counting->limits = (struct sgc_counting_limits){
        .candidate_threshold = params[0],
        .old_candidate_threshold = params[1],
        .old_growth_pct = params[2],
        .visit_budget = params[3],
        .minor_bytes = params[4],
        .full_growth_pct = params[5],
        .full_min_bytes = params[6],
        .candidate_threshold_max = params[7],
    };
    counting->threshold = params[0];
    counting_set_pace(counting);
}

int sgc_counting_open(struct sgc_counting *counting, const struct sgc_host *host, struct sgc_heap *heap,
                      const uint64_t *params, struct sgc_error *error)
{
    counting->host = host;
    counting->heap = heap;
    counting->lock = host->lock_create();
    if (!counting->lock)
        return host->fail(error, -ENOMEM, "no memory for the lock of the candidates");
    counting_take_params(counting, params);
    return 0;
}

void sgc_counting_configure(struct sgc_counting *counting, const uint64_t *params)
{
    counting_take_params(counting, params);
}

void sgc_counting_quiesce(struct sgc_counting *counting)
{
    sgc_page_set_fini(counting->host, &counting->young.pages);
    sgc_page_set_fini(counting->host, &counting->old.pages);
    counting->young = counting->old = (struct sgc_candidates){0};
    sgc_node_map_fini(counting->host, &counting->map);
    sgc_cascade_fini(counting->host, &counting->cascade);
    counting->old_limit = 0;
    counting->lost = counting->pending = counting->unknown = false;
}

/* Core gave the objects the state of new ones, which they are not. */
static void adopt_visit(void *arg, void *object)
{
    const struct sgc_counting *counting = arg;
    uint8_t *state = sgc_state_byte(&counting->host->counts, object);
    *state = (uint8_t)((*state & ~counting->unshared_state) | SGC_COUNTING_USED);
}

void sgc_counting_adopt(struct sgc_counting *counting)
{
    counting->host->walk(counting->heap, adopt_visit, counting);
    counting->unknown = true;
}

void sgc_counting_close(struct sgc_counting *counting)
{
    sgc_counting_quiesce(counting);
    counting->host->lock_destroy(counting->lock);
}

struct sgc_counting_cell *sgc_counting_cell_slow(struct sgc_counting *counting, void **cell)
{
    struct sgc_counting_cell *made = counting->host->alloc(counting->cell_bytes);
    if (made)
        made->young.limit = counting->threshold;
    *cell = made;
    return made;
}

void sgc_counting_pend(struct sgc_counting *counting)
{
    if (!__atomic_exchange_n(&counting->pending, true, __ATOMIC_RELAXED)) /* read by the stopper, after every section */
        counting->host->request_collection(counting->heap, SGC_COLLECT_FULL);
}
