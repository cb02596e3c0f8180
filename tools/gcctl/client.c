/* client.c - one connection to a process: requests and answers as lines of JSON.
 * Called by commands; finding the process is processes.c's, bytes are wire.c's.
 * Invariant: nothing that a process sends or leaves out can hang or crash gcctl, or move the terminal's cursor: lines
 * and answers are bounded, waits have deadlines, every member is checked before use. Locks: none, one thread.
 * Protocol: core/runtime/CONTROL.md. */
#include "tools/gcctl/client.h"

#include "tools/gcctl/connection.h"
#include "tools/gcctl/print.h"
#include "tools/gcctl/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>

#define REQUEST_BYTES (64 * 1024)
#define MS_NS INT64_C(1000000)

/* An honest snapshot is given up after 30 s; what it says of a heap of a terabyte fits. */
struct gcctl_answer_limits gcctl_answer_limits = {
    .items = UINT64_C(1) << 24, .bytes = UINT64_C(2) << 30, .ns = GCCTL_TIMEOUT_NS};

/* Of an answer: what came of it, and the time since its first line but for what piece took. */
struct client_spent {
    uint64_t items, bytes;
    int64_t began_ns, piece_ns;
};

struct gcctl_client {
    struct gcctl_wire wire;
    pid_t pid;
    char program[64];
    int64_t timeout_ns; /* for a line of an answer */
    json_int_t id;      /* of the last request */
    struct client_spent spent;
};

/* ---- requests */

/* Bytes of the control character that JSON has at `at`, written out or by itself; 0: none, or a tab or line feed. */
static size_t client_control(const char *at)
{
    if (*at == '\177')
        return 1;
    if (*at == '\302' && ((unsigned char)at[1] & 0xe0) == 0x80)
        return 2;
    if (*at != '\\')
        return 0;
    if (at[1] == 'b' || at[1] == 'f' || at[1] == 'r')
        return 2;
    if (strncmp(at + 1, "u00", 3) != 0 || !at[4] || !at[5])
        return 0;
    if (at[4] == '0' && (at[5] == '9' || at[5] == 'a' || at[5] == 'A'))
        return 0;
    return strchr("0189", at[4]) || (at[4] == '7' && (at[5] == 'f' || at[5] == 'F')) ? 6 : 0;
}

/* Control characters become '?': names of somebody else's process go to the terminal in many places. */
static void client_clean(char *line)
{
    char *to = line;
    for (const char *at = line; *at;) {
        const size_t n = client_control(at);
        if (!n && *at == '\\' && at[1])
            *to++ = *at++;
        *to++ = n ? '?' : *at;
        at += n ? n : 1;
    }
    *to = '\0';
}

static json_t *client_receive(struct gcctl_client *client, int64_t deadline_ns, int *code)
{
    *code = 0;
    char *line = gcctl_wire_line(&client->wire, deadline_ns, code);
    if (!line) {
        *code = *code ? *code : -ECONNRESET;
        return NULL;
    }
    client->spent.bytes += strlen(line);
    client_clean(line);
    json_t *answer = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    if (answer && json_is_object(answer))
        return answer;
    json_decref(answer);
    *code = -EPROTO;
    return NULL;
}

static int client_ask(struct gcctl_client *client, const char *command, json_t *parameters, int passed)
{
    json_t *request = json_pack("{s:I, s:s}", "id", ++client->id, "command", command);
    if (!request || (parameters && json_object_update(request, parameters))) {
        json_decref(request);
        return -ENOMEM;
    }
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!text)
        return -EILSEQ;
    size_t length = strlen(text);
    int code = -EMSGSIZE;
    if (length < REQUEST_BYTES) {
        text[length] = '\n'; /* in the place of the terminator */
        code = gcctl_wire_send(&client->wire, text, length + 1, passed, gcctl_now_ns() + client->timeout_ns);
    }
    free(text);
    return code;
}

/* More than an honest answer has, or takes. */
static bool client_is_endless(const struct gcctl_client *client)
{
    const struct client_spent *spent = &client->spent;
    return spent->items > gcctl_answer_limits.items || spent->bytes > gcctl_answer_limits.bytes ||
           gcctl_now_ns() - spent->began_ns - spent->piece_ns > gcctl_answer_limits.ns;
}

/* 0, or what piece returned. */
static int client_pieces(struct gcctl_client *client, json_t *items, int (*piece)(void *arg, json_t *item), void *arg)
{
    const int64_t began_ns = gcctl_now_ns();
    size_t i;
    json_t *item;
    int code = 0;
    json_array_foreach (items, i, item)
        if (piece && !code)
            code = piece(arg, item);
    client->spent.items += json_array_size(items);
    client->spent.piece_ns += gcctl_now_ns() - began_ns;
    return code;
}

/* Waits for the last line of the answer to the last request: for each line of one in pieces, else for the whole of it,
 * as long as requests wait. follow: its pieces have no end. NULL: *code is a negative errno, or what piece returned,
 * positive. */
static json_t *client_answer(struct gcctl_client *client, bool follow, int (*piece)(void *arg, json_t *item), void *arg,
                             int *code)
{
    int64_t deadline_ns = gcctl_now_ns() + client->timeout_ns;
    client->spent = (struct client_spent){0};
    for (;;) {
        json_t *answer = client_receive(client, deadline_ns, code);
        if (!answer)
            return NULL;
        json_t *id = json_object_get(answer, "id"), *items = json_object_get(answer, "items");
        const bool foreign = json_is_integer(id) && json_integer_value(id) != client->id;
        if (!items && !foreign)
            return answer;
        if (!client->spent.began_ns)
            client->spent.began_ns = gcctl_now_ns();
        if (!foreign) /* else of a request whose answer nobody wanted any more */
            *code = client_pieces(client, items, piece, arg);
        json_decref(answer);
        if (follow && !foreign)
            client->spent = (struct client_spent){0};
        else if (!*code && client_is_endless(client))
            *code = -EFBIG;
        else if (!*code && !piece && gcctl_now_ns() > deadline_ns)
            *code = -ETIMEDOUT;
        if (*code)
            return NULL;
        if (piece)
            deadline_ns = gcctl_now_ns() + client->timeout_ns;
    }
}

static const struct {
    const char *name;
    int status;
} statuses[] = {
    {"EINVAL", EX_USAGE},        {"ENOENT", EX_USAGE},           {"EBUSY", EX_TEMPFAIL},     {"EAGAIN", EX_TEMPFAIL},
    {"ENOMEM", EX_TEMPFAIL},     {"ETIMEDOUT", EX_TEMPFAIL},     {"EPERM", EX_NOPERM},       {"EACCES", EX_NOPERM},
    {"EIO", EX_IOERR},           {"ENOSPC", EX_IOERR},           {"EFBIG", EX_IOERR},        {"ERANGE", EX_USAGE},
    {"ENOTSUP", EX_UNAVAILABLE}, {"EOPNOTSUPP", EX_UNAVAILABLE}, {"ENOSYS", EX_UNAVAILABLE}, {"EMSGSIZE", EX_USAGE},
};

static int client_refused(const json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    int status = EX_UNAVAILABLE;
    for (size_t i = 0; code && i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (strcmp(statuses[i].name, code) == 0)
            status = statuses[i].status;
    /* Core names the place of what a request says "gcctl:LINE:COLUMN"; messages begin with that name anyway. */
    int place = 0;
    if (message && sscanf(message, "gcctl:%*d:%*d: %n", &place) == 0 && place > 0)
        message += place;
    return gcctl_error(status, "%s", message ? message : code ? code : "the process refused, and did not say why");
}

static int client_failed(const struct gcctl_client *client, int code)
{
    const char *program = client->program;
    const long pid = client->pid;
    char waited[GCCTL_UNIT_BYTES], units[2][GCCTL_UNIT_BYTES];
    if (code == -ECONNRESET || code == -EPIPE)
        return gcctl_error(EX_UNAVAILABLE,
                           client->pid && kill(client->pid, 0) && errno == ESRCH
                               ? "process %ld (%s) ended before it had answered"
                               : "process %ld (%s) closed the connection before it had answered",
                           pid, program);
    if (code == -ETIMEDOUT)
        return gcctl_error(EX_UNAVAILABLE, "process %ld (%s) did not answer for %s; --timeout sets how long to wait",
                           pid, program, gcctl_duration(waited, (double)client->timeout_ns));
    if (code == -EPROTO)
        return gcctl_error(EX_UNAVAILABLE, "process %ld (%s) answered something that is no JSON object", pid, program);
    if (code == -EFBIG)
        return gcctl_error(EX_UNAVAILABLE, "process %ld (%s) answers without end: given up after %s items, %s and %s",
                           pid, program, gcctl_count(units[0], (double)client->spent.items),
                           gcctl_bytes(units[1], (double)client->spent.bytes),
                           gcctl_duration(waited, (double)(gcctl_now_ns() - client->spent.began_ns)));
    if (code == -EILSEQ)
        return gcctl_error(EX_USAGE, "the request is not in UTF-8");
    if (code == -EMSGSIZE)
        return gcctl_error(EX_UNAVAILABLE,
                           "the request or the answer of process %ld (%s) is longer than the protocol allows", pid,
                           program);
    return gcctl_error(EX_UNAVAILABLE, "process %ld (%s): %s", pid, program, strerror(-code));
}

static json_t *client_request(struct gcctl_client *client, const char *command, json_t *parameters, int passed,
                              int (*piece)(void *arg, json_t *item), void *arg, int *status)
{
    int code = client_ask(client, command, parameters, passed);
    json_t *answer = NULL;
    /* What was said before the connection broke is still to be read: an error line of a full server. */
    if (code == 0 || code == -EPIPE || code == -ECONNRESET)
        answer = client_answer(client, json_is_true(json_object_get(parameters, "follow")), piece, arg, &code);
    if (!answer) {
        *status = code > 0 ? code : client_failed(client, code);
        return NULL;
    }
    json_t *result = json_object_get(answer, "result");
    if (!json_is_true(json_object_get(answer, "ok"))) {
        result = NULL;
        *status = client_refused(answer);
    } else if (!json_is_object(result)) {
        result = NULL;
        *status = gcctl_error(EX_UNAVAILABLE, "process %ld (%s) answered \"%s\" without a result", (long)client->pid,
                              client->program, command);
    }
    json_incref(result);
    json_decref(answer);
    return result;
}

json_t *gcctl_request(struct gcctl_client *client, const char *command, json_t *parameters,
                      int (*piece)(void *arg, json_t *item), void *arg, int *status)
{
    return client_request(client, command, parameters, -1, piece, arg, status);
}

json_t *gcctl_request_fd(struct gcctl_client *client, const char *command, json_t *parameters, int fd, int *status)
{
    return client_request(client, command, parameters, fd, NULL, NULL, status);
}

/* ---- connections */

/* hello, without messages: whoever connects knows better what to say. */
static int client_hello(struct gcctl_client *client, json_t **hello)
{
    int code = client_ask(client, "hello", NULL, -1);
    if (code && code != -EPIPE && code != -ECONNRESET)
        return code;
    json_t *answer = client_answer(client, false, NULL, NULL, &code);
    if (!answer)
        return code;
    json_t *result = json_object_get(answer, "result"), *error = json_object_get(answer, "error");
    const char *refusal = json_string_value(json_object_get(error, "code"));
    const char *program = json_string_value(json_object_get(result, "program"));
    json_t *pid = json_object_get(result, "pid"), *protocol = json_object_get(result, "protocol");
    code = 0;
    if (refusal)
        code = strcmp(refusal, "EPERM") == 0 || strcmp(refusal, "EACCES") == 0 ? -EPERM : -EUSERS;
    else if (!program || !json_is_integer(pid) || !json_is_integer(protocol))
        code = -EPROTO;
    else if (json_integer_value(protocol) != 1)
        code = -EPROTONOSUPPORT;
    if (code == 0) {
        client->pid = (pid_t)json_integer_value(pid);
        snprintf(client->program, sizeof(client->program), "%s", program);
        if (hello)
            *hello = json_incref(result);
    }
    json_decref(answer);
    return code;
}

int gcctl_connection_open(const char *path, int64_t timeout_ns, struct gcctl_client **out, json_t **hello)
{
    struct gcctl_client *client = calloc(1, sizeof(*client));
    int code = -ENOMEM;
    if (!client)
        return code;
    client->timeout_ns = timeout_ns;
    code = gcctl_wire_open(&client->wire, path, gcctl_now_ns() + timeout_ns);
    if (code == 0)
        code = client_hello(client, hello);
    if (code) {
        gcctl_disconnect(client);
        return code;
    }
    *out = client;
    return 0;
}

const char *gcctl_connection_error(int code)
{
    switch (-code) {
    case ECONNREFUSED:
        return "nobody listens there any more";
    case ENOTSOCK:
        return "is no socket";
    case ECONNRESET:
    case EPIPE:
        return "it closed the connection";
    case EPERM:
        return "it belongs to another user";
    case EPROTO:
        return "what answers there is no process with slabgc";
    case EPROTONOSUPPORT:
        return "it speaks another version of the protocol than this gcctl, 1";
    case ETIMEDOUT:
        return "it does not answer";
    case EUSERS:
        return "it has as many clients as it takes; try again";
    default:
        return strerror(-code);
    }
}

void gcctl_connection_timeout(struct gcctl_client *client, int64_t timeout_ns)
{
    client->timeout_ns = timeout_ns;
}

/* A child that ended is still there for kill until it is reaped. */
static bool client_gone(pid_t pid)
{
    siginfo_t ended = {0};
    if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0)
        return ended.si_pid == pid;
    return kill(pid, 0) && errno == ESRCH;
}

struct gcctl_client *gcctl_connect_path(const char *path, pid_t pid, int64_t deadline_ns)
{
    struct gcctl_client *client;
    for (;;) {
        int64_t left = deadline_ns - gcctl_now_ns();
        int code = left > 0 ? gcctl_connection_open(path, left, &client, NULL) : -ETIMEDOUT;
        if (code == 0) {
            gcctl_connection_timeout(client, GCCTL_TIMEOUT_NS);
            return client;
        }
        const bool may_come = code == -ENOENT || code == -ECONNREFUSED || code == -ECONNRESET || code == -EPIPE;
        if (!may_come || (pid && client_gone(pid))) {
            errno = may_come ? ESRCH : -code;
            return NULL;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2 * MS_NS}, NULL);
    }
}

void gcctl_disconnect(struct gcctl_client *client)
{
    if (!client)
        return;
    gcctl_wire_close(&client->wire);
    free(client);
}

pid_t gcctl_client_pid(const struct gcctl_client *client)
{
    return client->pid;
}

int gcctl_client_fd(const struct gcctl_client *client)
{
    return client->wire.fd;
}
