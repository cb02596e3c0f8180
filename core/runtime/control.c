/* control.c - the life of the control server: from config to a socket and a thread, over forks, to the end of the
 * process. Called by runtime.c (fork), by open.c (a heap opens), by reload.c, by the command go; at exit.
 * Invariant: while this process owns a socket, control.owner is its pid and the thread runs; a forked child owns none
 * until a heap opens in it. Lock: CONTROL, for descriptors, so that a fork finds each of them in its place, and for go.
 * Nobody waits for the thread: at exit it runs on until the process is gone. */
#include "core/runtime/control_server.h"

#include "core/base/check.h"
#include "core/os/clock.h"
#include "core/os/file.h"
#include "core/os/process.h"
#include "core/os/thread.h"
#include "core/runtime/runtime.h"
#include "core/runtime/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 64
#define MAX_STALE 1024                  /* sockets looked at when one is made */
#define STACK_BYTES ((size_t)512 << 10) /* loads plug-ins, runs trace callbacks of programs */

struct sgc_lock sgc_control_lock = SGC_LOCK_INIT(SGC_RANK_CONTROL, "control");
static struct sgc_control control = {.listener = -1, .directory = -1};
static struct sgc_control abandoned; /* the parent's, in a forked child: what its thread was using stays reachable */
static struct {
    bool started; /* in this process; in a turn */
    bool forked;  /* this process is a child of one that had started */
    bool gone;    /* a client said go, or the time is over */
    uint64_t wait_ns, until_ns;
    pthread_cond_t go;
} start = {.go = PTHREAD_COND_INITIALIZER};

/* ---- descriptors */

void sgc_control_set_fd(int *place, int fd)
{
    SGC_GUARD(&sgc_control_lock);
    *place = fd;
}

void sgc_control_close_fd(int *place)
{
    SGC_GUARD(&sgc_control_lock);
    if (*place >= 0)
        sgc_os_close(*place);
    *place = -1;
}

/* ---- the place of the socket */

/* PID-START.sock of a process that is gone. */
static bool place_is_stale(const char *name)
{
    int pid, length = 0;
    uint64_t began, ticks;
    if (sscanf(name, "%d-%" SCNu64 ".sock%n", &pid, &began, &length) < 2 || length == 0 || name[length])
        return false;
    const int code = sgc_os_process_start(pid, &ticks);
    return code == -ENOENT || (code == 0 && ticks != began);
}

static void place_remove_stale(int directory, const char *path)
{
    struct sgc_os_names names;
    if (sgc_os_dir_list(path, ".sock", MAX_STALE, &names, NULL))
        return;
    for (size_t i = 0; i < names.n_names; i++) {
        const char *name = sgc_os_names_get(&names, i);
        if (place_is_stale(name) && sgc_os_socket_probe(directory, name) == -ECONNREFUSED)
            sgc_os_socket_remove(directory, name, NULL);
    }
    sgc_os_names_fini(&names);
}

/* The directory of `auto`: parent and name. */
static void place_auto(char parent[SGC_ORIGIN_BYTES], char name[64])
{
    const char *runtime = sgc_config_environment("XDG_RUNTIME_DIR");
    struct stat st;
    snprintf(name, 64, "slabgc");
    if (runtime && runtime[0] == '/' && stat(runtime, &st) == 0 && S_ISDIR(st.st_mode)) {
        snprintf(parent, SGC_ORIGIN_BYTES, "%s", runtime);
        return;
    }
    snprintf(parent, SGC_ORIGIN_BYTES, "/run/user/%u", geteuid());
    if (stat(parent, &st) == 0 && S_ISDIR(st.st_mode))
        return;
    snprintf(parent, SGC_ORIGIN_BYTES, "/tmp");
    snprintf(name, 64, "slabgc-%u", geteuid());
}

static int place_listen(struct sgc_error *error)
{
    control.listener = sgc_os_socket_listen(control.directory, control.name, BACKLOG, &control.file, error);
    if (control.listener >= 0)
        return 0;
    const int code = control.listener;
    control.listener = -1;
    return code;
}

static int place_open_auto(struct sgc_error *error)
{
    char parent[SGC_ORIGIN_BYTES], name[64], path[SGC_ORIGIN_BYTES + 64];
    uint64_t began;
    int code = sgc_os_process_start(0, &began);
    if (code)
        return sgc_error_set(error, code, "/proc/self/stat cannot be read: %s", strerrordesc_np(-code));
    place_auto(parent, name);
    control.directory = sgc_os_directory_private(parent, name, error);
    if (control.directory < 0)
        return control.directory;
    snprintf(path, sizeof(path), "%s/%s", parent, name);
    snprintf(control.name, sizeof(control.name), "%d-%" PRIu64 ".sock", (int)getpid(), began);
    snprintf(control.path, sizeof(control.path), "%.180s/%s", path, control.name);
    place_remove_stale(control.directory, path);
    return place_listen(error);
}

/* What is at the path: nothing, or a socket that nobody listens at, which is replaced. */
static int place_check_free(const char *path, struct sgc_error *error)
{
    const int code = sgc_os_socket_probe(control.directory, control.name);
    if (code == -ENOENT || code == -ECONNREFUSED)
        return 0;
    if (code == 0)
        return sgc_error_set(error, -EADDRINUSE, "%s: another process listens there", path);
    if (code == -ENOTSOCK)
        return sgc_error_set(error, -EEXIST, "%s: is there already, and is no socket", path);
    return sgc_error_set(error, code, "%s: cannot tell what is there: %s", path, strerrordesc_np(-code));
}

static int place_open_path(const char *path, struct sgc_error *error)
{
    char directory[SGC_CONFIG_LINE_BYTES];
    const char *slash = strrchr(path, '/');
    if (!slash[1] || strlen(slash + 1) >= sizeof(control.name))
        return sgc_error_set(error, -EINVAL, "%s: the name of the socket must have 1 to %zu bytes", path,
                             sizeof(control.name) - 1);
    snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    snprintf(control.name, sizeof(control.name), "%s", slash + 1);
    snprintf(control.path, sizeof(control.path), "%s", path);
    control.directory = sgc_os_directory_open(directory, error);
    if (control.directory < 0)
        return control.directory;
    const int code = place_check_free(path, error);
    return code ? code : place_listen(error);
}

/* ---- start */

static void control_close(void)
{
    if (control.listener >= 0)
        sgc_os_socket_remove(control.directory, control.name, &control.file);
    sgc_control_close_fd(&control.listener);
    sgc_control_close_fd(&control.directory);
    control.owner = 0;
}

static int control_open(const char *place, struct sgc_error *error)
{
    for (unsigned i = 0; i < SGC_CONTROL_CLIENTS; i++)
        sgc_control_client_init(&control.clients[i]);
    sgc_lock_acquire(&sgc_control_lock); /* a fork sees no socket, or all of it */
    int code = strcmp(place, "auto") == 0 ? place_open_auto(error) : place_open_path(place, error);
    if (code == 0)
        control.owner = getpid();
    sgc_lock_release(&sgc_control_lock);
    if (code == 0) {
        code = sgc_os_thread_start_sized(&control.thread, "slabgc-control", sgc_control_main, &control, STACK_BYTES);
        if (code)
            sgc_error_set(error, code, "no thread for the control socket: %s", strerrordesc_np(-code));
    }
    if (code)
        control_close();
    else
        pthread_detach(control.thread);
    return code;
}

static const struct sgc_config_entry *control_entry(const struct sgc_config *config, const char *key)
{
    return sgc_config_find(config, SGC_CONFIG_CONTROL, "", key);
}

static int control_start_report(const struct sgc_config_entry *entry, struct sgc_error *error)
{
    free(sgc_control_report_path); /* of an attempt that failed, or the parent's */
    sgc_control_report_path = NULL;
    if (strcmp(entry->value, "off") == 0)
        return 0;
    const int code = sgc_os_append(entry->value, "", 0);
    if (code)
        return sgc_place_error(&entry->value_place, error, code, "%s: cannot append to it: %s", entry->value,
                               strerrordesc_np(-code));
    sgc_control_report_path = strdup(entry->value);
    return sgc_control_report_path ? 0 : sgc_config_no_memory(error);
}

static int control_start_socket(const struct sgc_config_entry *entry, uint64_t wait_ns, struct sgc_error *error)
{
    struct sgc_error local = {0};
    const int code = control_open(entry->value, &local);
    if (code == 0) {
        start.wait_ns = wait_ns;
        return 0;
    }
    if (entry->value[0] == '/' && !(start.forked && code == -EADDRINUSE)) /* its parent listens there */
        return sgc_place_error(&entry->value_place, error, code, "%s", local.message);
    sgc_warn("no control socket: %s", local.message);
    return 0;
}

int sgc_control_start(const struct sgc_config *config, struct sgc_error *error)
{
    if (sgc_likely(start.started))
        return 0;
    const struct sgc_config_entry *socket = control_entry(config, "socket"), *wait = control_entry(config, "wait"),
                                  *report = control_entry(config, "report");
    struct sgc_value_fault fault;
    uint64_t wait_ns;
    int code = 0;
    SGC_CHECK(sgc_value_parse(SGC_PARAM_DURATION_NS, wait->value, &wait_ns, &fault) ==
              0); /* it was checked when it was read */
    const bool off = strcmp(socket->value, "off") == 0;
    if (off && wait_ns)
        return sgc_place_error(&wait->value_place, error, -EINVAL,
                               "wait needs a socket for a client to say go; socket is off");
    code = control_start_report(report, error);
    if (code == 0 && !off)
        code = control_start_socket(socket, wait_ns, error);
    start.started = code == 0;
    return code;
}

/* ---- reload */

/* Durations by what they mean, places by their text. */
static bool control_is_same(const char *key, const char *old, const char *new)
{
    struct sgc_value_fault fault;
    uint64_t was_ns, is_ns;
    if (strcmp(key, "wait") != 0)
        return strcmp(old, new) == 0;
    SGC_CHECK(sgc_value_parse(SGC_PARAM_DURATION_NS, old, &was_ns, &fault) == 0);
    SGC_CHECK(sgc_value_parse(SGC_PARAM_DURATION_NS, new, &is_ns, &fault) == 0);
    return was_ns == is_ns;
}

static int control_check_key(const struct sgc_config *old_config, const struct sgc_config *new_config, const char *key,
                             struct sgc_error *error)
{
    const struct sgc_config_entry *old = control_entry(old_config, key), *new = control_entry(new_config, key);
    char origin[SGC_ORIGIN_BYTES];
    if (control_is_same(key, old->value, new->value))
        return 0;
    if (new->value_place.source->kind != SGC_SOURCE_BUILT_IN)
        return sgc_place_error(&new->value_place, error, -EBUSY,
                               "control.%s is fixed when the process starts (it is \"%s\"): restart it to change that",
                               key, old->value);
    sgc_place_origin(&old->value_place, origin);
    return sgc_error_set(error, -EBUSY,
                         "control.%s would go back from \"%s\" (%s) to its default, %s, but is fixed when the process "
                         "starts: restart it",
                         key, old->value, origin, new->value);
}

int sgc_control_check_reload(const struct sgc_config *old, const struct sgc_config *new, struct sgc_error *error)
{
    static const char *const keys[] = {"socket", "wait", "report"};
    int code = 0;
    for (unsigned i = 0; start.started && i < SGC_ARRAY_LEN(keys) && code == 0; i++)
        code = control_check_key(old, new, keys[i], error);
    return code;
}

/* ---- wait and go */

void sgc_control_wait(void)
{
    if (!start.wait_ns)
        return;
    SGC_GUARD(&sgc_control_lock);
    if (!start.until_ns)
        start.until_ns = sgc_os_now_ns() + start.wait_ns;
    const struct timespec until = {(time_t)(start.until_ns / 1000000000), (long)(start.until_ns % 1000000000)};
    while (!start.gone)
        if (pthread_cond_clockwait(&start.go, &sgc_control_lock.mutex, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
            start.gone = true;
}

void sgc_control_go(void)
{
    SGC_GUARD(&sgc_control_lock);
    start.gone = true;
    pthread_cond_broadcast(&start.go);
}

/* ---- fork */

void sgc_control_before_fork(void)
{
    sgc_lock_before_fork(&sgc_control_lock);
}

/* The thread does not exist here; the parent goes on serving its clients. Where a snapshot is a fork, the thread makes
 * it, and the copy has to write somewhere. */
static void control_forget_parent(void)
{
    const bool snapshot =
        control.owner && (pthread_equal(pthread_self(), control.thread) || sgc_control_work_is_mine());
    int *const fds[] = {&control.listener, &control.directory};
    for (unsigned i = 0; i < SGC_ARRAY_LEN(fds); i++)
        if (*fds[i] >= 0)
            sgc_os_close(*fds[i]);
    for (unsigned i = 0; i < SGC_CONTROL_CLIENTS && control.owner; i++) {
        struct sgc_control_client *client = &control.clients[i];
        int *const of_client[] = {&client->fd, &client->passed, &client->child_fd, &client->request.fd,
                                  &client->child_out};
        for (unsigned k = 0; k < SGC_ARRAY_LEN(of_client) - snapshot; k++)
            if (*of_client[k] >= 0)
                sgc_os_close(*of_client[k]);
    }
    abandoned = control;
    memset(&control, 0, sizeof(control));
    sgc_control_work_forget();
    control.listener = control.directory = -1;
    start.started = false;
    start.forked = true;
    start.gone = true; /* whoever wanted to look before the first heap has looked */
    pthread_cond_init(&start.go, NULL);
}

void sgc_control_after_fork(int in_child)
{
    if (in_child)
        control_forget_parent();
    sgc_lock_after_fork(&sgc_control_lock, in_child);
}

/* ---- exit */

/* Behind all handlers of exit(): heaps that the program leaves open are open still. */
__attribute__((destructor)) static void control_at_exit(void)
{
    if (control.owner && control.owner == getpid())
        sgc_os_socket_remove(control.directory, control.name, &control.file);
    if (sgc_control_report_path)
        sgc_control_report_open_heaps();
}
