/* socket_test.c - sockets in a directory of one's own: names, probes, descriptors that travel, calls that fail. */
#include "core/os/socket.h"

#include "core/os/fault.h"
#include "tests/support/expect.h"
#include "tests/support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char directory[SUPPORT_PATH_BYTES];

static void setup(void)
{
    support_scratch_create(directory);
}

static void teardown(void)
{
    support_scratch_destroy(directory);
}

static int connect_to(int at, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", at, name);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

START_TEST(a_private_directory_is_made_once_and_judged_each_time)
{
    struct sgc_error error = {0};
    char path[SUPPORT_PATH_BYTES], expected[2 * SUPPORT_PATH_BYTES + 128];
    const int first = sgc_os_directory_private(directory, "own", &error);
    const int second = sgc_os_directory_private(directory, "own", &error);
    ck_assert_int_ge(first, 0);
    ck_assert_int_ge(second, 0);
    support_scratch_path(path, directory, "own");
    ck_assert_int_eq(chmod(path, 0711), 0);
    ck_assert_int_eq(sgc_os_directory_private(directory, "own", &error), -EPERM);
    snprintf(expected, sizeof(expected), "%s: has mode 0711, which must be 0700: chmod 0700 '%s'", path, path);
    ck_assert_str_eq(error.message, expected);
    ck_assert_int_eq(sgc_os_directory_private("/nowhere", "own", &error), -ENOENT);
    sgc_os_close(first);
    sgc_os_close(second);
}
END_TEST

START_TEST(a_socket_is_named_when_it_listens_and_a_probe_tells_what_a_name_is)
{
    struct sgc_error error = {0};
    struct sgc_os_socket_file file, other = {0, 0};
    struct stat st;
    const int at = sgc_os_directory_private(directory, "own", &error);
    ck_assert_int_eq(sgc_os_socket_probe(at, "a"), -ENOENT);
    const int listener = sgc_os_socket_listen(at, "a", 4, &file, &error);
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(sgc_os_socket_probe(at, "a"), 0);
    ck_assert_int_eq(fstatat(at, "a", &st, 0), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    const int again = sgc_os_socket_listen(at, "a", 4, &other, &error); /* takes the name over */
    ck_assert_int_ge(again, 0);
    sgc_os_socket_remove(at, "a", &file); /* not ours any more */
    ck_assert_int_eq(sgc_os_socket_probe(at, "a"), 0);
    sgc_os_close(again);
    ck_assert_int_eq(sgc_os_socket_probe(at, "a"), -ECONNREFUSED);
    sgc_os_socket_remove(at, "a", &other);
    ck_assert_int_eq(sgc_os_socket_probe(at, "a"), -ENOENT);
    ck_assert_int_eq(symlinkat("a", at, "link"), 0);
    ck_assert_int_eq(sgc_os_socket_probe(at, "link"), -ENOTSOCK);
    sgc_os_close(listener);
    sgc_os_close(at);
}
END_TEST

START_TEST(bytes_and_one_descriptor_arrive)
{
    struct sgc_error error = {0};
    struct sgc_os_socket_file file;
    const int at = sgc_os_directory_private(directory, "own", &error),
              listener = sgc_os_socket_listen(at, "a", 4, &file, &error);
    ck_assert_int_eq(sgc_os_socket_accept(listener), -EAGAIN);
    const int client = connect_to(at, "a"), server = sgc_os_socket_accept(listener);
    ck_assert_int_ge(server, 0);
    uid_t uid = 12345;
    ck_assert_int_eq(sgc_os_socket_peer(server, &uid), 0);
    ck_assert_uint_eq(uid, geteuid());
    char text[16];
    int passed;
    ck_assert_int_eq(sgc_os_socket_receive(server, text, sizeof(text), &passed), -EAGAIN);
    int ends[2], out[2];
    ck_assert_int_eq(sgc_os_pipe(ends), 0);
    memcpy(out, ends, sizeof(out));
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(out))] = {0};
    struct iovec part = {"hello", 5};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof(out)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), out, sizeof(out));
    ck_assert_int_eq(sendmsg(client, &message, 0), 5);
    close(ends[0]);
    ck_assert_int_eq(sgc_os_socket_receive(server, text, sizeof(text), &passed), 5);
    ck_assert_int_ge(passed, 0);
    ck_assert_int_eq(fcntl(passed, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(sgc_os_read(passed, text, sizeof(text)), -EAGAIN); /* the first of the two, the reading end */
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert_int_eq(sgc_os_read(passed, text, sizeof(text)), 1);
    close(ends[1]);
    ck_assert_int_eq(sgc_os_read(passed, text, sizeof(text)), 0); /* the second was closed */
    ck_assert_int_eq(sgc_os_socket_send(server, "bye", 3), 3);
    ck_assert_int_eq(recv(client, text, sizeof(text), 0), 3);
    close(client);
    ck_assert_int_eq(sgc_os_socket_receive(server, text, sizeof(text), &passed), 0);
    ck_assert_int_eq(sgc_os_socket_send(server, "bye", 3), -EPIPE);
}
END_TEST

START_TEST(an_append_adds_a_line_in_one_write)
{
    char path[SUPPORT_PATH_BYTES], text[64] = "";
    support_scratch_path(path, directory, "log");
    ck_assert_int_eq(sgc_os_append(path, "", 0), 0);
    ck_assert_int_eq(sgc_os_append(path, "one\n", 4), 0);
    ck_assert_int_eq(sgc_os_append(path, "two\n", 4), 0);
    const int fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 8);
    ck_assert_str_eq(text, "one\ntwo\n");
    ck_assert_int_eq(sgc_os_append(directory, "x", 1), -EISDIR);
    close(fd);
}
END_TEST

/* Makes a directory and a listening socket: 0 or a negative errno. */
static int make_all(void)
{
    struct sgc_error error = {0};
    struct sgc_os_socket_file file;
    const int at = sgc_os_directory_private(directory, "own", &error);
    if (at < 0)
        return at;
    const int probed = sgc_os_socket_probe(at, "a");
    const int listener = probed == -ENOENT ? sgc_os_socket_listen(at, "a", 4, &file, &error) : probed;
    if (listener >= 0) {
        close(listener);
        sgc_os_socket_remove(at, "a", &file);
    }
    close(at);
    return listener < 0 ? listener : 0;
}

START_TEST(every_failing_call_is_an_error_and_leaves_no_name_and_no_descriptor)
{
    const int free_before = dup(0);
    close(free_before);
    bool fired = true;
    unsigned n = 0;
    for (unsigned k = 1; fired; k++, n++) {
        sgc_os_fault_arm(k, false);
        const int code = make_all();
        fired = sgc_os_fault_fired();
        const char *call = sgc_os_fault_fired_call();
        sgc_os_fault_disarm();
        ck_assert_msg(fired ? code < 0 || strcmp(call, "mkdirat") == 0 || strcmp(call, "unlinkat") == 0 : code == 0,
                      "%s: %d", call ? call : "no fault", code);
        const int free_now = dup(0);
        close(free_now);
        ck_assert_int_eq(free_now, free_before);
        int at = sgc_os_directory_private(directory, "own", NULL);
        ck_assert_int_ge(at, 0);
        if (call && strcmp(call, "unlinkat") == 0)
            sgc_os_socket_remove(at, "a", NULL);
        ck_assert_int_eq(sgc_os_socket_probe(at, "a"), -ENOENT);
        close(at);
    }
    ck_assert_uint_gt(n, 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("socket");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, a_private_directory_is_made_once_and_judged_each_time);
    tcase_add_test(all, a_socket_is_named_when_it_listens_and_a_probe_tells_what_a_name_is);
    tcase_add_test(all, bytes_and_one_descriptor_arrive);
    tcase_add_test(all, an_append_adds_a_line_in_one_write);
    tcase_add_test(all, every_failing_call_is_an_error_and_leaves_no_name_and_no_descriptor);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
