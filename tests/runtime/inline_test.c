/* inline_test.c - $SLABGC: config in one line. */
#include "tests/runtime/kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const char *value_of(const struct sgc_config *config, enum sgc_config_kind kind, const char *name,
                            const char *key)
{
    const struct sgc_config_entry *entry = sgc_config_find(config, kind, name, key);
    return entry ? entry->value : NULL;
}

START_TEST(the_last_dot_parts_section_and_key_and_a_bare_key_means_heap)
{
    struct sgc_config *config = kit_parse(
        "$SLABGC", "strategy=rcu,heap.words.memory_limit=1GiB,strategy.rcu.retired_soft=4MiB,cache.a.b.debug=track");
    ck_assert_pstr_eq(value_of(config, SGC_CONFIG_HEAP, "", "strategy"), "rcu");
    ck_assert_pstr_eq(value_of(config, SGC_CONFIG_HEAP, "words", "memory_limit"), "1GiB");
    ck_assert_pstr_eq(value_of(config, SGC_CONFIG_HEAP, "others", "memory_limit"), NULL);
    ck_assert_pstr_eq(value_of(config, SGC_CONFIG_STRATEGY, "rcu", "retired_soft"), "4MiB");
    ck_assert_pstr_eq(sgc_config_find_cache(config, "a.b", "debug")->value, "track");
    sgc_config_free(config);
}
END_TEST

START_TEST(a_list_goes_on_over_commas)
{
    struct sgc_config *config =
        kit_parse("$SLABGC", "cache.node.debug=redzone, poison,track,default_strategies=rcu,none,strategy=refcount");
    ck_assert_pstr_eq(sgc_config_find_cache(config, "node", "debug")->value, "redzone, poison,track");
    ck_assert_pstr_eq(value_of(config, SGC_CONFIG_HEAP, "", "default_strategies"), "rcu,none");
    ck_assert_pstr_eq(value_of(config, SGC_CONFIG_HEAP, "", "strategy"), "refcount");
    sgc_config_free(config);
}
END_TEST

START_TEST(blanks_and_empty_pieces_do_not_matter)
{
    struct sgc_config *config = kit_parse("$SLABGC", ", strategy = rcu ,, memory_limit= 1GiB,");
    ck_assert_pstr_eq(value_of(config, SGC_CONFIG_HEAP, "", "strategy"), "rcu");
    ck_assert_pstr_eq(value_of(config, SGC_CONFIG_HEAP, "", "memory_limit"), "1GiB");
    sgc_config_free(config);
}
END_TEST

static const struct {
    const char *text, *message;
} bad[] = {
    {"strategy=rcu,memory_limit", "$SLABGC:1:14: \"key=value\" is wanted\n"
                                  "    1 | strategy=rcu,memory_limit\n"
                                  "      |              ^"},
    {"strategy=rcu,stratgy=none", "$SLABGC:1:14: unknown key \"stratgy\" in [heap]; did you mean \"strategy\"?\n"
                                  "    1 | strategy=rcu,stratgy=none\n"
                                  "      |              ^"},
    {"heap.words.limit=1GiB", "$SLABGC:1:12: unknown key \"limit\" in [heap.words]; it takes strategy, "
                              "default_strategies, memory_limit, hard_limit, stall_report\n"
                              "    1 | heap.words.limit=1GiB\n"
                              "      |            ^"},
    {"hepa.words.strategy=rcu", "$SLABGC:1:1: unknown section [hepa.words]; did you mean [heap.words]?\n"
                                "    1 | hepa.words.strategy=rcu\n"
                                "      | ^"},
    {"strategy=", "$SLABGC:1:10: \"strategy\" has no value\n"
                  "    1 | strategy=\n"
                  "      |          ^"},
    {"memory_limit=1 GB", "$SLABGC:1:16: unknown unit \"GB\"; did you mean \"GiB\"?\n"
                          "    1 | memory_limit=1 GB\n"
                          "      |                ^"},
    {"=rcu", "$SLABGC:1:1: the key is missing\n"
             "    1 | =rcu\n"
             "      | ^"},
    {"heap.words.=rcu", "$SLABGC:1:1: the key is missing\n"
                        "    1 | heap.words.=rcu\n"
                        "      | ^"},
    {"strategy=rcu,strategy=none", "$SLABGC:1:14: \"strategy\" stands twice in [heap]: first at 1:1\n"
                                   "    1 | strategy=rcu,strategy=none\n"
                                   "      |              ^"},
    {"cache.*.debug=redzone,posion", "$SLABGC:1:23: unknown check \"posion\"; did you mean \"poison\"?\n"
                                     "    1 | cache.*.debug=redzone,posion\n"
                                     "      |                       ^"},
    {"strategy=rcu\nmemory_limit=1GiB", "$SLABGC:1:13: a control character\n"
                                        "    1 | strategy=rcu\n"
                                        "      |             ^"},
};

START_TEST(a_bad_piece_is_refused_with_its_place)
{
    kit_expect_refused("$SLABGC", bad[_i].text, -EINVAL, bad[_i].message);
}
END_TEST

START_TEST(it_has_at_most_4096_bytes)
{
    char *text = malloc(SGC_CONFIG_LINE_BYTES + 2);
    memset(text, ',', SGC_CONFIG_LINE_BYTES + 1);
    text[SGC_CONFIG_LINE_BYTES] = '\0';
    sgc_config_free(kit_parse("$SLABGC", text));
    text[SGC_CONFIG_LINE_BYTES] = ',';
    text[SGC_CONFIG_LINE_BYTES + 1] = '\0';
    struct sgc_config *config = kit_config();
    struct sgc_error error;
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_ENVIRONMENT, "$SLABGC", text, strlen(text), &error),
                     -EINVAL);
    ck_assert_mem_eq(error.message, "$SLABGC:1:4097: it has at most 4096 bytes\n", 42);
    sgc_config_free(config);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inline");
    TCase *tc = tcase_create("inline");
    tcase_add_test(tc, the_last_dot_parts_section_and_key_and_a_bare_key_means_heap);
    tcase_add_test(tc, a_list_goes_on_over_commas);
    tcase_add_test(tc, blanks_and_empty_pieces_do_not_matter);
    tcase_add_loop_test(tc, a_bad_piece_is_refused_with_its_place, 0, LENGTH(bad));
    tcase_add_test(tc, it_has_at_most_4096_bytes);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
