/* larson.c - a server's threads: each replaces random objects of its own array and, when its life is over, starts the
 * thread that inherits the array. So a thread frees what threads before it allocated. One size, or four sizes by place.
 * Called through the table in workloads.c. Source: Larson & Krishnan, ISMM 1998; sizes are fixed here, as caches are.
 */
#include "tests/bench/churn.h"
#include "tests/bench/task.h"

#include <semaphore.h>
#include <string.h>

#define LANES 2
#define LANE_LIVE 1000  /* objects of a lane */
#define MAX_LIFE 500000 /* replacements by one thread */
#define LEAST_LIVES 8   /* however short the loop */
#define N_SIZES 4
#define WARM_UP (LEAST_LIVES * 4096)

static const unsigned mixed_sizes[N_SIZES] = {16, 64, 256, 1024};

/* An array and the chain of threads that have it, one after the other. */
struct lane {
    _Alignas(64) struct objects objects[N_SIZES]; /* of place i: objects[i % N_SIZES] */
    uint64_t *slots[LANE_LIVE];
    const uint32_t *order;
    size_t order_mask, next;
    uint64_t serial, sum;
    bench_body *replace;
    uint64_t n_left, life; /* replacements, of the lane and of one thread */
    bool begun;            /* there is a thread before this one, to be joined */
    pthread_t last;
    sem_t done; /* the last thread has nothing to do any more */
};

struct larson {
    struct lane lanes[LANES];
};

BENCH_INLINE void replace(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct lane *lane = arg;
    const uint32_t *order = lane->order;
    const size_t mask = lane->order_mask;
    uint64_t serial = lane->serial, sum = lane->sum;
    size_t next = lane->next;
    for (uint64_t i = 0; i < n; i++) {
        const size_t place = order[next++ & mask];
        const struct objects *objects = &lane->objects[place % N_SIZES];
        uint64_t *fresh = object_make(objects, serial++, kind);
        sum += object_end(objects, lane->slots[place], kind);
        lane->slots[place] = fresh;
    }
    lane->next = next;
    lane->serial = serial;
    lane->sum = sum;
}
BENCH_BODIES(replace);

BENCH_INLINE void fill(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct lane *lane = arg;
    for (uint64_t i = 0; i < n; i++)
        lane->slots[i] = object_make(&lane->objects[i % N_SIZES], lane->serial++, kind);
}
BENCH_BODIES(fill);

BENCH_INLINE void empty(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct lane *lane = arg;
    for (uint64_t i = 0; i < n; i++)
        lane->sum += object_end(&lane->objects[i % N_SIZES], lane->slots[i], kind);
}
BENCH_BODIES(empty);

static void *live(void *arg)
{
    struct lane *lane = arg;
    const uint64_t n = lane->n_left < lane->life ? lane->n_left : lane->life;
    if (lane->begun)
        pthread_join(lane->last, NULL);
    lane->begun = true;
    lane->replace(lane, n);
    lane->n_left -= n;
    lane->last = pthread_self();
    if (lane->n_left == 0) {
        sem_post(&lane->done);
        return NULL;
    }
    pthread_t heir;
    const int error = pthread_create(&heir, NULL, live, lane);
    if (error)
        bench_die("no thread: %s", strerror(error));
    return NULL;
}

/* n replacements in each lane. */
static void larson_body(void *arg, uint64_t n)
{
    struct larson *larson = arg;
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *lane = &larson->lanes[i];
        pthread_t first;
        lane->n_left = n;
        lane->life = n / LEAST_LIVES < MAX_LIFE ? n / LEAST_LIVES : MAX_LIFE;
        lane->begun = false;
        const int error = pthread_create(&first, NULL, live, lane);
        if (error)
            bench_die("no thread: %s", strerror(error));
    }
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *lane = &larson->lanes[i];
        while (sem_wait(&lane->done) != 0)
            ;
        pthread_join(lane->last, NULL);
    }
}

/* False: the run failed. */
static bool prepare(struct bench_run *run, struct larson *larson, struct bench_heap *heap)
{
    struct objects objects[N_SIZES];
    size_t mask;
    const uint32_t *order = bench_random_places(16384, LANE_LIVE, &mask);
    const unsigned bytes = run->workload->size_bytes;
    const enum bench_kind kind = run->backend->kind;
    for (unsigned i = 0; i < N_SIZES; i++) {
        if (i > 0 && bytes)
            objects[i] = objects[0];
        else if (!bench_objects_open(run, heap, &objects[i], bytes ? bytes : mixed_sizes[i], NULL))
            return false;
    }
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *lane = &larson->lanes[i];
        memcpy(lane->objects, objects, sizeof(objects));
        lane->order = order;
        lane->order_mask = mask;
        lane->next = i * mask / LANES;
        lane->replace = replace_bodies[kind];
        sem_init(&lane->done, 0, 0);
        fill_bodies[kind](lane, LANE_LIVE);
    }
    return true;
}

void bench_larson(struct bench_run *run)
{
    struct bench_heap heap = {0};
    struct larson *larson = bench_map(sizeof(*larson));
    bench_live(run);
    if (!run->workload->size_bytes)
        bench_parameter_add(run, "bytes", "%u,%u,%u,%u", mixed_sizes[0], mixed_sizes[1], mixed_sizes[2],
                            mixed_sizes[3]);
    bench_parameter_add(run, "threads", "%d", LANES);
    bench_parameter_add(run, "live", "%dx%d", LANES, LANE_LIVE);
    bench_parameter_add(run, "life", "n/%d,at-most-%d", LEAST_LIVES, MAX_LIFE);
    if (!prepare(run, larson, &heap))
        return;
    larson_body(larson, WARM_UP);
    for (unsigned i = 0; i < LANES; i++)
        run->checksum = run->checksum * 31 + larson->lanes[i].sum;
    bench_figure_add(run, "line_ns", bench_line_ns());
    bench_loop_by(run, LEAST_LIVES * BENCH_SECTION_OPS, larson_body, larson);
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *lane = &larson->lanes[i];
        empty_bodies[run->backend->kind](lane, LANE_LIVE);
        if (lane->sum != bench_serial_sum(lane->serial))
            bench_fail(run, "objects lost their first word");
    }
    bench_objects_close(run, &heap);
}
