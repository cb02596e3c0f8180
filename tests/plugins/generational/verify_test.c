/* verify_test.c - what verify finds, each fault alone, and that it borrows its bits. */
#include "tests/plugins/generational/host.h"

static struct sgc_error error;

static void *make(unsigned i)
{
    made[i] = true;
    return object(i);
}

static void **make_old(unsigned i, bool is_big)
{
    make(i);
    return old_object(i, is_big);
}

/* What verify says, and that it leaves no bit behind. */
static void expect(int code, const char *message)
{
    uint8_t before[N_OBJECTS];
    memcpy(before, states, sizeof(before));
    memset(&error, 0, sizeof(error));
    ck_assert_int_eq(ops->verify(self, &error), code);
    ck_assert_str_eq(error.message, message);
    ck_assert_mem_eq(states, before, sizeof(before));
}

START_TEST(old_and_young_objects_that_know_each_other_as_they_may_are_sound)
{
    void **old = make_old(1, false), **older = make_old(2, false), **young = make(3);
    young[0] = old;
    young[1] = make(4);
    older[0] = old;
    older[1] = (void *)(uintptr_t)9; /* an immediate */
    expect(0, "");
    ops->store(self, old, &old[0], young);
    expect(0, ""); /* it is logged */
}
END_TEST

START_TEST(a_young_value_behind_the_stores_back_is_named)
{
    char message[256];
    void **old = make_old(1, false), *young = make(2);
    old[1] = young;
    snprintf(
        message, sizeof(message),
        "generational: old object %p (plain) refers to young object %p (plain) at offset 8, and is not remembered: "
        "it was written without the store family",
        (void *)old, young);
    expect(-EUCLEAN, message);
    manual[2] = true; /* no collection ends it */
    expect(0, "");
    manual[2] = false;
    marked[2] = true;
    states[2] = SGC_STATE_STORE;
    expect(0, "");
}
END_TEST

START_TEST(a_field_of_a_big_owner_is_remembered_alone)
{
    void **big_owner = make_old(1, true);
    ops->store(self, big_owner, &big_owner[0], make(2));
    expect(0, "");
    big_owner[1] = make(3);
    ck_assert_int_eq(ops->verify(self, &error), -EUCLEAN);
    ck_assert_ptr_nonnull(strstr(error.message, "at offset 8"));
    big_owner[1] = object(2); /* the field that is remembered leads to it, too */
    expect(0, "");
    big_owner[0] = big_owner[1] = NULL;
    expect(0, "");
}
END_TEST

START_TEST(an_object_with_the_wrong_barrier_is_named)
{
    char message[256];
    void *old = make_old(1, false), *young = make(2);
    states[1] = 0;
    snprintf(message, sizeof(message),
             "generational: old object %p (plain) has state 0x00: stores into it go unseen, and it is not remembered",
             old);
    expect(-EUCLEAN, message);
    states[1] = states[2] = SGC_STATE_STORE;
    snprintf(message, sizeof(message),
             "generational: young object %p (plain) has state 0x%02x: it takes the barrier of old ones", young,
             SGC_STATE_STORE);
    expect(-EUCLEAN, message);
}
END_TEST

START_TEST(the_first_fault_is_the_one_that_is_told)
{
    void **first = make_old(1, false), **second = make_old(2, false);
    first[0] = second[0] = make(3);
    first[1] = make(4);
    ck_assert_int_eq(ops->verify(self, &error), -EUCLEAN);
    ck_assert_ptr_nonnull(strstr(error.message, "at offset 0"));
    char owner[32];
    snprintf(owner, sizeof(owner), "old object %p ", (void *)first);
    ck_assert_ptr_nonnull(strstr(error.message, owner));
}
END_TEST

START_TEST(while_a_full_collection_is_due_nothing_is_asked)
{
    void **old = make_old(1, false);
    refuse = true;
    ops->store(self, old, &old[0], make(2)); /* lost */
    refuse = false;
    old[1] = make(3);
    states[1] = 0;
    expect(0, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generational/verify");
    TCase *tcase = tcase_create("verify");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, old_and_young_objects_that_know_each_other_as_they_may_are_sound);
    tcase_add_test(tcase, a_young_value_behind_the_stores_back_is_named);
    tcase_add_test(tcase, a_field_of_a_big_owner_is_remembered_alone);
    tcase_add_test(tcase, an_object_with_the_wrong_barrier_is_named);
    tcase_add_test(tcase, the_first_fault_is_the_one_that_is_told);
    tcase_add_test(tcase, while_a_full_collection_is_due_nothing_is_asked);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
