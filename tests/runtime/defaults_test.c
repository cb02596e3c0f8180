/* defaults_test.c - the built-in text is a config like any other, and complete. */
#include "core/runtime/schema.h"
#include "tests/runtime/kit.h"

#include <string.h>

START_TEST(the_built_in_text_reads_without_an_error)
{
    sgc_config_free(kit_parse("built-in", sgc_config_defaults));
}
END_TEST

START_TEST(every_key_of_core_has_a_default_but_those_that_choose)
{
    struct sgc_config *config = kit_parse("built-in", sgc_config_defaults);
    const char *key;
    for (size_t i = 0; (key = sgc_schema_key_at(SGC_CONFIG_HEAP, i)); i++)
        ck_assert_msg((strcmp(key, "strategy") == 0) == !sgc_config_find(config, SGC_CONFIG_HEAP, "any", key), "%s",
                      key);
    for (size_t i = 0; (key = sgc_schema_key_at(SGC_CONFIG_CACHE, i)); i++)
        ck_assert_msg(sgc_config_find_cache(config, "any", key) != NULL, "%s", key);
    sgc_config_free(config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("defaults");
    TCase *tc = tcase_create("defaults");
    tcase_add_test(tc, the_built_in_text_reads_without_an_error);
    tcase_add_test(tc, every_key_of_core_has_a_default_but_those_that_choose);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
