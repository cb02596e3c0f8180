/* socket.h - unix stream sockets for the control server, the directory and name of one, and polling.
 * Called by runtime's control. One thread at a time for each descriptor; nothing here waits but sgc_os_poll. Every
 * system call passes a fault gate. Failure: a negative errno, out-parameters untouched. All descriptors are
 * close-on-exec. */
#ifndef SLABGC_CORE_OS_SOCKET_H
#define SLABGC_CORE_OS_SOCKET_H

#include <poll.h>
#include <slabgc/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens a directory (its descriptor serves to name what is in it). */
int sgc_os_directory_open(const char *path, struct sgc_error *error);
/* Opens directory `name` of `parent` (an absolute path), after making it where it is missing. -EPERM unless it is a
 * directory, not a symbolic link, of the effective user, of mode 0700: then somebody else may have put it there. */
int sgc_os_directory_private(const char *parent, const char *name, struct sgc_error *error);

/* Which file a name stands for. */
struct sgc_os_socket_file {
    uint64_t device, inode;
};

/* Makes a listening socket, mode 0600, at `name` in the directory. It is bound under another name first and renamed, so
 * whoever finds the name finds somebody who answers; what was at the name before is replaced. Returns the descriptor,
 * which never blocks. */
int sgc_os_socket_listen(int directory, const char *name, int backlog, struct sgc_os_socket_file *file,
                         struct sgc_error *error);
/* Is anybody there? 0: somebody listens. -ECONNREFUSED: a socket nobody listens at. -ENOENT: nothing. -ENOTSOCK:
 * something else; also a symbolic link. Another negative errno: it cannot be told. */
int sgc_os_socket_probe(int directory, const char *name);
/* Removes the name if it still stands for that file (NULL: for whatever it does). */
void sgc_os_socket_remove(int directory, const char *name, const struct sgc_os_socket_file *file);

/* The next client: its descriptor, which never blocks; -EAGAIN: none waits. */
int sgc_os_socket_accept(int listener);
/* The user at the other end, as it was when it connected. */
int sgc_os_socket_peer(int fd, uid_t *uid);
/* Reads at most n bytes: how many; 0: the other end has finished; -EAGAIN: none yet. *passed: a descriptor that came
 * with them, else -1 (further ones are closed). */
ssize_t sgc_os_socket_receive(int fd, void *out, size_t n, int *passed);
/* Writes at most n bytes: how many; -EAGAIN: no room; -EPIPE: nobody reads (no signal is raised). */
ssize_t sgc_os_socket_send(int fd, const void *bytes, size_t n);

/* A pipe: ends[0] is for reading and never blocks, ends[1] for writing and does. */
int sgc_os_pipe(int ends[2]);
/* Reads as sgc_os_socket_receive does, from any descriptor that does not block. */
ssize_t sgc_os_read(int fd, void *out, size_t n);
void sgc_os_close(int fd);

/* As poll(2); timeout_ns < 0: none. How many are ready; 0 also after a signal. Faults look like time that passed. */
int sgc_os_poll(struct pollfd *fds, size_t n, int64_t timeout_ns);

/* Appends text to the file at path, which is made (0644) where it is missing, in one write; n = 0: only makes it. */
int sgc_os_append(const char *path, const char *text, size_t n);

#endif
