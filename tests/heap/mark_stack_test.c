/* mark_stack_test.c - the tracing engine's stack. */
#include "core/heap/mark_stack.h"

#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/support/expect.h"

static struct sgc_mark_stack stack;

/* Entries are addresses inside the arena that nobody reads. */
static void *entry(size_t i)
{
    return (void *)(sgc_arena.base + (i + 1) * SGC_GRANULE_BYTES);
}

static void setup(void)
{
    struct sgc_error error;
    ck_assert_int_eq(sgc_arena_init(&error), 0);
    sgc_mark_stack_init(&stack);
}

static void teardown(void)
{
    sgc_os_fault_disarm();
    sgc_mark_stack_trim(&stack);
}

START_TEST(an_empty_stack_pops_nothing)
{
    ck_assert_ptr_null(sgc_mark_stack_pop(&stack));
}
END_TEST

START_TEST(entries_pop_in_reverse_order_across_segments)
{
    const size_t n = 5 * SGC_MARK_SEGMENT_ENTRIES + 7;
    for (size_t i = 0; i < n; i++)
        ck_assert(sgc_mark_stack_push(&stack, entry(i)));
    ck_assert(sgc_mark_stack_is_deep(&stack));
    for (size_t i = n; i-- > 0;)
        ck_assert_ptr_eq(sgc_mark_stack_pop(&stack), entry(i));
    ck_assert_ptr_null(sgc_mark_stack_pop(&stack));
    ck_assert(!sgc_mark_stack_is_deep(&stack));
    ck_assert(!stack.overflowed);
}
END_TEST

START_TEST(pushing_while_popping_delivers_every_entry_exactly_once)
{
    enum { N = 3 * SGC_MARK_SEGMENT_ENTRIES };
    static uint8_t seen[2 * N];
    size_t n_pushed = 0, n_popped = 0;
    for (; n_pushed < N; n_pushed++)
        sgc_mark_stack_push(&stack, entry(n_pushed));
    void *object;
    while ((object = sgc_mark_stack_pop(&stack))) {
        const size_t i = ((uintptr_t)object - sgc_arena.base) / SGC_GRANULE_BYTES - 1;
        ck_assert_uint_eq(seen[i]++, 0);
        n_popped++;
        for (int k = 0; k < 2 && n_pushed < 2 * N; k++)
            sgc_mark_stack_push(&stack, entry(n_pushed++));
    }
    ck_assert_uint_eq(n_popped, 2 * N);
}
END_TEST

START_TEST(growth_refused_drops_the_entry_and_says_so)
{
    size_t n_kept = 0;
    sgc_os_fault_arm(1, true);
    for (size_t i = 0; i < SGC_MARK_SEGMENT_ENTRIES + 100; i++)
        n_kept += sgc_mark_stack_push(&stack, entry(i));
    ck_assert_uint_eq(n_kept, SGC_MARK_SEGMENT_ENTRIES);
    ck_assert(stack.overflowed);
    for (size_t i = n_kept; i-- > 0;)
        ck_assert_ptr_eq(sgc_mark_stack_pop(&stack), entry(i));
    ck_assert_ptr_null(sgc_mark_stack_pop(&stack));
}
END_TEST

START_TEST(swinging_around_a_segments_end_maps_nothing)
{
    for (size_t i = 0; i <= SGC_MARK_SEGMENT_ENTRIES; i++)
        sgc_mark_stack_push(&stack, entry(i));
    sgc_os_fault_arm(0, false);
    for (int i = 0; i < 1000; i++) {
        ck_assert_ptr_nonnull(sgc_mark_stack_pop(&stack));
        ck_assert_ptr_nonnull(sgc_mark_stack_pop(&stack));
        sgc_mark_stack_push(&stack, entry(0));
        sgc_mark_stack_push(&stack, entry(1));
    }
    ck_assert_uint_eq(sgc_os_fault_n_passed(), 0);
    while (sgc_mark_stack_pop(&stack))
        ;
}
END_TEST

START_TEST(trim_gives_all_memory_back)
{
    sgc_mark_stack_trim(&stack);
    const size_t before = sgc_meta_bytes();
    for (size_t i = 0; i < 10 * SGC_MARK_SEGMENT_ENTRIES; i++)
        sgc_mark_stack_push(&stack, entry(i));
    ck_assert_uint_gt(sgc_meta_bytes(), before);
    while (sgc_mark_stack_pop(&stack))
        ;
    ck_assert_uint_le(sgc_meta_bytes(), before + sizeof(struct sgc_mark_segment));
    sgc_mark_stack_trim(&stack);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
}
END_TEST

START_TEST(mark_words_of_an_address_are_those_of_its_slab)
{
    for (size_t i = 0; i < 3 * SGC_SLAB_GRANULES; i += 61) {
        const void *p = entry(i);
        ck_assert_ptr_eq(sgc_mark_word(p), sgc_slab_words(sgc_slab_of(p), SGC_KIND_MARK) + sgc_slab_granule(p) / 64);
        ck_assert_uint_eq(sgc_mark_bit(p), UINT64_C(1) << (sgc_slab_granule(p) % 64));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mark_stack");
    TCase *tc = tcase_create("mark_stack");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_empty_stack_pops_nothing);
    tcase_add_test(tc, entries_pop_in_reverse_order_across_segments);
    tcase_add_test(tc, pushing_while_popping_delivers_every_entry_exactly_once);
    tcase_add_test(tc, growth_refused_drops_the_entry_and_says_so);
    tcase_add_test(tc, swinging_around_a_segments_end_maps_nothing);
    tcase_add_test(tc, trim_gives_all_memory_back);
    tcase_add_test(tc, mark_words_of_an_address_are_those_of_its_slab);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
