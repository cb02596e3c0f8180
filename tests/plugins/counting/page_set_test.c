#include "plugins/counting/page_set.h"

#include "tests/plugins/support/fake_host.h"
#include "tests/support/expect.h"

static uintptr_t page(uintptr_t i)
{
    return 0x700000000 + i;
}

static size_t n_in_slots(const struct sgc_page_set *set)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n_slots; i++)
        n += set->slots[i] != 0;
    return n;
}

START_TEST(an_empty_set_has_nothing)
{
    struct sgc_page_set set = {0};
    ck_assert(!sgc_page_set_has(&set, page(1)));
    sgc_page_set_fini(fake_host(), &set);
}
END_TEST

START_TEST(a_page_stands_in_it_once)
{
    struct sgc_page_set set = {0};
    fake_reset();
    ck_assert(sgc_page_set_add(fake_host(), &set, page(1)));
    ck_assert(sgc_page_set_add(fake_host(), &set, page(2)));
    ck_assert_uint_eq(set.last, page(2));
    ck_assert(sgc_page_set_add(fake_host(), &set, page(1)));
    ck_assert_uint_eq(set.last, page(1));
    ck_assert_uint_eq(set.n, 2);
    ck_assert_uint_eq(n_in_slots(&set), 2);
    sgc_page_set_fini(fake_host(), &set);
    ck_assert(!sgc_page_set_has(&set, page(1)));
    ck_assert_uint_eq(set.last, 0);
    ck_assert_uint_eq(fake.n_records, 0);
}
END_TEST

START_TEST(a_random_sequence_matches_an_array_of_flags)
{
    enum { N = 3000 };
    static bool in[N];
    uint64_t random = support_seed("page_set", 7);
    struct sgc_page_set set = {0};
    size_t n = 0;
    fake_reset();
    for (unsigned step = 0; step < 20000; step++) {
        const unsigned i = (unsigned)(support_random(&random) % N);
        ck_assert(sgc_page_set_add(fake_host(), &set, page(i)));
        n += !in[i];
        in[i] = true;
        ck_assert_uint_eq(set.n, n);
    }
    for (unsigned i = 0; i < N; i++)
        ck_assert(sgc_page_set_has(&set, page(i)) == in[i]);
    ck_assert(!sgc_page_set_has(&set, page(N)));
    ck_assert_uint_eq(n_in_slots(&set), n);
    sgc_page_set_fini(fake_host(), &set);
    ck_assert_uint_eq(fake.n_records, 0);
}
END_TEST

START_TEST(a_refusal_leaves_the_set_as_it_was)
{
    struct sgc_page_set set = {0};
    uintptr_t n = 0;
    fake_reset();
    ck_assert(sgc_page_set_add(fake_host(), &set, page(n++)));
    fake.refuse_after = 0;
    while (sgc_page_set_add(fake_host(), &set, page(n)))
        n++;
    ck_assert_uint_eq(set.n, n);
    for (uintptr_t i = 0; i < n; i++)
        ck_assert(sgc_page_set_has(&set, page(i)));
    ck_assert(!sgc_page_set_has(&set, page(n)));
    fake.refuse_after = -1;
    ck_assert(sgc_page_set_add(fake_host(), &set, page(n)));
    sgc_page_set_fini(fake_host(), &set);
}
END_TEST

START_TEST(a_merged_set_has_the_pages_of_both)
{
    struct sgc_page_set a = {0}, b = {0};
    fake_reset();
    for (uintptr_t i = 0; i < 300; i++)
        sgc_page_set_add(fake_host(), &a, page(i));
    for (uintptr_t i = 200; i < 500; i++)
        sgc_page_set_add(fake_host(), &b, page(i));
    ck_assert(sgc_page_set_merge(fake_host(), &a, &b));
    ck_assert_uint_eq(a.n, 500);
    ck_assert_uint_eq(b.n, 300);
    fake.refuse_after = 0;
    struct sgc_page_set empty = {0};
    ck_assert(!sgc_page_set_merge(fake_host(), &empty, &b));
    ck_assert(sgc_page_set_merge(fake_host(), &a, &b)); /* has them all */
    fake.refuse_after = -1;
    sgc_page_set_fini(fake_host(), &a);
    sgc_page_set_fini(fake_host(), &b);
    ck_assert_uint_eq(fake.n_records, 0);
}
END_TEST

/* Each table in its own order into a growing one: no corner of it fills up. */
START_TEST(a_million_pages_move_from_set_to_set_in_no_time)
{
    struct sgc_page_set a = {0}, b = {0};
    fake_reset();
    for (uintptr_t i = 0; i < 1000000; i++)
        sgc_page_set_add(fake_host(), &a, page(i));
    ck_assert(sgc_page_set_merge(fake_host(), &b, &a));
    ck_assert_uint_eq(b.n, 1000000);
    sgc_page_set_fini(fake_host(), &a);
    sgc_page_set_fini(fake_host(), &b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page_set");
    TCase *tests = tcase_create("page_set");
    tcase_add_test(tests, an_empty_set_has_nothing);
    tcase_add_test(tests, a_page_stands_in_it_once);
    tcase_add_test(tests, a_random_sequence_matches_an_array_of_flags);
    tcase_add_test(tests, a_refusal_leaves_the_set_as_it_was);
    tcase_add_test(tests, a_merged_set_has_the_pages_of_both);
    tcase_add_test(tests, a_million_pages_move_from_set_to_set_in_no_time);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
