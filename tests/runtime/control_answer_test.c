/* control_answer_test.c - one request: what is refused of it and how, ids, and answers as lines. */
#include "core/runtime/control_server.h"

#include "tests/runtime/control_kit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- without a server */

static struct sgc_control_request request;
static bool fatal;

/* 0, or the code of its refusal. */
static int begin(const char *line)
{
    sgc_control_request_begin(&request, line, strlen(line), &fatal);
    ck_assert_int_eq(request.command == NULL, request.error.code != 0);
    return request.error.code;
}

static void expect_line(size_t n, const char *out, const char *expected)
{
    ck_assert_uint_eq(n, strlen(expected));
    ck_assert_mem_eq(out, expected, n);
}

START_TEST(nesting_counts_brackets_outside_strings_alone)
{
    char line[256];
    for (int depth = 14; depth <= 16; depth++) { /* of an id, inside the request */
        snprintf(line, sizeof(line), "{\"id\":%.*s%.*s,\"command\":\"go\"}", depth, "[[[[[[[[[[[[[[[[", depth,
                 "]]]]]]]]]]]]]]]]");
        ck_assert_int_eq(begin(line), depth < 16 ? 0 : -EINVAL);
        ck_assert_int_eq(fatal, depth == 16);
        if (depth == 16)
            ck_assert_str_eq(request.error.message, "a request nests at most 16 deep");
        sgc_control_request_end(&request);
    }
    ck_assert_int_eq(begin("{\"id\":\"[[[[[[[[[[[[[[[[[[[[{{\\\"{{{\\\\\",\"command\":\"go\"}"), 0);
    sgc_control_request_end(&request);
    ck_assert_int_eq(begin("]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]{\"command\":\"go\"}"), -EINVAL);
    ck_assert(fatal && strncmp(request.error.message, "no JSON object: ", 16) == 0);
    sgc_control_request_end(&request);
}
END_TEST

START_TEST(a_line_is_taken_by_its_length)
{
    static const char two[] = "{\"command\":\"go\"}{\"command\":\"hello\"}";
    sgc_control_request_begin(&request, two, strlen(two) / 2, &fatal);
    ck_assert(fatal);
    sgc_control_request_end(&request);
    sgc_control_request_begin(&request, two, 16, &fatal);
    ck_assert(!fatal);
    ck_assert_str_eq(request.command->name, "go");
    sgc_control_request_end(&request);
    static const char with_nul[] = "{\"command\":\"go\\u0000\"}";
    ck_assert_int_eq(begin(with_nul), -EINVAL);
    ck_assert(fatal); /* no name ends before its end */
    sgc_control_request_end(&request);
}
END_TEST

START_TEST(an_id_may_fill_its_room_and_no_more)
{
    char line[2 * SGC_CONTROL_ID_BYTES];
    for (int extra = 0; extra < 2; extra++) {
        const int n = SGC_CONTROL_ID_BYTES - 3 + extra; /* without its quotes and the NUL */
        snprintf(line, sizeof(line), "{\"id\":\"%0*d\",\"command\":\"go\"}", n, 0);
        ck_assert_int_eq(begin(line), extra ? -EINVAL : 0);
        ck_assert(!fatal);
        ck_assert_uint_eq(strlen(sgc_control_id(&request)), extra ? strlen("null") : SGC_CONTROL_ID_BYTES - 1);
        sgc_control_request_end(&request);
    }
}
END_TEST

START_TEST(parameters_are_there_or_absent)
{
    uint64_t from = 4711;
    ck_assert_int_eq(begin("{\"command\":\"log\",\"from\":9223372036854775807,\"follow\":true}"), 0);
    ck_assert(sgc_control_integer(&request, "from", &from));
    ck_assert_uint_eq(from, INT64_MAX);
    ck_assert(sgc_control_flag(&request, "follow"));
    ck_assert_ptr_null(sgc_control_text(&request, "heap"));
    ck_assert_int_eq(sgc_control_take_fd(&request), -1);
    sgc_control_request_end(&request);
    ck_assert_int_eq(begin("{\"command\":\"log\",\"follow\":false}"), 0);
    ck_assert(!sgc_control_integer(&request, "from", &from));
    ck_assert_uint_eq(from, INT64_MAX);
    ck_assert(!sgc_control_flag(&request, "follow"));
    sgc_control_request_end(&request);
    ck_assert_int_eq(begin("{\"command\":\"log\",\"from\":9223372036854775808}"), -EINVAL);
    sgc_control_request_end(&request);
}
END_TEST

static unsigned n_forgotten;
static void forget(void *arg)
{
    ck_assert_ptr_eq(arg, &n_forgotten);
    n_forgotten++;
}

START_TEST(the_end_of_a_request_lets_go_of_all_it_had_once)
{
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(begin("{\"command\":\"hello\"}"), 0);
    request.fd = ends[1];
    sgc_control_produce(&request, NULL, &n_forgotten, forget);
    ck_assert_int_eq(sgc_control_result(&request, json_object()), 0);
    ck_assert_int_eq(sgc_control_result(&request, json_array()), 0); /* in the place of the other */
    ck_assert(json_is_array(request.result));
    sgc_control_request_end(&request);
    sgc_control_request_end(&request);
    ck_assert_uint_eq(n_forgotten, 1);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* the other end is closed */
    ck_assert_int_eq(begin("{\"command\":\"hello\"}"), 0);
    request.fd = ends[0];
    ck_assert_int_eq(sgc_control_take_fd(&request), ends[0]);
    sgc_control_request_end(&request);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* it was taken, and is open */
}
END_TEST

START_TEST(an_answer_may_fill_a_line_and_no_more)
{
    static char out[SGC_CONTROL_LINE_BYTES + 1], text[SGC_CONTROL_LINE_BYTES];
    static const char before[] = "{\"id\":null,\"ok\":true,\"result\":\"";
    for (unsigned extra = 0; extra < 2; extra++) {
        ck_assert_int_eq(begin("{\"command\":\"go\"}"), 0);
        const size_t n = SGC_CONTROL_LINE_BYTES - strlen(before) - strlen("\"}\n") + extra;
        memset(text, 'x', n);
        text[n] = '\0';
        ck_assert_int_eq(sgc_control_result(&request, json_string(text)), 0);
        out[SGC_CONTROL_LINE_BYTES] = 17;
        const size_t length = sgc_control_write_result(&request, out);
        ck_assert_int_eq(out[SGC_CONTROL_LINE_BYTES], 17);
        if (extra)
            expect_line(length, out,
                        "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"E2BIG\",\"message\":\"the answer is longer "
                        "than a line, 65536 bytes: ask for less, one heap or key say\"}}\n");
        else
            ck_assert(length == SGC_CONTROL_LINE_BYTES && memcmp(out + length - 4, "x\"}\n", 4) == 0);
        sgc_control_request_end(&request);
    }
}
END_TEST

START_TEST(a_piece_may_fill_a_line_and_no_more)
{
    static char out[SGC_CONTROL_LINE_BYTES + 1], text[SGC_CONTROL_LINE_BYTES];
    static const char before[] = "{\"id\":7,\"items\":[\"";
    ck_assert_int_eq(begin("{\"id\":7,\"command\":\"go\"}"), 0);
    for (unsigned extra = 0; extra < 2; extra++) {
        const size_t n = SGC_CONTROL_LINE_BYTES - strlen(before) - strlen("\"]}\n") + extra;
        memset(text, 'x', n);
        text[n] = '\0';
        json_t *items = json_pack("[s]", text);
        out[SGC_CONTROL_LINE_BYTES] = 17;
        ck_assert_uint_eq(sgc_control_write_items(&request, items, out), extra ? 0 : SGC_CONTROL_LINE_BYTES);
        ck_assert_int_eq(out[SGC_CONTROL_LINE_BYTES], 17);
        json_decref(items);
    }
    sgc_control_request_end(&request);
}
END_TEST

static void *no_memory(size_t n)
{
    (void)n;
    return NULL;
}

START_TEST(a_refusal_is_a_line_whatever_its_words_and_without_memory)
{
    static char out[SGC_CONTROL_LINE_BYTES];
    ck_assert_int_eq(begin("{\"command\":\"go\"}"), 0);
    expect_line(sgc_control_write_result(&request, out), out,
                "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"EIO\",\"message\":\"go gave no answer\"}}\n");
    ck_assert_int_eq(sgc_control_fail(&request, -EPERM, "a\"b\\c\n\x01\xff"), -EPERM);
    expect_line(sgc_control_write_result(&request, out), out,
                "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"EPERM\",\"message\":\"a\\\"b\\\\c\\n\\u0001?\"}}\n");
    sgc_control_fail(&request, -123456, "x");
    expect_line(sgc_control_write_result(&request, out), out,
                "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"EIO\",\"message\":\"x\"}}\n");
    ck_assert_int_eq(sgc_control_result(&request, NULL), -ENOMEM);
    expect_line(sgc_control_write_result(&request, out), out,
                "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"ENOMEM\",\"message\":\"no memory for the "
                "answer\"}}\n");
    json_set_alloc_funcs(no_memory, free);
    const size_t n = sgc_control_write_result(&request, out);
    json_set_alloc_funcs(malloc, free);
    expect_line(n, out, "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"ENOMEM\",\"message\":\"no memory\"}}\n");
    sgc_control_request_end(&request);
}
END_TEST

START_TEST(any_text_and_any_number_is_json)
{
    char text[2 * SGC_ERROR_MESSAGE_BYTES];
    json_t *utf8 = sgc_control_string("\xc3\xa4 a"), *bytes = sgc_control_string("a\xff\xc3z");
    ck_assert_str_eq(json_string_value(utf8), "\xc3\xa4 a");
    ck_assert_str_eq(json_string_value(bytes), "a??z");
    memset(text, '\x80', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    json_t *cut = sgc_control_string(text);
    ck_assert_uint_eq(json_string_length(cut), SGC_ERROR_MESSAGE_BYTES - 1);
    json_t *large = sgc_control_u64(UINT64_MAX), *most = sgc_control_u64(INT64_MAX), *none = sgc_control_u64(0);
    ck_assert_int_eq(json_integer_value(large), INT64_MAX);
    ck_assert_int_eq(json_integer_value(most), INT64_MAX);
    ck_assert_int_eq(json_integer_value(none), 0);
    json_t *const all[] = {utf8, bytes, cut, large, most, none};
    for (unsigned i = 0; i < 6; i++)
        json_decref(all[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control answer");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, a_request_with_anything_wrong_is_refused_and_the_connection_goes_on);
    tcase_add_test(all, an_id_of_any_kind_comes_back);
    tcase_add_test(all, nesting_counts_brackets_outside_strings_alone);
    tcase_add_test(all, a_line_is_taken_by_its_length);
    tcase_add_test(all, an_id_may_fill_its_room_and_no_more);
    tcase_add_test(all, parameters_are_there_or_absent);
    tcase_add_test(all, the_end_of_a_request_lets_go_of_all_it_had_once);
    tcase_add_test(all, an_answer_may_fill_a_line_and_no_more);
    tcase_add_test(all, a_piece_may_fill_a_line_and_no_more);
    tcase_add_test(all, a_refusal_is_a_line_whatever_its_words_and_without_memory);
    tcase_add_test(all, any_text_and_any_number_is_json);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
