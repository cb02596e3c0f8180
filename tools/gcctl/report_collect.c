/* report_collect.c - what a report takes from a process that runs, and from a program that it runs itself: once to
 * measure it, once more to record it. See report.h. Invariant: whatever happens, the program that was started is ended
 * and waited for, and the temporary folder is gone. */
#include "tools/gcctl/command.h"
#include "tools/gcctl/print.h"
#include "tools/gcctl/report.h"
#include "tools/gcctl/run_report.h"
#include "tools/gcctl/run_setting.h"
#include "tools/gcctl/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_NS INT64_C(10000000000)
#define PROGRAM_INTERVAL_NS INT64_C(5000000)
#define RECORD_LATE_NS INT64_C(30000000000) /* after its time, a recording has so long to have begun and ended */

extern char **environ;

void gcctl_report_init(struct gcctl_report *report)
{
    *report = (struct gcctl_report){0};
    gcctl_samples_init(&report->samples);
}

void gcctl_report_fini(struct gcctl_report *report)
{
    json_decref(report->hello);
    json_decref(report->heaps);
    json_decref(report->values);
    json_decref(report->tune);
    gcctl_samples_fini(&report->samples);
    gcctl_map_fini(&report->map);
    free(report->lifetimes);
    free(report->point_seconds);
    free(report->point_bytes);
}

static int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

/* ---- a process */

static int read_map(struct gcctl_report *report, struct gcctl_client *client)
{
    struct gcctl_map map = {0};
    const int status = gcctl_map_read(client, NULL, NULL, &map);
    if (status) {
        gcctl_map_fini(&map);
        return status;
    }
    gcctl_map_fini(&report->map);
    report->map = map;
    report->has_map = true;
    return 0;
}

int gcctl_report_process(struct gcctl_report *report, struct gcctl_client *client,
                         const struct gcctl_report_options *options)
{
    int status = 0;
    report->hello = gcctl_request(client, "hello", NULL, NULL, NULL, &status);
    report->values = report->hello ? gcctl_request(client, "get", NULL, NULL, NULL, &status) : NULL;
    if (!report->values)
        return status;
    read_map(report, client); /* a page without it says so */
    int64_t interval_ns = options->for_ns / 200;
    interval_ns = interval_ns < PROGRAM_INTERVAL_NS ? PROGRAM_INTERVAL_NS : interval_ns;
    status = gcctl_samples_watch(&report->samples, client, options->for_ns, interval_ns, options->stop, NULL, NULL);
    if (!status && !report->samples.ended)
        read_map(report, client);
    return report->samples.ended ? 0 : status;
}

/* ---- a program */

struct program_watch {
    struct gcctl_report *report;
    struct gcctl_client *client;
    int64_t map_due_ns, map_step_ns;
};

/* A snapshot now and then: the program may end at any moment, and the last one counts. */
static int program_tick(void *arg)
{
    struct program_watch *watch = arg;
    if (now_ns() < watch->map_due_ns || gcctl_peer_ended(watch->client))
        return 0;
    watch->map_step_ns *= 2;
    watch->map_due_ns = now_ns() + watch->map_step_ns;
    read_map(watch->report, watch->client);
    return 0;
}

static pid_t program_start(char *const *program, const char *setting)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    setenv("SLABGC", setting, 1);
    const int code = posix_spawnp(&pid, program[0], &actions, NULL, program, environ);
    posix_spawn_file_actions_destroy(&actions);
    errno = code;
    return code ? -1 : pid;
}

static bool program_ended(pid_t pid)
{
    siginfo_t info = {0};
    return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == pid;
}

static struct gcctl_client *program_connect(const char *socket, pid_t pid, const volatile int *stop)
{
    const int64_t deadline_ns = now_ns() + CONNECT_NS;
    struct gcctl_client *client = NULL;
    while (!client && now_ns() < deadline_ns && !program_ended(pid) && !*stop)
        client = gcctl_connect_path(socket, pid, now_ns() + 100000000);
    return client;
}

/* Ends the program if it still runs. Its wait status. */
static int program_end(pid_t pid)
{
    int status = 0;
    if (!program_ended(pid))
        kill(pid, SIGTERM);
    for (int i = 0; i < 200 && !program_ended(pid); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    if (!program_ended(pid))
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int program_watch(struct gcctl_report *report, struct gcctl_client *client, pid_t pid,
                         const struct gcctl_report_options *options)
{
    struct program_watch watch = {report, client, now_ns() + 50000000, 100000000};
    int status = 0;
    report->hello = gcctl_request(client, "hello", NULL, NULL, NULL, &status);
    report->values = report->hello ? gcctl_request(client, "get", NULL, NULL, NULL, &status) : NULL;
    json_t *go = report->values ? gcctl_request(client, "go", NULL, NULL, NULL, &status) : NULL;
    if (!go)
        return status;
    json_decref(go);
    status = gcctl_samples_watch(&report->samples, client, options->for_ns, PROGRAM_INTERVAL_NS, options->stop,
                                 program_tick, &watch);
    if (!report->samples.ended && !*options->stop && !status)
        gcctl_note("%d still ran after the time of --for and was ended", (int)pid);
    /* Its control thread goes first, its final figures come last. */
    for (int i = 0; i < 3000 && report->samples.ended && !program_ended(pid) && !*options->stop; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return status;
}

static int program_measure(struct gcctl_report *report, char *const *program, const char *folder,
                           const struct gcctl_report_options *options)
{
    char socket[300], setting[340], figures[300];
    snprintf(socket, sizeof(socket), "%.250s/control.sock", folder);
    snprintf(figures, sizeof(figures), "%.250s/figures", folder);
    snprintf(setting, sizeof(setting), "control.socket=%s", socket);
    char *inherited = getenv("SLABGC") ? strdup(getenv("SLABGC")) : NULL;
    char *text = gcctl_run_compose(inherited, (const char *[]){setting, "control.wait=10s", NULL}, figures);
    const pid_t pid = text ? program_start(program, text) : -1;
    if (inherited)
        setenv("SLABGC", inherited, 1);
    else
        unsetenv("SLABGC");
    free(inherited);
    free(text);
    if (pid < 0)
        return gcctl_error(EX_NOINPUT, "%s: %s", program[0], strerror(errno));
    struct gcctl_client *client = program_connect(socket, pid, options->stop);
    int status = client ? program_watch(report, client, pid, options) : EX_UNAVAILABLE;
    const int ended = program_end(pid);
    if (!client && !*options->stop)
        gcctl_error(0, "%s %s: does it open a heap of slabgc?", program[0],
                    WIFEXITED(ended) ? "ended without a control socket" : "opened no control socket");
    gcctl_disconnect(client);
    if (client && WIFEXITED(ended) && WEXITSTATUS(ended))
        gcctl_note("%s ended with status %d", program[0], WEXITSTATUS(ended));
    struct gcctl_run run = {0};
    if (!status && !gcctl_run_read_report(figures, &run))
        report->heaps = json_incref(run.heaps);
    gcctl_run_fini(&run);
    return status;
}

static bool record_is_over(const char *path, int64_t deadline_ns)
{
    const int64_t late_ns = now_ns() - deadline_ns;
    return late_ns > RECORD_LATE_NS || (late_ns > 0 && access(path, F_OK) == 0);
}

/* gcctl record -o FILE --for=TIME -- PROGRAM. Its time runs from when the recording has begun. At its end FILE is there
 * and the program runs on: then a signal ends it. */
static void program_record(struct gcctl_report *report, char *const *program, const char *folder,
                           const struct gcctl_report_options *options)
{
    const int64_t deadline_ns = now_ns() + options->for_ns;
    char path[300], time[48];
    size_t n = 0;
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = -1;
    while (program[n])
        n++;
    char **argv = calloc(n + 9, sizeof(*argv));
    if (!argv)
        return;
    snprintf(path, sizeof(path), "%.250s/recording", folder);
    snprintf(time, sizeof(time), "--for=%lldns", (long long)options->for_ns);
    const char *const head[] = {"gcctl", "record", "-o", path, time, "--"};
    memcpy(argv, head, sizeof(head));
    memcpy(argv + 6, program, n * sizeof(*argv));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (!posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ)) {
        for (bool over = false; !program_ended(pid); over = record_is_over(path, deadline_ns) || *options->stop) {
            if (over)
                kill(pid, SIGTERM); /* the first ends the recording if it goes on, another the program */
            nanosleep(&(struct timespec){.tv_nsec = over ? 200000000 : 10000000}, NULL);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    posix_spawn_file_actions_destroy(&actions);
    free(argv);
    if (access(path, R_OK) || gcctl_report_recording(report, path))
        snprintf(report->no_recording, sizeof(report->no_recording),
                 "The run that was to record the program gave no recording (status %d); gcctl record -o FILE -- "
                 "PROGRAM says why.",
                 WIFEXITED(status) ? WEXITSTATUS(status) : status);
    snprintf(report->recording, sizeof(report->recording), "%s", *report->no_recording ? "" : "a second run");
}

int gcctl_report_program(struct gcctl_report *report, char *const *program, const struct gcctl_report_options *options)
{
    char folder[200];
    if (gcctl_temporary_folder(folder, sizeof(folder)))
        return gcctl_error(EX_CANTCREAT, "%s: %s", folder, strerror(errno));
    int status = program_measure(report, program, folder, options);
    if (!status && !options->without_recording && !*options->stop)
        program_record(report, program, folder, options);
    gcctl_temporary_remove(folder);
    return status;
}
