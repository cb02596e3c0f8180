/* run.c - see run.h. What a run is:
 *   - the program in a process group of its own, with stdin from /dev/null, so that each run reads the same;
 *   - wall clock from before the fork to the moment its end is known (pidfd); CPU and largest resident set from wait4;
 *   - the heaps' figures from the control report, which the program itself writes at its end;
 *   - stdout in a file without a name, for the digest; of stderr the last 2 KiB.
 * A run over its limit gets SIGTERM, a second later SIGKILL. When gcctl dies, its program does (PR_SET_PDEATHSIG).
 * The largest resident set cannot be less than gcctl's own at the fork, which Linux counts for the child (some MiB).
 * One thread; the only global is what a signal handler needs to clean up. */
#include "tools/gcctl/run.h"

#include "tools/gcctl/print.h"
#include "tools/gcctl/run_report.h"
#include "tools/gcctl/run_setting.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define KILL_GRACE_NS 1000000000 /* between SIGTERM and SIGKILL */
#define CANCEL_POLL_MS 100       /* a signal may come between the look at `cancel` and poll */

struct run {
    const struct gcctl_run_config *config;
    struct gcctl_run *out;
    char directory[PATH_MAX], report[PATH_MAX + 16];
    char **environment, *slabgc, *slabgc_config;
    int output, error_read, error_write, exec_read, exec_write;
    int64_t began_ns;
    size_t stderr_length;
};

/* For gcctl_run_abandon: written before the program starts and after it ended, read by a signal handler. */
static volatile sig_atomic_t current_group;
static char current_report[PATH_MAX + 16], current_directory[PATH_MAX];

static int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

void gcctl_run_abandon(void)
{
    if (current_group > 0)
        kill(-current_group, SIGKILL);
    if (current_report[0])
        unlink(current_report);
    if (current_directory[0])
        rmdir(current_directory);
}

static void run_on_signal(int signal_number)
{
    gcctl_run_abandon();
    _exit(128 + signal_number);
}

void gcctl_run_catch(bool sigint)
{
    struct sigaction action = {.sa_handler = run_on_signal};
    sigfillset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    if (signal(SIGHUP, SIG_IGN) != SIG_IGN) /* ignored: nohup */
        sigaction(SIGHUP, &action, NULL);
    if (sigint)
        sigaction(SIGINT, &action, NULL);
}

/* ---- before */

/* A directory of our own for the report. Its path stands in $SLABGC, where a comma parts values. */
static int run_make_directory(struct run *run)
{
    const char *parent = getenv("TMPDIR");
    if (!parent || parent[0] != '/' || strpbrk(parent, ", \t\n#;"))
        parent = "/tmp";
    snprintf(run->directory, sizeof(run->directory), "%s/gcctl-run-XXXXXX", parent);
    if (!mkdtemp(run->directory)) {
        const int code = -errno;
        gcctl_error(0, "cannot make a directory in %s: %s", parent, strerror(-code));
        run->directory[0] = '\0';
        return code;
    }
    snprintf(run->report, sizeof(run->report), "%s/report", run->directory);
    memcpy(current_report, run->report, sizeof(current_report));
    memcpy(current_directory, run->directory, sizeof(current_directory));
    return 0;
}

static bool is_variable(const char *entry, const char *name)
{
    const size_t length = strlen(name);
    return !strncmp(entry, name, length) && entry[length] == '=';
}

static int run_make_environment(struct run *run)
{
    extern char **environ;
    size_t n = 0, kept = 0;
    char *text = gcctl_run_compose(getenv("SLABGC"), run->config->settings, run->report);
    while (environ[n])
        n++;
    run->environment = calloc(n + 3, sizeof(*run->environment));
    if (!text || !run->environment || asprintf(&run->slabgc, "SLABGC=%s", text) < 0) {
        free(text);
        run->slabgc = NULL;
        return -ENOMEM;
    }
    free(text);
    const char *file = run->config->config_file;
    if (file && asprintf(&run->slabgc_config, "SLABGC_CONFIG=%s", file) < 0) {
        run->slabgc_config = NULL;
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        if (!is_variable(environ[i], "SLABGC") && !(file && is_variable(environ[i], "SLABGC_CONFIG")))
            run->environment[kept++] = environ[i];
    run->environment[kept++] = run->slabgc;
    if (file)
        run->environment[kept] = run->slabgc_config;
    return 0;
}

/* An empty file without a name in the run's directory. */
static int run_open_output(struct run *run)
{
    char path[PATH_MAX + 16];
    if (!run->config->keep_output && !run->config->json_output)
        return run->output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "%s/output", run->directory);
    run->output = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (run->output >= 0)
        unlink(path);
    return run->output;
}

static int run_open_files(struct run *run)
{
    int error_pipe[2], exec_pipe[2];
    if (run_open_output(run) < 0)
        return -errno;
    if (pipe2(error_pipe, O_CLOEXEC))
        return -errno;
    run->error_read = error_pipe[0];
    run->error_write = error_pipe[1];
    if (pipe2(exec_pipe, O_CLOEXEC))
        return -errno;
    run->exec_read = exec_pipe[0];
    run->exec_write = exec_pipe[1];
    return fcntl(run->error_read, F_SETFL, O_NONBLOCK) ? -errno : 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void run_fini(struct run *run)
{
    close_fd(&run->output);
    close_fd(&run->error_read);
    close_fd(&run->error_write);
    close_fd(&run->exec_read);
    close_fd(&run->exec_write);
    free(run->environment);
    free(run->slabgc);
    free(run->slabgc_config);
    if (run->directory[0]) {
        unlink(run->report);
        rmdir(run->directory);
    }
    current_report[0] = current_directory[0] = '\0';
}

/* ---- the child */

static void child_exec(const struct run *run, pid_t parent)
{
    static const int defaults[] = {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGQUIT};
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        signal(defaults[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int input = open("/dev/null", O_RDONLY);
    if (getppid() == parent && input >= 0 && dup2(input, 0) >= 0 && dup2(run->output, 1) >= 0 &&
        dup2(run->error_write, 2) >= 0)
        execvpe(run->config->program[0], run->config->program, run->environment);
    const int code = errno;
    while (write(run->exec_write, &code, sizeof(code)) < 0 && errno == EINTR)
        ;
    _exit(127);
}

/* Starts the program; the pid, or a negative errno. */
static pid_t run_start(struct run *run)
{
    const pid_t parent = getpid();
    int code = 0;
    ssize_t n;
    fflush(NULL);
    run->began_ns = now_ns();
    const pid_t pid = fork();
    if (pid == 0)
        child_exec(run, parent);
    if (pid < 0)
        return -errno;
    setpgid(pid, pid); /* both do, so that it is done for whoever comes first */
    current_group = pid;
    close_fd(&run->exec_write);
    close_fd(&run->error_write);
    do {
        n = read(run->exec_read, &code, sizeof(code)); /* ends when exec closes it */
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(code))
        return pid;
    waitpid(pid, NULL, 0);
    current_group = 0;
    return code ? -code : -EIO;
}

/* ---- while it runs */

static void run_read_stderr(struct run *run)
{
    char buffer[4096], *end = run->out->stderr_end;
    const size_t room = sizeof(run->out->stderr_end) - 1;
    ssize_t n;
    while ((n = read(run->error_read, buffer, sizeof(buffer))) > 0) {
        const size_t taken = (size_t)n < room ? (size_t)n : room;
        const size_t kept = run->stderr_length + taken > room ? room - taken : run->stderr_length;
        memmove(end, end + run->stderr_length - kept, kept);
        memcpy(end + kept, buffer + n - taken, taken);
        run->stderr_length = kept + taken;
        end[run->stderr_length] = '\0';
    }
    if (n == 0)
        close_fd(&run->error_read);
}

static int poll_ms(int64_t deadline_ns, bool watch_cancel)
{
    int64_t ms = deadline_ns ? (deadline_ns - now_ns()) / 1000000 + 1 : -1;
    if (watch_cancel && (ms < 0 || ms > CANCEL_POLL_MS))
        ms = CANCEL_POLL_MS;
    return ms > INT_MAX ? INT_MAX : ms < -1 ? 0 : (int)ms;
}

/* Waits for the program's end; ends it at its limit or when cancelled. */
static void run_wait(struct run *run, pid_t pid, int pidfd)
{
    const volatile sig_atomic_t *cancel = run->config->cancel;
    int64_t deadline_ns = run->config->limit_ns ? run->began_ns + run->config->limit_ns : 0;
    bool asked = false, told = false;
    for (;;) {
        struct pollfd fds[2] = {{pidfd, POLLIN, 0}, {run->error_read, POLLIN, 0}};
        const int n = poll(fds, 2, poll_ms(deadline_ns, cancel && !asked));
        if (n > 0 && fds[1].revents)
            run_read_stderr(run);
        if (n > 0 && fds[0].revents)
            return;
        const bool over = deadline_ns && now_ns() >= deadline_ns;
        if (!asked && (over || (cancel && *cancel))) {
            run->out->timed_out = over;
            run->out->cancelled = !over;
            kill(-pid, SIGTERM);
            asked = true;
            deadline_ns = now_ns() + KILL_GRACE_NS;
        } else if (asked && over && !told) {
            kill(-pid, SIGKILL);
            told = true;
            deadline_ns = 0;
        }
    }
}

static uint64_t time_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

/* Reaps the program and takes its figures. */
static int run_collect(struct run *run, pid_t pid)
{
    struct gcctl_run *out = run->out;
    struct rusage usage;
    while (wait4(pid, &out->status, 0, &usage) < 0)
        if (errno != EINTR)
            return -errno;
    current_group = 0;
    kill(-pid, SIGKILL); /* what it left behind in its group */
    if (run->error_read >= 0)
        run_read_stderr(run);
    out->user_ns = time_ns(usage.ru_utime);
    out->system_ns = time_ns(usage.ru_stime);
    out->peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    out->failed = !out->timed_out && !out->cancelled && !(WIFEXITED(out->status) && WEXITSTATUS(out->status) == 0);
    const bool kept = run->config->keep_output || run->config->json_output;
    const int code = kept ? gcctl_run_digest(run->output, out) : 0;
    if (run->config->json_output && lseek(run->output, 0, SEEK_SET) == 0)
        out->output = json_loadfd(run->output, JSON_DISABLE_EOF_CHECK, NULL);
    return code ? code : gcctl_run_read_report(run->report, out);
}

static int run_program(struct run *run)
{
    const pid_t pid = run_start(run);
    if (pid < 0) {
        gcctl_error(0, "cannot run %s: %s", run->config->program[0], strerror(-pid));
        return pid;
    }
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        const int code = -errno;
        gcctl_error(0, "cannot watch process %d: %s", (int)pid, strerror(-code));
        kill(-pid, SIGKILL);
        waitpid(pid, NULL, 0);
        current_group = 0;
        return code;
    }
    run_wait(run, pid, pidfd);
    run->out->wall_ns = (uint64_t)(now_ns() - run->began_ns);
    close_fd(&pidfd);
    const int code = run_collect(run, pid);
    if (code)
        gcctl_error(0, "cannot read what the run of %s left: %s", run->config->program[0], strerror(-code));
    return code;
}

int gcctl_run(const struct gcctl_run_config *config, struct gcctl_run *out)
{
    struct run run = {.config = config, .out = out, .output = -1, .error_read = -1};
    run.error_write = run.exec_read = run.exec_write = -1;
    *out = (struct gcctl_run){.heaps = json_array()};
    int code = run_make_directory(&run);
    if (code)
        goto done;
    code = out->heaps ? run_make_environment(&run) : -ENOMEM;
    if (!code)
        code = run_open_files(&run);
    if (code) {
        gcctl_error(0, "cannot prepare a run of %s: %s", config->program[0], strerror(-code));
        goto done;
    }
    code = run_program(&run);
done:
    run_fini(&run);
    if (code)
        gcctl_run_fini(out);
    return code;
}

void gcctl_run_fini(struct gcctl_run *run)
{
    json_decref(run->heaps);
    json_decref(run->output);
    run->heaps = run->output = NULL;
}

/* ---- after */

bool gcctl_run_unusable(const struct gcctl_run *run, const char *what)
{
    char limit[GCCTL_UNIT_BYTES];
    if (run->cancelled)
        gcctl_note("%s was ended", what);
    else if (run->timed_out)
        gcctl_note("%s was ended after %s, its limit", what, gcctl_duration(limit, (double)run->wall_ns));
    else if (run->failed && WIFSIGNALED(run->status))
        gcctl_note("%s died of signal %d (%s)%s%s", what, WTERMSIG(run->status), strsignal(WTERMSIG(run->status)),
                   run->stderr_end[0] ? "; its last words:\n" : "", run->stderr_end);
    else if (run->failed)
        gcctl_note("%s ended with status %d%s%s", what, WEXITSTATUS(run->status),
                   run->stderr_end[0] ? "; its last words:\n" : "", run->stderr_end);
    else if (json_array_size(run->heaps) == 0)
        gcctl_note("%s opened no slabgc heap: does the program link slabgc, and a version that knows control.report?",
                   what);
    else
        return false;
    return true;
}

static int compare_doubles(const void *a_, const void *b_)
{
    const double a = *(const double *)a_, b = *(const double *)b_;
    return (a > b) - (a < b);
}

struct gcctl_spread gcctl_spread_of(double *values, size_t n)
{
    if (n == 0)
        return (struct gcctl_spread){NAN, NAN, NAN};
    qsort(values, n, sizeof(*values), compare_doubles);
    return (struct gcctl_spread){(values[(n - 1) / 2] + values[n / 2]) / 2, values[0], values[n - 1]};
}
