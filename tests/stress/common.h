/* common.h - what the stress tests share: strategies as loop tests, heaps that must open. */
#ifndef SLABGC_TESTS_STRESS_COMMON_H
#define SLABGC_TESTS_STRESS_COMMON_H

#include "tests/support/expect.h"
#include "tests/support/strategies.h"
#include <slabgc/slabgc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRESS_NEEDS                                                                                                   \
    (SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_WEAK | SGC_NEED_FINALIZERS) /* of the random programs */

/* For any thread: ck_assert writes to a pipe each time, and is for the test's own thread. */
#define STRESS_CHECK(condition)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Strategies under test that meet the needs: found by trying. Sanitizers make them slower: stress_scale shortens. */
static const char *stress_strategies[SUPPORT_MAX_STRATEGIES];
static int n_stress_strategies;

static inline struct sgc_heap *stress_open(const char *strategy, uint32_t needs)
{
    struct sgc_error error = {0};
    struct sgc_heap_options options = {.needs = needs, .strategy = strategy};
    struct sgc_heap *heap = sgc_heap_open("stress", &options, &error);
    ck_assert_msg(heap != NULL, "heap on %s: %s", strategy, error.message);
    return heap;
}

static inline void stress_close(struct sgc_heap *heap)
{
    struct sgc_error error = {0};
    ck_assert_msg(sgc_heap_verify(heap, &error) == 0, "%s", error.message);
    ck_assert_msg(sgc_heap_close(heap, &error) == 0, "%s", error.message);
}

/* `none` refuses these needs; every other strategy must have them. Called in main, which forks each test. */
static inline void stress_init(void)
{
    const char *names[SUPPORT_MAX_STRATEGIES];
    support_strategies_init();
    size_t n = support_strategies(names);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], "none") != 0)
            stress_strategies[n_stress_strategies++] = names[i];
    }
}

static inline unsigned stress_scale(unsigned n)
{
    const char *divisor = getenv("SLABGC_TEST_SHORTER");
    unsigned by = divisor ? (unsigned)strtoul(divisor, NULL, 10) : 1;
    return n / (by ? by : 1) + 1;
}

#endif
