/* list_test.c - the intrusive list. */
#include "core/base/list.h"

#include "tests/support/expect.h"

struct item {
    int value;
    struct sgc_list link;
};

/* Fails unless the list reads as the n values in both directions. */
static void assert_reads(struct sgc_list *head, const int *values, int n)
{
    int i = 0;
    SGC_LIST_FOR_EACH (node, head) {
        ck_assert_int_lt(i, n);
        ck_assert_int_eq(SGC_LIST_ENTRY(node, struct item, link)->value, values[i]);
        ck_assert_ptr_eq(node->next->prev, node);
        i++;
    }
    ck_assert_int_eq(i, n);
    for (struct sgc_list *node = head->prev; node != head; node = node->prev)
        ck_assert_int_eq(SGC_LIST_ENTRY(node, struct item, link)->value, values[--i]);
    ck_assert_int_eq(i, 0);
}

START_TEST(a_new_list_is_empty)
{
    struct sgc_list head;
    sgc_list_init(&head);
    ck_assert(sgc_list_empty(&head));
    assert_reads(&head, NULL, 0);
}
END_TEST

START_TEST(items_keep_the_order_in_which_they_were_pushed)
{
    struct sgc_list head;
    struct item a = {.value = 1}, b = {.value = 2}, c = {.value = 3}, d = {.value = 4};
    sgc_list_init(&head);
    sgc_list_push_back(&head, &b.link);
    sgc_list_push_back(&head, &d.link);
    sgc_list_push_front(&head, &a.link);
    sgc_list_insert_after(&b.link, &c.link);
    ck_assert(!sgc_list_empty(&head));
    assert_reads(&head, (int[]){1, 2, 3, 4}, 4);
}
END_TEST

START_TEST(removing_twice_is_harmless)
{
    struct sgc_list head;
    struct item a = {.value = 1}, b = {.value = 2};
    sgc_list_init(&head);
    sgc_list_push_back(&head, &a.link);
    sgc_list_push_back(&head, &b.link);
    sgc_list_remove(&a.link);
    sgc_list_remove(&a.link);
    assert_reads(&head, (int[]){2}, 1);
    sgc_list_remove(&b.link);
    ck_assert(sgc_list_empty(&head));
}
END_TEST

START_TEST(the_safe_loop_survives_removal_of_each_item)
{
    struct sgc_list head;
    struct item items[10];
    sgc_list_init(&head);
    for (int i = 0; i < 10; i++) {
        items[i].value = i;
        sgc_list_push_back(&head, &items[i].link);
    }
    int n = 0;
    SGC_LIST_FOR_EACH_SAFE (node, &head) {
        ck_assert_int_eq(SGC_LIST_ENTRY(node, struct item, link)->value, n++);
        sgc_list_remove(node);
    }
    ck_assert_int_eq(n, 10);
    ck_assert(sgc_list_empty(&head));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list");
    TCase *tc = tcase_create("list");
    tcase_add_test(tc, a_new_list_is_empty);
    tcase_add_test(tc, items_keep_the_order_in_which_they_were_pushed);
    tcase_add_test(tc, removing_twice_is_harmless);
    tcase_add_test(tc, the_safe_loop_survives_removal_of_each_item);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
