/* client_test.c - answers that do not end: each bound of the client's, against a server that sends pieces as fast as
 * they are taken. */
#include "tests/tools/gcctl/capture.h"
#include "tools/gcctl/client.h"
#include "tools/gcctl/connection.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>

static char folder[] = "/tmp/gcctl-client-XXXXXX", path[64];
static int listener;
static const char hello[] = "{\"id\":1,\"ok\":true,\"result\":{\"protocol\":1,\"program\":\"liar\",\"pid\":1}}\n";

static void server_read_line(int fd)
{
    char byte = 0;
    while (byte != '\n')
        ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
}

/* One client: hello, then `line` for ever. */
static void *server_run(void *line)
{
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    server_read_line(fd);
    ck_assert_int_eq(send(fd, hello, strlen(hello), MSG_NOSIGNAL), (ssize_t)strlen(hello));
    server_read_line(fd);
    while (send(fd, line, strlen(line), MSG_NOSIGNAL) > 0)
        continue;
    close(fd);
    return NULL;
}

static struct gcctl_client *client;
static pthread_t server;

static void begin(const char *line)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    strcpy(address.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(pthread_create(&server, NULL, server_run, (void *)line), 0);
    client = gcctl_connect_path(path, 0, gcctl_now_ns() + GCCTL_TIMEOUT_NS);
    ck_assert_ptr_nonnull(client);
}

static void end(void)
{
    gcctl_disconnect(client);
    pthread_join(server, NULL);
    close(listener);
    unlink(path);
    rmdir(folder);
}

static int count(void *n, json_t *item)
{
    ck_assert(json_is_object(item));
    return ++*(int *)n == 100000 ? 77 : 0;
}

static void expect_given_up(const char *text)
{
    int n = 0, status = 0;
    const int captured = capture_begin(stderr);
    ck_assert_ptr_null(gcctl_request(client, "walk", NULL, count, &n, &status));
    const char *said = capture_take(stderr, captured);
    ck_assert_int_eq(status, EX_UNAVAILABLE);
    ck_assert_msg(strstr(said, text), "%s", said);
    end();
}

static const char pieces[] = "{\"id\":2,\"items\":[{},{},{}]}\n";

START_TEST(an_answer_of_too_many_items_is_given_up)
{
    gcctl_answer_limits.items = 10;
    begin(pieces);
    expect_given_up("(liar) answers without end: given up after 12 items, ");
}
END_TEST

START_TEST(an_answer_of_too_many_bytes_is_given_up)
{
    gcctl_answer_limits.bytes = 100;
    begin(pieces);
    expect_given_up("(liar) answers without end: given up after 12 items, 108B ");
}
END_TEST

START_TEST(an_answer_that_takes_too_long_is_given_up)
{
    gcctl_answer_limits.ns = 20000000;
    begin("{\"id\":2,\"items\":[]}\n");
    expect_given_up("(liar) answers without end: given up after 0 items, ");
}
END_TEST

START_TEST(so_are_answers_to_requests_that_nobody_made)
{
    gcctl_answer_limits.bytes = 100;
    begin("{\"id\":3,\"ok\":true,\"result\":{}}\n");
    expect_given_up("(liar) answers without end: given up after 0 items, ");
}
END_TEST

START_TEST(a_request_without_pieces_waits_no_longer_because_some_come)
{
    int status = 0;
    begin(pieces);
    gcctl_connection_timeout(client, 20000000);
    const int captured = capture_begin(stderr);
    ck_assert_ptr_null(gcctl_request(client, "stat", NULL, NULL, NULL, &status));
    ck_assert_int_eq(status, EX_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(capture_take(stderr, captured), "(liar)"));
    end();
}
END_TEST

START_TEST(a_log_that_is_followed_may_go_on)
{
    int n = 0, status = 0;
    gcctl_answer_limits.items = 10;
    gcctl_answer_limits.bytes = 100;
    begin(pieces);
    json_t *parameters = json_pack("{s:b}", "follow", 1);
    ck_assert_ptr_null(gcctl_request(client, "log", parameters, count, &n, &status));
    json_decref(parameters);
    ck_assert_int_eq(status, 77); /* count had enough */
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, an_answer_of_too_many_items_is_given_up);
    tcase_add_test(all, an_answer_of_too_many_bytes_is_given_up);
    tcase_add_test(all, an_answer_that_takes_too_long_is_given_up);
    tcase_add_test(all, so_are_answers_to_requests_that_nobody_made);
    tcase_add_test(all, a_request_without_pieces_waits_no_longer_because_some_come);
    tcase_add_test(all, a_log_that_is_followed_may_go_on);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed != 0;
}
