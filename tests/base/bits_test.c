/* bits_test.c - rounding, counting and hashing. */
#include "core/base/bits.h"
#include "tests/support/expect.h"

START_TEST(rounding_keeps_multiples_and_moves_the_rest)
{
    ck_assert_uint_eq(sgc_round_up(0, 16), 0);
    ck_assert_uint_eq(sgc_round_up(1, 16), 16);
    ck_assert_uint_eq(sgc_round_up(16, 16), 16);
    ck_assert_uint_eq(sgc_round_up(17, 1), 17);
    ck_assert_uint_eq(sgc_round_down(15, 16), 0);
    ck_assert_uint_eq(sgc_round_down(16, 16), 16);
    ck_assert_uint_eq(sgc_round_down(SIZE_MAX, 4096), SIZE_MAX - 4095);
}
END_TEST

START_TEST(powers_of_two_have_one_bit)
{
    ck_assert(!sgc_is_pow2(0));
    ck_assert(!sgc_is_pow2(SIZE_MAX));
    for (unsigned bit = 0; bit < 64; bit++) {
        ck_assert(sgc_is_pow2((size_t)1 << bit));
        if (bit > 1)
            ck_assert(!sgc_is_pow2(((size_t)1 << bit) - 1));
    }
}
END_TEST

START_TEST(counts_agree_with_a_loop_over_the_bits)
{
    uint64_t state = support_seed("bits_test", 1);
    for (int i = 0; i < 1000; i++) {
        uint64_t word = support_random(&state) & support_random(&state);
        unsigned n_bits = 0, first = 64;
        for (unsigned bit = 64; bit-- > 0;) {
            if (word >> bit & 1) {
                n_bits++;
                first = bit;
            }
        }
        ck_assert_uint_eq(sgc_popcount64(word), n_bits);
        if (word)
            ck_assert_uint_eq(sgc_ctz64(word), first);
    }
}
END_TEST

START_TEST(hash_spreads_neighbours_over_all_bits)
{
    uint64_t differing = 0;
    for (uint64_t i = 0; i < 64; i++) {
        uint64_t change = sgc_hash64(i) ^ sgc_hash64(i + 1);
        ck_assert_uint_ge(sgc_popcount64(change), 10);
        differing |= change;
    }
    ck_assert_uint_eq(differing, UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bits");
    TCase *tc = tcase_create("bits");
    tcase_add_test(tc, rounding_keeps_multiples_and_moves_the_rest);
    tcase_add_test(tc, powers_of_two_have_one_bit);
    tcase_add_test(tc, counts_agree_with_a_loop_over_the_bits);
    tcase_add_test(tc, hash_spreads_neighbours_over_all_bits);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
