/* remember_test.c - the remembered set on a host of the test's own: threads are cells, memory can run out. */
#include "plugins/generational/remember.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <stdlib.h>

#define N_CELLS 3

static void *cells[N_CELLS];
static unsigned current; /* the thread that logs */
static long n_allocated; /* records handed out and not given back */
static bool refuse;
static int lock_depth;

static void *fake_alloc(size_t bytes)
{
    ck_assert_int_eq(lock_depth, 0); /* memory is asked for outside the lock */
    if (refuse)
        return NULL;
    n_allocated++;
    return calloc(1, bytes);
}
static void fake_free(void *at, size_t bytes)
{
    (void)bytes;
    n_allocated--;
    free(at);
}
static void **fake_thread_cell(struct sgc_heap *heap)
{
    (void)heap;
    return &cells[current];
}
static void fake_visit_thread_cells(struct sgc_heap *heap, void (*visit)(void *arg, void **cell), void *arg)
{
    (void)heap;
    for (unsigned i = 0; i < N_CELLS; i++)
        visit(arg, &cells[i]);
}
static void *fake_lock_create(void)
{
    return refuse ? NULL : &lock_depth;
}
static void fake_lock_destroy(void *lock)
{
    ck_assert_ptr_eq(lock, &lock_depth);
}
static void fake_lock(void *lock)
{
    ck_assert_int_eq((*(int *)lock)++, 0);
}
static void fake_unlock(void *lock)
{
    ck_assert_int_eq((*(int *)lock)--, 1);
}

static const struct sgc_host host = {
    .alloc = fake_alloc,
    .free = fake_free,
    .thread_cell = fake_thread_cell,
    .visit_thread_cells = fake_visit_thread_cells,
    .lock_create = fake_lock_create,
    .lock_destroy = fake_lock_destroy,
    .lock = fake_lock,
    .unlock = fake_unlock,
};

static struct remember_set set;

static void setup(void)
{
    ck_assert_int_eq(sgc_remember_init(&set, &host, NULL), 0);
}
static void teardown(void)
{
    sgc_remember_fini(&set);
    ck_assert_int_eq(n_allocated, 0);
}

static void sum_entry(void *sum, uintptr_t entry)
{
    *(uintptr_t *)sum += entry;
}
static uintptr_t sum(void)
{
    uintptr_t total = 0;
    sgc_remember_visit(&set, sum_entry, &total);
    return total;
}

START_TEST(every_logged_entry_is_visited_across_chunks_and_threads)
{
    uintptr_t expected = 0;
    for (uintptr_t i = 1; i <= 5 * REMEMBER_CHUNK_ENTRIES; i++) {
        current = i % N_CELLS;
        sgc_remember_log(&set, i << 4);
        expected += i << 4;
    }
    ck_assert_uint_eq(sum(), expected);
}
END_TEST

START_TEST(entries_of_a_thread_that_ended_stay)
{
    sgc_remember_log(&set, 16);
    cells[0] = NULL; /* what thread_detach does */
    sgc_remember_log(&set, 32);
    ck_assert_uint_eq(sum(), 48);
}
END_TEST

START_TEST(clear_forgets_all_entries_and_takes_chunks_back_from_threads)
{
    for (current = 0; current < N_CELLS; current++)
        sgc_remember_log(&set, 16);
    sgc_remember_clear(&set);
    ck_assert_uint_eq(sum(), 0);
    for (current = 0; current < N_CELLS; current++)
        ck_assert_ptr_null(cells[current]);
    current = 0;
    sgc_remember_log(&set, 64);
    ck_assert_uint_eq(sum(), 64);
}
END_TEST

START_TEST(chunks_are_reused_and_their_number_is_bounded)
{
    for (unsigned round = 0; round < 3; round++) {
        for (uintptr_t i = 0; i < 200 * REMEMBER_CHUNK_ENTRIES; i++)
            sgc_remember_log(&set, 16);
        ck_assert_int_eq(n_allocated, 200);
        sgc_remember_clear(&set);
        ck_assert_int_le(n_allocated, 64);
        ck_assert_int_gt(n_allocated, 0);
    }
}
END_TEST

START_TEST(an_entry_without_memory_sets_lost_until_the_next_clear)
{
    sgc_remember_log(&set, 16);
    refuse = true;
    for (uintptr_t i = 1; i < REMEMBER_CHUNK_ENTRIES; i++)
        sgc_remember_log(&set, 16);
    ck_assert_uint_eq(set.lost, 0);
    sgc_remember_log(&set, 16);
    ck_assert_uint_eq(set.lost, 1);
    refuse = false;
    sgc_remember_clear(&set);
    ck_assert_uint_eq(set.lost, 0);
}
END_TEST

START_TEST(init_without_memory_is_refused)
{
    struct remember_set other;
    refuse = true;
    ck_assert_int_eq(sgc_remember_init(&other, &host, NULL), -ENOMEM);
    refuse = false;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generational/remember");
    TCase *tcase = tcase_create("remember");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_logged_entry_is_visited_across_chunks_and_threads);
    tcase_add_test(tcase, entries_of_a_thread_that_ended_stay);
    tcase_add_test(tcase, clear_forgets_all_entries_and_takes_chunks_back_from_threads);
    tcase_add_test(tcase, chunks_are_reused_and_their_number_is_bounded);
    tcase_add_test(tcase, an_entry_without_memory_sets_lost_until_the_next_clear);
    tcase_add_test(tcase, init_without_memory_is_refused);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
