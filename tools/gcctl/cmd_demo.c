/* cmd_demo.c - gcctl demo: two minutes that show the tool at work on wordgraph and the system's texts. Each step prints
 * the command that a user would type, and runs it: this program itself as a child. Invariant: however it ends, no child
 * and no file is left but the report. Children die with this process (PR_SET_PDEATHSIG), are told of Ctrl-C, and are
 * waited for. */
#include "tools/gcctl/client.h"
#include "tools/gcctl/figures.h"
#include "tools/gcctl/layout.h"
#include "tools/gcctl/print.h"
#include "tools/gcctl/samples.h"
#include "tools/gcctl/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define MOST_WORDS 48
#define WAIT_NS INT64_C(15000000000)

struct demo {
    const struct gcctl_call *call;
    bool fast;
    char folder[200]; /* temporary; in PATH, with wordgraph in it */
    char report[PATH_MAX];
    pid_t live;       /* wordgraph that runs in the background, or 0 */
    char socket[240]; /* its */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static void wait_ns(int64_t ns)
{
    nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
}

/* ---- telling */

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

static void tell_title(const struct demo *demo, const char *title)
{
    tell("\n%s%s%s", demo->call->color ? "\033[1m" : "== ", title, demo->call->color ? "\033[0m" : "");
}

static void tell_command(const struct demo *demo, char *const *words)
{
    printf("\n%s$", demo->call->color ? "\033[36m" : "");
    for (; *words; words++)
        printf(strpbrk(*words, " <>'|*$") ? " '%s'" : " %s", *words);
    tell("%s", demo->call->color ? "\033[0m" : "");
}

/* ---- children */

/* argv[0] "gcctl": this program. quiet: output to /dev/null. */
static pid_t start(char *const *argv, bool quiet)
{
    const pid_t parent = getpid();
    fflush(stdout);
    const pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    const int null = quiet ? open("/dev/null", O_WRONLY) : -1;
    if (null >= 0)
        dup2(null, STDOUT_FILENO);
    if (!strcmp(argv[0], "gcctl"))
        execv("/proc/self/exe", argv);
    else
        execvp(argv[0], argv);
    _exit(127);
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == pid;
}

/* Asks it to end, again after a second (tune wants to be asked twice), at last kills it. */
static void stop(pid_t pid)
{
    for (int i = 0; i < 400 && !has_ended(pid); i++) {
        if (i % 100 == 0)
            kill(pid, i < 300 ? SIGINT : SIGKILL);
        wait_ns(10000000);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Shows and runs a command; its exit status. */
static int run_step(const struct demo *demo, char *const *argv)
{
    int status;
    if (interrupted)
        return 130;
    tell_command(demo, argv);
    const pid_t pid = start(argv, false);
    if (pid < 0)
        return gcctl_error(EX_OSERR, "cannot start a process: %s", strerror(errno));
    for (;;) {
        const pid_t ended = waitpid(pid, &status, 0);
        if (ended == pid)
            break;
        if (interrupted) {
            stop(pid);
            return 130;
        }
    }
    if (interrupted)
        return 130;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* The words of `text`, divided at blanks, and after them what is in `more`. */
static char **words_of(char *text, char *const *more)
{
    static char *words[MOST_WORDS];
    size_t n = 0;
    char *save = NULL;
    for (char *word = strtok_r(text, " ", &save); word && n + 1 < MOST_WORDS; word = strtok_r(NULL, " ", &save))
        words[n++] = word;
    for (; more && *more && n + 1 < MOST_WORDS; more++)
        words[n++] = *more;
    words[n] = NULL;
    return words;
}

static int step(const struct demo *demo, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int step(const struct demo *demo, const char *format, ...)
{
    char text[PATH_MAX + 512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return run_step(demo, words_of(text, NULL));
}

/* ---- step 2: a live change */

static int start_live(struct demo *demo)
{
    char setting[300];
    char *const argv[] = {"wordgraph", "--max-words=2000", "--repeat=1000000", "--readers=1", NULL};
    snprintf(demo->socket, sizeof(demo->socket), "%s/wordgraph.sock", demo->folder);
    snprintf(setting, sizeof(setting), "strategy=generational,control.socket=%s", demo->socket);
    tell("\n%s$ SLABGC=%s wordgraph --max-words=2000 --repeat=1000000 --readers=1 &%s",
         demo->call->color ? "\033[36m" : "", setting, demo->call->color ? "\033[0m" : "");
    setenv("SLABGC", setting, 1);
    demo->live = start(argv, true);
    unsetenv("SLABGC");
    if (demo->live < 0) {
        demo->live = 0;
        return gcctl_error(EX_OSERR, "cannot start wordgraph: %s", strerror(errno));
    }
    return 0;
}

static struct gcctl_client *connect_live(const struct demo *demo)
{
    const int64_t deadline_ns = now_ns() + WAIT_NS;
    struct gcctl_client *client = NULL;
    while (!client && now_ns() < deadline_ns && !has_ended(demo->live) && !interrupted)
        client = gcctl_connect_path(demo->socket, demo->live, now_ns() + 100000000);
    return client;
}

/* The number of the last event of that kind, and how many collections ended after it; -1: there is none. */
static json_int_t last_event(const struct gcctl_samples *samples, const char *kind, size_t *n_collections)
{
    json_int_t sequence = -1;
    size_t i;
    const json_t *event;
    *n_collections = 0;
    json_array_foreach (samples->events, i, event) {
        if (!strcmp(gcctl_figure_text(event, "kind"), kind)) {
            sequence = (json_int_t)gcctl_figure(event, "sequence");
            *n_collections = 0;
        }
        *n_collections += !strcmp(gcctl_figure_text(event, "kind"), "collection end");
    }
    return sequence;
}

/* Waits for a few collections after the change, and shows the log from there. */
static int show_effect(const struct demo *demo, struct gcctl_client *client)
{
    struct gcctl_samples samples;
    const int64_t deadline_ns = now_ns() + WAIT_NS;
    json_int_t sequence = -1;
    size_t n = 0;
    int status = 0;
    gcctl_samples_init(&samples);
    while (!status && n < 3 && now_ns() < deadline_ns && !interrupted) {
        status = gcctl_samples_log(&samples, client);
        sequence = last_event(&samples, "set", &n);
        wait_ns(20000000);
    }
    gcctl_samples_fini(&samples);
    if (!status && sequence >= 0)
        status = step(demo, "gcctl log --from=%lld -p %s", (long long)sequence, demo->socket);
    return status;
}

static int live_steps(struct demo *demo, struct gcctl_client *client)
{
    const char *interval = demo->fast ? "700ms" : "3s";
    int status = step(demo, "gcctl top --batch --count=1 --interval=%s -p %s", interval, demo->socket);
    tell("\nCollections come rarely, as the young generation is large. Smaller, it is collected more often, and less "
         "memory "
         "is held between.\n"
         "What can be set, and within which bounds, the strategy itself declares; a value out of bounds is refused:");
    if (!status)
        status = step(demo, "gcctl set strategy.generational.young_size=1KiB -p %s", demo->socket) == 130 ? 130 : 0;
    if (!status)
        status = step(demo, "gcctl set strategy.generational.young_size=1MiB -p %s", demo->socket);
    if (!status)
        status = show_effect(demo, client);
    if (!status)
        status = step(demo, "gcctl top --batch --count=1 --interval=%s -p %s", interval, demo->socket);
    if (!status)
        status = step(demo, "gcctl map -p %s", demo->socket);
    return status;
}

static int live_change(struct demo *demo)
{
    tell_title(demo, "2. A running process is looked at, and changed");
    tell("wordgraph runs in the background with a control socket. Nothing is stopped or attached to: a thread of "
         "its own answers.");
    int status = start_live(demo);
    struct gcctl_client *client = status ? NULL : connect_live(demo);
    if (client)
        status = live_steps(demo, client);
    else if (!status)
        status = interrupted ? 130 : gcctl_error(EX_UNAVAILABLE, "wordgraph did not open its control socket");
    gcctl_disconnect(client);
    if (demo->live > 0)
        stop(demo->live);
    demo->live = 0;
    return status;
}

/* ---- the others */

static int compare(const struct demo *demo)
{
    tell_title(demo, "1. One program, every strategy");
    tell("wordgraph reads the licence texts of this system into a graph of words, and forgets the words used longest "
         "ago: cycles of garbage. It names no\n"
         "collector. gcctl runs it under each strategy that can do what it needs, in turns, and holds their outputs "
         "against each other:");
    return step(demo, "gcctl compare --repeat=%d -- wordgraph --max-words=1000 --repeat=%d", demo->fast ? 1 : 5,
                demo->fast ? 5 : 40);
}

static int tune(const struct demo *demo)
{
    tell_title(demo, "3. The best settings are searched");
    tell("The strategies declare their parameters and bounds; the search space is theirs. The winners are measured "
         "again beside the defaults, and if none is\n"
         "better by more than the noise, the defaults stay:");
    const int status = step(demo,
                            "gcctl tune --budget=%s --objective=time,p99_pause --result=%s/tune.json -- wordgraph "
                            "--max-words=1000 --repeat=%d",
                            demo->fast ? "4s" : "45s", demo->folder, demo->fast ? 3 : 15);
    if (status == EX_USAGE)
        tell("\nSo many runs do not fit into that time here; the report goes without them.");
    return status == 1 || status == EX_USAGE ? 0 : status;
}

static int report(const struct demo *demo)
{
    char path[PATH_MAX];
    tell_title(demo, "4. All of it on one page");
    tell("Heaps over time, pauses, slabs, lifetimes from a recording, the search's points, the config: one file, which "
         "loads nothing from anywhere.");
    snprintf(path, sizeof(path), "%.220s/tune.json", demo->folder);
    return step(demo, "gcctl report -o %s%s%s -- wordgraph --max-words=1000 --repeat=%d --readers=1", demo->report,
                access(path, R_OK) ? "" : " --tune=", access(path, R_OK) ? "" : path, demo->fast ? 10 : 60);
}

/* Children find wordgraph by this name, as a user would have it. */
static int prepare(struct demo *demo)
{
    char program[PATH_MAX], link[256], path[8192];
    const char *file = gcctl_text(demo->call, "output"), *old = getenv("PATH");
    char here[PATH_MAX];
    if (!gcctl_layout_program("slabgc-wordgraph", program))
        return EX_UNAVAILABLE;
    gcctl_layout_plugins();
    const char *from = getcwd(here, sizeof(here)) ? here : "/tmp";
    file = file ? file : "slabgc-report.html";
    if (snprintf(demo->report, sizeof(demo->report), "%s%s%s", *file == '/' ? "" : from, *file == '/' ? "" : "/",
                 file) >= PATH_MAX)
        return gcctl_error(EX_USAGE, "%s: the path is too long", file);
    if (strchr(demo->report, ' '))
        return gcctl_error(EX_USAGE, "%s: a path without blanks is wanted; -o says which", demo->report);
    if (gcctl_temporary_folder(demo->folder, sizeof(demo->folder)))
        return gcctl_error(EX_CANTCREAT, "%s: %s", demo->folder, strerror(errno));
    snprintf(link, sizeof(link), "%s/wordgraph", demo->folder);
    snprintf(path, sizeof(path), "%s:%s", demo->folder, old ? old : "/usr/bin:/bin");
    if (symlink(program, link))
        return gcctl_error(EX_CANTCREAT, "%s: %s", link, strerror(errno));
    setenv("PATH", path, 1);
    unsetenv("SLABGC");
    unsetenv("SLABGC_CONFIG");
    return 0;
}

static int run(struct gcctl_call *call)
{
    struct demo demo = {.call = call, .fast = gcctl_flag(call, "fast")};
    const struct sigaction action = {.sa_handler = on_interrupt};
    const int64_t began_ns = now_ns();
    char took[GCCTL_UNIT_BYTES];
    gcctl_temporary_guard(on_interrupt);
    sigaction(SIGPIPE, &action, NULL); /* nobody reads it any more */
    int status = prepare(&demo);
    if (!status)
        tell("slabgc: a slab allocator whose garbage collectors are plug-ins. Four steps, about %s; Ctrl-C ends it.",
             demo.fast ? "15 seconds" : "two minutes");
    if (!status)
        status = compare(&demo);
    if (!status)
        status = live_change(&demo);
    if (!status)
        status = tune(&demo);
    if (!status)
        status = report(&demo);
    if (*demo.folder)
        gcctl_temporary_remove(demo.folder);
    if (!status)
        tell("\nDone in %s. The report: %s\nNext: gcctl help; and for your own program: gcctl compare -- PROGRAM "
             "ARGUMENTS",
             gcctl_duration(took, (double)(now_ns() - began_ns)), demo.report);
    else if (status == 130)
        tell("\nInterrupted; nothing is left behind.");
    return status;
}

static const struct gcctl_option options[] = {
    {.name = "fast",
     .kind = GCCTL_FLAG,
     .help = "Take about 15 seconds: fewer and shorter runs, whose figures mean less"},
    {.name = "output",
     .letter = 'o',
     .kind = GCCTL_FILE,
     .value = "FILE",
     .help = "Where the report goes (default slabgc-report.html)"},
    {0},
};

const struct gcctl_command gcctl_command_demo = {
    .name = "demo",
    .group = "Other",
    .summary = "Two minutes that show what slabgc and gcctl do",
    .description = "Runs wordgraph, a program that comes with slabgc, on the texts of /usr/share/common-licenses: "
                   "under every strategy side by side; in the background, to look at it and "
                   "change a threshold while it runs; in a small search for the best settings; and once more for a "
                   "report. Each step shows the command that does it.\n\n"
                   "It leaves one file, the report, and nothing else; $SLABGC and $SLABGC_CONFIG are not heeded.",
    .examples = "gcctl demo\n"
                "gcctl demo --fast -o /tmp/report.html",
    .options = options,
    .flags = 0,
    .run = run,
};
