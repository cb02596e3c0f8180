/* micro.c - single operations in calibrated loops, by one thread. Called through the table in workloads.c.
 * The thread is the only one that is attached, so counting strategies count without atomic instructions. */
#include "tests/bench/bodies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N_OWNERS 65536

struct node {
    struct node *left, *right;
    long value;
};
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, left, right));
static const struct sgc_type leaf_type = {.name = "leaf", .size_bytes = sizeof(struct node)}; /* for strategy none */

/* What the bodies work on: all held by this thread. */
struct micro {
    struct bench_heap heap;
    struct node *owner, *values[2];
    struct sgc_weak *weak;
};

static bool micro_open(struct bench_run *run, struct micro *micro, const struct sgc_type *type, uint32_t needs)
{
    memset(micro, 0, sizeof(*micro));
    if (!bench_heap_open(run, &micro->heap, type, needs))
        return false;
    micro->owner = sgc_new(micro->heap.cache);
    micro->values[0] = sgc_new(micro->heap.cache);
    micro->values[1] = sgc_new(micro->heap.cache);
    if (micro->owner && micro->values[0] && micro->values[1])
        return true;
    bench_fail(run, "no memory for three objects");
    return false;
}

static void micro_close(struct bench_run *run, struct micro *micro)
{
    sgc_drop(micro->owner);
    sgc_drop(micro->values[0]);
    sgc_drop(micro->values[1]);
    bench_heap_close(run, &micro->heap);
}

static void malloc_body(void *unused, uint64_t n)
{
    (void)unused;
    for (uint64_t i = 0; i < n; i++) {
        void *object = malloc(sizeof(struct node));
        bench_use(object);
        free(object);
    }
}

static void new_drop_rest_body(void *arg, uint64_t n)
{
    struct sgc_cache *cache = ((struct micro *)arg)->heap.cache;
    for (uint64_t i = 0; i < n; i++) {
        void *object = sgc_new(cache);
        bench_use(object);
        sgc_drop(object);
    }
}

static void new_drop_section_body(void *arg, uint64_t n)
{
    for (uint64_t i = 0; i < n; i += BENCH_SECTION_OPS) {
        sgc_enter();
        new_drop_rest_body(arg, BENCH_SECTION_OPS);
        sgc_leave();
    }
}

static void new_drop(struct bench_run *run, void (*body)(void *arg, uint64_t n))
{
    struct micro micro;
    bench_parameter_add(run, "bytes", "%zu", sizeof(struct node));
    const bool bare = run->backend->strategy && strcmp(run->backend->strategy, "none") == 0;
    if (run->backend->kind == BENCH_MALLOC) {
        bench_loop(run, malloc_body, NULL);
    } else if (micro_open(run, &micro, bare ? &leaf_type : &node_type, bare ? 0 : SGC_NEED_REFERENCES)) {
        bench_loop(run, body, &micro);
        micro_close(run, &micro);
    }
}

void bench_new_drop_rest(struct bench_run *run)
{
    new_drop(run, new_drop_rest_body);
}

void bench_new_drop_section(struct bench_run *run)
{
    new_drop(run, new_drop_section_body);
}

static void hold_drop_body(void *arg, uint64_t n)
{
    struct node *object = ((struct micro *)arg)->owner;
    for (uint64_t i = 0; i < n; i++) {
        sgc_hold(object);
        sgc_drop(object);
    }
}

/* Two values in turn, so that each store changes the field. */
static void store_rest_body(void *arg, uint64_t n)
{
    const struct micro *micro = arg;
    struct node *owner = micro->owner;
    for (uint64_t i = 0; i < n; i++) {
        sgc_set(owner, left, micro->values[i & 1]);
        bench_use(owner);
    }
}

static void store_section_body(void *arg, uint64_t n)
{
    for (uint64_t i = 0; i < n; i += BENCH_SECTION_OPS) {
        sgc_enter();
        store_rest_body(arg, BENCH_SECTION_OPS);
        sgc_leave();
    }
}

static void enter_leave_body(void *unused, uint64_t n)
{
    (void)unused;
    for (uint64_t i = 0; i < n; i++) {
        sgc_enter();
        bench_use(NULL);
        sgc_leave();
    }
}

static void weak_get_body(void *arg, uint64_t n)
{
    struct sgc_weak *weak = ((struct micro *)arg)->weak;
    for (uint64_t i = 0; i < n; i++)
        sgc_drop(sgc_weak_get(weak));
}

static void loop(struct bench_run *run, void (*body)(void *arg, uint64_t n), bool old, uint32_t needs)
{
    struct micro micro;
    bench_parameter_add(run, "bytes", "%zu", sizeof(struct node));
    if (!micro_open(run, &micro, &node_type, needs))
        return;
    if (old)
        sgc_heap_collect(micro.heap.heap, SGC_COLLECT_FULL);
    if (needs & SGC_NEED_WEAK)
        micro.weak = sgc_weak_create(micro.owner);
    if ((needs & SGC_NEED_WEAK) && !micro.weak)
        bench_fail(run, "no weak reference: %s", strerror(errno));
    else
        bench_loop(run, body, &micro);
    if (micro.weak)
        sgc_weak_destroy(micro.weak);
    micro_close(run, &micro);
}

void bench_hold_drop(struct bench_run *run)
{
    loop(run, hold_drop_body, false, SGC_NEED_REFERENCES);
}

void bench_store_young_rest(struct bench_run *run)
{
    loop(run, store_rest_body, false, SGC_NEED_REFERENCES);
}

void bench_store_young_section(struct bench_run *run)
{
    loop(run, store_section_body, false, SGC_NEED_REFERENCES);
}

void bench_store_old_rest(struct bench_run *run)
{
    loop(run, store_rest_body, true, SGC_NEED_REFERENCES);
}

void bench_store_old_section(struct bench_run *run)
{
    loop(run, store_section_body, true, SGC_NEED_REFERENCES);
}

void bench_enter_leave(struct bench_run *run)
{
    loop(run, enter_leave_body, false, SGC_NEED_REFERENCES);
}

void bench_weak_get(struct bench_run *run)
{
    loop(run, weak_get_body, false, SGC_NEED_REFERENCES | SGC_NEED_WEAK);
}

static void store_into_each(struct node *const *owners, struct node *value)
{
    for (size_t i = 0; i < N_OWNERS; i += BENCH_SECTION_OPS) {
        sgc_enter();
        for (size_t k = i; k < i + BENCH_SECTION_OPS; k++)
            sgc_set(owners[k], left, value);
        sgc_leave();
    }
}

/* The clock stands still while collections make the owners old again. */
void bench_store_old_first(struct bench_run *run)
{
    static struct node *owners[N_OWNERS];
    struct micro micro;
    bench_parameter_add(run, "objects", "%d", N_OWNERS);
    if (!micro_open(run, &micro, &node_type, SGC_NEED_REFERENCES))
        return;
    for (size_t i = 0; i < N_OWNERS; i++) {
        owners[i] = sgc_new(micro.heap.cache);
        if (!owners[i]) {
            bench_fail(run, "no memory for %d objects", N_OWNERS);
            return;
        }
    }
    struct bench_timer timer = {0};
    uint64_t n = 0;
    for (unsigned round = 0; timer.wall_ns < bench_loop_ms(run) * UINT64_C(1000000); round++) {
        sgc_heap_collect(micro.heap.heap, SGC_COLLECT_FULL);
        bench_timer_start(&timer);
        store_into_each(owners, micro.values[round & 1]);
        bench_timer_stop(&timer);
        n += N_OWNERS;
    }
    bench_finish(run, &timer, n);
    for (size_t i = 0; i < N_OWNERS; i++)
        sgc_drop(owners[i]);
    micro_close(run, &micro);
}
