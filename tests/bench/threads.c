/* threads.c - objects that one thread allocates and another frees; threads that end and leave objects behind.
 * Called through the table in workloads.c. A figure of two threads depends on how far apart the two CPUs are at that
 * moment: line_ns, the time of a cache line to the other thread and back, stands beside it. */
#include "tests/bench/objects.h"
#include "tests/bench/ring.h"
#include "tests/bench/task.h"

#define SYMMETRIC_AHEAD 8  /* batches that a thread sends before it waits for one, so that neither waits for each */
#define SPAWN_OBJECTS 1000 /* that a thread of workload thread-churn allocates */
#define SPAWN_KEPT_EACH 10 /* every tenth survives its thread */
#define SPAWN_KEPT (SPAWN_OBJECTS / SPAWN_KEPT_EACH)
#define SPAWN_GENERATIONS 32 /* survivors of so many threads are alive */

/* A thread that allocates into one ring, or frees what comes out of one, or both. */
struct party {
    _Alignas(64) struct objects objects;
    struct ring *out, *in;
    uint64_t ahead; /* batches sent before the first is taken */
    uint64_t serial, sum;
};

BENCH_INLINE void party_send(struct party *party, const struct objects *objects, const enum bench_kind kind)
{
    uint64_t **slots = ring_room(party->out), serial = party->serial;
    for (unsigned i = 0; i < RING_BATCH; i++)
        slots[i] = object_make(objects, serial++, kind);
    party->serial = serial;
    ring_send(party->out);
}

BENCH_INLINE void party_take(struct party *party, const struct objects *objects, const enum bench_kind kind)
{
    uint64_t **slots = ring_batch(party->in), sum = party->sum;
    for (unsigned i = 0; i < RING_BATCH; i++)
        sum += object_end(objects, slots[i], kind);
    party->sum = sum;
    ring_taken(party->in);
}

BENCH_INLINE void play(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct party *party = arg;
    const struct objects objects = party->objects;
    const uint64_t n_batches = n / RING_BATCH;
    for (uint64_t i = 0; i < n_batches + party->ahead; i++) {
        if (party->out && i < n_batches)
            party_send(party, &objects, kind);
        if (party->in && i >= party->ahead)
            party_take(party, &objects, kind);
    }
}
BENCH_BODIES(play);

struct parties {
    struct party party[2];
    bench_body *body;
};

static void parties_body(void *arg, uint64_t n)
{
    struct parties *parties = arg;
    struct task tasks[2];
    for (unsigned i = 0; i < 2; i++)
        bench_task_start(&tasks[i], parties->body, &parties->party[i], n);
    for (unsigned i = 0; i < 2; i++)
        bench_task_join(&tasks[i]);
}

/* A fixed number of operations first: they warm up, and what they add up to is the same for all backends. */
static void run_parties(struct bench_run *run, struct parties *parties)
{
    struct party *first = &parties->party[0], *second = &parties->party[1];
    parties->body = play_bodies[run->backend->kind];
    parties_body(parties, 16 * RING_SLOTS);
    run->checksum = first->sum + second->sum;
    bench_figure_add(run, "line_ns", bench_line_ns());
    bench_loop_by(run, BENCH_SECTION_OPS, parties_body, parties);
    if (first->sum + second->sum != bench_serial_sum(first->serial) + bench_serial_sum(second->serial))
        bench_fail(run, "objects lost their first word");
}

static void between_two(struct bench_run *run, bool symmetric)
{
    struct bench_heap heap = {0};
    struct parties *parties = bench_map(sizeof(*parties));
    struct ring *rings = bench_map(2 * sizeof(*rings));
    struct party *first = &parties->party[0], *second = &parties->party[1];
    bench_live(run);
    bench_parameter_add(run, "threads", "2");
    bench_parameter_add(run, "batch", "%d", RING_BATCH);
    bench_parameter_add(run, "queue", "%d", RING_SLOTS);
    if (!bench_objects_open(run, &heap, &first->objects, run->workload->size_bytes, NULL))
        return;
    second->objects = first->objects;
    first->out = second->in = &rings[0];
    if (symmetric) {
        second->out = first->in = &rings[1];
        first->ahead = second->ahead = SYMMETRIC_AHEAD;
    }
    run_parties(run, parties);
    bench_objects_close(run, &heap);
}

void bench_producer_consumer(struct bench_run *run)
{
    between_two(run, false);
}

void bench_symmetric(struct bench_run *run)
{
    between_two(run, true);
}

/* Survivors of the last threads, oldest first from `at` on. */
struct spawn {
    struct objects objects;
    bench_body *thread, *end; /* a thread's work, and the end of n survivors */
    uint64_t **kept;          /* SPAWN_GENERATIONS * SPAWN_KEPT */
    size_t at;
    uint64_t **own; /* SPAWN_OBJECTS places of the thread that runs */
    uint64_t serial, sum;
};

/* A thread's life: the survivors go where those of the oldest thread were. */
BENCH_INLINE void live_and_die(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct spawn *spawn = arg;
    const struct objects objects = spawn->objects;
    uint64_t **kept = spawn->kept + spawn->at;
    for (uint64_t i = 0; i < n; i++)
        spawn->own[i] = object_make(&objects, spawn->serial++, kind);
    for (uint64_t i = 0; i < n; i++) {
        if (i % SPAWN_KEPT_EACH == 0)
            *kept++ = spawn->own[i];
        else
            spawn->sum += object_end(&objects, spawn->own[i], kind);
    }
}
BENCH_BODIES(live_and_die);

BENCH_INLINE void end_kept(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct spawn *spawn = arg;
    uint64_t **kept = spawn->kept + spawn->at;
    for (uint64_t i = 0; i < n; i++) {
        if (kept[i])
            spawn->sum += object_end(&spawn->objects, kept[i], kind);
        kept[i] = NULL;
    }
}
BENCH_BODIES(end_kept);

static void spawn_body(void *arg, uint64_t n)
{
    struct spawn *spawn = arg;
    for (uint64_t i = 0; i < n; i += SPAWN_OBJECTS) {
        struct task task;
        spawn->end(spawn, SPAWN_KEPT);
        bench_task_start(&task, spawn->thread, spawn, SPAWN_OBJECTS);
        bench_task_join(&task);
        spawn->at = (spawn->at + SPAWN_KEPT) % (SPAWN_GENERATIONS * SPAWN_KEPT);
    }
}

void bench_thread_churn(struct bench_run *run)
{
    struct bench_heap heap = {0};
    struct spawn spawn = {.thread = live_and_die_bodies[run->backend->kind],
                          .end = end_kept_bodies[run->backend->kind],
                          .kept = bench_map(SPAWN_GENERATIONS * SPAWN_KEPT * sizeof(*spawn.kept)),
                          .own = bench_map(SPAWN_OBJECTS * sizeof(*spawn.own))};
    bench_live(run);
    bench_parameter_add(run, "objects", "%d", SPAWN_OBJECTS);
    bench_parameter_add(run, "survivors", "%d", SPAWN_KEPT);
    bench_parameter_add(run, "generations", "%d", SPAWN_GENERATIONS);
    if (!bench_objects_open(run, &heap, &spawn.objects, run->workload->size_bytes, NULL))
        return;
    spawn_body(&spawn, 2 * SPAWN_GENERATIONS * SPAWN_OBJECTS);
    run->checksum = spawn.sum;
    bench_figure_add(run, "thread_ns", bench_task_ns() / SPAWN_OBJECTS); /* of the value: the thread itself */
    bench_loop_by(run, SPAWN_OBJECTS, spawn_body, &spawn);
    spawn.at = 0;
    spawn.end(&spawn, SPAWN_GENERATIONS * SPAWN_KEPT);
    if (spawn.sum != bench_serial_sum(spawn.serial))
        bench_fail(run, "objects lost their first word");
    bench_objects_close(run, &heap);
}
