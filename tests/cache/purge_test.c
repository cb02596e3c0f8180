/* purge_test.c - free pages of slabs that are partly in use go back to the OS, and nothing else does. */
#include "core/cache/call.h"
#include "core/cache/internal.h"
#include "core/os/clock.h"
#include "core/os/fault.h"
#include "core/os/pages.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <slabgc/section.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define N 4096

struct block {
    uint64_t words[128]; /* four to a page */
};
static const struct sgc_type block_type = SGC_TYPE(struct block);

static int block_construct(void *object)
{
    ((struct block *)object)->words[1] = 42;
    return 0;
}
static const struct sgc_type built_type = SGC_TYPE(struct block, .ctor = block_construct);

static struct sgc_cache *cache;
static struct block *blocks[N];

static struct sgc_front *own_front(void)
{
    return sgc_front_of(cache->classes[0]);
}

/* However long this thread waits for a processor, no refill or flush of its own purges, as if all were reserved. */
static void hold_purges(bool hold)
{
    own_front()->reserved_until = hold ? UINT64_MAX : 0;
}

static void fill(void)
{
    for (int i = 0; i < N; i++) {
        blocks[i] = sgc_cache_alloc(cache);
        ck_assert_ptr_nonnull(blocks[i]);
        blocks[i]->words[0] = blocks[i]->words[127] = (uint64_t)i;
        hold_purges(true);
    }
}

static void allocate_all(const struct sgc_type *type, uint32_t debug)
{
    cache = attach_cache(type, debug, NULL);
    fill();
}

/* Frees all but each n-th. */
static void thin_out(int n)
{
    for (int i = 0; i < N; i++)
        if (i % n) {
            sgc_cache_free(cache, blocks[i]);
            blocks[i] = NULL;
        }
}

static void check_survivors(void)
{
    for (int i = 0; i < N; i++)
        ck_assert(!blocks[i] || (blocks[i]->words[0] == (uint64_t)i && blocks[i]->words[127] == (uint64_t)i));
}

static void free_all(void)
{
    for (int i = 0; i < N; i++)
        sgc_cache_free(cache, blocks[i]);
    hold_purges(false);
    attach_verify(cache);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    sgc_cache_unmake(cache);
}

static void count_resident(void *arg, struct sgc_slab *slab)
{
    unsigned char resident[SGC_SLAB_BYTES / 4096];
    ck_assert_int_eq(mincore(sgc_slab_start(slab), SGC_SLAB_BYTES, resident), 0);
    for (size_t i = 0; i < SGC_SLAB_BYTES / sgc_os_page_bytes(); i++)
        *(size_t *)arg += resident[i] & 1;
}

static size_t n_resident(void)
{
    size_t n = 0;
    sgc_cache_visit_slabs(cache, count_resident, &n);
    return n;
}

/* A whole pass of the clock's, as if a pass's time had gone by. */
static void pass(void)
{
    hold_purges(false);
    own_front()->purge_began_ns = 0;
    do
        sgc_front_purge_some(own_front());
    while (own_front()->purge_began_ns == 0 || own_front()->n_to_purge);
    hold_purges(true);
}

START_TEST(shrinking_leaves_the_pages_of_live_objects)
{
    allocate_all(&block_type, 0);
    ck_assert_uint_ge(n_resident(), N / 4);
    thin_out(16); /* one object on every fourth page */
    ck_assert_uint_ge(sgc_cache_shrink(cache), (size_t)N / 4 * 4096 * 3 / 4 - 8 * SGC_SLAB_BYTES);
    ck_assert_uint_ge(n_resident(), N / 16);
    ck_assert_uint_le(n_resident(), N / 16 + 16); /* and what a window and a current slab keep */
    check_survivors();
    free_all();
}
END_TEST

START_TEST(pages_that_went_come_back_when_they_are_used)
{
    allocate_all(&block_type, 0);
    thin_out(16);
    for (int round = 0; round < 3; round++) {
        sgc_cache_shrink(cache);
        const size_t before = n_resident();
        for (int i = 0; i < N; i++)
            if (!blocks[i]) {
                blocks[i] = sgc_cache_alloc(cache);
                blocks[i]->words[0] = blocks[i]->words[127] = (uint64_t)i;
            }
        check_survivors();
        ck_assert_uint_gt(n_resident(), 3 * before);
        thin_out(16);
        sgc_cache_shrink(cache);
        ck_assert_uint_le(n_resident(), before + 16);
        check_survivors();
    }
    free_all();
}
END_TEST

START_TEST(a_pass_spares_what_was_touched_since_the_last)
{
    allocate_all(&block_type, 0);
    thin_out(16);
    const size_t before = n_resident();
    pass();
    ck_assert_uint_eq(n_resident(), before);
    pass();
    ck_assert_uint_lt(n_resident(), before / 3);
    check_survivors();
    const size_t after = n_resident();
    for (int i = 1; i < N; i += 16) { /* every slab is touched */
        blocks[i] = sgc_cache_alloc(cache);
        blocks[i]->words[0] = blocks[i]->words[127] = (uint64_t)i;
    }
    thin_out(16);
    const size_t touched = n_resident();
    ck_assert_uint_gt(touched, after);
    pass();
    pass();
    ck_assert_uint_le(n_resident(), after + 16);
    check_survivors();
    free_all();
}
END_TEST

/* A purge is part of a call, which keeps stops away. */
START_TEST(a_purge_ends_soon_when_a_stop_is_wanted)
{
    allocate_all(&block_type, 0);
    thin_out(16);
    pass();
    const size_t before = n_resident();
    ck_assert_uint_gt(own_front()->n_partial, 48);
    for (const uint64_t began_ns = sgc_os_now_ns(); sgc_os_now_ns() - began_ns < UINT64_C(10000000);)
        ; /* it may take as long as any purge may */
    hold_purges(false);
    own_front()->purge_began_ns = 0;
    __atomic_fetch_or(&sgc_stop_flag, SGC_STOP_NOW, __ATOMIC_RELAXED);
    sgc_front_purge_some(own_front());
    __atomic_fetch_and(&sgc_stop_flag, ~SGC_STOP_NOW, __ATOMIC_RELAXED);
    ck_assert_uint_gt(own_front()->n_to_purge, 32); /* three looks at least are left */
    ck_assert_uint_lt(n_resident(), before);
    while (own_front()->n_to_purge) /* goes on where it was */
        sgc_front_purge_some(own_front());
    ck_assert_uint_lt(n_resident(), before / 3);
    check_survivors();
    free_all();
}
END_TEST

START_TEST(slabs_that_a_thread_left_behind_are_purged)
{
    allocate_all(&block_type, 0);
    thin_out(16);
    attach_end(); /* its front is idle */
    ck_assert_int_eq(sgc_thread_attach(), 0);
    const size_t before = n_resident();
    sgc_cache_shrink(cache);
    ck_assert_uint_lt(n_resident(), before / 3);
    check_survivors();
    free_all();
}
END_TEST

static void *leave_much(void *unused)
{
    ck_assert_int_eq(sgc_thread_attach(), 0);
    fill();
    thin_out(16);
    attach_end();
    return unused;
}

/* Four times as many as one look takes, while another thread goes on with the type. */
START_TEST(all_that_ended_threads_left_behind_is_purged_in_time)
{
    pthread_t thread;
    cache = attach_cache(&block_type, 0, NULL);
    sgc_cache_free(cache, sgc_cache_alloc(cache)); /* a front of its own */
    ck_assert_int_eq(pthread_create(&thread, NULL, leave_much, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    const size_t before = n_resident();
    for (int i = 0; i < 2; i++) {
        cache->classes[0]->pass_began_ns = 0;
        pass();
    }
    ck_assert_uint_lt(n_resident(), before / 3);
    check_survivors();
    free_all();
}
END_TEST

START_TEST(constructed_and_poisoned_slots_stay)
{
    allocate_all(&built_type, 0);
    thin_out(16);
    sgc_cache_shrink(cache);
    for (int i = 0; i < N; i++) {
        blocks[i] = blocks[i] ? blocks[i] : sgc_cache_alloc(cache);
        ck_assert_uint_eq(blocks[i]->words[1], 42);
    }
    free_all();
    allocate_all(&block_type, SGC_DEBUG_POISON);
    thin_out(16);
    const size_t before = n_resident();
    sgc_cache_shrink(cache);
    ck_assert_uint_eq(n_resident(), before);
    for (int i = 0; i < N; i++)
        blocks[i] = blocks[i] ? blocks[i] : sgc_cache_alloc(cache); /* finds its poison */
    free_all();
}
END_TEST

START_TEST(a_refused_discard_changes_nothing_and_is_tried_again)
{
    allocate_all(&block_type, 0);
    thin_out(16);
    pass();
    const size_t before = n_resident();
    sgc_os_fault_arm(1, true);
    pass();
    sgc_os_fault_disarm();
    ck_assert_uint_eq(n_resident(), before);
    check_survivors();
    pass();
    ck_assert_uint_lt(n_resident(), before / 3);
    check_survivors();
    free_all();
}
END_TEST

static bool is_filled(const uint8_t *object, uint8_t byte, size_t bytes)
{
    return object[0] == byte && memcmp(object, object + 1, bytes - 1) == 0;
}

/* Objects longer than a page, and ones that straddle pages. */
START_TEST(a_page_stays_while_any_object_reaches_into_it)
{
    static const size_t sizes[] = {48, 640, 3072, 5120, 12288, 20480};
    for (size_t s = 0; s < SGC_ARRAY_LEN(sizes); s++) {
        const struct sgc_type type = {.name = "straddling", .size_bytes = sizes[s]};
        static uint8_t *objects[2000];
        unsigned seed = 1;
        struct sgc_cache *straddling = attach_cache(&type, 0, NULL);
        for (int i = 0; i < 2000; i++) {
            objects[i] = sgc_cache_alloc(straddling);
            memset(objects[i], i % 255 + 1, sizes[s]);
        }
        for (int i = 0; i < 2000; i++)
            if (rand_r(&seed) % 10) {
                sgc_cache_free(straddling, objects[i]);
                objects[i] = NULL;
            }
        sgc_cache_shrink(straddling);
        for (int i = 0; i < 2000; i++)
            ck_assert(!objects[i] || is_filled(objects[i], (uint8_t)(i % 255 + 1), sizes[s]));
        for (int i = 0; i < 2000; i++)
            sgc_cache_free(straddling, objects[i]);
        attach_verify(straddling);
        sgc_cache_unmake(straddling);
    }
}
END_TEST

static void setup(void)
{
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* the kernel makes whole at any time what was purged in part */
    ck_assert_int_eq(sgc_thread_attach(), 0);
}

int main(void)
{
    Suite *suite = suite_create("purge");
    TCase *tcase = tcase_create("purge");
    tcase_add_checked_fixture(tcase, setup, attach_end);
    tcase_add_test(tcase, shrinking_leaves_the_pages_of_live_objects);
    tcase_add_test(tcase, pages_that_went_come_back_when_they_are_used);
    tcase_add_test(tcase, a_pass_spares_what_was_touched_since_the_last);
    tcase_add_test(tcase, a_purge_ends_soon_when_a_stop_is_wanted);
    tcase_add_test(tcase, slabs_that_a_thread_left_behind_are_purged);
    tcase_add_test(tcase, all_that_ended_threads_left_behind_is_purged_in_time);
    tcase_add_test(tcase, constructed_and_poisoned_slots_stay);
    tcase_add_test(tcase, a_refused_discard_changes_nothing_and_is_tried_again);
    tcase_add_test(tcase, a_page_stays_while_any_object_reaches_into_it);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
