/* slot_test.c - which granules of a slab are starts of slots. */
#include "core/slab/slab.h"
#include "tests/support/expect.h"

START_TEST(every_slot_has_one_bit_at_its_first_granule)
{
    for (uint32_t slot_bytes = 16; slot_bytes <= SGC_SLAB_BYTES; slot_bytes += 16) {
        uint64_t mask[SGC_SLAB_WORDS];
        const unsigned n = sgc_slab_slot_mask(slot_bytes, mask);
        ck_assert_uint_eq(n, SGC_SLAB_BYTES / slot_bytes);
        unsigned n_bits = 0;
        for (unsigned i = 0; i < SGC_SLAB_WORDS; i++)
            n_bits += sgc_popcount64(mask[i]);
        ck_assert_uint_eq(n_bits, n);
        for (unsigned i = 0; i < n; i++) {
            const unsigned granule = i * slot_bytes / SGC_GRANULE_BYTES;
            ck_assert(mask[granule / 64] >> (granule % 64) & 1);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slot");
    TCase *tcase = tcase_create("slot");
    tcase_add_test(tcase, every_slot_has_one_bit_at_its_first_granule);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
