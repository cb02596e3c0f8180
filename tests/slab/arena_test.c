/* arena_test.c - the reserved range: layout, addresses of metadata, lazy commitment, zeroing. */
#include "core/base/sanitize.h"
#include "core/os/fault.h"
#include "core/slab/region.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const enum sgc_kind bit_kinds[] = {SGC_KIND_FREE, SGC_KIND_REMOTE, SGC_KIND_MARK, SGC_KIND_TRACK};
static const enum sgc_kind byte_kinds[] = {SGC_KIND_COUNT, SGC_KIND_STATE, SGC_KIND_PRIVATE_0, SGC_KIND_PRIVATE_1};
#define ALL_KINDS ((1u << SGC_N_KINDS) - 1)
#define N_BIT_KINDS (sizeof(bit_kinds) / sizeof(bit_kinds[0]))
#define N_BYTE_KINDS (sizeof(byte_kinds) / sizeof(byte_kinds[0]))

START_TEST(init_is_idempotent_and_the_base_begins_a_region)
{
    struct sgc_error error;
    ck_assert(!sgc_arena_contains(&error));
    ck_assert_int_eq(sgc_arena_init(&error), 0);
    const struct sgc_arena before = sgc_arena;
    ck_assert_int_eq(sgc_arena_init(&error), 0);
    ck_assert_int_eq(memcmp(&before, &sgc_arena, sizeof(before)), 0);
    ck_assert_uint_eq(sgc_arena.base % SGC_REGION_BYTES, 0);
    ck_assert(!sgc_arena_covers((void *)sgc_arena.base));
}
END_TEST

START_TEST(a_refused_reservation_is_halved_down_to_64_mib_and_then_an_error)
{
    struct sgc_error error = {0};
    sgc_os_fault_arm(1, true);
    ck_assert_int_eq(sgc_arena_init(&error), -ENOMEM);
    ck_assert_int_eq(error.code, -ENOMEM);
    ck_assert_str_eq(error.message,
                     "cannot reserve address space: even 64 MiB were refused (is there a limit on virtual memory?)");
    const uint64_t n_tries = sgc_os_fault_n_passed();
    sgc_os_fault_arm(n_tries, true); /* the last try fails, those before are refused by nobody: so the first succeeds */
    ck_assert_int_eq(sgc_arena_init(&error), 0);
    const size_t most = sgc_arena.bytes;
    ck_assert_uint_eq(most >> (n_tries - 1), (size_t)64 << 20);
}
END_TEST

START_TEST(one_refused_reservation_gives_half_the_arena)
{
    sgc_os_fault_arm(1, false);
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    ck_assert(sgc_os_fault_fired());
    sgc_os_fault_disarm();
    ck_assert(sgc_is_pow2(sgc_arena.bytes));
    ck_assert_ptr_nonnull(sgc_slab_run_alloc(1, 0, NULL, NULL));
}
END_TEST

START_TEST(an_arena_of_any_size_works_to_its_last_slab)
{
#if !defined(SGC_TSAN) && !defined(SGC_ASAN)
    const struct rlimit limit = {(rlim_t)1 << 30, (rlim_t)1 << 30};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    ck_assert_uint_lt(sgc_arena.bytes, (size_t)1 << 30);
    size_t n = 0;
    while (sgc_slab_run_alloc(1, 0, NULL, NULL))
        n++;
    ck_assert_uint_eq(n, sgc_arena.bytes / SGC_SLAB_BYTES);
    ck_assert_ptr_null(sgc_slab_run_alloc(33, 0, NULL, NULL));
    struct sgc_error error = {0};
    ck_assert_msg(sgc_region_verify(&error) == 0, "%s", error.message);
#endif
}
END_TEST

/* First pass: writes a number of its own into each entry. Second pass: finds it there. */
struct entries {
    int check;
    uint64_t value;
};

static void entry(struct entries *entries, void *at, size_t bytes)
{
    entries->value++;
    if (entries->check)
        ck_assert_int_eq(memcmp(at, &entries->value, bytes), 0);
    else
        memcpy(at, &entries->value, bytes);
}

/* All kinds' entries of the first or the last granule of a slab. */
static void entries_of(struct entries *entries, struct sgc_slab *slab, int last)
{
    const char *p = sgc_slab_start(slab) + (last ? SGC_SLAB_BYTES - SGC_GRANULE_BYTES : 0);
    const size_t granule = (uintptr_t)p >> SGC_GRANULE_SHIFT;
    for (size_t k = 0; k < N_BIT_KINDS; k++)
        entry(entries, sgc_slab_words(slab, bit_kinds[k]) + (last ? SGC_SLAB_WORDS - 1 : 0), sizeof(uint64_t));
    for (size_t k = 0; k < N_BYTE_KINDS; k++)
        entry(entries, sgc_byte_at(byte_kinds[k], p), 1);
    entry(entries, &sgc_arena.excess_bias[granule], sizeof(uint32_t));
    entry(entries, &sgc_arena.site_bias[granule], sizeof(uint64_t));
}

START_TEST(no_two_entries_of_metadata_share_an_address)
{
    static const unsigned slabs[] = {0, 1, 31, 32, 63}; /* neighbours, and the ends of regions */
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    struct sgc_slab *run = sgc_slab_run_alloc(64, ALL_KINDS, NULL, NULL);
    for (int check = 0; check < 2; check++) {
        struct entries entries = {check, 0};
        for (size_t i = 0; i < sizeof(slabs) / sizeof(slabs[0]); i++)
            for (int last = 0; last < 2; last++)
                entries_of(&entries, run + slabs[i], last);
    }
}
END_TEST

START_TEST(address_arithmetic_goes_both_ways)
{
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    struct sgc_slab *run = sgc_slab_run_alloc(40, 0, NULL, NULL);
    for (unsigned i = 0; i < 40; i++) {
        char *start = sgc_slab_start(run + i);
        ck_assert_uint_eq((uintptr_t)start % SGC_SLAB_BYTES, 0);
        ck_assert_ptr_eq(sgc_slab_of(start), run + i);
        ck_assert_ptr_eq(sgc_slab_of(start + SGC_SLAB_BYTES - 1), run + i);
        ck_assert_ptr_eq(sgc_slab_head(run + i), run);
        ck_assert_uint_eq(sgc_slab_granule(start + 4096), 256);
        ck_assert(sgc_arena_contains(start) && sgc_arena_covers(start));
        ck_assert(!sgc_arena_covers(start + 1)); /* no granule begins there */
    }
    ck_assert(!sgc_arena_covers((char *)sgc_arena.base + 2 * SGC_REGION_BYTES));
    ck_assert(!sgc_arena_covers((char *)sgc_arena.base - 16));
    ck_assert(!sgc_arena_covers(&run));
}
END_TEST

/* One assertion for many bytes: libcheck writes a record for each. */
static size_t n_other_than(uint8_t value, const void *at, size_t bytes)
{
    const uint8_t *byte = at;
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += byte[i] != value;
    return n;
}

START_TEST(state_reads_as_zero_where_nobody_asked_for_it)
{
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    struct sgc_slab *slab = sgc_slab_run_alloc(1, 0, NULL, NULL);
    ck_assert_uint_eq(n_other_than(0, sgc_byte_at(SGC_KIND_STATE, sgc_slab_start(slab)), SGC_REGION_BYTES / SGC_GRANULE_BYTES), 0);
}
END_TEST

static void write_state(void *slab)
{
    *(volatile uint8_t *)sgc_byte_at(SGC_KIND_STATE, sgc_slab_start(slab)) = 1;
}

START_TEST(state_cannot_be_written_before_it_is_committed)
{
    char text[4096];
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    struct sgc_slab *slab = sgc_slab_run_alloc(1, 0, NULL, NULL);
    ck_assert_int_ne(support_run_child(write_state, slab, text, sizeof(text)), 0);
    ck_assert_int_eq(sgc_slab_run_add_kinds(slab, SGC_KIND_BIT(SGC_KIND_STATE)), 0);
    ck_assert_int_eq(support_run_child(write_state, slab, text, sizeof(text)), 0);
}
END_TEST

/* Every entry of every kind is non-zero in the run and must not be after it; those of the neighbours must stay. */
static void check_zeroing(unsigned n_slabs)
{
    struct sgc_slab *before = sgc_slab_run_alloc(1, ALL_KINDS, NULL, NULL);
    struct sgc_slab *run = sgc_slab_run_alloc(n_slabs, ALL_KINDS, NULL, NULL);
    struct sgc_slab *after = sgc_slab_run_alloc(1, ALL_KINDS, NULL, NULL);
    struct sgc_slab *kept[2] = {before, after};
    const size_t run_granules = n_slabs * SGC_SLAB_GRANULES;
    for (size_t k = 0; k < N_BIT_KINDS; k++) {
        memset(sgc_slab_words(run, bit_kinds[k]), 0xff, n_slabs * SGC_SLAB_WORDS * 8);
        for (int i = 0; i < 2; i++)
            memset(sgc_slab_words(kept[i], bit_kinds[k]), 0xff, SGC_SLAB_WORDS * 8);
    }
    for (size_t k = 0; k < N_BYTE_KINDS; k++) {
        memset(sgc_byte_at(byte_kinds[k], sgc_slab_start(run)), 0xff, run_granules);
        for (int i = 0; i < 2; i++)
            memset(sgc_byte_at(byte_kinds[k], sgc_slab_start(kept[i])), 0xff, SGC_SLAB_GRANULES);
    }
    const size_t granule = (uintptr_t)sgc_slab_start(run) >> SGC_GRANULE_SHIFT;
    memset(&sgc_arena.excess_bias[granule], 0xff, run_granules * 4);
    memset(&sgc_arena.site_bias[granule], 0xff, run_granules * 8);
    sgc_slab_run_free(run, NULL);
    for (size_t k = 0; k < N_BIT_KINDS; k++) {
        ck_assert_uint_eq(n_other_than(0, sgc_slab_words(run, bit_kinds[k]), n_slabs * SGC_SLAB_WORDS * 8), 0);
        ck_assert_uint_eq(n_other_than(0xff, sgc_slab_words(before, bit_kinds[k]), SGC_SLAB_WORDS * 8), 0);
        ck_assert_uint_eq(n_other_than(0xff, sgc_slab_words(after, bit_kinds[k]), SGC_SLAB_WORDS * 8), 0);
    }
    for (size_t k = 0; k < N_BYTE_KINDS; k++)
        ck_assert_uint_eq(n_other_than(0, sgc_byte_at(byte_kinds[k], sgc_slab_start(run)), run_granules), 0);
    ck_assert_uint_eq(n_other_than(0, &sgc_arena.excess_bias[granule], run_granules * 4), 0);
    ck_assert_uint_eq(n_other_than(0, &sgc_arena.site_bias[granule], run_granules * 8), 0);
    for (int i = 0; i < 2; i++) /* a slab with kept metadata may not be freed as it is by verify's rules */
        sgc_slab_run_free(kept[i], NULL);
    struct sgc_error error = {0};
    ck_assert_msg(sgc_region_verify(&error) == 0, "%s", error.message);
}

START_TEST(a_freed_run_leaves_no_metadata_behind_and_touches_no_neighbours)
{
    static const unsigned sizes[] = {1, 2, 15, 16, 31, 33, 100};
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        check_zeroing(sizes[i]);
}
END_TEST

START_TEST(zeroing_succeeds_when_the_os_refuses_to_discard)
{
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    struct sgc_slab *run = sgc_slab_run_alloc(100, ALL_KINDS, NULL, NULL);
    memset(sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(run)), 0x7f, 100 * SGC_SLAB_GRANULES);
    sgc_os_fault_arm(1, true);
    sgc_slab_run_free(run, NULL);
    sgc_os_fault_disarm();
    ck_assert_uint_eq(n_other_than(0, sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(run)), 100 * SGC_SLAB_GRANULES), 0);
    struct sgc_error error = {0};
    ck_assert_msg(sgc_region_verify(&error) == 0, "%s", error.message);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arena");
    TCase *tcase = tcase_create("arena");
    tcase_add_test(tcase, init_is_idempotent_and_the_base_begins_a_region);
    tcase_add_test(tcase, a_refused_reservation_is_halved_down_to_64_mib_and_then_an_error);
    tcase_add_test(tcase, one_refused_reservation_gives_half_the_arena);
    tcase_add_test(tcase, an_arena_of_any_size_works_to_its_last_slab);
    tcase_add_test(tcase, no_two_entries_of_metadata_share_an_address);
    tcase_add_test(tcase, address_arithmetic_goes_both_ways);
    tcase_add_test(tcase, state_reads_as_zero_where_nobody_asked_for_it);
    tcase_add_test(tcase, state_cannot_be_written_before_it_is_committed);
    tcase_add_test(tcase, a_freed_run_leaves_no_metadata_behind_and_touches_no_neighbours);
    tcase_add_test(tcase, zeroing_succeeds_when_the_os_refuses_to_discard);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
