/* control_loop_test.c - many clients, clients that the program closes, calls that fail; and programs that do not
 * notice.
 */
#include "core/os/fault.h"
#include "core/runtime/control_server.h"

#include "tests/runtime/control_kit.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct leaf {
    uint64_t value[6];
};
static const struct sgc_type leaf_type = SGC_TYPE(struct leaf, .flags = SGC_TYPE_LEAF);

START_TEST(the_ninth_client_is_turned_away_until_one_leaves)
{
    int fds[9];
    control_start(NULL);
    for (unsigned i = 0; i < 8; i++) {
        fds[i] = control_connect("socket");
        json_decref(control_result(fds[i], "{\"command\":\"go\"}"));
    }
    control_expect_end(control_connect("socket"), "8 clients are served at once; try again when one has left");
    for (unsigned i = 0; i < 8; i++)
        json_decref(control_result(fds[i], "{\"command\":\"hello\"}"));
    close(fds[3]);
    for (;;) { /* until the server has seen it */
        fds[8] = control_connect("socket");
        control_say(fds[8], "{\"command\":\"go\"}");
        char *line = control_hear(fds[8]);
        const bool served = line && strstr(line, "\"ok\":true");
        free(line);
        if (served)
            break;
        close(fds[8]);
    }
}
END_TEST

/* The only socket of this process with a name that listens, or does not: the server's end of a connection. */
static int named_fd(bool listens)
{
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_un address = {0};
        socklen_t length = sizeof(address), of_flag = sizeof(int);
        int flag = !listens;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &flag, &of_flag) == 0 && !!flag == listens &&
            getsockname(fd, (struct sockaddr *)&address, &length) == 0 && address.sun_path[0])
            return fd;
    }
    ck_abort_msg("no connection");
}

/* As a program does that becomes a daemon and keeps its process. */
START_TEST(a_connection_that_the_program_closes_is_forgotten)
{
    int holes[2], fds[8];
    control_start(NULL);
    ck_assert_int_eq(pipe(holes), 0); /* numbers for the next connection, so that it does not get the closed one's */
    json_decref(control_result(control_connect("socket"), "{\"command\":\"go\"}"));
    const int closed = named_fd(false);
    close(holes[0]);
    close(holes[1]);
    close(closed);
    for (unsigned i = 0; i < 8; i++) {
        fds[i] = control_connect("socket");
        json_decref(control_result(fds[i], "{\"command\":\"hello\"}"));
    }
}
END_TEST

/* The process has no descriptor left when the client comes, and some when others have gone. */
START_TEST(a_client_that_finds_no_descriptor_is_served_when_there_is_one)
{
    struct rlimit limit;
    int taken[64], n_taken = 0, fd;
    control_start(NULL);
    json_decref(control_result(control_connect("socket"), "{\"command\":\"go\"}"));
    const int at = open(kit_directory(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/socket", at);
    ck_assert_int_ge(fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 0);
    while (n_taken < 64 && (taken[n_taken] = dup(at)) >= 0)
        n_taken++;
    ck_assert_int_eq(errno, EMFILE);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    control_say(fd, "{\"command\":\"go\"}");
    while (n_taken > 0)
        close(taken[--n_taken]);
    char *line = control_hear(fd);
    ck_assert_str_eq(line, "{\"id\":null,\"ok\":true,\"result\":{}}");
    free(line);
}
END_TEST

/* As a program does that ends every socket it does not know. */
START_TEST(a_listener_that_the_program_shuts_is_forgotten_and_clients_are_served_on)
{
    control_start(NULL);
    int fd = control_connect("socket");
    json_decref(control_result(fd, "{\"command\":\"go\"}"));
    const int listener = named_fd(true);
    ck_assert_int_eq(shutdown(listener, SHUT_RDWR), 0); /* it wakes the server, and accepts no more */
    while (control_try_connect("socket") >= 0)
        continue;
    for (unsigned i = 0; i < 3; i++)
        json_decref(control_result(fd, "{\"command\":\"hello\"}"));
    int ends[2];
    close(listener);
    ck_assert_int_eq(pipe(ends), 0); /* one of them has the number now */
    json_decref(control_result(fd, "{\"command\":\"hello\"}"));
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
}
END_TEST

START_TEST(a_call_that_fails_costs_the_connection_at_most)
{
    control_start(NULL);
    unsigned n_served = 0;
    for (unsigned k = 1; k <= 40; k++) {
        sgc_os_fault_arm(k, false);
        int fd = control_try_connect("socket");
        for (unsigned i = 0; fd >= 0 && i < 3; i++) {
            control_say(fd, i == 1 ? "{\"command\":\"verify\"}" : "{\"command\":\"stat\"}");
            char *line = control_hear(fd);
            n_served += line && strstr(line, "\"ok\":true");
            free(line);
        }
        close(fd);
        sgc_os_fault_disarm();
    }
    ck_assert_uint_gt(n_served, 20);
    json_decref(control_result(control_connect("socket"), "{\"command\":\"hello\"}"));
}
END_TEST

/* ---- a program that goes on */

static atomic_bool stopping;
static struct sgc_cache *leaves;
struct worker {
    pthread_t thread;
    _Atomic uint64_t n_rounds;
    uint64_t n_wrong;
};

/* Allocates, holds a while, and finds what it wrote. */
static void *work(void *arg)
{
    struct worker *worker = arg;
    struct leaf *held[256] = {NULL};
    for (uint64_t i = 0; !atomic_load_explicit(&stopping, memory_order_relaxed); i++) {
        struct leaf **place = &held[i * 167 % 256];
        if (*place && (*place)->value[0] != ((*place)->value[5] ^ 0x5aa5))
            worker->n_wrong++;
        sgc_drop(*place);
        *place = sgc_new(leaves);
        if (!*place)
            continue; /* a limit that a client set */
        (*place)->value[0] = i;
        (*place)->value[5] = i ^ 0x5aa5;
        atomic_fetch_add_explicit(&worker->n_rounds, 1, memory_order_relaxed);
    }
    for (unsigned i = 0; i < 256; i++)
        sgc_drop(held[i]);
    return NULL;
}

static void workers_start(struct worker workers[2], struct sgc_heap *heap)
{
    leaves = sgc_cache_create(heap, &leaf_type, NULL);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (unsigned i = 0; i < 2; i++) /* both are at work before a client may set a limit */
        while (atomic_load_explicit(&workers[i].n_rounds, memory_order_relaxed) == 0)
            sched_yield();
}

static void workers_end(struct worker workers[2], struct sgc_heap *heap)
{
    struct sgc_error error = {0};
    stopping = true;
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(workers[i].thread, NULL);
        ck_assert_uint_eq(workers[i].n_wrong, 0);
    }
    ck_assert_msg(sgc_heap_verify(heap, &error) == 0, "%s", error.message);
}

static const char *const valid[] = {
    "{\"id\":1,\"command\":\"hello\"}",
    "{\"id\":[2],\"command\":\"schema\"}",
    "{\"id\":3,\"command\":\"stat\",\"heap\":\"words\"}",
    "{\"command\":\"caches\"}",
    "{\"command\":\"log\",\"from\":3}",
    "{\"command\":\"get\",\"key\":\"heap.words\"}",
    "{\"command\":\"set\",\"key\":\"heap.words.memory_limit\",\"value\":\"64MiB\"}",
    "{\"command\":\"set\",\"key\":\"heap.words.stall_report\",\"value\":\"10ms\",\"dry_run\":true}",
    "{\"command\":\"collect\",\"kind\":\"minor\",\"heap\":\"words\"}",
    "{\"command\":\"collect\",\"kind\":\"full\"}",
    "{\"command\":\"reap\"}",
    "{\"command\":\"reload\"}",
    "{\"command\":\"verify\"}",
    "{\"command\":\"switch\",\"heap\":\"words\",\"strategy\":\"good\"}",
    "{\"command\":\"plugins\"}",
    "{\"command\":\"go\"}",
};
#define N_VALID (sizeof(valid) / sizeof(valid[0]))

/* A line: a valid request, one with bytes changed, cut, doubled or put in, or bytes at random. Its length. */
static size_t fuzz_line(uint64_t *seed, char out[512])
{
    const uint64_t choice = support_random(seed) % 10;
    const char *request = valid[support_random(seed) % N_VALID];
    size_t n = strlen(request);
    if (choice == 0) {
        n = support_random(seed) % 300;
        for (size_t i = 0; i < n; i++)
            out[i] = (char)support_random(seed);
        return n;
    }
    memcpy(out, request, n);
    for (uint64_t changes = choice == 1 ? 0 : 1 + support_random(seed) % 3; changes > 0 && n > 1; changes--) {
        const size_t at = support_random(seed) % n;
        switch (support_random(seed) % 4) {
        case 0:
            out[at] = (char)support_random(seed);
            break;
        case 1:
            n = at + 1;
            break;
        case 2:
            memmove(out + at, out + at + 1, n - at - 1);
            n--;
            break;
        default:
            memmove(out + at + 1, out + at, n - at);
            n++;
            out[at] = "{}[],:\"0e\\\n"[support_random(seed) % 11];
        }
    }
    return n;
}

/* Sends it, and reads what comes without waiting for it. False: the connection has ended. */
static bool fuzz_send(int fd, const char *line, size_t n)
{
    char answers[65536];
    if (send(fd, line, n, MSG_NOSIGNAL) < 0 || send(fd, "\n", 1, MSG_NOSIGNAL) < 0)
        return false;
    ssize_t got;
    while ((got = recv(fd, answers, sizeof(answers), MSG_DONTWAIT)) > 0)
        continue;
    return got < 0 && errno == EAGAIN;
}

/* The eight places may still be taken by connections that ended. */
static void await_service(void)
{
    for (bool served = false; !served;) {
        int fd = control_connect("socket");
        control_say(fd, "{\"command\":\"hello\"}");
        char *text = control_hear(fd);
        served = text && strstr(text, "\"ok\":true");
        free(text);
        close(fd);
    }
}

START_TEST(no_bytes_from_a_client_disturb_a_program)
{
    enum { N_LINES = 2000 };
    struct worker workers[2] = {{0}, {0}};
    uint64_t seed = support_seed("control fuzz", 0);
    struct sgc_heap *heap = control_start(NULL);
    workers_start(workers, heap);
    int fd = control_connect("socket");
    unsigned n_connections = 1;
    for (unsigned i = 0; i < N_LINES; i++) {
        char line[512];
        const size_t n = fuzz_line(&seed, line);
        if (fuzz_send(fd, line, n) && support_random(&seed) % 50)
            continue;
        close(fd);
        while ((fd = control_try_connect("socket")) < 0)
            continue;
        n_connections++;
    }
    close(fd);
    ck_assert_uint_gt(n_connections, 10);
    await_service();
    workers_end(workers, heap);
}
END_TEST

START_TEST(a_thousand_connections_disturb_no_program)
{
    struct worker workers[2] = {{0}, {0}};
    struct sgc_heap *heap = control_start(NULL);
    workers_start(workers, heap);
    for (unsigned i = 0; i < 1000; i++) {
        int fd = control_try_connect("socket");
        if (fd < 0)
            continue;
        if (i % 4 == 0) {
            control_say(fd, "{\"command\":\"hello\"}");
            free(control_hear(fd)); /* an answer, or that there are eight already */
        }
        close(fd);
    }
    await_service();
    workers_end(workers, heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control loop");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, the_ninth_client_is_turned_away_until_one_leaves);
    tcase_add_test(all, a_connection_that_the_program_closes_is_forgotten);
    tcase_add_test(all, a_call_that_fails_costs_the_connection_at_most);
    tcase_add_test(all, no_bytes_from_a_client_disturb_a_program);
    tcase_add_test(all, a_thousand_connections_disturb_no_program);
    tcase_add_test(all, a_client_that_finds_no_descriptor_is_served_when_there_is_one);
    tcase_add_test(all, a_listener_that_the_program_shuts_is_forgotten_and_clients_are_served_on);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
