/* control_client.c - one client of the control server: lines in, answers out, deadlines.
 * Called by control_loop.c, on the server's thread; by control_work.c for the commands that wait.
 * Invariant: one request is answered at a time, and the next line is looked at when its answer has been taken: so a
 * client that does not read holds no more memory than its two lines, and pieces are made as they are read. Lock:
 * CONTROL where descriptors change. */
#include "core/runtime/control_server.h"

#include "core/base/check.h"
#include "core/heap/snapshot.h"
#include "core/os/clock.h"
#include "core/runtime/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define MAX_STEPS 16 /* of one client before the others have their turn */

uint64_t sgc_control_deadline_ns = UINT64_C(10000000000);

void sgc_control_client_init(struct sgc_control_client *client)
{
    char *in = client->in, *out = client->out, *child_in = client->child_in;
    memset(client, 0, sizeof(*client));
    client->in = in;
    client->out = out;
    client->child_in = child_in;
    client->fd = client->passed = client->child_fd = client->child_out = client->request.fd = -1;
}

bool sgc_control_client_begin(struct sgc_control_client *client, int fd)
{
    sgc_control_client_init(client);
    if (!client->in)
        client->in = malloc(SGC_CONTROL_LINE_BYTES);
    if (!client->out)
        client->out = malloc(SGC_CONTROL_LINE_BYTES);
    if (!client->in || !client->out)
        return false;
    client->fd = fd;
    return true;
}

static void client_forget_child(struct sgc_control_client *client)
{
    if (client->child) {
        sgc_snapshot_kill(client->child);
        sgc_snapshot_wait(client->child, true, NULL);
    }
    client->child = 0;
    sgc_control_close_fd(&client->child_fd);
}

void sgc_control_client_end(struct sgc_control_client *client)
{
    client_forget_child(client);
    sgc_control_request_end(&client->request);
    sgc_control_close_fd(&client->passed);
    sgc_control_close_fd(&client->fd);
    sgc_control_client_init(client);
}

bool sgc_control_client_is_free(const struct sgc_control_client *client)
{
    return client->fd < 0 && !client->working;
}

/* ---- what to wait for */

static bool client_has_output(const struct sgc_control_client *client)
{
    return client->out_at < client->out_bytes;
}

static bool client_is_answering(const struct sgc_control_client *client)
{
    return client->request.command != NULL;
}

short sgc_control_client_events(const struct sgc_control_client *client)
{
    if (client_has_output(client))
        return POLLOUT;
    if (client->working)
        return 0;
    return client_is_answering(client) || client->eof || client->ending ? 0 : POLLIN;
}

short sgc_control_client_child_events(const struct sgc_control_client *client)
{
    return !client->working && client->child && !client_has_output(client) ? POLLIN : 0;
}

uint64_t sgc_control_client_due_ns(const struct sgc_control_client *client)
{
    uint64_t due_ns = UINT64_MAX;
    if (client->working)
        return client->look_ns;
    if (client_has_output(client))
        due_ns = client->unread_since_ns + sgc_control_deadline_ns;
    else if (client_is_answering(client))
        due_ns = client->request.produce ? client->request.again_ns : UINT64_MAX; /* a child sees to its own end */
    else if (client->line_since_ns)
        due_ns = client->line_since_ns + sgc_control_deadline_ns;
    return due_ns;
}

/* ---- writing */

/* False: the client is gone. */
static bool client_flush(struct sgc_control_client *client, uint64_t now_ns)
{
    while (client_has_output(client)) {
        const ssize_t n =
            sgc_os_socket_send(client->fd, client->out + client->out_at, client->out_bytes - client->out_at);
        if (n == -EAGAIN)
            return now_ns < client->unread_since_ns + sgc_control_deadline_ns;
        if (n < 0)
            return false;
        client->out_at += (size_t)n;
        client->unread_since_ns = now_ns;
    }
    client->out_at = client->out_bytes = 0;
    return true;
}

static void client_put(struct sgc_control_client *client, size_t bytes, uint64_t now_ns)
{
    client->out_at = 0;
    client->out_bytes = bytes;
    client->unread_since_ns = now_ns;
}

/* The last line of the answer. */
static void client_finish(struct sgc_control_client *client, uint64_t now_ns)
{
    void (*answered)(void) = client->request.answered;
    client_put(client, sgc_control_write_result(&client->request, client->out), now_ns);
    sgc_control_request_end(&client->request);
    if (!answered)
        return;
    (void)client_flush(client, now_ns); /* who is gone shows at the next look */
    answered();
}

/* ---- answers in pieces */

static void client_produce(struct sgc_control_client *client, uint64_t now_ns)
{
    struct sgc_control_request *request = &client->request;
    enum sgc_control_state state = SGC_CONTROL_END;
    json_t *items = request->produce(request, request->produce_arg, &state);
    if (items) {
        const size_t n = sgc_control_write_items(request, items, client->out);
        json_decref(items);
        if (n) {
            client_put(client, n, now_ns);
            request->again_ns = now_ns;
            return;
        }
        sgc_control_fail(request, -E2BIG, "a piece of the answer is longer than a line");
        state = SGC_CONTROL_END;
    }
    if (state == SGC_CONTROL_MORE)
        request->again_ns = now_ns + SGC_CONTROL_FOLLOW_NS;
    else
        client_finish(client, now_ns);
}

/* ---- a snapshot's child */

/* The child: what run returns is its status. */
static _Noreturn void client_in_child(const struct sgc_control_request *request, int fd)
{
    sgc_snapshot_exit(request->command->child(request, fd));
}

/* A child of fork() that held an end of it would keep the answer from ending. */
static int client_make_pipe(struct sgc_control_client *client)
{
    int ends[2];
    SGC_GUARD(&sgc_control_lock);
    const int code = sgc_os_pipe(ends);
    if (code == 0) {
        client->child_fd = ends[0];
        client->child_out = ends[1];
    }
    return code;
}

/* In a turn: run, then the copy. 0 or a negative errno, request refused. */
static int client_fork(struct sgc_control_client *client)
{
    struct sgc_control_request *request = &client->request;
    struct sgc_error error = {0};
    int code = request->command->run ? request->command->run(request) : 0;
    if (code)
        return code;
    if (!client->child_in && !(client->child_in = malloc(SGC_CONTROL_LINE_BYTES)))
        return sgc_control_fail(request, -ENOMEM, "no memory for the snapshot's answer");
    code = client_make_pipe(client);
    if (code)
        return sgc_control_fail(request, code, "no pipe to a snapshot: %s", strerrordesc_np(-code));
    const int out = client->child_out;
    const struct sgc_control_request own = *request; /* where the copy is a fork, its handlers clear the client's */
    const pid_t child = sgc_snapshot_fork(out, SGC_CONTROL_CHILD_DEADLINE_S, NULL, &error);
    if (child == 0)
        client_in_child(&own, out);
    sgc_control_close_fd(&client->child_out);
    if (child < 0) {
        sgc_control_close_fd(&client->child_fd);
        return sgc_control_fail_error(request, &error);
    }
    client->child = child;
    client->child_ended = client->child_said_ok = false;
    client->child_bytes = 0;
    return 0;
}

/* In a turn of its own. */
static int client_start_child(struct sgc_control_client *client)
{
    sgc_runtime_begin("control");
    const int code = client_fork(client);
    sgc_runtime_end();
    return code;
}

/* True when one of the whole lines is the last one of the answer. */
static bool child_says_ok(const struct sgc_control_request *request, const char *lines, size_t bytes)
{
    char begin[SGC_CONTROL_ID_BYTES + 16];
    const size_t length = (size_t)snprintf(begin, sizeof(begin), "{\"id\":%s,\"ok\":", request->id);
    for (const char *at = lines, *end; at < lines + bytes; at = end + 1) {
        end = memchr(at, '\n', (size_t)(lines + bytes - at));
        if ((size_t)(end - at) > length && memcmp(at, begin, length) == 0)
            return true;
    }
    return false;
}

static void child_died(struct sgc_control_client *client, uint64_t now_ns)
{
    struct sgc_control_request *request = &client->request;
    int status = 0;
    sgc_snapshot_wait(client->child, true, &status);
    client->child = 0;
    sgc_control_close_fd(&client->child_fd);
    if (client->child_said_ok) {
        sgc_control_request_end(request);
        return;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        sgc_control_fail(request, -ETIMEDOUT, "%s took more than %d s and was given up", request->command->name,
                         SGC_CONTROL_CHILD_DEADLINE_S);
    else if (WIFSIGNALED(status))
        sgc_control_fail(request, -EIO, "%s ended by signal %d", request->command->name, WTERMSIG(status));
    else
        sgc_control_fail(request, -EIO, "%s ended before its answer did", request->command->name);
    client_finish(client, now_ns);
}

/* Takes what the child wrote: whole lines go out, the rest waits for its end. */
static void client_read_child(struct sgc_control_client *client, uint64_t now_ns)
{
    const ssize_t n = sgc_os_read(client->child_fd, client->child_in + client->child_bytes,
                                  SGC_CONTROL_LINE_BYTES - client->child_bytes);
    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        child_died(client, now_ns);
        return;
    }
    client->child_bytes += (size_t)n;
    const char *newline = memrchr(client->child_in, '\n', client->child_bytes);
    if (!newline) {
        if (client->child_bytes == SGC_CONTROL_LINE_BYTES)
            sgc_snapshot_kill(client->child); /* its end is seen at the next look */
        return;
    }
    const size_t whole = (size_t)(newline - client->child_in) + 1;
    client->child_said_ok |= child_says_ok(&client->request, client->child_in, whole);
    memcpy(client->out, client->child_in, whole);
    memmove(client->child_in, client->child_in + whole, client->child_bytes - whole);
    client->child_bytes -= whole;
    client_put(client, whole, now_ns);
}

/* ---- requests */

/* The descriptor belongs to the line that ends behind the bytes it came with. */
static void client_take_passed(struct sgc_control_client *client, size_t line_bytes)
{
    SGC_GUARD(&sgc_control_lock);
    if (client->passed < 0)
        return;
    if (client->passed_at < line_bytes) {
        client->request.fd = client->passed;
        client->passed = -1;
    } else {
        client->passed_at -= line_bytes;
    }
}

void sgc_control_client_work(struct sgc_control_client *client)
{
    const struct sgc_control_command *command = client->request.command;
    client->worked = command->child ? client_start_child(client) : command->run(&client->request);
}

/* Its command has run: what follows is a child's lines, pieces, or the answer. */
static void client_go_on(struct sgc_control_client *client, uint64_t now_ns)
{
    client->working = false;
    if (client->worked || (!client->child && !client->request.produce))
        client_finish(client, now_ns);
}

static void client_run(struct sgc_control_client *client, uint64_t now_ns)
{
    const struct sgc_control_command *command = client->request.command;
    if (!command) {
        client_finish(client, now_ns);
        return;
    }
    if (sgc_control_is_at_once(command)) {
        sgc_control_client_work(client);
    } else {
        client->working = true;
        sgc_control_work_begin(client);
        if (!sgc_control_work_is_over(client)) {
            client->look_ns = now_ns + SGC_CONTROL_LOOK_NS;
            return;
        }
    }
    client_go_on(client, now_ns);
}

static void client_consume(struct sgc_control_client *client, size_t bytes, uint64_t now_ns)
{
    client->in_bytes -= bytes;
    memmove(client->in, client->in + bytes, client->in_bytes);
    client->line_since_ns = client->in_bytes ? now_ns : 0;
}

/* A refusal outside of any request, after which the connection ends. */
static void client_refuse(struct sgc_control_client *client, int code, const char *message, uint64_t now_ns)
{
    memset(&client->request, 0, sizeof(client->request));
    client->request.fd = -1;
    strcpy(client->request.id, "null");
    sgc_control_fail(&client->request, code, "%s", message);
    client->ending = true;
    client->in_bytes = 0;
    client->line_since_ns = 0;
    client_finish(client, now_ns);
}

/* True: a line was taken. */
static bool client_next_line(struct sgc_control_client *client, uint64_t now_ns)
{
    bool fatal;
    const char *newline = memchr(client->in, '\n', client->in_bytes);
    if (!newline) {
        if (client->in_bytes < SGC_CONTROL_LINE_BYTES)
            return false;
        client_refuse(client, -EMSGSIZE, "a line has at most 65536 bytes", now_ns);
        return true;
    }
    const size_t length = (size_t)(newline - client->in);
    sgc_control_request_begin(&client->request, client->in, length, &fatal);
    client_take_passed(client, length + 1);
    client_consume(client, length + 1, now_ns);
    client->ending |= fatal;
    client_run(client, now_ns);
    return true;
}

/* 1: something came, or its end; 0: nothing; -1: the client is gone. */
static int client_read(struct sgc_control_client *client, uint64_t now_ns)
{
    int passed = -1;
    sgc_lock_acquire(&sgc_control_lock); /* a descriptor may come */
    const ssize_t n = sgc_os_socket_receive(client->fd, client->in + client->in_bytes,
                                            SGC_CONTROL_LINE_BYTES - client->in_bytes, &passed);
    if (passed >= 0 && client->passed < 0) {
        client->passed = passed;
        client->passed_at = client->in_bytes + (n > 0 ? (size_t)n - 1 : 0);
    } else if (passed >= 0) {
        sgc_os_close(passed);
    }
    sgc_lock_release(&sgc_control_lock);
    if (n < 0)
        return n == -EAGAIN ? 0 : -1;
    client->eof = n == 0;
    if (n > 0 && client->in_bytes == 0)
        client->line_since_ns = now_ns;
    client->in_bytes += (size_t)n;
    return 1;
}

/* ---- */

/* One thing that can be done now: 1 done, 0 nothing, -1 the client is gone. readable, child_ready: what poll saw, good
 * for one read. */
static int client_step(struct sgc_control_client *client, bool *readable, bool *child_ready, uint64_t now_ns)
{
    if (client->working) {
        if (!sgc_control_work_is_over(client)) {
            client->look_ns = now_ns + SGC_CONTROL_LOOK_NS;
            return 0;
        }
        client_go_on(client, now_ns);
        return client->leaving ? -1 : 1;
    }
    if (client_has_output(client)) {
        if (!client_flush(client, now_ns))
            return -1;
        return client_has_output(client) ? 0 : 1;
    }
    if (client->child) {
        if (!*child_ready)
            return 0;
        *child_ready = false;
        client_read_child(client, now_ns);
        return 1;
    }
    if (client_is_answering(client)) {
        if (now_ns < client->request.again_ns)
            return 0;
        client_produce(client, now_ns);
        return 1;
    }
    if (client->ending)
        return -1;
    if (client_next_line(client, now_ns))
        return 1;
    if (client->eof || (client->line_since_ns && now_ns >= client->line_since_ns + sgc_control_deadline_ns))
        return -1;
    if (!*readable)
        return 0;
    *readable = false;
    return client_read(client, now_ns);
}

/* Nobody waits for its answer any more. A command that runs is done all the same. */
static void client_leave(struct sgc_control_client *client)
{
    client->leaving = client->working && !sgc_control_work_cancel(client);
    if (client->leaving)
        return;
    client->working = false;
    sgc_control_client_end(client);
}

bool sgc_control_client_step(struct sgc_control_client *client, short events, short child_events, uint64_t now_ns)
{
    if (events & POLLNVAL) { /* the program closed it, and may have the number for something else */
        sgc_control_set_fd(&client->fd, -1);
        if (client->working) {
            client_leave(client);
            return false;
        }
        sgc_control_client_end(client);
        return false;
    }
    /* Hung up: nobody waits for this answer. What was asked before that is still done. */
    if ((events & (POLLHUP | POLLERR)) && client_is_answering(client)) {
        client_leave(client);
        return false;
    }
    bool readable = events & (POLLIN | POLLHUP | POLLERR), child_ready = child_events != 0;
    for (unsigned i = 0; i < MAX_STEPS; i++) {
        const int did = client_step(client, &readable, &child_ready, now_ns);
        if (did < 0)
            sgc_control_client_end(client);
        if (did <= 0)
            return false;
    }
    return true;
}
