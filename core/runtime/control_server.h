/* control_server.h - the control server's own types: what its files share.
 * control.c         life: start, the socket's place, fork, exit
 * control_loop.c    the thread: polls, accepts, gives each client its turn
 * control_work.c    the thread for commands that wait: one at a time
 * control_client.c  one client: lines in, answers out, deadlines
 * control_answer.c  one request: parsing, parameters, results and refusals as lines
 * control_commands.c the list of commands
 *
 * One thread does it all but for commands that wait, whose request and child are the second thread's meanwhile; what
 * other threads touch is struct sgc_control's descriptors (fork closes them in the child, so they change under its
 * lock), `gone` and the start of heaps. */
#ifndef SLABGC_CORE_RUNTIME_CONTROL_SERVER_H
#define SLABGC_CORE_RUNTIME_CONTROL_SERVER_H

#include "core/base/rank.h"
#include "core/os/socket.h"
#include "core/runtime/config.h"
#include "core/runtime/control.h"

#define SGC_CONTROL_CLIENTS 8
#define SGC_CONTROL_CHILD_DEADLINE_S 30           /* of a snapshot's child */
#define SGC_CONTROL_FOLLOW_NS UINT64_C(100000000) /* between two looks for more */
#define SGC_CONTROL_LOOK_NS UINT64_C(5000000)     /* between two looks whether a command that waits is over */
#define SGC_CONTROL_ID_BYTES 1024                 /* the text of an id, with its NUL */

struct sgc_control_request {
    const struct sgc_control_command *command; /* NULL: none is being answered */
    json_t *object;                            /* the request, checked against the command */
    char id[SGC_CONTROL_ID_BYTES];
    int fd; /* passed with it; -1 */
    json_t *result;
    struct sgc_error error; /* code: 0 while nothing went wrong */
    sgc_control_produce_fn *produce;
    void *produce_arg;
    void (*forget)(void *arg);
    uint64_t again_ns;      /* when to call produce again */
    void (*answered)(void); /* called when the answer has gone out, or cannot; NULL: nothing is */
};

struct sgc_control_client {
    int fd;           /* -1: nobody; changes under the server's lock, as do passed, child_fd and child_out */
    int passed;       /* descriptor that came with bytes in `in`; -1 */
    size_t passed_at; /* of the last of those bytes in `in` */
    char *in, *out;   /* SGC_CONTROL_LINE_BYTES each; out: one line, or several of a snapshot's child */
    size_t in_bytes, out_bytes, out_at;
    uint64_t line_since_ns;   /* the unfinished line in `in` began; 0: none */
    uint64_t unread_since_ns; /* the client last took something of `out`; 0: it is empty */
    bool eof, ending;         /* no more comes in; to be closed when `out` is empty */
    bool working, leaving;    /* its command is control_work.c's; it ends when that is over */
    uint64_t look_ns;         /* when to ask whether it is */
    int worked;               /* what the command returned */
    pid_t child;              /* snapshot that answers; 0: none */
    int child_fd;             /* its lines; -1 */
    int child_out;            /* where it writes them, while it is made; -1 */
    bool child_ended, child_said_ok;
    char *child_in; /* SGC_CONTROL_LINE_BYTES: its unfinished line */
    size_t child_bytes;
    struct sgc_control_request request;
};

struct sgc_control {
    int listener;  /* -1: none */
    int directory; /* that holds the socket's name */
    char name[64];
    char path[256]; /* of the socket, for people; cut */
    pid_t owner;    /* process that listens */
    pthread_t thread;
    struct sgc_os_socket_file file;
    struct sgc_control_client clients[SGC_CONTROL_CLIENTS];
};

/* ---- control.c */
extern struct sgc_lock sgc_control_lock; /* rank CONTROL: descriptors of the server, and go */
/* In a turn, with config read: starts what [control] asks for, once in a process. 0, or the error of a line that cannot
 * be honoured. */
int sgc_control_start(const struct sgc_config *config, struct sgc_error *error);
/* In a turn: 0; or -EBUSY, error filled, where [control] says something else than it said when it was started. */
int sgc_control_check_reload(const struct sgc_config *old, const struct sgc_config *new, struct sgc_error *error);
/* At rest, outside of turns: waits for a client's go if config says so and nobody has waited yet. */
void sgc_control_wait(void);
void sgc_control_go(void);
/* A descriptor to close in a forked child: set under the lock. */
void sgc_control_set_fd(int *place, int fd);
void sgc_control_close_fd(int *place);
/* For runtime.c's fork handlers. */
void sgc_control_before_fork(void);
void sgc_control_after_fork(int in_child);
/* control_report.c: appends the final figures of a heap. Any thread, at rest, heap open. */
struct sgc_heap;
void sgc_control_report(struct sgc_heap *heap, bool closed);
void sgc_control_report_open_heaps(void); /* of all that are open, at exit: as far as no lock has to be waited for */
extern char *sgc_control_report_path;     /* NULL: none wanted */

/* ---- control_loop.c */
void *sgc_control_main(void *server);

/* ---- control_work.c, for the server's thread */
/* Has sgc_control_client_work called on the second thread, after those of clients before; on this one where no thread
 * can be had. Waits for its end for a moment, unless others are before it. */
void sgc_control_work_begin(struct sgc_control_client *client);
bool sgc_control_work_is_over(const struct sgc_control_client *client);
/* False: it runs. True: it will not, or is over. */
bool sgc_control_work_cancel(const struct sgc_control_client *client);
bool sgc_control_work_is_mine(void); /* any thread: it is the second one */
void sgc_control_work_forget(void);  /* in a forked child, lock held */

/* ---- control_client.c */
extern uint64_t sgc_control_deadline_ns; /* of an unfinished line, and of answers nobody reads: 10 s, less in tests */
void sgc_control_client_init(struct sgc_control_client *client);          /* nobody */
bool sgc_control_client_begin(struct sgc_control_client *client, int fd); /* false: no memory; fd stays the caller's */
void sgc_control_client_end(struct sgc_control_client *client);
bool sgc_control_client_is_free(const struct sgc_control_client *client); /* nobody, and nothing is done for anybody */
void sgc_control_client_work(struct sgc_control_client *client);          /* for control_work.c: runs its command */
/* What to poll for on its descriptor, and on its child's (0: nothing). */
short sgc_control_client_events(const struct sgc_control_client *client);
short sgc_control_client_child_events(const struct sgc_control_client *client);
/* When it wants to be looked at, whatever happens: UINT64_MAX: never. */
uint64_t sgc_control_client_due_ns(const struct sgc_control_client *client);
/* Does what can be done now. True: there is more to do without waiting. It may have ended the client. */
bool sgc_control_client_step(struct sgc_control_client *client, short events, short child_events, uint64_t now_ns);

/* ---- control_answer.c */
/* Begins the answer to a line: request is filled; command NULL: it was refused, error says why. *fatal: the connection
 * ends after that. */
void sgc_control_request_begin(struct sgc_control_request *request, const char *line, size_t bytes, bool *fatal);
void sgc_control_request_end(struct sgc_control_request *request); /* frees all of it */
/* Writes the last line of the answer to out (SGC_CONTROL_LINE_BYTES); how many bytes. */
size_t sgc_control_write_result(struct sgc_control_request *request, char *out);
size_t sgc_control_write_items(struct sgc_control_request *request, json_t *items, char *out); /* 0: they do not fit */

/* ---- control_commands.c */
/* It takes no turn and waits for no stop: the server's thread runs it. */
bool sgc_control_is_at_once(const struct sgc_control_command *command);
const struct sgc_control_command *sgc_control_find(const char *name);
const struct sgc_control_command *sgc_control_command_at(size_t i); /* NULL behind the last */

#endif
