/* config_build_test.c - adding sections and values, whoever parses them. */
#include "tests/runtime/kit.h"

#include "core/os/fault.h"
#include "core/os/meta.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct sgc_config *config;
static struct sgc_source source = {SGC_SOURCE_FILE, "a.conf", "the only line", 13, NULL};
static struct sgc_place place = {&source, 1, 1};
static struct sgc_error error;

static void make(void)
{
    config = kit_config();
}

static void end(void)
{
    sgc_config_free(config);
}

static const struct sgc_config_section *section(const char *title)
{
    const struct sgc_config_section *made = NULL;
    ck_assert_msg(sgc_config_add_section(config, title, strlen(title), &place, &made, &error) == 0, "%s",
                  error.message);
    return made;
}

START_TEST(a_section_keeps_kind_title_name_and_place)
{
    struct sgc_place at = {&source, 1, 5};
    const struct sgc_config_section *made;
    ck_assert_int_eq(sgc_config_add_section(config, "heap.words]", 10, &at, &made, &error), 0);
    ck_assert_int_eq(made->kind, SGC_CONFIG_HEAP);
    ck_assert_str_eq(made->title, "heap.words");
    ck_assert_str_eq(made->name, "words");
    ck_assert_uint_eq(made->place.column, 5);
    ck_assert_str_eq(section("heap")->name, "");
}
END_TEST

START_TEST(values_are_copied_and_kept_in_order)
{
    char key[] = "strategy", value[] = "rcu";
    ck_assert_int_eq(sgc_config_add_value(config, section("heap"), key, &place, value, &place, &error), 0);
    memset(key, 'x', 8);
    memset(value, 'x', 3);
    ck_assert_int_eq(sgc_config_add_value(config, section("heap.a"), "strategy", &place, "none", &place, &error), 0);
    ck_assert_str_eq(config->entries->key, "strategy");
    ck_assert_str_eq(config->entries->value, "rcu");
    ck_assert_str_eq(config->entries->next->value, "none");
    ck_assert_ptr_eq(config->entries->next, config->last_entry);
}
END_TEST

START_TEST(a_key_stands_once_in_a_section_of_a_source_however_often_the_section_comes)
{
    struct sgc_source other = source;
    struct sgc_place there = {&other, 1, 1};
    ck_assert_int_eq(sgc_config_add_value(config, section("heap"), "strategy", &place, "rcu", &place, &error), 0);
    ck_assert_int_eq(sgc_config_add_value(config, section("heap"), "strategy", &place, "rcu", &place, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.message, "\"strategy\" stands twice in [heap]: first at 1:1"));
    ck_assert_int_eq(sgc_config_add_value(config, section("heap"), "strategy", &there, "none", &there, &error), 0);
    ck_assert_int_eq(sgc_config_add_value(config, section("heap.a"), "strategy", &place, "none", &place, &error), 0);
}
END_TEST

START_TEST(the_fault_of_a_value_points_into_it)
{
    struct sgc_place at = {&source, 1, 3};
    ck_assert_int_eq(sgc_config_add_value(config, section("heap"), "memory_limit", &place, "1 GB", &at, &error),
                     -EINVAL);
    ck_assert_mem_eq(error.message, "a.conf:1:5: ", 12);
    ck_assert_ptr_null(config->entries);
}
END_TEST

START_TEST(values_count_per_source)
{
    const struct sgc_config_section *made = section("strategy.x");
    config->n_values = SGC_CONFIG_VALUES;
    ck_assert_int_eq(sgc_config_add_value(config, made, "one_more", &place, "1", &place, &error), -E2BIG);
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_FILE, "b.conf", "[heap]\nstrategy = rcu\n", 22, &error), 0);
}
END_TEST

START_TEST(no_memory_is_an_error)
{
    uint64_t k = 0;
    while (true) {
        struct sgc_config *tried = kit_config();
        sgc_os_fault_arm(++k, true);
        int code = 0;
        for (unsigned i = 0; i < 40 && code == 0; i++) {
            char text[64];
            int length = sprintf(text, "[strategy.s%u]\nk = 1\n", i);
            code = sgc_config_add_text(tried, SGC_SOURCE_FILE, "a.conf", text, (size_t)length, &error);
        }
        bool fired = sgc_os_fault_fired();
        sgc_os_fault_disarm();
        sgc_config_free(tried);
        if (!fired)
            break;
        ck_assert_int_eq(code, -ENOMEM);
        ck_assert_str_eq(error.message, "no memory for the config");
    }
    ck_assert_uint_gt(k, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_build");
    TCase *tc = tcase_create("config_build");
    tcase_add_checked_fixture(tc, make, end);
    tcase_add_test(tc, a_section_keeps_kind_title_name_and_place);
    tcase_add_test(tc, values_are_copied_and_kept_in_order);
    tcase_add_test(tc, a_key_stands_once_in_a_section_of_a_source_however_often_the_section_comes);
    tcase_add_test(tc, the_fault_of_a_value_points_into_it);
    tcase_add_test(tc, values_count_per_source);
    tcase_add_test(tc, no_memory_is_an_error);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
