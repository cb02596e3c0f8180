/* record_text_test.c - the messages of a recording that are JSON: what they say of heaps, caches, threads and the end,
 * with names of any bytes, and more than fits. */
#include "tests/heap/recording.h"

#include <slabgc/version.h>
#include <unistd.h>

static const struct sgc_strategy_plugin *const plugins[] = {&sharing_plugin, &marking_plugin};
static struct sgc_heap *heap;
static struct recording *recording;

static void begin_on(const struct sgc_strategy_plugin *plugin)
{
    recording = recording_begin(NULL);
    heap = open_limited("described", plugin, 1 << 20, 0);
}

static void end(void)
{
    recording_free(recording);
    close_heap(heap);
}

/* One message is, to the letter. */
static void expect_message_is(enum sgc_recording_kind kind, const char *expected)
{
    char line[4096];
    snprintf(line, sizeof(line), "%s\n", expected);
    const char *at = strstr(recording->text[kind], line);
    ck_assert_msg(at && (at == recording->text[kind] || at[-1] == '\n'), "no %s in\n%s", expected,
                  recording->text[kind]);
}

static void expect_begins(enum sgc_recording_kind kind, const char *expected)
{
    ck_assert_msg(strncmp(recording->text[kind], expected, strlen(expected)) == 0, "%s", recording->text[kind]);
}

/* Its last line. */
static void expect_ends(enum sgc_recording_kind kind, const char *expected)
{
    const char *text = recording->text[kind];
    const size_t n = strlen(text), length = strlen(expected);
    ck_assert_msg(n > length && strncmp(text + n - length - 1, expected, length) == 0 && text[n - 1] == '\n', "%s",
                  text);
}

struct vector {
    size_t n;
    void *items[];
};
static void trace_nothing(void *object, sgc_visit_fn *visit, void *visitor)
{
    (void)object, (void)visit, (void)visitor;
}
static int make_nothing(void *object)
{
    (void)object;
    return 0;
}
static void do_nothing(void *object)
{
    (void)object;
}

/* Each cache with what sets it apart. */
static const struct {
    struct sgc_type type;
    const char *message;
} caches[] = {
    {SGC_TYPE(struct node, SGC_REFS(struct node, left, right)),
     "{\"cache\":1,\"heap\":1,\"name\":\"node\",\"size_bytes\":32,\"align_bytes\":8,\"flags\":0,"
     "\"refs\":[[0,1],[8,1]],\"tail_element_bytes\":0,\"tail_refs\":false,\"traced\":false,\"finalized\":false,"
     "\"constructed\":false,\"bare\":false}"},
    {SGC_TYPE(struct vector, SGC_TAIL_REFS),
     "{\"cache\":2,\"heap\":1,\"name\":\"vector\",\"size_bytes\":8,\"align_bytes\":8,\"flags\":0,\"refs\":[],"
     "\"tail_element_bytes\":8,\"tail_refs\":true,\"traced\":false,\"finalized\":false,\"constructed\":false,"
     "\"bare\":false}"},
    {{.name = "traced", .size_bytes = 24, .trace = trace_nothing},
     "{\"cache\":3,\"heap\":1,\"name\":\"traced\",\"size_bytes\":24,\"align_bytes\":0,\"flags\":0,\"refs\":[],"
     "\"tail_element_bytes\":0,\"tail_refs\":false,\"traced\":true,\"finalized\":false,\"constructed\":false,"
     "\"bare\":false}"},
    {{.name = "made", .size_bytes = 16, .ctor = make_nothing, .reset = do_nothing, .finalize = do_nothing},
     "{\"cache\":4,\"heap\":1,\"name\":\"made\",\"size_bytes\":16,\"align_bytes\":0,\"flags\":0,\"refs\":[],"
     "\"tail_element_bytes\":0,\"tail_refs\":false,\"traced\":false,\"finalized\":true,\"constructed\":true,"
     "\"bare\":false}"},
    {{.name = "bare", .size_bytes = 16, .flags = SGC_TYPE_MANUAL},
     "{\"cache\":5,\"heap\":1,\"name\":\"bare\",\"size_bytes\":16,\"align_bytes\":0,\"flags\":4,\"refs\":[],"
     "\"tail_element_bytes\":0,\"tail_refs\":false,\"traced\":false,\"finalized\":false,\"constructed\":false,"
     "\"bare\":true}"},
};
#define N_CACHES (sizeof(caches) / sizeof(*caches))

START_TEST(messages_describe_the_process_heaps_and_caches)
{
    char begin[256];
    begin_on(plugins[_i]);
    for (size_t i = 0; i < N_CACHES; i++)
        make_cache(heap, &caches[i].type);
    (void)recording_end(recording);
    snprintf(begin, sizeof(begin),
             "{\"slabgc\":\"%s\",\"program\":\"%s\",\"pid\":%d,\"mode\":\"replayable\",\"sample\":1,", SGC_VERSION,
             program_invocation_short_name, (int)getpid());
    expect_begins(SGC_RECORDING_BEGIN, begin);
    snprintf(begin, sizeof(begin),
             "{\"heap\":1,\"name\":\"described\",\"strategy\":\"%s\",\"needs\":0,\"memory_limit_bytes\":1048576,"
             "\"finalizer_thread\":false}",
             plugins[_i]->name);
    expect_message_is(SGC_RECORDING_HEAP, begin);
    for (size_t i = 0; i < N_CACHES; i++)
        expect_message_is(SGC_RECORDING_CACHE, caches[i].message);
    end();
}
END_TEST

START_TEST(the_end_says_why_and_what_is_left)
{
    begin_on(plugins[_i]);
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, NULL, NULL);
    const struct sgc_record_totals totals = recording_end(recording);
    char begin[64];
    snprintf(begin, sizeof(begin), "{\"events\":%llu,\"bytes\":", (unsigned long long)totals.n_events);
    expect_begins(SGC_RECORDING_END, begin);
    expect_ends(SGC_RECORDING_END, "\"reason\":\"stopped\",\"live\":{\"described\":2}}");
    sgc_drop(a);
    sgc_drop(b);
    end();
}
END_TEST

static void *make_one(void *nodes)
{
    sgc_drop(sgc_new(nodes));
    return NULL;
}

/* What is no printable ASCII might be no UTF-8 either. */
START_TEST(names_of_any_bytes_are_strings)
{
    char thread[128];
    recording = recording_begin(NULL);
    heap = open_limited("a\"b\\c\n\x7f\xc3\xa4 d", plugins[_i], 0, 0);
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    join(support_thread("\"\\\t\xff }", make_one, nodes));
    (void)recording_end(recording);
    char expected[256];
    snprintf(expected, sizeof(expected), "{\"heap\":1,\"name\":\"a\\\"b\\\\c???? d\",\"strategy\":\"%s\"",
             plugins[_i]->name);
    expect_begins(SGC_RECORDING_HEAP, expected);
    ck_assert_ptr_nonnull(strstr(recording->text[SGC_RECORDING_END], "\"live\":{\"a\\\"b\\\\c???? d\":"));
    for (unsigned ended = 0; ended < 2; ended++) {
        snprintf(thread, sizeof(thread), ",\"name\":\"\\\"\\\\?? }\",\"ended\":%s}\n", ended ? "true" : "false");
        ck_assert_msg(strstr(recording->text[SGC_RECORDING_THREAD], thread) != NULL, "no %s in\n%s", thread,
                      recording->text[SGC_RECORDING_THREAD]);
    }
    end();
}
END_TEST

START_TEST(a_heap_that_is_not_recorded_is_in_no_message)
{
    heap = open_limited("described", plugins[_i], 0, 0);
    struct sgc_heap *other = open_limited("other", plugins[_i], 0, 0);
    recording = recording_begin(&(struct sgc_record_options){.heap = "described"});
    make_cache(other, &node_type);
    (void)recording_end(recording);
    for (unsigned kind = SGC_RECORDING_BEGIN; kind <= SGC_RECORDING_END; kind++)
        ck_assert_ptr_null(strstr(recording->text[kind], "other"));
    ck_assert_str_eq(recording->text[SGC_RECORDING_CACHE], "");
    expect_ends(SGC_RECORDING_END, "\"live\":{\"described\":0}}");
    close_heap(other);
    end();
}
END_TEST

/* Each name doubles when it is quoted. */
START_TEST(heaps_that_do_not_fit_into_the_end_are_left_out_whole)
{
    enum { N = 40 };
    struct sgc_heap *heaps[N];
    unsigned n = 0;
    recording = recording_begin(NULL);
    for (unsigned i = 0; i < N; i++) {
        char name[SGC_HEAP_NAME_BYTES];
        memset(name, '"', sizeof(name));
        name[0] = (char)('0' + i);
        name[sizeof(name) - 1] = '\0';
        heaps[i] = open_limited(name, plugins[_i], 0, 0);
    }
    (void)recording_end(recording);
    const char *at = strstr(recording->text[SGC_RECORDING_END], "\"live\":{");
    ck_assert_ptr_nonnull(at);
    at += strlen("\"live\":{");
    for (; *at != '}'; n++) {
        at += n > 0;
        ck_assert(at[0] == '"' && at[1] == (char)('0' + n));
        at += 2;
        for (unsigned i = 1; i < SGC_HEAP_NAME_BYTES - 1; i++, at += 2)
            ck_assert(at[0] == '\\' && at[1] == '"');
        ck_assert(strncmp(at, "\":0", 3) == 0);
        at += 3;
    }
    ck_assert_str_eq(at, "}}\n");
    ck_assert_uint_gt(n, 20);
    ck_assert_uint_lt(n, N);
    recording_free(recording);
    for (unsigned i = 0; i < N; i++)
        close_heap(heaps[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record_text");
    TCase *tcase = tcase_create("messages");
    tcase_add_loop_test(tcase, messages_describe_the_process_heaps_and_caches, 0, 2);
    tcase_add_loop_test(tcase, the_end_says_why_and_what_is_left, 0, 2);
    tcase_add_loop_test(tcase, names_of_any_bytes_are_strings, 0, 2);
    tcase_add_loop_test(tcase, a_heap_that_is_not_recorded_is_in_no_message, 0, 2);
    tcase_add_loop_test(tcase, heaps_that_do_not_fit_into_the_end_are_left_out_whole, 0, 2);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
