/* schema_test.c - sections, keys, what values mean. Refusals are asserted where they are seen: ini_test.c. */
#include "core/runtime/schema.h"

#include "core/cache/cache.h"
#include "tests/support/expect.h"
#include <stdio.h>
#include <string.h>

START_TEST(a_title_gives_kind_and_name)
{
    static const struct {
        const char *title, *name;
        enum sgc_config_kind kind;
    } titles[] = {
        {"heap", "", SGC_CONFIG_HEAP},
        {"heap.Words-2", "Words-2", SGC_CONFIG_HEAP},
        {"strategy.rcu", "rcu", SGC_CONFIG_STRATEGY},
        {"cache.*", "*", SGC_CONFIG_CACHE},
        {"cache.tree.node[!0-9]?", "tree.node[!0-9]?", SGC_CONFIG_CACHE},
        {"plugins", "", SGC_CONFIG_PLUGINS},
    };
    for (unsigned i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        enum sgc_config_kind kind;
        size_t offset;
        struct sgc_value_fault fault;
        ck_assert_int_eq(sgc_schema_title(titles[i].title, strlen(titles[i].title), &kind, &offset, &fault), 0);
        ck_assert_int_eq(kind, titles[i].kind);
        ck_assert_str_eq(titles[i].title + offset, titles[i].name);
    }
}
END_TEST

START_TEST(limits_are_none_bytes_or_per_cent)
{
    struct sgc_limit limit;
    struct sgc_value_fault fault;
    ck_assert_int_eq(sgc_schema_limit("none", true, &limit, &fault), 0);
    ck_assert_int_eq(limit.form, SGC_LIMIT_NONE);
    ck_assert_int_eq(sgc_schema_limit("64KiB", false, &limit, &fault), 0);
    ck_assert_int_eq(limit.form, SGC_LIMIT_BYTES);
    ck_assert_uint_eq(limit.value, 65536);
    ck_assert_int_eq(sgc_schema_limit("150%", true, &limit, &fault), 0);
    ck_assert_int_eq(limit.form, SGC_LIMIT_PERCENT);
    ck_assert_uint_eq(limit.value, 150);
    ck_assert_int_lt(sgc_schema_limit("150%", false, &limit, &fault), 0);
    ck_assert_int_lt(sgc_schema_limit("0", true, &limit, &fault), 0);
}
END_TEST

START_TEST(debug_is_a_set_of_checks)
{
    uint32_t debug = 99;
    struct sgc_value_fault fault;
    ck_assert_int_eq(sgc_schema_debug("none", &debug, &fault), 0);
    ck_assert_uint_eq(debug, 0);
    ck_assert_int_eq(sgc_schema_debug("track , redzone", &debug, &fault), 0);
    ck_assert_uint_eq(debug, SGC_DEBUG_TRACK | SGC_DEBUG_REDZONE);
    ck_assert_int_eq(sgc_schema_debug("check", &debug, &fault), 0);
    ck_assert_uint_eq(debug, SGC_DEBUG_CHECK);
    ck_assert_int_eq(sgc_schema_debug("redzone,poison,track", &debug, &fault), 0);
    ck_assert_uint_eq(debug, SGC_DEBUG_REDZONE | SGC_DEBUG_POISON | SGC_DEBUG_TRACK);
}
END_TEST

START_TEST(items_of_a_list_lose_their_blanks)
{
    const char *at = " a ,b,, c", *item;
    char all[64] = "";
    size_t length;
    while (sgc_schema_next_item(&at, ',', &item, &length))
        sprintf(all + strlen(all), "<%.*s>", (int)length, item);
    ck_assert_str_eq(all, "<a><b><><c>");
    at = NULL;
    ck_assert(!sgc_schema_next_item(&at, ',', &item, &length));
}
END_TEST

START_TEST(keys_can_be_listed)
{
    ck_assert_str_eq(sgc_schema_key_at(SGC_CONFIG_HEAP, 0), "strategy");
    ck_assert_str_eq(sgc_schema_key_at(SGC_CONFIG_CACHE, 0), "debug");
    ck_assert_ptr_null(sgc_schema_key_at(SGC_CONFIG_CACHE, 1));
    ck_assert_ptr_null(sgc_schema_key_at(SGC_CONFIG_STRATEGY, 0));
    ck_assert(sgc_schema_is_list(SGC_CONFIG_CACHE, "debug"));
    ck_assert(!sgc_schema_is_list(SGC_CONFIG_HEAP, "strategy"));
}
END_TEST

START_TEST(a_strategys_name_has_1_to_63_small_letters_digits_and_dashes)
{
    char name[65];
    memset(name, 'x', 64);
    ck_assert(sgc_schema_is_strategy_name("mark-sweep_2", 12));
    ck_assert(sgc_schema_is_strategy_name(name, 63));
    ck_assert(!sgc_schema_is_strategy_name(name, 64));
    ck_assert(!sgc_schema_is_strategy_name("", 0));
    ck_assert(!sgc_schema_is_strategy_name("Rcu", 3));
    ck_assert(!sgc_schema_is_strategy_name("../x", 4));
    ck_assert(!sgc_schema_is_strategy_name("x.so", 4));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schema");
    TCase *tc = tcase_create("schema");
    tcase_add_test(tc, a_title_gives_kind_and_name);
    tcase_add_test(tc, limits_are_none_bytes_or_per_cent);
    tcase_add_test(tc, debug_is_a_set_of_checks);
    tcase_add_test(tc, items_of_a_list_lose_their_blanks);
    tcase_add_test(tc, keys_can_be_listed);
    tcase_add_test(tc, a_strategys_name_has_1_to_63_small_letters_digits_and_dashes);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
