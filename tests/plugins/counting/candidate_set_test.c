#include "plugins/counting/candidate_set.h"

#include "tests/plugins/support/fake_host.h"
#include "tests/support/expect.h"

#include <stdlib.h>

static void *object(uintptr_t i)
{
    return (void *)(0x700000000000 + i * 16);
}

START_TEST(an_empty_set_has_nothing)
{
    struct sgc_candidate_set set = {0};
    ck_assert(!sgc_candidate_set_has(&set, object(1)));
    ck_assert(!sgc_candidate_set_remove(&set, object(1)));
    ck_assert_uint_eq(sgc_candidate_set_slots(&set), 0);
}
END_TEST

START_TEST(an_object_stands_in_it_once)
{
    struct sgc_candidate_set set = {0};
    fake_reset();
    ck_assert(sgc_candidate_set_add(fake_host(), &set, object(1)));
    ck_assert(sgc_candidate_set_add(fake_host(), &set, object(1)));
    ck_assert_uint_eq(set.n, 1);
    ck_assert(sgc_candidate_set_remove(&set, object(1)));
    ck_assert(!sgc_candidate_set_has(&set, object(1)));
    sgc_candidate_set_fini(fake_host(), &set);
    ck_assert_uint_eq(fake.n_records, 0);
}
END_TEST

START_TEST(a_random_sequence_matches_an_array_of_flags)
{
    enum { N = 3000 };
    static bool in[N];
    uint64_t random = support_seed("candidate_set", 7);
    struct sgc_candidate_set set = {0};
    size_t n = 0;
    fake_reset();
    for (unsigned step = 0; step < 200000; step++) {
        const unsigned i = (unsigned)(support_random(&random) % N);
        if (support_random(&random) & 1) {
            ck_assert(sgc_candidate_set_add(fake_host(), &set, object(i)));
            n += !in[i];
            in[i] = true;
        } else {
            ck_assert(sgc_candidate_set_remove(&set, object(i)) == in[i]);
            n -= in[i];
            in[i] = false;
        }
        ck_assert_uint_eq(set.n, n);
    }
    for (unsigned i = 0; i < N; i++)
        ck_assert(sgc_candidate_set_has(&set, object(i)) == in[i]);
    size_t n_seen = 0;
    for (size_t slot = 0; slot < sgc_candidate_set_slots(&set); slot++)
        n_seen += sgc_candidate_set_at(&set, slot) != NULL;
    ck_assert_uint_eq(n_seen, n);
    ck_assert_uint_le(sgc_candidate_set_slots(&set), N * 8); /* graves do not make it grow */
    sgc_candidate_set_fini(fake_host(), &set);
    ck_assert_uint_eq(fake.n_records, 0);
}
END_TEST

START_TEST(a_refusal_leaves_the_set_as_it_was)
{
    struct sgc_candidate_set set = {0};
    uintptr_t n = 0;
    fake_reset();
    ck_assert(sgc_candidate_set_add(fake_host(), &set, object(n++)));
    fake.refuse_after = 0;
    while (sgc_candidate_set_add(fake_host(), &set, object(n)))
        n++;
    ck_assert_uint_eq(set.n, n);
    for (uintptr_t i = 0; i < n; i++)
        ck_assert(sgc_candidate_set_has(&set, object(i)));
    ck_assert(!sgc_candidate_set_has(&set, object(n)));
    fake.refuse_after = -1;
    ck_assert(sgc_candidate_set_add(fake_host(), &set, object(n)));
    sgc_candidate_set_fini(fake_host(), &set);
}
END_TEST

START_TEST(removing_while_iterating_meets_every_object)
{
    enum { N = 500 };
    struct sgc_candidate_set set = {0};
    size_t n_met = 0;
    fake_reset();
    for (uintptr_t i = 0; i < N; i++)
        sgc_candidate_set_add(fake_host(), &set, object(i));
    for (size_t slot = 0; slot < sgc_candidate_set_slots(&set); slot++) {
        void *met = sgc_candidate_set_at(&set, slot);
        if (met) {
            n_met++;
            ck_assert(sgc_candidate_set_remove(&set, met));
        }
    }
    ck_assert_uint_eq(n_met, N);
    ck_assert_uint_eq(set.n, 0);
    sgc_candidate_set_fini(fake_host(), &set);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("candidate_set");
    TCase *tests = tcase_create("candidate_set");
    tcase_add_test(tests, an_empty_set_has_nothing);
    tcase_add_test(tests, an_object_stands_in_it_once);
    tcase_add_test(tests, a_random_sequence_matches_an_array_of_flags);
    tcase_add_test(tests, a_refusal_leaves_the_set_as_it_was);
    tcase_add_test(tests, removing_while_iterating_meets_every_object);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
