/* objects.c - see objects.h. Called by the workloads of group cache. */
#include "tests/bench/objects.h"

#include <inttypes.h>
#include <stdio.h>

#define MAX_TYPES 8

bool bench_objects_open(struct bench_run *run, struct bench_heap *heap, struct objects *objects, size_t bytes,
                        const struct sgc_type *type)
{
    static struct sgc_type types[MAX_TYPES]; /* which outlive their caches */
    static char names[MAX_TYPES][32];
    static size_t n_types;
    *objects = (struct objects){.bytes = bytes};
    if (run->backend->kind != BENCH_SLABGC)
        return true;
    if (!type) {
        snprintf(names[n_types], sizeof(names[0]), "object-%zu", bytes);
        types[n_types] = (struct sgc_type){.name = names[n_types], .size_bytes = (uint32_t)bytes};
        type = &types[n_types++];
    }
    if (!heap->heap) {
        if (!bench_heap_open(run, heap, type, 0))
            return false;
        objects->cache = heap->cache;
        return true;
    }
    struct sgc_error error = {0};
    objects->cache = sgc_cache_create(heap->heap, type, &error);
    if (!objects->cache)
        bench_fail(run, "%s", error.message);
    return objects->cache != NULL;
}

void bench_objects_close(struct bench_run *run, const struct bench_heap *heap)
{
    if (heap->heap)
        bench_heap_close(run, heap);
}

bool bench_needs_bytes(struct bench_run *run, uint64_t bytes)
{
    const uint64_t available = bench_available_bytes();
    if (bytes <= available / 10 * 9)
        return true;
    bench_skip(run,
               "it needs %" PRIu64 " MiB and %" PRIu64 " MiB are available; --live or --phase-bytes make it smaller",
               bytes >> 20, available >> 20);
    return false;
}

size_t bench_live(struct bench_run *run)
{
    const uint64_t most = run->params.max_live, wanted = run->workload->live;
    const size_t live = (size_t)(wanted < most ? wanted : most);
    if (run->workload->size_bytes)
        bench_parameter_add(run, "bytes", "%u", run->workload->size_bytes);
    if (wanted)
        bench_parameter_add(run, "live", "%zu", live);
    return live;
}

void bench_no_memory(size_t bytes)
{
    bench_die("no memory for an object of %zu bytes", bytes);
}
