/* client.h - processes that have a control socket, and talking to one. One thread; calls block up to their deadlines. */
#ifndef SLABGC_TOOLS_GCCTL_CLIENT_H
#define SLABGC_TOOLS_GCCTL_CLIENT_H

#include "tools/gcctl/command.h"
#include <sys/types.h>

struct gcctl_client;

/* Connects to the process that the call's --pid (or `process`, may be NULL) names: a pid, a program's name, a socket's path; NULL: the only one. NULL: a message was
 * printed (which processes there are, why not), *status is the exit status. */
struct gcctl_client *gcctl_connect(const struct gcctl_call *call, const char *process, int *status);
/* Connects to a socket that may not be there yet (a program that was just started): tries until deadline_ns (CLOCK_MONOTONIC) or pid (0: none) has ended. NULL: errno. */
struct gcctl_client *gcctl_connect_path(const char *path, pid_t pid, int64_t deadline_ns);
void gcctl_disconnect(struct gcctl_client *client);
pid_t gcctl_client_pid(const struct gcctl_client *client);

/* Sends {"command":command, members of parameters} and waits for the answer; parameters: borrowed, may be NULL. piece: called for each item of answers in pieces
 * (borrowed), non-zero ends the wait and is returned through *status; NULL: not expected. Returns the result (caller's reference), or NULL: a
 * message was printed, *status is the exit status. */
json_t *gcctl_request(struct gcctl_client *client, const char *command, json_t *parameters,
                      int (*piece)(void *arg, json_t *item), void *arg, int *status);
/* The same with a descriptor that travels with the request (SCM_RIGHTS); it stays the caller's. */
json_t *gcctl_request_fd(struct gcctl_client *client, const char *command, json_t *parameters, int fd, int *status);
int gcctl_client_fd(const struct gcctl_client *client); /* for poll */

/* Calls visit for each live process that answers: its hello result (borrowed) and socket's path. Removes stale sockets.
 * n_silent: of how many it was noted that, and why, they did not answer. */
int gcctl_for_each_process(int (*visit)(void *arg, const char *path, json_t *hello), void *arg, size_t *n_silent);
/* When no process was found by a word that could have been a file's name: says that there is no such file, if so. */
void gcctl_note_no_file(const char *word);

#endif
