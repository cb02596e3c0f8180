/* control_answer_test.c - one request: what is refused of it and how, ids, and answers as lines. */
#include "core/runtime/control_server.h"

#include "tests/runtime/control_kit.h"
#include <stdio.h>
#include <string.h>

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

int main(void)
{
    Suite *suite = suite_create("control answer");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_request_with_anything_wrong_is_refused_and_the_connection_goes_on);
    tcase_add_test(all, an_id_of_any_kind_comes_back);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
