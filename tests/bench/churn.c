/* churn.c - fixed-size objects that come and go, by one thread: pairs, LIFO, FIFO, random, waves.
 * Called through the table in workloads.c. What chooses the next object is prepared before the clock starts, so that
 * choosing costs a sequential read. Each object's first word is its serial number: the sum over all that were freed is
 * known, and the sum after a fixed number of operations is the run's checksum, equal for all backends. */
#include "tests/bench/churn.h"
#include "tests/bench/graph.h"

#include <string.h>

#define LIFO_DEPTH 16
#define MAX_STEP 64 /* of the stack that grows and shrinks */
#define LEAST_ORDER 4096
#define LEAST_WARM_UP 4096 /* operations before the clock starts; more when more objects stay alive */

BENCH_INLINE void pair(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct churn *churn = arg;
    const struct objects objects = churn->objects;
    uint64_t serial = churn->serial, sum = churn->sum;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t *object = object_make(&objects, serial++, kind);
        bench_use(object);
        sum += object_end(&objects, object, kind);
    }
    churn->serial = serial;
    churn->sum = sum;
}
BENCH_BODIES(pair);

BENCH_INLINE void lifo16(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct churn *churn = arg;
    const struct objects objects = churn->objects;
    uint64_t serial = churn->serial, sum = churn->sum;
    for (uint64_t i = 0; i < n; i += LIFO_DEPTH) {
        uint64_t *stack[LIFO_DEPTH];
        for (unsigned k = 0; k < LIFO_DEPTH; k++)
            stack[k] = object_make(&objects, serial++, kind);
        for (unsigned k = LIFO_DEPTH; k-- > 0;)
            sum += object_end(&objects, stack[k], kind);
    }
    churn->serial = serial;
    churn->sum = sum;
}
BENCH_BODIES(lifo16);

/* n allocations; the stack stays as deep as it is when the last one is done. */
BENCH_INLINE void lifo(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct churn *churn = arg;
    const struct objects objects = churn->objects;
    const uint64_t last = churn->serial + n;
    uint64_t **slots = churn->slots, serial = churn->serial, sum = churn->sum;
    size_t depth = churn->at, next = churn->next;
    while (serial < last) {
        const size_t goal = churn->live + churn->order[next++ & churn->order_mask];
        while (depth > goal)
            sum += object_end(&objects, slots[--depth], kind);
        for (; depth < goal && serial < last; depth++)
            slots[depth] = object_make(&objects, serial++, kind);
    }
    churn->at = depth;
    churn->next = next;
    churn->serial = serial;
    churn->sum = sum;
}
BENCH_BODIES(lifo);

BENCH_INLINE void fifo(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct churn *churn = arg;
    const struct objects objects = churn->objects;
    const size_t live = churn->live;
    uint64_t **slots = churn->slots, serial = churn->serial, sum = churn->sum;
    size_t at = churn->at;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t *fresh = object_make(&objects, serial++, kind);
        sum += object_end(&objects, slots[at], kind);
        slots[at++] = fresh;
        at = at == live ? 0 : at;
    }
    churn->at = at;
    churn->serial = serial;
    churn->sum = sum;
}
BENCH_BODIES(fifo);

BENCH_INLINE void replace(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct churn *churn = arg;
    const struct objects objects = churn->objects;
    const uint32_t *order = churn->order;
    const size_t mask = churn->order_mask;
    uint64_t **slots = churn->slots, serial = churn->serial, sum = churn->sum;
    size_t next = churn->next;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t **place = &slots[order[next++ & mask]];
        uint64_t *fresh = object_make(&objects, serial++, kind);
        sum += object_end(&objects, *place, kind);
        *place = fresh;
    }
    churn->next = next;
    churn->serial = serial;
    churn->sum = sum;
}
BENCH_BODIES(replace);

/* n is a multiple of live. */
BENCH_INLINE void wave(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct churn *churn = arg;
    const struct objects objects = churn->objects;
    const uint32_t *order = churn->order;
    const size_t live = churn->live;
    uint64_t **slots = churn->slots, serial = churn->serial, sum = churn->sum;
    for (uint64_t i = 0; i < n; i += live) {
        for (size_t k = 0; k < live; k++)
            slots[k] = object_make(&objects, serial++, kind);
        for (size_t k = 0; k < live; k++)
            sum += object_end(&objects, slots[order[k]], kind);
    }
    churn->serial = serial;
    churn->sum = sum;
}
BENCH_BODIES(wave);

bench_body *bench_churn_random_body(enum bench_kind kind)
{
    return replace_bodies[kind];
}

BENCH_INLINE void fill(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct churn *churn = arg;
    for (uint64_t i = 0; i < n; i++)
        churn->slots[i] = object_make(&churn->objects, churn->serial++, kind);
}
BENCH_BODIES(fill);

BENCH_INLINE void empty(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct churn *churn = arg;
    for (uint64_t i = 0; i < n; i++)
        churn->sum += object_end(&churn->objects, churn->slots[i], kind);
}
BENCH_BODIES(empty);

void bench_churn_fill(struct churn *churn, const struct objects *objects, size_t live, const uint32_t *order,
                      size_t order_mask, enum bench_kind kind)
{
    *churn = (struct churn){.objects = *objects,
                            .live = live,
                            .slots = bench_map((live + 1) * sizeof(*churn->slots)),
                            .order = order,
                            .order_mask = order_mask};
    fill_bodies[kind](churn, live);
}

void bench_churn_empty(struct churn *churn, size_t n, enum bench_kind kind)
{
    empty_bodies[kind](churn, n);
}

const uint32_t *bench_random_places(size_t least, size_t limit, size_t *mask)
{
    uint64_t random = 20260101;
    size_t n = 1;
    while (n < least || n < LEAST_ORDER)
        n *= 2;
    uint32_t *places = bench_map(n * sizeof(*places));
    for (size_t i = 0; i < n; i++)
        places[i] = (uint32_t)(bench_random(&random) % limit);
    *mask = n - 1;
    return places;
}

/* A random walk between 0 and limit, reflected at both: how deep the stack is to be after each batch. */
static const uint32_t *random_depths(size_t limit, size_t *mask)
{
    const int64_t most = limit < 4 * MAX_STEP ? (int64_t)(limit + 3) / 4 : MAX_STEP;
    uint32_t *depths = bench_map(LEAST_ORDER * sizeof(*depths));
    uint64_t random = 20260101;
    int64_t depth = 0;
    for (size_t i = 0; i < LEAST_ORDER; i++) {
        depth += (int64_t)(bench_random(&random) % (uint64_t)(2 * most + 1)) - most;
        depth = depth < 0 ? -depth : depth;
        depth = depth > (int64_t)limit ? 2 * (int64_t)limit - depth : depth;
        depths[i] = (uint32_t)depth;
    }
    *mask = LEAST_ORDER - 1;
    return depths;
}

static const uint32_t *wave_order(size_t live, bool shuffled)
{
    uint64_t random = 20260101;
    uint32_t *order = bench_map(live * sizeof(*order));
    if (shuffled) {
        graph_shuffle(order, (uint32_t)live, &random);
        return order;
    }
    for (size_t i = 0; i < live; i++)
        order[i] = (uint32_t)i;
    return order;
}

/* Allocates what the workload keeps alive; returns the body. */
static bench_body *prepare(struct churn *churn, size_t live, enum churn_order order, enum bench_kind kind)
{
    const size_t n_slots = order == CHURN_LIFO ? 2 * live : live;
    churn->live = live;
    churn->slots = bench_map((n_slots + 1) * sizeof(*churn->slots));
    switch (order) {
    case CHURN_PAIR:
        return pair_bodies[kind];
    case CHURN_LIFO16:
        return lifo16_bodies[kind];
    case CHURN_LIFO:
        churn->order = random_depths(live, &churn->order_mask);
        churn->at = live;
        fill_bodies[kind](churn, live);
        return lifo_bodies[kind];
    case CHURN_FIFO:
        fill_bodies[kind](churn, live);
        return fifo_bodies[kind];
    case CHURN_RANDOM:
        churn->order = bench_random_places(live, live, &churn->order_mask);
        fill_bodies[kind](churn, live);
        return replace_bodies[kind];
    default:
        churn->order = wave_order(live, order == CHURN_WAVE_SHUFFLED);
        return wave_bodies[kind];
    }
}

/* Frees what is alive and checks that every object that was ever allocated came back with its word. */
static void finish(struct bench_run *run, struct churn *churn, enum churn_order order)
{
    const bool none_live = order == CHURN_PAIR || order == CHURN_LIFO16 || order >= CHURN_WAVE;
    bench_churn_empty(churn, order == CHURN_LIFO ? churn->at : none_live ? 0 : churn->live, run->backend->kind);
    if (churn->sum != bench_serial_sum(churn->serial))
        bench_fail(run, "objects lost their first word");
}

void bench_churn(struct bench_run *run)
{
    const enum churn_order order = (enum churn_order)run->workload->variant;
    const size_t live = bench_live(run), bytes = run->workload->size_bytes;
    const uint64_t granule = order >= CHURN_WAVE ? live : BENCH_SECTION_OPS;
    struct bench_heap heap = {0};
    struct churn churn = {0};
    if (!bench_needs_bytes(run, (uint64_t)live * (bytes + 16) * 2) ||
        !bench_objects_open(run, &heap, &churn.objects, bytes, NULL))
        return;
    bench_body *body = prepare(&churn, live, order, run->backend->kind);
    const uint64_t warm_up = live > LEAST_WARM_UP ? live : LEAST_WARM_UP;
    body(&churn, (warm_up + granule - 1) / granule * granule);
    run->checksum = churn.sum;
    bench_loop_by(run, granule, body, &churn);
    finish(run, &churn, order);
    bench_objects_close(run, &heap);
}
