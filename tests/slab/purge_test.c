/* purge_test.c - memory of free slabs goes back to the OS: on demand, beyond a limit, and by decay. */
#include "core/os/clock.h"
#include "core/os/fault.h"
#include "core/slab/region.h"
#include "tests/support/expect.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static void verify(void)
{
    struct sgc_error error = {0};
    ck_assert_msg(sgc_region_verify(&error) == 0, "%s", error.message);
}

/* Pages of their own size: at any time the kernel may make one huge page of a range of which a part was given back. */
static void setup(void)
{
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
}

static size_t resident_bytes(const void *at, size_t bytes)
{
    static unsigned char pages[64 * 1024];
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t n = 0;
    ck_assert_uint_le(bytes / page, sizeof(pages));
    ck_assert_int_eq(mincore((void *)at, bytes, pages), 0);
    for (size_t i = 0; i < bytes / page; i++)
        n += pages[i] & 1;
    return n * page;
}

static struct sgc_slab *touched_run(size_t n_slabs, uint32_t kinds)
{
    struct sgc_slab *run = sgc_slab_run_alloc(n_slabs, kinds, NULL, NULL);
    memset(sgc_slab_start(run), 1, n_slabs * SGC_SLAB_BYTES);
    return run;
}

/* However long this process waits for a processor, the region does not cool. */
static void keep_warm(const struct sgc_slab *run)
{
    sgc_regions.table[region_of_slab(run)].freed_ns += UINT64_C(3600000000000);
}

static void cool(const struct sgc_slab *run)
{
    sgc_regions.table[region_of_slab(run)].freed_ns = sgc_os_now_ns() - UINT64_C(2000000000);
}

START_TEST(shrink_returns_the_memory_of_free_slabs_and_says_how_much)
{
    struct sgc_slab *kept = touched_run(1, 0), *run = touched_run(5, 0);
    sgc_slab_run_free(run, NULL);
    ck_assert_uint_eq(resident_bytes(sgc_slab_start(run), 5 * SGC_SLAB_BYTES), 5 * SGC_SLAB_BYTES);
    ck_assert_uint_eq(sgc_region_shrink(), 5 * SGC_SLAB_BYTES);
    ck_assert_uint_eq(resident_bytes(sgc_slab_start(run), 5 * SGC_SLAB_BYTES), 0);
    ck_assert_uint_eq(resident_bytes(sgc_slab_start(kept), SGC_SLAB_BYTES), SGC_SLAB_BYTES);
    ck_assert_uint_eq(sgc_region_shrink(), 0);
    struct sgc_region_stats stats;
    sgc_region_stats(&stats);
    ck_assert_uint_eq(stats.free_bytes, 0);
    ck_assert_uint_eq(stats.committed_bytes, SGC_SLAB_BYTES);
    verify();
}
END_TEST

START_TEST(a_whole_region_returns_its_metadata_too)
{
    struct sgc_slab *run = touched_run(32, SGC_KIND_BIT(SGC_KIND_COUNT));
    uint8_t *counts = sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(run));
    memset(counts, 1, 32 * SGC_SLAB_GRANULES);
    sgc_slab_run_free(run, NULL);
    sgc_region_shrink();
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *first = (char *)sgc_round_up((uintptr_t)counts, page);
    ck_assert_uint_eq(resident_bytes(first, sgc_round_down(32 * SGC_SLAB_GRANULES - page, page)), 0);
    verify();
}
END_TEST

START_TEST(what_is_free_beyond_the_limit_goes_at_once_whole_regions_first)
{
    enum { N = 20 };
    struct sgc_slab *runs[N], *half[2];
    struct sgc_region_stats stats;
    half[0] = touched_run(16, 0);
    half[1] = touched_run(16, 0);
    sgc_slab_run_free(half[1], NULL); /* cools longest, but its region is in use */
    keep_warm(half[1]);
    for (int i = 0; i < N; i++)
        runs[i] = touched_run(32, 0);
    for (int i = 0; i < N; i++)
        sgc_slab_run_free(runs[i], NULL);
    sgc_region_stats(&stats);
    ck_assert_uint_le(stats.free_bytes, (size_t)16 << 20);
    ck_assert_uint_ge(stats.free_bytes, (size_t)12 << 20);
    ck_assert_uint_eq(resident_bytes(sgc_slab_start(half[1]), 16 * SGC_SLAB_BYTES), 16 * SGC_SLAB_BYTES);
    verify();
}
END_TEST

START_TEST(decay_takes_only_what_has_cooled)
{
    struct sgc_slab *a = touched_run(32, 0), *b = touched_run(32, 0);
    sgc_slab_run_free(a, NULL);
    keep_warm(a);
    sgc_slab_run_free(b, NULL);
    keep_warm(b);
    ck_assert_uint_eq(sgc_region_decay(), 0);
    cool(a);
    ck_assert_uint_eq(sgc_region_decay(), 32 * SGC_SLAB_BYTES);
    ck_assert_uint_eq(resident_bytes(sgc_slab_start(a), 32 * SGC_SLAB_BYTES), 0);
    ck_assert_uint_eq(resident_bytes(sgc_slab_start(b), 32 * SGC_SLAB_BYTES), 32 * SGC_SLAB_BYTES);
    verify();
}
END_TEST

START_TEST(decay_goes_in_pieces_of_a_millisecond)
{
    enum { N = 10, PIECE = 8 };
    struct sgc_slab *runs[N];
    for (int i = 0; i < N; i++)
        runs[i] = sgc_slab_run_alloc(20, 0, NULL, NULL); /* together less than what may stay */
    sgc_os_fault_arm(1, true);                           /* none goes before all are free */
    for (int i = 0; i < N; i++)
        sgc_slab_run_free(runs[i], NULL);
    sgc_os_fault_disarm();
    for (int i = 0; i < N; i++)
        cool(runs[i]);
    ck_assert_uint_eq(sgc_region_decay_some(), PIECE * 20 * SGC_SLAB_BYTES);
    ck_assert_uint_eq(sgc_region_decay(), (N - PIECE) * 20 * SGC_SLAB_BYTES);
    ck_assert_uint_eq(sgc_region_decay_some(), 0);
    verify();
}
END_TEST

START_TEST(a_free_purges_what_has_cooled)
{
    struct sgc_slab *a = touched_run(32, 0), *b = touched_run(1, 0);
    sgc_slab_run_free(a, NULL);
    cool(a);
    sgc_slab_run_free(b, NULL);
    ck_assert_uint_eq(resident_bytes(sgc_slab_start(a), 32 * SGC_SLAB_BYTES), 0);
    verify();
}
END_TEST

START_TEST(what_another_thread_freed_since_the_clock_was_read_is_not_cool)
{
    struct sgc_slab *a = touched_run(32, 0), *b = touched_run(32, 0);
    sgc_slab_run_free(a, NULL);
    keep_warm(a);
    sgc_slab_run_free(b, NULL);
    ck_assert_uint_eq(sgc_region_decay(), 0);
    ck_assert_uint_eq(resident_bytes(sgc_slab_start(a), 32 * SGC_SLAB_BYTES), 32 * SGC_SLAB_BYTES);
    ck_assert_uint_eq(resident_bytes(sgc_slab_start(b), 32 * SGC_SLAB_BYTES), 32 * SGC_SLAB_BYTES);
    verify();
}
END_TEST

START_TEST(a_refused_discard_is_tried_again)
{
    struct sgc_slab *run = touched_run(32, 0);
    sgc_slab_run_free(run, NULL);
    sgc_os_fault_arm(1, true);
    ck_assert_uint_eq(sgc_region_shrink(), 0);
    sgc_os_fault_disarm();
    verify();
    ck_assert_uint_eq(sgc_region_shrink(), 32 * SGC_SLAB_BYTES);
    verify();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("purge");
    TCase *tcase = tcase_create("purge");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, shrink_returns_the_memory_of_free_slabs_and_says_how_much);
    tcase_add_test(tcase, a_whole_region_returns_its_metadata_too);
    tcase_add_test(tcase, what_is_free_beyond_the_limit_goes_at_once_whole_regions_first);
    tcase_add_test(tcase, decay_takes_only_what_has_cooled);
    tcase_add_test(tcase, decay_goes_in_pieces_of_a_millisecond);
    tcase_add_test(tcase, a_free_purges_what_has_cooled);
    tcase_add_test(tcase, what_another_thread_freed_since_the_clock_was_read_is_not_cool);
    tcase_add_test(tcase, a_refused_discard_is_tried_again);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
