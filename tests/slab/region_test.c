/* region_test.c - runs of slabs: where they go, what they promise, what a failure leaves behind. */
#include "core/os/fault.h"
#include "core/slab/region.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void verify(void)
{
    struct sgc_error error = {0};
    ck_assert_msg(sgc_region_verify(&error) == 0, "%s", error.message);
}

static void setup(void)
{
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
}

/* How many of every `step`-th byte are not zero. One assertion for many bytes: libcheck writes a record for each. */
static size_t n_set(const char *at, size_t bytes, size_t step)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i += step)
        n += at[i] != 0;
    return n;
}

START_TEST(a_run_is_described_by_its_head_and_zero_otherwise)
{
    struct sgc_slab *run = sgc_slab_run_alloc(3, SGC_KIND_BIT(SGC_KIND_COUNT), NULL, NULL);
    ck_assert_uint_eq(run->n_slabs, 3);
    ck_assert_ptr_null(run->class_);
    ck_assert_ptr_null(run->owner);
    ck_assert_uint_eq(run->n_free + run->n_notes + run->listed + run->fresh + run->slot_bytes, 0);
    ck_assert_uint_eq(run[1].n_slabs, 0);
    ck_assert_uint_eq(run[1].back_slabs, 1);
    ck_assert_uint_eq(run[2].back_slabs, 2);
    ck_assert(run->kinds & SGC_KIND_BIT(SGC_KIND_COUNT) && run->kinds & SGC_KIND_BIT(SGC_KIND_FREE) &&
              run->kinds & SGC_KIND_BIT(SGC_KIND_REMOTE));
    verify();
}
END_TEST

START_TEST(fresh_says_that_the_memory_reads_as_zero)
{
    bool fresh = false;
    struct sgc_slab *run = sgc_slab_run_alloc(2, 0, NULL, &fresh);
    ck_assert(fresh);
    memset(sgc_slab_start(run), 0xab, 2 * SGC_SLAB_BYTES);
    sgc_slab_run_free(run, NULL);
    ck_assert_ptr_eq(sgc_slab_run_alloc(1, 0, NULL, &fresh), run);
    ck_assert(!fresh);
    ck_assert_ptr_eq(sgc_slab_run_alloc(1, 0, NULL, &fresh), run + 1);
    ck_assert(!fresh);
    sgc_slab_run_free(run + 1, NULL);
    ck_assert_uint_ge(sgc_region_shrink(), SGC_SLAB_BYTES);
    ck_assert_ptr_eq(sgc_slab_run_alloc(1, 0, NULL, &fresh), run + 1);
    ck_assert(fresh);
    ck_assert_uint_eq(n_set(sgc_slab_start(run + 1), SGC_SLAB_BYTES, 1), 0);
    verify();
}
END_TEST

START_TEST(resident_memory_is_used_again_before_new_pages)
{
    struct sgc_slab *first = sgc_slab_run_alloc(1, 0, NULL, NULL);
    struct sgc_slab *second = sgc_slab_run_alloc(1, 0, NULL, NULL);
    ck_assert_ptr_nonnull(first);
    sgc_slab_run_free(second, NULL);
    ck_assert_ptr_eq(sgc_slab_run_alloc(1, 0, NULL, NULL), second);
}
END_TEST

START_TEST(new_runs_go_to_the_fullest_region_so_that_others_empty)
{
    struct sgc_slab *slabs[4 * 32];
    for (int i = 0; i < 4 * 32; i++)
        slabs[i] = sgc_slab_run_alloc(1, 0, NULL, NULL);
    const size_t n_full = 32, n_nearly = 31;
    for (size_t i = 0; i < n_full; i++) /* region 0 keeps one slab, region 1 all but one, region 2 one half */
        if (i != 5)
            sgc_slab_run_free(slabs[i], NULL);
    sgc_slab_run_free(slabs[32 + n_nearly], NULL);
    for (int i = 0; i < 16; i++)
        sgc_slab_run_free(slabs[64 + 2 * i], NULL);
    ck_assert_ptr_eq(sgc_slab_run_alloc(1, 0, NULL, NULL), slabs[32 + n_nearly]);
    for (int i = 0; i < 16; i++)
        ck_assert_uint_eq(region_of_slab(sgc_slab_run_alloc(1, 0, NULL, NULL)), region_of_slab(slabs[64]));
    verify();
}
END_TEST

START_TEST(a_run_longer_than_a_region_spans_neighbours_and_leaves_the_rest_to_others)
{
    struct sgc_slab *small = sgc_slab_run_alloc(1, 0, NULL, NULL);
    struct sgc_slab *large = sgc_slab_run_alloc(70, 0, NULL, NULL);
    ck_assert_uint_eq(large->n_slabs, 70);
    for (unsigned i = 1; i < 70; i++)
        ck_assert_ptr_eq(sgc_slab_head(large + i), large);
    memset(sgc_slab_start(large), 1, 70 * SGC_SLAB_BYTES);
    struct sgc_slab *rest = sgc_slab_run_alloc(26, 0, NULL, NULL);
    ck_assert_ptr_eq(rest, large + 70);
    verify();
    sgc_slab_run_free(large, NULL);
    verify();
    ck_assert_ptr_eq(sgc_slab_run_alloc(64, 0, NULL, NULL), large); /* its two regions are whole again */
    sgc_slab_run_free(small, NULL);
    sgc_slab_run_free(rest, NULL);
    verify();
}
END_TEST

START_TEST(a_huge_run_uses_empty_regions_at_the_end_before_it_grows)
{
    struct sgc_region_stats stats;
    struct sgc_slab *a = sgc_slab_run_alloc(64, 0, NULL, NULL);
    sgc_slab_run_free(a, NULL);
    struct sgc_slab *b = sgc_slab_run_alloc(96, 0, NULL, NULL);
    ck_assert_ptr_eq(a, b);
    sgc_region_stats(&stats);
    ck_assert_uint_eq(stats.n_regions, 3);
    ck_assert_uint_eq(stats.committed_bytes, 96 * SGC_SLAB_BYTES);
    verify();
}
END_TEST

START_TEST(a_run_is_cut_in_two_that_are_freed_apart)
{
    struct sgc_budget budget = {0};
    struct sgc_slab *run = sgc_slab_run_alloc(70, SGC_KIND_BIT(SGC_KIND_COUNT), &budget, NULL);
    *sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(run + 40)) = 7;
    struct sgc_slab *rest = sgc_slab_run_split(run, 33);
    ck_assert_ptr_eq(rest, run + 33);
    ck_assert_uint_eq(run->n_slabs, 33);
    ck_assert_uint_eq(rest->n_slabs, 37);
    ck_assert_ptr_null(rest->class_);
    ck_assert_uint_eq(rest->kinds, run->kinds);
    ck_assert_ptr_eq(sgc_slab_head(run + 32), run);
    ck_assert_ptr_eq(sgc_slab_head(run + 69), rest);
    ck_assert_uint_eq(*sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(run + 40)), 7);
    verify();
    sgc_slab_run_free(run, &budget);
    ck_assert_uint_eq(budget.used_bytes, 37 * SGC_SLAB_BYTES);
    verify();
    sgc_slab_run_free(rest, &budget);
    ck_assert_uint_eq(budget.used_bytes, 0);
    verify();
}
END_TEST

START_TEST(a_run_grows_over_free_slabs_behind_it_and_into_new_regions)
{
    struct sgc_budget budget = {.hard_bytes = 200 * SGC_SLAB_BYTES};
    struct sgc_slab *run = sgc_slab_run_alloc(10, SGC_KIND_BIT(SGC_KIND_COUNT), &budget, NULL);
    bool fresh = false;
    memset(sgc_slab_start(run), 1, 10 * SGC_SLAB_BYTES);
    ck_assert(sgc_slab_run_extend(run, 90, &budget, &fresh));
    ck_assert(fresh);
    ck_assert_uint_eq(run->n_slabs, 100);
    ck_assert_uint_eq(budget.used_bytes, 100 * SGC_SLAB_BYTES);
    ck_assert_ptr_eq(sgc_slab_head(run + 99), run);
    ck_assert_uint_eq(*sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(run + 99)), 0);
    ck_assert_uint_eq(n_set(sgc_slab_start(run + 10), 90 * SGC_SLAB_BYTES, 512), 0);
    verify();
    ck_assert(!sgc_slab_run_extend(run, 101, &budget, &fresh)); /* the budget */
    ck_assert(!sgc_slab_run_extend(run, sgc_arena.bytes / SGC_SLAB_BYTES, NULL, &fresh));
    struct sgc_slab *next = sgc_slab_run_alloc(1, 0, &budget, NULL);
    ck_assert_ptr_eq(next, run + 100);
    ck_assert(!sgc_slab_run_extend(run, 1, &budget, &fresh)); /* a neighbour */
    ck_assert_uint_eq(run->n_slabs, 100);
    memset(sgc_slab_start(next), 1, SGC_SLAB_BYTES);
    sgc_slab_run_free(next, &budget);
    ck_assert(sgc_slab_run_extend(run, 1, &budget, &fresh));
    ck_assert(!fresh);
    verify();
    sgc_slab_run_free(run, &budget);
    ck_assert_uint_eq(budget.used_bytes, 0);
    verify();
}
END_TEST

START_TEST(the_impossible_is_refused)
{
    errno = 0;
    ck_assert_ptr_null(sgc_slab_run_alloc(sgc_arena.bytes / SGC_SLAB_BYTES + 1, 0, NULL, NULL));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(sgc_slab_run_alloc(SIZE_MAX / SGC_SLAB_BYTES, 0, NULL, NULL));
    verify();
}
END_TEST

static void free_twice(void *run)
{
    sgc_slab_run_free(run, NULL);
    sgc_slab_run_free(run, NULL);
}
static void free_inner(void *run)
{
    sgc_slab_run_free((struct sgc_slab *)run + 1, NULL);
}

START_TEST(freeing_what_is_no_run_panics)
{
    struct sgc_slab *run = sgc_slab_run_alloc(2, 0, NULL, NULL);
    ck_assert_uint_eq(sgc_slab_number(run), 0);
    support_expect_panic(free_twice, run, "slab 0 is not the first of a run in use");
    support_expect_panic(free_inner, run, "slab 1 is not the first of a run in use");
}
END_TEST

START_TEST(kinds_can_be_added_to_a_run_in_use)
{
    struct sgc_slab *run = sgc_slab_run_alloc(40, 0, NULL, NULL);
    ck_assert_int_eq(sgc_slab_run_add_kinds(run, SGC_KIND_BIT(SGC_KIND_MARK) | SGC_KIND_BIT(SGC_KIND_COUNT)), 0);
    for (unsigned i = 0; i < 40; i++) {
        sgc_slab_words(run + i, SGC_KIND_MARK)[63] = 1;
        *sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(run + i)) = 1;
    }
    ck_assert(run->kinds & SGC_KIND_BIT(SGC_KIND_MARK));
    sgc_slab_run_free(run, NULL);
    verify();
}
END_TEST

/* ---- the model: random runs of random kinds; what is handed out never overlaps and keeps its content ---- */

#define MODEL_RUNS 200
struct model_run {
    struct sgc_slab *slab;
    size_t n_slabs;
    uint32_t kinds;
    uint8_t stamp;
};

static size_t model_size(uint64_t random)
{
    return random % 10 ? random / 16 % 4 + 1 : random % 100 ? random / 128 % 40 + 1 : random / 128 % 200 + 1;
}

static void model_fill(const struct model_run *run)
{
    for (size_t i = 0; i < run->n_slabs; i++) {
        memset(sgc_slab_start(run->slab + i), run->stamp, 64);
        sgc_slab_words(run->slab + i, SGC_KIND_FREE)[i % 64] = run->stamp;
        if (run->kinds & SGC_KIND_BIT(SGC_KIND_STATE))
            *sgc_byte_at(SGC_KIND_STATE, sgc_slab_start(run->slab + i)) = run->stamp;
    }
}

static void model_check(const struct model_run *run)
{
    const bool has_state = run->kinds & SGC_KIND_BIT(SGC_KIND_STATE);
    size_t n_content = 0, n_metadata = 0, n_heads = 0;
    for (size_t i = 0; i < run->n_slabs; i++) {
        const char *start = sgc_slab_start(run->slab + i);
        n_content += (uint8_t)start[63] != run->stamp;
        n_metadata += sgc_slab_words(run->slab + i, SGC_KIND_FREE)[i % 64] != run->stamp;
        n_metadata += has_state && *sgc_byte_at(SGC_KIND_STATE, start) != run->stamp;
        n_heads += sgc_slab_head(run->slab + i) != run->slab;
    }
    ck_assert_uint_eq(n_content, 0);
    ck_assert_uint_eq(n_metadata, 0);
    ck_assert_uint_eq(n_heads, 0);
}

START_TEST(random_runs_never_overlap_and_all_memory_comes_back)
{
    struct model_run runs[MODEL_RUNS] = {0};
    struct sgc_budget budget = {0};
    uint64_t state = support_seed("region_test", 1), used = 0;
    for (int step = 0; step < 20000; step++) {
        struct model_run *run = &runs[support_random(&state) % MODEL_RUNS];
        if (run->slab && support_random(&state) % 4 == 0) {
            const unsigned n_more = 1 + support_random(&state) % 8;
            model_check(run);
            if (sgc_slab_run_extend(run->slab, n_more, &budget, NULL)) {
                used += n_more;
                run->n_slabs += n_more;
            } else if (run->n_slabs > 1) {
                const unsigned n_slabs = 1 + support_random(&state) % (run->n_slabs - 1);
                sgc_slab_run_free(sgc_slab_run_split(run->slab, n_slabs), &budget);
                used -= run->n_slabs - n_slabs;
                run->n_slabs = n_slabs;
            }
            model_fill(run);
        } else if (run->slab) {
            model_check(run);
            sgc_slab_run_free(run->slab, &budget);
            used -= run->n_slabs;
            run->slab = NULL;
        } else {
            run->n_slabs = model_size(support_random(&state));
            run->kinds = support_random(&state) & ((1u << SGC_N_KINDS) - 1);
            run->stamp = (uint8_t)(support_random(&state) | 1);
            run->slab = sgc_slab_run_alloc(run->n_slabs, run->kinds, &budget, NULL);
            ck_assert_ptr_nonnull(run->slab);
            model_fill(run);
            used += run->n_slabs;
        }
        ck_assert_uint_eq(budget.used_bytes, used * SGC_SLAB_BYTES);
        if (step % 1000 == 0) {
            verify();
            sgc_region_shrink();
        }
    }
    for (int i = 0; i < MODEL_RUNS; i++)
        if (runs[i].slab)
            sgc_slab_run_free(runs[i].slab, &budget);
    ck_assert_uint_eq(budget.used_bytes, 0);
    verify();
    sgc_region_shrink();
    struct sgc_region_stats stats;
    sgc_region_stats(&stats);
    ck_assert_uint_eq(stats.n_regions + stats.committed_bytes + stats.free_bytes, 0);
    verify();
}
END_TEST

static void *churn(void *seed)
{
    uint64_t state = *(uint64_t *)seed;
    struct sgc_slab *runs[32] = {0};
    uintptr_t n_wrong = 0;
    for (int step = 0; step < 5000; step++) {
        const uint64_t random = support_random(&state);
        struct sgc_slab **run = &runs[random % 32];
        if (*run) {
            n_wrong += *(uint64_t *)sgc_slab_start(*run) != (uintptr_t)run;
            sgc_slab_run_free(*run, NULL);
            *run = NULL;
        } else {
            *run = sgc_slab_run_alloc(random / 32 % 50 + 1, SGC_KIND_BIT(SGC_KIND_COUNT), NULL, NULL);
            *(uint64_t *)sgc_slab_start(*run) = (uintptr_t)run;
        }
    }
    for (int i = 0; i < 32; i++)
        if (runs[i])
            sgc_slab_run_free(runs[i], NULL);
    return (void *)n_wrong;
}

START_TEST(threads_never_share_a_run)
{
    uint64_t seeds[2] = {support_seed("region_test threads", 2), 0};
    seeds[1] = ~seeds[0];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, &seeds[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *n_wrong;
        pthread_join(threads[i], &n_wrong);
        ck_assert_ptr_null(n_wrong);
    }
    verify();
}
END_TEST

/* ---- faults ---- */

/* Everything this layer does with the OS; every allocation may fail. Returns how many did. */
static unsigned scenario(struct sgc_budget *budget)
{
    static const struct {
        size_t n_slabs;
        uint32_t kinds;
    } wanted[] = {{1, 0},
                  {1, 1u << SGC_KIND_COUNT},
                  {5, 1u << SGC_KIND_STATE | 1u << SGC_KIND_MARK},
                  {70, 1u << SGC_KIND_EXCESS | 1u << SGC_KIND_COUNT},
                  {30, 1u << SGC_KIND_SITE},
                  {1, (1u << SGC_N_KINDS) - 1}};
    struct sgc_slab *runs[6];
    unsigned n_failed = 0;
    for (int i = 0; i < 6; i++) {
        errno = 0;
        runs[i] = sgc_slab_run_alloc(wanted[i].n_slabs, wanted[i].kinds, budget, NULL);
        ck_assert(runs[i] || errno == ENOMEM);
        n_failed += !runs[i];
        verify();
    }
    for (int i = 0; i < 6; i++) {
        if (!runs[i])
            continue;
        const int rc = sgc_slab_run_add_kinds(runs[i], 1u << SGC_KIND_PRIVATE_0);
        ck_assert(rc == 0 || rc == -ENOMEM);
        n_failed += rc < 0;
        memset(sgc_slab_start(runs[i]), 1, SGC_SLAB_BYTES);
    }
    if (runs[3])
        (void)sgc_slab_run_extend(runs[3], 200, budget, NULL); /* others may lie behind it */
    verify();
    for (int i = 0; i < 6; i++)
        if (runs[i])
            sgc_slab_run_free(runs[i], budget);
    verify();
    sgc_region_shrink();
    verify();
    return n_failed;
}

static void fault_one(void *arg)
{
    const uint64_t k = *(const uint64_t *)arg;
    struct sgc_budget budget = {0};
    if (sgc_arena_init(NULL) < 0)
        abort();
    sgc_os_fault_arm(k, false);
    (void)scenario(&budget);
    const bool fired = sgc_os_fault_fired();
    sgc_os_fault_disarm();
    ck_assert_uint_eq(budget.used_bytes, 0);
    ck_assert_uint_eq(scenario(&budget), 0); /* whatever failed, all of it works now */
    _Exit(fired ? 0 : 42);
}

START_TEST(any_call_to_the_os_may_fail)
{
    char text[4096];
    uint64_t k = 1;
    for (;; k++) {
        const int status = support_run_child(fault_one, &k, text, sizeof(text));
        ck_assert_msg(status == 0 || status == 42 << 8, "gate %llu: status 0x%x %s", (unsigned long long)k,
                      (unsigned)status, text);
        if (status)
            break;
    }
    printf("region_test: %llu gates\n", (unsigned long long)k - 1);
    ck_assert_uint_gt(k, 20);
}
END_TEST

static uint32_t cutting; /* atomic */

static void *cutter(void *unused)
{
    while (__atomic_load_n(&cutting, __ATOMIC_RELAXED)) {
        struct sgc_slab *run = sgc_slab_run_alloc(400, 0, NULL, NULL);
        struct sgc_slab *rest = sgc_slab_run_split(run, 3);
        sgc_slab_run_free(run, NULL);
        sgc_slab_run_free(rest, NULL);
    }
    return unused;
}

START_TEST(who_verifies_never_sees_a_run_half_cut)
{
    pthread_t thread;
    cutting = 1;
    ck_assert_int_eq(pthread_create(&thread, NULL, cutter, NULL), 0);
    for (unsigned n = 0; n < 5000; n++)
        verify();
    __atomic_store_n(&cutting, 0, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(when_all_calls_fail_nothing_changes)
{
    struct sgc_budget budget = {0};
    struct sgc_slab *run = sgc_slab_run_alloc(1, 0, &budget, NULL);
    memset(sgc_slab_start(run), 7, SGC_SLAB_BYTES);
    sgc_os_fault_arm(1, true);
    ck_assert_uint_ge(scenario(&budget), 4);
    sgc_slab_run_free(run, &budget);
    ck_assert_uint_eq(sgc_region_shrink(), 0);
    sgc_os_fault_disarm();
    verify();
    ck_assert_uint_eq(budget.used_bytes, 0);
    ck_assert_uint_gt(sgc_region_shrink(), 0);
    verify();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("region");
    TCase *tcase = tcase_create("runs");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_run_is_described_by_its_head_and_zero_otherwise);
    tcase_add_test(tcase, fresh_says_that_the_memory_reads_as_zero);
    tcase_add_test(tcase, resident_memory_is_used_again_before_new_pages);
    tcase_add_test(tcase, new_runs_go_to_the_fullest_region_so_that_others_empty);
    tcase_add_test(tcase, a_run_longer_than_a_region_spans_neighbours_and_leaves_the_rest_to_others);
    tcase_add_test(tcase, a_huge_run_uses_empty_regions_at_the_end_before_it_grows);
    tcase_add_test(tcase, a_run_is_cut_in_two_that_are_freed_apart);
    tcase_add_test(tcase, a_run_grows_over_free_slabs_behind_it_and_into_new_regions);
    tcase_add_test(tcase, the_impossible_is_refused);
    tcase_add_test(tcase, freeing_what_is_no_run_panics);
    tcase_add_test(tcase, kinds_can_be_added_to_a_run_in_use);
    tcase_add_test(tcase, random_runs_never_overlap_and_all_memory_comes_back);
    tcase_add_test(tcase, threads_never_share_a_run);
    tcase_add_test(tcase, who_verifies_never_sees_a_run_half_cut);
    tcase_add_test(tcase, when_all_calls_fail_nothing_changes);
    suite_add_tcase(suite, tcase);
    TCase *faults = tcase_create("faults");
    tcase_add_test(faults, any_call_to_the_os_may_fail);
    suite_add_tcase(suite, faults);
    return support_main(suite);
}
