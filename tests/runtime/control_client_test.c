/* control_client_test.c - lines in and answers out: lines that are no requests, clients that misbehave. */
#include "core/runtime/control_server.h"

#include "tests/runtime/control_kit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct leaf {
    uint64_t value[6];
};
static const struct sgc_type leaf_type = SGC_TYPE(struct leaf, .flags = SGC_TYPE_LEAF);

START_TEST(a_line_that_is_no_object_ends_the_connection)
{
    static const struct {
        const char *line;
        size_t n_bytes;
        const char *message;
    } cases[] = {
        {"[1]", 3, "a request is a JSON object in one line"},
        {"\"stat\"", 6, "no JSON object: '[' or '{' expected near '\"stat\"' at byte 6"},
        {"", 0, "no JSON object: '[' or '{' expected near end of file at byte 0"},
        {"{\"command\":\"stat\"", 17, "no JSON object: '}' expected near end of file at byte 17"},
        {"{\"command\":\"stat\"}{}", 20, "no JSON object: end of file expected near '{' at byte 19"},
        {"{\"id\":1,\"id\":2}", 15, "no JSON object: duplicate object key near '\"id\"' at byte 12"},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}", 47, "a request nests at most 16 deep"},
    };
    control_start(NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = control_connect("socket");
        control_send(fd, cases[i].line, cases[i].n_bytes);
        control_send(fd, "\n", 1);
        control_expect_end(fd, cases[i].message);
    }
    int fd = control_connect("socket");
    control_send(fd, "{\"command\":\"\xff\xfe\"}\n", 17);
    char *line = control_hear(fd);
    ck_assert_ptr_nonnull(strstr(line, "\"EINVAL\""));
    free(line);
    ck_assert_ptr_null(control_hear(fd));
    json_decref(control_result(control_connect("socket"), "{\"command\":\"hello\"}"));
}
END_TEST

START_TEST(a_line_may_have_65536_bytes_and_no_more)
{
    char *line = malloc(65537);
    control_start(NULL);
    int fd = control_connect("socket");
    memset(line, ' ', 65537);
    memcpy(line, "{\"command\":\"go\"", 15);
    line[65534] = '}';
    line[65535] = '\n';
    control_send(fd, line, 65536);
    char *answer = control_hear(fd);
    ck_assert_str_eq(answer, "{\"id\":null,\"ok\":true,\"result\":{}}");
    free(answer);
    line[65535] = ' ';
    control_send(fd, line, 65537);
    control_expect_end(fd, "a line has at most 65536 bytes");
    free(line);
}
END_TEST

START_TEST(requests_may_come_in_pieces_or_many_at_once)
{
    static const char request[] = "{\"id\":7,\"command\":\"go\"}\n";
    control_start(NULL);
    int fd = control_connect("socket");
    for (size_t i = 0; i < sizeof(request) - 1; i++)
        control_send(fd, request + i, 1);
    char *answer = control_hear(fd);
    ck_assert_str_eq(answer, "{\"id\":7,\"ok\":true,\"result\":{}}");
    free(answer);
    char many[200 * 40];
    size_t length = 0;
    for (unsigned i = 0; i < 200; i++)
        length += (size_t)sprintf(many + length, "{\"id\":%u,\"command\":\"%s\"}\n", i, i % 3 ? "go" : "nothing");
    control_send(fd, many, length);
    for (unsigned i = 0; i < 200; i++) {
        char wanted[32];
        snprintf(wanted, sizeof(wanted), "{\"id\":%u,\"ok\":%s", i, i % 3 ? "true" : "false");
        answer = control_hear(fd);
        ck_assert_msg(strncmp(answer, wanted, strlen(wanted)) == 0, "%s instead of %s", answer, wanted);
        free(answer);
    }
}
END_TEST

START_TEST(what_was_asked_before_the_client_shut_its_side_is_answered)
{
    control_start(NULL);
    int fd = control_connect("socket");
    control_say(fd, "{\"command\":\"go\"}");
    control_say(fd, "{\"command\":\"stat\"}");
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    free(control_hear(fd));
    free(control_hear(fd));
    ck_assert_ptr_null(control_hear(fd));
}
END_TEST

START_TEST(an_unfinished_line_ends_the_connection_after_the_deadline)
{
    sgc_control_deadline_ns = 50000000;
    control_start(NULL);
    int fd = control_connect("socket"), idle = control_connect("socket"), follower = control_connect("socket");
    json_decref(control_result(idle, "{\"command\":\"go\"}"));
    control_say(follower, "{\"command\":\"log\",\"from\":1000000,\"follow\":true}");
    control_send(fd, "{\"command\":", 11);
    ck_assert_ptr_null(control_hear(fd));
    json_decref(control_result(idle, "{\"command\":\"go\"}")); /* who says nothing may stay */
    char byte;
    ck_assert_int_eq(recv(follower, &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(who_does_not_read_is_closed_and_holds_no_memory)
{
    sgc_control_deadline_ns = 50000000;
    control_start(NULL);
    int fd = control_connect("socket"), other = control_connect("socket");
    /* Asks until the server takes no more: its answers stand in the socket, then in one line of its own. */
    size_t n_asked = 0;
    while (send(fd, "{\"command\":\"schema\"}\n", 21, MSG_DONTWAIT | MSG_NOSIGNAL) == 21)
        n_asked++;
    ck_assert(errno == EAGAIN || errno == EPIPE);
    ck_assert_uint_gt(n_asked, 50);
    json_decref(control_result(other, "{\"command\":\"hello\"}")); /* others are served meanwhile */
    while (send(fd, "\n", 1, MSG_NOSIGNAL) == 1)                   /* blocks until the server has given the client up */
        continue;
    ck_assert(errno == EPIPE || errno == ECONNRESET);
    json_decref(control_result(other, "{\"command\":\"hello\"}"));
}
END_TEST

START_TEST(the_copy_ends_with_the_client_that_asked_for_it)
{
    struct sgc_heap *heap = control_start(NULL);
    struct sgc_cache *cache = sgc_cache_create(heap, &leaf_type, NULL);
    for (unsigned i = 0; i < 100000; i++)
        ck_assert_ptr_nonnull(sgc_new(cache));
    int fd = control_connect("socket");
    control_say(fd, "{\"command\":\"walk\",\"heap\":\"words\"}");
    char *line = control_hear(fd); /* it is at work, and soon waits for a reader */
    ck_assert_ptr_nonnull(strstr(line, "\"items\""));
    free(line);
    close(fd);
    siginfo_t info;
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0)
        continue; /* until there is no child any more, not even a dead one */
    ck_assert_int_eq(errno, ECHILD);
    fd = control_connect("socket");
    json_t *verified = control_result(fd, "{\"command\":\"verify\",\"heap\":\"words\"}");
    ck_assert(json_is_true(control_at(verified, "heaps.0.ok")));
    json_decref(verified);
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
    Suite *suite = suite_create("control client");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_line_that_is_no_object_ends_the_connection);
    tcase_add_test(all, a_line_may_have_65536_bytes_and_no_more);
    tcase_add_test(all, requests_may_come_in_pieces_or_many_at_once);
    tcase_add_test(all, what_was_asked_before_the_client_shut_its_side_is_answered);
    tcase_add_test(all, an_unfinished_line_ends_the_connection_after_the_deadline);
    tcase_add_test(all, who_does_not_read_is_closed_and_holds_no_memory);
    tcase_add_test(all, the_copy_ends_with_the_client_that_asked_for_it);
    tcase_add_test(all, a_descriptor_that_no_command_takes_is_closed);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
