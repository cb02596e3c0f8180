/* phase.c - a program that grows, frees nine tenths of its objects at random, and goes on with the rest: how much
 * memory stays resident. Called through the table in workloads.c. Resident memory is noted at the peak, right after the
 * frees, after a time in which the program does a little now and then, and after every survivor was replaced once on
 * average. Beside it stands what is live, and the pages that the survivors lie on: no allocator that leaves objects
 * where they are can be below that. */
#include "tests/bench/objects.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define N_SIZES 4
#define FREED_PCT 90
#define PAGE_SHIFT 12
#define IDLE_STEP_MS 10 /* between two bursts of the waiting program */
#define IDLE_STEP_OBJECTS 100

static const unsigned mixed_sizes[N_SIZES] = {16, 64, 256, 1024};

/* An object's first word is its serial number, and below it in two bits the index of its size. */
struct phase {
    struct bench_heap heap;
    struct objects objects[N_SIZES];
    unsigned n_sizes;
    uint64_t **slots; /* the first n_live hold objects once the program goes on */
    size_t n, n_live;
    uint64_t live_bytes;
    uint64_t serial, sum, random;
};

BENCH_INLINE uint64_t *make_one(struct phase *phase, unsigned size, const enum bench_kind kind)
{
    return object_make(&phase->objects[size], phase->serial++ << 2 | size, kind);
}

BENCH_INLINE unsigned end_one(struct phase *phase, uint64_t *object, const enum bench_kind kind)
{
    const uint64_t word = *object;
    const unsigned size = word & 3;
    phase->sum += word >> 2;
    object_free(&phase->objects[size], object, kind);
    return size;
}

BENCH_INLINE void grow(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct phase *phase = arg;
    for (uint64_t i = 0; i < n; i++) {
        const unsigned size = (unsigned)(i % phase->n_sizes);
        phase->slots[i] = make_one(phase, size, kind);
        phase->live_bytes += phase->objects[size].bytes;
    }
}
BENCH_BODIES(grow);

/* A permutation of the numbers below 1 << bits; each step can be undone. */
static uint64_t permute(uint64_t i, unsigned bits)
{
    const uint64_t mask = (UINT64_C(1) << bits) - 1;
    for (unsigned round = 0; round < 3; round++) {
        i = (i * UINT64_C(0x9E3779B97F4A7C15) + round) & mask;
        i ^= i >> (bits / 2 + 1);
    }
    return i;
}

/* Frees n objects at places in random order. */
BENCH_INLINE void thin(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct phase *phase = arg;
    unsigned bits = 1;
    while (UINT64_C(1) << bits < phase->n)
        bits++;
    for (uint64_t i = 0; n > 0; i++) {
        const uint64_t place = permute(i, bits);
        if (place >= phase->n)
            continue;
        phase->live_bytes -= phase->objects[end_one(phase, phase->slots[place], kind)].bytes;
        phase->slots[place] = NULL;
        n--;
    }
}
BENCH_BODIES(thin);

/* Replaces n random ones by new ones of the same size. */
BENCH_INLINE void replace(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct phase *phase = arg;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t **place = &phase->slots[(bench_random(&phase->random) >> 32) * phase->n_live >> 32];
        uint64_t *old = *place;
        *place = make_one(phase, *old & 3, kind);
        end_one(phase, old, kind);
    }
}
BENCH_BODIES(replace);

BENCH_INLINE void empty(void *arg, uint64_t n, const enum bench_kind kind)
{
    struct phase *phase = arg;
    for (uint64_t i = 0; i < n; i++)
        end_one(phase, phase->slots[i], kind);
}
BENCH_BODIES(empty);

static void compact(struct phase *phase)
{
    for (size_t i = 0; i < phase->n; i++) {
        if (phase->slots[i])
            phase->slots[phase->n_live++] = phase->slots[i];
    }
}

static void idle(struct phase *phase, unsigned ms, bench_body *replace_body)
{
    const struct timespec step = {.tv_nsec = IDLE_STEP_MS * 1000000};
    for (const uint64_t began_ns = bench_now_ns(); bench_now_ns() - began_ns < ms * UINT64_C(1000000);) {
        nanosleep(&step, NULL);
        replace_body(phase, IDLE_STEP_OBJECTS);
    }
}

/* Adds a page to a set, an open hash table of page numbers (0: free). Returns 1 when it is new. */
static size_t add_page(uint64_t *set, size_t mask, uint64_t page)
{
    size_t at = page * UINT64_C(0x9E3779B97F4A7C15) >> 20 & mask;
    while (set[at] != 0 && set[at] != page)
        at = (at + 1) & mask;
    const size_t is_new = set[at] == 0;
    set[at] = page;
    return is_new;
}

/* Bytes of the pages that hold live objects. The set is gone afterwards. */
static uint64_t page_bytes(const struct phase *phase)
{
    size_t n_set = 4096, n_pages = 0;
    while (n_set < 4 * phase->n_live)
        n_set *= 2;
    uint64_t *set = mmap(NULL, n_set * sizeof(*set), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (set == MAP_FAILED)
        bench_die("no memory for a set of %zu pages", n_set);
    for (size_t i = 0; i < phase->n_live; i++) {
        const uintptr_t first = (uintptr_t)phase->slots[i];
        const uintptr_t last = first + phase->objects[*phase->slots[i] & 3].bytes - 1;
        for (uintptr_t page = first >> PAGE_SHIFT; page <= last >> PAGE_SHIFT; page++)
            n_pages += add_page(set, n_set - 1, page);
    }
    munmap(set, n_set * sizeof(*set));
    return (uint64_t)n_pages << PAGE_SHIFT;
}

static void add_mib(struct bench_run *run, const char *name, uint64_t bytes)
{
    bench_figure_add(run, name, (double)bytes / (1 << 20));
}

static void timed(struct bench_timer *timer, bench_body *body, struct phase *phase, size_t n)
{
    bench_timer_start(timer);
    body(phase, n);
    bench_timer_stop(timer);
}

static void play(struct bench_run *run, struct phase *phase)
{
    const enum bench_kind kind = run->backend->kind;
    struct bench_timer timer = {0};
    add_mib(run, "base_mib", bench_resident_bytes());
    timed(&timer, grow_bodies[kind], phase, phase->n);
    add_mib(run, "peak_mib", bench_resident_bytes());
    timed(&timer, thin_bodies[kind], phase, phase->n / 100 * FREED_PCT);
    add_mib(run, "freed_mib", bench_resident_bytes());
    run->checksum = phase->sum;
    compact(phase);
    idle(phase, run->params.phase_idle_ms, replace_bodies[kind]);
    add_mib(run, "decayed_mib", bench_resident_bytes());
    run->rss_bytes = bench_peak_bytes(); /* counting pages takes memory */
    add_mib(run, "live_mib", phase->live_bytes);
    add_mib(run, "pages_mib", page_bytes(phase));
    timed(&timer, replace_bodies[kind], phase, phase->n_live);
    add_mib(run, "after_mib", bench_resident_bytes());
    bench_finish(run, &timer, 0);
    empty_bodies[kind](phase, phase->n_live);
    if (phase->sum != bench_serial_sum(phase->serial))
        bench_fail(run, "objects lost their first word");
}

void bench_phase(struct bench_run *run)
{
    const unsigned bytes = run->workload->size_bytes;
    struct phase phase = {.n_sizes = bytes ? 1 : N_SIZES, .random = 20260101};
    uint64_t sum_bytes = 0;
    for (unsigned i = 0; i < phase.n_sizes; i++)
        sum_bytes += bytes ? bytes : mixed_sizes[i];
    phase.n = run->params.phase_bytes / sum_bytes * phase.n_sizes;
    bench_live(run);
    if (!bytes)
        bench_parameter_add(run, "bytes", "%u,%u,%u,%u", mixed_sizes[0], mixed_sizes[1], mixed_sizes[2],
                            mixed_sizes[3]);
    bench_parameter_add(run, "objects", "%zu", phase.n);
    bench_parameter_add(run, "grow-to-mib", "%llu", (unsigned long long)run->params.phase_bytes >> 20);
    bench_parameter_add(run, "freed-pct", "%d", FREED_PCT);
    bench_parameter_add(run, "idle-ms", "%u", run->params.phase_idle_ms);
    if (!bench_needs_bytes(run, run->params.phase_bytes + phase.n * sizeof(*phase.slots)))
        return;
    for (unsigned i = 0; i < phase.n_sizes; i++) {
        if (!bench_objects_open(run, &phase.heap, &phase.objects[i], bytes ? bytes : mixed_sizes[i], NULL))
            return;
    }
    phase.slots = bench_map(phase.n * sizeof(*phase.slots));
    play(run, &phase);
    bench_objects_close(run, &phase.heap);
}
