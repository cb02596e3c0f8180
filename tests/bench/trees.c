/* trees.c - see trees.h. Called by the backends' files. Each sum is compared with its closed form, so a collector that
 * loses or reuses a live node is noticed. */
#include "tests/bench/trees.h"

#include <inttypes.h>

#define LEAST_DEPTH 4
#define DEPTH_STEP 4

/* Sum over levels k of 2^(depth - k) nodes with k + 1 each. */
static uint64_t expected_sum(int depth)
{
    return (UINT64_C(4) << depth) - (uint64_t)depth - 3;
}

static bool check(struct bench_run *run, const struct trees_backend *backend, void *tree, int depth)
{
    if (!tree) {
        bench_fail(run, "no memory for a tree of depth %d", depth);
        return false;
    }
    const uint64_t sum = backend->sum(tree);
    if (sum != expected_sum(depth)) {
        bench_fail(run, "a tree of depth %d sums up to %" PRIu64 " instead of %" PRIu64, depth, sum,
                   expected_sum(depth));
        return false;
    }
    run->checksum = run->checksum * 31 + sum;
    return true;
}

static bool play_short_lived(struct bench_run *run, const struct trees_backend *backend, int most)
{
    for (int depth = LEAST_DEPTH; depth <= most; depth += DEPTH_STEP) {
        const int n = 1 << (most - depth + LEAST_DEPTH);
        for (int i = 0; i < n; i++) {
            void *tree = backend->build(depth);
            if (!check(run, backend, tree, depth))
                return false;
            backend->dispose(tree);
        }
    }
    return true;
}

void trees_play(struct bench_run *run, const struct trees_backend *backend)
{
    const int most = (int)run->params.depth;
    bench_parameter_add(run, "depth", "%d", most);
    struct bench_timer timer = {0};
    bench_timer_start(&timer);
    void *stretch = backend->build(most + 1);
    if (!check(run, backend, stretch, most + 1))
        return;
    backend->dispose(stretch);
    void *long_lived = backend->build(most);
    if (!check(run, backend, long_lived, most) || !play_short_lived(run, backend, most) ||
        !check(run, backend, long_lived, most))
        return;
    backend->dispose(long_lived);
    bench_timer_stop(&timer);
    bench_finish(run, &timer, 0);
}
