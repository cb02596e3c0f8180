/* pacer_test.c - when a collection is due: the arithmetic, requests, external bytes. */
#include "tests/heap/support.h"

#define MIB (UINT64_C(1) << 20)

static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void setup(void)
{
    memset(&probe, 0, sizeof(probe));
    heap = open_limited("pacer", &probe_plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
}

static void teardown(void)
{
    close_heap(heap);
}

static void pace(uint64_t minor_bytes, uint64_t full_growth_pct, uint64_t full_min_bytes)
{
    sgc_pacer_set(heap, &(struct sgc_pace){minor_bytes, full_growth_pct, full_min_bytes});
}

static int due(void)
{
    return sgc_pacer_poll(heap);
}

START_TEST(without_a_pace_nothing_is_ever_due)
{
    sgc_pacer_allocated(heap, UINT64_C(1) << 40);
    ck_assert_int_eq(due(), -1);
}
END_TEST

START_TEST(a_minor_collection_is_due_after_its_bytes)
{
    pace(MIB, 0, 0);
    sgc_pacer_allocated(heap, MIB - 1);
    ck_assert_int_eq(due(), -1);
    sgc_pacer_allocated(heap, 1);
    ck_assert_int_eq(due(), SGC_COLLECT_MINOR);
    sgc_pacer_collected(heap, SGC_COLLECT_MINOR);
    ck_assert_int_eq(due(), -1);
}
END_TEST

START_TEST(a_full_collection_is_due_beyond_the_minimum)
{
    pace(0, 100, 4 * MIB);
    sgc_pacer_allocated(heap, 4 * MIB);
    ck_assert_int_eq(due(), -1);
    sgc_pacer_allocated(heap, 1);
    ck_assert_int_eq(due(), SGC_COLLECT_FULL);
}
END_TEST

START_TEST(a_full_collection_is_due_when_the_heap_outgrew_what_lived)
{
    enum { N = 40000 };
    static struct node *held[N];
    for (int i = 0; i < N; i++)
        held[i] = sgc_new(nodes);
    pace(0, 50, 1);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    const uint64_t live = stats_of(heap).live_bytes;
    ck_assert_uint_ge(live, N * sizeof(struct node));
    sgc_pacer_allocated(heap, live / 2 - MIB / 16);
    ck_assert_int_eq(due(), -1);
    sgc_pacer_allocated(heap, MIB / 8);
    ck_assert_int_eq(due(), SGC_COLLECT_FULL);
    for (int i = 0; i < N; i++)
        sgc_drop(held[i]);
}
END_TEST

START_TEST(a_full_collection_waits_for_the_next_minor_one)
{
    pace(8 * MIB, 100, MIB);
    sgc_pacer_allocated(heap, 2 * MIB);
    ck_assert_int_eq(due(), -1);
    sgc_pacer_allocated(heap, 6 * MIB);
    ck_assert_int_eq(due(), SGC_COLLECT_FULL);
}
END_TEST

START_TEST(minor_collections_do_not_move_the_full_ones_mark)
{
    pace(MIB, 100, 3 * MIB);
    const uint64_t trigger = heap->pacer.full_trigger_bytes;
    sgc_pacer_allocated(heap, MIB);
    sgc_pacer_collected(heap, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(heap->pacer.full_trigger_bytes, trigger);
}
END_TEST

START_TEST(a_request_is_due_at_once_and_the_greater_one_wins)
{
    sgc_pacer_request(heap, SGC_COLLECT_MINOR);
    ck_assert_int_eq(due(), SGC_COLLECT_MINOR);
    sgc_pacer_request(heap, SGC_COLLECT_FULL);
    ck_assert_int_eq(due(), SGC_COLLECT_FULL);
    sgc_pacer_request(heap, SGC_COLLECT_MINOR);
    ck_assert_int_eq(due(), SGC_COLLECT_FULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_int_eq(due(), -1);
}
END_TEST

START_TEST(a_request_is_met_at_the_next_allocation_at_rest)
{
    sgc_pacer_request(heap, SGC_COLLECT_FULL);
    const unsigned before = probe.n_full;
    for (int i = 0; i < 10000 && probe.n_full == before; i++)
        sgc_drop(sgc_new(nodes));
    ck_assert_uint_eq(probe.n_full, before + 1);
}
END_TEST

START_TEST(a_minor_collection_does_not_meet_a_request_for_a_full_one)
{
    sgc_pacer_request(heap, SGC_COLLECT_MINOR);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_int_eq(sgc_pacer_poll(heap), -1);
    sgc_pacer_request(heap, SGC_COLLECT_FULL);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    ck_assert_int_eq(sgc_pacer_poll(heap), SGC_COLLECT_FULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_int_eq(sgc_pacer_poll(heap), -1);
}
END_TEST

START_TEST(external_bytes_count_and_can_be_given_back)
{
    pace(0, 100, 4 * MIB);
    sgc_account(heap, 5 * MIB);
    ck_assert_uint_eq(stats_of(heap).external_bytes, 5 * MIB);
    ck_assert_int_eq(due(), SGC_COLLECT_FULL);
    sgc_account(heap, -(int64_t)(5 * MIB));
    ck_assert_uint_eq(stats_of(heap).external_bytes, 0);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_int_eq(due(), -1);
    sgc_account(heap, -(int64_t)MIB); /* more than was ever told: no heap of a negative size */
    ck_assert_uint_eq(stats_of(heap).external_bytes, 0);
    ck_assert_int_eq(due(), -1);
    sgc_account(heap, MIB);
}
END_TEST

START_TEST(external_bytes_that_stay_are_part_of_what_lived)
{
    pace(0, 100, 1);
    sgc_account(heap, 8 * MIB);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_ge(heap->pacer.full_trigger_bytes, 16 * MIB - 100); /* per cents are whole bytes */
    sgc_pacer_allocated(heap, 7 * MIB);
    ck_assert_int_eq(due(), -1);
    sgc_pacer_allocated(heap, 2 * MIB);
    ck_assert_int_eq(due(), SGC_COLLECT_FULL);
    sgc_account(heap, -(int64_t)(8 * MIB));
}
END_TEST

static void *sets_pace(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < 20000; i++)
        pace(i % 2 ? MIB : 2 * MIB, 100, MIB);
    return NULL;
}

START_TEST(the_pace_may_change_while_others_poll)
{
    const pthread_t thread = support_thread("paces", sets_pace, NULL);
    for (int i = 0; i < 20000; i++) {
        const int kind = due();
        ck_assert(kind == -1 || kind == SGC_COLLECT_MINOR || kind == SGC_COLLECT_FULL);
    }
    join(thread);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pacer");
    TCase *tc = tcase_create("pacer");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, without_a_pace_nothing_is_ever_due);
    tcase_add_test(tc, a_minor_collection_is_due_after_its_bytes);
    tcase_add_test(tc, a_full_collection_is_due_beyond_the_minimum);
    tcase_add_test(tc, a_full_collection_is_due_when_the_heap_outgrew_what_lived);
    tcase_add_test(tc, a_full_collection_waits_for_the_next_minor_one);
    tcase_add_test(tc, minor_collections_do_not_move_the_full_ones_mark);
    tcase_add_test(tc, a_request_is_due_at_once_and_the_greater_one_wins);
    tcase_add_test(tc, a_request_is_met_at_the_next_allocation_at_rest);
    tcase_add_test(tc, a_minor_collection_does_not_meet_a_request_for_a_full_one);
    tcase_add_test(tc, external_bytes_count_and_can_be_given_back);
    tcase_add_test(tc, external_bytes_that_stay_are_part_of_what_lived);
    tcase_add_test(tc, the_pace_may_change_while_others_poll);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
