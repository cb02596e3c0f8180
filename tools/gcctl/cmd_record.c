/* cmd_record.c - gcctl record: what a process does with slabgc, event by event, into a file (<slabgc/recording.h>).
 * A program that is started here gets a control socket in a directory of its own and waits at its first heap until the
 * recording has begun. One end of a socket pair goes to the process by the command `record`; record_sink.c empties the
 * other. The file is FILE.part until it is whole. One thread here; signals only set a flag. */
#include "tools/gcctl/client.h"
#include "tools/gcctl/command.h"
#include "tools/gcctl/connection.h"
#include "tools/gcctl/print.h"
#include "tools/gcctl/record_sink.h"
#include "tools/gcctl/run_setting.h"
#include "tools/gcctl/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define START_NS INT64_C(10000000000)     /* a program has so long to open its first heap's control socket */
#define START_STEP_NS INT64_C(1000000000) /* in which signals are looked for */
#define END_GRACE_S 2                     /* between SIGTERM and SIGKILL for a program that is not recorded */
#define COMPRESSION_LEVEL 2               /* measured: tools/replay/README.md */

struct record {
    const struct gcctl_call *call;
    char path[PATH_MAX], part[PATH_MAX + 8];
    char directory[PATH_MAX], socket_path[PATH_MAX + 8]; /* of a program that is started here */
    int file, pair[2];                                   /* pair[0]: ours */
    pid_t child;
    struct gcctl_client *client;
    struct gcctl_sink *sink;
    int64_t until_ns; /* 0: as long as the process runs */
};

static volatile sig_atomic_t interrupted;
static void record_interrupt(int signal)
{
    interrupted = signal;
}

/* ---- the file */

static int record_create(struct record *record)
{
    const char *path = gcctl_text(record->call, "output");
    struct stat there;
    if (!path)
        return gcctl_error(EX_USAGE, "record: where to? -o FILE is wanted");
    if (snprintf(record->path, sizeof(record->path), "%s", path) >= (int)sizeof(record->path))
        return gcctl_error(EX_CANTCREAT, "%s: %s", path, strerror(ENAMETOOLONG));
    snprintf(record->part, sizeof(record->part), "%s.part", record->path);
    if (!stat(record->path, &there) && !gcctl_flag(record->call, "force"))
        return gcctl_error(EX_CANTCREAT, "%s is there already; --force replaces it", record->path);
    record->file = open(record->part, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
    if (record->file < 0)
        return gcctl_error(EX_CANTCREAT, "%s: %s", record->part, strerror(errno));
    return 0;
}

/* ---- the program */

/* Says on the pipe, which a program that runs closes, why there is none. */
static void record_execute(struct record *record, char *slabgc, int why)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!setenv("SLABGC", slabgc, 1))
        execvp(record->call->program[0], record->call->program);
    const int code = errno;
    while (write(why, &code, sizeof(code)) < 0 && errno == EINTR)
        ;
    _exit(127);
}

/* 0, or what to end with: the program could not be started. */
static int record_launch(struct record *record, char *slabgc)
{
    int ends[2], code = 0;
    ssize_t n;
    if (pipe2(ends, O_CLOEXEC))
        return gcctl_error(EX_OSERR, "cannot start %s: %s", record->call->program[0], strerror(errno));
    record->child = fork();
    if (record->child == 0)
        record_execute(record, slabgc, ends[1]);
    const int refused = record->child < 0 ? errno : 0;
    close(ends[1]);
    do {
        n = read(ends[0], &code, sizeof(code)); /* ends when exec closes it */
    } while (n < 0 && errno == EINTR);
    close(ends[0]);
    if (refused)
        return gcctl_error(EX_OSERR, "cannot start %s: %s", record->call->program[0], strerror(refused));
    if (n != (ssize_t)sizeof(code))
        return 0;
    waitpid(record->child, NULL, 0);
    record->child = 0;
    return gcctl_error(EX_NOINPUT, "%s: %s", record->call->program[0], strerror(code));
}

static int record_start_program(struct record *record)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char setting[PATH_MAX + 64], *slabgc;
    snprintf(record->directory, sizeof(record->directory), "%s/slabgc-record-XXXXXX",
             runtime && *runtime ? runtime : "/tmp");
    if (!mkdtemp(record->directory)) {
        snprintf(record->directory, sizeof(record->directory), "/tmp/slabgc-record-XXXXXX");
        if (!mkdtemp(record->directory)) {
            record->directory[0] = '\0';
            return gcctl_error(EX_CANTCREAT, "/tmp: %s", strerror(errno));
        }
    }
    snprintf(record->socket_path, sizeof(record->socket_path), "%s/control", record->directory);
    snprintf(setting, sizeof(setting), "control.socket=%s", record->socket_path);
    slabgc = gcctl_run_compose(getenv("SLABGC"), (const char *[]){setting, "control.wait=10s", NULL}, "off");
    if (!slabgc)
        return gcctl_error(EX_OSERR, "no memory");
    const int status = record_launch(record, slabgc);
    free(slabgc);
    if (status)
        return status;
    const int64_t deadline_ns = gcctl_now_ns() + START_NS;
    do
        record->client = gcctl_connect_path(record->socket_path, record->child, gcctl_now_ns() + START_STEP_NS);
    while (!record->client && errno == ETIMEDOUT && !interrupted && gcctl_now_ns() < deadline_ns);
    if (record->client)
        return 0;
    if (interrupted)
        return 128 + interrupted;
    return gcctl_error(EX_UNAVAILABLE, "%s opened no heap of slabgc that answers (%s)", record->call->program[0],
                       strerror(errno));
}

static int record_connect(struct record *record)
{
    int status = 0;
    if (record->call->program)
        return record_start_program(record);
    record->client = gcctl_connect(record->call, gcctl_text(record->call, "process"), &status);
    return record->client ? 0 : status;
}

/* ---- the recording */

static int record_begin(struct record *record)
{
    int status = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, record->pair))
        return gcctl_error(EX_OSERR, "no socket: %s", strerror(errno));
    record->sink = gcctl_sink_start(record->pair[0], record->file, COMPRESSION_LEVEL);
    if (!record->sink)
        return gcctl_error(EX_CANTCREAT, "%s: %s", record->part, strerror(errno));
    json_t *parameters = json_object();
    if (gcctl_text(record->call, "heap"))
        json_object_set_new(parameters, "heap", json_string(gcctl_text(record->call, "heap")));
    if (gcctl_number(record->call, "sample", 0) > 1)
        json_object_set_new(parameters, "sample", json_integer(gcctl_number(record->call, "sample", 0)));
    if (gcctl_number(record->call, "budget", 0))
        json_object_set_new(parameters, "budget_bytes", json_integer(gcctl_number(record->call, "budget", 0)));
    json_t *result = gcctl_request_fd(record->client, "record", parameters, record->pair[1], &status);
    json_decref(parameters);
    close(record->pair[1]); /* the process has it; its end is the end of the messages */
    record->pair[1] = -1;
    if (!result)
        return status;
    json_decref(result);
    if (!record->child)
        return 0;
    result = gcctl_request(record->client, "go", NULL, NULL, NULL, &status);
    json_decref(result);
    return result ? 0 : status;
}

/* Until no more messages come: the process ended, the time is over, or a signal came. */
static void record_await(struct record *record)
{
    bool stopped = false;
    struct pollfd over = {.fd = gcctl_sink_fd(record->sink), .events = POLLIN};
    while (!(over.revents & POLLIN)) {
        const int64_t left = record->until_ns ? record->until_ns - gcctl_now_ns() : INT64_MAX;
        if (!stopped && (interrupted || left <= 0)) {
            int status;
            json_t *result = gcctl_request(record->client, "record_stop", NULL, NULL, NULL, &status);
            json_decref(result);
            stopped = true;
            if (!result) /* the process is gone, or hangs: what came is what there is */
                shutdown(record->pair[0], SHUT_RDWR);
            continue;
        }
        const int wait_ms =
            stopped || left > 200000000 ? 200 : (int)(left / 1000000) + 1; /* a signal may come just before poll */
        over.revents = 0;
        poll(&over, 1, wait_ms);
    }
}

static int record_finish_file(struct record *record, const struct gcctl_sink_totals *totals)
{
    int code = totals->code;
    if (!code && close(record->file))
        code = -errno;
    record->file = code ? record->file : -1;
    if (!code && rename(record->part, record->path))
        code = -errno;
    return code ? gcctl_error(EX_IOERR, "%s: %s", record->part, strerror(-code)) : 0;
}

static int record_report(const struct record *record, const struct gcctl_sink_totals *totals)
{
    char units[5][GCCTL_UNIT_BYTES];
    const double n = totals->n_events ? (double)totals->n_events : 1;
    const double slowed = totals->seconds > 0 ? (double)totals->waited_ns / totals->seconds / 1e9 : 0;
    if (record->call->json)
        return gcctl_print_json(
            json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:b, s:s}", "file", record->path, "events",
                      (json_int_t)totals->n_events, "bytes", (json_int_t)totals->event_bytes, "file_bytes",
                      (json_int_t)totals->file_bytes, "bytes_per_event", (double)totals->event_bytes / n,
                      "file_bytes_per_event", (double)totals->file_bytes / n, "seconds", totals->seconds, "waited_ns",
                      (json_int_t)totals->waited_ns, "cut_off", !totals->ended, "reason", totals->reason));
    gcctl_note("%s: %s events, %s (%.1f bytes an event, %.1f before compression)", record->path,
               gcctl_count(units[0], (double)totals->n_events), gcctl_bytes(units[1], (double)totals->file_bytes),
               (double)totals->file_bytes / n, (double)totals->event_bytes / n);
    if (totals->ended && totals->seconds > 0)
        gcctl_note("%s events a second; the program waited %s for the recording (slowed by %.1f%%)",
                   gcctl_count(units[2], (double)totals->n_events / totals->seconds),
                   gcctl_duration(units[3], (double)totals->waited_ns), slowed * 100);
    if (!totals->ended)
        gcctl_note("cut off: the process ended before the recording did; what came until then can be replayed");
    return 0;
}

/* The program's end, when it was started here: 0, or the status to end with. */
static int record_reap(struct record *record, bool failed)
{
    int status, n_signals = 0;
    if (record->child <= 0)
        return 0;
    if (failed) {
        kill(record->child, SIGTERM);
        alarm(END_GRACE_S);
    }
    while (waitpid(record->child, &status, 0) < 0 && errno == EINTR)
        if (interrupted)
            kill(record->child, failed || n_signals++ ? SIGKILL : SIGTERM);
    alarm(0);
    if (!failed && WIFSIGNALED(status))
        gcctl_note("%s was ended by signal %d", record->call->program[0], WTERMSIG(status));
    else if (!failed && WEXITSTATUS(status))
        gcctl_note("%s ended with status %d", record->call->program[0], WEXITSTATUS(status));
    return 0;
}

static void record_fini(struct record *record)
{
    gcctl_disconnect(record->client);
    for (unsigned i = 0; i < 2; i++)
        if (record->pair[i] >= 0)
            close(record->pair[i]);
    if (record->file >= 0) {
        close(record->file);
        unlink(record->part);
    }
    if (record->directory[0])
        gcctl_temporary_remove(record->directory);
}

static int record_command(struct gcctl_call *call)
{
    static struct record record;
    struct gcctl_sink_totals totals = {0};
    record = (struct record){.call = call, .file = -1, .pair = {-1, -1}};
    if (call->program && gcctl_text(call, "process"))
        return gcctl_error(EX_USAGE, "record: a process and a program are one too many");
    gcctl_temporary_guard(record_interrupt);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = record_interrupt}, NULL); /* record_reap's */
    signal(SIGPIPE, SIG_IGN);
    int status = record_create(&record);
    if (!status)
        status = record_connect(&record);
    if (!status)
        status = record_begin(&record);
    if (!status && gcctl_number(call, "for", 0))
        record.until_ns = gcctl_now_ns() + gcctl_number(call, "for", 0);
    if (!status)
        record_await(&record);
    const bool begun = !status;
    if (record.sink) {
        if (!begun)
            shutdown(record.pair[0], SHUT_RDWR);
        gcctl_sink_finish(record.sink, &totals);
    }
    if (begun)
        status = record_finish_file(&record, &totals);
    record_reap(&record, !begun);
    if (begun && !status)
        status = record_report(&record, &totals);
    record_fini(&record);
    return status;
}

static const struct gcctl_option arguments[] = {
    {.name = "process", .kind = GCCTL_PROCESS, .value = "PROCESS", .help = "Pid or program, where there are several"},
    {0},
};

static const struct gcctl_option options[] = {
    {.name = "output", .letter = 'o', .kind = GCCTL_FILE, .value = "FILE", .help = "Where the recording goes"},
    {.name = "heap", .kind = GCCTL_HEAP, .value = "HEAP", .help = "Only this heap's events"},
    {.name = "sample",
     .kind = GCCTL_INTEGER,
     .value = "N",
     .minimum = 1,
     .maximum = 1000000000,
     .help = "Only the lives of about one object in N: cheaper, and cannot be replayed"},
    {.name = "budget",
     .kind = GCCTL_BYTES,
     .value = "BYTES",
     .help = "Memory that the process may use for events not yet taken"},
    {.name = "for", .kind = GCCTL_DURATION, .value = "DURATION", .help = "End the recording after this time"},
    {.name = "force", .kind = GCCTL_FLAG, .help = "Replace FILE when it is there"},
    {0},
};

const struct gcctl_command gcctl_command_record = {
    .name = "record",
    .group = "Tuning",
    .summary = "Record what a program does with slabgc, to replay it under other strategies",
    .description = "Writes the stream of allocations, stores, holds, sections, threads and deaths of a process or of a "
                   "program that is "
                   "started here, in the order in which they happened. `gcctl replay` does the same work again under "
                   "any strategy; "
                   "`gcctl tune` and `gcctl report` read recordings too.\n\n"
                   "A recording that can be replayed never leaves an event out: when its buffers are full, the program "
                   "waits, and how long is "
                   "said at the end. With --sample the program never waits.\n\n"
                   "Ctrl-C ends the recording, as SIGTERM and SIGHUP do; a process that was attached to runs on. The "
                   "file is FILE.part until it "
                   "is whole; one that was cut "
                   "off (the process was killed, say) is read up to there.",
    .examples = "gcctl record -o words.trace -- wordgraph --max-words=1000 --repeat=10\n"
                "gcctl record wordgraph --for 10s -o words.trace",
    .arguments = arguments,
    .options = options,
    .flags = GCCTL_READS | GCCTL_LIVE | GCCTL_PROGRAM,
    .run = record_command,
};
