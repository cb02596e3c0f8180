/* trial.c - trial deletion: which of the objects that candidates lead to would be left without a claim if their
 * references to each other were gone?
 * Called by collect.c at a stop. Counts of objects are not touched: internal references are counted in the nodes of a
 * map.
 * Source: Bacon & Rajan, ECOOP 2001 (candidates, what is acyclic); subtracting internal references outside the
 * objects as CPython's collector does.
 *
 * 1. Walk. From each candidate all reachable objects become nodes, and every reference between nodes adds to the
 *    target's internal count. The map is closed under references (but for acyclic objects, below). A young candidate
 *    that brings more new nodes than the budget is undone: what it added to older nodes is taken back, and its own
 *    nodes are called far, to be taken out at the end of the step. Every young candidate among them becomes old: it
 *    is as live as the one walked from, or dies with it. A later walk that meets a far node is as good as over the
 *    budget, and ends there. So a minor collection visits no object twice in this step; and when the map has
 *    VISIT_BUDGETS times the budget, the step ends: the young candidates that are left wait, on their pages, for
 *    another trial (collect.c says when). That bounds what is visited in vain.
 * 2. A node whose count exceeds its internal references has a claim from outside: it lives, and so does what it
 *    reaches. The rest is garbage.
 * 3. Finalizers: of garbage whose finalizer never ran, host->select_finalizable says which to queue; those and what
 *    they reach live on. Again, until no garbage is left whose finalizer never ran.
 *
 * Why a candidate found live may be forgotten (settled): it is reached by a claim from outside the map. If that claim
 * comes from garbage elsewhere, that garbage has a candidate of its own, and its end takes the claim away by a
 * decrement, which notes candidates anew.
 *
 * Acyclic objects are neither nodes nor walked through: their claims count as claims from outside. When garbage lets
 * go of them they die by their counts.
 *
 * Ephemerons. An ephemeron's value has a claim while the ephemeron lives and its key lives. That claim is internal
 * when the ephemeron or its key is a node: if either turns out to be garbage, the claim goes away with it. It rescues
 * the value only when both live. A key leads to the values of its ephemerons in step 1 (an ephemeron that is not a
 * node lives), so keys are never pruned: SGC_STATE_WATCHED.
 *
 * Objects that something else of the strategy's points to (pinned_state: rcu's magazines) count as live; the strategy
 * notes them again when it lets go. */
#include "plugins/counting/cycles.h"

#include <string.h>

#define UNDO_ROOM_MIN 1024
#define VISIT_BUDGETS 32 /* with the default budget: 64 Ki objects, some milliseconds */

/* ---- step 1: the walk */

static bool trial_undo_grow(struct sgc_trial *trial)
{
    const struct sgc_host *host = trial->counting->host;
    const size_t room = trial->undo_room ? trial->undo_room * 2 : UNDO_ROOM_MIN;
    uint32_t *bigger = host->alloc(room * sizeof(*bigger));
    if (!bigger)
        return false;
    if (trial->undo) {
        memcpy(bigger, trial->undo, trial->n_undo * sizeof(*bigger));
        host->free(trial->undo, trial->undo_room * sizeof(*bigger));
    }
    trial->undo = bigger;
    trial->undo_room = room;
    return true;
}

/* The object's node, made if need be. SGC_NODE_NONE: it is none of ours, or the walk is at its end. */
static uint32_t trial_reach(struct sgc_trial *trial, void *object)
{
    struct sgc_counting *counting = trial->counting;
    if (trial->over || trial->refused || !sgc_counting_counts(counting, object))
        return SGC_NODE_NONE;
    uint32_t index = sgc_node_map_find(trial->map, object);
    if (index != SGC_NODE_NONE) {
        trial->over = trial->map->nodes[index].flags & SGC_NODE_FAR;
        return trial->over ? SGC_NODE_NONE : index;
    }
    if (sgc_counting_is_acyclic(counting, object))
        return SGC_NODE_NONE;
    trial->over = trial->map->n - trial->start >= trial->budget;
    if (trial->over)
        return SGC_NODE_NONE;
    index = sgc_node_map_add(counting->host, trial->map, object);
    if (index == SGC_NODE_NONE)
        trial->refused = true;
    return index;
}

static void trial_visit_reference(void *arg, void **place)
{
    struct sgc_trial *trial = arg;
    const uint32_t index = trial_reach(trial, *place);
    if (index == SGC_NODE_NONE)
        return;
    trial->map->nodes[index].internal++;
    if (index >= trial->start || trial->budget == UINT32_MAX)
        return;
    if (trial->n_undo == trial->undo_room && !trial_undo_grow(trial)) {
        trial->refused = true;
        return;
    }
    trial->undo[trial->n_undo++] = index;
}

static void trial_visit_value(void *arg, void *ephemeron, void *value)
{
    (void)ephemeron;
    trial_reach(arg, value);
}

/* Values of ephemerons become nodes here; their internal references are counted when all nodes are known
 * (trial_count_values). */
static void trial_scan(struct sgc_trial *trial, uint32_t index)
{
    const struct sgc_host *host = trial->counting->host;
    void *object = trial->map->nodes[index].object, *key, *value;
    uint32_t flags = 0;
    trial->n_visited++;
    if (sgc_counting_state(trial->counting, object) & SGC_STATE_WATCHED) {
        flags |= SGC_NODE_WATCHED;
        host->visit_ephemerons_of(object, trial_visit_value, trial);
    }
    if (host->ephemeron_parts(object, &key, &value)) {
        flags |= SGC_NODE_EPHEMERON;
        trial_reach(trial, value);
    } else {
        host->visit_references(object, trial_visit_reference, trial);
    }
    trial->map->nodes[index].flags = flags;
}

/* Where the OS refuses memory for its page it stays young, and so does the set of young pages. */
static void trial_make_old(struct sgc_trial *trial, void *candidate)
{
    if (!sgc_candidate_make_old(trial->counting, candidate))
        trial->keeps_young = true;
}

static void trial_roll_back(struct sgc_trial *trial)
{
    struct sgc_counting *counting = trial->counting;
    while (trial->n_undo > 0)
        trial->map->nodes[trial->undo[--trial->n_undo]].internal--;
    for (uint32_t i = trial->start; i < trial->map->n; i++) {
        struct sgc_node *node = &trial->map->nodes[i];
        const uint8_t state = sgc_counting_state(counting, node->object);
        node->flags = SGC_NODE_FAR;
        if ((state & SGC_COUNTING_CANDIDATE) && !(state & SGC_COUNTING_OLD))
            trial_make_old(trial, node->object);
    }
    trial->any_far = true;
}

static void trial_walk(struct sgc_trial *trial, void *candidate)
{
    trial->more = trial->budget != UINT32_MAX && trial->map->n / VISIT_BUDGETS >= trial->budget;
    if (trial->more)
        return;
    if (sgc_counting_is_acyclic(trial->counting, candidate)) { /* a key once, whose ephemerons are gone */
        sgc_candidate_settle(trial->counting, candidate);
        return;
    }
    if (sgc_node_map_find(trial->map, candidate) != SGC_NODE_NONE)
        return; /* met already */
    trial->start = trial->map->n;
    trial->n_undo = 0;
    trial->over = false;
    trial_reach(trial, candidate);
    for (uint32_t i = trial->start; i < trial->map->n && !trial->over && !trial->refused; i++)
        trial_scan(trial, i);
    if (trial->over && !trial->refused)
        trial_roll_back(trial);
}

/* A young one that became old on the way is done with. */
static bool trial_walk_young(void *arg, void *candidate, uint8_t state)
{
    struct sgc_trial *trial = arg;
    if (!(state & SGC_COUNTING_OLD))
        trial_walk(trial, candidate);
    return !trial->refused && !trial->more;
}

static bool trial_walk_any(void *arg, void *candidate, uint8_t state)
{
    struct sgc_trial *trial = arg;
    (void)state;
    trial_walk(trial, candidate);
    return !trial->refused;
}

/* ---- step 2: who lives */

static void trial_count_value(struct sgc_trial *trial, void *value)
{
    const uint32_t index = sgc_is_object(value) ? sgc_node_map_find(trial->map, value) : SGC_NODE_NONE;
    if (index != SGC_NODE_NONE)
        trial->map->nodes[index].internal++;
}

/* An ephemeron that is a node counts its value itself. */
static void trial_count_value_of_key(void *arg, void *ephemeron, void *value)
{
    struct sgc_trial *trial = arg;
    if (sgc_node_map_find(trial->map, ephemeron) == SGC_NODE_NONE)
        trial_count_value(trial, value);
}

static void trial_count_values(struct sgc_trial *trial)
{
    const struct sgc_host *host = trial->counting->host;
    for (uint32_t i = 0; i < trial->map->n; i++) {
        const struct sgc_node node = trial->map->nodes[i];
        void *key, *value;
        if ((node.flags & SGC_NODE_EPHEMERON) && host->ephemeron_parts(node.object, &key, &value))
            trial_count_value(trial, value);
        if (node.flags & SGC_NODE_WATCHED)
            host->visit_ephemerons_of(node.object, trial_count_value_of_key, trial);
    }
}

static void trial_live(struct sgc_trial *trial, uint32_t index)
{
    struct sgc_node *node = &trial->map->nodes[index];
    if (node->flags & SGC_NODE_LIVE)
        return;
    node->flags |= SGC_NODE_LIVE;
    node->internal = trial->follow;
    trial->follow = index;
}

static void trial_live_object(struct sgc_trial *trial, const void *object)
{
    const uint32_t index = sgc_is_object(object) ? sgc_node_map_find(trial->map, object) : SGC_NODE_NONE;
    if (index != SGC_NODE_NONE)
        trial_live(trial, index);
}

static void trial_follow_reference(void *arg, void **place)
{
    trial_live_object(arg, *place);
}

/* Does the object hold up its side of an ephemeron? What is no node lives. A selected key's ephemerons are broken
 * when it is buried. */
static bool trial_side_lives(const struct sgc_trial *trial, const void *side)
{
    const uint32_t index = sgc_is_object(side) ? sgc_node_map_find(trial->map, side) : SGC_NODE_NONE;
    return index == SGC_NODE_NONE ||
           (trial->map->nodes[index].flags & (SGC_NODE_LIVE | SGC_NODE_SELECTED)) == SGC_NODE_LIVE;
}

static void trial_follow_key(void *arg, void *ephemeron, void *value)
{
    struct sgc_trial *trial = arg;
    const uint32_t index = sgc_node_map_find(trial->map, ephemeron);
    if (index == SGC_NODE_NONE || (trial->map->nodes[index].flags & SGC_NODE_LIVE))
        trial_live_object(trial, value);
}

static void trial_follow(struct sgc_trial *trial)
{
    const struct sgc_host *host = trial->counting->host;
    while (trial->follow != SGC_NODE_NONE) {
        const struct sgc_node node = trial->map->nodes[trial->follow];
        trial->follow = node.internal;
        trial->n_visited++;
        void *key, *value;
        if ((node.flags & (SGC_NODE_WATCHED | SGC_NODE_SELECTED)) == SGC_NODE_WATCHED)
            host->visit_ephemerons_of(node.object, trial_follow_key, trial);
        if (!(node.flags & SGC_NODE_EPHEMERON))
            host->visit_references(node.object, trial_follow_reference, trial);
        else if (host->ephemeron_parts(node.object, &key, &value) && trial_side_lives(trial, key))
            trial_live_object(trial, value);
    }
}

static uint64_t trial_count(const struct sgc_counting *counting, const void *object)
{
    const uint8_t byte = *sgc_count_byte(&counting->host->counts, object);
    return byte < SGC_COUNT_EXCESS ? byte : counting->host->counts.value(object);
}

static void trial_find_live(struct sgc_trial *trial)
{
    struct sgc_counting *counting = trial->counting;
    trial_count_values(trial);
    for (uint32_t i = 0; i < trial->map->n; i++) {
        const struct sgc_node *node = &trial->map->nodes[i];
        const uint64_t count = trial_count(counting, node->object);
        if (node->flags & SGC_NODE_LIVE)
            continue; /* its internal count has become a link */
        if (count < node->internal)
            counting->host->panic(
                "object %p has fewer claims than references to it; was a reference field written without sgc_set?",
                node->object);
        if (count > node->internal || (sgc_counting_state(counting, node->object) & counting->pinned_state))
            trial_live(trial, i);
    }
    trial_follow(trial);
}

/* ---- step 3: finalizers */

static bool trial_is_finalizable(const struct sgc_trial *trial, const struct sgc_node *node)
{
    const struct sgc_counting *counting = trial->counting;
    return !(node->flags & SGC_NODE_LIVE) && counting->host->type_of(node->object)->finalize &&
           !(sgc_counting_state(counting, node->object) & SGC_STATE_FINALIZED);
}

static bool trial_is_dead(void *arg, void *object)
{
    const struct sgc_trial *trial = arg;
    const uint32_t index = sgc_node_map_find(trial->map, object);
    return index != SGC_NODE_NONE && !(trial->map->nodes[index].flags & SGC_NODE_LIVE);
}

static void trial_select(struct sgc_trial *trial, void *object)
{
    const uint32_t index = sgc_node_map_find(trial->map, object);
    trial->map->nodes[index].flags |= SGC_NODE_SELECTED;
    trial_live(trial, index);
}

/* One round: true when it selected some. */
static bool trial_select_round(struct sgc_trial *trial)
{
    const struct sgc_counting *counting = trial->counting;
    void **found = trial->finalizable + trial->n_selected;
    size_t n = 0;
    for (uint32_t i = 0; i < trial->map->n; i++) {
        if (trial_is_finalizable(trial, &trial->map->nodes[i]))
            found[n++] = trial->map->nodes[i].object;
    }
    if (n == 0)
        return false;
    const size_t n_selected = counting->host->select_finalizable(counting->heap, found, n, trial_is_dead, trial);
    trial->refused = n_selected == 0; /* no memory to put them in order */
    for (size_t i = 0; i < n_selected; i++)
        trial_select(trial, found[i]);
    trial->n_selected += n_selected;
    trial_follow(trial);
    return n_selected > 0;
}

/* A further round is needed only where a selected object leads to another one over an ephemeron alone, whose key is
 * garbage or selected too. */
static void trial_select_finalizable(struct sgc_trial *trial)
{
    size_t n = 0;
    for (uint32_t i = 0; i < trial->map->n; i++)
        n += trial_is_finalizable(trial, &trial->map->nodes[i]);
    if (n == 0)
        return;
    trial->finalizable = trial->counting->host->alloc(n * sizeof(void *));
    if (!trial->finalizable) {
        trial->refused = true;
        return;
    }
    trial->n_finalizable = n;
    while (trial_select_round(trial))
        ;
}

bool sgc_trial_run(struct sgc_trial *trial, bool budgeted, bool with_old)
{
    struct sgc_counting *counting = trial->counting;
    const uint64_t budget = counting->limits.visit_budget;
    trial->map = &counting->map;
    trial->budget = budgeted && budget < UINT32_MAX ? (uint32_t)budget : UINT32_MAX;
    trial->follow = SGC_NODE_NONE;
    trial->with_old = with_old;
    if (sgc_candidates_visit(counting, &counting->young, with_old ? trial_walk_any : trial_walk_young, trial) &&
        with_old)
        sgc_candidates_visit(counting, &counting->old, trial_walk_any, trial);
    if (trial->any_far)
        sgc_node_map_remove(trial->map, SGC_NODE_FAR);
    if (trial->refused || trial->map->n == 0)
        return !trial->refused;
    trial_find_live(trial);
    trial_select_finalizable(trial);
    return !trial->refused;
}

void sgc_trial_fini(struct sgc_trial *trial)
{
    const struct sgc_host *host = trial->counting->host;
    if (trial->undo)
        host->free(trial->undo, trial->undo_room * sizeof(*trial->undo));
    if (trial->finalizable)
        host->free(trial->finalizable, trial->n_finalizable * sizeof(void *));
    sgc_node_map_clear(host, &trial->counting->map);
}
