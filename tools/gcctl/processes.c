/* processes.c - which processes have a control socket, and the one that is meant.
 * Called by client users: gcctl_connect, gcctl_for_each_process.
 * Invariant: a socket's file is removed only when nobody listens there and its process, by pid and start time, is gone.
 * Locks: none, one thread. */
#include "tools/gcctl/connection.h"
#include "tools/gcctl/print.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- sockets by their files' names, PID-START.sock */

static bool process_name(const char *name, pid_t *pid, uint64_t *start)
{
    char *end;
    if (!isdigit((unsigned char)name[0]))
        return false;
    errno = 0;
    const unsigned long number = strtoul(name, &end, 10);
    if (errno || number > INT_MAX || *end != '-' || !isdigit((unsigned char)end[1]))
        return false;
    *start = strtoull(end + 1, &end, 10);
    *pid = (pid_t)number;
    return errno == 0 && strcmp(end, ".sock") == 0;
}

/* Field 22 of /proc/PID/stat, 0: no such process. */
static uint64_t process_start(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    char *at = strrchr(text, ')'); /* the name may have anything in it */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

struct directory_visit {
    int (*visit)(void *arg, const char *path, pid_t pid, uint64_t start);
    void *arg;
    struct {
        dev_t device;
        ino_t inode;
    } seen[64];
    size_t n_seen;
};

static int directory_visit(struct directory_visit *visit, const char *directory)
{
    struct stat found;
    int result = 0;
    if (lstat(directory, &found) || !S_ISDIR(found.st_mode) || (found.st_uid != geteuid() && geteuid() != 0))
        return 0;
    for (size_t i = 0; i < visit->n_seen; i++)
        if (visit->seen[i].device == found.st_dev && visit->seen[i].inode == found.st_ino)
            return 0;
    if (visit->n_seen < sizeof(visit->seen) / sizeof(visit->seen[0])) {
        visit->seen[visit->n_seen].device = found.st_dev;
        visit->seen[visit->n_seen++].inode = found.st_ino;
    }
    DIR *stream = opendir(directory);
    for (struct dirent *entry; stream && result == 0 && (entry = readdir(stream));) {
        char path[PATH_MAX];
        pid_t pid;
        uint64_t start;
        if (process_name(entry->d_name, &pid, &start) &&
            snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) < (int)sizeof(path))
            result = visit->visit(visit->arg, path, pid, start);
    }
    if (stream)
        closedir(stream);
    return result;
}

/* Calls visit for each file of a socket in every directory where one of the user's processes may have put it; root
 * looks at everybody's. Non-zero ends it and is returned. */
static int sockets_for_each(int (*visit)(void *arg, const char *path, pid_t pid, uint64_t start), void *arg)
{
    static const char *const everybody[] = {"/run/user/*/slabgc", "/tmp/slabgc-*"};
    struct directory_visit directories = {.visit = visit, .arg = arg};
    char path[PATH_MAX];
    int result = 0;
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime && runtime[0] == '/' && snprintf(path, sizeof(path), "%s/slabgc", runtime) < (int)sizeof(path))
        result = directory_visit(&directories, path);
    snprintf(path, sizeof(path), "/run/user/%u/slabgc", (unsigned)geteuid());
    result = result ? result : directory_visit(&directories, path);
    snprintf(path, sizeof(path), "/tmp/slabgc-%u", (unsigned)geteuid());
    result = result ? result : directory_visit(&directories, path);
    for (size_t i = 0; geteuid() == 0 && i < 2; i++) {
        glob_t found;
        if (glob(everybody[i], 0, NULL, &found) == 0) {
            for (size_t j = 0; j < found.gl_pathc && result == 0; j++)
                result = directory_visit(&directories, found.gl_pathv[j]);
            globfree(&found);
        }
    }
    return result;
}

/* Opens a socket of a directory; a stale one is removed. */
static int socket_open(const char *path, pid_t pid, uint64_t start, int64_t timeout_ns, struct gcctl_client **client,
                       json_t **hello)
{
    int code = gcctl_connection_open(path, timeout_ns, client, hello);
    if (code == -ECONNREFUSED && process_start(pid) != start)
        unlink(path);
    return code;
}

struct process_visit {
    int (*visit)(void *arg, const char *path, json_t *hello);
    void *arg;
    size_t *n_silent;
};

static int process_visit_one(void *arg, const char *path, pid_t pid, uint64_t start)
{
    const struct process_visit *visit = arg;
    struct gcctl_client *client;
    json_t *hello = NULL;
    int code = socket_open(path, pid, start, GCCTL_HELLO_TIMEOUT_NS, &client, &hello);
    if (code) {
        if (code != -ECONNREFUSED && code != -ENOENT && code != -ECONNRESET) {
            gcctl_note("process %ld: %s", (long)pid, gcctl_connection_error(code));
            ++*visit->n_silent;
        }
        return 0;
    }
    gcctl_disconnect(client);
    code = visit->visit(visit->arg, path, hello);
    json_decref(hello);
    return code;
}

int gcctl_for_each_process(int (*visit)(void *arg, const char *path, json_t *hello), void *arg, size_t *n_silent)
{
    struct process_visit process = {visit, arg, n_silent};
    *n_silent = 0;
    return sockets_for_each(process_visit_one, &process);
}

/* ---- the process that is meant */

struct wanted {
    const char *name; /* NULL: any */
    pid_t pid;        /* 0: any */
    char path[PATH_MAX];
    size_t n, n_all;
    char list[1024]; /* all, or those of the name */
    const char *names[65];
};

static int wanted_visit(void *arg, const char *path, json_t *hello)
{
    struct wanted *wanted = arg;
    const char *program = json_string_value(json_object_get(hello, "program"));
    if (wanted->n_all < 64)
        wanted->names[wanted->n_all++] = strdup(program);
    if (wanted->name && strcmp(wanted->name, program) != 0)
        return 0;
    const size_t length = strlen(wanted->list);
    snprintf(wanted->list + length, sizeof(wanted->list) - length, "%s%lld (%s)", wanted->n++ ? ", " : "",
             (long long)json_integer_value(json_object_get(hello, "pid")), program);
    snprintf(wanted->path, sizeof(wanted->path), "%s", path);
    return 0;
}

static int wanted_pid(void *arg, const char *path, pid_t pid, uint64_t start)
{
    struct wanted *wanted = arg;
    if (pid != wanted->pid || process_start(pid) != start)
        return 0;
    snprintf(wanted->path, sizeof(wanted->path), "%s", path);
    return 1;
}

/* Where the process's own environment says that its socket lies, if we may read it. */
static bool wanted_environment(struct wanted *wanted)
{
    char path[64], *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)wanted->pid);
    FILE *in = fopen(path, "re");
    bool found = false;
    while (in && !found && getdelim(&text, &size, '\0', in) > 0) {
        const char *given = strstr(text, "control.socket=/");
        if (strncmp(text, "XDG_RUNTIME_DIR=/", 17) == 0)
            snprintf(wanted->path, sizeof(wanted->path), "%s/slabgc/%d-%" PRIu64 ".sock", text + 16, (int)wanted->pid,
                     process_start(wanted->pid));
        else if (strncmp(text, "SLABGC=", 7) == 0 && given)
            snprintf(wanted->path, sizeof(wanted->path), "%.*s", (int)strcspn(given + 15, ","), given + 15);
        else
            continue;
        found = access(wanted->path, F_OK) == 0;
    }
    if (in)
        fclose(in);
    free(text);
    return found;
}

static int wanted_find_pid(struct wanted *wanted)
{
    char path[64], name[64] = "?";
    if (sockets_for_each(wanted_pid, wanted) || wanted_environment(wanted))
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)wanted->pid);
    FILE *in = fopen(path, "re");
    if (!in)
        return gcctl_error(EX_UNAVAILABLE, "there is no process %d", (int)wanted->pid);
    if (fgets(name, sizeof(name), in))
        name[strcspn(name, "\n")] = '\0';
    fclose(in);
    return gcctl_error(
        EX_UNAVAILABLE,
        "process %d (%s) has no control socket that you may use: its config must say [control] socket = auto",
        (int)wanted->pid, name);
}

static int wanted_find_name(struct wanted *wanted)
{
    size_t n_silent;
    gcctl_for_each_process(wanted_visit, wanted, &n_silent);
    int status = 0;
    if (wanted->n == 0 && wanted->n_all == 0 && n_silent)
        status = gcctl_error(EX_UNAVAILABLE, "no process answers");
    else if (wanted->n == 0 && wanted->n_all == 0)
        status = gcctl_error(EX_UNAVAILABLE, "no process with a control socket runs; start one with "
                                             "SLABGC=control.socket=auto in its environment");
    else if (wanted->n == 0)
        status = gcctl_error(EX_UNAVAILABLE, "no process of a program \"%s\" has a control socket%s", wanted->name,
                             gcctl_suggest(wanted->name, wanted->names));
    else if (wanted->n > 1)
        status = gcctl_error(EX_USAGE, "which process is meant? --pid takes one of %s", wanted->list);
    for (size_t i = 0; i < wanted->n_all; i++)
        free((char *)wanted->names[i]);
    return status;
}

static int wanted_find(struct wanted *wanted, const char *process)
{
    if (process && strchr(process, '/')) {
        snprintf(wanted->path, sizeof(wanted->path), "%s", process);
        return 0;
    }
    if (process && *process && strspn(process, "0123456789") == strlen(process)) {
        errno = 0;
        const unsigned long pid = strtoul(process, NULL, 10);
        if (errno || pid == 0 || pid > INT_MAX)
            return gcctl_error(EX_USAGE, "\"%s\" is no pid", process);
        wanted->pid = (pid_t)pid;
        return wanted_find_pid(wanted);
    }
    wanted->name = process;
    return wanted_find_name(wanted);
}

struct gcctl_client *gcctl_connect(const struct gcctl_call *call, const char *process, int *status)
{
    struct wanted wanted = {0};
    struct gcctl_client *client;
    int64_t timeout_ns = GCCTL_TIMEOUT_NS;
    if (call->command->flags & GCCTL_LIVE) {
        timeout_ns = gcctl_number(call, "timeout", timeout_ns);
        process = process ? process : gcctl_text(call, "pid");
    }
    *status = wanted_find(&wanted, process);
    if (*status)
        return NULL;
    const int64_t hello_ns = timeout_ns < GCCTL_HELLO_TIMEOUT_NS ? timeout_ns : GCCTL_HELLO_TIMEOUT_NS;
    int code = gcctl_connection_open(wanted.path, hello_ns, &client, NULL);
    if (code) {
        *status = gcctl_error(code == -EPERM || code == -EACCES ? EX_NOPERM
                              : code == -EUSERS                 ? EX_TEMPFAIL
                                                                : EX_UNAVAILABLE,
                              "%s: %s", wanted.path, gcctl_connection_error(code));
        return NULL;
    }
    gcctl_connection_timeout(client, timeout_ns);
    return client;
}

void gcctl_note_no_file(const char *word)
{
    if (word && !strchr(word, '/') && strspn(word, "0123456789") < strlen(word) && access(word, F_OK))
        gcctl_note("nor is there a file %s", word);
}
