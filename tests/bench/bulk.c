/* bulk.c - many objects at once: the cache's bulk calls against a loop of malloc and one of free.
 * Called through the table in workloads.c. */
#include "tests/bench/objects.h"

#include <errno.h>
#include <string.h>

#define MAX_BULK 256
#define WARM_UP 64 /* times the bulk */

struct bulk {
    struct objects objects;
    size_t n; /* objects at once */
    uint64_t serial, sum;
};

static void bulk_on_malloc(void *arg, uint64_t n)
{
    struct bulk *bulk = arg;
    const struct objects objects = bulk->objects;
    const size_t at_once = bulk->n;
    uint64_t *slots[MAX_BULK], serial = bulk->serial, sum = bulk->sum;
    for (uint64_t i = 0; i < n; i += at_once) {
        for (size_t k = 0; k < at_once; k++)
            slots[k] = object_make(&objects, serial++, BENCH_MALLOC);
        for (size_t k = 0; k < at_once; k++)
            sum += object_end(&objects, slots[k], BENCH_MALLOC);
    }
    bulk->serial = serial;
    bulk->sum = sum;
}

static void bulk_on_slabgc(void *arg, uint64_t n)
{
    struct bulk *bulk = arg;
    struct sgc_cache *cache = bulk->objects.cache;
    const size_t at_once = bulk->n;
    uint64_t *slots[MAX_BULK], serial = bulk->serial, sum = bulk->sum;
    for (uint64_t i = 0; i < n; i += at_once) {
        if (sgc_cache_alloc_bulk(cache, (void **)slots, at_once) != at_once)
            bench_die("no memory for %zu objects: %s", at_once, strerror(errno));
        for (size_t k = 0; k < at_once; k++)
            *slots[k] = serial++;
        for (size_t k = 0; k < at_once; k++)
            sum += *slots[k];
        sgc_cache_free_bulk(cache, (void *const *)slots, at_once);
    }
    bulk->serial = serial;
    bulk->sum = sum;
}

void bench_bulk(struct bench_run *run)
{
    struct bench_heap heap = {0};
    struct bulk bulk = {.n = run->workload->variant};
    bench_body *body = run->backend->kind == BENCH_SLABGC ? bulk_on_slabgc : bulk_on_malloc;
    bench_live(run);
    bench_parameter_add(run, "at-once", "%zu", bulk.n);
    if (!bench_objects_open(run, &heap, &bulk.objects, run->workload->size_bytes, NULL))
        return;
    body(&bulk, WARM_UP * bulk.n);
    run->checksum = bulk.sum;
    bench_loop_by(run, bulk.n, body, &bulk);
    if (bulk.sum != bench_serial_sum(bulk.serial))
        bench_fail(run, "objects lost their first word");
    bench_objects_close(run, &heap);
}
