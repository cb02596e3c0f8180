/* pages_test.c - reservations and what happens inside them. */
#include "core/os/pages.h"

#include "core/os/fault.h"
#include "tests/support/expect.h"
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define REGION ((size_t)2 << 20)

static void write_byte(void *at)
{
    *(volatile char *)at = 1;
}

static void read_byte(void *at)
{
    (void)*(volatile char *)at;
}

/* Whether an access dies; a sanitizer may turn the signal into an exit. */
static bool dies(void (*access)(void *), void *at)
{
    char seen[64];
    int status = support_run_child(access, at, seen, sizeof(seen));
    return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}

static bool is_zero(const char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (at[i])
            return false;
    return true;
}

/* The kernel may at any time join pages, used and unused ones, to a huge one: all of them are in memory then. */
static void small_pages(void)
{
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

/* Bytes of the range that are in memory. */
static size_t resident_bytes(void *at, size_t bytes)
{
    size_t page_bytes = sgc_os_page_bytes(), n = 0;
    unsigned char in_core[1024];
    ck_assert_uint_le(bytes / page_bytes, sizeof(in_core));
    ck_assert_int_eq(mincore(at, bytes, in_core), 0);
    for (size_t i = 0; i < bytes / page_bytes; i++)
        n += (in_core[i] & 1) * page_bytes;
    return n;
}

START_TEST(a_reservation_is_aligned_as_asked)
{
    for (size_t alignment = sgc_os_page_bytes(); alignment <= (size_t)1 << 30; alignment *= 2) {
        char *at = sgc_os_reserve(REGION, alignment);
        ck_assert_ptr_nonnull(at);
        ck_assert_uint_eq((uintptr_t)at % alignment, 0);
        ck_assert_int_eq(sgc_os_commit(at, REGION), 0);
        at[0] = at[REGION - 1] = 1;
        sgc_os_unreserve(at, REGION);
    }
}
END_TEST

START_TEST(a_reservation_takes_no_memory_and_can_exceed_it)
{
    size_t bytes = (size_t)16 << 30;
    char *at = sgc_os_reserve(bytes, REGION);
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sgc_os_commit(at + bytes - REGION, REGION), 0);
    at[bytes - 1] = 1;
    sgc_os_unreserve(at, bytes);
}
END_TEST

START_TEST(what_is_reserved_but_not_committed_cannot_be_read)
{
    char *at = sgc_os_reserve(2 * REGION, REGION);
    ck_assert_int_eq(sgc_os_commit(at, REGION), 0);
    ck_assert(!dies(write_byte, at + REGION - 1));
    ck_assert(dies(read_byte, at + REGION));
    sgc_os_unreserve(at, 2 * REGION);
}
END_TEST

START_TEST(committed_pages_read_as_zero_and_keep_what_is_written)
{
    char *at = sgc_os_reserve(REGION, REGION);
    ck_assert_int_eq(sgc_os_commit(at, REGION), 0);
    ck_assert(is_zero(at, REGION));
    memset(at, 0x5a, REGION);
    ck_assert_int_eq(sgc_os_commit(at, REGION), 0); /* again: no harm */
    ck_assert_int_eq(at[REGION - 1], 0x5a);
    sgc_os_unreserve(at, REGION);
}
END_TEST

START_TEST(readonly_pages_read_as_zero_and_cannot_be_written)
{
    char *at = sgc_os_reserve(REGION, REGION);
    ck_assert_int_eq(sgc_os_commit_readonly(at, REGION), 0);
    ck_assert(is_zero(at, REGION));
    ck_assert(dies(write_byte, at));
    ck_assert_int_eq(sgc_os_commit(at, REGION), 0);
    ck_assert(!dies(write_byte, at));
    sgc_os_unreserve(at, REGION);
}
END_TEST

START_TEST(discarded_pages_leave_memory_stay_committed_and_read_as_zero)
{
    char *at = sgc_os_reserve(REGION, REGION);
    ck_assert_int_eq(sgc_os_commit(at, REGION), 0);
    memset(at, 0x5a, REGION);
    ck_assert_uint_eq(resident_bytes(at, REGION), REGION);
    ck_assert_int_eq(sgc_os_discard(at, REGION / 2), 0);
    ck_assert_uint_le(resident_bytes(at, REGION), REGION / 2);
    ck_assert(is_zero(at, REGION / 2));
    ck_assert_int_eq(at[REGION / 2], 0x5a);
    at[0] = 1;
    sgc_os_unreserve(at, REGION);
}
END_TEST

START_TEST(decommitted_pages_leave_memory_and_come_back_as_zero)
{
    char *at = sgc_os_reserve(REGION, REGION);
    ck_assert_int_eq(sgc_os_commit(at, REGION), 0);
    memset(at, 0x5a, REGION);
    ck_assert_int_eq(sgc_os_decommit(at, REGION), 0);
    ck_assert_uint_eq(resident_bytes(at, REGION), 0);
    ck_assert(dies(read_byte, at));
    ck_assert_int_eq(sgc_os_commit(at, REGION), 0);
    ck_assert(is_zero(at, REGION));
    sgc_os_unreserve(at, REGION);
}
END_TEST

START_TEST(mapped_pages_are_zero_and_writable)
{
    size_t bytes = 3 * sgc_os_page_bytes();
    char *at = sgc_os_map(bytes);
    ck_assert_ptr_nonnull(at);
    ck_assert(is_zero(at, bytes));
    memset(at, 1, bytes);
    sgc_os_unmap(at, bytes);
}
END_TEST

START_TEST(a_request_beyond_the_address_space_is_refused)
{
    errno = 0;
    ck_assert_ptr_null(sgc_os_reserve((size_t)1 << 60, REGION));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(sgc_os_reserve(sgc_os_page_bytes(), (size_t)1 << 63));
    ck_assert_ptr_null(sgc_os_reserve(SIZE_MAX - sgc_os_page_bytes() + 1, REGION));
    ck_assert_ptr_null(sgc_os_map((size_t)1 << 60));
}
END_TEST

START_TEST(each_call_can_be_made_to_fail_and_changes_nothing)
{
    char *at = sgc_os_reserve(REGION, REGION);
    ck_assert_int_eq(sgc_os_commit(at, REGION), 0);
    at[0] = 1;
    sgc_os_fault_arm(1, true);
    errno = 0;
    ck_assert_ptr_null(sgc_os_reserve(REGION, REGION));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(sgc_os_map(REGION));
    ck_assert_int_eq(sgc_os_commit(at, REGION), -ENOMEM);
    ck_assert_int_eq(sgc_os_commit_readonly(at, REGION), -ENOMEM);
    ck_assert_int_eq(sgc_os_discard(at, REGION), -ENOMEM);
    ck_assert_int_eq(sgc_os_decommit(at, REGION), -ENOMEM);
    ck_assert_uint_eq(sgc_os_fault_n_passed(), 6);
    sgc_os_fault_disarm();
    ck_assert_int_eq(at[0], 1);
    at[0] = 2;
    sgc_os_unreserve(at, REGION);
}
END_TEST

START_TEST(a_decommit_that_fails_half_way_leaves_the_part_committed)
{
    char *at = sgc_os_reserve(REGION, REGION);
    ck_assert_int_eq(sgc_os_commit(at, REGION), 0);
    sgc_os_fault_arm(2, false); /* madvise passes, mprotect fails */
    ck_assert_int_eq(sgc_os_decommit(at, REGION), -ENOMEM);
    ck_assert_str_eq(sgc_os_fault_fired_call(), "mprotect");
    ck_assert(is_zero(at, REGION));
    at[0] = 1;
    sgc_os_unreserve(at, REGION);
}
END_TEST

static int count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    ck_assert_ptr_nonnull(maps);
    int n = 0;
    for (int c; (c = getc(maps)) != EOF;)
        n += c == '\n';
    fclose(maps);
    return n;
}

START_TEST(neighbours_with_equal_protection_are_one_mapping)
{
    size_t slab = (size_t)64 << 10;
    char *at = sgc_os_reserve(64 * slab, REGION);
    for (size_t i = 0; i < 64; i += 2)
        ck_assert_int_eq(sgc_os_commit(at + i * slab, slab), 0);
    int n_scattered = count_mappings();
    for (size_t i = 1; i < 64; i += 2)
        ck_assert_int_eq(sgc_os_commit(at + i * slab, slab), 0);
    ck_assert_int_le(count_mappings(), n_scattered - 60);
    sgc_os_unreserve(at, 64 * slab);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pages");
    TCase *tc = tcase_create("pages");
    tcase_add_checked_fixture(tc, small_pages, NULL);
    tcase_add_test(tc, a_reservation_is_aligned_as_asked);
    tcase_add_test(tc, a_reservation_takes_no_memory_and_can_exceed_it);
    tcase_add_test(tc, what_is_reserved_but_not_committed_cannot_be_read);
    tcase_add_test(tc, committed_pages_read_as_zero_and_keep_what_is_written);
    tcase_add_test(tc, readonly_pages_read_as_zero_and_cannot_be_written);
    tcase_add_test(tc, discarded_pages_leave_memory_stay_committed_and_read_as_zero);
    tcase_add_test(tc, decommitted_pages_leave_memory_and_come_back_as_zero);
    tcase_add_test(tc, mapped_pages_are_zero_and_writable);
    tcase_add_test(tc, a_request_beyond_the_address_space_is_refused);
    tcase_add_test(tc, each_call_can_be_made_to_fail_and_changes_nothing);
    tcase_add_test(tc, a_decommit_that_fails_half_way_leaves_the_part_committed);
    tcase_add_test(tc, neighbours_with_equal_protection_are_one_mapping);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
