/* control_commands_test.c - what each command of the control socket answers and refuses. */
#include "core/heap/heap.h"
#include "core/runtime/control.h"
#include "core/runtime/control_server.h"

#include "tests/runtime/control_kit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct leaf {
    long value[8];
};
static const struct sgc_type leaf_type = SGC_TYPE(struct leaf, .flags = SGC_TYPE_LEAF);

START_TEST(hello_names_the_process_and_its_heaps)
{
    control_start(NULL);
    int fd = control_connect("socket");
    json_t *hello = control_result(fd, "{\"command\":\"hello\"}");
    ck_assert_int_eq(control_number(hello, "protocol"), 1);
    ck_assert_str_eq(control_text(hello, "slabgc"), sgc_version());
    ck_assert_int_eq(control_number(hello, "pid"), getpid());
    ck_assert_str_eq(control_text(hello, "heaps.0"), "words");
    ck_assert_int_gt(control_number(hello, "start"), 0);
    ck_assert_int_eq(control_number(hello, "uid"), geteuid());
    ck_assert_uint_ge(json_array_size(control_at(hello, "command_line")), 1);
    ck_assert(json_is_false(control_at(hello, "recording")));
    ck_assert(json_is_boolean(control_at(hello, "membarrier")));
    json_decref(hello);
}
END_TEST

START_TEST(the_schema_declares_every_command_that_is_answered)
{
    control_start(NULL);
    int fd = control_connect("socket");
    json_t *schema = control_result(fd, "{\"command\":\"schema\"}"), *commands = control_at(schema, "commands"),
           *command;
    size_t i;
    ck_assert_uint_ge(json_array_size(commands), 12);
    json_array_foreach (commands, i, command) {
        const struct sgc_control_command *declared = sgc_control_find(control_text(command, "name"));
        ck_assert_ptr_nonnull(declared);
        ck_assert_str_eq(control_text(command, "summary"), declared->summary);
        ck_assert(json_is_boolean(control_at(command, "pieces")));
        ck_assert_ptr_nonnull(control_text(command, "stops"));
        /* "?" at the end of a summary or help is a sign of a forgotten text */
        ck_assert_ptr_null(strchr(declared->summary, '?'));
        ck_assert_msg(declared->run || declared->child, "%s does nothing", declared->name);
    }
    json_decref(schema);
}
END_TEST

START_TEST(stat_has_all_figures_of_a_heap)
{
    static const char *const numbers[] = {"live_objects",   "live_bytes",    "held_bytes",        "peak_bytes",
                                          "external_bytes", "allocated",     "reclaimed",         "minor",
                                          "full",           "emergency",     "visited",           "last_visited",
                                          "stalls",         "grace_periods", "finalizers_queued", "finalizers_run",
                                          "weak_cleared",   "retired_bytes"};
    struct sgc_heap *heap = control_start("memory_limit=64MiB");
    struct sgc_cache *cache = sgc_cache_create(heap, &leaf_type, NULL);
    void *object = sgc_new(cache);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    int fd = control_connect("socket");
    json_t *stat = control_result(fd, "{\"command\":\"stat\",\"heap\":\"words\"}"),
           *figures = control_at(stat, "heaps.0");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ck_assert_int_ge(control_number(figures, numbers[i]), 0);
    ck_assert_int_gt(control_number(stat, "time_ns"), 0);
    ck_assert_int_gt(control_number(stat, "rss_bytes"), 0);
    ck_assert_str_eq(control_text(figures, "name"), "words");
    ck_assert_str_eq(control_text(figures, "strategy"), "none");
    ck_assert_int_eq(control_number(figures, "live_objects"), 1);
    ck_assert_int_eq(control_number(figures, "full"), 1);
    ck_assert_int_eq(control_number(figures, "memory_limit_bytes"), 64 << 20);
    ck_assert_int_eq(control_number(figures, "hard_limit_bytes"), 80 << 20);
    ck_assert_int_eq(control_number(figures, "pauses.n"), 1);
    ck_assert_int_eq(control_number(figures, "pauses.buckets.0.1"), 1);
    ck_assert_int_ge(control_number(figures, "pauses.buckets.0.0"), control_number(figures, "pauses.max_ns"));
    ck_assert_int_eq(control_number(figures, "times_to_stop.n"), 1);
    json_decref(stat);

    json_t *caches = control_result(fd, "{\"command\":\"caches\"}");
    ck_assert_str_eq(control_text(caches, "caches.0.heap"), "words");
    ck_assert_str_eq(control_text(caches, "caches.0.name"), "leaf");
    ck_assert_int_eq(control_number(caches, "caches.0.object_bytes"), sizeof(struct leaf));
    ck_assert_int_eq(control_number(caches, "caches.0.live"), 1);
    ck_assert_int_ge(control_number(caches, "caches.0.slots"), 1);
    ck_assert_int_ge(control_number(caches, "caches.0.held_bytes"), 65536);
    ck_assert_str_eq(control_text(caches, "caches.0.flags.0"), "leaf");
    json_decref(caches);
    sgc_drop(object);
}
END_TEST

START_TEST(many_heaps_lose_their_buckets_and_then_are_too_many)
{
    control_start(NULL);
    int fd = control_connect("socket");
    for (unsigned i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "more%u", i);
        struct sgc_heap *heap = sgc_heap_open(name, &(struct sgc_heap_options){.strategy = "none"}, NULL);
        ck_assert_ptr_nonnull(heap);
        if (i < 20)
            sgc_heap_collect(heap, SGC_COLLECT_FULL);
        if (i == 30)
            json_decref(control_result(fd, "{\"command\":\"stat\"}"));
    }
    control_refused(fd, "{\"command\":\"stat\"}", "E2BIG",
                    "the answer is longer than a line, 65536 bytes: ask for less, one heap or key say");
    json_decref(control_result(fd, "{\"command\":\"stat\",\"heap\":\"more99\"}"));
}
END_TEST

START_TEST(a_request_with_anything_wrong_is_refused_and_the_connection_goes_on)
{
    static const struct {
        const char *request, *message;
    } cases[] = {
        {"{\"command\":\"stet\"}", "unknown command \"stet\"; did you mean \"stat\"?"},
        {"{\"command\":\"frobnicate\"}", "unknown command \"frobnicate\"; schema lists those there are"},
        {"{}", "a request names its \"command\""},
        {"{\"command\":7}", "\"command\" must be a string"},
        {"{\"command\":\"stat\",\"heep\":\"words\"}", "stat: unknown member \"heep\"; did you mean \"heap\"?"},
        {"{\"command\":\"hello\",\"loud\":true}", "hello: unknown member \"loud\"; it takes none"},
        {"{\"command\":\"stat\",\"heap\":7}", "stat: \"heap\" must be a string"},
        {"{\"command\":\"stat\",\"heap\":null}", "stat: \"heap\" must be a string"},
        {"{\"command\":\"log\",\"from\":-1}", "log: \"from\" must be a whole number that is not negative"},
        {"{\"command\":\"log\",\"from\":1.5}", "log: \"from\" must be a whole number that is not negative"},
        {"{\"command\":\"log\",\"follow\":1}", "log: \"follow\" must be true or false"},
        {"{\"command\":\"set\",\"key\":\"x\"}",
         "set: \"value\" is missing: The value, as config writes it: 64MiB, 10ms, 150%"},
        {"{\"command\":\"stat\",\"heap\":\"wrods\"}", "no heap \"wrods\"; did you mean \"words\"?"},
        {"{\"command\":\"stat\",\"heap\":\"\"}", "no heap \"\" is open"},
        {"{\"command\":\"caches\",\"heap\":\"nothing\"}", "no heap \"nothing\" is open"},
        {"{\"command\":\"collect\",\"kind\":\"ful\"}", "no kind \"ful\" of collection; did you mean \"full\"?"},
        {"{\"command\":\"get\",\"key\":\"heap.memory_limt\"}",
         "no key \"heap.memory_limt\"; did you mean \"heap.memory_limit\"?"},
    };
    control_start(NULL);
    int fd = control_connect("socket");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        control_refused(fd, cases[i].request, "EINVAL", cases[i].message);
    json_decref(control_result(fd, "{\"command\":\"hello\"}"));
}
END_TEST

START_TEST(an_id_of_any_kind_comes_back)
{
    static const char *const ids[] = {"1",           "-3",          "\"a b\"", "null", "true", "[1,{\"x\":[]}]",
                                      "{\"n\":1.5}", "\"\xc3\xa4\""};
    control_start(NULL);
    int fd = control_connect("socket");
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char request[256];
        for (unsigned wrong = 0; wrong < 2; wrong++) {
            snprintf(request, sizeof(request), "{\"id\":%s,\"command\":\"%s\"}", ids[i], wrong ? "nothing" : "stat");
            json_t *answer = control_ask(fd, request);
            json_t *id = json_loads(ids[i], JSON_DECODE_ANY, NULL);
            ck_assert_msg(json_equal(json_object_get(answer, "id"), id), "%s", ids[i]);
            json_decref(answer);
            json_decref(id);
        }
    }
    char request[2048];
    snprintf(request, sizeof(request), "{\"id\":\"%01500d\",\"command\":\"stat\"}", 0);
    control_refused(fd, request, "EINVAL", "an id has at most 1023 bytes");
}
END_TEST

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

START_TEST(looking_and_setting_leave_a_program_of_one_thread_its_plain_counts)
{
    static const char *const requests[] = {
        "{\"command\":\"stat\"}",
        "{\"command\":\"caches\"}",
        "{\"command\":\"get\"}",
        "{\"command\":\"set\",\"key\":\"heap.words.memory_limit\",\"value\":\"64MiB\"}",
        "{\"command\":\"set\",\"key\":\"strategy.good.growth\",\"value\":\"150%\"}",
        "{\"command\":\"reload\"}",
        "{\"command\":\"reap\"}",
        "{\"command\":\"verify\"}",
        "{\"command\":\"plugins\"}",
    };
    control_start(NULL);
    ck_assert_ptr_nonnull(sgc_heap_open("other", &(struct sgc_heap_options){.strategy = "good"}, NULL));
    int fd = control_connect("socket");
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        json_decref(control_result(fd, requests[i]));
        ck_assert_msg(sgc_solo, "%s ended solo mode", requests[i]);
    }
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

START_TEST(the_log_begins_where_it_is_asked_to_and_says_where_it_ends)
{
    struct sgc_heap *heap = control_start(NULL);
    int fd = control_connect("socket");
    for (unsigned i = 0; i < 100; i++)
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    unsigned n_pieces = 0, n_events = 0;
    json_int_t next = 0;
    for (unsigned round = 0; round < 2; round++) {
        char request[96];
        snprintf(request, sizeof(request), "{\"command\":\"log\",\"from\":%lld}", (long long)next);
        control_say(fd, request);
        for (bool more = true; more;) {
            char *line = control_hear(fd);
            json_t *answer = json_loads(line, 0, NULL);
            json_t *items = json_object_get(answer, "items");
            more = items != NULL;
            n_pieces += more;
            n_events += (unsigned)json_array_size(items);
            if (!more)
                next = control_number(answer, "result.next");
            json_decref(answer);
            free(line);
        }
        if (round == 0) {
            ck_assert_uint_ge(n_events, 300);
            ck_assert_uint_ge(n_pieces, 2);
            ck_assert_int_ge(next, n_events);
            n_events = 0;
        }
    }
    ck_assert_uint_eq(n_events, 0);
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

static json_t *plugin_named(json_t *plugins, const char *name)
{
    json_t *plugin;
    size_t i;
    json_array_foreach (control_at(plugins, "plugins"), i, plugin)
        if (strcmp(control_text(plugin, "name"), name) == 0)
            return plugin;
    ck_abort_msg("no plug-in %s", name);
    return NULL;
}

START_TEST(plugins_tells_what_is_loaded_and_why_what_is_refused)
{
    control_start(NULL);
    kit_copy_plugin("missing_op", "p/missing_op.so");
    ck_assert_ptr_nonnull(sgc_heap_open("other", &(struct sgc_heap_options){.strategy = "good"}, NULL));
    int fd = control_connect("socket");
    json_t *plugins = control_result(fd, "{\"command\":\"plugins\"}");
    ck_assert_str_eq(control_text(plugins, "plugins.0.name"), "none");
    ck_assert_str_eq(control_text(plugins, "plugins.0.path"), "");
    json_t *good = plugin_named(plugins, "good"), *second = plugin_named(plugins, "second"),
           *refused = plugin_named(plugins, "missing_op");
    ck_assert(json_is_true(control_at(good, "loaded")) && json_is_null(control_at(good, "refused")));
    ck_assert(json_is_false(control_at(second, "loaded")) && json_is_null(control_at(second, "refused")));
    ck_assert_str_eq(control_text(good, "path"), kit_path("p/good.so"));
    ck_assert_str_eq(control_text(good, "abi"), "1.0");
    ck_assert_str_eq(control_text(good, "license"), "MIT");
    ck_assert_str_eq(control_text(good, "parameters.0.key"), "pause_target");
    ck_assert_str_eq(control_text(good, "parameters.0.type"), "duration");
    ck_assert_int_eq(control_number(good, "parameters.0.default"), 5000000);
    ck_assert_ptr_nonnull(strstr(control_text(refused, "refused"), "collect"));
    json_decref(plugins);
}
END_TEST

START_TEST(a_descriptor_that_no_command_takes_is_closed)
{
    control_start(NULL);
    int fd = control_connect("socket"), ends[2];
    static const char text[] = "{\"command\":\"hello\"}\n{\"command\":\"go\"}\n";
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {(void *)(uintptr_t)text, sizeof(text) - 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
    ck_assert_int_eq(sendmsg(fd, &message, 0), sizeof(text) - 1);
    close(ends[1]);
    free(control_hear(fd));
    free(control_hear(fd));
    char byte;
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* nobody has the other end any more */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control commands");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, hello_names_the_process_and_its_heaps);
    tcase_add_test(all, the_schema_declares_every_command_that_is_answered);
    tcase_add_test(all, stat_has_all_figures_of_a_heap);
    tcase_add_test(all, many_heaps_lose_their_buckets_and_then_are_too_many);
    tcase_add_test(all, a_request_with_anything_wrong_is_refused_and_the_connection_goes_on);
    tcase_add_test(all, an_id_of_any_kind_comes_back);
    tcase_add_test(all, a_live_change_has_the_tools_origin_and_outlasts_a_reload);
    tcase_add_test(all, looking_and_setting_leave_a_program_of_one_thread_its_plain_counts);
    tcase_add_test(all, a_change_that_cannot_be_is_refused_and_nothing_changes);
    tcase_add_test(all, a_limit_that_is_set_holds_from_then_on_and_shows_in_the_log);
    tcase_add_test(all, the_log_begins_where_it_is_asked_to_and_says_where_it_ends);
    tcase_add_test(all, a_reload_names_the_heaps_that_changed);
    tcase_add_test(all, plugins_tells_what_is_loaded_and_why_what_is_refused);
    tcase_add_test(all, a_descriptor_that_no_command_takes_is_closed);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
