/* control_inspect_test.c - map, walk, why, leaks and verify on graphs whose every object is known, on every strategy;
 * the lines they answer in; what they refuse; and beside running threads. */
#include "core/base/sanitize.h"
#include "core/heap/snapshot.h"
#include "core/runtime/control_server.h"
#include "core/runtime/runtime.h"
#include "tests/support/expect.h"
#include "tests/support/strategies.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct node {
    struct node *left, *right;
    long value, pad;
};
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, left, right));
static const struct sgc_type leaf_type = {.name = "leaf", .size_bytes = 48};

static const char *strategies[SUPPORT_MAX_STRATEGIES];
static int n_strategies;
static struct sgc_heap *heap;
static struct sgc_cache *nodes, *leaves;

static bool has_references(void)
{
    return sgc_heap_capabilities(heap) & SGC_NEED_REFERENCES;
}

static struct sgc_cache *make_cache(const struct sgc_type *type)
{
    struct sgc_error error = {0};
    struct sgc_cache *cache = sgc_cache_create(heap, type, &error);
    ck_assert_msg(cache != NULL, "%s", error.message);
    return cache;
}

static void open_on(const char *strategy)
{
    struct sgc_error error = {0};
    heap = sgc_heap_open("graph", &(struct sgc_heap_options){.strategy = strategy}, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    ck_assert_str_eq(sgc_heap_strategy(heap), strategy);
    leaves = make_cache(&leaf_type);
    nodes = has_references() ? make_cache(&node_type) : NULL;
}

/* ---- asking, as the server does */

static struct sgc_control_request request;

static void request_make(const char *command, const char *members)
{
    const struct sgc_control_command *at = sgc_control_inspect_commands;
    while (at->name && strcmp(at->name, command) != 0)
        at++;
    ck_assert_ptr_nonnull(at->name);
    json_decref(request.object);
    request = (struct sgc_control_request){.command = at, .object = json_loads(members, 0, NULL), .id = "7", .fd = -1};
    ck_assert_ptr_nonnull(request.object);
}

static pid_t request_copy(int ends[2])
{
    ck_assert_int_eq(pipe(ends), 0);
    sgc_runtime_begin("test");
    ck_assert_int_eq(request.command->run(&request), 0);
    const pid_t pid = sgc_snapshot_fork(ends[1], 40, NULL, NULL);
    if (pid == 0)
        sgc_snapshot_exit(request.command->child(&request, ends[1]));
    sgc_runtime_end();
    ck_assert_int_gt(pid, 0);
    close(ends[1]);
    return pid;
}

/* The last line of the answer; the items of those before it are appended to `items` (may be NULL). */
static json_t *ask(const char *command, const char *members, json_t *items)
{
    int ends[2], status = -1;
    size_t room = 0;
    char *line = NULL;
    json_t *last = NULL;
    request_make(command, members);
    const pid_t pid = request_copy(ends);
    FILE *lines = fdopen(ends[0], "r");
    for (ssize_t n; (n = getline(&line, &room, lines)) > 0;) {
        ck_assert_uint_le((size_t)n, SGC_CONTROL_LINE_BYTES);
        ck_assert_ptr_null(last);
        json_t *object = json_loads(line, 0, NULL);
        ck_assert_msg(object != NULL, "no JSON: %s", line);
        ck_assert_int_eq(json_integer_value(json_object_get(object, "id")), 7);
        if (json_object_get(object, "ok")) {
            last = object;
            continue;
        }
        ck_assert_ptr_nonnull(items);
        ck_assert_uint_gt(json_array_size(json_object_get(object, "items")), 0);
        json_array_extend(items, json_object_get(object, "items"));
        json_decref(object);
    }
    fclose(lines);
    free(line);
    ck_assert_int_eq(sgc_snapshot_wait(pid, true, &status), 1);
    ck_assert_int_eq(status, 0);
    ck_assert_ptr_nonnull(last);
    return last;
}

static json_t *result_of(json_t *answer)
{
    ck_assert_msg(json_is_true(json_object_get(answer, "ok")), "%s", json_dumps(answer, 0));
    return json_object_get(answer, "result");
}

static void assert_json(const json_t *value, const char *format, ...)
{
    char expected[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(expected, sizeof(expected), format, args);
    va_end(args);
    json_t *as = json_loads(expected, 0, NULL);
    ck_assert_msg(as != NULL, "the test's own text: %s", expected);
    ck_assert_msg(json_equal(value, as), "%s, not %s", json_dumps(value, 0), expected);
    json_decref(as);
}

static void assert_verifies(void)
{
    json_t *answer = ask("verify", "{\"heap\":\"graph\"}", NULL);
    assert_json(result_of(answer), "{\"heaps\":[{\"heap\":\"graph\",\"ok\":true,\"message\":null}]}");
    json_decref(answer);
}

static const json_t *item_of(const json_t *items, const void *object)
{
    char id[32];
    size_t i;
    json_t *item;
    snprintf(id, sizeof(id), "%p", object);
    json_array_foreach (items, i, item)
        if (strcmp(json_string_value(json_object_get(item, "id")), id) == 0)
            return item;
    ck_abort_msg("no item for %s", id);
    return NULL;
}

/* ---- every strategy */

static struct node *new_node(struct node *left, struct node *right)
{
    struct node *node = sgc_new(nodes);
    sgc_set(node, left, left);
    sgc_set(node, right, right);
    return node;
}

START_TEST(a_known_graph_is_answered_exactly)
{
    open_on(strategies[_i]);
    void *leaf = sgc_new(leaves);
    if (!has_references()) {
        json_t *items = json_array(), *answer = ask("walk", "{\"heap\":\"graph\"}", items);
        assert_json(result_of(answer), "{\"objects\":1,\"bytes\":48}");
        assert_json(items, "[{\"id\":\"%p\",\"cache\":\"leaf\",\"bytes\":48,\"holds\":1}]", leaf);
        json_decref(items);
        json_decref(answer);
        answer = ask("leaks", "{}", NULL);
        assert_json(result_of(answer),
                    "{\"types\":[{\"heap\":\"graph\",\"cache\":\"leaf\",\"unreachable\":0,\"unreachable_bytes\":0,"
                    "\"held\":1,\"held_bytes\":48,\"oldest\":[\"%p\"]}]}",
                    leaf);
        json_decref(answer);
        assert_verifies();
        sgc_drop(leaf);
        ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
        return;
    }
    struct node *root = new_node(NULL, NULL), *one = new_node(NULL, NULL), *two = new_node(NULL, root);
    sgc_set(root, right, one);
    sgc_set(one, left, two);
    sgc_drop(one);
    sgc_drop(two);
    sgc_hold(root);
    struct node *x = new_node(NULL, NULL), *y = new_node(x, NULL); /* a dead ring */
    sgc_set(x, left, y);
    sgc_drop(x);
    sgc_drop(y);

    json_t *items = json_array(), *answer = ask("walk", "{\"heap\":\"graph\"}", items);
    assert_json(result_of(answer), "{\"objects\":6,\"bytes\":%d}", 5 * 32 + 48);
    ck_assert_uint_eq(json_array_size(items), 6);
    assert_json(item_of(items, root), "{\"id\":\"%p\",\"cache\":\"node\",\"bytes\":32,\"holds\":2}", root);
    assert_json(item_of(items, two), "{\"id\":\"%p\",\"cache\":\"node\",\"bytes\":32,\"holds\":0}", two);
    assert_json(item_of(items, x), "{\"id\":\"%p\",\"cache\":\"node\",\"bytes\":32,\"holds\":0}", x);
    assert_json(item_of(items, leaf), "{\"id\":\"%p\",\"cache\":\"leaf\",\"bytes\":48,\"holds\":1}", leaf);
    json_array_clear(items);
    json_decref(answer);
    answer = ask("walk", "{\"heap\":\"graph\",\"cache\":\"node\",\"limit\":2}", items);
    assert_json(result_of(answer), "{\"objects\":5,\"bytes\":%d}", 5 * 32);
    ck_assert_uint_eq(json_array_size(items), 2);
    json_array_clear(items);
    json_decref(answer);

    answer = ask("map", "{\"heap\":\"graph\",\"cache\":\"leaf\"}", items);
    assert_json(result_of(answer), "{\"slabs\":1,\"slots\":1365,\"used\":1}");
    ck_assert_uint_eq(json_array_size(items), 1);
    const json_t *slab = json_array_get(items, 0);
    ck_assert_str_eq(json_string_value(json_object_get(slab, "cache")), "leaf");
    const char *map = json_string_value(json_object_get(slab, "map"));
    ck_assert_uint_eq(strlen(map), (1365 + 3) / 4);
    const uintptr_t start = strtoull(json_string_value(json_object_get(slab, "address")), NULL, 16);
    const size_t slot = ((uintptr_t)leaf - start) / 48;
    ck_assert_int_eq(map[slot / 4], "1248"[slot % 4]);
    json_decref(items);
    json_decref(answer);

    char members[64];
    snprintf(members, sizeof(members), "{\"object\":\"%p\"}", two);
    answer = ask("why", members, NULL);
    assert_json(result_of(answer),
                "{\"found\":true,\"length\":3,\"path\":["
                "{\"id\":\"%p\",\"cache\":\"node\",\"bytes\":32,\"holds\":2,\"field_offset\":%d},"
                "{\"id\":\"%p\",\"cache\":\"node\",\"bytes\":32,\"holds\":0,\"field_offset\":%d},"
                "{\"id\":\"%p\",\"cache\":\"node\",\"bytes\":32,\"holds\":0,\"field_offset\":null}]}",
                root, (int)offsetof(struct node, right), one, (int)offsetof(struct node, left), two);
    json_decref(answer);
    snprintf(members, sizeof(members), "{\"heap\":\"graph\",\"object\":\"%p\"}", x);
    answer = ask("why", members, NULL);
    assert_json(result_of(answer), "{\"found\":false,\"length\":0,\"path\":[]}");
    json_decref(answer);

    answer = ask("leaks", "{}", NULL);
    const json_t *types = json_object_get(result_of(answer), "types");
    ck_assert_uint_eq(json_array_size(types), 2);
    assert_json(json_array_get(types, 1),
                "{\"heap\":\"graph\",\"cache\":\"node\",\"unreachable\":2,\"unreachable_bytes\":64,"
                "\"held\":1,\"held_bytes\":32,\"oldest\":[\"%p\"]}",
                root);
    json_decref(answer);
    assert_verifies();

    sgc_heap_collect(heap, SGC_COLLECT_FULL); /* the answers changed nothing */
    sgc_drop(root);
    sgc_drop(root);
    sgc_drop(leaf);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

/* ---- beside running threads */

static bool over; /* atomic */

static void *churns(void *unused)
{
    struct node *list = NULL;
    (void)unused;
    for (long i = 0; !__atomic_load_n(&over, __ATOMIC_RELAXED); i++) {
        struct node *fresh = sgc_new(nodes);
        sgc_enter();
        sgc_set(fresh, left, i % 40 ? list : NULL);
        sgc_set(fresh, right, i % 3 ? fresh : NULL); /* rings, too */
        sgc_leave();
        sgc_drop(list);
        list = fresh;
        if (i % 3000 == 2999)
            sgc_heap_collect(heap, SGC_COLLECT_FULL);
    }
    sgc_drop(list);
    return NULL;
}

#define SNAPSHOTS 50

START_TEST(a_running_program_is_found_sound_each_time)
{
    pthread_t threads[3];
    open_on(strategies[_i]);
    if (has_references()) {
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, churns, NULL), 0);
        for (int i = 0; i < SNAPSHOTS; i++) {
            assert_verifies();
            if (i % 10 == 0)
                json_decref(ask("leaks", "{}", NULL));
        }
        __atomic_store_n(&over, true, __ATOMIC_RELAXED);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

/* ---- lines */

START_TEST(many_items_fill_lines_and_none_is_lost)
{
    enum { N = 5000 };
    static void *kept[N];
    open_on("none");
    for (int i = 0; i < N; i++)
        kept[i] = sgc_new(leaves);
    json_t *items = json_array(), *answer = ask("walk", "{\"heap\":\"graph\"}", items);
    ck_assert_uint_eq(json_array_size(items), N);
    ck_assert_int_eq(json_integer_value(json_object_get(result_of(answer), "objects")), N);
    json_decref(items);
    json_decref(answer);
    for (int i = 0; i < N; i++)
        sgc_drop(kept[i]);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

START_TEST(a_long_path_is_told_from_both_ends)
{
    struct node *list = NULL, *end = NULL;
    char members[64];
    open_on("generational");
    for (int i = 0; i < 1000; i++) {
        struct node *fresh = new_node(list, NULL);
        sgc_drop(list);
        list = fresh;
        end = end ? end : fresh;
    }
    snprintf(members, sizeof(members), "{\"object\":\"%p\"}", end);
    json_t *answer = ask("why", members, NULL);
    const json_t *result = result_of(answer), *path = json_object_get(result, "path");
    ck_assert_int_eq(json_integer_value(json_object_get(result, "length")), 1000);
    const size_t n_shown = json_array_size(path);
    ck_assert_int_eq(json_integer_value(json_object_get(result, "omitted")), 1000 - (json_int_t)n_shown);
    ck_assert_ptr_eq(item_of(path, list), json_array_get(path, 0));
    ck_assert_ptr_eq(item_of(path, end), json_array_get(path, n_shown - 1));
    json_decref(answer);
    sgc_drop(list);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

START_TEST(the_child_ends_when_nobody_reads)
{
    enum { N = 5000 };
    static void *kept[N];
    int ends[2], status = 0;
    open_on("none");
    for (int i = 0; i < N; i++)
        kept[i] = sgc_new(leaves);
    request_make("walk", "{\"heap\":\"graph\"}");
    const pid_t pid = request_copy(ends);
    close(ends[0]);
    ck_assert_int_eq(sgc_snapshot_wait(pid, true, &status), 1);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    for (int i = 0; i < N; i++)
        sgc_drop(kept[i]);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

/* ---- refusals: in the parent where they can be */

static const struct {
    const char *command, *members, *message;
} refused[] = {
    {"map", "{\"heap\":\"grahp\"}", "no heap \"grahp\"; did you mean \"graph\"?"},
    {"walk", "{\"heap\":\"words\"}", "no heap \"words\" is open"},
    {"map", "{\"cache\":\"laef\"}", "no cache \"laef\"; did you mean \"leaf\"?"},
    {"walk", "{\"heap\":\"graph\",\"cache\":\"something\"}", "no cache \"something\""},
    {"why", "{\"object\":\"12\"}", "object \"12\" is no address; walk and map show some (0x...)"},
    {"why", "{\"object\":\"0x12g\"}", "object \"0x12g\" is no address; walk and map show some (0x...)"},
    {"verify", "{\"heap\":\"x\"}", "no heap \"x\" is open"},
};

START_TEST(a_mistake_is_refused_before_a_copy_is_made)
{
    open_on("none");
    request_make(refused[_i].command, refused[_i].members);
    sgc_runtime_begin("test");
    ck_assert_int_eq(request.command->run(&request), -EINVAL);
    sgc_runtime_end();
    ck_assert_str_eq(request.error.message, refused[_i].message);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

static void assert_refused(const char *members, const char *format, ...)
{
    char message[256];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    json_t *answer = ask("why", members, NULL);
    ck_assert(json_is_false(json_object_get(answer, "ok")));
    const json_t *error = json_object_get(answer, "error");
    ck_assert_str_eq(json_string_value(json_object_get(error, "code")), "EINVAL");
    ck_assert_str_eq(json_string_value(json_object_get(error, "message")), message);
    json_decref(answer);
}

START_TEST(why_says_what_else_an_address_is)
{
    char members[96];
    open_on("refcount");
    struct node *node = new_node(NULL, NULL);
    static const struct sgc_type bare_type = {.name = "bare", .size_bytes = 64, .flags = SGC_TYPE_MANUAL};
    struct sgc_cache *bares = make_cache(&bare_type);
    void *bare = sgc_cache_alloc(bares);
    struct sgc_error error = {0};
    struct sgc_heap *other = sgc_heap_open("other", &(struct sgc_heap_options){.strategy = "none"}, &error);
    ck_assert_msg(other != NULL, "%s", error.message);
    snprintf(members, sizeof(members), "{\"object\":\"%p\"}", (void *)&node->value);
    assert_refused(members, "%p is no object: it lies 16 bytes inside object %p of cache node", (void *)&node->value,
                   (void *)node);
    snprintf(members, sizeof(members), "{\"object\":\"%p\"}", (void *)members);
    assert_refused(members, "%p is no object: no heap has memory there", (void *)members);
    snprintf(members, sizeof(members), "{\"object\":\"%p\",\"heap\":\"other\"}", (void *)node);
    assert_refused(members, "object %p is one of heap graph", (void *)node);
    snprintf(members, sizeof(members), "{\"object\":\"%p\"}", bare);
    assert_refused(members,
                   "object %p of cache bare is freed by the program's hand or its last drop: no path of "
                   "references keeps it",
                   bare);
    sgc_cache_free(bares, bare);
    sgc_drop(node);
    ck_assert_int_eq(sgc_heap_close(other, NULL), 0);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

START_TEST(a_broken_heap_is_named)
{
    open_on("generational");
    struct node *node = new_node(NULL, NULL);
    node->left = (struct node *)&node->value; /* past the store family */
    json_t *answer = ask("verify", "{}", NULL);
    const json_t *found = json_array_get(json_object_get(result_of(answer), "heaps"), 0);
    ck_assert(json_is_false(json_object_get(found, "ok")));
    const char *message = json_string_value(json_object_get(found, "message"));
    ck_assert_msg(strstr(message, "the reference at byte 0 points to no object") != NULL, "%s", message);
    json_decref(answer);
    node->left = NULL;
    sgc_drop(node);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

START_TEST(leaks_name_the_place_of_allocation_under_track)
{
    setenv("SLABGC", "cache.leaf.debug=track", 1);
    open_on("none");
    void *leaf = sgc_new(leaves);
    json_t *answer = ask("leaks", "{}", NULL);
    const json_t *type = json_array_get(json_object_get(result_of(answer), "types"), 0);
    const json_t *site = json_array_get(json_object_get(type, "sites"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(site, "held")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(site, "held_bytes")), 48);
    const char *text = json_string_value(json_object_get(site, "site"));
    ck_assert_msg(strncmp(text, "control_inspect_test+0x", 23) == 0, "%s", text);
    json_decref(answer);
    sgc_drop(leaf);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

int main(void)
{
    support_strategies_init();
    n_strategies = (int)support_strategies(strategies);
    Suite *suite = suite_create("control_inspect");
    TCase *tc = tcase_create("control_inspect");
    tcase_set_timeout(tc, 100);
    tcase_add_loop_test(tc, a_known_graph_is_answered_exactly, 0, n_strategies);
    tcase_add_loop_test(tc, a_running_program_is_found_sound_each_time, 0, n_strategies);
    tcase_add_test(tc, many_items_fill_lines_and_none_is_lost);
    tcase_add_test(tc, a_long_path_is_told_from_both_ends);
    tcase_add_test(tc, the_child_ends_when_nobody_reads);
    tcase_add_loop_test(tc, a_mistake_is_refused_before_a_copy_is_made, 0, sizeof(refused) / sizeof(*refused));
    tcase_add_test(tc, why_says_what_else_an_address_is);
    tcase_add_test(tc, a_broken_heap_is_named);
    tcase_add_test(tc, leaks_name_the_place_of_allocation_under_track);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
