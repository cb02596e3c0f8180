/* mutations_stops.c - no section and no call at rest overlaps a stop: the argument of core/cache/call.h, step by step.
 * A visitor enters (a section, or a call at rest) while a collector begins its stop, in each order. Whoever finds the
 * other inside says so. */
#include "tests/conformance/mutations.h"

#include <stdatomic.h>
#include <string.h>

#define FOUND_BY_VISITOR "a thread goes about its business at a stop"
#define FOUND_BY_COLLECTOR "a stop began with a thread at work"

struct bare {
    uint64_t value;
};
static const struct sgc_type bare_type = SGC_TYPE(struct bare, .flags = SGC_TYPE_MANUAL);
/* Its objects come from the window at the first try, and with one entry; kit_node's type has a ctor. */
static const struct sgc_type plain_type = {.name = "plain", .size_bytes = 16, .flags = SGC_TYPE_LEAF};

struct visit {
    struct kit *kit;
    struct steps *steps;
    struct kit_node *node, *value;
    struct sgc_cache *bare, *plain; /* of bare_type and plain_type */
    /* Goes in and does something; at the end of it no stop may be there that began before. */
    void (*go)(struct visit *visit);
    const char *point; /* on the way in; NULL: the visitor does not stand still there */
};

static _Atomic bool stopped;           /* a stop is there */
static _Atomic unsigned n_in_sections; /* visitors that certainly are in a section */
static const char *inside_point;       /* a thread that stands there is inside a call; NULL: no such point */

static void watch_stops(const char *point)
{
    if (strcmp(point, "stop: begun") == 0) {
        if (atomic_load(&n_in_sections) > 0 || (inside_point && mutation_stands_at(inside_point)))
            kit_fail(__FILE__, __LINE__, FOUND_BY_COLLECTOR);
        atomic_store(&stopped, true);
    }
    if (strcmp(point, "stop: ends") == 0)
        atomic_store(&stopped, false);
}

static void check_not_stopped(void)
{
    if (atomic_load(&stopped))
        kit_fail(__FILE__, __LINE__, FOUND_BY_VISITOR);
}

/* ---- what visitors do */

static void go_into_section(struct visit *visit)
{
    sgc_enter();
    atomic_fetch_add(&n_in_sections, 1);
    check_not_stopped();
    KIT_CHECK_EQ(visit->node->label, 1);
    atomic_fetch_sub(&n_in_sections, 1);
    sgc_leave();
}

static void go_hold(struct visit *visit)
{
    sgc_hold(visit->node);
    check_not_stopped();
}

static void go_store(struct visit *visit)
{
    sgc_set(visit->node, left, visit->value);
    check_not_stopped();
}

static void go_exchange(struct visit *visit)
{
    struct kit_node *old = sgc_xchg(visit->node, left, visit->value);
    check_not_stopped();
    KIT_CHECK(old == NULL);
}

static void go_allocate(struct visit *visit)
{
    void *object = sgc_new(visit->plain);
    check_not_stopped();
    KIT_CHECK(object != NULL);
    sgc_drop(object);
}

static void go_allocate_bulk(struct visit *visit)
{
    void *leaf;
    const size_t n = sgc_cache_alloc_bulk(visit->bare, &leaf, 1);
    check_not_stopped();
    KIT_CHECK(n == 1);
    sgc_cache_free_bulk(visit->bare, &leaf, 1);
}

/* ---- the two threads */

static void *visitor_main(void *arg)
{
    struct visit *visit = arg;
    step(visit->steps, "visitor: attaches");
    KIT_CHECK(sgc_thread_attach() == 0);
    sgc_cache_free(visit->bare, sgc_cache_alloc(visit->bare)); /* windows are made: no slow path on the way in */
    sgc_drop(sgc_new(visit->plain));
    step(visit->steps, "visitor: goes in");
    if (visit->point)
        mutation_step_at(visit->steps, visit->point, "visitor: goes on");
    visit->go(visit);
    steps_end(visit->steps);
    return NULL;
}

static void *collector_main(void *arg)
{
    struct visit *visit = arg;
    step(visit->steps, "collector: raises the flag");
    mutation_step_at(visit->steps, "stop: flagged", "collector: waits");
    sgc_heap_collect(visit->kit->heap, SGC_COLLECT_FULL);
    steps_end(visit->steps);
    return NULL;
}

/* The same, but it stands still at the stop. */
static void *stopping_collector_main(void *arg)
{
    struct visit *visit = arg;
    step(visit->steps, "collector: stops");
    mutation_step_at(visit->steps, "stop: begun", "collector: collects");
    sgc_heap_collect(visit->kit->heap, SGC_COLLECT_FULL);
    steps_end(visit->steps);
    return NULL;
}

static void meet(struct kit *kit, struct visit visit, void *(*collector)(void *arg), struct steps *steps)
{
    visit.kit = kit;
    visit.steps = steps;
    visit.node = kit_node(kit, 1);
    visit.value = kit_node(kit, 3);
    visit.bare = kit_cache(kit, &bare_type);
    visit.plain = kit_cache(kit, &plain_type);
    atomic_store(&stopped, false);
    mutation_observer = watch_stops;
    pthread_t threads[] = {kit_start(visitor_main, &visit), kit_start(collector, &visit)};
    kit_join(threads[0]);
    kit_join(threads[1]);
    mutation_observer = NULL;
    steps_free(steps);
    if (visit.go == go_hold)
        sgc_drop(visit.node);
    sgc_drop(visit.node);
    sgc_drop(visit.value);
    struct sgc_error error;
    KIT_CHECK(sgc_cache_destroy(visit.bare, &error) == 0);
    KIT_CHECK(sgc_cache_destroy(visit.plain, &error) == 0);
}

/* ---- a stop is there, or about to be: entering waits for its end */

static void enter_at_stop(struct kit *kit, void (*go)(struct visit *visit))
{
    struct visit visit = {.go = go};
    meet(kit, visit, stopping_collector_main,
         STEPS("visitor: attaches", "collector: stops", "visitor: goes in &", "collector: collects"));
    meet(kit, visit, collector_main,
         STEPS("visitor: attaches", "collector: raises the flag", "visitor: goes in &", "collector: waits"));
    meet(kit, visit, stopping_collector_main,
         STEPS("visitor: attaches", "visitor: goes in", "collector: stops", "collector: collects"));
}

static void a_section_waits_for_a_stop(struct kit *kit)
{
    enter_at_stop(kit, go_into_section);
}

static void a_hold_at_rest_waits_for_a_stop(struct kit *kit)
{
    enter_at_stop(kit, go_hold);
}

static void a_store_at_rest_waits_for_a_stop(struct kit *kit)
{
    enter_at_stop(kit, go_store);
}

static void an_allocation_at_rest_waits_for_a_stop(struct kit *kit)
{
    enter_at_stop(kit, go_allocate);
}

static void a_bulk_allocation_waits_for_a_stop(struct kit *kit)
{
    enter_at_stop(kit, go_allocate_bulk);
}

/* ---- the two begin at once: one of them sees the other */

static void enter_meets_stop(struct kit *kit, void (*go)(struct visit *visit), const char *point)
{
    struct visit visit = {.go = go, .point = point};
    meet(kit, visit, stopping_collector_main,
         STEPS("visitor: attaches", "visitor: goes in", "collector: stops &", "visitor: goes on &",
               "collector: collects"));
    visit.point = NULL;
    meet(kit, visit, collector_main,
         STEPS("visitor: attaches", "collector: raises the flag", "visitor: goes in &", "collector: waits"));
}

static void a_section_meets_a_stop(struct kit *kit)
{
    enter_meets_stop(kit, go_into_section, "section: half in");
}

static void an_exchange_at_rest_meets_a_stop(struct kit *kit)
{
    enter_meets_stop(kit, go_exchange, "call: half in");
}

static void an_allocation_at_rest_meets_a_stop(struct kit *kit)
{
    enter_meets_stop(kit, go_allocate, "call: half in");
}

static void a_bulk_allocation_meets_a_stop(struct kit *kit)
{
    enter_meets_stop(kit, go_allocate_bulk, "call: half in");
}

/* ---- a stop waits for those inside */

struct stay {
    struct kit *kit;
    struct steps *steps;
    struct kit_node *node, *value;
};

static void *stay_in_section(void *arg)
{
    struct stay *stay = arg;
    step(stay->steps, "visitor: enters");
    sgc_enter();
    atomic_fetch_add(&n_in_sections, 1);
    step(stay->steps, "visitor: leaves");
    atomic_fetch_sub(&n_in_sections, 1);
    sgc_leave();
    steps_end(stay->steps);
    return NULL;
}

static void *stay_in_call(void *arg)
{
    struct stay *stay = arg;
    step(stay->steps, "visitor: enters");
    mutation_step_at(stay->steps, inside_point, "visitor: leaves");
    KIT_CHECK(sgc_xchg(stay->node, left, stay->value) == NULL);
    steps_end(stay->steps);
    return NULL;
}

static void *stop_for_collection(void *arg)
{
    struct stay *stay = arg;
    step(stay->steps, "collector: collects");
    sgc_heap_collect(stay->kit->heap, SGC_COLLECT_FULL);
    steps_end(stay->steps);
    return NULL;
}

static void stay_in_order(struct kit *kit, void *(*visitor)(void *arg), struct steps *steps)
{
    struct stay stay = {.kit = kit, .steps = steps, .node = kit_node(kit, 1), .value = kit_node(kit, 3)};
    sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR); /* old: its stores go through the strategy */
    mutation_observer = watch_stops;
    pthread_t threads[] = {kit_start(visitor, &stay), kit_start(stop_for_collection, &stay)};
    kit_join(threads[0]);
    kit_join(threads[1]);
    mutation_observer = NULL;
    steps_free(steps);
    sgc_drop(stay.node);
    sgc_drop(stay.value);
}

static void stay_both_orders(struct kit *kit, void *(*visitor)(void *arg))
{
    stay_in_order(kit, visitor, STEPS("visitor: enters", "collector: collects &", "visitor: leaves"));
    stay_in_order(kit, visitor, STEPS("collector: collects", "visitor: enters", "visitor: leaves"));
}

static void a_stop_waits_for_a_section(struct kit *kit)
{
    stay_both_orders(kit, stay_in_section);
}

static void a_stop_waits_for_a_call_at_rest(struct kit *kit)
{
    inside_point = strcmp(kit->strategy, "generational") == 0 ? "store: logged" : "store: published";
    stay_both_orders(kit, stay_in_call);
}

const struct mutation mutations_stops[] = {
    MUTATION("no-stop-check", a_section_waits_for_a_stop, MUTATION_ALL, FOUND_BY_VISITOR),
    MUTATION("no-stop-check", a_hold_at_rest_waits_for_a_stop, MUTATION_ALL, FOUND_BY_VISITOR),
    MUTATION("no-stop-check", a_store_at_rest_waits_for_a_stop, MUTATION_ALL, FOUND_BY_VISITOR),
    MUTATION("no-stop-check", an_allocation_at_rest_waits_for_a_stop, MUTATION_ALL, FOUND_BY_VISITOR),
    MUTATION("no-stop-check", a_bulk_allocation_waits_for_a_stop, MUTATION_ALL, FOUND_BY_VISITOR),
    MUTATION("check-first", a_section_meets_a_stop, MUTATION_ALL, FOUND_BY_VISITOR),
    MUTATION("check-first", an_exchange_at_rest_meets_a_stop, MUTATION_ALL, FOUND_BY_VISITOR),
    MUTATION("check-first", an_allocation_at_rest_meets_a_stop, MUTATION_ALL, FOUND_BY_VISITOR),
    MUTATION("check-first", a_bulk_allocation_meets_a_stop, MUTATION_ALL, FOUND_BY_VISITOR),
    MUTATION("stop-without-wait", a_stop_waits_for_a_section, MUTATION_ALL, FOUND_BY_COLLECTOR),
    MUTATION("stop-without-wait", a_stop_waits_for_a_call_at_rest, MUTATION_ALL, FOUND_BY_COLLECTOR),
    {0},
};
