/* control_test.c - the life of the control socket: where it lies and who may have it, wait, fork, exit. */
#include "core/os/fault.h"
#include "core/os/process.h"
#include "core/runtime/control_server.h"

#include "tests/runtime/control_kit.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned n_entries(const char *path)
{
    unsigned n = 0;
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        n += entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return n;
}

/* Name of this process's socket below runtime/slabgc, for control_connect. */
static const char *auto_name(pid_t pid)
{
    static char name[96];
    uint64_t began;
    ck_assert_int_eq(sgc_os_process_start(pid, &began), 0);
    snprintf(name, sizeof(name), "runtime/slabgc/%d-%" PRIu64 ".sock", (int)pid, began);
    return name;
}

/* $XDG_RUNTIME_DIR below the test's directory. */
static const char *make_runtime_directory(void)
{
    const char *path = kit_path("runtime");
    ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
    setenv("XDG_RUNTIME_DIR", path, 1);
    return path;
}

START_TEST(without_config_there_is_no_thread_and_no_file)
{
    make_runtime_directory();
    const unsigned before = n_entries("/proc/self/task");
    ck_assert_ptr_nonnull(control_open_with(NULL, NULL));
    ck_assert_uint_eq(n_entries("/proc/self/task"), before);
    ck_assert_uint_eq(n_entries(kit_path("runtime")), 0);
}
END_TEST

START_TEST(auto_makes_a_private_directory_and_socket)
{
    struct stat st;
    make_runtime_directory();
    umask(0);
    ck_assert_ptr_nonnull(control_open_with("control.socket=auto", NULL));
    ck_assert_int_eq(stat(kit_path("runtime/slabgc"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    ck_assert_int_eq(stat(kit_path(auto_name(getpid())), &st), 0);
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_uint_eq(n_entries(kit_path("runtime/slabgc")), 1);
    json_t *hello = control_result(control_connect(auto_name(getpid())), "{\"command\":\"hello\"}");
    ck_assert_int_eq(control_number(hello, "pid"), getpid());
    json_decref(hello);
}
END_TEST

static void open_auto_and_exit(void *unused)
{
    (void)unused;
    struct sgc_error error = {0};
    struct sgc_heap *heap = control_open_with("control.socket=auto", &error);
    if (!heap)
        fprintf(stderr, "refused: %s", error.message);
    exit(heap ? 0 : 1);
}

/* The heap opens, stderr says why there is no socket. */
static void expect_warning(const char *warning)
{
    char out[2048], expected[2048];
    const int status = support_run_child(open_auto_and_exit, NULL, out, sizeof(out));
    snprintf(expected, sizeof(expected), "slabgc: no control socket: %s/%s", kit_path("runtime"), warning);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x: %s", status, out);
    ck_assert_msg(strncmp(out, expected, strlen(expected)) == 0, "found:\n%s\nexpected:\n%s", out, expected);
}

START_TEST(a_directory_that_others_may_write_to_is_not_used)
{
    make_runtime_directory();
    ck_assert_int_eq(mkdir(kit_path("runtime/slabgc"), 0700), 0);
    ck_assert_int_eq(chmod(kit_path("runtime/slabgc"), 0770), 0);
    expect_warning("slabgc: has mode 0770, which must be 0700: chmod 0700");
    ck_assert_int_eq(rmdir(kit_path("runtime/slabgc")), 0); /* nothing was put there */
    ck_assert_int_eq(mkdir(kit_path("elsewhere"), 0700), 0);
    ck_assert_int_eq(symlink(kit_path("elsewhere"), kit_path("runtime/slabgc")), 0);
    expect_warning("slabgc: is no directory of this user's");
    ck_assert_int_eq(unlink(kit_path("runtime/slabgc")), 0);
    kit_write_text("runtime/slabgc", "a file");
    expect_warning("slabgc: is no directory of this user's");
    ck_assert_int_eq(unlink(kit_path("runtime/slabgc")), 0);
    ck_assert_int_eq(mkdir(kit_path("runtime/slabgc"), 0700), 0);
    if (geteuid() != 0 || chown(kit_path("runtime/slabgc"), 12345, 12345))
        return; /* only root can give it away, and not where a sandbox has one user alone */
    expect_warning("slabgc: owned by user 12345, not by user 0");
}
END_TEST

/* A socket file that nobody listens at any more. */
static void make_stale(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int at = open(kit_directory(), O_PATH | O_DIRECTORY), fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", at, name);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    close(at);
}

START_TEST(sockets_of_processes_that_are_gone_are_removed_and_no_others)
{
    char mine[96], again[96];
    uint64_t began;
    make_runtime_directory();
    ck_assert_int_eq(mkdir(kit_path("runtime/slabgc"), 0700), 0);
    ck_assert_int_eq(sgc_os_process_start(0, &began), 0);
    snprintf(mine, sizeof(mine), "runtime/slabgc/%d-%" PRIu64 ".sock", (int)getppid(), began + 12345);
    snprintf(again, sizeof(again), "runtime/slabgc/1-%" PRIu64 ".sock", UINT64_MAX);
    make_stale("runtime/slabgc/999999999-5.sock"); /* no such process */
    make_stale(mine);                              /* the pid, but another process */
    make_stale(again);
    make_stale("runtime/slabgc/notes.sock"); /* not a name of ours */
    kit_write_text("runtime/slabgc/999999999-6.sock", "no socket");
    ck_assert_ptr_nonnull(control_open_with("control.socket=auto", NULL));
    ck_assert_int_eq(access(kit_path("runtime/slabgc/999999999-5.sock"), F_OK), -1);
    ck_assert_int_eq(access(kit_path(mine), F_OK), -1);
    ck_assert_int_eq(access(kit_path(again), F_OK), -1);
    ck_assert_int_eq(access(kit_path("runtime/slabgc/notes.sock"), F_OK), 0);
    ck_assert_int_eq(access(kit_path("runtime/slabgc/999999999-6.sock"), F_OK), 0);
}
END_TEST

static const char *settings_at(const char *name, const char *more)
{
    static char text[4096];
    snprintf(text, sizeof(text), "control.socket=%s%s", kit_path(name), more);
    return text;
}

static void expect_refusal(const char *name, const char *reason)
{
    struct sgc_error error = {0};
    ck_assert_ptr_null(control_open_with(settings_at(name, ""), &error));
    ck_assert_msg(strstr(error.message, "$SLABGC:1:16: ") == error.message && strstr(error.message, reason), "%s",
                  error.message);
}

/* As another user, with the directory and the socket opened up to it: what the server says. */
static void ask_as_somebody_else(void *unused)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    char line[256] = "";
    (void)unused;
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (chdir(kit_directory()) || chmod(".", 0711) || chmod("socket", 0666))
        _exit(1);
    if (setresuid(12345, 12345, 12345))
        _exit(77);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) || recv(fd, line, sizeof(line) - 1, 0) <= 0)
        _exit(1);
    fputs(line, stderr);
    _exit(recv(fd, line, sizeof(line), 0) == 0 ? 0 : 2);
}

START_TEST(other_users_are_not_served)
{
    char out[512];
    ck_assert_ptr_nonnull(control_open_with(settings_at("socket", ""), NULL));
    const int status = support_run_child(ask_as_somebody_else, NULL, out, sizeof(out));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return; /* only root can become another user, and not in every sandbox */
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x %s", status, out);
    ck_assert_str_eq(out, "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"EPERM\",\"message\":\"only root and the "
                          "user of the process are served\"}}\n");
}
END_TEST

START_TEST(a_path_that_cannot_be_used_refuses_the_heap)
{
    kit_write_text("file", "not a socket");
    expect_refusal("file", "is there already, and is no socket");
    ck_assert_int_eq(symlink("nowhere", kit_path("link")), 0);
    expect_refusal("link", "is there already, and is no socket");
    expect_refusal("missing/socket", "cannot open directory: No such file or directory");
    expect_refusal("directory/", "the name of the socket must have 1 to 63 bytes");
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0), at = open(kit_directory(), O_PATH | O_DIRECTORY);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/taken", at);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    expect_refusal("taken", "another process listens there");
    make_stale("stale");
    ck_assert_ptr_nonnull(
        control_open_with(settings_at("stale", ""), NULL)); /* and everything above left nothing behind */
    json_decref(control_result(control_connect("stale"), "{\"command\":\"hello\"}"));
}
END_TEST

START_TEST(wait_without_a_socket_is_refused)
{
    struct sgc_error error = {0};
    ck_assert_ptr_null(control_open_with("control.wait=10ms", &error));
    ck_assert_msg(strstr(error.message, "wait needs a socket"), "%s", error.message);
    ck_assert_ptr_null(control_open_with("control.socket=outo", &error));
    ck_assert_msg(strstr(error.message, "did you mean \"auto\"?"), "%s", error.message);
    ck_assert_ptr_null(control_open_with("control.report=relative", &error));
    ck_assert_msg(strstr(error.message, "\"relative\" is neither off nor an absolute path"), "%s", error.message);
}
END_TEST

static void *say_go(void *arg)
{
    int *fd = arg;
    while ((*fd = control_try_connect("socket")) < 0)
        continue;
    send(*fd, "{\"command\":\"hello\"}\n{\"command\":\"go\"}\n", 37, 0);
    return NULL;
}

START_TEST(the_first_heap_waits_for_go_and_no_longer_than_it_should)
{
    pthread_t thread;
    int fd = -1;
    kit_isolate();
    kit_path("socket");
    ck_assert_int_eq(pthread_create(&thread, NULL, say_go, &fd), 0);
    ck_assert_ptr_nonnull(control_open_with(settings_at("socket", ",control.wait=50s"), NULL));
    pthread_join(thread, NULL);
    char answers[4096] = ""; /* a program that ends now takes none of them along */
    ck_assert_int_gt(recv(fd, answers, sizeof(answers) - 1, MSG_PEEK | MSG_DONTWAIT), 0);
    char *hello_end = strchr(answers, '\n');
    ck_assert_msg(hello_end && strchr(hello_end + 1, '\n'), "go has no answer yet: %s", answers);
    char *hello = control_hear(fd);
    ck_assert_ptr_nonnull(strstr(hello, "\"heaps\":[]")); /* asked while the heap waited */
    free(hello);
    ck_assert_ptr_nonnull(sgc_heap_open("second", &(struct sgc_heap_options){.strategy = "none"}, NULL));
}
END_TEST

START_TEST(nobody_says_go_and_the_heap_opens)
{
    ck_assert_ptr_nonnull(control_open_with(settings_at("socket", ",control.wait=20ms"), NULL));
}
END_TEST

/* ---- the end of a process */

static void open_and_exit(void *settings)
{
    if (!control_open_with(settings, NULL))
        _exit(1);
    if (access(kit_path("socket"), F_OK))
        _exit(2);
    exit(0);
}

static void open_and_die(void *settings)
{
    if (!control_open_with(settings, NULL))
        _exit(1);
    kill(getpid(), SIGKILL);
}

START_TEST(a_process_that_exits_takes_its_socket_along_and_one_that_is_killed_leaves_it_to_the_next)
{
    char out[512];
    kit_directory();
    int status = support_run_child(open_and_exit, (void *)settings_at("socket", ""), out, sizeof(out));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x %s", status, out);
    ck_assert_int_eq(access(kit_path("socket"), F_OK), -1);
    status = support_run_child(open_and_die, (void *)settings_at("socket", ""), out, sizeof(out));
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(access(kit_path("socket"), F_OK), 0);
    status = support_run_child(open_and_exit, (void *)settings_at("socket", ""), out, sizeof(out));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x %s", status, out);
    ck_assert_int_eq(access(kit_path("socket"), F_OK), -1);
}
END_TEST

/* A client is connected and in the middle of an answer when the program exits. */
static void exit_while_followed(void *settings)
{
    if (!control_open_with(settings, NULL))
        _exit(1);
    int fd = control_try_connect("socket"), other = control_try_connect("socket");
    if (send(fd, "{\"command\":\"log\",\"follow\":true}\n", 32, 0) != 32 || send(other, "{\"command\":", 11, 0) != 11)
        _exit(2);
    exit(0);
}

START_TEST(exit_waits_for_no_client)
{
    char out[512];
    kit_directory();
    const int status = support_run_child(exit_while_followed, (void *)settings_at("socket", ""), out, sizeof(out));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x %s", status, out);
    ck_assert_int_eq(access(kit_path("socket"), F_OK), -1);
}
END_TEST

/* ---- fork */

START_TEST(a_child_of_fork_leaves_the_parents_socket_alone_and_gets_its_own_when_a_heap_opens)
{
    int pipes[2];
    char byte;
    make_runtime_directory();
    ck_assert_ptr_nonnull(control_open_with("control.socket=auto", NULL));
    int fd = control_connect(auto_name(getpid()));
    json_decref(control_result(fd, "{\"command\":\"hello\"}"));
    ck_assert_int_eq(pipe(pipes), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        close(fd);
        struct sgc_heap *heap = sgc_heap_open("more", &(struct sgc_heap_options){.strategy = "none"}, NULL);
        if (!heap || write(pipes[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(pipes[1]);
    ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
    ck_assert_uint_eq(n_entries(kit_path("runtime/slabgc")), 2);
    json_t *hello = control_result(fd, "{\"command\":\"hello\"}");
    ck_assert_int_eq(control_number(hello, "pid"), getpid());
    json_decref(hello);
    hello = control_result(control_connect(auto_name(child)), "{\"command\":\"hello\"}");
    ck_assert_int_eq(control_number(hello, "pid"), child);
    ck_assert_str_eq(control_text(hello, "heaps.1"), "more");
    json_decref(hello);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}
END_TEST

START_TEST(a_child_of_fork_opens_heaps_although_its_parent_has_the_path)
{
    int status;
    ck_assert_ptr_nonnull(control_open_with(settings_at("socket", ""), NULL));
    json_decref(control_result(control_connect("socket"), "{\"command\":\"hello\"}")); /* its thread has started */
    const pid_t child = fork();
    if (child == 0)
        _exit(sgc_heap_open("more", &(struct sgc_heap_options){.strategy = "none"}, NULL) ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
    json_t *hello = control_result(control_connect("socket"), "{\"command\":\"hello\"}");
    ck_assert_int_eq(control_number(hello, "pid"), getpid());
    json_decref(hello);
}
END_TEST

static int n_sockets(void)
{
    struct stat st;
    int n = 0;
    for (int fd = 3; fd < 256; fd++)
        n += fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
    return n;
}

START_TEST(a_child_of_fork_holds_no_descriptor_of_the_parents_clients)
{
    const int before = n_sockets(); /* what the test was started with */
    ck_assert_ptr_nonnull(control_open_with(settings_at("socket", ""), NULL));
    int fds[8];
    for (unsigned i = 0; i < 8; i++) {
        fds[i] = control_connect("socket");
        control_say(fds[i], "{\"command\":\"log\",\"from\":1000000,\"follow\":true}");
    }
    const pid_t child = fork();
    if (child == 0)
        _exit(n_sockets() - before - 8);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
    close(fds[0]);
    ck_assert_int_eq(access(kit_path("socket"), F_OK), 0); /* the child's end took nothing away */
}
END_TEST

static int n_pipes(void)
{
    struct stat st;
    int n = 0;
    for (int fd = 3; fd < 256; fd++)
        n += fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
    return n;
}

static void *ask_for_snapshots(void *done)
{
    int fd = control_connect("socket");
    for (unsigned i = 0; i < 100; i++)
        json_decref(control_result(fd, "{\"command\":\"verify\"}"));
    __atomic_store_n((bool *)done, true, __ATOMIC_RELAXED);
    return NULL;
}

/* It would keep the snapshot's answer from ending for as long as it lives. */
START_TEST(a_child_of_fork_holds_no_end_of_a_snapshots_pipe)
{
    const int before = n_pipes();
    bool done = false;
    pthread_t thread;
    ck_assert_ptr_nonnull(control_open_with(settings_at("socket", ""), NULL));
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_for_snapshots, &done), 0);
    while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
        int status;
        const pid_t child = fork();
        if (child == 0)
            _exit(n_pipes() - before);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* ---- system calls that fail */

static void open_with_fault(void *number)
{
    struct sgc_error error = {0};
    kit_isolate();
    sgc_os_fault_arm(*(unsigned *)number, false);
    struct sgc_heap *heap = control_open_with(settings_at("socket", ""), &error);
    const bool fired = sgc_os_fault_fired();
    sgc_os_fault_disarm();
    if (!heap && !fired)
        fprintf(stderr, "refused without a fault: %s", error.message);
    if (!heap && (error.code == 0 || !error.message[0]))
        fprintf(stderr, "no reason");
    if (!heap) /* once more: nothing of the failed attempt is in the way */
        heap = control_open_with(settings_at("socket", ""), &error);
    if (!heap)
        fprintf(stderr, "refused again: %s", error.message);
    _exit(!heap ? 1 : fired ? 2 : 0);
}

START_TEST(every_call_that_fails_at_the_start_is_a_clean_refusal)
{
    unsigned number = 1;
    for (;; number++) {
        char out[2048];
        const int status = support_run_child(open_with_fault, &number, out, sizeof(out));
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) != 1, "call %u: %x %s", number, status, out);
        if (WEXITSTATUS(status) == 0)
            break;
        ck_assert_uint_lt(number, 200);
    }
    ck_assert_uint_gt(number, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, without_config_there_is_no_thread_and_no_file);
    tcase_add_test(all, auto_makes_a_private_directory_and_socket);
    tcase_add_test(all, a_directory_that_others_may_write_to_is_not_used);
    tcase_add_test(all, sockets_of_processes_that_are_gone_are_removed_and_no_others);
    tcase_add_test(all, other_users_are_not_served);
    tcase_add_test(all, a_path_that_cannot_be_used_refuses_the_heap);
    tcase_add_test(all, wait_without_a_socket_is_refused);
    tcase_add_test(all, the_first_heap_waits_for_go_and_no_longer_than_it_should);
    tcase_add_test(all, nobody_says_go_and_the_heap_opens);
    tcase_add_test(all, a_process_that_exits_takes_its_socket_along_and_one_that_is_killed_leaves_it_to_the_next);
    tcase_add_test(all, exit_waits_for_no_client);
    tcase_add_test(all, a_child_of_fork_leaves_the_parents_socket_alone_and_gets_its_own_when_a_heap_opens);
    tcase_add_test(all, a_child_of_fork_opens_heaps_although_its_parent_has_the_path);
    tcase_add_test(all, a_child_of_fork_holds_no_descriptor_of_the_parents_clients);
    tcase_add_test(all, a_child_of_fork_holds_no_end_of_a_snapshots_pipe);
    tcase_add_test(all, every_call_that_fails_at_the_start_is_a_clean_refusal);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
