/* control_client_test.c - lines in and answers out: lines that are no requests, clients that misbehave. */
#include "core/os/clock.h"
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
    const uint64_t began_ns = sgc_os_now_ns();
    while (send(fd, "{\"command\":\"schema\"}\n", 21, MSG_DONTWAIT | MSG_NOSIGNAL) == 21)
        n_asked++;
    if (errno == EAGAIN)
        ck_assert_uint_gt(n_asked, 50);
    else /* this thread waited for a processor so long that it has been given up already, and not too early */
        ck_assert((errno == EPIPE || errno == ECONNRESET) && sgc_os_now_ns() - began_ns >= sgc_control_deadline_ns);
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

static void send_with(int fd, const char *text, const int *fds, size_t n_fds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(n_fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
    ck_assert_int_eq(sendmsg(fd, &message, 0), part.iov_len);
}

START_TEST(a_descriptor_that_no_command_takes_is_closed)
{
    control_start(NULL);
    int fd = control_connect("socket"), ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    send_with(fd, "{\"command\":\"hello\"}\n{\"command\":\"go\"}\n", &ends[1], 1);
    close(ends[1]);
    free(control_hear(fd));
    free(control_hear(fd));
    char byte;
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* nobody has the other end any more */
}
END_TEST

/* ---- without a server: a pair of sockets, and a clock of the test's own */

#define NOW UINT64_C(1000000000000)

static struct sgc_control_client client;

/* The other end. */
static int pair_begin(void)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    sgc_control_client_init(&client);
    ck_assert(sgc_control_client_begin(&client, fds[0]));
    return fds[1];
}

static void pair_end(int fd)
{
    sgc_control_client_end(&client);
    close(fd);
    free(client.in);
    free(client.out);
    free(client.child_in);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void expect_answers(int fd, const char *expected)
{
    char text[4096];
    const ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    ck_assert_str_eq(text, expected);
}

#define GO "{\"command\":\"go\"}\n"
#define GONE "{\"id\":null,\"ok\":true,\"result\":{}}\n"

START_TEST(it_is_polled_for_what_it_can_take)
{
    int fd = pair_begin();
    ck_assert_int_eq(sgc_control_client_events(&client), POLLIN);
    ck_assert_int_eq(sgc_control_client_child_events(&client), 0);
    ck_assert_uint_eq(sgc_control_client_due_ns(&client), UINT64_MAX);
    control_send(fd, "{\"comm", 6);
    ck_assert(!sgc_control_client_step(&client, POLLIN, 0, NOW));
    ck_assert_int_eq(sgc_control_client_events(&client), POLLIN);
    ck_assert_uint_eq(sgc_control_client_due_ns(&client), NOW + sgc_control_deadline_ns);
    control_send(fd, "and\":\"go\"}\n", 11);
    ck_assert(!sgc_control_client_step(&client, POLLIN, 0, NOW + 5));
    expect_answers(fd, GONE);
    ck_assert_uint_eq(sgc_control_client_due_ns(&client), UINT64_MAX);
    ck_assert(!sgc_control_client_step(&client, 0, 0, NOW + 2 * sgc_control_deadline_ns)); /* it may rest as it likes */
    ck_assert_int_ge(client.fd, 0);
    pair_end(fd);
}
END_TEST

START_TEST(many_lines_are_taken_a_few_at_a_time)
{
    char out[64 * sizeof(GONE)];
    size_t n_bytes = 0;
    int fd = pair_begin();
    for (unsigned i = 0; i < 50; i++)
        control_send(fd, GO, sizeof(GO) - 1);
    unsigned n_turns = 1;
    for (short events = POLLIN; sgc_control_client_step(&client, events, 0, NOW); events = 0)
        n_turns++;
    ck_assert_uint_ge(n_turns, 3); /* others have had theirs between */
    ck_assert_uint_lt(n_turns, 50);
    n_bytes = (size_t)recv(fd, out, sizeof(out), MSG_DONTWAIT);
    ck_assert_uint_eq(n_bytes, 50 * (sizeof(GONE) - 1));
    pair_end(fd);
}
END_TEST

START_TEST(a_line_that_is_not_finished_in_time_ends_the_client)
{
    int fd = pair_begin();
    const int mine = client.fd;
    char byte;
    control_send(fd, "{", 1);
    ck_assert(!sgc_control_client_step(&client, POLLIN, 0, NOW));
    control_send(fd, " ", 1); /* more of it gives no more time */
    ck_assert(!sgc_control_client_step(&client, POLLIN, 0, NOW + sgc_control_deadline_ns - 1));
    ck_assert_int_eq(client.fd, mine);
    ck_assert(!sgc_control_client_step(&client, 0, 0, NOW + sgc_control_deadline_ns));
    ck_assert_int_eq(client.fd, -1);
    ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
    pair_end(fd);
}
END_TEST

START_TEST(an_answer_that_is_not_taken_in_time_ends_the_client_and_any_byte_of_it_gives_more)
{
    static char bytes[SGC_CONTROL_LINE_BYTES];
    int fd = pair_begin();
    const int mine = client.fd;
    while (send(mine, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
    control_send(fd, GO, sizeof(GO) - 1);
    ck_assert(!sgc_control_client_step(&client, POLLIN, 0, NOW));
    ck_assert_int_eq(sgc_control_client_events(&client), POLLOUT);
    ck_assert_uint_eq(sgc_control_client_due_ns(&client), NOW + sgc_control_deadline_ns);
    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
    ck_assert(!sgc_control_client_step(&client, POLLOUT, 0, NOW + 2 * sgc_control_deadline_ns));
    ck_assert_int_eq(client.fd, mine); /* there was room, however late it is */
    expect_answers(fd, GONE);
    while (send(mine, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
    control_send(fd, GO, sizeof(GO) - 1);
    ck_assert(!sgc_control_client_step(&client, POLLIN, 0, NOW));
    ck_assert(!sgc_control_client_step(&client, 0, 0, NOW + sgc_control_deadline_ns - 1));
    ck_assert_int_eq(client.fd, mine);
    ck_assert(!sgc_control_client_step(&client, 0, 0, NOW + sgc_control_deadline_ns));
    ck_assert_int_eq(client.fd, -1);
    pair_end(fd);
}
END_TEST

START_TEST(a_number_that_the_program_closed_is_not_closed_again)
{
    int fd = pair_begin();
    const int mine = client.fd;
    ck_assert(!sgc_control_client_step(&client, POLLNVAL, 0, NOW));
    ck_assert_int_eq(client.fd, -1);
    ck_assert(is_open(mine)); /* it may be something else by now */
    close(mine);
    pair_end(fd);
}
END_TEST

/* The only end of the pipe is gone, and no copy of it is left. */
static bool is_given_up(int end)
{
    char byte;
    return read(end, &byte, 1) == 0;
}

START_TEST(a_descriptor_waits_for_the_end_of_its_line_and_a_second_one_is_closed)
{
    int first[2], second[2], fd = pair_begin();
    ck_assert(pipe2(first, O_NONBLOCK) == 0 && pipe2(second, O_NONBLOCK) == 0);
    send_with(fd, "{\"command\":", &first[1], 1);
    close(first[1]);
    ck_assert(!sgc_control_client_step(&client, POLLIN, 0, NOW));
    ck_assert_int_ge(client.passed, 0);
    send_with(fd, " ", &second[1], 1);
    close(second[1]);
    ck_assert(!sgc_control_client_step(&client, POLLIN, 0, NOW));
    ck_assert(is_given_up(second[0]));
    ck_assert(!is_given_up(first[0]));
    control_send(fd, "\"go\"}\n", 6);
    ck_assert(!sgc_control_client_step(&client, POLLIN, 0, NOW));
    expect_answers(fd, GONE);
    ck_assert_int_eq(client.passed, -1);
    ck_assert(is_given_up(first[0]));
    pair_end(fd);
}
END_TEST

START_TEST(a_descriptor_belongs_to_the_line_whose_bytes_it_came_with)
{
    int ends[2], fd = pair_begin();
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    control_send(fd, GO, sizeof(GO) - 1);
    send_with(fd, "{\"comm", &ends[1], 1);
    close(ends[1]);
    while (client.passed < 0) /* the kernel gives the two in one piece or in two */
        (void)sgc_control_client_step(&client, POLLIN, 0, NOW);
    expect_answers(fd, GONE);
    ck_assert(!is_given_up(ends[0])); /* the first line did not take it along */
    ck_assert_uint_lt(client.passed_at, client.in_bytes);
    sgc_control_client_end(&client);
    ck_assert(is_given_up(ends[0]));
    pair_end(fd);
}
END_TEST

/* ---- answers in pieces, of a command of the test's own */

static unsigned n_pieces;
static json_t *produce_pieces(struct sgc_control_request *request, void *arg, enum sgc_control_state *state)
{
    const unsigned *wanted = arg;
    if (n_pieces++ < *wanted)
        return json_pack("[i]", (int)n_pieces);
    *state = n_pieces == *wanted + 2 ? SGC_CONTROL_END : SGC_CONTROL_MORE;
    if (*state == SGC_CONTROL_END)
        sgc_control_result(request, json_object());
    return NULL;
}

static json_t *produce_too_much(struct sgc_control_request *request, void *arg, enum sgc_control_state *state)
{
    static char text[SGC_CONTROL_LINE_BYTES];
    (void)request, (void)arg, (void)state;
    memset(text, 'x', sizeof(text) - 1);
    return json_pack("[s]", text);
}

static const struct sgc_control_command pieces_command = {.name = "pieces", .pieces = true};

static void answer_in_pieces(sgc_control_produce_fn *produce, void *arg)
{
    client.request.command = &pieces_command;
    strcpy(client.request.id, "7");
    sgc_control_produce(&client.request, produce, arg, NULL);
}

START_TEST(pieces_come_one_by_one_and_what_is_not_there_yet_a_tenth_of_a_second_later)
{
    unsigned wanted = 2;
    int fd = pair_begin();
    answer_in_pieces(produce_pieces, &wanted);
    ck_assert_int_eq(sgc_control_client_events(&client), 0); /* no next line before the answer's end */
    while (sgc_control_client_step(&client, 0, 0, NOW))
        continue;
    expect_answers(fd, "{\"id\":7,\"items\":[1]}\n{\"id\":7,\"items\":[2]}\n");
    ck_assert_uint_eq(sgc_control_client_due_ns(&client), NOW + SGC_CONTROL_FOLLOW_NS);
    ck_assert(!sgc_control_client_step(&client, 0, 0, NOW + SGC_CONTROL_FOLLOW_NS - 1));
    ck_assert_uint_eq(n_pieces, 3);
    while (sgc_control_client_step(&client, 0, 0, NOW + SGC_CONTROL_FOLLOW_NS))
        continue;
    expect_answers(fd, "{\"id\":7,\"ok\":true,\"result\":{}}\n");
    ck_assert_int_eq(sgc_control_client_events(&client), POLLIN);
    pair_end(fd);
}
END_TEST

START_TEST(a_piece_that_is_too_long_ends_the_answer_and_not_the_client)
{
    int fd = pair_begin();
    answer_in_pieces(produce_too_much, NULL);
    while (sgc_control_client_step(&client, 0, 0, NOW))
        continue;
    expect_answers(fd,
                   "{\"id\":7,\"ok\":false,\"error\":{\"code\":\"E2BIG\",\"message\":\"a piece of the answer is longer "
                   "than a line\"}}\n");
    control_send(fd, GO, sizeof(GO) - 1);
    ck_assert(!sgc_control_client_step(&client, POLLIN, 0, NOW));
    expect_answers(fd, GONE);
    pair_end(fd);
}
END_TEST

START_TEST(who_hangs_up_during_an_answer_is_forgotten_at_once)
{
    unsigned wanted = 1000000;
    int fd = pair_begin();
    answer_in_pieces(produce_pieces, &wanted);
    ck_assert(!sgc_control_client_step(&client, POLLHUP, 0, NOW));
    ck_assert_int_eq(client.fd, -1);
    ck_assert_ptr_null(client.request.command);
    ck_assert_uint_eq(n_pieces, 0);
    pair_end(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control client");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, a_line_that_is_no_object_ends_the_connection);
    tcase_add_test(all, a_line_may_have_65536_bytes_and_no_more);
    tcase_add_test(all, requests_may_come_in_pieces_or_many_at_once);
    tcase_add_test(all, what_was_asked_before_the_client_shut_its_side_is_answered);
    tcase_add_test(all, an_unfinished_line_ends_the_connection_after_the_deadline);
    tcase_add_test(all, who_does_not_read_is_closed_and_holds_no_memory);
    tcase_add_test(all, the_copy_ends_with_the_client_that_asked_for_it);
    tcase_add_test(all, a_descriptor_that_no_command_takes_is_closed);
    tcase_add_test(all, it_is_polled_for_what_it_can_take);
    tcase_add_test(all, many_lines_are_taken_a_few_at_a_time);
    tcase_add_test(all, a_line_that_is_not_finished_in_time_ends_the_client);
    tcase_add_test(all, an_answer_that_is_not_taken_in_time_ends_the_client_and_any_byte_of_it_gives_more);
    tcase_add_test(all, a_number_that_the_program_closed_is_not_closed_again);
    tcase_add_test(all, a_descriptor_waits_for_the_end_of_its_line_and_a_second_one_is_closed);
    tcase_add_test(all, a_descriptor_belongs_to_the_line_whose_bytes_it_came_with);
    tcase_add_test(all, pieces_come_one_by_one_and_what_is_not_there_yet_a_tenth_of_a_second_later);
    tcase_add_test(all, a_piece_that_is_too_long_ends_the_answer_and_not_the_client);
    tcase_add_test(all, who_hangs_up_during_an_answer_is_forgotten_at_once);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
