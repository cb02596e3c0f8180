/* control_config_test.c - the commands get, set and reload. */
#include "tests/runtime/control_kit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct leaf {
    long value[8];
};
static const struct sgc_type leaf_type = SGC_TYPE(struct leaf, .flags = SGC_TYPE_LEAF);

START_TEST(a_live_change_has_the_tools_origin_and_outlasts_a_reload)
{
    control_start("heap.words.memory_limit=32MiB");
    int fd = control_connect("socket");
    control_expect_origin(fd, "heap.words.memory_limit", "32MiB", "$SLABGC");
    json_t *dry = control_result(
        fd, "{\"command\":\"set\",\"key\":\"heap.words.memory_limit\",\"value\":\"64MiB\",\"dry_run\":true}");
    ck_assert(json_is_false(control_at(dry, "applied")));
    ck_assert_str_eq(control_text(dry, "new"), "64MiB");
    ck_assert_str_eq(control_text(dry, "heaps.0"), "words");
    control_expect_origin(fd, "heap.words.memory_limit", "32MiB", "$SLABGC");
    json_decref(dry);

    json_t *set = control_result(fd, "{\"command\":\"set\",\"key\":\"heap.words.memory_limit\",\"value\":\"64MiB\"}");
    ck_assert(json_is_true(control_at(set, "applied")));
    ck_assert_str_eq(control_text(set, "key"), "heap.words.memory_limit");
    ck_assert_str_eq(control_text(set, "old"), "32MiB");
    ck_assert_str_eq(control_text(set, "new"), "64MiB");
    ck_assert_str_eq(control_text(set, "heaps.0"), "words");
    json_decref(set);
    control_expect_origin(fd, "heap.words.memory_limit", "64MiB", "gcctl");

    json_decref(control_result(fd, "{\"command\":\"reload\"}"));
    control_expect_origin(fd, "heap.words.memory_limit", "64MiB", "gcctl");
    ck_assert_int_eq(sgc_config_reload(NULL), 0);
    control_expect_origin(fd, "heap.words.memory_limit", "64MiB", "gcctl");
    json_decref(control_result(fd, "{\"command\":\"set\",\"key\":\"heap.words.memory_limit\",\"value\":\"none\"}"));
    control_expect_origin(fd, "heap.words.memory_limit", "none", "gcctl");
    json_decref(control_result(fd, "{\"command\":\"set\",\"key\":\"stall_report\",\"value\":\"7ms\"}"));
    control_expect_origin(fd, "heap.words.stall_report", "7ms", "gcctl");
}
END_TEST

START_TEST(a_change_that_cannot_be_is_refused_and_nothing_changes)
{
    static const struct {
        const char *key, *value, *code, *message;
    } cases[] = {
        {"heap.words.memory_limt", "1MiB", "EINVAL",
         "unknown key \"memory_limt\" in [heap.words]; did you mean \"memory_limit\"?"},
        {"heap.wrods.memory_limit", "1MiB", "EINVAL", "no heap \"wrods\"; did you mean \"words\"?"},
        {"heep.words.memory_limit", "1MiB", "EINVAL", "unknown section [heep.words]; did you mean [heap.words]?"},
        {"heap.words.strategy", "good", "EBUSY",
         "heap.words.strategy cannot change while the program runs; switch moves a heap to another strategy"},
        {"control.socket", "off", "EBUSY",
         "control.socket cannot change while the program runs: it is fixed when the process starts; restart it with "
         "another config"},
        {"control.report", "/tmp/report", "EBUSY",
         "control.report cannot change while the program runs: it is fixed when the process starts; restart it with "
         "another config"},
        {"cache.leaf.debug", "track", "EBUSY", "cache.leaf.debug cannot change while the program runs"},
        {"strategy.good.growht", "150%", "EINVAL", "strategy good has no \"growht\"; did you mean \"growth\"?"},
        {"strategy.goood.growth", "150%", "EINVAL", "no strategy \"goood\" is in use; did you mean \"good\"?"},
        {"strategy.good.nursery", "1MiB", "EBUSY",
         "strategy.good.nursery cannot change while the program runs: the strategy reads it when a heap opens"},
        {"strategy.good.growth", "5%", "EINVAL",
         "gcctl:1:22: \"5%\" is out of bounds: growth takes 110% to 1000%\n"
         "    1 | strategy.good.growth=5%\n      |                      ^"},
        {"strategy.good.growth", "150", "EINVAL",
         "gcctl:1:25: \"150\" has no unit; a percentage takes %\n"
         "    1 | strategy.good.growth=150\n      |                         ^"},
        {"heap.words.memory_limit", "1MiB,heap.hard_limit=1MiB", "EINVAL",
         "\"1MiB,heap.hard_limit=1MiB\" is no value of heap.words.memory_limit"},
        {"heap=x", "1MiB", "EINVAL", "\"heap=x\" is no key: SECTION.KEY is wanted"},
        {"", "1MiB", "EINVAL",
         "unknown key \"\" in [heap]; it takes strategy, default_strategies, memory_limit, hard_limit, stall_report"},
        {"memory limit", "1MiB", "EINVAL", "\"memory limit\" is no key: SECTION.KEY is wanted"},
        {"heap.nothing.memory_limit", "1MiB", "EINVAL", "no heap \"nothing\" is open"},
        {"strategy.nothing.growth", "150%", "EINVAL", "no strategy \"nothing\" is in use"},
        {"strategy.good.nothing", "150%", "EINVAL", "strategy good has no parameter \"nothing\""},
        {"heap.words.memory_limit", "", "EINVAL",
         "gcctl:1:25: \"memory_limit\" has no value\n"
         "    1 | heap.words.memory_limit=\n      |                         ^"},
    };
    control_start(NULL);
    ck_assert_ptr_nonnull(sgc_heap_open("other", &(struct sgc_heap_options){.strategy = "good"}, NULL));
    int fd = control_connect("socket");
    json_t *before = control_result(fd, "{\"command\":\"get\"}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *request = json_pack("{s:s, s:s, s:s}", "command", "set", "key", cases[i].key, "value", cases[i].value);
        char *text = json_dumps(request, JSON_COMPACT);
        control_refused(fd, text, cases[i].code, cases[i].message);
        free(text);
        json_decref(request);
    }
    json_t *after = control_result(fd, "{\"command\":\"get\"}");
    ck_assert(json_equal(before, after));
    json_t *set = control_result(fd, "{\"command\":\"set\",\"key\":\"strategy.good.growth\",\"value\":\"150%\"}");
    ck_assert_str_eq(control_text(set, "old"), "200%");
    ck_assert_str_eq(control_text(set, "heaps.0"), "other");
    json_decref(set);
    json_t *growth = control_result(fd, "{\"command\":\"get\",\"key\":\"strategy.good.growth\"}");
    ck_assert_str_eq(control_text(growth, "values.0.value"), "150%");
    ck_assert_int_eq(control_number(growth, "values.0.minimum"), 110);
    ck_assert_int_eq(control_number(growth, "values.0.maximum"), 1000);
    ck_assert_int_eq(control_number(growth, "values.0.default"), 200);
    ck_assert(json_is_true(control_at(growth, "values.0.live")));
    ck_assert_str_eq(control_text(growth, "values.0.type"), "percent");
    json_decref(growth);
    json_decref(before);
    json_decref(after);
}
END_TEST

/* The next event of this kind in a log that is followed; those before it are passed over. The caller's. */
static json_t *await_event(int fd, const char *kind)
{
    static json_t *piece;
    static size_t at;
    for (;;) {
        json_t *event = json_array_get(json_object_get(piece, "items"), at++);
        if (event && strcmp(control_text(event, "kind"), kind) == 0)
            return json_incref(event);
        if (event)
            continue;
        char *line = control_hear(fd);
        ck_assert_msg(line != NULL, "the log ended before \"%s\"", kind);
        json_decref(piece);
        piece = json_loads(line, 0, NULL);
        at = 0;
        free(line);
    }
}

START_TEST(a_limit_that_is_set_holds_from_then_on_and_shows_in_the_log)
{
    struct sgc_heap *heap = control_start("hard_limit=none");
    struct sgc_cache *cache = sgc_cache_create(heap, &leaf_type, NULL);
    int fd = control_connect("socket"), log = control_connect("socket");
    control_say(log, "{\"id\":9,\"command\":\"log\",\"follow\":true}");
    void *held[40000];
    for (size_t i = 0; i < 20000; i++)
        ck_assert_ptr_nonnull(held[i] = sgc_new(cache));
    json_decref(control_result(fd, "{\"command\":\"set\",\"key\":\"heap.words.memory_limit\",\"value\":\"2MiB\"}"));
    json_t *event = await_event(log, "set");
    ck_assert_str_eq(control_text(event, "name"), "heap.words.memory_limit");
    ck_assert_int_eq(control_number(event, "values.old"), 0);
    ck_assert_int_eq(control_number(event, "values.new"), 2 << 20);
    ck_assert_int_eq(control_number(event, "values.heaps"), 1);
    json_decref(event);
    size_t n = 20000;
    while (n < 40000 && (held[n] = sgc_new(cache)))
        n++;
    ck_assert_uint_lt(n, 40000); /* 2 MiB hold fewer */
    event = await_event(log, "limit");
    ck_assert_int_eq(control_number(event, "values.limit_bytes"), 2 << 20);
    json_decref(event);
    json_decref(await_event(log, "emergency"));
    json_decref(await_event(log, "collection end"));
    json_decref(control_result(fd, "{\"command\":\"set\",\"key\":\"heap.words.memory_limit\",\"value\":\"none\"}"));
    ck_assert_ptr_nonnull(held[n] = sgc_new(cache));
    for (size_t i = 0; i <= n; i++)
        sgc_drop(held[i]);
}
END_TEST

START_TEST(a_reload_names_the_heaps_that_changed)
{
    control_config(NULL);
    setenv("SLABGC_CONFIG", kit_write_text("own.conf", "[heap]\nstrategy = none\n"), 1);
    ck_assert_ptr_nonnull(sgc_heap_open("words", NULL, NULL));
    int fd = control_connect("socket");
    kit_write_text("own.conf", "[heap]\nstrategy = none\n[heap.words]\nmemory_limit = 5MiB\n");
    for (unsigned round = 0; round < 2; round++) { /* a dry run changes nothing */
        json_t *dry = control_result(fd, "{\"command\":\"reload\",\"dry_run\":true}");
        ck_assert_str_eq(control_text(dry, "changed.0"), "words");
        json_decref(dry);
    }
    json_t *reload = control_result(fd, "{\"command\":\"reload\"}");
    ck_assert_str_eq(control_text(reload, "changed.0"), "words");
    json_decref(reload);
    reload = control_result(fd, "{\"command\":\"reload\"}");
    ck_assert_uint_eq(json_array_size(control_at(reload, "changed")), 0);
    json_decref(reload);
    kit_write_text("own.conf", "[heap]\nstrategi = none\n");
    json_t *answer = control_ask(fd, "{\"command\":\"reload\"}");
    ck_assert_str_eq(control_text(answer, "error.code"), "EINVAL");
    ck_assert_ptr_nonnull(strstr(control_text(answer, "error.message"), "did you mean \"strategy\"?"));
    json_decref(answer);
}
END_TEST

START_TEST(a_key_and_a_value_have_bounds)
{
    char request[1024];
    control_start(NULL);
    int fd = control_connect("socket");
    snprintf(request, sizeof(request), "{\"command\":\"set\",\"key\":\"heap.%0300d.memory_limit\",\"value\":\"1MiB\"}",
             0);
    control_refused(fd, request, "EINVAL", "the key is too long");
    snprintf(request, sizeof(request), "{\"command\":\"set\",\"key\":\"heap.words.%0100d\",\"value\":\"1MiB\"}", 0);
    control_refused(fd, request, "EINVAL", "the key is too long");
    char message[256];
    snprintf(request, sizeof(request), "{\"command\":\"set\",\"key\":\"memory_limit\",\"value\":\"%0200d\"}", 0);
    snprintf(message, sizeof(message), "\"%0100d\" is no value of heap.memory_limit", 0);
    control_refused(fd, request, "EINVAL", message);
}
END_TEST

START_TEST(get_shows_all_a_section_or_a_key)
{
    control_start("heap.words.memory_limit=32MiB,heap.words.stall_report=7ms");
    int fd = control_connect("socket");
    json_t *all = control_result(fd, "{\"command\":\"get\"}"), *row;
    json_t *section = control_result(fd, "{\"command\":\"get\",\"key\":\"heap.words\"}");
    ck_assert_uint_gt(json_array_size(control_at(all, "values")), json_array_size(control_at(section, "values")));
    ck_assert_uint_ge(json_array_size(control_at(section, "values")), 2);
    size_t i;
    json_array_foreach (control_at(all, "values"), i, row) {
        ck_assert(json_is_boolean(control_at(row, "live")));
        ck_assert_str_ne(control_text(row, "origin"), "");
    }
    json_array_foreach (control_at(section, "values"), i, row)
        ck_assert_str_eq(control_text(row, "section"), "heap.words");
    control_refused(fd, "{\"command\":\"get\",\"key\":\"zzz.zzz\"}", "EINVAL", "no key \"zzz.zzz\" is in effect");
    json_decref(all);
    json_decref(section);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control config");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, a_live_change_has_the_tools_origin_and_outlasts_a_reload);
    tcase_add_test(all, a_change_that_cannot_be_is_refused_and_nothing_changes);
    tcase_add_test(all, a_limit_that_is_set_holds_from_then_on_and_shows_in_the_log);
    tcase_add_test(all, a_reload_names_the_heaps_that_changed);
    tcase_add_test(all, a_key_and_a_value_have_bounds);
    tcase_add_test(all, get_shows_all_a_section_or_a_key);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
