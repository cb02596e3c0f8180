/* verify_test.c - sgc_region_verify names the one invariant that a test broke. */
#include "core/slab/region.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <stdio.h>

static struct sgc_slab *used, *freed; /* slabs 0 and 1 of region 0 */
static struct sgc_region *region;

static void setup(void)
{
    const uint32_t kinds = SGC_KIND_BIT(SGC_KIND_MARK) | SGC_KIND_BIT(SGC_KIND_COUNT) | SGC_KIND_BIT(SGC_KIND_STATE);
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    used = sgc_slab_run_alloc(1, kinds, NULL, NULL);
    freed = sgc_slab_run_alloc(1, kinds, NULL, NULL);
    sgc_slab_run_free(freed, NULL);
    region = &sgc_regions.table[0];
    ck_assert_int_eq(sgc_region_verify(NULL), 0);
}

static void expect(const char *message)
{
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_region_verify(&error), -EUCLEAN);
    ck_assert_int_eq(error.code, -EUCLEAN);
    ck_assert_str_eq(error.message, message);
}

START_TEST(a_descriptor_without_a_run_is_named)
{
    freed->back_slabs = 1;
    expect("region 0: descriptor of slab 1 belongs to no run");
}
END_TEST

START_TEST(a_free_mask_that_disagrees_with_the_runs_is_named)
{
    region->free_mask &= ~4u;
    expect("region 0: slabs in runs 0x00000001, but free mask 0xfffffffa");
}
END_TEST

START_TEST(a_clean_slab_in_use_is_named)
{
    region->dirty_mask &= ~1u;
    expect("region 0: slabs in runs 0x00000001, but dirty mask 0x00000002");
}
END_TEST

START_TEST(a_region_missing_from_the_cooling_list_is_named)
{
    sgc_list_remove(&region->cooling);
    expect("region 0: missing from the cooling list");
}
END_TEST

START_TEST(a_region_wrongly_on_the_cooling_list_is_named)
{
    region->dirty_mask = 1;
    expect("region 0: wrongly on the cooling list");
}
END_TEST

START_TEST(metadata_of_a_free_slab_is_named_by_its_kind)
{
    static const struct {
        enum sgc_kind kind;
        const char *name;
    } bits[] = {{SGC_KIND_FREE, "free"}, {SGC_KIND_REMOTE, "remote"}, {SGC_KIND_MARK, "mark"}};
    char message[100];
    for (int i = 0; i < 3; i++) {
        sgc_slab_words(freed, bits[i].kind)[63] = 1;
        snprintf(message, sizeof(message), "region 0: %s metadata of free slab 1 is not zero", bits[i].name);
        expect(message);
        sgc_slab_words(freed, bits[i].kind)[63] = 0;
    }
    *sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(freed) + SGC_SLAB_BYTES - 16) = 1;
    expect("region 0: count metadata of free slab 1 is not zero");
    *sgc_byte_at(SGC_KIND_COUNT, sgc_slab_start(freed) + SGC_SLAB_BYTES - 16) = 0;
    *sgc_byte_at(SGC_KIND_STATE, sgc_slab_start(freed)) = 1;
    expect("region 0: state metadata of free slab 1 is not zero");
}
END_TEST

START_TEST(a_wrong_count_of_used_slabs_is_named)
{
    sgc_regions.n_used++;
    expect("1 slabs in runs, but 2 counted");
}
END_TEST

START_TEST(a_wrong_count_of_dirty_free_slabs_is_named)
{
    sgc_regions.n_dirty_free++;
    expect("1 free slabs with memory, but 2 counted");
}
END_TEST

START_TEST(a_region_in_a_wrong_bucket_is_named)
{
    sgc_list_remove(&region->bucket);
    sgc_list_push_back(&sgc_regions.buckets[3], &region->bucket);
    expect("region 0: 31 free slabs in a row, but in bucket 3");
}
END_TEST

START_TEST(a_region_in_no_bucket_is_named)
{
    sgc_list_remove(&region->bucket);
    expect("0 regions in buckets of 1");
}
END_TEST

START_TEST(an_arena_that_was_never_used_is_sound)
{
    ck_assert_int_eq(sgc_region_verify(NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify");
    TCase *broken = tcase_create("broken");
    tcase_add_checked_fixture(broken, setup, NULL);
    tcase_add_test(broken, a_descriptor_without_a_run_is_named);
    tcase_add_test(broken, a_free_mask_that_disagrees_with_the_runs_is_named);
    tcase_add_test(broken, a_clean_slab_in_use_is_named);
    tcase_add_test(broken, a_region_missing_from_the_cooling_list_is_named);
    tcase_add_test(broken, a_region_wrongly_on_the_cooling_list_is_named);
    tcase_add_test(broken, metadata_of_a_free_slab_is_named_by_its_kind);
    tcase_add_test(broken, a_wrong_count_of_used_slabs_is_named);
    tcase_add_test(broken, a_wrong_count_of_dirty_free_slabs_is_named);
    tcase_add_test(broken, a_region_in_a_wrong_bucket_is_named);
    tcase_add_test(broken, a_region_in_no_bucket_is_named);
    suite_add_tcase(suite, broken);
    TCase *sound = tcase_create("sound");
    tcase_add_test(sound, an_arena_that_was_never_used_is_sound);
    suite_add_tcase(suite, sound);
    return support_main(suite);
}
