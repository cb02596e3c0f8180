/* ini_test.c - config files: what is read, and each error with its exact place. */
#include "tests/runtime/kit.h"

#include "core/os/meta.h"
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const char *value_of(const struct sgc_config *config, enum sgc_config_kind kind, const char *name,
                            const char *key)
{
    const struct sgc_config_entry *entry = sgc_config_find(config, kind, name, key);
    return entry ? entry->value : NULL;
}

/* The value of [heap] strategy in a text that must be accepted. */
static void expect_strategy(const char *text, const char *strategy)
{
    struct sgc_config *config = kit_parse("a.conf", text);
    ck_assert_pstr_eq(value_of(config, SGC_CONFIG_HEAP, "", "strategy"), strategy);
    sgc_config_free(config);
}

static const char *const same[] = {
    "[heap]\nstrategy = rcu\n",
    "[heap]\nstrategy=rcu",
    "[heap]\r\nstrategy = rcu\r\n",
    "\xef\xbb\xbf[heap]\nstrategy = rcu\n",
    "\xef\xbb\xbf# comment\n[heap]\nstrategy = rcu\n",
    "  [ heap ]  # every heap\n\t strategy\t=\trcu  ; the best\n",
    "; comment\n#comment\n\n   \n[heap]\n   # indented\nstrategy: rcu\n",
    "[heap]\nmemory_limit = 1GiB\n   strategy = rcu\n", /* an indented line is no continuation */
    "[heap]\nmemory_limit = 1GiB\n[cache.x]\ndebug = none\n[heap]\nstrategy = rcu\n",
    "[heap.words]\nstrategy = none\n[heap]\nstrategy = rcu\n",
};

START_TEST(spelling_does_not_matter)
{
    expect_strategy(same[_i], "rcu");
}
END_TEST

START_TEST(an_empty_file_says_nothing)
{
    expect_strategy("", NULL);
    expect_strategy("\n\n# nothing\n", NULL);
    expect_strategy("\xef\xbb\xbf", NULL);
    expect_strategy("[heap]\n[strategy.rcu]\n", NULL);
}
END_TEST

START_TEST(places_are_those_of_key_and_value)
{
    struct sgc_config *config = kit_parse("a.conf", "\n[heap]\n  memory_limit  =   64MiB # limit\n");
    const struct sgc_config_entry *entry = config->entries;
    ck_assert_str_eq(entry->value, "64MiB");
    ck_assert_uint_eq(entry->key_place.line, 3);
    ck_assert_uint_eq(entry->key_place.column, 3);
    ck_assert_uint_eq(entry->value_place.line, 3);
    ck_assert_uint_eq(entry->value_place.column, 21);
    ck_assert_uint_eq(entry->section->place.line, 2);
    ck_assert_uint_eq(entry->section->place.column, 2);
    sgc_config_free(config);
}
END_TEST

START_TEST(names_and_values_longer_than_libinih_holds_are_read_whole)
{
    char name[64], text[SGC_CONFIG_LINE_BYTES + 200], value[SGC_CONFIG_LINE_BYTES];
    memset(name, 'n', 63);
    name[63] = '\0';
    for (size_t length = 100; length < SGC_CONFIG_LINE_BYTES - 20; length += 97) {
        for (size_t i = 0; i < length; i++)
            value[i] = "/abcdefgh;#=+"[i % 13];
        value[length] = '\0';
        snprintf(text, sizeof(text), "[heap.%s]\nstrategy = none\n[plugins]\ndirectory = %s\n", name, value);
        struct sgc_config *config = kit_parse("a.conf", text);
        ck_assert_pstr_eq(value_of(config, SGC_CONFIG_HEAP, name, "strategy"), "none");
        ck_assert_pstr_eq(value_of(config, SGC_CONFIG_PLUGINS, "", "directory"), value);
        sgc_config_free(config);
    }
}
END_TEST

START_TEST(white_space_inside_a_long_value_is_kept)
{
    char text[1000], value[800];
    unsigned n = 0;
    for (unsigned i = 0; i < 60; i++)
        n += (unsigned)sprintf(value + n, "/a b%u", i);
    snprintf(text, sizeof(text), "[plugins]\ndirectory = %s\n", value);
    struct sgc_config *config = kit_parse("a.conf", text);
    ck_assert_pstr_eq(value_of(config, SGC_CONFIG_PLUGINS, "", "directory"), value);
    sgc_config_free(config);
}
END_TEST

static const struct {
    const char *text, *message;
} bad[] = {
    {"[heap]\nstrategy   generatinal\n", "a.conf:2:1: \"key = value\", \"[section]\" or a comment is wanted\n"
                                         "    2 | strategy   generatinal\n"
                                         "      | ^"},
    {"[heap]\nstrategy", "a.conf:2:1: \"key = value\", \"[section]\" or a comment is wanted\n"
                         "    2 | strategy\n"
                         "      | ^"},
    {"strategy = rcu\n", "a.conf:1:1: a key before the first section; [heap] is the usual one\n"
                         "    1 | strategy = rcu\n"
                         "      | ^"},
    {"[heap]\n= rcu\n", "a.conf:2:1: the key is missing\n"
                        "    2 | = rcu\n"
                        "      | ^"},
    {"[heap]\n  strategy =  # rcu\n", "a.conf:2:13: \"strategy\" has no value\n"
                                      "    2 |   strategy =  # rcu\n"
                                      "      |             ^"},
    {"[heap\nstrategy = rcu\n", "a.conf:1:6: the section's ] is missing\n"
                                "    1 | [heap\n"
                                "      |      ^"},
    {"[heap] strategy = rcu\n", "a.conf:1:7: text behind the section's ]\n"
                                "    1 | [heap] strategy = rcu\n"
                                "      |       ^"},
    {"[]\n", "a.conf:1:2: unknown section []; there are [heap], [heap.NAME], [strategy.NAME], [cache.GLOB], "
             "[plugins], [control]\n"
             "    1 | []\n"
             "      |  ^"},
    {"[hepa]\n", "a.conf:1:2: unknown section [hepa]; did you mean [heap]?\n"
                 "    1 | [hepa]\n"
                 "      |  ^"},
    {"[hepa.words]\n", "a.conf:1:2: unknown section [hepa.words]; did you mean [heap.words]?\n"
                       "    1 | [hepa.words]\n"
                       "      |  ^"},
    {"[server]\n", "a.conf:1:2: unknown section [server]; there are [heap], [heap.NAME], [strategy.NAME], "
                   "[cache.GLOB], [plugins], [control]\n"
                   "    1 | [server]\n"
                   "      |  ^"},
    {"[control.x]\n", "a.conf:1:9: [control] takes no name\n"
                      "    1 | [control.x]\n"
                      "      |         ^"},
    {"[strategy]\n", "a.conf:1:10: [strategy] lacks its name: [strategy.NAME]\n"
                     "    1 | [strategy]\n"
                     "      |          ^"},
    {"[heap.]\n", "a.conf:1:6: [heap.] lacks its name: [heap], [heap.NAME]\n"
                  "    1 | [heap.]\n"
                  "      |      ^"},
    {"[plugins.x]\n", "a.conf:1:9: [plugins] takes no name\n"
                      "    1 | [plugins.x]\n"
                      "      |         ^"},
    {"[strategy.Rcu]\n", "a.conf:1:11: the name in [strategy.Rcu] may have a-z 0-9 _ -\n"
                         "    1 | [strategy.Rcu]\n"
                         "      |           ^"},
    {"[heap.a/b]\n", "a.conf:1:8: the name in [heap.a/b] may have A-Z a-z 0-9 _ -\n"
                     "    1 | [heap.a/b]\n"
                     "      |        ^"},
    {"[heap]\nstratgy = rcu\n", "a.conf:2:1: unknown key \"stratgy\" in [heap]; did you mean \"strategy\"?\n"
                                "    2 | stratgy = rcu\n"
                                "      | ^"},
    {"[heap.words]\n  colour = red\n", "a.conf:2:3: unknown key \"colour\" in [heap.words]; it takes strategy, "
                                       "default_strategies, memory_limit, hard_limit, stall_report\n"
                                       "    2 |   colour = red\n"
                                       "      |   ^"},
    {"[heap]\nmemory_limit = 64MB\n", "a.conf:2:18: unknown unit \"MB\"; did you mean \"MiB\"?\n"
                                      "    2 | memory_limit = 64MB\n"
                                      "      |                  ^"},
    {"[heap]\nmemory_limit = 4KiB\n", "a.conf:2:16: \"4KiB\" is less than a slab, 64KiB; write none for no limit\n"
                                      "    2 | memory_limit = 4KiB\n"
                                      "      |                ^"},
    {"[heap]\nhard_limit = 90%\n", "a.conf:2:14: \"90%\" is outside 100% to 1000% of memory_limit\n"
                                   "    2 | hard_limit = 90%\n"
                                   "      |              ^"},
    {"[heap]\nstall_report = 0ns\n", "a.conf:2:16: \"0ns\" would report every section; the least is 1ns\n"
                                     "    2 | stall_report = 0ns\n"
                                     "      |                ^"},
    {"[heap]\nstrategy = Rcu\n", "a.conf:2:12: \"Rcu\" is no strategy's name (a-z 0-9 _ -) and no absolute path\n"
                                 "    2 | strategy = Rcu\n"
                                 "      |            ^"},
    {"[heap]\ndefault_strategies = rcu, , none\n", "a.conf:2:27: \"\" is no strategy's name (a-z 0-9 _ -)\n"
                                                   "    2 | default_strategies = rcu, , none\n"
                                                   "      |                           ^"},
    {"[cache.node]\ndebug = redzone, posion\n", "a.conf:2:18: unknown check \"posion\"; did you mean \"poison\"?\n"
                                                "    2 | debug = redzone, posion\n"
                                                "      |                  ^"},
    {"[cache.node]\ndebug = all\n", "a.conf:2:9: unknown check \"all\"; debug takes redzone, poison, track, check, or none\n"
                                    "    2 | debug = all\n"
                                    "      |         ^"},
    {"[cache.node]\ndebug = none,track\n", "a.conf:2:9: \"none,track\": none stands alone\n"
                                           "    2 | debug = none,track\n"
                                           "      |         ^"},
    {"[plugins]\ndirectory = /a:b\n", "a.conf:2:16: \"b\" is not an absolute path\n"
                                      "    2 | directory = /a:b\n"
                                      "      |                ^"},
    {"[strategy.rcu]\nRetired = 1\n", "a.conf:2:1: \"Retired\" is no parameter's name (a-z 0-9 _)\n"
                                      "    2 | Retired = 1\n"
                                      "      | ^"},
    {"[heap]\nstrategy = rcu\n[cache.x]\n[heap]\n strategy = none\n",
     "a.conf:5:2: \"strategy\" stands twice in [heap]: first at 2:1\n"
     "    5 |  strategy = none\n"
     "      |  ^"},
    {"[heap]\nstrategy = r\001cu\n", "a.conf:2:13: a control character\n"
                                     "    2 | strategy = r?cu\n"
                                     "      |             ^"},
    {"[heap]\rstrategy = rcu\n", "a.conf:1:7: a control character\n"
                                 "    1 | [heap]?strategy = rcu\n"
                                 "      |       ^"},
};

START_TEST(a_bad_line_is_refused_with_its_place_and_the_way_out)
{
    kit_expect_refused("a.conf", bad[_i].text, -EINVAL, bad[_i].message);
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
    struct sgc_config *config = kit_config();
    struct sgc_error error;
    static const char text[] = "[heap]\nstrategy\0= rcu\n";
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_FILE, "a.conf", text, sizeof(text) - 1, &error), -EINVAL);
    ck_assert_str_eq(error.message, "a.conf:2:9: a NUL byte: is this a text file?\n"
                                    "    2 | strategy?= rcu\n"
                                    "      |         ^");
    sgc_config_free(config);
}
END_TEST

static char *repeat(const char *head, char c, size_t n, const char *tail)
{
    char *text = malloc(strlen(head) + n + strlen(tail) + 1);
    sprintf(text, "%s", head);
    memset(text + strlen(head), c, n);
    strcpy(text + strlen(head) + n, tail);
    return text;
}

START_TEST(a_line_has_at_most_4096_bytes)
{
    char *longest = repeat("#", 'x', SGC_CONFIG_LINE_BYTES - 1, "\n[heap]\nstrategy = rcu\n");
    char *longer = repeat("#", 'x', SGC_CONFIG_LINE_BYTES, "\n");
    expect_strategy(longest, "rcu");
    struct sgc_config *config = kit_config();
    struct sgc_error error;
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_FILE, "a.conf", longer, strlen(longer), &error), -EINVAL);
    ck_assert_mem_eq(error.message, "a.conf:1:4097: a line has at most 4096 bytes\n", 45);
    sgc_config_free(config);
    free(longest);
    free(longer);
}
END_TEST

START_TEST(names_and_keys_have_at_most_63_bytes)
{
    char *name = repeat("[heap.", 'x', 64, "]\n"), *key = repeat("[strategy.x]\n", 'x', 64, " = 1\n");
    char *no_end = repeat("[heap]\n", 'x', 400, " = 1\n");
    struct sgc_config *config = kit_config();
    struct sgc_error error;
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_FILE, "a.conf", name, strlen(name), &error), -EINVAL);
    ck_assert_mem_eq(error.message, "a.conf:1:7: the name in [heap.xxxxxxxxxxxxxxxxxxxx...] is longer than 63 bytes\n",
                     78);
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_FILE, "a.conf", key, strlen(key), &error), -EINVAL);
    ck_assert_mem_eq(error.message, "a.conf:2:1: the key is longer than 63 bytes\n", 44);
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_FILE, "a.conf", no_end, strlen(no_end), &error), -EINVAL);
    ck_assert_mem_eq(error.message, "a.conf:2:1: \"key = value\"", 25);
    sgc_config_free(config);
    free(name);
    free(key);
    free(no_end);
}
END_TEST

START_TEST(a_file_has_at_most_4096_values_and_1024_sections)
{
    char *text = malloc(1 << 20);
    size_t length = (size_t)sprintf(text, "[strategy.x]\n");
    for (unsigned i = 0; i <= SGC_CONFIG_VALUES; i++)
        length += (size_t)sprintf(text + length, "k%u=1\n", i);
    struct sgc_config *config = kit_config();
    struct sgc_error error;
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_FILE, "a.conf", text, length, &error), -E2BIG);
    ck_assert_mem_eq(error.message, "a.conf:4098:1: more than 4096 values\n", 37);
    sgc_config_free(config);
    config = kit_config();
    length = 0;
    for (unsigned i = 0; i <= 1024; i++)
        length += (size_t)sprintf(text + length, "[heap.h%u]\n", i);
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_FILE, "a.conf", text, length, &error), -EINVAL);
    ck_assert_mem_eq(error.message, "a.conf:1025:2: more than 1024 sections\n", 39);
    sgc_config_free(config);
    free(text);
}
END_TEST

START_TEST(a_program_that_sets_libinih_otherwise_gets_errors_and_no_other_values)
{
    char *long_line = repeat("[plugins]\ndirectory = /", 'x', 300, "\n");
    ini_allow_multiline = false;
    expect_strategy("[heap]\nmemory_limit = 1GiB\n  strategy = rcu\n", "rcu");
    struct sgc_config *config = kit_config();
    struct sgc_error error;
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_FILE, "a.conf", long_line, strlen(long_line), &error),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.message, "a.conf:2:1: "));
    sgc_config_free(config);
    free(long_line);
    ini_allow_multiline = true;
}
END_TEST

/* Texts made from a good one by cutting, doubling and changing bytes. */
static size_t mutate(char *text, size_t length, size_t room, uint64_t *seed)
{
    static const char likely[] = "[]=:;#\n\r\t .,\"%_-0aZ\\/*?\0\x7f\xff\xef\xbb\xbf";
    unsigned n_changes = 1 + (unsigned)(support_random(seed) % 6);
    for (unsigned i = 0; i < n_changes && length > 0; i++) {
        size_t at = support_random(seed) % length, n = 1 + support_random(seed) % 40;
        switch (support_random(seed) % 5) {
        case 0:
            text[at] = likely[support_random(seed) % (sizeof(likely) - 1)];
            break;
        case 1:
            text[at] = (char)support_random(seed);
            break;
        case 2: /* cut */
            n = n < length - at ? n : length - at;
            memmove(text + at, text + at + n, length - at - n);
            length -= n;
            break;
        case 3: /* double */
            n = n < length - at ? n : length - at;
            if (length + n > room)
                break;
            memmove(text + at + n, text + at, length - at);
            length += n;
            break;
        default: /* end here */
            if (support_random(seed) % 4 == 0)
                length = at;
            break;
        }
    }
    return length;
}

START_TEST(no_text_crashes_the_parser_and_no_refusal_is_silent)
{
    static const char *const seeds[] = {
        "[heap]                       # every heap\nstrategy     = generational\nmemory_limit = 2GiB\n"
        "[heap.sessions]              # one heap\nstrategy     = rcu\n[strategy.generational]\npause_target = 1ms\n"
        "[cache.node]                 # exact name or glob\ndebug        = redzone,poison\n"
        "[plugins]\r\ndirectory = /usr/lib/slabgc/plugins:/opt/plugins\r\n",
        "strategy=rcu,heap.words.memory_limit=1GiB,strategy.rcu.retired_soft=4MiB,cache.node*.debug=redzone,poison",
    };
    uint64_t seed = support_seed("mutations", 11);
    size_t before = sgc_meta_bytes();
    unsigned n_refused = 0, n_read = 0;
    for (unsigned i = 0; i < 20000; i++) {
        char text[1024];
        const char *start = seeds[i % LENGTH(seeds)];
        enum sgc_source_kind kind = i % LENGTH(seeds) ? SGC_SOURCE_ENVIRONMENT : SGC_SOURCE_FILE;
        size_t length = strlen(start);
        memcpy(text, start, length);
        length = mutate(text, length, sizeof(text) - 1, &seed);
        text[length] = '\0';
        if (kind == SGC_SOURCE_ENVIRONMENT)
            length = strlen(text);
        struct sgc_config *config = kit_config();
        struct sgc_error error = {0};
        int code = sgc_config_add_text(config, kind, "a.conf", text, length, &error);
        if (code) {
            ck_assert_int_eq(error.code, code);
            ck_assert_msg(strncmp(error.message, "a.conf:", 7) == 0, "%s", error.message);
            ck_assert_int_eq(error.message[strlen(error.message) - 1], '^');
            n_refused++;
        } else {
            n_read++;
        }
        sgc_config_free(config);
    }
    ck_assert_uint_gt(n_refused, 1000);
    ck_assert_uint_gt(n_read, 1000);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ini");
    TCase *tc = tcase_create("ini");
    tcase_add_loop_test(tc, spelling_does_not_matter, 0, LENGTH(same));
    tcase_add_test(tc, an_empty_file_says_nothing);
    tcase_add_test(tc, places_are_those_of_key_and_value);
    tcase_add_test(tc, names_and_values_longer_than_libinih_holds_are_read_whole);
    tcase_add_test(tc, white_space_inside_a_long_value_is_kept);
    tcase_add_loop_test(tc, a_bad_line_is_refused_with_its_place_and_the_way_out, 0, LENGTH(bad));
    tcase_add_test(tc, a_nul_byte_is_refused);
    tcase_add_test(tc, a_line_has_at_most_4096_bytes);
    tcase_add_test(tc, names_and_keys_have_at_most_63_bytes);
    tcase_add_test(tc, a_file_has_at_most_4096_values_and_1024_sections);
    tcase_add_test(tc, a_program_that_sets_libinih_otherwise_gets_errors_and_no_other_values);
    tcase_add_test(tc, no_text_crashes_the_parser_and_no_refusal_is_silent);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
