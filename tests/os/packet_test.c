/* packet_test.c - messages over a socket that somebody else made: which will do, readers that are slow or gone, calls
 * that fail. */
#include "core/os/packet.h"

#include "core/os/fault.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int writer, reader;

static void setup(void)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    writer = fds[0];
    reader = fds[1];
}

/* Until the kernel takes no more; how many went. */
static unsigned fill(void)
{
    static const char message[4096];
    unsigned n = 0;
    int code;
    while ((code = sgc_os_packet_send(writer, message, sizeof(message))) == 0)
        n++;
    ck_assert_int_eq(code, -EAGAIN);
    return n;
}

START_TEST(a_packet_socket_is_prepared_and_closed_by_an_exec)
{
    ck_assert_int_eq(fcntl(writer, F_GETFD), 0);
    ck_assert_int_eq(sgc_os_packet_prepare(writer, 1 << 16), 0);
    ck_assert_int_eq(fcntl(writer, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(what_is_no_packet_socket_is_refused_and_left_as_it_was)
{
    int pipes[2], streams[2];
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, streams), 0);
    ck_assert_int_eq(sgc_os_packet_prepare(pipes[1], 4096), -ENOTSOCK);
    ck_assert_int_eq(sgc_os_packet_prepare(streams[0], 4096), -EPROTOTYPE);
    ck_assert_int_eq(fcntl(pipes[1], F_GETFD), 0);
    ck_assert_int_eq(fcntl(streams[0], F_GETFD), 0);
    sgc_os_packet_close(streams[0]);
    ck_assert_int_eq(sgc_os_packet_prepare(streams[0], 4096), -EBADF);
}
END_TEST

START_TEST(a_message_arrives_whole_and_apart_from_the_next)
{
    char text[16];
    ck_assert_int_eq(sgc_os_packet_send(writer, "one", 3), 0);
    ck_assert_int_eq(sgc_os_packet_send(writer, "second", 6), 0);
    ck_assert_int_eq(recv(reader, text, sizeof(text), 0), 3);
    ck_assert_int_eq(recv(reader, text, sizeof(text), 0), 6);
    ck_assert_int_eq(memcmp(text, "second", 6), 0);
    sgc_os_packet_close(writer);
    ck_assert_int_eq(recv(reader, text, sizeof(text), 0), 0);
}
END_TEST

START_TEST(a_message_larger_than_the_room_is_an_error_and_not_a_reader_that_is_behind)
{
    static char message[1 << 20];
    ck_assert_int_eq(setsockopt(writer, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    ck_assert_int_eq(sgc_os_packet_send(writer, message, sizeof(message)), -EMSGSIZE);
}
END_TEST

START_TEST(a_reader_that_is_behind_is_waited_for_until_it_reads)
{
    char text[4096];
    ck_assert_int_eq(sgc_os_packet_wait(writer, 0), 0);
    const unsigned n = fill();
    ck_assert_uint_gt(n, 0);
    ck_assert_int_eq(sgc_os_packet_wait(writer, 1), -ETIMEDOUT);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(recv(reader, text, sizeof(text), 0), sizeof(text));
    ck_assert_int_eq(sgc_os_packet_wait(writer, 20000), 0);
    ck_assert_int_eq(sgc_os_packet_send(writer, "x", 1), 0);
}
END_TEST

START_TEST(a_reader_that_left_is_an_error_without_a_signal_and_ends_the_wait)
{
    (void)fill();
    close(reader);
    ck_assert_int_eq(sgc_os_packet_wait(writer, 20000), 0);
    const int code = sgc_os_packet_send(writer, "x", 1);
    ck_assert(code == -EPIPE || code == -ECONNRESET);
}
END_TEST

/* The call in front of the k-th gate fails; what the function returns then. */
static int prepare_failing(uint64_t k, const char *call)
{
    sgc_os_fault_arm(k, false);
    const int code = sgc_os_packet_prepare(writer, 4096);
    sgc_os_fault_disarm();
    ck_assert_str_eq(sgc_os_fault_fired_call(), call);
    return code;
}

START_TEST(a_preparation_that_fails_is_an_error_unless_it_is_about_room)
{
    ck_assert_int_eq(prepare_failing(1, "getsockopt"), -ENOBUFS);
    ck_assert_int_eq(prepare_failing(2, "setsockopt"), 0);
    ck_assert_int_eq(fcntl(writer, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(prepare_failing(3, "fcntl"), -EINTR);
    sgc_os_fault_arm(4, false);
    ck_assert_int_eq(sgc_os_packet_prepare(writer, 4096), 0);
    ck_assert(!sgc_os_fault_fired()); /* there are three */
    sgc_os_fault_disarm();
}
END_TEST

START_TEST(a_send_that_fails_sends_nothing)
{
    char byte;
    sgc_os_fault_arm(1, false);
    ck_assert_int_eq(sgc_os_packet_send(writer, "x", 1), -EPIPE);
    ck_assert_str_eq(sgc_os_fault_fired_call(), "send");
    ck_assert_int_eq(recv(reader, &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(sgc_os_packet_send(writer, "y", 1), 0);
    ck_assert_uint_eq(sgc_os_fault_n_passed(), 2);
    ck_assert_int_eq(recv(reader, &byte, 1, MSG_DONTWAIT), 1);
    ck_assert_int_eq(byte, 'y');
}
END_TEST

START_TEST(a_wait_that_fails_is_a_wait_that_took_too_long)
{
    sgc_os_fault_arm(1, false);
    ck_assert_int_eq(sgc_os_packet_wait(writer, 20000), -ETIMEDOUT); /* although there is room */
    ck_assert_str_eq(sgc_os_fault_fired_call(), "poll");
    ck_assert_int_eq(sgc_os_packet_wait(writer, 20000), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packet");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, NULL);
    tcase_add_test(all, a_packet_socket_is_prepared_and_closed_by_an_exec);
    tcase_add_test(all, what_is_no_packet_socket_is_refused_and_left_as_it_was);
    tcase_add_test(all, a_message_arrives_whole_and_apart_from_the_next);
    tcase_add_test(all, a_message_larger_than_the_room_is_an_error_and_not_a_reader_that_is_behind);
    tcase_add_test(all, a_reader_that_is_behind_is_waited_for_until_it_reads);
    tcase_add_test(all, a_reader_that_left_is_an_error_without_a_signal_and_ends_the_wait);
    tcase_add_test(all, a_preparation_that_fails_is_an_error_unless_it_is_about_room);
    tcase_add_test(all, a_send_that_fails_sends_nothing);
    tcase_add_test(all, a_wait_that_fails_is_a_wait_that_took_too_long);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
