/* oracle.c - the naive model: holds and fields by number, and who is alive. See plan.h.
 * plan_check walks the events once for deaths (and takes out what cannot be), plan_lives a second time for live sets.
 * One thread, before the clock starts. Invariant: whatever the events are, holds never fall below 0 and every object
 * reached has a number below n_objects. Source: Hertz et al., "Error-free garbage collection traces: how to cheat and
 * not get caught", SIGMETRICS 2002. */
#include "tools/replay/plan.h"

#include <slabgc/heap.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_FIELDS                                                                                                  \
    (UINT64_C(32) << 20) /* fields made before deaths are settled and fields of the dead forgotten                     \
                          */

struct stack {
    uint32_t *entries;
    size_t n, capacity;
};
struct oracle {
    struct plan *plan;
    bool deaths; /* the first walk */
    struct stack stack;
    uint32_t *handles; /* 1 + referent; 0: none */
    bool *inside;      /* by thread */
    bool *closed;      /* by heap */
    uint32_t n_inside, n_made;
    uint32_t *ephemeron_of;                  /* by object, 1 + the first one of this key; NULL: there are none */
    uint32_t *ephemeron_next, *ephemeron_at; /* by ephemeron; by object: 1 + its ephemeron */
    uint64_t n_fields, n_settled_fields;
    uint32_t *claims; /* first walk: holds and fields of objects that have claims themselves */
    uint8_t *keep;    /* first walk: PLAN_KEPT of each object */
    bool no_memory;
};

static void oracle_push(struct oracle *oracle, uint32_t object)
{
    struct stack *stack = &oracle->stack;
    if (stack->n == stack->capacity) {
        const size_t capacity = stack->capacity ? 2 * stack->capacity : 4096;
        uint32_t *entries = realloc(stack->entries, capacity * sizeof(*entries));
        if (!entries) {
            oracle->no_memory = true;
            return;
        }
        stack->entries = entries;
        stack->capacity = capacity;
    }
    stack->entries[stack->n++] = object;
}

/* Marks an object; with a level, it died no earlier than that. */
static void oracle_reach(struct oracle *oracle, uint32_t value, uint32_t level, bool dying)
{
    if (!plan_is_object(value))
        return;
    struct plan_object *object = &oracle->plan->objects[value - TRACE_OBJECT];
    if (object->flags & (PLAN_MARK | PLAN_ENDED | PLAN_SETTLED) || value - TRACE_OBJECT >= oracle->n_made)
        return;
    object->flags |= PLAN_MARK;
    if (dying)
        object->death = level;
    oracle_push(oracle, value - TRACE_OBJECT);
}

/* Follows fields from what is on the stack. An ephemeron's value is reached when both it and its key are marked. */
static void oracle_drain(struct oracle *oracle, uint32_t level, bool dying)
{
    struct plan *plan = oracle->plan;
    while (oracle->stack.n) {
        const uint32_t number = oracle->stack.entries[--oracle->stack.n];
        const struct plan_object *object = &plan->objects[number];
        const uint32_t n = object->fields ? plan_fields(plan, object) : 0;
        for (uint32_t i = 0; i < n; i++)
            oracle_reach(oracle, object->fields[i], level, dying);
        if (!oracle->ephemeron_of)
            continue;
        if (object->cache == PLAN_EPHEMERON && oracle->ephemeron_at[number]) {
            const struct plan_ephemeron *ephemeron = &plan->ephemerons[oracle->ephemeron_at[number] - 1];
            if (!plan_is_object(ephemeron->key) || plan->objects[ephemeron->key - TRACE_OBJECT].flags & PLAN_MARK)
                oracle_reach(oracle, ephemeron->value, level, dying);
        }
        for (uint32_t i = oracle->ephemeron_of[number]; i; i = oracle->ephemeron_next[i - 1])
            if (plan->objects[plan->ephemerons[i - 1].object].flags & PLAN_MARK)
                oracle_reach(oracle, plan->ephemerons[i - 1].value, level, dying);
    }
}

/* ---- claims, as the most prompt strategy counts them; the stack has what gained its first or lost its last */

static void oracle_count(struct oracle *oracle, uint32_t value, bool gain)
{
    if (!plan_is_object(value) || value - TRACE_OBJECT >= oracle->n_made)
        return;
    const uint32_t number = value - (uint32_t)TRACE_OBJECT;
    uint32_t *claims = &oracle->claims[number];
    if (gain ? (*claims)++ == 0 : *claims && --*claims == 0)
        oracle_push(oracle, number);
}

static void oracle_count_fields(struct oracle *oracle, uint32_t number, bool gain)
{
    struct plan_object *object = &oracle->plan->objects[number];
    if (!(object->flags & PLAN_UNCLAIMED) == gain)
        return;
    object->flags ^= PLAN_UNCLAIMED;
    const uint32_t n = object->fields ? plan_fields(oracle->plan, object) : 0;
    for (uint32_t i = 0; i < n; i++)
        oracle_count(oracle, object->fields[i], gain);
    if (object->cache == PLAN_EPHEMERON)
        oracle_count(oracle, oracle->plan->ephemerons[oracle->ephemeron_at[number] - 1].value, gain);
}

static void oracle_claim(struct oracle *oracle, uint32_t value, bool gain)
{
    if (!oracle->claims)
        return;
    oracle_count(oracle, value, gain);
    while (oracle->stack.n)
        oracle_count_fields(oracle, oracle->stack.entries[--oracle->stack.n], gain);
}

/* The event names it; without a claim, the replayer keeps it. */
static void oracle_name(struct oracle *oracle, uint32_t value)
{
    if (!oracle->claims || !plan_is_object(value) ||
        !(oracle->plan->objects[value - TRACE_OBJECT].flags & PLAN_UNCLAIMED))
        return;
    oracle->keep[value - TRACE_OBJECT] |= PLAN_KEPT;
    oracle_claim(oracle, value, true);
}

static bool oracle_is_manual(const struct oracle *oracle, const struct plan_object *object)
{
    return object->cache != PLAN_EPHEMERON && oracle->plan->caches[object->cache].manual;
}

static void oracle_mark(struct oracle *oracle, bool weak_too)
{
    struct plan *plan = oracle->plan;
    for (uint32_t i = 0; i < oracle->n_made; i++)
        plan->objects[i].flags &= (uint8_t)~PLAN_MARK;
    for (uint32_t i = 0; i < oracle->n_made; i++)
        if (plan->objects[i].holds)
            oracle_reach(oracle, i + TRACE_OBJECT, 0, false);
    for (uint32_t i = 0; weak_too && i < plan->n_handles; i++)
        if (oracle->handles[i])
            oracle_reach(oracle, oracle->handles[i] - 1 + TRACE_OBJECT, 0, false);
    oracle_drain(oracle, 0, false);
}

static int oracle_by_death(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The deaths of what no root reaches: latest loss of a claim first, each with all that it reaches. final: deaths of
 * weakly named objects too, and those of the living are set to never. */
static void oracle_settle(struct oracle *oracle, bool final)
{
    struct plan *plan = oracle->plan;
    uint64_t n = 0, *dying;
    oracle_mark(oracle, !final);
    for (uint32_t i = 0; i < oracle->n_made; i++)
        n += !(plan->objects[i].flags & (PLAN_MARK | PLAN_SETTLED | PLAN_ENDED));
    dying = malloc((n + 1) * sizeof(*dying));
    if (!dying) {
        oracle->no_memory = true;
        return;
    }
    n = 0;
    for (uint32_t i = 0; i < oracle->n_made; i++) {
        struct plan_object *object = &plan->objects[i];
        if (object->flags & PLAN_MARK) {
            object->death = final ? UINT32_MAX : object->death;
            object->flags |= final ? PLAN_SETTLED : 0; /* not to be reached below */
        } else if (!(object->flags & (PLAN_SETTLED | PLAN_ENDED))) {
            dying[n++] = (uint64_t)object->death << 32 | i;
        }
    }
    qsort(dying, n, sizeof(*dying), oracle_by_death);
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t level = (uint32_t)(dying[i] >> 32);
        oracle_reach(oracle, (uint32_t)dying[i] + TRACE_OBJECT, level, true);
        oracle_drain(oracle, level, true);
    }
    for (uint64_t i = 0; i < n; i++) {
        struct plan_object *object = &plan->objects[(uint32_t)dying[i]];
        object->flags |= PLAN_SETTLED;
        if (oracle->claims)
            oracle_count_fields(oracle, (uint32_t)dying[i], false);
        while (oracle->stack.n)
            oracle_count_fields(oracle, oracle->stack.entries[--oracle->stack.n], false);
        free(object->fields);
        object->fields = NULL;
    }
    free(dying);
    oracle->n_settled_fields = oracle->n_fields;
}

/* ---- events */

static void oracle_lose(struct oracle *oracle, uint32_t value, uint32_t at)
{
    if (oracle->deaths && plan_is_object(value))
        oracle->plan->objects[value - TRACE_OBJECT].death = at;
}

static uint32_t *oracle_field(struct oracle *oracle, struct plan_object *owner, uint32_t word)
{
    if (oracle_is_manual(oracle, owner))
        return NULL;
    if (!owner->fields) {
        const uint32_t n = plan_fields(oracle->plan, owner);
        owner->fields = calloc(n, sizeof(*owner->fields));
        oracle->n_fields += n;
        oracle->no_memory |= !owner->fields;
    }
    const uint32_t field = plan_field(oracle->plan, owner, word);
    return owner->fields ? &owner->fields[field] : NULL;
}

/* Holds that are not the program's. */
static uint32_t oracle_foreign_holds(const struct oracle *oracle, const struct plan_object *object)
{
    const bool immortal =
        object->cache != PLAN_EPHEMERON && oracle->plan->info->caches[object->cache].flags & SGC_TYPE_IMMORTAL;
    return (uint32_t)immortal + !!(object->flags & PLAN_KEPT) + !!(object->flags & PLAN_WISHED);
}

static void oracle_make(struct oracle *oracle, uint32_t number, uint32_t at)
{
    struct plan_object *object = &oracle->plan->objects[number];
    object->holds = 1 + oracle_foreign_holds(oracle, object);
    object->death = oracle->deaths ? at : object->death;
    oracle->n_made = number + 1;
    if (oracle->claims)
        oracle->claims[number] = object->holds;
}

static void oracle_end(struct oracle *oracle, struct plan_object *object, uint32_t at)
{
    object->holds = 0;
    object->flags |= PLAN_ENDED;
    if (oracle->deaths)
        object->death = at;
    free(object->fields);
    object->fields = NULL;
}

static uint32_t oracle_heap(const struct oracle *oracle, const struct plan_object *object)
{
    return object->cache == PLAN_EPHEMERON ? object->tail : oracle->plan->info->caches[object->cache].heap;
}

/* The replayer's own hold goes away here. */
static void oracle_unkeep(struct oracle *oracle, struct plan_object *object, uint8_t flag, uint32_t at)
{
    if (!(object->flags & flag))
        return;
    object->flags &= (uint8_t)~flag;
    if (object->flags & PLAN_ENDED || object - oracle->plan->objects >= oracle->n_made)
        return;
    oracle_claim(oracle, (uint32_t)(object - oracle->plan->objects + TRACE_OBJECT), false);
    object->holds--;
    object->death = oracle->deaths ? at : object->death;
}

/* What the event names is there to be named. */
static bool oracle_allows(const struct oracle *oracle, const struct plan_event *event, uint32_t thread)
{
    const struct plan *plan = oracle->plan;
    uint32_t values[3] = {0, 0, 0};
    switch (plan_op(event)) {
    case SGC_RECORD_ENTER:
        return !oracle->inside[thread];
    case SGC_RECORD_LEAVE:
        return oracle->inside[thread];
    case SGC_RECORD_NEW:
    case SGC_RECORD_NEW_N:
    case SGC_RECORD_BARE_NEW:
        return !oracle->closed[plan->info->caches[plan_argument(event)].heap];
    case SGC_RECORD_COLLECT:
    case SGC_RECORD_CLOSE:
        return !oracle->inside[thread] && !oracle->closed[plan_argument(event)];
    case SGC_RECORD_ACCOUNT:
        return !oracle->closed[plan_argument(event)];
    case SGC_RECORD_DROP:
        if (plan->objects[event->a].holds <= oracle_foreign_holds(oracle, &plan->objects[event->a]))
            return false;
        values[0] = event->a + TRACE_OBJECT;
        break;
    case SGC_RECORD_HOLD:
    case SGC_RECORD_HOLDS:
    case SGC_RECORD_FREE:
    case SGC_RECORD_FINALIZE:
    case SGC_RECORD_FINALIZED:
        values[0] = event->a + TRACE_OBJECT;
        break;
    case SGC_RECORD_WEAK_NEW:
        values[0] = event->b + TRACE_OBJECT;
        break;
    case SGC_RECORD_WEAK_GET:
        if (plan_is_object(event->b) && oracle->handles[event->a] != event->b - TRACE_OBJECT + 1)
            return false; /* not what the handle names */
        values[0] = event->b;
        break;
    case SGC_RECORD_STORE:
        values[0] = event->a + TRACE_OBJECT;
        values[1] = event->b;
        break;
    case SGC_RECORD_EXCHANGE:
        values[0] = event->a + TRACE_OBJECT;
        values[1] = event->b;
        break;
    case SGC_RECORD_EPHEMERON:
        if (oracle->closed[plan_argument(event)])
            return false;
        values[0] = event->b;
        values[1] = event[1].a;
        break;
    default:
        return true;
    }
    for (unsigned i = 0; i < 3; i++)
        if (plan_is_object(values[i]) && (plan->objects[values[i] - TRACE_OBJECT].flags & (PLAN_ENDED | PLAN_SETTLED) ||
                                          values[i] - TRACE_OBJECT >= oracle->n_made))
            return false;
    if (values[0] > TRACE_IMMEDIATE && values[1] > TRACE_IMMEDIATE && /* no store leads from heap to heap */
        oracle_heap(oracle, &plan->objects[values[0] - TRACE_OBJECT]) !=
            oracle_heap(oracle, &plan->objects[values[1] - TRACE_OBJECT]))
        return false;
    return true;
}

static void oracle_store(struct oracle *oracle, const struct plan_event *event, uint32_t at)
{
    uint32_t *field = oracle_field(oracle, &oracle->plan->objects[event->a], plan_argument(event));
    const uint32_t old = field ? *field : 0;
    if (field) {
        oracle_claim(oracle, event->b, true);
        *field = event->b;
    }
    if (plan_op(event) == SGC_RECORD_EXCHANGE && plan_is_object(old))
        oracle->plan->objects[old - TRACE_OBJECT].holds++;
    else
        oracle_claim(oracle, old, false);
    oracle_lose(oracle, old, at);
}

static void oracle_apply(struct oracle *oracle, const struct plan_event *event, uint32_t at, uint32_t thread)
{
    struct plan *plan = oracle->plan;
    struct plan_object *object = &plan->objects[event->a < plan->n_objects ? event->a : 0];
    const uint32_t value = event->a + (uint32_t)TRACE_OBJECT;
    const uint8_t op = plan_op(event);
    switch (op) {
    case SGC_RECORD_NEW:
    case SGC_RECORD_NEW_N:
    case SGC_RECORD_BARE_NEW:
    case SGC_RECORD_EPHEMERON:
        oracle_make(oracle, event->a, at);
        if (op == SGC_RECORD_EPHEMERON) {
            oracle_name(oracle, event->b);
            oracle_name(oracle, event[1].a);
            oracle_claim(oracle, event[1].a, true);
        }
        break;
    case SGC_RECORD_HOLD:
        oracle_name(oracle, value);
        oracle_claim(oracle, value, true);
        object->holds++;
        break;
    case SGC_RECORD_HOLDS:
        oracle_name(oracle, value);
        for (uint32_t i = 0; i < event->b && oracle->claims; i++)
            oracle_claim(oracle, value, true);
        object->holds += event->b;
        break;
    case SGC_RECORD_DROP:
        oracle_claim(oracle, value, false);
        object->holds--;
        oracle_lose(oracle, event->a + TRACE_OBJECT, at);
        if (!object->holds && oracle_is_manual(oracle, object))
            oracle_end(oracle, object, at);
        break;
    case SGC_RECORD_STORE:
    case SGC_RECORD_EXCHANGE:
        oracle_name(oracle, value);
        oracle_name(oracle, event->b);
        oracle_store(oracle, event, at);
        break;
    case SGC_RECORD_ENTER:
    case SGC_RECORD_LEAVE:
        oracle->inside[thread] = op == SGC_RECORD_ENTER;
        oracle->n_inside += op == SGC_RECORD_ENTER ? 1u : UINT32_MAX;
        break;
    case SGC_RECORD_WEAK_NEW:
        oracle_name(oracle, event->b + (uint32_t)TRACE_OBJECT);
        oracle->handles[event->a] = event->b + 1;
        break;
    case SGC_RECORD_WEAK_GET:
        oracle_claim(oracle, event->b, true);
        if (plan_is_object(event->b))
            plan->objects[event->b - TRACE_OBJECT].holds++;
        break;
    case SGC_RECORD_WEAK_FREE:
        oracle->handles[event->a] = 0;
        break;
    case SGC_RECORD_FREE:
        oracle_end(oracle, object, at);
        break;
    case SGC_RECORD_DEATH:
        if (oracle->keep && oracle->keep[event->a] & PLAN_KEPT)
            oracle_claim(oracle, value, false);
        oracle_unkeep(oracle, object, PLAN_KEPT, at);
        oracle_unkeep(oracle, object, PLAN_WISHED, at);
        break;
    case SGC_RECORD_FINALIZED:
        oracle_unkeep(oracle, object, PLAN_WISHED, at);
        break;
    case SGC_RECORD_CLOSE:
        oracle->closed[plan_argument(event)] = true;
        for (uint32_t i = 0; i < oracle->n_made; i++)
            if (oracle_heap(oracle, &plan->objects[i]) == plan_argument(event))
                oracle_end(oracle, &plan->objects[i], at);
        break;
    }
}

/* ---- the two walks */

static int oracle_begin(struct oracle *oracle, struct plan *plan, bool deaths)
{
    *oracle = (struct oracle){.plan = plan, .deaths = deaths};
    oracle->handles = calloc((size_t)plan->n_handles + 1, sizeof(*oracle->handles));
    oracle->inside = calloc(plan->n_threads + 1u, sizeof(*oracle->inside));
    oracle->closed = calloc(plan->info->n_heaps + 1u, sizeof(*oracle->closed));
    if (plan->n_ephemerons) {
        oracle->ephemeron_of = calloc(plan->n_objects, sizeof(uint32_t));
        oracle->ephemeron_at = calloc(plan->n_objects, sizeof(uint32_t));
        oracle->ephemeron_next = calloc(plan->n_ephemerons, sizeof(uint32_t));
        oracle->no_memory = !oracle->ephemeron_of || !oracle->ephemeron_at || !oracle->ephemeron_next;
    }
    if (!oracle->handles || !oracle->inside || !oracle->closed || oracle->no_memory)
        return -ENOMEM;
    for (uint32_t i = 0; i < plan->n_ephemerons; i++) {
        const struct plan_ephemeron *ephemeron = &plan->ephemerons[i];
        oracle->ephemeron_at[ephemeron->object] = i + 1;
        if (!plan_is_object(ephemeron->key))
            continue;
        oracle->ephemeron_next[i] = oracle->ephemeron_of[ephemeron->key - TRACE_OBJECT];
        oracle->ephemeron_of[ephemeron->key - TRACE_OBJECT] = i + 1;
    }
    return 0;
}

static void oracle_fini(struct oracle *oracle)
{
    struct plan *plan = oracle->plan;
    for (uint32_t i = 0; i < plan->n_objects; i++) {
        free(plan->objects[i].fields);
        plan->objects[i].fields = NULL;
        plan->objects[i].holds = 0;
        plan->objects[i].flags &= PLAN_KEPT | PLAN_WISHED;
    }
    free(oracle->stack.entries);
    free(oracle->handles);
    free(oracle->inside);
    free(oracle->closed);
    free(oracle->ephemeron_of);
    free(oracle->ephemeron_at);
    free(oracle->ephemeron_next);
}

/* Objects that an event names behind their death; they were named in a section that began before. */
static void oracle_keep(struct plan *plan)
{
    for (uint32_t at = 0; at < plan->n_events; at++) {
        const struct plan_event *event = &plan->events[at];
        const uint8_t op = plan_op(event);
        uint32_t named[2] = {0, 0};
        if (op == SGC_RECORD_HOLD || op == SGC_RECORD_DROP)
            named[0] = event->a + TRACE_OBJECT;
        else if (op == SGC_RECORD_STORE || op == SGC_RECORD_EXCHANGE)
            named[0] = event->a + TRACE_OBJECT, named[1] = event->b;
        else if (op == SGC_RECORD_WEAK_NEW)
            named[0] = event->b + TRACE_OBJECT;
        else if (op == SGC_RECORD_EPHEMERON)
            named[0] = event->b, named[1] = event[1].a;
        for (unsigned i = 0; i < 2; i++) {
            struct plan_object *object = plan_is_object(named[i]) ? &plan->objects[named[i] - TRACE_OBJECT] : NULL;
            if (object && object->death < at && !(object->flags & PLAN_KEPT) &&
                (object->cache == PLAN_EPHEMERON || !plan->caches[object->cache].manual)) {
                object->flags |= PLAN_KEPT;
            }
        }
    }
}

int plan_check(struct plan *plan)
{
    struct oracle oracle;
    uint8_t *wished = malloc((size_t)plan->n_objects + 1); /* flags as they were: the walk uses them up */
    uint32_t *claims = calloc((size_t)plan->n_objects + 1, sizeof(*claims));
    if (!wished || !claims || oracle_begin(&oracle, plan, true)) {
        free(wished);
        free(claims);
        return -ENOMEM;
    }
    oracle.claims = claims;
    oracle.keep = wished;
    for (uint32_t i = 0; i < plan->n_objects; i++)
        wished[i] = plan->objects[i].flags;
    uint32_t at = 0;
    for (uint32_t run = 0; run < plan->n_runs; run++) {
        for (const uint32_t end = at + plan->runs[run].n; at < end; at++) {
            struct plan_event *event = &plan->events[at];
            if (oracle_allows(&oracle, event, plan->runs[run].thread)) {
                oracle_apply(&oracle, event, at, plan->runs[run].thread);
                continue;
            }
            plan->first_late = plan->n_late++ ? plan->first_late : at;
            if (plan_op(event) == SGC_RECORD_EXCHANGE || plan_op(event) == SGC_RECORD_EPHEMERON)
                event[1].head = PLAN_NOTHING;
            if (trace_op_makes(plan_op(event))) {
                oracle.n_made = event->a + 1;
                plan->objects[event->a].flags |= PLAN_ENDED;
            }
            event->head = PLAN_NOTHING;
        }
        if (!oracle.n_inside && oracle.n_fields - oracle.n_settled_fields > SETTLE_FIELDS)
            oracle_settle(&oracle, false);
    }
    oracle_settle(&oracle, true);
    const int code = oracle.no_memory ? -ENOMEM : 0;
    oracle_fini(&oracle);
    for (uint32_t i = 0; i < plan->n_objects; i++)
        plan->objects[i].flags = wished[i];
    free(wished);
    free(claims);
    oracle_keep(plan);
    for (uint32_t i = 0; i < plan->n_objects; i++)
        plan->n_kept += plan->objects[i].flags & PLAN_KEPT;
    return code;
}

static struct plan_live oracle_live(struct oracle *oracle)
{
    struct plan_live live = {0, 0};
    oracle_mark(oracle, false);
    for (uint32_t i = 0; i < oracle->n_made; i++) {
        if (!(oracle->plan->objects[i].flags & PLAN_MARK))
            continue;
        live.n++;
        live.digest += plan_digest(i);
    }
    return live;
}

int plan_lives(struct plan *plan)
{
    struct oracle oracle;
    uint8_t *flags = malloc((size_t)plan->n_objects + 1);
    uint32_t at = 0, point = 0;
    if (!flags || oracle_begin(&oracle, plan, false)) {
        free(flags);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < plan->n_objects; i++)
        flags[i] = plan->objects[i].flags;
    for (uint32_t run = 0; run < plan->n_runs; run++) {
        for (const uint32_t end = at + plan->runs[run].n; at < end; at++) {
            oracle_apply(&oracle, &plan->events[at], at, plan->runs[run].thread);
            for (; point < plan->n_points && plan->points[point].at == at; point++)
                plan->points[point].live = oracle_live(&oracle);
        }
    }
    for (uint32_t i = 0; i < plan->n_objects; i++) {
        oracle_unkeep(&oracle, &plan->objects[i], PLAN_KEPT, at);
        oracle_unkeep(&oracle, &plan->objects[i], PLAN_WISHED, at);
    }
    plan->end = oracle_live(&oracle);
    const int code = oracle.no_memory ? -ENOMEM : 0;
    oracle_fini(&oracle);
    for (uint32_t i = 0; i < plan->n_objects; i++)
        plan->objects[i].flags = flags[i];
    free(flags);
    return code;
}
