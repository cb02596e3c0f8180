/* control_kit.c - see control_kit.h. */
#include "tests/runtime/control_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* ThreadSanitizer would wait a second at the end of each process that has threads, and each test is a process. */
const char *__tsan_default_options(void) __attribute__((visibility("default")));
const char *__tsan_default_options(void)
{
    return "atexit_sleep_ms=0";
}

#define LINE_BYTES (128 << 10) /* more than the protocol allows */

void control_config(const char *more)
{
    char text[4096];
    kit_isolate();
    setenv("SLABGC_PLUGIN_PATH", kit_path("p"), 1);
    kit_copy_plugin("good", "p/good.so");
    kit_copy_plugin("second", "p/second.so");
    snprintf(text, sizeof(text), "control.socket=%s%s%s", kit_path("socket"), more ? "," : "", more ? more : "");
    setenv("SLABGC", text, 1);
}

struct sgc_heap *control_start(const char *more)
{
    struct sgc_error error = {0};
    control_config(more);
    struct sgc_heap *heap = sgc_heap_open("words", &(struct sgc_heap_options){.strategy = "none"}, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    return heap;
}

struct sgc_heap *control_open_with(const char *settings, struct sgc_error *error)
{
    kit_isolate();
    if (settings)
        setenv("SLABGC", settings, 1);
    return sgc_heap_open("words", &(struct sgc_heap_options){.strategy = "none"}, error);
}

/* Through the directory's descriptor: its path may be longer than an address has room for. */
int control_try_connect(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {60, 0};
    char directory[4096];
    snprintf(directory, sizeof(directory), "%s/%s", kit_directory(), name); /* any thread, once there is a directory */
    char *slash = strrchr(directory, '/');
    *slash = '\0';
    const int at = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(at, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", at, slash + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    const int code = connect(fd, (struct sockaddr *)&address, sizeof(address));
    close(at);
    if (code == 0)
        return fd;
    close(fd);
    return -1;
}

int control_connect(const char *name)
{
    const int fd = control_try_connect(name);
    ck_assert_msg(fd >= 0, "cannot connect to %s: %s", name, strerror(errno));
    return fd;
}

void control_send(int fd, const char *bytes, size_t n_bytes)
{
    while (n_bytes > 0) {
        const ssize_t n = send(fd, bytes, n_bytes, MSG_NOSIGNAL);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return; /* the server has ended it: the answer says why */
        ck_assert_msg(n > 0, "cannot send: %s", strerror(errno));
        bytes += n;
        n_bytes -= (size_t)n;
    }
}

void control_say(int fd, const char *line)
{
    const size_t n_bytes = strlen(line);
    char *whole = malloc(n_bytes + 1);
    ck_assert_ptr_nonnull(whole);
    memcpy(whole, line, n_bytes);
    whole[n_bytes] = '\n';
    control_send(fd, whole, n_bytes + 1);
    free(whole);
}

char *control_hear(int fd)
{
    char *line = malloc(LINE_BYTES);
    size_t length = 0;
    for (; length < LINE_BYTES; length++) {
        ssize_t n;
        do
            n = recv(fd, line + length, 1, 0);
        while (n < 0 && errno == EINTR); /* under ThreadSanitizer a snapshot's child raises SIGCHLD */
        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            ck_assert_msg(length == 0, "the connection ended in the middle of a line");
            free(line);
            return NULL;
        }
        ck_assert_msg(n == 1, "no answer: %s", strerror(errno));
        if (line[length] == '\n')
            break;
    }
    ck_assert_uint_lt(length, 65536);
    line[length] = '\0';
    return line;
}

json_t *control_ask(int fd, const char *request)
{
    json_error_t fault;
    control_say(fd, request);
    char *line = control_hear(fd);
    ck_assert_msg(line != NULL, "no answer to %s", request);
    json_t *answer = json_loads(line, 0, &fault);
    ck_assert_msg(answer != NULL, "%s: %s", fault.text, line);
    free(line);
    return answer;
}

json_t *control_result(int fd, const char *request)
{
    json_t *answer = control_ask(fd, request), *result = json_object_get(answer, "result");
    if (!result) {
        char *text = json_dumps(answer, 0);
        ck_abort_msg("%s: %s", request, text);
    }
    ck_assert(json_is_true(json_object_get(answer, "ok")));
    json_incref(result);
    json_decref(answer);
    return result;
}

void control_refused(int fd, const char *request, const char *code, const char *message)
{
    json_t *answer = control_ask(fd, request);
    ck_assert_msg(json_is_false(json_object_get(answer, "ok")), "not refused: %s", request);
    ck_assert_str_eq(control_text(answer, "error.message"), message);
    ck_assert_str_eq(control_text(answer, "error.code"), code);
    json_decref(answer);
}

void control_expect_end(int fd, const char *message)
{
    char *line = control_hear(fd);
    ck_assert_msg(line != NULL, "no answer before the end: %s", message);
    json_t *answer = json_loads(line, 0, NULL);
    ck_assert_str_eq(control_text(answer, "error.message"), message);
    json_decref(answer);
    free(line);
    ck_assert_ptr_null(control_hear(fd));
    close(fd);
}

json_t *control_at(json_t *json, const char *path)
{
    char name[64];
    json_t *at = json;
    for (const char *begin = path; at && *begin;) {
        const size_t length = strcspn(begin, ".");
        snprintf(name, sizeof(name), "%.*s", (int)length, begin);
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(name)) : json_object_get(at, name);
        begin += length + (begin[length] == '.');
    }
    ck_assert_msg(at != NULL, "no %s", path);
    return at;
}

json_int_t control_number(json_t *json, const char *path)
{
    ck_assert_msg(json_is_integer(control_at(json, path)), "%s is no number", path);
    return json_integer_value(control_at(json, path));
}

const char *control_text(json_t *json, const char *path)
{
    ck_assert_msg(json_is_string(control_at(json, path)), "%s is no string", path);
    return json_string_value(control_at(json, path));
}

void control_expect_origin(int fd, const char *key, const char *value, const char *origin)
{
    char request[256];
    snprintf(request, sizeof(request), "{\"command\":\"get\",\"key\":\"%s\"}", key);
    json_t *values = control_result(fd, request);
    ck_assert_uint_eq(json_array_size(control_at(values, "values")), 1);
    ck_assert_str_eq(control_text(values, "values.0.value"), value);
    ck_assert_str_eq(control_text(values, "values.0.origin"), origin);
    json_decref(values);
}
