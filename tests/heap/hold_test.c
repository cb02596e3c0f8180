/* hold_test.c - holds and drops; the hold stack; misuse of both. */
#include "core/os/fault.h"
#include "tests/heap/support.h"

#include <setjmp.h>
#include <stdio.h>

static struct sgc_heap *heap;
static struct sgc_cache *nodes;
static struct node *node;

static void setup(void)
{
    heap = open_limited("hold", &sharing_plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
    node = new_node(nodes, NULL, NULL);
}

static void teardown(void)
{
    sgc_drop(node);
    ck_assert_uint_eq(n_live(heap), 0);
    close_heap(heap);
}

START_TEST(null_and_immediates_pass_through)
{
    void *const immediate = (void *)(uintptr_t)0x1235;
    ck_assert_ptr_null(sgc_hold(NULL));
    ck_assert_ptr_eq(sgc_hold(immediate), immediate);
    sgc_drop(NULL);
    sgc_drop(immediate);
    const size_t mark = sgc_mark();
    ck_assert_ptr_null(sgc_push(NULL));
    ck_assert_ptr_eq(sgc_push(immediate), immediate);
    sgc_unwind(mark);
}
END_TEST

START_TEST(a_hold_adds_one_and_a_drop_takes_one)
{
    ck_assert_uint_eq(count_of(node), 1);
    ck_assert_ptr_eq(sgc_hold(node), node);
    ck_assert_uint_eq(count_of(node), 2);
    sgc_drop(node);
    ck_assert_uint_eq(count_of(node), 1);
}
END_TEST

static void *drops(void *object)
{
    sgc_drop(object);
    return NULL;
}

START_TEST(any_thread_may_drop_a_hold)
{
    sgc_hold(node);
    join(support_thread("drops", drops, node));
    ck_assert_uint_eq(count_of(node), 1);
    struct node *other = new_node(nodes, NULL, NULL);
    join(support_thread("drops", drops, other));
    ck_assert_uint_eq(n_live(heap), 1);
}
END_TEST

static void *holds_and_drops(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50000; i++)
        sgc_drop(sgc_hold(node));
    return NULL;
}

START_TEST(holds_of_several_threads_are_all_counted)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = support_thread("holds", holds_and_drops, NULL);
    holds_and_drops(NULL);
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    ck_assert_uint_eq(count_of(node), 1);
}
END_TEST

START_TEST(an_automatic_variable_is_dropped_at_the_end_of_its_scope)
{
    {
        SGC_AUTO struct node *automatic = sgc_hold(node);
        ck_assert_uint_eq(count_of(automatic), 2);
    }
    ck_assert_uint_eq(count_of(node), 1);
}
END_TEST

/* ---- the hold stack */

START_TEST(unwinding_drops_what_was_pushed_since_the_mark)
{
    const size_t outer = sgc_mark();
    ck_assert_ptr_eq(sgc_push(sgc_hold(node)), node);
    const size_t inner = sgc_mark();
    sgc_push(sgc_hold(node));
    sgc_push(sgc_hold(node));
    ck_assert_uint_eq(count_of(node), 4);
    sgc_unwind(inner);
    ck_assert_uint_eq(count_of(node), 2);
    sgc_unwind(inner); /* a second time there is nothing */
    ck_assert_uint_eq(count_of(node), 2);
    sgc_unwind(outer);
    ck_assert_uint_eq(count_of(node), 1);
    ck_assert_uint_eq(sgc_mark(), outer);
}
END_TEST

static jmp_buf escape;

static void dive(unsigned depth)
{
    sgc_push(sgc_hold(node));
    if (depth > 0)
        dive(depth - 1);
    else if (sgc_mark() > 0)
        longjmp(escape, 1);
}

START_TEST(a_longjmp_loses_no_hold)
{
    const size_t mark = sgc_mark();
    if (setjmp(escape) == 0)
        dive(1000); /* through growth of the stack */
    ck_assert_uint_eq(count_of(node), 1002);
    sgc_unwind(mark);
    ck_assert_uint_eq(count_of(node), 1);
}
END_TEST

START_TEST(a_new_object_on_the_stack_dies_when_it_is_unwound)
{
    const size_t mark = sgc_mark();
    for (int i = 0; i < 300; i++)
        ck_assert_ptr_nonnull(sgc_push(sgc_new(nodes)));
    ck_assert_uint_eq(n_live(heap), 301);
    sgc_unwind(mark);
    ck_assert_uint_eq(n_live(heap), 1);
}
END_TEST

START_TEST(a_stack_that_cannot_grow_leaves_the_hold_with_the_caller)
{
    void *refused = node;
    errno = 0;
    sgc_os_fault_arm(1, true);
    for (int i = 0; i < 1000000 && (refused = sgc_push(sgc_hold(node))) != NULL; i++)
        ;
    sgc_os_fault_disarm();
    ck_assert_ptr_null(refused);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_eq(count_of(node), sgc_mark() + 2);
    sgc_drop(node);
    ck_assert_ptr_eq(sgc_push(sgc_hold(node)), node); /* and goes on when there is memory again */
    sgc_unwind(0);
    ck_assert_uint_eq(count_of(node), 1);
}
END_TEST

START_TEST(each_thread_has_a_stack_of_its_own)
{
    sgc_push(sgc_hold(node));
    const size_t mark = sgc_mark();
    join(support_thread("holds", holds_and_drops, NULL));
    ck_assert_uint_eq(sgc_mark(), mark);
    sgc_unwind(0);
}
END_TEST

/* ---- misuse */

static void unwind_above(void *arg)
{
    (void)arg;
    sgc_push(sgc_hold(node));
    sgc_unwind(7);
}

static void hold_pointer(void *pointer)
{
    sgc_hold(pointer);
}

static void drop_pointer(void *pointer)
{
    sgc_drop(pointer);
}

static void drop_twice(void *object)
{
    sgc_drop(object);
    sgc_drop(object);
}

static void drop_twice_in_a_section(void *object)
{
    SGC_SECTION;
    sgc_drop(object);
    sgc_drop(object);
}

START_TEST(unwinding_above_the_height_panics)
{
    support_expect_panic(unwind_above, NULL, "sgc_unwind: mark 7 is above the hold stack's height 1");
}
END_TEST

static void expect_foreign(void *pointer)
{
    char text[128];
    snprintf(text, sizeof(text), "sgc_hold: foreign pointer %p: not an object of any heap", pointer);
    support_expect_panic(hold_pointer, pointer, text);
    snprintf(text, sizeof(text), "sgc_drop: foreign pointer %p: not an object of any heap", pointer);
    support_expect_panic(drop_pointer, pointer, text);
}

START_TEST(foreign_pointers_panic)
{
    static long global __attribute__((aligned(16)));
    long on_stack __attribute__((aligned(16))) = 0;
    expect_foreign(&global);
    expect_foreign(&on_stack);
    expect_foreign((void *)(sgc_arena.base + sgc_arena.bytes - 4096)); /* reserved, but nobody's yet */
}
END_TEST

START_TEST(a_double_drop_panics)
{
    char text[128];
    struct node *other = new_node(nodes, NULL, NULL);
    snprintf(text, sizeof(text), "double drop: object %p of cache node", (void *)other);
    support_expect_panic(drop_twice, other, text);
    support_expect_panic(drop_twice_in_a_section, other, text);
    sgc_drop(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hold");
    TCase *tc = tcase_create("hold");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, null_and_immediates_pass_through);
    tcase_add_test(tc, a_hold_adds_one_and_a_drop_takes_one);
    tcase_add_test(tc, any_thread_may_drop_a_hold);
    tcase_add_test(tc, holds_of_several_threads_are_all_counted);
    tcase_add_test(tc, an_automatic_variable_is_dropped_at_the_end_of_its_scope);
    tcase_add_test(tc, unwinding_drops_what_was_pushed_since_the_mark);
    tcase_add_test(tc, a_longjmp_loses_no_hold);
    tcase_add_test(tc, a_new_object_on_the_stack_dies_when_it_is_unwound);
    tcase_add_test(tc, a_stack_that_cannot_grow_leaves_the_hold_with_the_caller);
    tcase_add_test(tc, each_thread_has_a_stack_of_its_own);
    tcase_add_test(tc, unwinding_above_the_height_panics);
    tcase_add_test(tc, foreign_pointers_panic);
    tcase_add_test(tc, a_double_drop_panics);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
