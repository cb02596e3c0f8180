/* control_loop.c - the control server's thread: one poll over the listener and all clients.
 * Started by control.c; it lives as long as the process, with all signals blocked, and is attached to no heap until a
 * command needs to stop threads and no second thread can be had. Invariant: nothing waits here but poll, and a moment
 * for a command of control_work.c's; every client gets its turn in each round. Lock: CONTROL where descriptors change.
 */
#include "core/runtime/control_server.h"

#include "core/base/check.h"
#include "core/os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_ACCEPTS 16                      /* in one round */
#define ACCEPT_PAUSE_NS UINT64_C(100000000) /* when the process has no descriptor left */
#define N_POLLED (1 + 2 * SGC_CONTROL_CLIENTS)

struct control_loop {
    struct sgc_control *control;
    uint64_t accept_after_ns;
    bool busy; /* somebody has more to do at once */
};

/* Says why, as far as the socket takes it. */
static void loop_turn_away(int fd, const char *code, const char *message)
{
    char line[256];
    const int n =
        snprintf(line, sizeof(line), "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n",
                 code, message);
    (void)sgc_os_socket_send(fd, line, (size_t)n);
    sgc_os_close(fd);
}

/* Lock held. */
static void loop_admit(struct sgc_control *control, int fd)
{
    uid_t uid;
    if (sgc_os_socket_peer(fd, &uid) || (uid != 0 && uid != geteuid())) {
        loop_turn_away(fd, "EPERM", "only root and the user of the process are served");
        return;
    }
    for (unsigned i = 0; i < SGC_CONTROL_CLIENTS; i++) {
        if (!sgc_control_client_is_free(&control->clients[i]))
            continue;
        if (!sgc_control_client_begin(&control->clients[i], fd))
            loop_turn_away(fd, "ENOMEM", "no memory for another client");
        return;
    }
    loop_turn_away(fd, "EBUSY", "8 clients are served at once; try again when one has left");
}

static void loop_accept(struct control_loop *loop, uint64_t now_ns)
{
    struct sgc_control *control = loop->control;
    for (unsigned i = 0; i < MAX_ACCEPTS; i++) {
        SGC_GUARD(&sgc_control_lock);
        const int fd = sgc_os_socket_accept(control->listener);
        if (fd == -EAGAIN)
            return;
        if (fd == -EBADF || fd == -ENOTSOCK || fd == -EINVAL) {
            control->listener = -1; /* the program closed it, and may have the number for something else */
            return;
        }
        if (fd == -ECONNABORTED || fd == -EINTR)
            continue;
        if (fd < 0) {
            loop->accept_after_ns = now_ns + ACCEPT_PAUSE_NS;
            return;
        }
        loop_admit(control, fd);
    }
}

static int64_t loop_timeout_ns(const struct control_loop *loop, uint64_t now_ns)
{
    uint64_t due_ns = loop->accept_after_ns ? loop->accept_after_ns : UINT64_MAX;
    if (loop->busy)
        return 0;
    for (unsigned i = 0; i < SGC_CONTROL_CLIENTS; i++) {
        const struct sgc_control_client *client = &loop->control->clients[i];
        const uint64_t client_ns = sgc_control_client_is_free(client) ? UINT64_MAX : sgc_control_client_due_ns(client);
        due_ns = client_ns < due_ns ? client_ns : due_ns;
    }
    if (due_ns == UINT64_MAX)
        return -1;
    return due_ns > now_ns ? (int64_t)(due_ns - now_ns) : 0;
}

/* Entry 0: the listener; then two for each client. A descriptor of -1 is passed over by poll. */
static void loop_fill(const struct control_loop *loop, struct pollfd polled[N_POLLED], uint64_t now_ns)
{
    const struct sgc_control *control = loop->control;
    polled[0] = (struct pollfd){now_ns >= loop->accept_after_ns ? control->listener : -1, POLLIN, 0};
    for (unsigned i = 0; i < SGC_CONTROL_CLIENTS; i++) {
        const struct sgc_control_client *client = &control->clients[i];
        const short child_events = client->fd < 0 ? 0 : sgc_control_client_child_events(client);
        /* Who has hung up would be reported again and again. */
        polled[1 + 2 * i] = (struct pollfd){client->leaving ? -1 : client->fd,
                                            client->fd < 0 ? 0 : sgc_control_client_events(client), 0};
        polled[2 + 2 * i] = (struct pollfd){child_events ? client->child_fd : -1, child_events, 0};
    }
}

static void loop_round(struct control_loop *loop)
{
    struct pollfd polled[N_POLLED];
    uint64_t now_ns = sgc_os_now_ns();
    if (now_ns >= loop->accept_after_ns)
        loop->accept_after_ns = 0;
    loop_fill(loop, polled, now_ns);
    sgc_os_poll(polled, N_POLLED, loop_timeout_ns(loop, now_ns));
    now_ns = sgc_os_now_ns();
    loop->busy = false;
    for (unsigned i = 0; i < SGC_CONTROL_CLIENTS; i++) {
        struct sgc_control_client *client = &loop->control->clients[i];
        if (!sgc_control_client_is_free(client))
            loop->busy |= sgc_control_client_step(client, polled[1 + 2 * i].revents, polled[2 + 2 * i].revents, now_ns);
    }
    if (polled[0].revents)
        loop_accept(loop, now_ns);
}

void *sgc_control_main(void *server)
{
    struct control_loop loop = {.control = server};
    for (;;)
        loop_round(&loop);
    return NULL;
}
