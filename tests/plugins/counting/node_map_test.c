#include "plugins/counting/node_map.h"

#include "tests/plugins/support/fake_host.h"
#include "tests/support/expect.h"

#include <stdlib.h>

static void *object(uintptr_t i)
{
    return (void *)(0x700000000000 + i * 16);
}

static void fill(struct sgc_node_map *map, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        ck_assert_uint_eq(sgc_node_map_add(fake_host(), map, object(i)), i);
}

static void check_has_exactly(const struct sgc_node_map *map, uint32_t n, uint32_t n_beyond)
{
    for (uint32_t i = 0; i < n; i++)
        ck_assert_uint_eq(sgc_node_map_find(map, object(i)), i);
    for (uint32_t i = n; i < n_beyond; i++)
        ck_assert_uint_eq(sgc_node_map_find(map, object(i)), SGC_NODE_NONE);
}

START_TEST(nodes_keep_their_index_while_the_map_grows)
{
    struct sgc_node_map map = {0};
    fake_reset();
    ck_assert_uint_eq(sgc_node_map_find(&map, object(0)), SGC_NODE_NONE);
    fill(&map, 0, 10000);
    check_has_exactly(&map, 10000, 11000);
    sgc_node_map_fini(fake_host(), &map);
    ck_assert_uint_eq(fake.n_records, 0);
}
END_TEST

START_TEST(removing_by_flag_leaves_the_others_in_order)
{
    struct sgc_node_map map = {0};
    fake_reset();
    fill(&map, 0, 5000);
    for (uint32_t i = 0; i < map.n; i++)
        map.nodes[i].flags = i % 3 ? SGC_NODE_FAR : SGC_NODE_WATCHED;
    sgc_node_map_remove(&map, SGC_NODE_FAR);
    ck_assert_uint_eq(map.n, 1667);
    for (uint32_t i = 0; i < 5000; i++)
        ck_assert_uint_eq(sgc_node_map_find(&map, object(i)), i % 3 ? SGC_NODE_NONE : i / 3);
    sgc_node_map_remove(&map, SGC_NODE_WATCHED);
    check_has_exactly(&map, 0, 5000);
    fill(&map, 0, 10);
    sgc_node_map_fini(fake_host(), &map);
}
END_TEST

START_TEST(a_refusal_leaves_the_map_as_it_was)
{
    fake_reset();
    for (long refuse_after = 0; refuse_after < 2; refuse_after++) {
        struct sgc_node_map map = {0};
        fill(&map, 0, 1024);
        fake.refuse_after = refuse_after;
        ck_assert_uint_eq(sgc_node_map_add(fake_host(), &map, object(1024)), SGC_NODE_NONE);
        check_has_exactly(&map, 1024, 2000);
        fake.refuse_after = -1;
        fill(&map, 1024, 2000);
        sgc_node_map_fini(fake_host(), &map);
        ck_assert_uint_eq(fake.n_records, 0);
    }
}
END_TEST

START_TEST(a_cleared_map_is_empty_and_usable)
{
    struct sgc_node_map map = {0};
    const uint32_t sizes[] = {1, 100, 1000, 5000, 100000};
    fake_reset();
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill(&map, 0, sizes[i]);
        sgc_node_map_clear(fake_host(), &map);
        ck_assert_uint_eq(map.n, 0);
        ck_assert_uint_eq(fake.n_records, sizes[i] < 100000 ? 2 : 0); /* a large one gives its memory back */
        check_has_exactly(&map, 0, sizes[i]);
        fill(&map, 0, 10);
        check_has_exactly(&map, 10, sizes[i]);
        sgc_node_map_clear(fake_host(), &map);
    }
    sgc_node_map_fini(fake_host(), &map);
    ck_assert_uint_eq(fake.n_records, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node_map");
    TCase *tests = tcase_create("node_map");
    tcase_add_test(tests, nodes_keep_their_index_while_the_map_grows);
    tcase_add_test(tests, removing_by_flag_leaves_the_others_in_order);
    tcase_add_test(tests, a_refusal_leaves_the_map_as_it_was);
    tcase_add_test(tests, a_cleared_map_is_empty_and_usable);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
